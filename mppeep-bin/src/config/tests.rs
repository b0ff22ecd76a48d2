//! What is read from where.

use super::*;

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn the_last_source_wins_and_is_named() {
    let file =
        file("listen = \"127.0.0.1:1\"\nrequest_rate = 3\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n");
    let variables = environment(&[("MPPEEP_LISTEN", "127.0.0.1:2"), ("MPPEEP_LOG", "debug")]);
    let flags = [("listen", "127.0.0.1:3".to_owned())];
    let config = load(Some(file.path()), &variables, &flags).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.anonymous_rate.per_second, 3);
    assert_eq!(config.trusted_proxies.len(), 2);
    let origin = |key: &str| {
        config
            .origins
            .iter()
            .find(|shown| shown.key == key)
            .unwrap()
            .origin
            .clone()
    };
    assert_eq!(origin("listen"), "flag");
    assert_eq!(origin("log"), "environment MPPEEP_LOG");
    assert!(origin("request_rate").starts_with("file "));
    assert_eq!(origin("root_path"), "default");
}

#[test]
fn unknown_keys_are_errors_and_unknown_variables_are_named() {
    let error = load(Some(file("listten = \"x\"").path()), &environment(&[]), &[]).unwrap_err();
    assert!(error.to_string().contains("listten"), "{error}");
    let config = load(None, &environment(&[("MPPEEP_LISTTEN", "x"), ("HOME", "/")]), &[]).unwrap();
    assert_eq!(config.unknown_variables, ["MPPEEP_LISTTEN"]);
}

#[test]
fn secrets_are_masked() {
    let variables = environment(&[
        ("MPPEEP_ADMIN_PASSWORD", "hunter2"),
        ("DATABASE_URL", "sqlite:/x/secret.db"),
    ]);
    let config = load(None, &variables, &[]).unwrap();
    let shown =
        serde_json::to_string(&config.origins).unwrap() + &format!("{config:?}").replace("/x/secret.db", "");
    assert!(
        !shown.contains("hunter2") && !shown.contains("secret.db"),
        "{shown}"
    );
    assert_eq!(config.admin_password.unwrap().expose(), "hunter2");
}

#[test]
fn what_cannot_work_is_refused_with_its_name() {
    for (name, value, word) in [
        ("MPPEEP_LISTEN", "nonsense", "listen"),
        ("DATABASE_URL", "mysql://localhost", "sqlite:"),
        ("DATABASE_URL", "sqlite::memory:", "sqlite:"),
        ("DATABASE_URL_FILE", "/nowhere/at/all", "database_url_file"),
        ("MPPEEP_INSTANCES", "0", "at least 1"),
        ("MPPEEP_WORKER_CONCURRENCY", "0", "at least 1"),
        ("MPPEEP_CACHE_STATISTICS_SECONDS", "0", "at least 1"),
        ("MPPEEP_TRUSTED_PROXIES", "localhost", "trusted_proxies"),
        ("MPPEEP_CLIENT_IP_HEADER", "X-Forwarded-For", "client_ip_header"),
        ("MPPEEP_LOGIN_ATTEMPTS", "0", "at least 1"),
        ("MPPEEP_REQUEST_RATE", "-1", "request_rate"),
        ("MPPEEP_COOKIE_SECURE", "maybe", "cookie_secure"),
        ("MPPEEP_ROOT_PATH", "/a b", "root_path"),
        ("MPPEEP_PUBLIC_URL", "mppeep.example", "public_url"),
        ("MPPEEP_PUBLIC_URL", "https://shared.example/rh", "root_path"),
        ("MPPEEP_MAX_REQUESTS", "0", "at least 1"),
        ("MPPEEP_REQUEST_SECONDS", "0", "at least 1"),
    ] {
        let error = load(None, &environment(&[(name, value)]), &[]).unwrap_err();
        assert!(error.to_string().contains(word), "{name}={value}: {error}");
    }
    let both = environment(&[
        ("MPPEEP_PUBLIC_URL", "https://a.example"),
        ("MPPEEP_COOKIE_SECURE", "never"),
    ]);
    assert!(load(None, &both, &[]).is_err());
}

#[test]
fn sqlite_addresses_name_their_file() {
    for url in [
        "sqlite:/srv/m.db",
        "sqlite:///srv/m.db",
        "sqlite:/srv/m.db?mode=rwc",
    ] {
        let config = load(None, &environment(&[("DATABASE_URL", url)]), &[]).unwrap();
        let Database::Sqlite(Some(path)) = config.database else {
            panic!("{url} names a file");
        };
        assert_eq!(path, Path::new("/srv/m.db"), "{url}");
    }
    let unset = load(None, &environment(&[]), &[]).unwrap().database;
    assert!(matches!(unset, Database::Sqlite(None)), "{unset:?}");
}

