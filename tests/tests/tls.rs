//! https and HTTP/2 without a proxy, against clients that are none.

use std::time::Duration;

use mppeep_tests::processes::{eventually, hang_up, resident_kib};
use mppeep_tests::tls::{self, HOST, HTTP_1, HTTP_2, Pair, SecureConnection, Wish};
use mppeep_tests::{ADMIN_EMAIL, ADMIN_PASSWORD, Launch, Server, raw};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::rustls::version;

const PATIENCE: Duration = Duration::from_secs(60);

fn started() -> (Server, Pair) {
    let launch = Launch::new();
    let pair = Pair::make(launch.data());
    (pair.given_to(launch).start(), pair)
}

async fn open(server: &Server, pair: &Pair, wish: Wish<'_>) -> SecureConnection {
    SecureConnection::open(server.address(), pair, wish)
        .await
        .expect("a connection")
}

#[tokio::test]
async fn both_versions_of_tls_and_of_http_are_spoken() {
    let (server, pair) = started();
    for versions in [&[&version::TLS12], &[&version::TLS13]] {
        for protocols in [&["h2", "http/1.1"][..], &["http/1.1"], &["h2"], &[]] {
            let wish = Wish { versions, protocols };
            let stream = tls::connect(server.address(), &[&pair], wish)
                .await
                .expect("a handshake");
            let (_, session) = stream.get_ref();
            assert_eq!(session.protocol_version(), Some(versions[0].version));
            let expected = protocols.first().map(|name| name.as_bytes());
            assert_eq!(session.alpn_protocol(), expected);
            drop(stream);
            let mut connection = open(&server, &pair, wish).await;
            for _ in 0..2 {
                let page = connection
                    .get("/mppeep/login")
                    .await
                    .expect("an answer")
                    .expect(200);
                let transport = page.header_or_empty("strict-transport-security");
                assert!(transport.starts_with("max-age=63072000"), "{transport}");
            }
        }
    }
    // Nobody is spoken to in what only he knows.
    let wish = Wish {
        versions: &[&version::TLS13],
        protocols: &["spdy/3"],
    };
    assert!(tls::connect(server.address(), &[&pair], wish).await.is_err());
}

/// The whole way in: the cookie is kept, forgeries are judged by the public origin.
#[tokio::test]
async fn somebody_logs_in_over_https() {
    let (server, pair) = started();
    let form = format!("username={ADMIN_EMAIL}&password={ADMIN_PASSWORD}");
    let media = ("content-type", "application/x-www-form-urlencoded");
    let origin = format!("https://{HOST}");
    for wish in [HTTP_1, HTTP_2] {
        let mut connection = open(&server, &pair, wish).await;
        let foreign = [media, ("origin", "http://mppeep.test")];
        let refused = connection
            .request("POST", "/mppeep/login", &foreign, form.clone())
            .await;
        assert_eq!(
            refused.expect("an answer").status,
            403,
            "plain http is another origin"
        );
        let own = [media, ("origin", origin.as_str())];
        let entered = connection
            .request("POST", "/mppeep/login", &own, form.clone())
            .await;
        let entered = entered.expect("an answer").expect(303);
        assert_eq!(entered.header("location"), Some("/mppeep/accueil"));
        let cookie = &entered.set_cookies()[0];
        assert!(cookie.contains("; Secure;"), "{cookie}");
        let session = cookie.split(';').next().expect("a pair");
        let home = connection
            .request("GET", "/mppeep/accueil", &[("cookie", session)], "")
            .await;
        let _home = home.expect("an answer").expect(200);
    }
}

