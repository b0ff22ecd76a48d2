//! Contents of files on their way out: never public, never guessed, and never able to do anything in a browser.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use mppeep_core::domain::stored_file::StoredFile;
use mppeep_core::services::Reading;
use mppeep_core::services::uploads::Content;

use crate::assets::range::{Wanted, one};
use crate::middleware::compression::AsItIs;
use crate::problem::Problem;

/// Bytes of one piece.
const PIECE: usize = 64 * 1024;

/// What a content may do as a document of its own: nothing. `sandbox` gives it an origin that is nobody's; the browser's
/// own viewer still shows it when it stands alone, but not inside another page.
const SANDBOX: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// How a content is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum As {
    /// To be saved.
    Attachment,
    /// To be looked at, where the browser can by itself.
    Preview,
    /// A picture of a page, which the browser may keep for a while.
    Picture,
}

/// What a request says about the content that it asks for.
pub(crate) struct Asked {
    head: bool,
    headers: HeaderMap,
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            head: parts.method == Method::HEAD,
            headers: parts.headers.clone(),
        })
    }
}

impl Asked {
    /// What [`send`] will read of the content.
    pub(crate) fn reading(&self, how: As, file: &StoredFile) -> Reading {
        let tag = tag(&file.sha256);
        if self.head || !is_shown(how, file) || is_known(&self.headers, &tag) {
            return Reading::Nothing;
        }
        match self.wanted(&tag, file.size) {
            Wanted::Nowhere => Reading::Nothing,
            Wanted::Whole | Wanted::Part { first: 0, .. } => Reading::Begun,
            Wanted::Part { .. } => Reading::Further,
        }
    }

    /// The part that is asked for. Only GET has parts (RFC 9110 §14.2).
    fn wanted(&self, tag: &str, size: u64) -> Wanted {
        if self.head {
            return Wanted::Whole;
        }
        wanted(&self.headers, tag, usize::try_from(size).unwrap_or(usize::MAX))
    }
}

/// Whether a content can be handed out in that way.
fn is_shown(how: As, file: &StoredFile) -> bool {
    how != As::Preview || file.kind.is_previewable()
}

/// Answers with a content, or the part of it that is asked for (RFC 9110 §14).
pub(crate) async fn send(content: Content, how: As, asked: &Asked) -> Result<Response, Problem> {
    let Content {
        file,
        name,
        mut reader,
    } = content;
    if !is_shown(how, &file) {
        return Err(
            Problem::conflict("no-preview").detail("Ce type de fichier n’a pas d’aperçu : téléchargez-le.")
        );
    }
    let tag = tag(&file.sha256);
    let mut response = if is_known(&asked.headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let (first, count) = match asked.wanted(&tag, file.size) {
            Wanted::Whole => (0, file.size),
            Wanted::Part { first, last } => (first as u64, (last - first) as u64 + 1),
            Wanted::Nowhere => return Ok(nowhere(file.size)),
        };
        if first > 0 {
            reader
                .seek(first)
                .await
                .map_err(mppeep_core::services::ServiceError::from)?;
        }
        let pieces = futures_util::stream::unfold((reader, count), |(mut reader, left)| async move {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE);
            if most == 0 {
                return None;
            }
            // An answer that ends too early is told from a whole one by its length.
            let piece = match reader.read(most).await {
                Ok(piece) if piece.is_empty() => Err(axum::BoxError::from("the content ended too early")),
                Ok(piece) => Ok::<Bytes, _>(piece),
                Err(error) => Err(axum::BoxError::from(error)),
            };
            if let Err(error) = &piece {
                tracing::error!(%error, "a content could not be read to its end");
            }
            let sent = piece.as_ref().map_or(left, |piece| piece.len() as u64);
            Some((piece, (reader, left.saturating_sub(sent))))
        });
        let mut response = Body::from_stream(pieces).into_response();
        if count != file.size {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let range = format!("bytes {first}-{}/{}", first + count - 1, file.size);
            set(&mut response, header::CONTENT_RANGE, &range);
        }
        set(&mut response, header::CONTENT_LENGTH, &count.to_string());
        set(&mut response, header::CONTENT_TYPE, file.kind.media_type());
        response
    };
    // Compressed, it would have neither its length nor its parts.
    response.extensions_mut().insert(AsItIs);
    set(&mut response, header::ETAG, &tag);
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    set(
        &mut response,
        header::CONTENT_DISPOSITION,
        &disposition(how, name.as_str()),
    );
    let caching = match how {
        As::Picture => "private, max-age=3600",
        As::Attachment | As::Preview => "private, no-store",
    };
    set(&mut response, header::CACHE_CONTROL, caching);
    set(&mut response, header::CONTENT_SECURITY_POLICY, SANDBOX);
    Ok(response)
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn nowhere(size: u64) -> Response {
    let mut response = Problem::of_status(StatusCode::RANGE_NOT_SATISFIABLE).into_response();
    set(&mut response, header::CONTENT_RANGE, &format!("bytes */{size}"));
    response
}

