//! More requests than can be answered soon: some are told to come back, and what needs no database goes on.

use std::time::{Duration, Instant};

use mppeep_testbed::{Postgres, PostgresOptions};
use mppeep_tests::processes::resident_kib;
use mppeep_tests::{ADMIN_EMAIL, ADMIN_PASSWORD, Backend, Client, Launch, Response, Server, backend, html};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const PERSONNEL: &str = "/mppeep/api/v1/personnel";

/// A server on a cluster of its own, which a test may stop.
async fn on_postgres(settings: &[(&str, u32)]) -> (Postgres, Server) {
    let postgres = Postgres::start(PostgresOptions::default()).await;
    let url = backend::migrated(&postgres).await;
    let mut launch = Launch::on(Backend::Sqlite).postgres(&url);
    for (name, value) in settings {
        launch = launch.env(name, value);
    }
    (postgres, launch.start())
}

/// Lets the cluster go on, whatever happens to the test.
struct Paused<'a>(&'a Postgres);

impl<'a> Paused<'a> {
    fn new(postgres: &'a Postgres) -> Self {
        postgres.pause();
        Self(postgres)
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.0.resume();
    }
}

async fn search(client: &Client, number: usize) -> Response {
    // Another question each time, so that no copy answers it.
    client.get(&format!("{PERSONNEL}?q=personne{number}")).await
}

