//! Who asks, through what, under which number; the request's span and its one line in the access log.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tracing::Instrument as _;

use crate::urls::Urls;

/// The header that carries the request's number.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Which header names the client, when a trusted peer sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientIpHeader {
    /// `CF-Connecting-IP`, set by Cloudflare.
    #[default]
    CfConnectingIp,
    /// `X-Real-IP`, set by a reverse proxy.
    XRealIp,
    /// None: the peer is the client.
    None,
}

impl ClientIpHeader {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::CfConnectingIp => Some("cf-connecting-ip"),
            Self::XRealIp => Some("x-real-ip"),
            Self::None => None,
        }
    }
}

impl FromStr for ClientIpHeader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "cf-connecting-ip" => Ok(Self::CfConnectingIp),
            "x-real-ip" => Ok(Self::XRealIp),
            "none" => Ok(Self::None),
            _ => Err("expected CF-Connecting-IP, X-Real-IP or none".to_owned()),
        }
    }
}

impl std::fmt::Display for ClientIpHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::CfConnectingIp => "CF-Connecting-IP",
            Self::XRealIp => "X-Real-IP",
            Self::None => "none",
        })
    }
}

/// A range of addresses, written `192.0.2.0/24`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether `address` lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let address = address
            .parse::<IpAddr>()
            .map_err(|_| format!("{text:?} is not an address"))?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => widest,
            Some(prefix) => prefix
                .parse::<u8>()
                .ok()
                .filter(|prefix| *prefix <= widest)
                .ok_or_else(|| format!("{text:?} has no prefix of 0 to {widest}"))?,
        };
        Ok(Self { address, prefix })
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// What kind of answer an address gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Area {
    /// The JSON interface.
    Api,
    /// A page for a reader.
    Page,
    /// A static file.
    Static,
    /// Whether the server lives.
    Health,
}

impl Area {
    pub(crate) fn of(urls: &Urls, path: &str) -> Self {
        match urls.below_root(path) {
            Some("/api/v1/health") => Self::Health,
            Some(path) if path == "/api" || path.starts_with("/api/") => Self::Api,
            Some(path) if path.starts_with("/static/") => Self::Static,
            Some(path) if path.starts_with("/health/") => Self::Health,
            _ => Self::Page,
        }
    }
}

/// What is known of a request before anything else is done with it.
#[derive(Debug)]
pub struct RequestContext {
    /// Number of the request, made here.
    pub request_id: String,
    /// The client's address, canonical.
    pub client: IpAddr,
    /// Cloudflare's number of the request, when a trusted peer sent it.
    pub cf_ray: Option<String>,
    /// Whether the client spoke https to the outermost server.
    pub https: bool,
    /// Addresses of this server.
    pub urls: Urls,
    pub(crate) area: Area,
    pub(crate) user: OnceLock<String>,
}

impl RequestContext {
    /// The client's address as limits count it: an IPv6 customer is a /64.
    pub fn limit_key(&self) -> String {
        limit_key(self.client)
    }
}

/// An address as limits count it: an IPv6 customer is a /64.
pub(crate) fn limit_key(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64));
            format!("{network}/64")
        }
    }
}

/// Makes contexts.
#[derive(Debug)]
pub(crate) struct Contexts {
    pub(crate) urls: Urls,
    pub(crate) trusted: Vec<Network>,
    pub(crate) header: ClientIpHeader,
    /// Told apart from those of other processes by random bits.
    pub(crate) id_prefix: u64,
    pub(crate) id_next: AtomicU64,
}

impl Contexts {
    fn make(&self, peer: Option<SocketAddr>, path: &str, headers: &HeaderMap) -> RequestContext {
        let peer = peer.map_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), |peer| {
            peer.ip().to_canonical()
        });
        let trusted = self.trusted.iter().any(|network| network.contains(peer));
        let named = self
            .header
            .name()
            .filter(|_| trusted)
            .and_then(|name| only(headers, name));
        let client = named
            .and_then(|text| text.trim().parse::<IpAddr>().ok())
            .map_or(peer, |address| address.to_canonical());
        let number = self.id_next.fetch_add(1, Ordering::Relaxed);
        RequestContext {
            request_id: format!("{:012x}-{number:08x}", self.id_prefix & 0xffff_ffff_ffff),
            client,
            cf_ray: only(headers, "cf-ray").filter(|_| trusted).and_then(ray),
            https: trusted && is_https(headers),
            area: Area::of(&self.urls, path),
            urls: self.urls.clone(),
            user: OnceLock::new(),
        }
    }
}

