//! What SQLite and the machine may do to a server, as CHECKS X-S1, X-S2, X-S8, O-04 and O-05 want it survived.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mppeep_tests::agents::agent;
use mppeep_tests::api::{API, create_agent, total};
use mppeep_tests::server::{database_in, sqlite3};
use mppeep_tests::{Client, Launch, Server};

/// Writes agents of its own numbers until told to stop; gives the matricules that the server has acknowledged.
async fn write_until(
    client: Client,
    first: usize,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in first.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let draft = client
            .request("POST", &format!("{API}/personnel"))
            .json(&agent(number).body());
        match draft.try_send().await {
            Ok(answer) if answer.status == 201 => {
                acknowledged.push(agent(number).matricule);
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.text()),
            Err(_) => break, // the server has gone
        }
    }
    acknowledged
}

/// X-S1: whatever was answered with 201 is there after a kill, five times, under four writers.
#[tokio::test]
async fn what_was_acknowledged_survives_kills() {
    let launch = Launch::new();
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..5 {
        let server = launch.start();
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicUsize::new(0));
        let client = server.admin().await;
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let first = round * 40_000 + writer * 10_000;
                tokio::spawn(write_until(
                    client.clone(),
                    first,
                    Arc::clone(&stop),
                    Arc::clone(&done),
                ))
            })
            .collect();
        while done.load(Ordering::Relaxed) < 40 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let _launch = server.kill(); // in the middle of their requests
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            acknowledged.extend(writer.await.expect("a writer"));
        }
        assert_eq!(
            sqlite3(&database_in(launch.data()), "pragma integrity_check").trim(),
            "ok"
        );
    }
    let server = launch.start();
    let stored = sqlite3(&server.database(), "select matricule from personnel");
    let stored: std::collections::BTreeSet<&str> = stored.lines().collect();
    let lost: Vec<&String> = acknowledged
        .iter()
        .filter(|matricule| !stored.contains(matricule.as_str()))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} are lost: {lost:?}",
        lost.len(),
        acknowledged.len()
    );
    let told = total(&server.admin().await, "personnel").await;
    assert_eq!(told, stored.len() as u64);
}

