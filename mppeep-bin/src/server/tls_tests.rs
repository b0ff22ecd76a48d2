//! The accept loop over TLS, with short times: handshakes that stop, readers of HTTP/2 who never read, and the end.

use std::path::Path;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::tests::{HEAD, IDLE, PATIENCE, PATIENT, Running, SHORT_HEADS, WRITE};
use super::*;

/// A server with a certificate, and clients who trust it.
struct Secure {
    server: Running,
    certificate: CertificateDer<'static>,
}

impl Secure {
    async fn start(patience: Patience) -> Self {
        let folder = TempDir::new().unwrap();
        let (files, certificate) = pair(folder.path());
        let certificates = Arc::new(Certificates::load(&files).unwrap());
        let server = Running::start_with(patience, 100, Some(certificates)).await;
        Self { server, certificate }
    }

    async fn connect(&self, protocol: &str) -> TlsStream<TcpStream> {
        self.try_to_connect(protocol).await.unwrap()
    }

    /// Connects where a handshake has little time, which a machine with much to do exceeds now and then.
    async fn connect_in_time(&self, protocol: &str) -> TlsStream<TcpStream> {
        for _ in 0..20 {
            if let Ok(stream) = self.try_to_connect(protocol).await {
                return stream;
            }
        }
        panic!("no handshake is done within {HEAD:?}");
    }

    async fn try_to_connect(&self, protocol: &str) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let socket = self.server.connect().await;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, socket).await
    }
}

fn pair(folder: &Path) -> (TlsFiles, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        certificate: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.der().clone())
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let mut out = vec![0, length[0], length[1], kind, flags, 0, 0, 0, stream];
    out.extend(payload);
    out
}

/// The preface, with windows of this size.
fn preface(window: u32) -> Vec<u8> {
    let mut settings = vec![0, 4];
    settings.extend(window.to_be_bytes());
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, &settings),
    ]
    .concat()
}

/// GET, with a short path: `:method`, `:scheme` and `:authority` from the static table.
fn get(stream: u8, path: &str) -> Vec<u8> {
    let mut head = vec![0x82, 0x87, 0x01, 9];
    head.extend(b"localhost");
    head.extend([0x04, u8::try_from(path.len()).unwrap()]);
    head.extend(path.as_bytes());
    frame(1, 5, stream, &head)
}

/// Everything until the server closes.
async fn rest(stream: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    assert!(read.is_ok(), "the server did not close");
    bytes
}

#[tokio::test]
async fn a_handshake_has_the_time_of_a_head() {
    let secure = Secure::start(SHORT_HEADS).await;
    for bytes in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let started = tokio::time::Instant::now();
        let mut socket = secure.server.connect().await;
        socket.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "the server did not close");
        assert!(
            started.elapsed() >= HEAD,
            "it was not given its time: {:?}",
            started.elapsed()
        );
    }
    // One that is done, and then says nothing, has no more.
    for protocol in ["http/1.1", "h2"] {
        let mut stream = secure.connect_in_time(protocol).await;
        rest(&mut stream).await;
    }
}

#[tokio::test]
async fn http_1_is_served_over_tls() {
    let secure = Secure::start(PATIENT).await;
    let mut stream = secure.connect("http/1.1").await;
    let ask = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(ask).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn an_idle_peer_of_http_2_is_kept_for_a_while_whatever_it_says() {
    let secure = Secure::start(Patience {
        idle: IDLE,
        ..PATIENT
    })
    .await;
    let mut stream = secure.connect("h2").await;
    let started = tokio::time::Instant::now();
    stream
        .write_all(&[preface(65_535), get(1, "/")].concat())
        .await
        .unwrap();
    // Pings are answered, and prolong nothing.
    let (mut reader, mut writer) = tokio::io::split(stream);
    let pings = async {
        while writer.write_all(&frame(6, 0, 0, &[1; 8])).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut bytes = Vec::new();
    tokio::select! {
        () = pings => {}
        _ = reader.read_to_end(&mut bytes) => {}
        () = tokio::time::sleep(PATIENCE) => panic!("the server did not close"),
    }
    assert!(started.elapsed() >= IDLE, "idle for {:?} only", started.elapsed());
}

#[tokio::test]
async fn a_reader_whose_windows_stay_shut_is_given_up() {
    let secure = Secure::start(Patience {
        write: WRITE,
        ..PATIENT
    })
    .await;
    let mut stream = secure.connect("h2").await;
    let started = tokio::time::Instant::now();
    stream
        .write_all(&[preface(0), get(1, "/pieces")].concat())
        .await
        .unwrap();
    rest(&mut stream).await;
    let took = started.elapsed();
    assert!(took >= WRITE, "given up after {took:?} already");
}

#[tokio::test]
async fn peers_of_http_2_are_told_that_the_server_ends() {
    let mut secure = Secure::start(PATIENT).await;
    let mut stream = secure.connect("h2").await;
    stream
        .write_all(&[preface(65_535), get(1, "/slow")].concat())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    secure.server.stop();
    let bytes = rest(&mut stream).await;
    let slow = bytes.windows(4).any(|window| window == b"slow");
    assert!(slow, "what ran was answered");
    // The head of a GOAWAY frame on the connection.
    let told = bytes
        .windows(9)
        .any(|window| window[3..] == [7, 0, 0, 0, 0, 0] && window[..3] == [0, 0, 8]);
    assert!(told, "nobody said that the connection ends");
    secure.server.ended().await;
}
