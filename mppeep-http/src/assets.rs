//! Static files, compiled into the binary with their compressed variants (RFC 9110 §8.8, §12.5.3, §13).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::middleware::compression::AsItIs;
use crate::problem::Problem;
use range::Wanted;

pub(crate) mod range;

/// How long a static file may be kept: its address changes with its content.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=2592000, immutable");

/// How long it is kept under the address of another content: while servers are renewed one after the other, a page of
/// one may ask another one for its files, and what that one has must not be kept as what was asked for.
const OTHER_CONTENT: HeaderValue = HeaderValue::from_static("no-store");

/// One static file.
#[derive(Debug)]
pub(crate) struct Asset {
    /// Path below `assets/`.
    pub(crate) path: &'static str,
    /// Media type.
    pub(crate) mime: &'static str,
    /// The first 64 bits of the content's SHA-256, in hexadecimal.
    pub(crate) hash: &'static str,
    /// The entity tag of all its variants.
    pub(crate) tag: &'static str,
    /// Last change, in seconds since 1970.
    pub(crate) modified: u64,
    /// The same as HTTP writes it.
    pub(crate) date: &'static str,
    /// The content as it is.
    pub(crate) identity: &'static [u8],
    /// The content as brotli, where that is smaller.
    pub(crate) brotli: Option<&'static [u8]>,
    /// The content as gzip, where that is smaller.
    pub(crate) gzip: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/assets/table.rs"));

/// The file of that exact path.
pub(crate) fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.get(place(path)?)
}

/// Where [`all`] has the file of that exact path.
pub(crate) fn place(path: &str) -> Option<usize> {
    ASSETS.binary_search_by(|asset| asset.path.cmp(path)).ok()
}

/// Every file.
pub(crate) fn all() -> impl Iterator<Item = &'static Asset> {
    ASSETS.iter()
}

/// Answers GET and HEAD for the file `path`, as the client wrote it: an encoded spelling names no file.
pub(crate) fn serve(path: &str, request: &http::request::Parts) -> Response {
    match find(path) {
        Some(asset) => {
            let mut response = respond(asset, &request.method, &request.headers);
            let asked = request.uri.query().and_then(version);
            if asked.is_some_and(|version| version != asset.hash) {
                response
                    .headers_mut()
                    .insert(header::CACHE_CONTROL, OTHER_CONTENT);
            }
            response
        }
        None => {
            let mut response = Problem::not_found().into_response();
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
    }
}

/// The content that an address asks for.
fn version(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix("v="))
}

pub(crate) fn respond(asset: &'static Asset, method: &Method, request: &HeaderMap) -> Response {
    let modified = UNIX_EPOCH + Duration::from_secs(asset.modified);
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(AsItIs);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, CACHE_CONTROL);
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, HeaderValue::from_static(asset.tag));
    headers.insert(header::LAST_MODIFIED, HeaderValue::from_static(asset.date));
    if is_unchanged(request, asset.hash, modified) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.mime));
    let whole = asset.identity.len();
    let weights = Weights::read(request);
    let wanted = if *method == Method::GET && weights.takes_identity() {
        Wanted::read(request, whole, modified)
    } else {
        Wanted::Whole
    };
    let (bytes, coding) = match wanted {
        Wanted::Whole => weights.choose(asset),
        Wanted::Part { first, last } => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let place = format!("bytes {first}-{last}/{whole}");
            if let Ok(value) = HeaderValue::from_str(&place) {
                response.headers_mut().insert(header::CONTENT_RANGE, value);
            }
            (asset.identity.get(first..=last).unwrap_or_default(), None)
        }
        Wanted::Nowhere => return nowhere(whole),
    };
    let headers = response.headers_mut();
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    *response.body_mut() = Body::from(Bytes::from_static(bytes));
    response
}

/// 416: the range lies behind the end of the file.
fn nowhere(whole: usize) -> Response {
    let mut response = Problem::of_status(StatusCode::RANGE_NOT_SATISFIABLE).into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{whole}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

/// `If-None-Match` by weak comparison; only without it, `If-Modified-Since`.
fn is_unchanged(request: &HeaderMap, hash: &str, modified: SystemTime) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        return request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .any(|tag| {
                let opaque = tag.strip_prefix("W/").unwrap_or(tag);
                tag == "*"
                    || opaque
                        .strip_prefix('"')
                        .and_then(|rest| rest.strip_suffix('"'))
                        .is_some_and(|tag| tag == hash)
            });
    }
    request
        .get(header::IF_MODIFIED_SINCE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| httpdate::parse_http_date(value).ok())
        .is_some_and(|since| modified <= since)
}

