//! Cross-site request forgery: an unsafe request must come from this site's own pages, or from no browser at all.

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, header};

use super::context::RequestContext;
use super::guard::effective_host;
use crate::problem::Problem;

/// Scheme, host and port of a site (RFC 6454).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// The host, in lower case.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether browsers reach it over https.
    pub fn is_https(&self) -> bool {
        self.scheme == "https"
    }

    /// Whether `host`, as a `Host` header says it, names this origin's host and port.
    fn is_host(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<http::uri::Authority>() else {
            return false;
        };
        let port = authority.port_u16().unwrap_or_else(|| default_port(&self.scheme));
        authority.host().eq_ignore_ascii_case(&self.host) && port == self.port
    }
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

impl FromStr for Origin {
    type Err = String;

    /// Reads `https://host[:port]`; a path after it is ignored, so that a `Referer` can be read too.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not an origin such as https://mppeep.example");
        let uri = text.parse::<http::Uri>().map_err(|_| wrong())?;
        let scheme = uri.scheme_str().map(str::to_ascii_lowercase).ok_or_else(wrong)?;
        let authority = uri.authority().ok_or_else(wrong)?;
        if !matches!(scheme.as_str(), "http" | "https") || authority.as_str().contains('@') {
            return Err(wrong());
        }
        let host = authority.host().to_ascii_lowercase();
        let port = authority.port_u16().unwrap_or_else(|| default_port(&scheme));
        if host.is_empty() {
            Err(wrong())
        } else {
            Ok(Self { scheme, host, port })
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        if self.port == default_port(&self.scheme) {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

/// Refuses forged requests with 403, before anything of them is used.
pub(crate) async fn layer(State(origins): State<Arc<[Origin]>>, request: Request, next: Next) -> Response {
    let host = effective_host(&request);
    let here = Here {
        host: host.as_deref(),
        https: request
            .extensions()
            .get::<Arc<RequestContext>>()
            .is_some_and(|context| context.https),
        origins: &origins,
    };
    match check(request.method(), request.headers(), &here) {
        Ok(()) => next.run(request).await,
        Err(reason) => {
            tracing::warn!(reason, "a cross-site request was refused");
            Problem::new(http::StatusCode::FORBIDDEN, "cross-site")
                .detail("Cette demande ne vient pas d’une page de ce site.")
                .into_response()
        }
    }
}

/// What this site is called, as far as a request tells.
struct Here<'a> {
    /// Where the request was sent.
    host: Option<&'a str>,
    /// Whether it came by https: then a page that came in the clear is another site, whose host anybody could be.
    https: bool,
    /// Names from the configuration.
    origins: &'a [Origin],
}

impl Here<'_> {
    fn is(&self, text: &str) -> bool {
        text.parse::<Origin>().is_ok_and(|origin| {
            let named = self.host.is_some_and(|host| origin.is_host(host));
            (named && (origin.is_https() || !self.https)) || self.origins.contains(&origin)
        })
    }
}

fn check(method: &Method, headers: &HeaderMap, here: &Here<'_>) -> Result<(), &'static str> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let ours = |text: &str| here.is(text);
    let all = |name: &str, right: &dyn Fn(&str) -> bool| {
        headers
            .get_all(name)
            .iter()
            .all(|value| value.to_str().is_ok_and(right))
    };
    if !all("sec-fetch-site", &|site| matches!(site, "same-origin" | "none")) {
        return Err("Sec-Fetch-Site");
    }
    if headers.contains_key(header::ORIGIN) {
        return if all("origin", &ours) {
            Ok(())
        } else {
            Err("Origin")
        };
    }
    if all("referer", &ours) {
        Ok(())
    } else {
        Err("Referer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn verdict(host: &str, pairs: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let origins = ["https://mppeep.example".parse().unwrap()];
        let here = Here {
            host: Some(host),
            https: false,
            origins: &origins,
        };
        check(&Method::POST, &headers, &here).is_ok()
    }

    #[test]
    fn only_our_own_pages_and_programs_pass() {
        let here = "skpartners.consulting";
        for (pairs, passes) in [
            (vec![], true),
            (vec![("origin", "https://skpartners.consulting")], true),
            (vec![("origin", "https://SKPARTNERS.consulting")], true),
            (vec![("origin", "https://mppeep.example")], true),
            (vec![("sec-fetch-site", "same-origin")], true),
            (vec![("sec-fetch-site", "none")], true),
            (
                vec![
                    ("sec-fetch-site", "same-origin"),
                    ("origin", "https://skpartners.consulting"),
                ],
                true,
            ),
            (
                vec![("referer", "https://skpartners.consulting/mppeep/login")],
                true,
            ),
            (vec![("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-site", "same-site")], false),
            (
                vec![
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "https://skpartners.consulting"),
                ],
                false,
            ),
            (
                vec![
                    ("sec-fetch-site", "same-origin"),
                    ("origin", "https://evil.example"),
                ],
                false,
            ),
            (vec![("origin", "null")], false),
            (vec![("origin", "")], false),
            (vec![("origin", "https://evil.example")], false),
            (
                vec![("origin", "https://skpartners.consulting.evil.example")],
                false,
            ),
            (vec![("origin", "https://evilskpartners.consulting")], false),
            (
                vec![("origin", "https://skpartners.consulting@evil.example")],
                false,
            ),
            (vec![("origin", "https://skpartners.consulting:8443")], false),
            (vec![("origin", "http://mppeep.example")], false),
            (vec![("origin", "ftp://skpartners.consulting")], false),
            (
                vec![
                    ("origin", "https://skpartners.consulting"),
                    ("origin", "https://evil.example"),
                ],
                false,
            ),
            (
                vec![("referer", "https://evil.example/skpartners.consulting")],
                false,
            ),
            (vec![("referer", "nonsense")], false),
        ] {
            assert_eq!(verdict(here, &pairs), passes, "{pairs:?}");
        }
    }

    #[test]
    fn ports_are_part_of_the_origin() {
        assert!(verdict("127.0.0.1:9000", &[("origin", "http://127.0.0.1:9000")]));
        assert!(!verdict("127.0.0.1:9000", &[("origin", "http://127.0.0.1:9001")]));
        assert!(!verdict("127.0.0.1:9000", &[("origin", "http://127.0.0.1")]));
        assert!(verdict("[::1]:9000", &[("origin", "http://[::1]:9000")]));
        assert!(verdict("mppeep.test:80", &[("origin", "http://mppeep.test")]));
    }

    #[test]
    fn a_page_in_the_clear_is_another_site_than_one_by_https() {
        let verdict = |https: bool, origin: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("origin", HeaderValue::from_static(origin));
            let origins = ["http://intranet.example".parse().unwrap()];
            let here = Here {
                host: Some("shared.example"),
                https,
                origins: &origins,
            };
            check(&Method::POST, &headers, &here).is_ok()
        };
        assert!(verdict(true, "https://shared.example"));
        assert!(!verdict(true, "http://shared.example"));
        assert!(verdict(false, "http://shared.example"));
        // A proxy that does not tell the scheme is no reason to refuse its visitors.
        assert!(verdict(false, "https://shared.example"));
        assert!(verdict(true, "http://intranet.example"), "as configured");
    }

    #[test]
    fn reading_is_never_refused() {
        let mut headers = HeaderMap::new();
        headers.insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
        headers.insert("origin", HeaderValue::from_static("https://evil.example"));
        let here = Here {
            host: Some("mppeep.test"),
            https: false,
            origins: &[],
        };
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(check(&method, &headers, &here).is_ok());
        }
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(check(&method, &headers, &here).is_err());
        }
    }
}
