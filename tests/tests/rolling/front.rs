//! nginx with the configuration of `deploy/nginx`, and what speaks with it.

use std::error::Error;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::header::HeaderMap;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use mppeep_testbed::{Nginx, NginxOptions, free_port};
use mppeep_tests::DEMO_PASSWORD;
use mppeep_tests::binary::workspace;
use mppeep_tests::client::encode_form;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The name in the project's configuration.
pub(super) const HOST: &str = "rh.example";

pub(super) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The project's configuration, on our ports and with our certificate.
fn site(instances: &[u16], http: u16, https: u16) -> String {
    let read = |name: &str| {
        std::fs::read_to_string(workspace().join("deploy/nginx").join(name))
            .expect("the project's configuration")
    };
    let mut text = format!("{}\n{}", read("upstream.conf"), read("mppeep.conf"));
    let mut swap = |old: &str, new: &str, times: usize| {
        assert_eq!(text.matches(old).count(), times, "{old}");
        text = text.replace(old, new);
    };
    for (number, port) in instances.iter().enumerate() {
        let old = format!("server 127.0.0.1:{} ", 9001 + number);
        swap(&old, &format!("server 127.0.0.1:{port} "), 1);
    }
    swap("listen 80;", &format!("listen 127.0.0.1:{http};"), 1);
    swap("listen 443 ssl", &format!("listen 127.0.0.1:{https} ssl"), 1);
    // Not every machine that runs tests has IPv6.
    swap("listen [::]:80;", "", 1);
    swap("listen [::]:443 ssl http2;", "", 1);
    swap("/etc/nginx/tls/", "{folder}/", 2);
    text
}

/// nginx in front of instances, and what speaks with it.
pub(super) struct Front {
    pub(super) nginx: Nginx,
    pub(super) http: u16,
    tls: TlsConnector,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl Front {
    pub(super) async fn open(instances: &[u16]) -> Self {
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (http, https) = (free_port(), free_port());
        let nginx = Nginx::start(&NginxOptions {
            site: site(instances, http, https),
            files: vec![
                ("certificate.pem".into(), made.cert.pem().into_bytes()),
                ("key.pem".into(), made.signing_key.serialize_pem().into_bytes()),
            ],
            port: https,
            ..NginxOptions::default()
        })
        .await
        .expect("the project's configuration");
        Self {
            nginx,
            http,
            tls: TlsConnector::from(Arc::new(config)),
            idle: Mutex::default(),
        }
    }

    pub(super) async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(("127.0.0.1", self.nginx.port())).await?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from(HOST).expect("a name");
        self.tls.connect(name, socket).await
    }

    /// Sends over a kept connection, as a browser would, or over a new one.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Outcome<(HeaderMap, u16, Bytes)> {
        let kept = loop {
            let taken = self.idle.lock().expect("idle").pop();
            match taken {
                Some(mut sender) => {
                    if sender.ready().await.is_ok() {
                        break Some(sender);
                    }
                }
                None => break None,
            }
        };
        let mut sender = match kept {
            Some(sender) => sender,
            None => {
                let (sender, connection) =
                    hyper::client::conn::http1::handshake(TokioIo::new(self.connect().await?)).await?;
                tokio::spawn(connection);
                sender
            }
        };
        let (head, body): (_, hyper::body::Incoming) =
            Response::into_parts(sender.send_request(request).await?);
        let body = body.collect().await?.to_bytes();
        self.idle.lock().expect("idle").push(sender);
        Ok((head.headers, head.status.as_u16(), body))
    }

    /// A request of somebody's browser.
    pub(super) fn request(
        &self,
        method: &str,
        path: &str,
        session: Option<&str>,
        form: Option<(&str, String)>,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(method).uri(path).header("host", HOST);
        if let Some(session) = session {
            request = request.header("cookie", format!("session_id={session}"));
        }
        if let Some((media, _)) = &form {
            request = request
                .header("content-type", *media)
                .header("origin", format!("https://{HOST}"))
                .header("sec-fetch-site", "same-origin");
        }
        let body = form.map(|(_, body)| body).unwrap_or_default();
        request.body(Full::from(body)).expect("a request")
    }

    pub(super) async fn get(&self, path: &str) -> (HeaderMap, u16, Bytes) {
        self.send(self.request("GET", path, None, None))
            .await
            .expect("an answer")
    }

    pub(super) async fn log_in(&self, email: &str) -> String {
        let form = encode_form(&[("username", email), ("password", DEMO_PASSWORD)]);
        let request = self.request(
            "POST",
            "/mppeep/login",
            None,
            Some(("application/x-www-form-urlencoded", form)),
        );
        let (headers, status, body) = self.send(request).await.expect("an answer");
        assert_eq!(status, 303, "{email}: {}", String::from_utf8_lossy(&body));
        let cookie = headers["set-cookie"].to_str().expect("ASCII");
        let (_, rest) = cookie.split_once("session_id=").expect("a session");
        rest.split(';').next().expect("a value").to_owned()
    }
}