/// Whoever comes with another protocol, or with none, gets nothing of the site and is ended.
#[tokio::test]
async fn what_is_no_tls_is_ended() {
    let (server, _pair) = started();
    let get = format!("GET /mppeep/login HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    for bytes in [
        get.as_bytes(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x00\x05hello",
    ] {
        let echo = raw::talk(server.address(), bytes, PATIENCE).await;
        assert!(echo.closed, "still open");
        assert!(
            !echo.text.contains("HTTP/1.1") && echo.text.len() < 64,
            "{}",
            echo.text
        );
    }
    // A handshake has the time of a head: silence, and half a hello.
    let silent = raw::talk(server.address(), b"", PATIENCE);
    let half = raw::talk(server.address(), b"\x16\x03\x01\x02\x00\x01\x00", PATIENCE);
    let (silent, half) = tokio::join!(silent, half);
    assert!(silent.closed && half.closed, "a silent handshake is still open");
}

#[tokio::test]
async fn a_new_certificate_is_used_while_connections_go_on() {
    let (server, first) = started();
    let mut kept = open(&server, &first, HTTP_1).await;
    let mut shared = open(&server, &first, HTTP_2).await;
    let _page = kept.get("/mppeep/login").await.expect("an answer").expect(200);
    let _page = shared.get("/mppeep/login").await.expect("an answer").expect(200);

    // A key that is not the certificate's: the old pair stays.
    let folder = server.launch().data();
    let good_key = std::fs::read(&first.key).expect("a key");
    let elsewhere = tempfile::tempdir().expect("a folder");
    std::fs::copy(&Pair::make(elsewhere.path()).key, &first.key).expect("written");
    hang_up(server.id());
    let told = server.log().wait_for(PATIENCE, |line| {
        line.contains("the old one stays").then(|| line.to_owned())
    });
    assert!(told.expect("a line in the log").contains("key.pem"));
    let stream = tls::connect(server.address(), &[&first], HTTP_1).await;
    assert_eq!(tls::shown(&stream.expect("a handshake")), first.der);
    std::fs::write(&first.key, good_key).expect("written");

    let second = Pair::make(folder);
    hang_up(server.id());
    let read = server.log().wait_for(PATIENCE, |line| {
        line.contains("the certificate was read again").then_some(())
    });
    assert!(read.is_some(), "{}", server.log().text());
    let stream = tls::connect(server.address(), &[&first, &second], HTTP_1).await;
    assert_eq!(tls::shown(&stream.expect("a handshake")), second.der);
    let _page = kept.get("/mppeep/login").await.expect("still open").expect(200);
    let _page = shared.get("/mppeep/login").await.expect("still open").expect(200);

    // Files that are only written, without a signal, are found as well.
    let third = Pair::make(folder);
    let server_address = server.address();
    let mut found = false;
    for _ in 0..90 {
        let stream = tls::connect(server_address, &[&second, &third], HTTP_1).await;
        if tls::shown(&stream.expect("a handshake")) == third.der {
            found = true;
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(found, "the files were written, and nobody looked");
    let _page = kept.get("/mppeep/login").await.expect("still open").expect(200);
}

#[tokio::test]
async fn a_start_with_half_of_it_is_refused_by_name() {
    let launch = Launch::new();
    let pair = Pair::make(launch.data());
    let https = pair.given_to(launch.clone());
    let missing = launch.data().join("nowhere.pem");
    for (launch, words) in [
        (
            https.clone().without("MPPEEP_TLS_KEY"),
            ["tls_key", "both or none"],
        ),
        (
            https.clone().without("MPPEEP_TLS_CERT"),
            ["tls_cert", "both or none"],
        ),
        (
            https.clone().env("MPPEEP_TLS_KEY", missing.display()),
            ["nowhere.pem", "cannot read"],
        ),
        (
            https.clone().env("MPPEEP_TLS_KEY", pair.certificate.display()),
            ["certificate.pem", "no private key"],
        ),
        (
            https.clone().env("MPPEEP_TLS_CERT", pair.key.display()),
            ["key.pem", "no certificate"],
        ),
        (
            https
                .clone()
                .without("MPPEEP_PUBLIC_URL")
                .env("MPPEEP_COOKIE_SECURE", "never"),
            ["cookie_secure", "certificate"],
        ),
        (
            https.clone().env("MPPEEP_PUBLIC_URL", "http://mppeep.test"),
            ["public_url", "https"],
        ),
        (
            launch.clone().env("MPPEEP_REDIRECT_LISTEN", "127.0.0.1:0"),
            ["redirect_listen", "public_url"],
        ),
        (
            https.clone().env("MPPEEP_REDIRECT_LISTEN", "partout"),
            ["redirect_listen", "socket address"],
        ),
    ] {
        let (status, log) = launch.spawn().ended();
        assert!(!status.success());
        for word in words {
            assert!(log.contains(word), "{word}: {log}");
        }
    }
}

#[tokio::test]
async fn the_redirect_listener_sends_to_the_public_address_and_nowhere_else() {
    let launch = Launch::new().env("MPPEEP_REDIRECT_LISTEN", "127.0.0.1:0");
    let pair = Pair::make(launch.data());
    let server = pair.given_to(launch).start();
    let address = server.redirect_address();
    let ask = async |head: &str| {
        raw::talk(
            address,
            format!("{head}\r\nConnection: close\r\n\r\n").as_bytes(),
            PATIENCE,
        )
        .await
        .text
    };
    for (head, status, location) in [
        (
            "GET /mppeep/login?next=%2Fa HTTP/1.1\r\nHost: evil.example",
            301,
            "https://mppeep.test/mppeep/login?next=%2Fa",
        ),
        (
            "HEAD / HTTP/1.1\r\nHost: evil.example",
            301,
            "https://mppeep.test/",
        ),
        (
            "POST /mppeep/login HTTP/1.1\r\nHost: x\r\nContent-Length: 0",
            308,
            "https://mppeep.test/mppeep/login",
        ),
        (
            "GET http://evil.example/a HTTP/1.1\r\nHost: evil.example",
            301,
            "https://mppeep.test/a",
        ),
        (
            "GET //evil.example/a HTTP/1.1\r\nHost: x",
            301,
            "https://mppeep.test//evil.example/a",
        ),
    ] {
        let answer = ask(head).await.to_ascii_lowercase();
        let location = location.to_ascii_lowercase();
        assert!(
            answer.starts_with(&format!("http/1.1 {status} ")),
            "{head}: {answer}"
        );
        assert!(
            answer.contains(&format!("location: {location}\r\n")),
            "{head}: {answer}"
        );
        assert!(!answer.contains("strict-transport-security"), "{answer}");
        assert!(!answer.contains("set-cookie"), "{answer}");
    }
    assert!(
        ask("OPTIONS * HTTP/1.1\r\nHost: x")
            .await
            .starts_with("HTTP/1.1 400 ")
    );
    let silent = raw::talk(address, b"GET / HT", PATIENCE).await;
    assert!(silent.closed, "half a head is still open");
}

/// Idle connections over TLS: what each costs, and that it is given back.
#[tokio::test]
async fn idle_connections_over_tls_are_given_back() {
    const COUNT: u64 = 300;
    let (server, pair) = started();
    let mut first = open(&server, &pair, HTTP_2).await;
    let _page = first.get("/mppeep/login").await.expect("an answer").expect(200);
    let files = mppeep_tests::processes::descriptors(server.id());
    for (name, wish) in [("HTTP/1.1", HTTP_1), ("HTTP/2", HTTP_2)] {
        let memory = resident_kib(server.id());
        let mut idle = Vec::new();
        for _ in 0..COUNT {
            let mut connection = open(&server, &pair, wish).await;
            let _page = connection
                .get("/mppeep/health/live")
                .await
                .expect("an answer")
                .expect(200);
            idle.push(connection);
        }
        let each = resident_kib(server.id()).saturating_sub(memory) / COUNT;
        println!("{name} over TLS: {each} KiB for each idle connection");
        assert!(each <= 120, "{each} KiB for each idle connection");
        drop(idle);
        let back = eventually(PATIENCE, || {
            mppeep_tests::processes::descriptors(server.id()) <= files + 8
        });
        assert!(back.await, "descriptors were not given back");
    }
}

/// Nothing but a whole answer is taken for one: the end of the stream is said by TLS, too.
#[tokio::test]
async fn a_closed_connection_says_so() {
    let (server, pair) = started();
    let mut stream = tls::connect(server.address(), &[&pair], HTTP_1)
        .await
        .expect("a handshake");
    let get = format!("GET /mppeep/login HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
    stream.write_all(get.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    // rustls makes an error of an end that was not announced.
    stream.read_to_end(&mut answer).await.expect("an announced end");
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    let plain = TcpStream::connect(server.address()).await.expect("accepted");
    drop(plain);
}
