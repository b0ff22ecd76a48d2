//! General limits: by address for strangers, by user for users (draft-ietf-httpapi-ratelimit-headers).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use mppeep_core::ports::rate_limiter::{Decision, Gcra, RateLimiter};

use super::context::{Area, RequestContext};
use super::session::SessionState;
use crate::problem::Problem;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// The limits, where there are some.
pub(crate) struct GeneralLimits {
    pub(crate) limiter: Arc<dyn RateLimiter>,
    pub(crate) anonymous: Option<Gcra>,
    pub(crate) user: Option<Gcra>,
}

pub(crate) async fn layer(
    State(limits): State<Arc<GeneralLimits>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(context) = request.extensions().get::<Arc<RequestContext>>() else {
        return next.run(request).await;
    };
    if matches!(context.area, Area::Static | Area::Health) {
        return next.run(request).await;
    }
    let (policy, key) = match request.extensions().get::<SessionState>() {
        Some(SessionState::Known(actor)) if actor.user.is_some() => (
            &limits.user,
            actor.user.map(|user| user.to_string()).unwrap_or_default(),
        ),
        _ => (&limits.anonymous, context.limit_key()),
    };
    let Some(policy) = policy else {
        return next.run(request).await;
    };
    let decision = match limits.limiter.take(policy, &key).await {
        Ok(decision) => decision,
        Err(error) => return Problem::from(error).into_response(),
    };
    let mut response = if decision.allowed {
        next.run(request).await
    } else {
        Problem::of_status(StatusCode::TOO_MANY_REQUESTS)
            .detail("Trop de requêtes en peu de temps. Patientez un instant avant de recommencer.")
            .retry_after(seconds(decision.retry_after).max(1))
            .into_response()
    };
    announce(response.headers_mut(), policy, &decision);
    response
}

/// Whole seconds, rounded up.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn announce(headers: &mut HeaderMap, policy: &Gcra, decision: &Decision) {
    if headers.contains_key(&STATE) {
        // A narrower limit has spoken.
        return;
    }
    let window = policy.period.saturating_mul(policy.burst) / policy.count.max(1);
    let name = policy.name;
    let wait = if decision.allowed {
        decision.reset_after
    } else {
        decision.retry_after
    };
    let policy = format!("\"{name}\";q={};w={}", policy.burst, seconds(window).max(1));
    let state = format!("\"{name}\";r={};t={}", decision.remaining, seconds(wait));
    for (name, text) in [(POLICY, policy), (STATE, state)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_whole_numbers_rounded_up() {
        let policy = Gcra {
            name: "anonymous",
            count: 10,
            period: Duration::from_secs(1),
            burst: 20,
        };
        let decision = Decision {
            allowed: false,
            remaining: 0,
            retry_after: Duration::from_millis(1),
            reset_after: Duration::from_secs(2),
        };
        let mut headers = HeaderMap::new();
        announce(&mut headers, &policy, &decision);
        assert_eq!(headers[POLICY], "\"anonymous\";q=20;w=2");
        assert_eq!(headers[STATE], "\"anonymous\";r=0;t=1");
    }
}
