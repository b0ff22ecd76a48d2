//! A plain HTTP client with cookies: one connection a request, so that no test depends on another's connection.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status as a number.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came, encoded or not.
    pub body: Bytes,
}

impl Response {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|err| panic!("{} is no JSON ({err}): {}", self.status, self.text()))
    }

    /// A header that stands there once, or is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values
            .next()
            .map(|value| value.to_str().expect("a header of ASCII"));
        assert!(values.next().is_none(), "two headers {name}");
        value
    }

    /// Like [`Response::header`], empty when absent.
    #[must_use]
    pub fn header_or_empty(&self, name: &str) -> &str {
        self.header(name).unwrap_or("")
    }

    /// The `Set-Cookie` headers.
    #[must_use]
    pub fn set_cookies(&self) -> Vec<String> {
        let values = self.headers.get_all("set-cookie").iter();
        values
            .map(|value| value.to_str().expect("a cookie of ASCII").to_owned())
            .collect()
    }

    /// Asserts the status and gives the answer back.
    #[must_use]
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.text());
        self
    }

    /// Asserts that this is a problem document of that status, and gives it.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.text());
        let media = self.header_or_empty("content-type");
        assert!(
            media.starts_with("application/problem+json"),
            "{status} as {media}: {}",
            self.text()
        );
        let problem = self.json();
        assert_eq!(
            problem["status"], status,
            "the member follows the status: {problem}"
        );
        assert!(
            problem["type"].is_string() && problem["title"].is_string(),
            "{problem}"
        );
        problem
    }

    /// Whether the body is HTML.
    #[must_use]
    pub fn is_html(&self) -> bool {
        self.header_or_empty("content-type").starts_with("text/html")
    }
}

/// A visitor: where he comes from, the headers he always sends, his cookies.
#[derive(Clone, Debug)]
pub struct Client {
    server: SocketAddr,
    peer: Option<IpAddr>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Client {
    /// A visitor of a server, without cookies.
    #[must_use]
    pub fn new(server: SocketAddr) -> Self {
        Self {
            server,
            peer: None,
            headers: Vec::new(),
            cookies: Arc::default(),
        }
    }

    /// The same visitor as the tunnel tells him: from this address.
    #[must_use]
    pub fn coming_from(self, address: &str) -> Self {
        self.with_header("cf-connecting-ip", address)
    }

    /// The same visitor, whose socket has this address (any of `127.0.0.0/8`).
    #[must_use]
    pub const fn bound_to(mut self, peer: IpAddr) -> Self {
        self.peer = Some(peer);
        self
    }

    /// The same visitor, who sends one more header each time.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header name");
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.parse().expect("a header value")));
        self
    }

    /// The same visitor with a copy of the cookies: what one does to them, the other does not see.
    #[must_use]
    pub fn twin(&self) -> Self {
        let cookies = self.cookies.lock().expect("cookies").clone();
        Self {
            cookies: Arc::new(Mutex::new(cookies)),
            ..self.clone()
        }
    }

    /// Where the server listens.
    #[must_use]
    pub const fn server(&self) -> SocketAddr {
        self.server
    }

    /// A cookie's value.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().expect("cookies").get(name).cloned()
    }

    /// The session's id.
    #[must_use]
    pub fn session(&self) -> String {
        self.cookie("session_id").expect("a session cookie")
    }

    /// Plants or replaces a cookie.
    pub fn set_cookie(&self, name: &str, value: &str) {
        self.cookies
            .lock()
            .expect("cookies")
            .insert(name.into(), value.into());
    }

    /// Begins a request.
    #[must_use]
    pub fn request(&self, method: &str, path: &str) -> Draft<'_> {
        Draft {
            client: self,
            method: method.parse().expect("a method"),
            path: path.to_owned(),
            headers: self.headers.clone(),
            body: Bytes::new(),
        }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Response {
        self.request("GET", path).send().await
    }

    /// POST of a form.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        self.request("POST", path).form(fields).send().await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.request("POST", path).json(body).send().await
    }

    /// The login of the contract: two fields, nothing before.
    pub async fn login(&self, username: &str, password: &str) -> Response {
        self.post_form("/mppeep/login", &[("username", username), ("password", password)])
            .await
    }

    /// Whether the server takes this visitor for somebody.
    pub async fn is_logged_in(&self) -> bool {
        let answer = self.get("/mppeep/accueil").await;
        match answer.status {
            200 => true,
            303 => false,
            other => panic!("the home page answered {other}: {}", answer.text()),
        }
    }

    fn remember(&self, answer: &HeaderMap) {
        let mut cookies = self.cookies.lock().expect("cookies");
        for value in answer.get_all("set-cookie") {
            let text = value.to_str().expect("a cookie of ASCII");
            let (name, rest) = text.split_once('=').expect("name=value");
            let value = rest.split(';').next().unwrap_or("").trim();
            let over = rest
                .split(';')
                .any(|part| part.trim().eq_ignore_ascii_case("max-age=0"));
            if over || value.is_empty() {
                cookies.remove(name.trim());
            } else {
                cookies.insert(name.trim().into(), value.into());
            }
        }
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        let Some(peer) = self.peer else {
            return TcpStream::connect(self.server).await;
        };
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(peer, 0))?;
        socket.connect(self.server).await
    }
}