/// Asks again until somebody is served. The questions are counted from `first`, so that nobody asked them before.
async fn until_served(client: &Client, first: usize) {
    for number in first..first + 200 {
        if search(client, number).await.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("nobody is served by the database");
}

/// Hundreds of requests for a database that hangs.
#[tokio::test]
async fn a_database_that_hangs_does_not_gather_requests() {
    const FLOOD: usize = 400;
    let (postgres, server) = on_postgres(&[("MPPEEP_MAX_REQUESTS", 20)]).await;
    let client = server.admin().await;
    let style = "/mppeep/static/css/style.css";
    let _warm = search(&client, 0).await.expect(200);
    let before = resident_kib(server.id());
    let paused = Paused::new(&postgres);
    let begun = Instant::now();
    let mut flood = JoinSet::new();
    for number in 1..=FLOOD {
        let client = client.clone();
        flood.spawn(async move {
            let page = number % 4 == 0;
            let answer = if page {
                client.get(&format!("/mppeep/personnel?q=personne{number}")).await
            } else {
                search(&client, number).await
            };
            (page, answer, begun.elapsed())
        });
    }
    // Meanwhile: what needs no database. Times are printed; only the status decides.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let visitor = server.visitor();
    for path in [style, "/mppeep/health/live", "/mppeep/login"] {
        let asked = Instant::now();
        let _well = visitor.get(path).await.expect(200);
        println!(
            "{path} after {:?}, with {} requests open",
            asked.elapsed(),
            flood.len()
        );
    }
    let health = visitor.get("/mppeep/api/v1/health").await;
    assert_eq!(health.status, 503);
    let (mut overloaded, mut unavailable, mut slowest) = (0, 0, Duration::ZERO);
    while let Some(done) = flood.join_next().await {
        let (page, answer, took) = done.expect("no task fails");
        slowest = slowest.max(took);
        assert_eq!(answer.status, 503, "{}", answer.text());
        let wait: u64 = answer
            .header("retry-after")
            .expect("Retry-After")
            .parse()
            .expect("seconds");
        assert!((1..=60).contains(&wait));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let text = answer.text();
        if page {
            assert!(answer.is_html(), "{text}");
            let words = html::text(&text);
            assert!(
                words.contains("Service momentanément indisponible") && words.contains("Réessayez dans"),
                "{words}"
            );
            overloaded += usize::from(words.contains("Trop de demandes sont en cours"));
        } else {
            let kind = answer.problem(503)["type"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            overloaded += usize::from(kind == "/problems/overloaded");
            unavailable += usize::from(kind == "/problems/unavailable");
        }
    }
    let after = resident_kib(server.id());
    println!(
        "{overloaded} of {FLOOD} were told to come back, {unavailable} found no database; the last answer after {slowest:?}; \
         {before} KiB before, {after} KiB after"
    );
    assert!(overloaded >= FLOOD / 2, "{overloaded} of {FLOOD}");
    assert!(slowest < Duration::from_secs(60), "{slowest:?}");
    assert!(
        after < before + 64 * 1024,
        "{before} KiB before, {after} KiB after"
    );
    drop(paused);
    until_served(&client, 1_000).await;
    let _page = client.get("/mppeep/accueil").await.expect(200);
}

/// The administrator, let in as soon as that takes less than a deadline.
async fn let_in(server: &Server) -> Client {
    for number in 1..=20 {
        // Each from elsewhere: a login that was given up is counted for a while.
        let visitor = server.visitor_from(&format!("203.0.113.{number}"));
        let answer = visitor.login(ADMIN_EMAIL, ADMIN_PASSWORD).await;
        if answer.status == 303 {
            return visitor;
        }
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
    panic!("nobody is let in");
}

/// A stream of events, open as soon as its head takes less than a deadline.
async fn open_stream(server: &Server, client: &Client) -> TcpStream {
    let head = format!(
        "GET /mppeep/evenements HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nCookie: session_id={}\r\n\r\n",
        client.session()
    );
    for _ in 0..20 {
        let mut stream = TcpStream::connect(server.address()).await.expect("accepted");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut buffer = [0; 4096];
        let begun = stream.read(&mut buffer).await.expect("readable");
        let said = String::from_utf8_lossy(&buffer[..begun]);
        if said.starts_with("HTTP/1.1 200") {
            return stream;
        }
        assert!(said.starts_with("HTTP/1.1 503"), "{said}");
    }
    panic!("no stream opens");
}

/// A request that nobody can answer in time is given up, and says so; a stream is no such request.
#[tokio::test]
async fn a_request_has_a_deadline() {
    // On a loaded machine anything may take longer than this deadline: what it is to be seen with is tried again.
    let (postgres, server) = on_postgres(&[("MPPEEP_REQUEST_SECONDS", 1)]).await;
    let client = let_in(&server).await;
    until_served(&client, 2_000).await;
    let mut stream = open_stream(&server, &client).await;
    let paused = Paused::new(&postgres);
    let mut told = Vec::new();
    for number in 1..=5 {
        let late = search(&client, number).await;
        let kind = late.problem(503)["type"].clone();
        assert!(late.header("retry-after").is_some());
        told.push(kind);
        if told.ends_with(&["/problems/deadline".into()]) {
            break;
        }
    }
    assert!(
        told.ends_with(&["/problems/deadline".into()]),
        "nothing is given up: {told:?}"
    );
    drop(paused);
    until_served(&client, 1_000).await;
    // Longer than the deadline, the stream is still there.
    let mut buffer = [0; 4096];
    let end = tokio::time::Instant::now() + Duration::from_secs(3);
    while let Ok(read) = tokio::time::timeout_at(end, stream.read(&mut buffer)).await {
        assert!(read.expect("readable") > 0, "the stream has ended");
    }
}

/// A socket that sends the beginning of a login, from an address of its own.
async fn half_a_login(server: &Server, number: usize, body: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.address()).await.expect("accepted");
    let head = format!(
        "POST /mppeep/login HTTP/1.1\r\nHost: localhost\r\nCF-Connecting-IP: 203.0.113.{number}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.expect("sent");
    socket.write_all(&body.as_bytes()[..1]).await.expect("sent");
    socket
}

/// Clients that are waited for hold no place: two places, ten slow bodies, and others are served.
#[tokio::test]
async fn slow_bodies_take_no_place_from_others() {
    let server = Launch::new().env("MPPEEP_MAX_REQUESTS", 2).start();
    let body = format!(
        "username={}&password={}",
        mppeep_tests::client::encode(ADMIN_EMAIL),
        mppeep_tests::client::encode(ADMIN_PASSWORD)
    );
    let mut slow = Vec::new();
    for number in 1..=10 {
        slow.push(half_a_login(&server, number, &body).await);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let client = server.admin().await;
    let _home = client.get("/mppeep/accueil").await.expect(200);
    // When the rest comes, each is answered: let in, or told to come back.
    let mut entered = 0;
    for socket in &mut slow {
        socket.write_all(&body.as_bytes()[1..]).await.expect("sent");
    }
    for mut socket in slow {
        let echo = mppeep_tests::raw::read(&mut socket, Duration::from_secs(60)).await;
        let statuses = echo.statuses();
        assert!(statuses == [303] || statuses == [503], "{}", echo.text);
        entered += usize::from(statuses == [303]);
    }
    println!("{entered} of 10 slow logins were let in");
    assert!(entered >= 2, "{entered}");
}
