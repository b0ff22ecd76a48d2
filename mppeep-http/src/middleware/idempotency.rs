//! Creations that have one effect however often they are sent (draft-ietf-httpapi-idempotency-key-header).
//!
//! The layer sits inside the gate of its route: who may not create gets no answer of a creation either. It reserves the
//! key before the handler runs, hands the reservation on so that the unit of work of the effect marks it, and keeps the
//! answer. The work goes on when its client goes away: that client is the one who asks again.
//!
//! A document is compared with the one that the key was used for before anything is done. An upload is not read twice for
//! that: what its form says is heard while it is received, kept beside the answer, and compared when it is sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::BodyExt as _;
use mppeep_core::layered::spent::handed_on;
use mppeep_core::ports::clock::Entropy;
use mppeep_core::ports::idempotency::{
    ANSWER_MAX_BYTES, IdempotencyKeys, IdempotentRequest, KEY_MAX_BYTES, KeptAnswer, Reserved,
};
use mppeep_core::services::carrying_out;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tracing::Instrument as _;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Required};
use uuid::Uuid;

use super::body;
use super::compression::ShowsSecret;
use super::session::SessionState;
use crate::extract::{Said, UploadForm};
use crate::problem::{Problem, chain};

/// The header that names a key.
pub(crate) const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that an answer was given before.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// How long one request may hold a key; longer than any request is worked on.
const LEASE: Duration = Duration::from_secs(120);

/// The same for an upload, which may take its time to come.
const UPLOAD_LEASE: Duration = body::FILE_DEADLINE.saturating_add(LEASE);

/// How long a key is known.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The headers that belong to an answer, whoever asks for it.
const KEPT: [HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];

/// The name under which the digest of an upload is kept with its answer; it is sent to nobody.
const SAID: &str = "said";

/// What is kept of an answer that shows a secret: the same without it.
#[derive(Debug, Clone)]
pub(crate) struct KeptInstead(pub(crate) Bytes);

/// Where keys are kept.
pub(crate) struct Idempotency {
    keys: Arc<dyn IdempotencyKeys>,
    seed: [u8; 32],
    next: AtomicU64,
}

impl Idempotency {
    pub(crate) fn new(keys: Arc<dyn IdempotencyKeys>, entropy: &dyn Entropy) -> Self {
        let mut seed = [0; 32];
        entropy.fill(&mut seed);
        Self {
            keys,
            seed,
            next: AtomicU64::new(0),
        }
    }