/// The weights of `Accept-Encoding`, in thousandths.
#[derive(Default)]
pub(crate) struct Weights {
    identity: Option<u16>,
    gzip: Option<u16>,
    brotli: Option<u16>,
    any: Option<u16>,
}

impl Weights {
    pub(crate) fn read(request: &HeaderMap) -> Self {
        let mut weights = Self::default();
        let parts = request
            .get_all(header::ACCEPT_ENCODING)
            .iter()
            .filter_map(|value| value.to_str().ok());
        for part in parts.flat_map(|value| value.split(',')) {
            let mut fields = part.split(';').map(str::trim);
            let coding = fields.next().unwrap_or_default();
            let weight = fields
                .find_map(|field| field.strip_prefix("q=").or_else(|| field.strip_prefix("Q=")))
                .map_or(1000, thousandths);
            // What is listed twice has the weight that it was given first.
            if coding == "*" {
                weights.any.get_or_insert(weight);
            } else if let Some(slot) = weights.slot(coding) {
                slot.get_or_insert(weight);
            }
        }
        weights
    }

    fn slot(&mut self, coding: &str) -> Option<&mut Option<u16>> {
        let is = |name: &str| coding.eq_ignore_ascii_case(name);
        if is("gzip") || is("x-gzip") {
            Some(&mut self.gzip)
        } else if is("br") {
            Some(&mut self.brotli)
        } else if is("identity") {
            Some(&mut self.identity)
        } else {
            None
        }
    }

    /// The variant that the client prefers; brotli before gzip before none where it does not say.
    pub(crate) fn choose(&self, asset: &'static Asset) -> (&'static [u8], Option<&'static str>) {
        let mut best = (asset.identity, None, self.identity.unwrap_or(1));
        let mut decided = self.identity.is_some();
        for (coding, variant, weight) in [("gzip", asset.gzip, self.gzip), ("br", asset.brotli, self.brotli)]
        {
            let (Some(bytes), Some(weight)) = (variant, weight.or(self.any)) else {
                continue;
            };
            // A listed coding beats an identity that is only acceptable by default.
            if weight > 0 && (weight >= best.2 || !decided) {
                best = (bytes, Some(coding), weight);
                decided = true;
            }
        }
        (best.0, best.1)
    }

    /// Whether the content may come as it is.
    pub(crate) fn takes_identity(&self) -> bool {
        self.identity.or(self.any) != Some(0)
    }
}

