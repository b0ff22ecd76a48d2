//! What the log says and what it must never say, as CHECKS L want it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use mppeep_tests::agents::agent;
use mppeep_tests::api::API;
use mppeep_tests::client::encode;
use mppeep_tests::{ADMIN_EMAIL, ADMIN_PASSWORD, Client, Launch, Server, raw};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long a loaded machine may take to do what takes it moments.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for the line of a request.
fn told_of(server: &Server, id: &str) {
    let found = server.log().wait_for(PATIENCE, |line| {
        let entry: Value = serde_json::from_str(line).ok()?;
        (entry["target"] == "access" && entry["request_id"] == id).then_some(())
    });
    assert!(found.is_some(), "{id} is not in the log");
}

/// The lines of the log once they have settled.
async fn settled(server: &Server) -> Vec<String> {
    // Lines are written one after the other: those of earlier requests are there when the one of this request is.
    let last = server.visitor().get("/mppeep/health/live").await.expect(200);
    told_of(server, last.header("x-request-id").expect("an id"));
    let mut before = usize::MAX;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let lines = server.log().lines();
        if lines.len() == before {
            return lines;
        }
        before = lines.len();
    }
}

fn with<'a>(lines: &'a [String], parts: &[&str]) -> Vec<&'a String> {
    lines
        .iter()
        .filter(|line| parts.iter().all(|part| line.contains(part)))
        .collect()
}

/// L-02, L-03, L-07
#[tokio::test]
async fn no_secret_reaches_the_log() {
    say_nothing_of_secrets(&Server::start()).await;
}

/// The same for whoever looks for a fault.
#[tokio::test]
async fn no_secret_reaches_a_talkative_log() {
    say_nothing_of_secrets(&Launch::new().env("MPPEEP_LOG", "debug").start()).await;
}

async fn say_nothing_of_secrets(server: &Server) {
    let client = server.admin().await;
    let session = client.session();
    let typed = "Mot-de-passe-tape-par-erreur";
    let _wrong = server.visitor_from("203.0.113.1").login(ADMIN_EMAIL, typed).await;
    let _swapped = server.visitor_from("203.0.113.2").login(typed, ADMIN_EMAIL).await;
    let _query = server
        .visitor()
        .get(&format!(
            "/mppeep/login?password={}&token=geheim-im-query",
            encode(typed)
        ))
        .await;
    let _bearer = server
        .visitor()
        .request("GET", "/mppeep/accueil")
        .header("authorization", "Bearer geheim-im-kopf")
        .send()
        .await;
    let mut body = agent(1).body();
    body["national_id"] = "CI-GEHEIM-0042".into();
    body["notes"] = "une note tres privee".into();
    let _made = client.post(&format!("{API}/personnel"), &body).await.expect(201);
    let _invalid = client
        .request("POST", &format!("{API}/personnel"))
        .body("application/json", "{\"notes\":\"note privee mal formee\"")
        .send()
        .await;
    let _search = client.get(&format!("{API}/personnel?q=CI-GEHEIM-0042")).await;
    let lines = settled(server).await;
    assert!(lines.len() > 3, "the log is empty");
    for secret in [
        ADMIN_PASSWORD,
        session.as_str(),
        typed,
        "geheim",
        "GEHEIM",
        "une note tres privee",
        "note privee mal formee",
        "$argon2",
    ] {
        assert!(
            with(&lines, &[secret]).is_empty(),
            "{secret}: {:?}",
            with(&lines, &[secret])
        );
    }
}

/// L-04, L-10, L-11
#[tokio::test]
async fn refusals_are_logged_with_address_and_ray() {
    let server = Server::start();
    let visitor = server
        .visitor_from("203.0.113.77")
        .with_header("cf-ray", "8f1e2d3c4b5a6978-ABJ");
    for _ in 0..5 {
        let _refused = visitor.login(ADMIN_EMAIL, "faux").await.expect(401);
    }
    let _blocked = visitor.login(ADMIN_EMAIL, "faux").await.expect(429);
    let _nobody = visitor.get(&format!("{API}/personnel")).await.expect(401);
    let _forged = visitor
        .request("POST", "/mppeep/login")
        .header("origin", "null")
        .send()
        .await
        .expect(403);
    let _in = server
        .visitor_from("203.0.113.78")
        .with_header("cf-ray", "8f1e2d3c4b5a6979-ABJ")
        .login(ADMIN_EMAIL, ADMIN_PASSWORD)
        .await
        .expect(303);
    let lines = settled(&server).await;
    let mine = with(&lines, &["203.0.113.77", "8f1e2d3c4b5a6978-ABJ"]);
    for status in ["401", "403", "429"] {
        assert!(
            mine.iter().any(|line| line.contains(status)),
            "no line of {status}: {mine:#?}"
        );
    }
    assert!(
        !with(&lines, &["203.0.113.78", "8f1e2d3c4b5a6979-ABJ"]).is_empty(),
        "the login is not logged"
    );
}

