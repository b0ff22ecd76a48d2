//! What stands in `deploy/` fits the binary it deploys, and gives nothing away: the compose file, the image, the tunnel, nginx
//! (which `rolling.rs` runs), the units of systemd, and the settings that the documentation names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use mppeep_tests::binary::workspace;
use mppeep_tests::{Launch, Server};
use serde_json::Value;

fn path(name: &str) -> PathBuf {
    workspace().join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|problem| panic!("{name}: {problem}"))
}

/// A file of YAML, its merge keys applied, as JSON.
fn yaml(name: &str) -> Value {
    let mut document: serde_norway::Value =
        serde_norway::from_str(&text(name)).unwrap_or_else(|problem| panic!("{name}: {problem}"));
    // What is merged may merge something itself.
    for _ in 0..3 {
        document.apply_merge().expect("merge keys name mappings");
    }
    serde_json::to_value(document).expect("keys are text")
}

fn strings(value: &Value) -> Vec<&str> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).collect()
}

fn entries(value: &Value) -> Vec<(&str, &Value)> {
    let map = value
        .as_object()
        .unwrap_or_else(|| panic!("a mapping, not {value}"));
    map.iter().map(|(name, value)| (name.as_str(), value)).collect()
}

/// Every file below `deploy/` with its text.
fn deployed() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("deploy/").filter_map(Result::ok) {
            match entry.path() {
                // Made by whoever deploys, and kept out of the repository.
                inner if inner.ends_with("secrets") => {}
                inner if inner.is_dir() => walk(&inner, found),
                file => found.push(file),
            }
        }
    }
    let mut found = Vec::new();
    walk(&path("deploy"), &mut found);
    assert!(found.len() >= 9, "{found:?}");
    let read = |file: PathBuf| {
        let name = file
            .strip_prefix(workspace())
            .expect("below the workspace")
            .display()
            .to_string();
        (name.clone(), text(&name))
    };
    found.into_iter().map(read).collect()
}

/// The names of variables in a text: `MPPEEP_…`, `DATABASE_URL`, `REDIS_URL`, and the same with `_FILE`.
fn variables(text: &str) -> BTreeSet<String> {
    text.split(|sign: char| !(sign.is_ascii_uppercase() || sign.is_ascii_digit() || sign == '_'))
        .filter(|word| {
            let base = word.strip_suffix("_FILE").unwrap_or(word);
            (base.starts_with("MPPEEP_") && base.len() > "MPPEEP_".len())
                || ["DATABASE_URL", "REDIS_URL"].contains(&base)
        })
        .filter(|word| !word.ends_with('_'))
        .map(str::to_owned)
        .collect()
}

/// The variables that the binary knows, with their defaults.
fn known() -> BTreeMap<String, String> {
    let shown = Launch::new()
        .without("MPPEEP_LISTEN")
        .run_well(&["config", "check", "--json"]);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let lines = shown.as_array().expect("a list").iter();
    lines
        .map(|line| {
            let field = |name: &str| line[name].as_str().expect("text").to_owned();
            (field("variable"), field("value"))
        })
        .collect()
}

#[test]
fn every_variable_that_is_named_exists() {
    let known = known();
    assert!(known.len() > 30, "{known:?}");
    let mut named = 0;
    let documents = ["docs/operator.md", "README.md"].map(|name| (name.to_owned(), text(name)));
    for (name, text) in deployed().into_iter().chain(documents) {
        for variable in variables(&text) {
            assert!(
                known.contains_key(&variable),
                "{name} names {variable}, which mppeep does not know"
            );
            named += 1;
        }
    }
    assert!(named > 40, "{named} names");
}

#[test]
fn every_variable_that_exists_is_documented() {
    let operator = text("docs/operator.md");
    let rows: Vec<&str> = operator.lines().filter(|line| line.starts_with('|')).collect();
    for variable in known().into_keys() {
        let described = rows.iter().any(|row| {
            let names = row.split('|').nth(1).unwrap_or_default();
            let base = variable.strip_suffix("_FILE").unwrap_or(&variable);
            names.contains(&format!("`{variable}`"))
                || (base != variable && names.contains(&format!("`{base}`")) && names.contains("`…_FILE`"))
        });
        assert!(
            described,
            "the table of settings in docs/operator.md does not have {variable}"
        );
    }
}