    /// A token that no other reservation has.
    fn token(&self) -> Uuid {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let digest = Sha256::new()
            .chain_update(self.seed)
            .chain_update(number.to_be_bytes())
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(digest.get(..16).unwrap_or(&[0; 16]));
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

/// For creations by a document, which is read whole.
pub(crate) async fn layer(request: Request, next: Next) -> Response {
    once(request, next, false)
        .await
        .unwrap_or_else(Problem::into_response)
}

/// For creations by an upload, which is handed on as it comes.
pub(crate) async fn upload_layer(request: Request, next: Next) -> Response {
    once(request, next, true)
        .await
        .unwrap_or_else(Problem::into_response)
}

async fn once(request: Request, next: Next, upload: bool) -> Result<Response, Problem> {
    let Some(key) = key(request.headers())? else {
        return Ok(next.run(request).await);
    };
    let user = match request.extensions().get::<SessionState>() {
        Some(SessionState::Known(actor)) => actor.user,
        _ => None,
    };
    let Some(user) = user else {
        return Ok(next.run(request).await);
    };
    let idempotency = request
        .extensions()
        .get::<Arc<Idempotency>>()
        .cloned()
        .ok_or_else(|| Problem::internal("the keys of creations are missing"))?;
    let (mut parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let said = upload.then(Said::default);
    let (digest, body, lease) = match &said {
        None => {
            let bytes = body::read(body).await?;
            (digest(query, &bytes), Body::from(bytes), LEASE)
        }
        Some(_) => (digest(query, b""), body, UPLOAD_LEASE),
    };
    if let Some(said) = &said {
        parts.extensions.insert(said.clone());
    }
    let asked = IdempotentRequest {
        user,
        operation: format!("{} {}", parts.method, parts.uri.path()),
        key,
        digest,
        token: idempotency.token(),
    };
    let request = Request::from_parts(parts, body);
    // From the reservation on it goes its way alone: who leaves now would leave a key that nobody gives back.
    let work = handed_on(carry_out(idempotency, asked, lease, said, request, next));
    match tokio::spawn(work.in_current_span()).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(Problem::internal(error)),
    }
}

/// Reserves the key, lets the handler work and keeps its answer; or gives the answer that was kept.
async fn carry_out(
    idempotency: Arc<Idempotency>,
    asked: IdempotentRequest,
    lease: Duration,
    said: Option<Said>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    match idempotency.keys.reserve(&asked, lease, LIFETIME).await? {
        Reserved::Granted => {
            let response = carrying_out(asked.token, next.run(request)).await;
            Ok(settle(&*idempotency.keys, asked.token, response, said).await)
        }
        Reserved::Answered(kept) => {
            if let Some(said) = said {
                UploadForm::hear_out(request).await?;
                if kept_digest(&kept) != said.digest().map(hex) {
                    return Err(reused());
                }
            }
            Ok(replay(kept))
        }
        Reserved::AnswerLost => Err(Problem::conflict("idempotency-answer-lost").detail(
            "Cette demande a déjà été exécutée, mais sa réponse n’a pas pu être gardée. Cherchez l’élément dans la liste.",
        )),
        Reserved::UnderWay(wait) => Err(Problem::conflict("idempotency-under-way")
            .detail("Une demande qui porte cette clé est en cours.")
            .retry_after(wait.as_secs().clamp(1, lease.as_secs()))),
        Reserved::Mismatch => Err(reused()),
    }
}

fn reused() -> Problem {
    let text = "Cette clé a déjà servi à une autre demande.";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused")
        .detail(text)
        .field("Idempotency-Key", "reused", text)
}

fn hex(digest: [u8; 32]) -> String {
    use std::fmt::Write as _;
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What the upload said that got this answer.
fn kept_digest(kept: &KeptAnswer) -> Option<String> {
    let mut pairs = kept.headers.iter();
    pairs.find_map(|(name, value)| (name == SAID).then(|| value.clone()))
}

/// Keeps a good answer; gives the key back after another one. An answer that cannot be kept is given all the same.
async fn settle(keys: &dyn IdempotencyKeys, token: Uuid, response: Response, said: Option<Said>) -> Response {
    if !response.status().is_success() {
        if let Err(error) = keys.release(token).await {
            tracing::warn!(error = %chain(&error), "a key could not be given back");
        }
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let instead = parts.extensions.remove::<KeptInstead>();
    let secret = parts.extensions.get::<ShowsSecret>().is_some();
    let bytes = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => return Problem::internal(error).into_response(),
    };
    let kept = match instead {
        Some(KeptInstead(bytes)) => Some(bytes),
        None => (!secret).then(|| bytes.clone()),
    };
    if let Some(body) = kept.filter(|body| body.len() <= ANSWER_MAX_BYTES) {
        let headers = KEPT.iter().filter_map(|name| {
            let value = parts.headers.get(name)?.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        });
        let answer = KeptAnswer {
            status: parts.status.as_u16(),
            headers: headers
                .chain(said.and_then(|said| Some((SAID.to_owned(), hex(said.digest()?)))))
                .collect(),
            body: body.to_vec(),
        };
        if let Err(error) = keys.answer(token, &answer).await {
            tracing::warn!(error = %chain(&error), "the answer of a creation could not be kept");
        }
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn replay(kept: KeptAnswer) -> Response {
    let mut response = Response::new(Body::from(kept.body));
    *response.status_mut() = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    for (name, value) in kept.headers.into_iter().filter(|(name, _)| name != SAID) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
        .headers_mut()
        .insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// The key of a request: visible ASCII, in double quotes or not.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(KEY).iter();
    let (first, second) = (values.next(), values.next());
    let Some(value) = first else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    let text = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    let well = second.is_none()
        && (1..=KEY_MAX_BYTES).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
    if well {
        Ok(Some(text.to_owned()))
    } else {
        Err(Problem::unreadable(
            "Idempotency-Key doit être une seule clé de 1 à 255 caractères ASCII visibles.",
        ))
    }
}

/// What a request says. A password has no part in it: its digest would help who guesses it.
fn digest(query: &str, body: &[u8]) -> [u8; 32] {
    let without_password = match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(mut members)) if members.contains_key("password") => {
            members.insert("password".to_owned(), Value::Null);
            serde_json::to_vec(&members).ok()
        }
        _ => None,
    };
    let said = without_password.as_deref().unwrap_or(body);
    Sha256::new()
        .chain_update(query.as_bytes())
        .chain_update([0])
        .chain_update(said)
        .finalize()
        .into()
}

/// Says in the description of an operation that it takes a key.
pub(crate) fn describe(item: &mut PathItem) {
    let Some(operation) = item.post.as_mut() else {
        return;
    };
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[!#-\\[\\]-~]+$"))
        .min_length(Some(1))
        .max_length(Some(KEY_MAX_BYTES));
    let parameter = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "A key that the client makes, such as a UUID. Sent again with the same key within 24 hours, the request has \
             no second effect and gets the first answer.",
        ))
        .schema(Some(text))
        .build();
    operation
        .parameters
        .get_or_insert_default()
        .push(RefOr::T(parameter));
    for (status, response) in &mut operation.responses.responses {
        if let (true, RefOr::T(response)) = (status.starts_with('2'), response) {
            let said = ObjectBuilder::new()
                .schema_type(Type::String)
                .enum_values(Some(["true"]))
                .build();
            let header = HeaderBuilder::new()
                .description(Some("The answer was given before, to the same key."))
                .schema(Some(said))
                .build();
            response
                .headers
                .insert("Idempotent-Replayed".to_owned(), RefOr::T(header));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(values: &[&str]) -> Result<Option<String>, u16> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(KEY, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        key(&headers).map_err(|problem| problem.status().as_u16())
    }

    #[test]
    fn a_key_is_visible_ascii() {
        assert_eq!(key_of(&[]), Ok(None));
        assert_eq!(key_of(&["a-1"]), Ok(Some("a-1".to_owned())));
        assert_eq!(key_of(&["\"a-1\""]), Ok(Some("a-1".to_owned())));
        let long = "k".repeat(KEY_MAX_BYTES);
        assert_eq!(key_of(&[&long]), Ok(Some(long.clone())));
        let longer = "k".repeat(KEY_MAX_BYTES + 1);
        for values in [
            vec![""],
            vec!["\"\""],
            vec!["a b"],
            vec!["\"a"],
            vec!["clé"],
            vec![longer.as_str()],
            vec!["a", "b"],
        ] {
            assert_eq!(key_of(&values), Err(400), "{values:?}");
        }
    }

    #[test]
    fn a_digest_is_of_all_that_is_said_but_a_password() {
        let of = |body: &str| digest("", body.as_bytes());
        assert_eq!(of(r#"{"a":1}"#), of(r#"{"a":1}"#));
        assert_ne!(of(r#"{"a":1}"#), of(r#"{"a":2}"#));
        assert_ne!(digest("x=1", b"{}"), digest("", b"{}"));
        assert_eq!(
            of(r#"{"a":1,"password":"one"}"#),
            of(r#"{"a":1,"password":"two"}"#)
        );
        assert_ne!(of(r#"{"a":1,"password":"one"}"#), of(r#"{"a":1}"#));
    }

    #[test]
    fn tokens_differ() {
        struct Nothing;
        #[async_trait::async_trait]
        impl IdempotencyKeys for Nothing {
            async fn reserve(
                &self,
                _: &IdempotentRequest,
                _: Duration,
                _: Duration,
            ) -> Result<Reserved, mppeep_core::ports::error::BackendError> {
                Ok(Reserved::Granted)
            }
            async fn answer(
                &self,
                _: Uuid,
                _: &KeptAnswer,
            ) -> Result<mppeep_core::ports::job_queue::Held, mppeep_core::ports::error::BackendError>
            {
                Ok(mppeep_core::ports::job_queue::Held::Yes)
            }
            async fn release(
                &self,
                _: Uuid,
            ) -> Result<mppeep_core::ports::job_queue::Held, mppeep_core::ports::error::BackendError>
            {
                Ok(mppeep_core::ports::job_queue::Held::Yes)
            }
        }
        let seeded = |seed| {
            Idempotency::new(
                Arc::new(Nothing),
                &mppeep_core::ports::clock::SeededEntropy::new(seed),
            )
        };
        let (one, other) = (seeded(1), seeded(2));
        let tokens: std::collections::BTreeSet<Uuid> =
            (0..100).flat_map(|_| [one.token(), other.token()]).collect();
        assert_eq!(tokens.len(), 200);
    }
}
