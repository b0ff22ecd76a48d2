//! Security headers on every answer (OWASP ASVS 5.0 §3.4), and `no-store` where nothing else was said.

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::context::RequestContext;

/// Of pages: everything comes from this server, nothing is inline.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
     object-src 'none'; manifest-src 'self'",
);

/// Of everything else, should a browser show it as if it were a page: nothing at all.
const POLICY_OF_NO_PAGE: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

const PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
     magnetometer=(), microphone=(), midi=(), payment=(), publickey-credentials-get=(), usb=()",
);

/// What every answer says.
const OF_ALL: [(HeaderName, HeaderValue); 4] = [
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// What browsers look for in pages only, beside their policy.
const OF_PAGES: [(HeaderName, HeaderValue); 3] = [
    (header::X_XSS_PROTECTION, HeaderValue::from_static("0")),
    (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Two years; only ever said over https (RFC 6797 §7.2).
pub(crate) const TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=63072000");

pub(crate) async fn layer(request: Request, next: Next) -> Response {
    let https = request
        .extensions()
        .get::<Arc<RequestContext>>()
        .is_some_and(|context| context.https);
    let mut response = next.run(request).await;
    write(response.headers_mut(), https);
    response
}

/// What an answer says for itself stays: a page whose address is a secret tells less, a file that is shown may do less.
/// What does not say what it is counts as a page.
pub(crate) fn write(headers: &mut HeaderMap, https: bool) {
    let kind = headers.get(header::CONTENT_TYPE);
    let page = kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/html"));
    let policy = if page { POLICY } else { POLICY_OF_NO_PAGE };
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    for (name, value) in OF_ALL {
        headers.entry(name).or_insert(value);
    }
    if page {
        headers.extend(OF_PAGES);
    }
    if https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, TRANSPORT);
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transport_security_needs_https() {
        let mut plain = HeaderMap::new();
        write(&mut plain, false);
        assert!(!plain.contains_key(header::STRICT_TRANSPORT_SECURITY));
        let mut secure = HeaderMap::new();
        write(&mut secure, true);
        assert!(secure.contains_key(header::STRICT_TRANSPORT_SECURITY));
    }

    #[test]
    fn the_policy_allows_nothing_inline_or_foreign() {
        let mut headers = HeaderMap::new();
        write(&mut headers, false);
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        for word in ["unsafe-inline", "unsafe-eval", "*", "http:", "https:"] {
            assert!(!policy.contains(word), "{word}");
        }
        for directive in [
            "default-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(directive), "{directive}");
        }
        assert!(!policy.contains("  "), "{policy}");
    }

    #[test]
    fn a_static_file_keeps_its_own_caching() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=2592000, immutable"),
        );
        write(&mut headers, false);
        assert_eq!(
            headers[header::CACHE_CONTROL],
            "public, max-age=2592000, immutable"
        );
    }
}
