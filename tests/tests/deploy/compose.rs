//! The compose file: confinement, volumes, profiles, secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use mppeep_tests::Launch;
use serde_json::Value;

use super::{deployed, entries, path, strings, text, yaml};

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

pub(super) fn services() -> BTreeMap<String, Value> {
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
pub(super) fn is_pinned(image: &str) -> bool {
    let Some((_, tag)) = image.rsplit_once(':') else {
        return false;
    };
    let numbers: Vec<&str> = tag.split('-').next().unwrap_or_default().split('.').collect();
    numbers.len() >= 2 && numbers.iter().all(|number| number.parse::<u32>().is_ok())
}

pub(super) fn is_number_of_nobody(user: &str) -> bool {
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