/// `${NAME:-default}` becomes the default, as with an empty environment.
fn resolved(value: &str) -> String {
    let Some((before, rest)) = value.split_once("${") else {
        return value.to_owned();
    };
    let (inner, after) = rest.split_once('}').expect("a closed brace");
    let (_, default) = inner
        .split_once(":-")
        .unwrap_or_else(|| panic!("{value} has no default"));
    format!("{before}{default}{}", resolved(after))
}

fn services() -> BTreeMap<String, Value> {
    let compose = yaml("deploy/compose.yaml");
    let services = entries(&compose["services"]);
    services
        .into_iter()
        .map(|(name, service)| (name.to_owned(), service.clone()))
        .collect()
}

fn environment(service: &Value) -> BTreeMap<String, String> {
    let Some(map) = service.get("environment") else {
        return BTreeMap::new();
    };
    let value = |value: &Value| value.as_str().map_or_else(|| value.to_string(), resolved);
    entries(map)
        .into_iter()
        .map(|(name, text)| (name.to_owned(), value(text)))
        .collect()
}

/// Whether the tag of an image says a version, to its second number at least.
fn is_pinned(image: &str) -> bool {
    let Some((_, tag)) = image.rsplit_once(':') else {
        return false;
    };
    let numbers: Vec<&str> = tag.split('-').next().unwrap_or_default().split('.').collect();
    numbers.len() >= 2 && numbers.iter().all(|number| number.parse::<u32>().is_ok())
}

fn is_number_of_nobody(user: &str) -> bool {
    let ids: Vec<Option<u32>> = user.split(':').map(|id| id.parse().ok()).collect();
    ids.len() == 2 && ids.iter().all(|id| id.is_some_and(|id| id > 0))
}

#[test]
fn every_container_is_confined() {
    for (name, service) in services() {
        let image = service["image"].as_str().expect("an image");
        assert!(is_pinned(image), "{name}: {image}");
        let user = service["user"].as_str().unwrap_or_default();
        assert!(is_number_of_nobody(user), "{name} runs as {user:?}");
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "{name}");
        assert!(service.get("cap_add").is_none(), "{name}");
        assert_eq!(
            strings(&service["security_opt"]),
            ["no-new-privileges:true"],
            "{name}"
        );
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        for limit in ["cpus", "memory", "pids"] {
            assert!(
                service["deploy"]["resources"]["limits"].get(limit).is_some(),
                "{name}: {limit}"
            );
        }
        for option in ["max-size", "max-file"] {
            assert!(
                service["logging"]["options"][option].is_string(),
                "{name} logs without end"
            );
        }
        let health = strings(&service["healthcheck"]["test"]);
        assert_eq!(health.first(), Some(&"CMD"), "{name}: {health:?}");
        for forbidden in [
            "privileged",
            "network_mode",
            "pid",
            "ipc",
            "devices",
            "userns_mode",
        ] {
            assert!(service.get(forbidden).is_none(), "{name}: {forbidden}");
        }
        for port in strings(&service["ports"]) {
            assert!(
                resolved(port).starts_with("127.0.0.1:"),
                "{name} is published as {port}"
            );
        }
    }
}

