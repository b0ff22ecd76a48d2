//! Passwords, users, databases, TLS; and what is never said.

use std::error::Error;
use std::path::PathBuf;

use mppeep_cache_redis::RedisOptions;
use mppeep_core::ports::error::BackendError;
use mppeep_testbed::{Redis, RedisOptions as ServerOptions};

use crate::support::{is_there, is_unavailable, open, options, patient, put, stored_keys};

/// Everything that an error says, with its causes.
fn said(error: &BackendError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn a_wrong_password_is_unavailable_and_is_never_said() {
    let server = Redis::start(ServerOptions {
        password: Some("right".to_owned()),
        ..ServerOptions::default()
    })
    .await;
    open(&server.url(), &patient()).ping().await.unwrap();
    let address = server.address();
    for url in [
        format!("redis://{address}"),
        format!("redis://:wr0ng@{address}"),
        format!("redis://wr0ng:wr0ng@{address}"),
    ] {
        let adapter = open(&url, &patient());
        let result = adapter.ping().await;
        assert!(is_unavailable(&result), "{result:?}");
        let text = format!("{} {adapter:?}", said(&result.unwrap_err()));
        assert!(!text.contains("wr0ng"), "{text}");
        let health = adapter.health();
        assert!(!format!("{health:?}").contains("wr0ng"), "{health:?}");
        assert!(health.last_error.is_some());
    }
}

#[tokio::test]
async fn users_and_databases_are_kept_apart() {
    let server = Redis::start(ServerOptions::default()).await;
    server
        .cli(&["ACL", "SETUSER", "reader", "on", ">p@ss/#1", "~*", "&*", "+@all"])
        .await;
    let options = patient();
    let url = |database: u32| format!("redis://reader:p%40ss%2F%231@{}/{database}", server.address());
    let (zero, three) = (open(&url(0), &options), open(&url(3), &options));
    put(&zero.cache(), "k", "in zero").await;
    put(&three.cache(), "k", "in three").await;
    assert!(is_there(&zero.cache(), "k", "in zero").await);
    assert!(is_there(&three.cache(), "k", "in three").await);
    assert_eq!(stored_keys(&server, &options).await.len(), 1);
    assert_eq!(server.cli(&["-n", "3", "DBSIZE"]).await, "1");
}

#[tokio::test]
async fn prefixes_are_kept_apart() {
    let server = Redis::shared().await;
    let (one, other) = (patient(), patient());
    let (first, second) = (open(&server.url(), &one), open(&server.url(), &other));
    put(&first.cache(), "k", "first").await;
    put(&second.cache(), "k", "second").await;
    assert!(is_there(&first.cache(), "k", "first").await);
    assert!(is_there(&second.cache(), "k", "second").await);
}

/// Gives the server a certificate that says that it is none of an authority, which rustls insists on.
async fn show_a_certificate_of_a_server(server: &Redis) -> PathBuf {
    let folder = server.certificate().unwrap().parent().unwrap();
    let (certificate, key) = (folder.join("server.pem"), folder.join("server-key.pem"));
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let (certificate_text, key_text) = (certificate.display().to_string(), key.display().to_string());
    server
        .cli(&[
            "CONFIG",
            "SET",
            "tls-cert-file",
            &certificate_text,
            "tls-key-file",
            &key_text,
        ])
        .await;
    certificate
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_spoken_with_whom_the_certificates_trust() {
    let server = Redis::start(ServerOptions {
        tls: true,
        password: Some("secret".to_owned()),
        ..ServerOptions::default()
    })
    .await;
    assert!(server.url().starts_with("rediss://"));
    let certificate = show_a_certificate_of_a_server(&server).await;
    let trusting = RedisOptions {
        root_certificates: Some(std::fs::read(certificate).unwrap()),
        ..patient()
    };
    let adapter = open(&server.url(), &trusting);
    adapter.ping().await.unwrap();
    put(&adapter.cache(), "k", "value").await;
    assert!(is_there(&adapter.cache(), "k", "value").await);
    let subscription = {
        use mppeep_core::ports::pubsub::PubSub;
        adapter.pubsub().subscribe(&["c"]).await
    };
    assert!(subscription.is_ok());
    // Nobody in the system's store has signed it.
    let result = open(&server.url(), &patient()).ping().await;
    assert!(is_unavailable(&result), "{result:?}");
    let plain = server.url().replace("rediss://", "redis://");
    let result = open(&plain, &options()).ping().await;
    assert!(is_unavailable(&result), "{result:?}");
}