/// L-05, L-06
#[tokio::test]
async fn what_visitors_send_cannot_forge_lines() {
    let server = Server::start();
    let forged = "x\r\n{\"message\":\"forged line\"}\u{1b}[31mred";
    let _name = server.visitor_from("203.0.113.1").login(forged, "faux").await;
    let _path = server.visitor().get(&format!("/mppeep/{}", encode(forged))).await;
    let _query = server
        .visitor()
        .get(&format!("/mppeep/login?x={}", encode(forged)))
        .await;
    let bytes = format!(
        "GET /mppeep/login HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nUser-Agent: a\u{1b}[31mred\r\n\r\n",
        server.address()
    );
    let _agent = raw::talk(server.address(), bytes.as_bytes(), PATIENCE).await;
    for line in settled(&server).await {
        assert!(!line.starts_with("{\"message\":\"forged line\"}"), "{line}");
        assert!(!line.contains('\u{1b}'), "{line:?}");
    }
}

/// L-08, L-09
#[tokio::test]
async fn every_line_is_json_with_a_time_in_utc() {
    let server = Server::start();
    let client = server.admin().await;
    let _page = client.get("/mppeep/accueil").await.expect(200);
    let _missing = client.get("/mppeep/rien").await.expect(404);
    for line in settled(&server).await.iter().filter(|line| !line.is_empty()) {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|err| panic!("{err}: {line}"));
        let time = entry["timestamp"]
            .as_str()
            .unwrap_or_else(|| panic!("no time: {line}"));
        assert!(time.ends_with('Z') && time.contains('T'), "{time}");
        assert!(entry["level"].is_string(), "{line}");
    }
}

/// Every answer carries the id under which the log knows the request; a visitor cannot choose it.
#[tokio::test]
async fn answers_name_their_request() {
    let server = Server::start();
    let client = server
        .visitor()
        .with_header("x-request-id", "chosen-by-the-visitor");
    let answer = client.get("/mppeep/api/v1/personnel").await.expect(401);
    let id = answer.header("x-request-id").expect("an id").to_owned();
    assert_ne!(id, "chosen-by-the-visitor");
    let lines = settled(&server).await;
    assert!(!with(&lines, &[&id]).is_empty(), "{id} is not in the log");
}

/// The lines of requests, by their fields.
fn requests(lines: &[String]) -> Vec<Value> {
    lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|entry| entry["target"] == "access")
        .collect()
}

/// The one line of a request.
async fn line_of(server: &Server, id: &str) -> Value {
    told_of(server, id);
    let lines = settled(server).await;
    let mut lines: Vec<Value> = requests(&lines)
        .into_iter()
        .filter(|entry| entry["request_id"] == id)
        .collect();
    assert_eq!(lines.len(), 1, "one line for a request: {lines:#?}");
    lines.remove(0)
}

/// A creation with a key goes on when its client leaves; what it waits for is told all the same.
#[tokio::test]
async fn the_time_of_a_creation_with_a_key_is_told() {
    let server = Server::start();
    let admin = server.admin().await;
    let mut calls = Vec::new();
    // The first one also looks up what is kept in memory from then on.
    for (number, key) in [(1, None), (2, None), (3, Some("a-key"))] {
        let mut request = admin.request("POST", &format!("{API}/personnel"));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.json(&agent(number).body()).send().await.expect(201);
        let line = line_of(&server, answer.header("x-request-id").expect("an id")).await;
        calls.push(line["database_calls"].as_u64().expect("a count"));
    }
    assert!(
        calls[1] > 0 && calls[2] > calls[1],
        "the key is kept in the database too: {calls:?}"
    );
}

