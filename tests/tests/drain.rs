//! The end of a server: nothing that it took is left half done, and nobody can hold it up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use mppeep_tests::events::Events;
use mppeep_tests::frames::{self, END_HEADERS, END_STREAM, frame, kind};
use mppeep_tests::processes::{eventually, interrupt, terminate};
use mppeep_tests::tls::{self, HTTP_1, HTTP_2, Pair, SecureConnection};
use mppeep_tests::{ADMIN_EMAIL, ADMIN_PASSWORD, Launch, Server, raw};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The contract says 15 seconds; a loaded machine gets more.
const PATIENCE: Duration = Duration::from_secs(40);

/// For how long a connection that waits may still bring a request, once no new ones are accepted.
const LINGER: Duration = Duration::from_secs(1);

/// What visitors have got.
#[derive(Default)]
struct Tally {
    whole: AtomicUsize,
    last: AtomicUsize,
    broken: AtomicUsize,
    /// Connections that were reset before anything was said on them, or when nothing had been said for longer than the
    /// server waits, when it had been told to end.
    too_late: AtomicUsize,
}

struct Visitors {
    tally: Arc<Tally>,
    ending: Arc<AtomicBool>,
    tasks: tokio::task::JoinSet<()>,
}

impl Visitors {
    /// Visitors who each keep a connection, and ask for something on it eight times a second.
    fn start(server: SocketAddr, count: usize, session: &str) -> Self {
        let mut visitors = Self {
            tally: Arc::default(),
            ending: Arc::default(),
            tasks: tokio::task::JoinSet::new(),
        };
        for number in 0..count {
            let path = [
                "/mppeep/accueil",
                "/mppeep/profil",
                "/mppeep/static/css/style.css",
            ][number % 3];
            let (tally, ending) = (Arc::clone(&visitors.tally), Arc::clone(&visitors.ending));
            let session = format!("session_id={session}");
            visitors
                .tasks
                .spawn(async move { visit(server, path, &session, &tally, &ending).await });
        }
        visitors
    }
}

async fn visit(server: SocketAddr, path: &str, cookie: &str, tally: &Tally, ending: &AtomicBool) {
    loop {
        let Ok(socket) = TcpStream::connect(server).await else {
            assert!(
                ending.load(Ordering::SeqCst),
                "a connection was refused before the end"
            );
            return;
        };
        let io = TokioIo::new(socket);
        let Ok((mut sender, connection)) = hyper::client::conn::http1::handshake(io).await else {
            return;
        };
        tokio::spawn(connection);
        let mut fresh = true;
        let mut heard = Instant::now();
        while sender.ready().await.is_ok() {
            let request = Request::get(path)
                .header("host", server.to_string())
                .header("cookie", cookie)
                .body(Full::<Bytes>::default())
                .expect("a request");
            let mut headed = false;
            let answered = async {
                let answer = sender.send_request(request).await?;
                headed = true;
                let last = answer
                    .headers()
                    .get("connection")
                    .is_some_and(|value| value == "close");
                let status = answer.status();
                let body = answer.into_body().collect().await?.to_bytes();
                Ok::<_, hyper::Error>((status, body.len(), last))
            }
            .await;
            match answered {
                Ok((status, size, last)) => {
                    assert!(status == 200 && size > 500, "{status}, {size} bytes");
                    tally.whole.fetch_add(1, Ordering::SeqCst);
                    if last {
                        tally.last.fetch_add(1, Ordering::SeqCst);
                        break;
                    }
                }
                Err(_) if fresh && ending.load(Ordering::SeqCst) => {
                    tally.too_late.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                // This process or the server was held up, and the connection had been given up meanwhile.
                Err(_) if !headed && heard.elapsed() > LINGER && ending.load(Ordering::SeqCst) => {
                    tally.too_late.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                Err(error) => {
                    println!("broken: {error}");
                    tally.broken.fetch_add(1, Ordering::SeqCst);
                    return;
                }
            }
            fresh = false;
            heard = Instant::now();
            tokio::time::sleep(Duration::from_millis(125)).await;
        }
    }
}

/// X-S2
#[tokio::test]
async fn under_load_every_request_that_was_taken_is_answered_whole() {
    let mut server = Server::start();
    let admin = server.admin().await;
    let mut visitors = Visitors::start(server.address(), 24, &admin.session());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let tally = Arc::clone(&visitors.tally);
    let _loaded = eventually(PATIENCE, || tally.whole.load(Ordering::SeqCst) > 10).await;
    let before = tally.whole.load(Ordering::SeqCst);
    visitors.ending.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    let status = tokio::task::spawn_blocking(move || server.terminate(PATIENCE))
        .await
        .expect("waited");
    let took = begun.elapsed();
    while let Some(visitor) = visitors.tasks.join_next().await {
        visitor.expect("a visitor saw something wrong");
    }
    let of = |count: &AtomicUsize| count.load(Ordering::SeqCst);
    println!(
        "{before} answers, then SIGTERM; {} whole in all, {} said to be the last, {} broken, {} too late; ended in {took:?}",
        of(&tally.whole),
        of(&tally.last),
        of(&tally.broken),
        of(&tally.too_late)
    );
    assert!(before > 10, "only {before} answers: no load");
    assert_eq!(of(&tally.broken), 0, "answers that were cut");
    assert!(of(&tally.last) > 0, "nobody was told that the connection ends");
    assert_eq!(status.expect("the server is still there").code(), Some(0));
}

/// The length of the body that a head announces.
fn length_in(head: &str) -> usize {
    head.lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")?
                .parse()
                .ok()
        })
        .expect("a length")
}