/// The value of a header that was sent exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        None
    } else {
        value.to_str().ok()
    }
}

fn ray(text: &str) -> Option<String> {
    let plain = text.len() <= 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (plain && !text.is_empty()).then(|| text.to_owned())
}

fn is_https(headers: &HeaderMap) -> bool {
    let forwarded =
        only(headers, "x-forwarded-proto").map(|value| value.trim().eq_ignore_ascii_case("https"));
    forwarded.unwrap_or_else(|| {
        only(headers, "cf-visitor")
            .and_then(|value| serde_json::from_str::<serde_json::Value>(value).ok())
            .is_some_and(|visitor| visitor.get("scheme").and_then(serde_json::Value::as_str) == Some("https"))
    })
}

/// The address for the log: the route, else the path without what may be a secret or a name.
fn logged_path(matched: Option<&MatchedPath>, path: &str) -> String {
    if let Some(matched) = matched {
        return matched.as_str().to_owned();
    }
    let short = |segment: &str| {
        let plain = segment.len() <= 36
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'@');
        if plain {
            segment.to_owned()
        } else {
            "…".to_owned()
        }
    };
    path.split('/').take(8).map(short).collect::<Vec<_>>().join("/")
}

/// The outermost layer.
pub(crate) async fn layer(
    State(contexts): State<Arc<Contexts>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|peer| peer.0);
    let context = Arc::new(contexts.make(peer, request.uri().path(), request.headers()));
    request.extensions_mut().insert(Arc::clone(&context));
    let method = request.method().clone();
    let route = logged_path(request.extensions().get::<MatchedPath>(), request.uri().path());
    let span = tracing::info_span!("request", request_id = %context.request_id);
    let mut response = next.run(request).instrument(span.clone()).await;
    if let Ok(value) = HeaderValue::from_str(&context.request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let status = response.status();
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let user = context.user.get().map(String::as_str);
    let cf_ray = context.cf_ray.as_deref();
    let _entered = span.enter();
    // Addresses are personal: they are kept for what changes something, and for what is refused.
    let client = (is_refusal(status) || !method.is_safe()).then(|| context.client.to_string());
    macro_rules! line {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                target: "access", request_id = %context.request_id, %method, route, status = status.as_u16(), duration_ms, client, cf_ray, user, $message
            )
        };
    }
    if is_refusal(status) {
        line!(warn, "request refused");
    } else if status.is_server_error() {
        line!(error, "request failed");
    } else {
        line!(info, "request");
    }
    response
}