#[test]
fn only_what_may_vanish_has_no_volume() {
    let compose = yaml("deploy/compose.yaml");
    let declared: BTreeSet<&str> = entries(&compose["volumes"])
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let services = services();
    let mounts = |name: &str| -> Vec<(String, String)> {
        let mounts = strings(&services[name]["volumes"]).into_iter();
        mounts
            .map(|mount| mount.split_once(':').expect("from:to"))
            .map(|(from, to)| (from.to_owned(), to.to_owned()))
            .collect()
    };
    for (service, folder) in [
        ("postgres", "/var/lib/postgresql/data"),
        ("app", "/data"),
        ("app-2", "/data"),
        ("app-3", "/data"),
    ] {
        let kept = mounts(service).into_iter().find(|(_, to)| to == folder);
        let (from, _) = kept.unwrap_or_else(|| panic!("{service} would lose {folder}"));
        assert!(declared.contains(from.as_str()), "{service}: {from}");
    }
    assert_eq!(mounts("app"), mounts("app-3"), "instances see the same files");
    assert!(mounts("redis").is_empty(), "Redis has nothing to keep");
    // What is mounted from beside the compose file is there, and cannot be changed from inside.
    for name in services.keys() {
        for (from, to) in mounts(name) {
            if from.starts_with('.') {
                assert!(path("deploy").join(&from).is_file(), "{name}: {from}");
                assert!(to.ends_with(":ro"), "{name}: {to}");
            }
        }
    }
    let redis = strings(&services["redis"]["command"]);
    for pair in [
        ["--maxmemory", "256mb"],
        ["--maxmemory-policy", "allkeys-lru"],
        ["--save", ""],
        ["--appendonly", "no"],
    ] {
        assert!(redis.windows(2).any(|words| words == pair), "{redis:?}");
    }
}

#[test]
fn profiles_add_to_what_is_enough_alone() {
    let services = services();
    let profiles = |name: &str| strings(&services[name]["profiles"]).join(" ");
    let all: BTreeMap<&str, String> = services
        .keys()
        .map(|name| (name.as_str(), profiles(name)))
        .collect();
    let expected = [
        ("app", ""),
        ("app-2", "nginx"),
        ("app-3", "nginx"),
        ("cloudflared", "cloudflared"),
        ("nginx", "nginx"),
        ("postgres", ""),
        ("redis", "redis"),
    ];
    assert_eq!(
        all,
        expected.map(|(name, profile)| (name, profile.to_owned())).into()
    );
    // The database and Redis are reached by the application alone, and reach nobody.
    let compose = yaml("deploy/compose.yaml");
    assert_eq!(compose["networks"]["back"]["internal"], true);
    for name in ["postgres", "redis"] {
        assert_eq!(strings(&services[name]["networks"]), ["back"]);
        assert!(services[name].get("ports").is_none());
    }
    // Who may say where a client is.
    let address = |name: &str| {
        services[name]["networks"]["front"]["ipv4_address"]
            .as_str()
            .expect("an address")
    };
    assert_eq!(
        environment(&services["app"])["MPPEEP_TRUSTED_PROXIES"],
        format!("{}/32,{}/32", address("cloudflared"), address("nginx"))
    );
}

/// Words that tell that a value is a secret.
const SECRETS: [&str; 5] = ["PASSWORD", "TOKEN", "SECRET", "KEY", "URL"];

