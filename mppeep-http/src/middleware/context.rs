//! Who asks, through what, under which number; and the request's span in the log.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Instrument as _;

use super::number::Number;
use super::peer::{ClientIpHeader, Network};
use super::told::Told;
use crate::urls::Urls;

/// The header that carries the request's number.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How a request came to this server; whoever accepts connections puts it into the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// In the clear.
    Plain,
    /// Encrypted by this server itself.
    Tls,
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
    /// Number of the request: Cloudflare's where a trusted peer sent one, else made here.
    pub request_id: String,
    /// The client's address, canonical.
    pub client: IpAddr,
    /// Cloudflare's number of the request, when a trusted peer sent it.
    pub cf_ray: Option<String>,
    /// The country that Cloudflare sees the client in, when a trusted peer sent it: two capital letters, `T1` for Tor.
    pub country: Option<String>,
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

    pub(crate) fn asker(&self) -> Asker<'_> {
        Asker {
            request_id: &self.request_id,
            cf_ray: self.cf_ray.as_deref(),
            user: self.user.get().map(String::as_str),
            client: self.client,
        }
    }
}

/// Who asked, as the log tells of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) cf_ray: Option<&'a str>,
    /// The account's identifier.
    pub(crate) user: Option<&'a str>,
    pub(crate) client: IpAddr,
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
    /// Random bits that tell the numbers of this process from those of others.
    pub(crate) process: u64,
}

impl Contexts {
    /// The context of a request as it was accepted.
    pub(crate) fn of(&self, request: &Request) -> Arc<RequestContext> {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let secure = request.extensions().get::<Transport>() == Some(&Transport::Tls);
        Arc::new(self.make(
            peer.map(|peer| peer.0),
            secure,
            request.uri().path(),
            request.headers(),
        ))
    }

    pub(crate) fn make(
        &self,
        peer: Option<SocketAddr>,
        secure: bool,
        path: &str,
        headers: &HeaderMap,
    ) -> RequestContext {
        let caller = self.caller(peer, secure, headers);
        self.context(&caller, &self.number(&caller), path)
    }

    /// Reads who asks.
    pub(crate) fn caller<'a>(
        &self,
        peer: Option<SocketAddr>,
        secure: bool,
        headers: &'a HeaderMap,
    ) -> Caller<'a> {
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
        let mut caller = Caller {
            client: peer,
            ray: None,
            country: None,
            https: secure,
        };
        if self.trusted.iter().any(|network| network.contains(peer)) {
            let told = Told::read(headers, self.header);
            caller = Caller {
                client: told.client().unwrap_or(peer),
                ray: told.ray(),
                country: told.country(),
                https: told.https().unwrap_or(secure),
            };
        }
        caller
    }

    /// The number of a request: the next one, unless it has one.
    pub(crate) fn number<'a>(&self, caller: &Caller<'a>) -> Number<'a> {
        caller.ray.map_or_else(|| Number::next(self.process), Number::Ray)
    }

    /// What is known of a request whose number is known already.
    pub(crate) fn context(&self, caller: &Caller<'_>, number: &Number<'_>, path: &str) -> RequestContext {
        RequestContext {
            request_id: number.as_str().to_owned(),
            client: caller.client,
            cf_ray: caller.ray.map(str::to_owned),
            country: caller.country.map(str::to_owned),
            https: caller.https,
            area: Area::of(&self.urls, path),
            urls: self.urls.clone(),
            user: OnceLock::new(),
        }
    }
}

/// Who asks, as far as the connection and the fields of a trusted peer tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    client: IpAddr,
    ray: Option<&'a str>,
    country: Option<&'a str>,
    pub(crate) https: bool,
}

impl<'a> Caller<'a> {
    /// Who asked for what everybody may have.
    pub(crate) fn asker(&self, number: &'a Number<'_>) -> Asker<'a> {
        Asker {
            request_id: number.as_str(),
            cf_ray: self.ray,
            user: None,
            client: self.client,
        }
    }
}

/// The outermost layer.
pub(crate) async fn layer(
    State(contexts): State<Arc<Contexts>>,
    mut request: Request,
    next: Next,
) -> Response {
    let context = contexts.of(&request);
    request.extensions_mut().insert(Arc::clone(&context));
    let span = tracing::info_span!("request", request_id = %context.request_id);
    let mut response = next.run(request).instrument(span).await;
    write_number(response.headers_mut(), &context.request_id);
    response
}

/// Writes the number of the request into its answer.
pub(crate) fn write_number(headers: &mut HeaderMap, number: &str) {
    if let Ok(value) = HeaderValue::from_str(number) {
        headers.insert(REQUEST_ID, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contexts(header: ClientIpHeader) -> Contexts {
        Contexts {
            urls: Urls::new("/mppeep"),
            trusted: vec!["127.0.0.1/32".parse().unwrap(), "::1/128".parse().unwrap()],
            header,
            process: 7,
        }
    }

    fn client(header: ClientIpHeader, peer: &str, pairs: &[(&'static str, &str)]) -> RequestContext {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 40000);
        contexts(header).make(Some(peer), false, "/mppeep/login", &headers)
    }

    /// The same over a connection that this server encrypted itself.
    fn https_over_tls(peer: &str, pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 40000);
        let contexts = contexts(ClientIpHeader::None);
        contexts.make(Some(peer), true, "/mppeep/login", &headers).https
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
        assert!(!client(header, "192.0.2.1", &[("cf-visitor", r#"{"scheme":"https"}"#)]).https);
    }

    #[test]
    fn an_encrypted_connection_is_https_unless_a_proxy_knows_better() {
        assert!(https_over_tls("192.0.2.1", &[]));
        assert!(https_over_tls("192.0.2.1", &[("x-forwarded-proto", "http")]));
        assert!(https_over_tls("127.0.0.1", &[]));
        assert!(!https_over_tls("127.0.0.1", &[("x-forwarded-proto", "http")]));
    }

    #[test]
    fn a_country_is_two_letters_of_a_trusted_peer() {
        let header = ClientIpHeader::CfConnectingIp;
        let country = |peer: &str, value: &str| client(header, peer, &[("cf-ipcountry", value)]).country;
        for (value, expected) in [
            ("CI", Some("CI")),
            ("T1", Some("T1")),
            ("XX", None),
            ("ci", None),
            ("CIV", None),
            ("C", None),
            ("", None),
            ("1T", None),
            ("É", None),
        ] {
            assert_eq!(country("127.0.0.1", value).as_deref(), expected, "{value}");
            assert_eq!(country("192.0.2.1", value), None, "{value}");
        }
    }

    #[test]
    fn a_request_has_the_number_that_the_tunnel_gave_it() {
        let header = ClientIpHeader::CfConnectingIp;
        let number = |peer: &str, value: &str| client(header, peer, &[("cf-ray", value)]).request_id;
        assert_eq!(number("127.0.0.1", "8a1b2c3d4e5f-CDG"), "8a1b2c3d4e5f-CDG");
        for (peer, value) in [("192.0.2.1", "8a1b2c3d4e5f-CDG"), ("127.0.0.1", "<script>")] {
            let own = number(peer, value);
            assert!(own.len() == 23 && own.starts_with("000000000007-"), "{own}");
        }
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