/// A weight of RFC 9110 §12.4.2; an unreadable one counts as a refusal, which is always safe.
fn thousandths(text: &str) -> u16 {
    match text.trim().parse::<f32>() {
        Ok(weight) if (0.0..=1.0).contains(&weight) => (weight * 1000.0).round() as u16,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SAMPLE: Asset = Asset {
        path: "css/sample.css",
        mime: "text/css; charset=utf-8",
        hash: "0123456789abcdef",
        tag: "W/\"0123456789abcdef\"",
        modified: 1_700_000_000,
        date: "Tue, 14 Nov 2023 22:13:20 GMT",
        identity: b"identity",
        brotli: Some(b"br"),
        gzip: Some(b"gz"),
    };

    fn request(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn parts(uri: &str) -> http::request::Parts {
        http::Request::get(uri).body(()).unwrap().into_parts().0
    }

    #[test]
    fn another_content_is_not_kept_under_an_address() {
        let asset = ASSETS.first().unwrap();
        for (query, kept) in [
            (String::new(), true),
            (format!("?v={}", asset.hash), true),
            (format!("?a=b&v={}", asset.hash), true),
            ("?a=b".to_owned(), true),
            ("?v=".to_owned(), false),
            ("?v=0123456789abcdef".to_owned(), false),
        ] {
            let response = serve(
                asset.path,
                &parts(&format!("/mppeep/static/{}{query}", asset.path)),
            );
            assert_eq!(response.status(), StatusCode::OK);
            let found = &response.headers()[header::CACHE_CONTROL];
            assert_eq!(*found == CACHE_CONTROL, kept, "{query}: {found:?}");
        }
    }

    #[test]
    fn a_range_is_of_the_content_as_it_is() {
        let range = ("range", "bytes=1-3");
        for (method, pairs, status, place, length) in [
            (Method::GET, vec![range], 206, Some("bytes 1-3/8"), "3"),
            (
                Method::GET,
                vec![range, ("accept-encoding", "br, gzip")],
                206,
                Some("bytes 1-3/8"),
                "3",
            ),
            // Who refuses the content as it is gets the whole of what he takes.
            (
                Method::GET,
                vec![range, ("accept-encoding", "br, identity;q=0")],
                200,
                None,
                "2",
            ),
            (Method::HEAD, vec![range], 200, None, "8"),
            (Method::GET, vec![range, ("if-none-match", "*")], 304, None, ""),
            (
                Method::GET,
                vec![("range", "bytes=8-")],
                416,
                Some("bytes */8"),
                "",
            ),
        ] {
            let response = respond(&SAMPLE, &method, &request(&pairs));
            assert_eq!(response.status(), status, "{method} {pairs:?}");
            let text = |name: header::HeaderName| {
                let value = response.headers().get(name);
                value.map(|value| value.to_str().unwrap().to_owned())
            };
            assert_eq!(
                text(header::CONTENT_RANGE).as_deref(),
                place,
                "{method} {pairs:?}"
            );
            if !length.is_empty() {
                assert_eq!(
                    text(header::CONTENT_LENGTH).as_deref(),
                    Some(length),
                    "{method} {pairs:?}"
                );
            }
        }
    }

    #[test]
    fn codings_follow_the_weights() {
        for (accept, expected) in [
            (None, None),
            (Some(""), None),
            (Some("identity"), None),
            (Some("gzip"), Some("gzip")),
            (Some("br, gzip"), Some("br")),
            (Some("gzip, deflate, br, zstd"), Some("br")),
            (Some("br;q=0.1, gzip;q=0.9"), Some("gzip")),
            (Some("br;q=0, gzip;q=0"), None),
            (Some("br;q=0"), None),
            (Some("*"), Some("br")),
            (Some("*;q=0"), None),
            (Some("gzip;q=0, *"), Some("br")),
            (Some("identity, gzip;q=0.5"), None),
            (Some("identity;q=0.2, gzip;q=0.5"), Some("gzip")),
            (Some("br;q=nonsense, gzip"), Some("gzip")),
            (Some("GZIP;Q=1.000"), Some("gzip")),
            (Some("zstd"), None),
            (Some(",,;;q=,"), None),
        ] {
            let headers = accept.map_or_else(HeaderMap::new, |value| request(&[("accept-encoding", value)]));
            assert_eq!(Weights::read(&headers).choose(&SAMPLE).1, expected, "{accept:?}");
        }
    }

    #[test]
    fn a_known_content_is_not_sent_again() {
        let date = "Tue, 14 Nov 2023 22:13:20 GMT"; // 1_700_000_000
        for (pairs, unchanged) in [
            (vec![("if-none-match", "W/\"0123456789abcdef\"")], true),
            (vec![("if-none-match", "\"0123456789abcdef\"")], true),
            (vec![("if-none-match", "\"other\", W/\"0123456789abcdef\"")], true),
            (vec![("if-none-match", "*")], true),
            (vec![("if-none-match", "\"other\"")], false),
            (vec![("if-none-match", "0123456789abcdef")], false),
            (vec![("if-modified-since", date)], true),
            (
                vec![("if-modified-since", "Tue, 14 Nov 2023 22:13:19 GMT")],
                false,
            ),
            (vec![("if-modified-since", "yesterday")], false),
            (
                vec![("if-none-match", "\"other\""), ("if-modified-since", date)],
                false,
            ),
            (vec![], false),
        ] {
            let response = respond(&SAMPLE, &Method::GET, &request(&pairs));
            let expected = if unchanged {
                StatusCode::NOT_MODIFIED
            } else {
                StatusCode::OK
            };
            assert_eq!(response.status(), expected, "{pairs:?}");
            for name in [
                header::ETAG,
                header::CACHE_CONTROL,
                header::VARY,
                header::LAST_MODIFIED,
            ] {
                assert!(response.headers().contains_key(&name), "{pairs:?} lacks {name}");
            }
            assert_eq!(response.headers().contains_key(header::CONTENT_TYPE), !unchanged);
        }
    }

    #[test]
    fn what_is_not_a_file_is_not_found_and_not_kept() {
        for path in [
            "",
            "css",
            "css/",
            "../Cargo.toml",
            "css/../css/style.css",
            "css%2Fstyle.css",
            "a\0b",
        ] {
            let response = serve(path, &parts("/"));
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path:?}");
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        }
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(ASSETS.is_sorted_by(|left, right| left.path < right.path));
        for asset in ASSETS {
            assert_eq!(find(asset.path).map(|found| found.hash), Some(asset.hash));
        }
    }
}