/// The strong tag of a content.
fn tag(sha256: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    let mut tag = String::with_capacity(66);
    tag.push('"');
    for byte in sha256 {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

/// Whether the client has this very content.
fn is_known(request: &HeaderMap, tag: &str) -> bool {
    let tags = request.get_all(header::IF_NONE_MATCH).iter();
    tags.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|given| given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag)
}

fn wanted(request: &HeaderMap, tag: &str, length: usize) -> Wanted {
    let mut ranges = request.get_all(header::RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else {
        return Wanted::Whole;
    };
    // A part of another content is not continued; a date says nothing, as a content never changes.
    let same = request
        .get(header::IF_RANGE)
        .is_none_or(|condition| condition.as_bytes() == tag.as_bytes());
    range
        .to_str()
        .ok()
        .filter(|_| same)
        .and_then(|text| one(text, length))
        .unwrap_or(Wanted::Whole)
}

/// `Content-Disposition` with the name in ASCII and in full (RFC 6266, RFC 8187).
fn disposition(how: As, name: &str) -> String {
    use std::fmt::Write as _;
    let kind = match how {
        As::Attachment => "attachment",
        As::Preview | As::Picture => "inline",
    };
    let ascii: String = name
        .chars()
        .map(|c| match c {
            '"' | '\\' | '%' => '_',
            c if c.is_ascii_graphic() || c == ' ' => c,
            _ => '_',
        })
        .collect();
    let mut text = format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sent_in_ascii_and_in_full() {
        for (name, expected) in [
            (
                "cni.pdf",
                "attachment; filename=\"cni.pdf\"; filename*=UTF-8''cni.pdf",
            ),
            (
                "Diplôme n°1.pdf",
                "attachment; filename=\"Dipl_me n_1.pdf\"; filename*=UTF-8''Dipl%C3%B4me%20n%C2%B01.pdf",
            ),
            (
                "a\"b\\c%41;d\r\ne.pdf",
                "attachment; filename=\"a_b_c_41;d__e.pdf\"; filename*=UTF-8''a%22b%5Cc%2541%3Bd%0D%0Ae.pdf",
            ),
        ] {
            let text = disposition(As::Attachment, name);
            assert_eq!(text, expected);
            assert!(HeaderValue::from_str(&text).is_ok());
        }
    }

    #[test]
    fn parts_belong_to_the_content_that_the_client_has() {
        let tag = tag(&[0xab; 32]);
        let ask = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_str(value).unwrap());
            }
            wanted(&headers, &tag, 100)
        };
        let range = ("range", "bytes=10-19");
        let part = Wanted::Part { first: 10, last: 19 };
        assert_eq!(ask(&[range]), part);
        assert_eq!(ask(&[range, ("if-range", &tag)]), part);
        assert_eq!(ask(&[range, ("if-range", "\"other\"")]), Wanted::Whole);
        assert_eq!(ask(&[("range", "bytes=100-")]), Wanted::Nowhere);
        assert_eq!(ask(&[range, range]), Wanted::Whole);
    }
}
