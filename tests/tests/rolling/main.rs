//! Three instances behind the real nginx with the project's own configuration: restarted one after the other, they lose no
//! request; and what nginx must not hold back, say, or believe.
//!
//! The rate is 200 requests a second, or a third of what the machine was just seen to manage where that is less: a build for
//! debugging beside other work is shown to lose nothing, not to be fast. `MPPEEP_ROLLING_RATE=200` with `MPPEEP_TEST_BINARY`
//! naming a release build makes a measurement of it.

mod front;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mppeep_testbed::{Postgres, free_port};
use mppeep_tests::agents::agent;
use mppeep_tests::client::encode_form;
use mppeep_tests::events::Events;
use mppeep_tests::load::Times;
use mppeep_tests::processes::eventually;
use mppeep_tests::server::demo_email;
use mppeep_tests::{Backend, Client, Launch, Server, backend};
use serde_json::Value;
use tokio::task::{JoinSet, block_in_place};

use front::{Front, HOST};

/// How long a loaded machine may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// What instances are started with, each on a port of its own.
fn launches(url: &str, count: usize) -> Vec<(u16, Launch)> {
    let launch = Launch::on(Backend::Sqlite)
        .postgres(url)
        .env("MPPEEP_INSTANCES", count)
        .env("MPPEEP_PUBLIC_URL", format!("https://{HOST}"))
        .env("MPPEEP_CLIENT_IP_HEADER", "X-Real-IP")
        .with_demo(200);
    let ports = (0..count).map(|_| free_port());
    ports
        .map(|port| {
            (
                port,
                launch.clone().env("MPPEEP_LISTEN", format!("127.0.0.1:{port}")),
            )
        })
        .collect()
}

/// The requests that an instance has answered to others than those who ask for its health.
fn answered(server: &Server) -> usize {
    let lines = server.log().lines().into_iter();
    lines
        .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
        .filter(|line| {
            line.get("status")
                .or_else(|| line["fields"].get("status"))
                .is_some()
        })
        .filter(|line| !line.to_string().contains("/health/"))
        .count()
}