/// X-S2: an end that is asked for breaks no answer.
#[tokio::test]
async fn a_graceful_end_breaks_no_answer() {
    let mut server = Server::start();
    let client = server.admin().await;
    let broken = Arc::new(AtomicUsize::new(0));
    let answered = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let visitors: Vec<_> = (0..8)
        .map(|_| {
            let (client, broken, answered, stop) = (
                client.clone(),
                Arc::clone(&broken),
                Arc::clone(&answered),
                Arc::clone(&stop),
            );
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    match client.request("GET", "/mppeep/personnel").try_send().await {
                        Ok(answer) if answer.status < 500 || answer.status == 503 => {
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(answer) => panic!("{}", answer.status),
                        Err(err) => {
                            // Refused at the door is no broken answer; cut off within one is.
                            let refused = format!("{err:?}").contains("ConnectionRefused");
                            broken.fetch_add(usize::from(!refused), Ordering::Relaxed);
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    while answered.load(Ordering::Relaxed) < 40 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let status = tokio::task::spawn_blocking(move || server.terminate(Duration::from_secs(60)))
        .await
        .expect("joined");
    stop.store(true, Ordering::Relaxed);
    for visitor in visitors {
        visitor.await.expect("a visitor");
    }
    assert_eq!(status.expect("the server should have ended").code(), Some(0));
    // A connection may be accepted by the kernel and never by the process; each visitor meets that once at most.
    let broken = broken.load(Ordering::Relaxed);
    println!(
        "{} answers, {broken} connections that nobody took",
        answered.load(Ordering::Relaxed)
    );
    assert!(broken <= 8);
}

/// X-S2: while it drains, it says so, and finishes what it has begun.
#[tokio::test]
async fn a_request_in_flight_is_finished_before_the_end() {
    use tokio::io::AsyncWriteExt as _;
    let mut server = Server::start();
    let body = "username=personne%40mppeep.example&password=faux";
    let head = format!(
        "POST /mppeep/login HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        server.address(),
        body.len()
    );
    let mut socket = tokio::net::TcpStream::connect(server.address())
        .await
        .expect("accepted");
    socket.write_all(head.as_bytes()).await.expect("sent");
    socket.write_all(&body.as_bytes()[..10]).await.expect("sent");
    tokio::time::sleep(Duration::from_millis(300)).await;
    mppeep_tests::processes::terminate(server.id());
    tokio::time::sleep(Duration::from_millis(300)).await;
    socket
        .write_all(&body.as_bytes()[10..])
        .await
        .expect("the connection is still there");
    let echo = mppeep_tests::raw::read(&mut socket, Duration::from_secs(60)).await;
    assert_eq!(echo.statuses(), [401], "{}", echo.text);
    assert!(echo.closed);
    // Asked once only: a second signal would end it at once.
    let mut status = None;
    for _ in 0..300 {
        status = server.status();
        if status.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(status, Some(0));
}

/// X-S8: somebody holds the database exclusively for three seconds.
#[tokio::test]
async fn a_held_database_makes_writes_wait_and_breaks_nothing() {
    use std::io::Write as _;
    let server = Server::start();
    let client = server.admin().await;
    let mut holder = Command::new("sqlite3")
        .arg(server.database())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the sqlite3 command is installed (package sqlite3)");
    let mut input = holder.stdin.take().expect("piped");
    writeln!(
        input,
        ".timeout 5000\nbegin exclusive;\n.shell sleep 3\nrollback;"
    )
    .expect("written");
    drop(input);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut statuses = Vec::new();
    let writes = futures_util::future::join_all((0..6).map(|number| {
        let client = &client;
        async move {
            client
                .post(&format!("{API}/personnel"), &agent(number).body())
                .await
        }
    }));
    let reads = futures_util::future::join_all((0..6).map(|_| client.get("/mppeep/personnel")));
    let (writes, reads) = tokio::join!(writes, reads);
    for answer in writes.into_iter().chain(reads) {
        assert!(
            matches!(answer.status, 200 | 201 | 503),
            "{}: {}",
            answer.status,
            answer.text()
        );
        assert!(answer.status != 503 || answer.header("retry-after").is_some());
        assert!(!answer.text().contains("locked"));
        statuses.push(answer.status);
    }
    println!("{statuses:?}");
    let _end = holder.wait().expect("the holder ends");
    let _later = create_agent(&client, 1000).await;
    let _health = client.get("/mppeep/api/v1/health").await.expect(200);
}

/// O-04: two instances on an empty database at the same moment: one makes it, both serve, with one administrator.
#[tokio::test]
async fn two_instances_may_start_at_once_on_nothing() {
    let launch = Launch::new();
    let (one, two) = (launch.spawn(), launch.spawn());
    let (one, two) = (one.listening(), two.listening());
    let client = one.admin().await;
    let made = create_agent(&client, 1).await;
    let elsewhere = two.visitor();
    elsewhere.set_cookie("session_id", &client.session());
    let seen = elsewhere
        .get(&format!("{API}/personnel"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        seen["items"][0]["id"], made["id"],
        "the session and the agent are known to both"
    );
    let users = sqlite3(&one.database(), ".dump");
    assert_eq!(users.matches("$argon2id$").count(), 1, "one administrator");
    // A logout on one ends the session on the other.
    let _out = client.request("POST", "/mppeep/logout").send().await.expect(303);
    let mut open = true;
    for _ in 0..600 {
        open = elsewhere.is_logged_in().await;
        if !open {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        !open,
        "half a minute later the session still opens on the other instance"
    );
}

/// O-05
#[tokio::test]
async fn a_newer_database_is_refused_with_a_reason() {
    let launch = Launch::new();
    drop(launch.start());
    let database = database_in(launch.data());
    let migration = "insert into _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) \
                     values (99990101000000, 'from the future', '2026-01-01', 1, x'00', 0)";
    let _none = sqlite3(&database, migration);
    let (status, log) = launch.spawn().ended();
    assert!(!status.success());
    assert!(log.contains("newer") || log.contains("99990101000000"), "{log}");
}

/// A database that is none is refused, and not touched.
#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_kept() {
    let launch = Launch::new();
    drop(launch.start());
    let database = database_in(launch.data());
    for entry in std::fs::read_dir(launch.data())
        .expect("the folder")
        .filter_map(Result::ok)
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with("-wal") || name.ends_with("-shm") {
            std::fs::remove_file(entry.path()).expect("removed");
        }
    }
    let letters = b"Ceci n'est pas une base.".repeat(100);
    std::fs::write(&database, &letters).expect("written");
    let (status, _log) = launch.spawn().ended();
    assert!(!status.success());
    assert_eq!(std::fs::read(&database).expect("still there"), letters);
}