#[test]
fn a_rate_of_zero_is_off() {
    let config = load(None, &environment(&[("MPPEEP_REQUEST_RATE", "0")]), &[]).unwrap();
    assert_eq!(config.anonymous_rate.per_second, 0);
}

#[test]
fn postgresql_is_read_with_its_settings() {
    let variables = environment(&[
        ("DATABASE_URL", "postgres://mppeep:hunter2@db.example/mppeep"),
        (
            "MPPEEP_DATABASE_LISTEN_URL",
            "postgres://mppeep:hunter2@direct.example/mppeep",
        ),
        ("MPPEEP_DATABASE_POOLER", "true"),
        ("MPPEEP_DATABASE_CONNECTIONS", "7"),
        ("MPPEEP_DATABASE_WAIT_SECONDS", "0"),
    ]);
    let config = load(None, &variables, &[]).unwrap();
    let shown = serde_json::to_string(&config.origins).unwrap() + &format!("{config:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let Database::Postgres(settings) = config.database else {
        panic!("a server");
    };
    assert!(settings.pooler);
    assert_eq!((settings.connections, settings.wait), (7, Duration::ZERO));
    assert!(settings.listen_url.unwrap().expose().contains("direct.example"));
    for (name, value) in [
        ("MPPEEP_DATABASE_POOLER", "yes"),
        ("MPPEEP_DATABASE_CONNECTIONS", "0"),
        ("MPPEEP_DATABASE_WAIT_SECONDS", "soon"),
    ] {
        let variables = environment(&[("DATABASE_URL", "postgresql://localhost/m"), (name, value)]);
        assert!(load(None, &variables, &[]).is_err(), "{name}={value}");
    }
}

#[test]
fn secrets_may_stand_in_files() {
    for (direct, by_file) in [
        ("DATABASE_URL", "DATABASE_URL_FILE"),
        ("REDIS_URL", "REDIS_URL_FILE"),
        ("MPPEEP_SMTP_URL", "MPPEEP_SMTP_URL_FILE"),
        ("MPPEEP_ADMIN_PASSWORD", "MPPEEP_ADMIN_PASSWORD_FILE"),
    ] {
        let secret = file("postgres://hunter2@x/y\nanother line\n");
        let path = secret.path().to_str().unwrap();
        let config = load(None, &environment(&[(by_file, path)]), &[]).unwrap();
        let read = match direct {
            "DATABASE_URL" => match config.database {
                Database::Postgres(settings) => settings.url,
                Database::Sqlite(_) => panic!("a server"),
            },
            "REDIS_URL" => config.redis.unwrap().value,
            "MPPEEP_SMTP_URL" => config.mail.unwrap().url.value,
            _ => config.admin_password.unwrap(),
        };
        assert_eq!(read.expose(), "postgres://hunter2@x/y", "{by_file}");
        let both = environment(&[(direct, "x"), (by_file, path)]);
        let error = load(None, &both, &[]).unwrap_err().to_string();
        assert!(
            error.contains("keep one") && !error.contains("hunter2"),
            "{error}"
        );
        let empty = file("\n");
        let empty = environment(&[(by_file, empty.path().to_str().unwrap())]);
        assert!(load(None, &empty, &[]).is_err(), "{by_file}: an empty line");
    }
}

#[test]
fn mails_have_a_sender() {
    let from = |pairs: &[(&str, &str)]| {
        let config = load(None, &environment(pairs), &[]).unwrap();
        config.mail.map(|mail| mail.from)
    };
    let server = ("MPPEEP_SMTP_URL", "smtp://mail.example");
    assert_eq!(from(&[]), None);
    assert_eq!(
        from(&[("MPPEEP_MAIL_FROM", "rh@x.example")]),
        None,
        "no server, no mail"
    );
    assert_eq!(from(&[server]).as_deref(), Some("mppeep@localhost"));
    let public = ("MPPEEP_PUBLIC_URL", "https://rh.example");
    assert_eq!(from(&[server, public]).as_deref(), Some("mppeep@rh.example"));
    let named = ("MPPEEP_MAIL_FROM", "rh@x.example");
    assert_eq!(from(&[server, public, named]).as_deref(), Some("rh@x.example"));
}

#[test]
fn a_public_url_may_name_the_path_of_the_site() {
    for (root, url) in [
        ("/mppeep", "https://shared.example/mppeep"),
        ("/mppeep", "https://shared.example/mppeep/"),
        ("/mppeep", "https://shared.example"),
        ("/", "https://mppeep.example/"),
        ("/a/b", "https://shared.example/a/b"),
    ] {
        let variables = environment(&[("MPPEEP_ROOT_PATH", root), ("MPPEEP_PUBLIC_URL", url)]);
        let config = load(None, &variables, &[]).unwrap();
        let host = config.public_url.as_ref().map(Origin::host);
        assert_eq!(host, url.split('/').nth(2), "{url}");
    }
}
