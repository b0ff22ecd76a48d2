//! What stands on the machine itself: the tunnel, nginx, the units of systemd.

use std::collections::BTreeMap;

use super::{known, text, yaml};

/// A length of time as cloudflared writes it.
fn seconds(text: &str) -> u64 {
    let mut total = 0;
    let mut number = String::new();
    for sign in text.chars() {
        if sign.is_ascii_digit() {
            number.push(sign);
        } else {
            let unit = match sign {
                's' => 1,
                'm' => 60,
                'h' => 3600,
                _ => panic!("{text} is no time"),
            };
            total += std::mem::take(&mut number).parse::<u64>().expect("a number") * unit;
        }
    }
    assert!(number.is_empty(), "{text} has no unit");
    total
}

#[test]
fn the_tunnel_leads_here_and_changes_nothing() {
    /// How long mppeep keeps an idle connection.
    const IDLE_SECONDS: u64 = 120;
    let known = known();
    let config = yaml("deploy/cloudflared/config.yml");
    let rules = config["ingress"].as_array().expect("rules");
    let (last, ours) = rules.split_last().expect("rules");
    assert_eq!(
        *last,
        serde_json::json!({"service": "http_status:404"}),
        "whatever else is refused"
    );
    assert_eq!(
        ours.len(),
        2,
        "a path on a shared domain, and a domain of its own"
    );
    for rule in ours {
        assert!(
            rule["hostname"]
                .as_str()
                .is_some_and(|host| host.ends_with(".example")),
            "{rule}"
        );
        assert_eq!(
            rule["service"],
            format!("http://{}", known["MPPEEP_LISTEN"]),
            "where mppeep listens by itself"
        );
    }
    assert_eq!(ours[0]["path"], format!("^{}(/|$)", known["MPPEEP_ROOT_PATH"]));
    assert!(ours[1].get("path").is_none());
    let origin = &config["originRequest"];
    let idle = seconds(origin["keepAliveTimeout"].as_str().expect("a time"));
    assert!(idle < IDLE_SECONDS, "the tunnel must let go first: {idle} s");
    assert!(origin["keepAliveConnections"].as_u64().expect("a number") <= 100);
    assert_eq!(
        origin["http2Origin"], false,
        "mppeep does not speak HTTP/2 in the clear"
    );
    for place in std::iter::once(origin).chain(ours.iter().map(|rule| &rule["originRequest"])) {
        for name in ["httpHostHeader", "noTLSVerify", "disableChunkedEncoding"] {
            assert!(place.get(name).is_none(), "{name} is set");
        }
    }
    let inside = yaml("deploy/cloudflared/compose.yml").to_string();
    assert_eq!(
        inside.replace("http://app:9000", "http://127.0.0.1:9000"),
        config.to_string(),
        "the same tunnel, in the containers"
    );
}

/// The settings of a file of nginx, one a line, without comments and with single blanks.
fn directives(name: &str) -> Vec<String> {
    let text = text(name);
    let lines = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

#[test]
fn nginx_never_sends_twice_what_may_have_been_done() {
    let outside = directives("deploy/nginx/upstream.conf");
    assert_eq!(
        outside.iter().filter(|line| line.starts_with("server ")).count(),
        3
    );
    assert!(
        outside.iter().any(|line| line.contains("weight=2"))
            && outside.iter().any(|line| line.contains("backup"))
    );
    let mut inside = directives("deploy/nginx/upstream-compose.conf");
    for line in &mut inside {
        for (container, address) in [
            ("app:9000", "127.0.0.1:9001"),
            ("app-2:9000", "127.0.0.1:9002"),
            ("app-3:9000", "127.0.0.1:9003"),
        ] {
            *line = line.replace(&format!("server {container} "), &format!("server {address} "));
        }
    }
    assert_eq!(inside, outside, "the same instances, in the containers");
    let site = directives("deploy/nginx/mppeep.conf");
    let again: Vec<&String> = site
        .iter()
        .filter(|line| line.starts_with("proxy_next_upstream "))
        .collect();
    assert_eq!(again, ["proxy_next_upstream error timeout;"]);
    for header in [
        "CF-Connecting-IP",
        "CF-Ray",
        "CF-IPCountry",
        "CF-Visitor",
        "X-Forwarded-For",
    ] {
        let cleared = format!("proxy_set_header {header} \"\";");
        assert!(
            site.contains(&cleared),
            "a client could say {header} in nginx's name"
        );
    }
}

/// The settings of a unit, by name; those that stand there more than once are joined with blanks.
fn unit(name: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for line in text(name).lines().filter(|line| !line.starts_with('#')) {
        if let Some((key, value)) = line.split_once('=') {
            let before: &mut String = found.entry(key.to_owned()).or_default();
            *before = format!("{before} {value}").trim().to_owned();
        }
    }
    found
}

#[test]
fn the_service_is_confined_and_listens_where_mppeep_does() {
    let service = unit("deploy/systemd/mppeep.service");
    for (name, value) in [
        ("Type", "notify"),
        ("DynamicUser", "yes"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("PrivateDevices", "yes"),
        ("MemoryDenyWriteExecute", "yes"),
        ("CapabilityBoundingSet", ""),
        ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
        ("SystemCallFilter", "@system-service ~@privileged @resources"),
    ] {
        assert_eq!(service.get(name).map(String::as_str), Some(value), "{name}");
    }
    let state = format!("MPPEEP_DATA_DIR=/var/lib/{}", service["StateDirectory"]);
    assert!(
        service["Environment"].contains(&state),
        "the one folder it may write to"
    );
    let words: Vec<&str> = service["ExecStart"].split(' ').collect();
    assert_eq!(words, ["/usr/local/bin/mppeep", "serve"]);
    let socket = unit("deploy/systemd/mppeep.socket");
    assert_eq!(socket["ListenStream"], known()["MPPEEP_LISTEN"]);
    assert_eq!(service["Also"], "mppeep.socket");
}
