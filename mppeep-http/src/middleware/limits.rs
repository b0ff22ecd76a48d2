//! General limits: by address for strangers, by user for users (draft-ietf-httpapi-ratelimit-headers).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use mppeep_core::ports::login_attempts::AttemptLimits;
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
            .retry_after(wait_seconds(decision.retry_after))
            .into_response()
    };
    announce(response.headers_mut(), policy, &decision);
    response
}

/// Says that somebody tried too often: by what rule, named so, and how long to wait.
pub(crate) fn refuse_attempts(response: &mut Response, name: &str, limits: &AttemptLimits, wait: Duration) {
    let wait = wait_seconds(wait);
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
    tell(headers, name, (limits.per_address, limits.window), (0, wait));
}

/// How many seconds somebody is told to wait: whole ones, and never none at all.
pub(crate) fn wait_seconds(duration: Duration) -> u64 {
    seconds(duration).max(1)
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
    let wait = if decision.allowed {
        decision.reset_after
    } else {
        decision.retry_after
    };
    let left = (decision.remaining, seconds(wait));
    tell(headers, policy.name, (policy.burst, window), left);
}

/// So many requests in a window, so many of them left, and the seconds until there is another.
fn tell(headers: &mut HeaderMap, name: &str, (quota, window): (u32, Duration), (left, wait): (u32, u64)) {
    let policy = format!("\"{name}\";q={quota};w={}", seconds(window).max(1));
    let state = format!("\"{name}\";r={left};t={wait}");
    for (name, text) in [(POLICY, policy), (STATE, state)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::middleware::context::Contexts;
    use crate::middleware::peer::ClientIpHeader;
    use crate::urls::Urls;
    use async_trait::async_trait;
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::{from_fn, from_fn_with_state};
    use axum::routing::get;
    use mppeep_core::domain::id::UserId;
    use mppeep_core::domain::permission::Actor;
    use mppeep_core::ports::error::BackendError;
    use std::collections::HashMap;
    use std::sync::Mutex;
    use tower::ServiceExt as _;

    /// The core's own arithmetic, at one instant.
    #[derive(Default)]
    struct Standing(Mutex<HashMap<(&'static str, String), i64>>);

    #[async_trait]
    impl RateLimiter for Standing {
        async fn take(&self, policy: &Gcra, key: &str) -> Result<Decision, BackendError> {
            let mut held = self.0.lock().unwrap();
            let slot = (policy.name, key.to_owned());
            let (decision, next) = policy.judge(held.get(&slot).copied(), 0);
            if let Some(next) = next {
                held.insert(slot, next);
            }
            Ok(decision)
        }
    }

    struct Broken;

    #[async_trait]
    impl RateLimiter for Broken {
        async fn take(&self, _: &Gcra, _: &str) -> Result<Decision, BackendError> {
            Err(BackendError::Unavailable {
                adapter: "test",
                source: None,
            })
        }
    }

    fn router(limiter: Arc<dyn RateLimiter>, user: Option<UserId>, anonymous: Option<Gcra>) -> Router {
        let gcra = |name, burst| Gcra {
            name,
            count: 1,
            period: Duration::from_secs(1),
            burst,
        };
        let limits = GeneralLimits {
            limiter,
            anonymous,
            user: Some(gcra("user", 5)),
        };
        let contexts = Contexts {
            urls: Urls::new("/mppeep"),
            trusted: Vec::new(),
            header: ClientIpHeader::None,
            process: 0,
        };
        let state = match user {
            Some(user) => SessionState::Known(Arc::new(Actor {
                user: Some(user),
                ..Actor::operator("test")
            })),
            None => SessionState::Anonymous,
        };
        Router::new()
            .route("/mppeep/login", get(|| async { "page" }))
            .route("/mppeep/static/x.css", get(|| async { "file" }))
            .route("/mppeep/health/live", get(|| async { "ok" }))
            .layer(from_fn_with_state(Arc::new(limits), layer))
            .layer(from_fn(move |mut request: Request, next: Next| {
                request.extensions_mut().insert(state.clone());
                next.run(request)
            }))
            .layer(from_fn_with_state(
                Arc::new(contexts),
                crate::middleware::context::layer,
            ))
    }

    fn three() -> Option<Gcra> {
        Some(Gcra {
            name: "anonymous",
            count: 1,
            period: Duration::from_secs(1),
            burst: 3,
        })
    }

    async fn passes(router: &Router, path: &str, times: usize) -> usize {
        let mut passed = 0;
        for _ in 0..times {
            let request = http::Request::get(path).body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            if response.status() == 200 {
                passed += 1;
            } else {
                assert_eq!(response.status(), 429);
                let wait: u64 = response.headers()["retry-after"]
                    .to_str()
                    .unwrap()
                    .parse()
                    .unwrap();
                assert!(wait >= 1);
            }
        }
        passed
    }

    #[tokio::test]
    async fn strangers_and_users_have_limits_of_their_own() {
        let limiter: Arc<dyn RateLimiter> = Arc::new(Standing::default());
        let stranger = router(Arc::clone(&limiter), None, three());
        assert_eq!(passes(&stranger, "/mppeep/login", 10).await, 3);
        let user = UserId::from_uuid(uuid::Uuid::from_u128(1));
        let user = router(Arc::clone(&limiter), Some(user), three());
        assert_eq!(passes(&user, "/mppeep/login", 10).await, 5);
        let other = UserId::from_uuid(uuid::Uuid::from_u128(2));
        let other = router(limiter, Some(other), three());
        assert_eq!(passes(&other, "/mppeep/login", 10).await, 5);
    }

    #[tokio::test]
    async fn files_and_health_are_not_counted_and_a_limit_may_be_off() {
        let limiter: Arc<dyn RateLimiter> = Arc::new(Standing::default());
        let stranger = router(Arc::clone(&limiter), None, three());
        assert_eq!(passes(&stranger, "/mppeep/static/x.css", 10).await, 10);
        assert_eq!(passes(&stranger, "/mppeep/health/live", 10).await, 10);
        let unlimited = router(limiter, None, None);
        assert_eq!(passes(&unlimited, "/mppeep/login", 10).await, 10);
    }

    #[tokio::test]
    async fn a_limiter_that_fails_lets_nobody_through() {
        let request = http::Request::get("/mppeep/login").body(Body::empty()).unwrap();
        let response = router(Arc::new(Broken), None, three())
            .oneshot(request)
            .await
            .unwrap();
        assert_eq!(response.status(), 503);
    }

    #[test]
    fn attempts_are_refused_by_a_rule_that_is_told() {
        let mut response = Response::new(Body::empty());
        let limits = AttemptLimits::default();
        refuse_attempts(&mut response, "login", &limits, Duration::from_millis(1_200));
        let headers = response.headers();
        assert_eq!(headers[header::RETRY_AFTER], "2");
        assert_eq!(headers[POLICY], "\"login\";q=5;w=900");
        assert_eq!(headers[STATE], "\"login\";r=0;t=2");
        refuse_attempts(&mut response, "login", &limits, Duration::ZERO);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }

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