/// Every kind of answer is one line, which says by which route, for whom, how long and how much.
#[tokio::test]
async fn each_request_is_one_line() {
    let server = Server::start();
    let client = server.admin().await;
    let made = client.post(&format!("{API}/personnel"), &agent(7).body()).await;
    let made = made.expect(201);
    let location = made.header("location").expect("an address").to_owned();
    let elsewhere = server
        .visitor_from("2001:db8::7")
        .with_header("cf-ray", "8f1e2d3c4b5a6980-ABJ");
    for (client, method, path, route, status, asks) in [
        (
            &client,
            "GET",
            "/mppeep/personnel",
            "/mppeep/personnel",
            200,
            true,
        ),
        (
            &client,
            "GET",
            location.as_str(),
            "/mppeep/api/v1/personnel/{id}",
            200,
            true,
        ),
        (&client, "HEAD", "/mppeep/login", "/mppeep/login", 303, true),
        (&client, "GET", "/mppeep/personnel/AB1234@x", "", 404, true),
        (
            &elsewhere,
            "GET",
            "/mppeep/static/none.css",
            "/mppeep/static/{*path}",
            404,
            false,
        ),
        (
            &elsewhere,
            "GET",
            "/mppeep/Yao/AB1234?q=Yao",
            "unmatched",
            404,
            false,
        ),
        (&elsewhere, "PURGE", "/mppeep/login", "/mppeep/login", 405, false),
        (
            &elsewhere,
            "GET",
            "/mppeep/api/v1/personnel",
            "/mppeep/api/v1/personnel",
            401,
            false,
        ),
        (
            &elsewhere,
            "GET",
            "/mppeep/health/live",
            "/mppeep/health/live",
            200,
            false,
        ),
    ] {
        let answer = client.request(method, path).send().await;
        let id = answer.header("x-request-id").expect("an id").to_owned();
        let line = if client.cookie("session_id").is_none() {
            // The tunnel's number is the request's own: the last line is this one's.
            let route = route.to_owned();
            let found = server.log().wait_for(PATIENCE, |line| {
                let entry: Value = serde_json::from_str(line).ok()?;
                let own = entry["request_id"] == id.as_str() && entry["route"] == route.as_str();
                own.then_some(entry)
            });
            found.unwrap_or_else(|| panic!("{method} {path} is not in the log"))
        } else {
            line_of(&server, &id).await
        };
        let what = format!("{method} {path}: {line:#}");
        assert_eq!(line["status"], answer.status, "{what}");
        if status != 303 {
            assert_eq!(line["status"], status, "{what}");
        }
        if !route.is_empty() {
            assert_eq!(line["route"], route, "{what}");
        }
        let known = ["GET", "HEAD"].contains(&method);
        assert_eq!(line["method"], if known { method } else { "OTHER" }, "{what}");
        for number in ["duration_ms", "database_ms", "cache_ms"] {
            assert!(
                line[number].as_f64().is_some_and(|millis| millis >= 0.0),
                "{number}: {what}"
            );
        }
        let total = line["duration_ms"].as_f64().unwrap_or_default();
        assert!(
            line["database_ms"]
                .as_f64()
                .is_some_and(|database| database <= total),
            "{what}"
        );
        // A session may be known from a copy, a file of the personnel never is.
        let database = line["database_calls"].as_u64().expect("a count");
        let cache = line["cache_calls"].as_u64().expect("a count");
        assert_eq!(database + cache > 0, asks, "{what}");
        assert!(database > 0 || !route.ends_with("{id}"), "{what}");
        let sent = u64::try_from(answer.body.len()).expect("small");
        assert_eq!(line["bytes"].as_u64(), Some(sent), "{what}");
        assert!(
            line.get("cut").is_none() && line.get("stream").is_none(),
            "{what}"
        );
        if asks {
            let user = line["user"].as_str().expect("a user");
            assert!(uuid::Uuid::parse_str(user).is_ok(), "{what}");
            assert_eq!(line["client"], "127.0.0.1", "{what}");
        } else {
            assert!(line.get("user").is_none(), "{what}");
            assert_eq!(line["client"], "2001:db8::7", "{what}");
            assert_eq!(line["cf_ray"], "8f1e2d3c4b5a6980-ABJ", "{what}");
        }
    }
}

/// A page that is made of cached values says so.
#[tokio::test]
async fn time_in_the_cache_is_told_apart() {
    let server = Server::demo();
    let client = server.demo_user("sdrh").await;
    let _made = client.get(&format!("{API}/dashboard/stats")).await.expect(200);
    let again = client.get(&format!("{API}/dashboard/stats")).await.expect(200);
    let line = line_of(&server, again.header("x-request-id").expect("an id")).await;
    assert!(
        line["cache_calls"].as_u64().is_some_and(|calls| calls > 0),
        "{line:#}"
    );
}