/// A request being written.
#[derive(Clone, Debug)]
pub struct Draft<'a> {
    client: &'a Client,
    method: Method,
    path: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Draft<'_> {
    /// Adds a header; the same name twice stands there twice.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
        self.headers.push((name.parse().expect("a header name"), value));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, media: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        if media.is_empty() {
            self
        } else {
            self.header("content-type", media)
        }
    }

    /// Sets a form as the body.
    #[must_use]
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        self.body("application/x-www-form-urlencoded", encode_form(fields))
    }

    /// Sets JSON as the body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// Sets a multipart form as the body: plain fields and one file.
    #[must_use]
    pub fn multipart(self, fields: &[(&str, &str)], file: (&str, &str, &str, &[u8])) -> Self {
        const BOUNDARY: &str = "mppeep-7d93f0c1";
        let (field, name, media, content) = file;
        let mut body = Vec::new();
        for (name, value) in fields {
            body.extend_from_slice(
                format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                    .as_bytes(),
            );
        }
        body.extend_from_slice(
            format!(
                "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\ncontent-type: {media}\r\n\r\n"
            )
            .as_bytes(),
        );
        body.extend_from_slice(content);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        self.body(&format!("multipart/form-data; boundary={BOUNDARY}"), body)
    }

    /// Sends it, and reads the answer to its end.
    pub async fn send(self) -> Response {
        let what = format!("{} {}", self.method, self.path);
        self.try_send()
            .await
            .unwrap_or_else(|err| panic!("{what}: {err}"))
    }

    /// Sends it; an error when the connection broke or two minutes passed.
    ///
    /// # Errors
    ///
    /// What the socket or hyper said.
    pub async fn try_send(self) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
        tokio::time::timeout(Duration::from_secs(120), self.exchange()).await?
    }

    async fn exchange(self) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
        let client = self.client;
        let io = TokioIo::new(client.connect().await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        let driver = tokio::spawn(connection);
        let mut request = Request::builder().method(self.method).uri(&self.path);
        let own_host = self.headers.iter().any(|(name, _)| name == "host");
        if !own_host {
            request = request.header("host", client.server.to_string());
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let cookies = cookie_line(&client.cookies.lock().expect("cookies"));
        if !cookies.is_empty() && !self.headers.iter().any(|(name, _)| name == "cookie") {
            request = request.header("cookie", cookies);
        }
        let answer = sender.send_request(request.body(Full::new(self.body))?).await?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        drop(sender);
        driver.abort();
        client.remember(&head.headers);
        Ok(Response {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    }
}

fn cookie_line(cookies: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("; ")
}

/// A form as its media type wants it.
#[must_use]
pub fn encode_form(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join("&")
}

/// Percent-encoding of all but the unreserved characters.
#[must_use]
pub fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string can be written to");
        }
        out
    })
}
