//! Certificates that a test makes for itself, and clients that speak TLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};

use crate::client::Response;
use crate::server::Launch;

/// The name in the certificates.
pub const HOST: &str = "mppeep.test";

/// A certificate that signs itself, with its key, as files.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate's file.
    pub certificate: PathBuf,
    /// The key's file.
    pub key: PathBuf,
    /// The certificate, as clients see it.
    pub der: CertificateDer<'static>,
}

impl Pair {
    /// Makes one, in two files of a folder.
    #[must_use]
    pub fn make(folder: &Path) -> Self {
        let names = [HOST, "localhost", "127.0.0.1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let pair = Self {
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
            der: made.cert.der().clone(),
        };
        std::fs::write(&pair.certificate, made.cert.pem()).expect("written");
        std::fs::write(&pair.key, made.signing_key.serialize_pem()).expect("written");
        pair
    }

    /// A server that uses it.
    #[must_use]
    pub fn given_to(&self, launch: Launch) -> Launch {
        launch
            .env("MPPEEP_TLS_CERT", self.certificate.display())
            .env("MPPEEP_TLS_KEY", self.key.display())
            .env("MPPEEP_PUBLIC_URL", format!("https://{HOST}"))
    }
}

/// How a client wants to speak.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The versions of TLS that it knows.
    pub versions: &'a [&'static SupportedProtocolVersion],
    /// The protocols that it offers.
    pub protocols: &'a [&'a str],
}

/// TLS 1.3 and HTTP/1.1.
pub const HTTP_1: Wish<'static> = Wish {
    versions: &[&version::TLS13],
    protocols: &["http/1.1"],
};

/// TLS 1.3 and HTTP/2.
pub const HTTP_2: Wish<'static> = Wish {
    versions: &[&version::TLS13],
    protocols: &["h2"],
};

/// A handshake with a server whose certificate is one of these.
///
/// # Errors
///
/// When the server is not there, or the handshake fails.
pub async fn connect(
    server: SocketAddr,
    trusted: &[&Pair],
    wish: Wish<'_>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for pair in trusted {
        roots.add(pair.der.clone()).expect("a certificate");
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(wish.versions)
        .expect("versions that exist")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = wish
        .protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    let name = ServerName::try_from(HOST).expect("a name");
    let socket = TcpStream::connect(server).await?;
    TlsConnector::from(Arc::new(config)).connect(name, socket).await
}

/// The certificate that the server showed.
#[must_use]
pub fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let chain = stream.get_ref().1.peer_certificates().expect("a certificate");
    chain[0].clone()
}

/// What a request over HTTP/2 or HTTP/1.1 may fail with.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A kept connection over TLS, of either version of HTTP.
pub struct SecureConnection(Sender);

enum Sender {
    One(hyper::client::conn::http1::SendRequest<Full<Bytes>>),
    Two(hyper::client::conn::http2::SendRequest<Full<Bytes>>),
}

impl SecureConnection {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// When the handshake fails.
    pub async fn open(server: SocketAddr, pair: &Pair, wish: Wish<'_>) -> Result<Self, Failure> {
        let stream = connect(server, &[pair], wish).await?;
        let second = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let io = TokioIo::new(stream);
        Ok(Self(if second {
            let (sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            Sender::Two(sender)
        } else {
            let (sender, connection) = hyper::client::conn::http1::handshake(io).await?;
            tokio::spawn(connection);
            Sender::One(sender)
        }))
    }

    /// Another handle on the same connection, for requests at the same time; of HTTP/2 only.
    #[must_use]
    pub fn share(&self) -> Self {
        match &self.0 {
            Sender::One(_) => panic!("HTTP/1.1 has one request at a time"),
            Sender::Two(sender) => Self(Sender::Two(sender.clone())),
        }
    }

    /// Sends a request with these headers, and reads the answer to its end.
    ///
    /// # Errors
    ///
    /// When the connection broke.
    pub async fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Response, Failure> {
        let second = matches!(self.0, Sender::Two(_));
        let mut request = if second {
            Request::builder()
                .version(hyper::Version::HTTP_2)
                .uri(format!("https://{HOST}{path}"))
        } else {
            Request::builder().uri(path).header("host", HOST)
        };
        request = request.method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into()))?;
        let answer = match &mut self.0 {
            Sender::One(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Sender::Two(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    }

    /// GET.
    ///
    /// # Errors
    ///
    /// When the connection broke.
    pub async fn get(&mut self, path: &str) -> Result<Response, Failure> {
        self.request("GET", path, &[], Bytes::new()).await
    }
}