/// What people are called is in no line of theirs, wherever they or others wrote it.
#[tokio::test]
async fn nobody_is_named() {
    let server = Server::demo();
    let client = server.demo_user("sdrh").await;
    let person = agent(42);
    let mut body = person.body();
    body["family_name"] = "Zorglubovitch".into();
    body["email"] = "zorglubovitch@mppeep.example".into();
    let made = client.post(&format!("{API}/personnel"), &body).await;
    assert!([201, 422].contains(&made.status), "{}", made.text());
    for path in [
        format!("/mppeep/personnel?q={}", person.matricule),
        "/mppeep/personnel?q=Zorglubovitch".to_owned(),
        format!("/mppeep/personnel/{}", person.matricule),
        format!("/mppeep/agents/{}", person.matricule),
        "/mppeep/zorglubovitch@mppeep.example".to_owned(),
        format!("{API}/personnel/{}", person.matricule),
    ] {
        let _answer = client.get(&path).await;
    }
    let lines = settled(&server).await;
    assert!(requests(&lines).len() >= 7, "{lines:#?}");
    for name in [
        "orglubovitch",
        person.matricule.as_str(),
        "sdrh@demo.mppeep.example",
        "demo.mppeep",
    ] {
        let named = with(&lines, &[name]);
        assert!(named.is_empty(), "{name}: {named:#?}");
    }
}

/// A stream of events is told of at its end, and marked as one.
#[tokio::test]
async fn a_stream_is_told_of_when_it_ends() {
    let server = Server::start();
    let admin = server.admin().await;
    let mut socket = TcpStream::connect(server.address()).await.expect("accepted");
    let head = format!(
        "GET /mppeep/evenements HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nCookie: session_id={}\r\n\r\n",
        admin.session()
    );
    socket.write_all(head.as_bytes()).await.expect("sent");
    let mut first = [0; 64];
    let _count = socket.read(&mut first).await.expect("an answer");
    let streams = |lines: &[String]| -> Vec<Value> {
        let mut entries = requests(lines);
        entries.retain(|entry| entry["route"] == "/mppeep/evenements");
        entries
    };
    let early = streams(&settled(&server).await);
    assert!(early.is_empty(), "told before its end: {early:#?}");
    drop(socket);
    let told = server
        .log()
        .wait_for(PATIENCE, |line| line.contains("/mppeep/evenements").then_some(()));
    assert!(told.is_some(), "the end of the stream is not in the log");
    let ended = streams(&settled(&server).await);
    assert_eq!(ended.len(), 1, "{ended:#?}");
    assert_eq!(
        (&ended[0]["stream"], &ended[0]["status"]),
        (&Value::Bool(true), &Value::from(200))
    );
}

/// Whoever reads the log may be stuck: requests are answered all the same, and the lines come when he goes on.
#[tokio::test]
async fn a_log_that_nobody_reads_stops_no_request() {
    let launch = Launch::new();
    let mut process = launch
        .command()
        .arg("serve")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary can be started");
    let mut pipe = BufReader::new(process.stderr.take().expect("piped"));
    let mut written = String::new();
    // Up to the line that says where it listens; from then on nobody reads.
    let address: SocketAddr = loop {
        let begin = written.len();
        let count = pipe.read_line(&mut written).expect("text");
        assert!(count > 0, "the server ended: {written}");
        let entry: Value = serde_json::from_str(&written[begin..]).expect("JSON");
        if entry["message"] == "listening" {
            let address = entry["address"].as_str().expect("an address");
            break address.parse().expect("an address");
        }
    };
    let client = Client::new(address);
    // More lines than a pipe holds (64 KiB).
    let asked = 600;
    for number in 0..asked {
        let answer = client.request("GET", "/mppeep/health/live").send();
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        let answer = answer.unwrap_or_else(|_| panic!("request {number} waits for the log"));
        assert_eq!(answer.status, 200);
    }
    // Read first: the end of the process waits for its lines, but not for long.
    let read = tokio::task::spawn_blocking(move || {
        let _count = pipe.read_to_string(&mut written).expect("text");
        written
    });
    mppeep_tests::processes::terminate(process.id());
    let written = read.await.expect("read");
    let _status = process.wait().expect("ended");
    let lines: Vec<String> = written.lines().map(str::to_owned).collect();
    assert!(written.len() > 70_000, "too little was logged to fill a pipe");
    assert_eq!(requests(&lines).len(), asked, "lines were lost");
}