#[test]
fn secrets_come_from_files() {
    let compose = yaml("deploy/compose.yaml");
    let declared = entries(&compose["secrets"]);
    for (name, secret) in &declared {
        let file = secret["file"].as_str().expect("a file");
        assert!(file.starts_with("./secrets/"), "{name}: {file}");
    }
    assert!(text(".gitignore").contains("/deploy/secrets/"));
    let mut used = BTreeSet::new();
    for (name, service) in services() {
        let given: Vec<String> = service["secrets"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
            .map(|secret| {
                secret
                    .as_str()
                    .or_else(|| secret["source"].as_str())
                    .expect("a name")
                    .to_owned()
            })
            .collect();
        for secret in &given {
            assert!(
                declared.iter().any(|(name, _)| name == secret),
                "{name} wants {secret}"
            );
            used.insert(secret.clone());
        }
        for (variable, value) in environment(&service) {
            if let Some(secret) = value.strip_prefix("/run/secrets/") {
                assert!(variable.ends_with("_FILE"), "{name}: {variable}");
                assert!(
                    given.iter().any(|given| given == secret),
                    "{name} is not given {secret}"
                );
            } else if SECRETS.iter().any(|word| variable.contains(word)) {
                let harmless = value.is_empty() || (variable == "MPPEEP_PUBLIC_URL" && !value.contains('@'));
                assert!(harmless, "{name}: {variable} stands there in the clear");
            }
        }
    }
    assert_eq!(used.len(), declared.len(), "all of them are used");
    // Passwords inside URLs, and blocks of keys, anywhere.
    for (name, text) in deployed() {
        assert!(!text.contains("-----BEGIN"), "{name}");
        for (at, _) in text.match_indices("://") {
            let authority: String = text[at + 3..]
                .chars()
                .take_while(|sign| !sign.is_whitespace() && *sign != '/')
                .collect();
            let password = authority
                .split_once('@')
                .and_then(|(user, _)| user.split_once(':'));
            let literal = password.is_some_and(|(_, word)| !word.starts_with('$'));
            assert!(!literal, "{name}: {authority}");
        }
    }
}

#[test]
fn secrets_are_made_once_and_understood() {
    let folder = tempfile::tempdir().expect("a folder");
    let secrets = folder.path().join("secrets");
    let make = || {
        let done = Command::new(path("deploy/make-secrets"))
            .arg(&secrets)
            .output()
            .expect("sh");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let names = ["postgres_password", "database_url", "admin_password"];
        names.map(|name| std::fs::read_to_string(secrets.join(name)).expect(name))
    };
    let made = make();
    assert_eq!(make(), made, "what is there is kept");
    let [password, url, admin] = made;
    assert_eq!(password.trim().len(), 32);
    assert_ne!(password, admin);
    assert!(
        url.contains(&format!(":{}@postgres:5432/mppeep", password.trim())),
        "{url}"
    );
    let mode = |path: &Path| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(path).expect("there").permissions().mode() & 0o777
    };
    assert_eq!(
        (mode(&secrets), mode(&secrets.join("database_url"))),
        (0o700, 0o444)
    );

    // The application's settings as the compose file gives them.
    let mut launch = Launch::new()
        .without("MPPEEP_ADMIN_PASSWORD")
        .without("MPPEEP_LISTEN");
    for (name, value) in environment(&services()["app"]) {
        let value = value.replace("/run/secrets", &secrets.display().to_string());
        launch = launch.env(&name, value);
    }
    let checked = launch.run(&["config", "check"]);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success(), "{said}");
    assert!(!said.contains("unknown"), "{said}");
    let shown = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(
        !shown.contains(password.trim()) && !shown.contains(admin.trim()),
        "{shown}"
    );
}

/// The instructions of the Containerfile, with lines that go on joined.
fn instructions() -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut goes_on = false;
    for line in text("deploy/Containerfile").lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (content, more) = line
            .strip_suffix('\\')
            .map_or((line, false), |content| (content.trim(), true));
        if goes_on {
            let (_, before) = found.last_mut().expect("something goes on");
            before.push(' ');
            before.push_str(content);
        } else {
            let (word, rest) = content.split_once(' ').unwrap_or((content, ""));
            found.push((word.to_owned(), rest.to_owned()));
        }
        goes_on = more;
    }
    found
}