async fn ready(server: &Server) {
    let visitor = server.visitor();
    let end = Instant::now() + PATIENCE;
    while visitor.get("/mppeep/health/ready").await.status != 200 {
        assert!(Instant::now() < end, "it does not become ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What people ask for, in turn: mostly pages of somebody, some without a session, and one in ten changes something.
const PATHS: [(&str, bool); 9] = [
    ("/mppeep/accueil", true),
    ("/mppeep/api/v1/session", true),
    ("/mppeep/static/css/style.css", false),
    ("/mppeep/profil", true),
    ("/mppeep/api/v1/personnel?limit=10", true),
    ("/mppeep/login", false),
    ("/mppeep/personnel", true),
    ("/mppeep/api/v1/session", true),
    ("/mppeep/accueil", true),
];

/// How many requests a second are asked for: what is said, or at most a third of what sixteen at once get answered.
async fn rate(front: &Arc<Front>, sessions: &[String]) -> u32 {
    const MOST: u32 = 200;
    let said = std::env::var("MPPEEP_ROLLING_RATE").ok();
    if let Some(rate) = said.and_then(|text| text.parse().ok()) {
        return rate;
    }
    let length = Duration::from_secs(3);
    let end = Instant::now() + length;
    let mut asked = JoinSet::new();
    for number in 0..16 {
        let (front, session) = (Arc::clone(front), sessions[number % sessions.len()].clone());
        asked.spawn(async move {
            let mut answers = 0_u32;
            while Instant::now() < end {
                let (path, with_session) = PATHS[(number + answers as usize) % PATHS.len()];
                let session = with_session.then_some(session.as_str());
                let request = front.request("GET", path, session, None);
                assert_eq!(front.send(request).await.expect("an answer").1, 200, "{path}");
                answers += 1;
            }
            answers
        });
    }
    let mut answers = 0;
    while let Some(done) = asked.join_next().await {
        answers += done.expect("somebody who asks");
    }
    let managed = answers / 3;
    println!("{managed} answers a second by sixteen who ask one after the other");
    (managed / 3).clamp(5, MOST)
}

/// What became of the requests.
#[derive(Default)]
struct Tally {
    times: Mutex<Times>,
    failures: Mutex<Vec<String>>,
    written: AtomicUsize,
}

/// People at a steady rate, whether they are answered or not.
async fn keep_asking(
    front: Arc<Front>,
    sessions: Vec<String>,
    rate: u32,
    over: Arc<AtomicUsize>,
    tally: Arc<Tally>,
) {
    let mut asked = JoinSet::new();
    let begun = Instant::now();
    let pause = Duration::from_secs(1) / rate;
    for number in 0_usize.. {
        let due = begun + pause * u32::try_from(number).expect("few");
        tokio::time::sleep_until(due.into()).await;
        if over.load(Ordering::Relaxed) > 0 {
            break;
        }
        let session = sessions[(number / 10 + number) % sessions.len()].clone();
        let (front, tally) = (Arc::clone(&front), Arc::clone(&tally));
        asked.spawn(async move {
            let writes = number % 10 == 9;
            let (what, request, expected) = if writes {
                let body = agent(1_000 + number).body().to_string();
                let path = "/mppeep/api/v1/personnel";
                let request = front.request("POST", path, Some(&session), Some(("application/json", body)));
                (path, request, 201)
            } else {
                let (path, with_session) = PATHS[(number / 10 + number) % PATHS.len()];
                let session = with_session.then_some(session.as_str());
                (path, front.request("GET", path, session, None), 200)
            };
            let outcome = front.send(request).await;
            let took = due.elapsed();
            tally.times.lock().expect("times").push(took);
            match outcome {
                Ok((_, status, _)) if status == expected => {
                    tally.written.fetch_add(usize::from(writes), Ordering::Relaxed);
                }
                Ok((_, status, body)) => {
                    let said: String = String::from_utf8_lossy(&body).chars().take(300).collect();
                    let failure = format!("{:?} {what}: {status} after {took:?}\n{said}", due - begun);
                    tally.failures.lock().expect("failures").push(failure);
                }
                Err(problem) => {
                    let failure = format!("{:?} {what}: {problem} after {took:?}", due - begun);
                    tally.failures.lock().expect("failures").push(failure);
                }
            }
        });
        while let Some(done) = asked.try_join_next() {
            done.expect("no request panics");
        }
    }
    while let Some(done) = asked.join_next().await {
        done.expect("no request panics");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_restarted_one_after_the_other_lose_no_request() {
    let url = backend::migrated(Postgres::shared().await).await;
    let launches = block_in_place(|| launches(&url, 3));
    let ports: Vec<u16> = launches.iter().map(|(port, _)| *port).collect();
    let mut instances: Vec<Server> = block_in_place(|| {
        let starting: Vec<_> = launches.iter().map(|(_, launch)| launch.spawn()).collect();
        starting
            .into_iter()
            .map(|instance| instance.listening())
            .collect()
    });
    let front = Arc::new(Front::open(&ports).await);
    // Somebody who may do everything that is asked for here, ten times.
    let mut sessions = Vec::new();
    for _ in 0..10 {
        sessions.push(front.log_in(&demo_email("sdrh")).await);
    }
    let rate = rate(&front, &sessions).await;
    let (over, tally) = (Arc::new(AtomicUsize::new(0)), Arc::new(Tally::default()));
    let load = tokio::spawn(keep_asking(
        Arc::clone(&front),
        sessions.clone(),
        rate,
        Arc::clone(&over),
        Arc::clone(&tally),
    ));
    let begun = Instant::now();
    let pause = Duration::from_secs(3);
    tokio::time::sleep(pause).await;
    let mut first_lives = Vec::new();
    for (number, (_, launch)) in launches.iter().enumerate() {
        let ended = Instant::now();
        let status = block_in_place(|| instances[number].terminate(PATIENCE)).expect("it ends");
        assert_eq!(status.code(), Some(0), "{}", instances[number].log().text());
        let drained = ended.elapsed();
        first_lives.push(answered(&instances[number]));
        instances[number] = block_in_place(|| launch.start());
        ready(&instances[number]).await;
        println!(
            "instance {number}: ended in {drained:?}, ready again {:?} after the signal",
            ended.elapsed()
        );
        // Whoever restarts waits until the one before has its share again.
        tokio::time::sleep(pause).await;
    }
    over.store(1, Ordering::Relaxed);
    load.await.expect("no request panics");
    let seconds = begun.elapsed().as_secs_f64();
    let times = tally.times.lock().expect("times").clone();
    let second_lives: Vec<usize> = instances.iter().map(answered).collect();
    let written = tally.written.load(Ordering::Relaxed);
    println!(
        "{} in {seconds:.1} s at {rate} a second, {written} of them writes",
        times.summary()
    );
    println!("answered before their restarts {first_lives:?}, after {second_lives:?}");
    let failures = tally.failures.lock().expect("failures").clone();
    assert!(
        failures.is_empty(),
        "{} failed:\n{}\n{}",
        failures.len(),
        failures.join("\n"),
        front.nginx.log()
    );
    assert!(written > 5 && times.count() > 50, "{} requests", times.count());
    // Each of the first two had its share before and after.
    for lives in [&first_lives, &second_lives] {
        assert!(lives[..2].iter().all(|&count| count > 0), "{lives:?}");
    }
    // What was answered with 201 is there, once.
    let stored = launches[0].1.ask("SELECT count(*) FROM personnel");
    let stored: usize = stored.trim().parse().expect("a number");
    assert_eq!(stored, 200 + written, "every write is there, once");
    // The third one stands in when both others are away, and everybody is still logged in there.
    for instance in &mut instances[..2] {
        assert!(block_in_place(|| instance.terminate(PATIENCE)).is_some());
    }
    for session in &sessions {
        let asked = front.send(front.request("GET", "/mppeep/api/v1/session", Some(session), None));
        assert_eq!(asked.await.expect("an answer").1, 200, "a session is lost");
    }
    // A line is written a moment after its answer.
    let stood_in = eventually(PATIENCE, || answered(&instances[2]) >= sessions.len()).await;
    assert!(stood_in, "{} answers of the third", answered(&instances[2]));
}

/// Whether anything of a request was written to a file below a folder.
fn has_files(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    entries
        .map(|entry| entry.path())
        .any(|path| if path.is_dir() { has_files(&path) } else { true })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_holds_nothing_back_and_believes_no_client() {
    let url = backend::migrated(Postgres::shared().await).await;
    let launches = block_in_place(|| launches(&url, 1));
    let (port, launch) = &launches[0];
    let mut server = block_in_place(|| launch.start());
    // The two others are away for good, which nobody notices.
    let front = Front::open(&[*port, free_port(), free_port()]).await;

    // Events arrive while the stream is open.
    let session = front.log_in(&demo_email("sdrh")).await;
    let mut stream = Events::open(front.connect().await.expect("a connection"), HOST, &session).await;
    assert!(
        stream.received().starts_with("HTTP/1.1 200"),
        "{}",
        stream.received()
    );
    let body = agent(5_000).body().to_string();
    let request = front.request(
        "POST",
        "/mppeep/api/v1/personnel",
        Some(&session),
        Some(("application/json", body)),
    );
    let (_, status, said) = front.send(request).await.expect("an answer");
    assert_eq!(status, 201, "{}", String::from_utf8_lossy(&said));
    // Not the count of notices, which comes by itself.
    stream.until("event: figures").await;

    // What was compressed once is not touched, and is not sent again to whoever has it.
    let mut request = front.request("GET", "/mppeep/static/css/style.css", None, None);
    request
        .headers_mut()
        .insert("accept-encoding", "br".parse().expect("a value"));
    let (headers, status, _) = front.send(request).await.expect("an answer");
    assert_eq!(
        (status, headers["content-encoding"].as_bytes()),
        (200, &b"br"[..])
    );
    let mut request = front.request("GET", "/mppeep/static/css/style.css", None, None);
    request
        .headers_mut()
        .insert("if-none-match", headers["etag"].clone());
    assert_eq!(front.send(request).await.expect("an answer").1, 304);
    assert!(
        headers.contains_key("strict-transport-security"),
        "mppeep knows that it was https: {headers:?}"
    );

    // A client cannot say where he is, nor what his request is called.
    let form = encode_form(&[("username", "personne@mppeep.example"), ("password", "faux")]);
    let mut request = front.request(
        "POST",
        "/mppeep/login",
        None,
        Some(("application/x-www-form-urlencoded", form)),
    );
    for (name, value) in [
        ("cf-connecting-ip", "203.0.113.66"),
        ("x-real-ip", "203.0.113.66"),
        ("x-forwarded-for", "203.0.113.66"),
        ("cf-ray", "8f3c2f5d6ad5b1c2-CDG"),
    ] {
        request
            .headers_mut()
            .insert(name, value.parse().expect("a value"));
    }
    let (_, status, _) = front.send(request).await.expect("an answer");
    assert_eq!(status, 401);
    // Its own line: others were let in before.
    let told = server.log().wait_for(PATIENCE, |line| {
        (line.contains("\"POST\"") && line.contains("\"status\":401")).then_some(())
    });
    assert!(told.is_some(), "{}", server.log().text());
    let log = server.log().text();
    assert!(
        log.contains("127.0.0.1") && !log.contains("203.0.113.66"),
        "{log}"
    );
    assert!(!log.contains("8f3c2f5d6ad5b1c2"), "{log}");

    // Without https one is sent there.
    let visitor = Client::new(([127, 0, 0, 1], front.http).into());
    let sent = visitor
        .request("GET", "/mppeep/login?suite=1")
        .header("host", HOST)
        .send()
        .await
        .expect(308);
    assert_eq!(
        sent.header("location"),
        Some("https://rh.example/mppeep/login?suite=1")
    );

    // A large body goes by without touching nginx's disk, and is refused by mppeep.
    let folder = front.nginx.folder().join("client_body");
    let large = "x".repeat(8 * 1024 * 1024);
    let request = front.request(
        "POST",
        "/mppeep/login",
        None,
        Some(("application/x-www-form-urlencoded", large)),
    );
    // nginx may pass on the answer while we still send, and close.
    if let Ok((_, status, _)) = front.send(request).await {
        assert_eq!(status, 413);
    }
    assert!(!has_files(&folder), "a body was written to a disk");

    // Nobody is there: nginx says so in the site's language.
    drop(stream);
    assert!(block_in_place(|| server.terminate(PATIENCE)).is_some());
    let (headers, status, body) = front.get("/mppeep/login").await;
    assert_eq!(status, 503);
    assert_eq!(headers["retry-after"], "5");
    assert_eq!(headers["cache-control"], "no-store");
    let page = String::from_utf8_lossy(&body).into_owned();
    assert!(page.contains("momentanément indisponible"), "{page}");
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
}