/// Requests that were sent ahead: what comes is a row of whole answers, of which the last says that it is the last.
#[tokio::test]
async fn of_requests_sent_ahead_none_is_answered_by_half() {
    let mut server = Server::start();
    let mut socket = TcpStream::connect(server.address()).await.expect("accepted");
    let get = format!(
        "GET /mppeep/health/live HTTP/1.1\r\nHost: {}\r\n\r\n",
        server.address()
    );
    let (mut reader, mut writer) = socket.split();
    let ended = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    let asking = async {
        while !ended.load(Ordering::SeqCst) && writer.write_all(get.repeat(3).as_bytes()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let reading = async {
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        // The end may be a reset: the client went on asking after it was told not to.
        while let Ok(count @ 1..) = reader.read(&mut buffer).await {
            bytes.extend_from_slice(&buffer[..count]);
            let begun = bytes.windows(9).filter(|part| part.starts_with(b"HTTP/1.1 "));
            answered.store(begun.count(), Ordering::SeqCst);
        }
        ended.store(true, Ordering::SeqCst);
        String::from_utf8(bytes).expect("text")
    };
    let id = server.id();
    let signal = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        while answered.load(Ordering::SeqCst) <= 10 && !ended.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        terminate(id);
    };
    let ((), text, ()) = tokio::join!(asking, reading, signal);
    let mut rest = text.as_str();
    let mut answers = 0;
    let mut last = String::new();
    while !rest.is_empty() {
        let (head, body) = rest.split_once("\r\n\r\n").expect("a whole head");
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        let length = length_in(head);
        assert!(body.len() >= length, "half an answer: {rest:?}");
        rest = &body[length..];
        last = head.to_ascii_lowercase();
        answers += 1;
    }
    println!("{answers} answers");
    assert!(answers > 10 && last.contains("connection: close"), "{last}");
    let status = server.terminate(PATIENCE).expect("ended");
    // The second signal may have come before the end.
    assert!(status.success() || status.code() == Some(1), "{status}");
}

/// Reads one answer, in small letters; none when the connection ended before.
async fn one_answer(socket: &mut TcpStream) -> Option<String> {
    let mut received = String::new();
    let mut some = [0; 4096];
    loop {
        if let Some((head, body)) = received.split_once("\r\n\r\n")
            && body.len() >= length_in(head)
        {
            return Some(received.to_ascii_lowercase());
        }
        let Ok(count @ 1..) = socket.read(&mut some).await else {
            return None;
        };
        received.push_str(&String::from_utf8_lossy(&some[..count]));
    }
}

/// Readiness goes first: while requests are still answered, balancers are told to send no more.
#[tokio::test]
async fn readiness_is_off_before_the_end() {
    for attempt in 1.. {
        let mut server = Server::start();
        let (statuses, slowest) = ready_until_the_end(&server).await;
        assert_eq!(statuses.first(), Some(&200), "{statuses:?}");
        let told = statuses.last() == Some(&503);
        // Who was held up for longer than the server waits has missed it, which proves nothing.
        assert!(
            told || (slowest > LINGER && attempt < 5),
            "{statuses:?}, with at most {slowest:?} between them"
        );
        let ended = tokio::task::spawn_blocking(move || wait_for_end(&mut server))
            .await
            .expect("waited");
        assert!(ended, "the server is still there");
        if told {
            return;
        }
    }
}

/// Asks whether it is ready until it ends. Gives the answers, and the longest time from one to the next.
async fn ready_until_the_end(server: &Server) -> (Vec<u16>, Duration) {
    // Two, since the answer that was on its way at the signal may be the last of its connection.
    let mut socket = TcpStream::connect(server.address()).await.expect("accepted");
    let mut spare = Some(TcpStream::connect(server.address()).await.expect("accepted"));
    let get = format!(
        "GET /mppeep/health/ready HTTP/1.1\r\nHost: {}\r\n\r\n",
        server.address()
    );
    let mut statuses = Vec::new();
    let mut slowest = Duration::ZERO;
    let mut heard = Instant::now();
    for round in 0.. {
        if round == 5 {
            terminate(server.id());
        }
        if socket.write_all(get.as_bytes()).await.is_err() {
            break;
        }
        let Some(answer) = one_answer(&mut socket).await else {
            break;
        };
        slowest = slowest.max(heard.elapsed());
        heard = Instant::now();
        let status: u16 = answer[9..12].parse().expect("a status");
        statuses.push(status);
        if answer.contains("connection: close") {
            match spare.take() {
                Some(other) if status == 200 => socket = other,
                _ => break,
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (statuses, slowest.max(heard.elapsed()))
}

fn wait_for_end(server: &mut Server) -> bool {
    let end = Instant::now() + PATIENCE;
    while server.runs() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// An upload that has stopped.
async fn stuck_upload(server: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(server).await.expect("accepted");
    let head = format!(
        "POST /mppeep/login HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: 5000\r\n\r\nusername=a"
    );
    socket.write_all(head.as_bytes()).await.expect("sent");
    socket
}

/// Everybody who could hold a server up, at once.
#[tokio::test]
async fn nobody_holds_the_end_up() {
    let mut server = Server::start();
    let address = server.address();
    let admin = server.admin().await;
    let upload = stuck_upload(address).await;
    let silent = TcpStream::connect(address).await.expect("accepted");
    let mut half = TcpStream::connect(address).await.expect("accepted");
    half.write_all(b"GET /mppeep/login HT").await.expect("sent");
    let mut slow = TcpStream::connect(address).await.expect("accepted");
    let get = format!("GET /mppeep/static/css/style.css HTTP/1.1\r\nHost: {address}\r\n\r\n");
    slow.write_all(get.repeat(400).as_bytes()).await.expect("sent");
    let events = TcpStream::connect(address).await.expect("accepted");
    let events = Events::open(events, &address.to_string(), &admin.session()).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let begun = Instant::now();
    terminate(server.id());
    let echo = raw::read(&mut events.into_socket(), PATIENCE).await;
    assert!(
        echo.closed && echo.text.ends_with("0\r\n\r\n"),
        "a stream of events ends whole: {}",
        echo.text
    );
    let status = tokio::task::spawn_blocking(move || {
        let ended = wait_for_end(&mut server);
        (ended, server.status())
    })
    .await
    .expect("waited");
    println!("ended in {:?}", begun.elapsed());
    assert_eq!(status, (true, Some(0)));
    drop((upload, silent, half, slow));
}

/// The same over TLS: a peer of HTTP/2 that is idle, one that answers nothing, a handshake that has stopped.
#[tokio::test]
async fn nobody_holds_the_end_up_over_tls() {
    let launch = Launch::new();
    let pair = Pair::make(launch.data());
    let mut server = pair.given_to(launch).start();
    let address = server.address();
    let mut idle = SecureConnection::open(address, &pair, HTTP_2)
        .await
        .expect("open");
    let _page = idle.get("/mppeep/login").await.expect("an answer").expect(200);
    let mut kept = SecureConnection::open(address, &pair, HTTP_1)
        .await
        .expect("open");
    let form = format!("username={ADMIN_EMAIL}&password={ADMIN_PASSWORD}");
    let media = ("content-type", "application/x-www-form-urlencoded");
    let entered = kept.request("POST", "/mppeep/login", &[media], form).await;
    let entered = entered.expect("an answer").expect(303);
    let cookie = entered.set_cookies()[0]
        .split(';')
        .next()
        .expect("a pair")
        .to_owned();

    // Streams of events over HTTP/2, whose reader has gone silent, and an upload that has stopped.
    let mut dead = tls::connect(address, &[&pair], HTTP_2)
        .await
        .expect("a handshake");
    frames::hello(&mut dead, &[]).await;
    let listen = [
        frames::get("/mppeep/evenements"),
        frames::field("accept", "text/event-stream"),
        frames::field("cookie", &cookie),
    ]
    .concat();
    dead.write_all(&frame(kind::HEADERS, END_STREAM | END_HEADERS, 1, &listen))
        .await
        .expect("sent");
    let post = [
        frames::field(":method", "POST"),
        frames::field(":scheme", "https"),
        frames::field(":authority", tls::HOST),
        frames::field(":path", "/mppeep/login"),
        frames::field("content-type", "application/x-www-form-urlencoded"),
    ]
    .concat();
    dead.write_all(&frame(kind::HEADERS, END_HEADERS, 3, &post))
        .await
        .expect("sent");
    let mut shaking = TcpStream::connect(address).await.expect("accepted");
    shaking.write_all(b"\x16\x03\x01").await.expect("sent");
    tokio::time::sleep(Duration::from_millis(500)).await;

    let begun = Instant::now();
    let status = tokio::task::spawn_blocking(move || server.terminate(PATIENCE))
        .await
        .expect("waited");
    println!("ended in {:?}", begun.elapsed());
    assert_eq!(status.expect("the server is still there").code(), Some(0));
    drop((idle, kept, dead, shaking));
}

/// Whoever asks twice does not want to wait.
#[tokio::test]
async fn a_second_signal_ends_at_once() {
    for second in [terminate as fn(u32), interrupt] {
        let mut server = Server::start();
        let upload = stuck_upload(server.address()).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        terminate(server.id());
        let draining = server
            .log()
            .wait_for(PATIENCE, |line| line.contains("draining").then_some(()));
        assert!(draining.is_some(), "{}", server.log().text());
        assert!(server.runs(), "nothing was left to wait for");
        let begun = Instant::now();
        second(server.id());
        let (ended, status, log) = tokio::task::spawn_blocking(move || {
            let ended = wait_for_end(&mut server);
            let log = server.log();
            // The last lines come through a pipe.
            let said = log.wait_for(PATIENCE, |line| {
                line.contains("asked a second time").then_some(())
            });
            let log = log.text();
            (ended && said.is_some(), server.status(), log)
        })
        .await
        .expect("waited");
        println!("ended {:?} after the second signal", begun.elapsed());
        assert!(
            ended,
            "the server is still there, or does not say why it ended: {log}"
        );
        assert_eq!(status, Some(1), "{log}");
        drop(upload);
    }
}