#[test]
fn the_image_is_small_pinned_and_not_root() {
    let instructions = instructions();
    let all = |word: &str| -> Vec<&str> {
        let found = instructions.iter().filter(|(name, _)| name == word);
        found.map(|(_, rest)| rest.as_str()).collect()
    };
    let stages = all("FROM");
    assert_eq!(stages.len(), 2, "one builds, one runs");
    for stage in &stages {
        let image = stage.split(' ').next().unwrap_or_default();
        assert!(is_pinned(image), "{stage}");
    }
    let compiler = text("Cargo.toml");
    let wanted = compiler
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \""))
        .expect("rust-version")
        .trim_end_matches('"');
    assert!(
        stages[0].starts_with(&format!("rust:{wanted}")),
        "{} builds {wanted}",
        stages[0]
    );
    assert_eq!(all("USER").len(), 1);
    assert!(is_number_of_nobody(all("USER")[0]));
    assert_eq!(
        Some(all("USER")[0]),
        services()["app"]["user"].as_str(),
        "the same one owns the volume"
    );
    assert!(all("ADD").is_empty(), "COPY says what it does");
    assert_eq!(
        all("ENTRYPOINT"),
        ["[\"mppeep\"]"],
        "no shell in between, which would keep signals"
    );
    assert_eq!(all("VOLUME"), ["/data"]);
    let health = all("HEALTHCHECK")[0];
    assert!(health.ends_with("CMD [\"mppeep\", \"health\"]"), "{health}");
    assert_eq!(
        strings(&services()["app"]["healthcheck"]["test"]),
        ["CMD", "mppeep", "health"]
    );
    // After the sources nothing but the program comes over.
    let last = instructions
        .iter()
        .rposition(|(name, _)| name == "FROM")
        .expect("FROM");
    let copied: Vec<&str> = instructions[last..]
        .iter()
        .filter(|(name, _)| name == "COPY")
        .map(|(_, rest)| rest.as_str())
        .collect();
    assert_eq!(copied, ["--from=builder /out/mppeep /usr/local/bin/mppeep"]);
    // The sources are whole: cargo reads the manifest of every member.
    let ignored = text(".dockerignore");
    let ignored: Vec<&str> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    for name in ["/target", "/.git", "/deploy"] {
        assert!(ignored.contains(&name), "{name} would go into the context");
    }
    let manifest = text("Cargo.toml");
    let (_, members) = manifest.split_once("members = [").expect("members");
    let (members, _) = members.split_once(']').expect("a list");
    for member in members.split('"').skip(1).step_by(2) {
        assert!(
            !ignored.contains(&format!("/{member}").as_str()),
            "{member} is kept out"
        );
    }
}

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

#[tokio::test]
async fn health_asks_the_server_that_the_settings_name() {
    let mut server = Server::start();
    let ask = |arguments: &[&str]| {
        let launch = server.launch().clone().env("MPPEEP_LISTEN", server.address());
        let done = launch.run(arguments);
        let said = [done.stdout, done.stderr].concat();
        (done.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    for arguments in [&["health"][..], &["health", "--live"]] {
        let (code, said) = ask(arguments);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("200"), "{said}");
    }
    // Everywhere is also here.
    let everywhere = format!("0.0.0.0:{}", server.address().port());
    let done = server
        .launch()
        .clone()
        .env("MPPEEP_LISTEN", everywhere)
        .run(&["health"]);
    assert!(done.status.success());
    // A path where nothing of the kind is.
    let elsewhere = server.launch().clone().env("MPPEEP_LISTEN", server.address());
    let done = elsewhere.env("MPPEEP_ROOT_PATH", "/ailleurs").run(&["health"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(server.terminate(std::time::Duration::from_secs(60)).is_some());
    let launch = server.launch().clone().env("MPPEEP_LISTEN", server.address());
    let done = launch.run(&["health"]);
    assert_eq!(done.status.code(), Some(1), "nobody listens");
}

#[tokio::test]
async fn health_is_asked_over_tls_where_the_server_speaks_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["rh.example".to_owned()]).expect("a certificate");
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).expect("a file");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("a file");
    let launch = Launch::new()
        .env("MPPEEP_TLS_CERT", certificate.display())
        .env("MPPEEP_TLS_KEY", key.display());
    let server = launch.start();
    let ask = |launch: Launch| {
        launch
            .env("MPPEEP_LISTEN", server.address())
            .run(&["health"])
            .status
            .code()
    };
    assert_eq!(ask(launch.clone()), Some(0));
    let in_the_clear = launch.without("MPPEEP_TLS_CERT").without("MPPEEP_TLS_KEY");
    assert_eq!(ask(in_the_clear), Some(1), "what it answers is not HTTP");
}
