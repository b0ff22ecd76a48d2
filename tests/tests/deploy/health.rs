//! `mppeep health`, as containers and units ask it.

use mppeep_tests::{Launch, Server};

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
