//! From nothing to a page: starting, on nothing, on an existing file, with wrong settings.

use std::time::{Duration, Instant};

use mppeep_testbed::free_port;
use mppeep_tests::processes::resident_kib;
use mppeep_tests::server::database_in;
use mppeep_tests::{ADMIN_EMAIL, Backend, Launch, Server, raw};

/// `serve` needs nothing but a folder.
#[tokio::test]
async fn serve_needs_no_set_up() {
    let launch = Launch::on(Backend::Sqlite);
    assert_eq!(std::fs::read_dir(launch.data()).expect("a folder").count(), 0);
    let server = launch.start();
    let _page = server.visitor().get("/mppeep/login").await.expect(200);
    assert!(database_in(launch.data()).exists());
    println!("first start: listening after {:?}", server.started_in());
}

/// `serve` on an existing file answers; how soon, and in how much memory, is printed.
#[tokio::test]
async fn serve_on_an_existing_file_answers() {
    let launch = Launch::new().with_demo(500);
    let mut times = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        let server = launch.start();
        let _page = server.visitor().get("/mppeep/login").await.expect(200);
        times.push(begun.elapsed());
        let user = server.demo_user("sdrh").await;
        for page in ["/mppeep/accueil", "/mppeep/dashboard", "/mppeep/personnel"] {
            let _page = user.get(page).await.expect(200);
        }
        println!("{} KiB after a few pages", resident_kib(server.id()));
    }
    times.sort_unstable();
    println!("from the start of the process to the first answer: {times:?}");
}

/// The address is free again at once, and taken addresses are told.
#[tokio::test]
async fn a_taken_address_is_told_and_a_left_one_is_free() {
    // A port that nobody else is given meanwhile.
    let listen = format!("127.0.0.1:{}", free_port());
    let server = Launch::new().env("MPPEEP_LISTEN", listen).start();
    let address = server.address();
    let second = Launch::new().env("MPPEEP_LISTEN", address).spawn();
    let (status, log) = second.ended();
    assert!(!status.success());
    assert!(
        log.contains(&address.to_string()) || log.to_lowercase().contains("address"),
        "{log}"
    );
    let _kept = raw::talk(
        address,
        b"GET /mppeep/login HTTP/1.1\r\nHost: x\r\n\r\n",
        Duration::from_millis(500),
    )
    .await;
    let launch = server.kill().env("MPPEEP_LISTEN", address);
    let again = launch.start();
    assert_eq!(again.address(), address);
}

/// Settings that mean nothing are refused with their name, before anything is opened.
#[tokio::test]
async fn wrong_settings_are_refused_by_name() {
    for (name, value) in [
        ("MPPEEP_LISTEN", "partout"),
        ("MPPEEP_LOGIN_ATTEMPTS", "0"),
        ("MPPEEP_LOGIN_WINDOW_SECONDS", "quinze"),
        ("MPPEEP_TRUSTED_PROXIES", "127.0.0.1/99"),
        ("MPPEEP_CLIENT_IP_HEADER", "X-Anything"),
        ("MPPEEP_PUBLIC_URL", "mppeep.example"),
        ("MPPEEP_REQUEST_RATE", "-1"),
    ] {
        let (status, log) = Launch::new().env(name, value).spawn().ended();
        assert!(!status.success(), "{name}={value}");
        assert!(
            log.contains(name) || log.contains(&name.to_lowercase().replace("mppeep_", "")),
            "{name}: {log}"
        );
    }
}

/// A cookie without `Secure` is for loopback: an https address refuses the setting.
#[tokio::test]
async fn insecure_cookies_and_an_https_address_do_not_go_together() {
    let launch = Launch::new().env("MPPEEP_COOKIE_SECURE", "never");
    let server = launch.start();
    let answer = server
        .visitor()
        .login(ADMIN_EMAIL, mppeep_tests::ADMIN_PASSWORD)
        .await
        .expect(303);
    assert!(!answer.set_cookies()[0].contains("Secure"));
    assert!(
        server
            .log()
            .lines()
            .iter()
            .any(|line| line.contains("WARN") && line.to_lowercase().contains("cookie"))
    );
    drop(server);
    let (status, _log) = launch
        .env("MPPEEP_PUBLIC_URL", "https://mppeep.example")
        .spawn()
        .ended();
    assert!(!status.success());
}

/// An unknown variable is a warning, an unknown key in the file an error.
#[tokio::test]
async fn unknown_settings_are_told() {
    let server = Launch::new().env("MPPEEP_LISTENN", "127.0.0.1:1").start();
    assert!(
        server
            .log()
            .lines()
            .iter()
            .any(|line| line.contains("WARN") && line.contains("MPPEEP_LISTENN"))
    );
    let launch = Launch::new();
    let file = launch.data().join("mppeep.toml");
    std::fs::write(&file, "listenn = \"127.0.0.1:1\"\n").expect("written");
    let (status, log) = launch
        .arg("--config")
        .arg(file.to_str().expect("UTF-8"))
        .spawn()
        .ended();
    assert!(!status.success());
    assert!(log.contains("listenn"), "{log}");
}

/// `config check` tells each value with where it came from, and shows no secret.
#[test]
fn config_check_tells_where_values_come_from() {
    let launch = Launch::new();
    let told = launch.run_well(&["config", "check"]);
    let listen = told
        .lines()
        .find(|line| line.to_lowercase().contains("listen"))
        .expect("a line");
    assert!(listen.contains("127.0.0.1:0"), "{listen}");
    assert!(!told.contains(mppeep_tests::ADMIN_PASSWORD), "{told}");
}

/// Demo accounts exist in demo databases only.
#[tokio::test]
async fn demo_accounts_open_demo_databases_only() {
    let server = Server::start();
    for (number, role) in mppeep_tests::server::ROLES.iter().enumerate() {
        let visitor = server.visitor_from(&format!("203.0.113.{number}"));
        let _refused = visitor
            .login(
                &mppeep_tests::server::demo_email(role),
                mppeep_tests::DEMO_PASSWORD,
            )
            .await
            .expect(401);
    }
    let launch = server.kill();
    let refused = launch.run(&["demo", "--agents", "10"]);
    assert!(
        !refused.status.success(),
        "demo data must not be mixed into a database in use"
    );
}

/// `serve --demo` on an empty folder: the README's first command.
#[tokio::test]
async fn serve_demo_is_ready_for_every_role() {
    let server = Launch::new()
        .without("MPPEEP_ADMIN_EMAIL")
        .without("MPPEEP_ADMIN_PASSWORD")
        .arg("--demo")
        .arg("--agents")
        .arg("200")
        .start();
    for role in mppeep_tests::server::ROLES {
        let user = server.demo_user(role).await;
        let _home = user.get("/mppeep/accueil").await.expect(200);
    }
    let everybody = server.demo_user("sdrh").await;
    assert!(mppeep_tests::api::total(&everybody, "personnel").await >= 10);
}

/// The same number gives the same people, every time.
#[test]
fn demo_data_is_deterministic() {
    let state = || {
        let launch = Launch::new().with_demo(60);
        let question =
            "select matricule, family_name, given_names, birth_date, grade from personnel order by matricule";
        launch.ask(question)
    };
    let (one, two) = (state(), state());
    assert_eq!(one, two);
    assert_eq!(one.lines().count(), 60);
}