fn is_refusal(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contexts(header: ClientIpHeader) -> Contexts {
        Contexts {
            urls: Urls::new("/mppeep"),
            trusted: vec!["127.0.0.1/32".parse().unwrap(), "::1/128".parse().unwrap()],
            header,
            id_prefix: 7,
            id_next: AtomicU64::new(0),
        }
    }

    fn client(header: ClientIpHeader, peer: &str, pairs: &[(&'static str, &str)]) -> RequestContext {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 40000);
        contexts(header).make(Some(peer), "/mppeep/login", &headers)
    }

    #[test]
    fn one_header_is_believed_from_a_trusted_peer_only() {
        use ClientIpHeader::{CfConnectingIp, None, XRealIp};
        let cloudflare = ("cf-connecting-ip", "203.0.113.7");
        let real = ("x-real-ip", "203.0.113.8");
        for (header, peer, pairs, expected) in [
            (CfConnectingIp, "127.0.0.1", vec![cloudflare], "203.0.113.7"),
            (CfConnectingIp, "::1", vec![cloudflare], "203.0.113.7"),
            (
                CfConnectingIp,
                "::ffff:127.0.0.1",
                vec![cloudflare],
                "203.0.113.7",
            ),
            (CfConnectingIp, "192.0.2.1", vec![cloudflare], "192.0.2.1"),
            (CfConnectingIp, "127.0.0.1", vec![real], "127.0.0.1"),
            (
                CfConnectingIp,
                "127.0.0.1",
                vec![("x-forwarded-for", "203.0.113.9")],
                "127.0.0.1",
            ),
            (
                CfConnectingIp,
                "127.0.0.1",
                vec![cloudflare, cloudflare],
                "127.0.0.1",
            ),
            (
                CfConnectingIp,
                "127.0.0.1",
                vec![("cf-connecting-ip", "nonsense")],
                "127.0.0.1",
            ),
            (
                CfConnectingIp,
                "127.0.0.1",
                vec![("cf-connecting-ip", "::ffff:203.0.113.7")],
                "203.0.113.7",
            ),
            (XRealIp, "127.0.0.1", vec![real, cloudflare], "203.0.113.8"),
            (None, "127.0.0.1", vec![real, cloudflare], "127.0.0.1"),
        ] {
            let found = client(header, peer, &pairs).client;
            assert_eq!(found.to_string(), expected, "{header:?} {peer} {pairs:?}");
        }
    }

    #[test]
    fn one_ipv6_customer_is_one_client() {
        let key = |address: &str| limit_key(address.parse().unwrap());
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), key("2001:db8:1:2:ffff::1"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("203.0.113.7"), "203.0.113.7");
    }

    #[test]
    fn https_is_believed_from_a_trusted_peer_only() {
        let header = ClientIpHeader::CfConnectingIp;
        let https = ("x-forwarded-proto", "https");
        assert!(client(header, "127.0.0.1", &[https]).https);
        assert!(!client(header, "127.0.0.1", &[("x-forwarded-proto", "http")]).https);
        assert!(!client(header, "127.0.0.1", &[]).https);
        assert!(!client(header, "192.0.2.1", &[https]).https);
        assert!(client(header, "127.0.0.1", &[("cf-visitor", r#"{"scheme":"https"}"#)]).https);
        assert!(!client(header, "127.0.0.1", &[("cf-visitor", "{")]).https);
    }

    #[test]
    fn a_ray_that_is_none_is_dropped() {
        let header = ClientIpHeader::CfConnectingIp;
        let ray = |value: &str| client(header, "127.0.0.1", &[("cf-ray", value)]).cf_ray;
        assert_eq!(ray("8a1b2c3d4e5f-CDG").as_deref(), Some("8a1b2c3d4e5f-CDG"));
        assert_eq!(ray("a b"), None);
        assert_eq!(ray(""), None);
        assert_eq!(
            client(header, "192.0.2.1", &[("cf-ray", "8a1b-CDG")]).cf_ray,
            None
        );
    }

    #[test]
    fn networks_hold_their_addresses() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.4", "192.0.2.4", "192.0.2.5"),
            ("0.0.0.0/0", "203.0.113.1", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::1/128", "::1", "::2"),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert!(parsed.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!parsed.contains(outside.parse().unwrap()), "{network} {outside}");
        }
        for bad in ["", "10.0.0.0/33", "::/129", "localhost", "10.0.0.0/-1"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_may_be_a_secret_is_not_logged() {
        assert_eq!(logged_path(None, "/mppeep/none"), "/mppeep/none");
        let path = "/mppeep/sess_07_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/me@example.org";
        assert_eq!(logged_path(None, path), "/mppeep/…/…");
    }

    #[test]
    fn areas_do_not_leak_into_each_other() {
        let urls = Urls::new("/mppeep");
        for (path, area) in [
            ("/mppeep/api/v1/personnel", Area::Api),
            ("/mppeep/api", Area::Api),
            ("/mppeep/apis", Area::Page),
            ("/mppeep/static/css/style.css", Area::Static),
            ("/mppeep/staticx", Area::Page),
            ("/mppeep/api/v1/health", Area::Health),
            ("/mppeep/api/v1/healthy", Area::Api),
            ("/mppeep/health/live", Area::Health),
            ("/api/v1/personnel", Area::Page),
        ] {
            assert_eq!(Area::of(&urls, path), area, "{path}");
        }
    }
}
