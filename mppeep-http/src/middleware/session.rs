//! Who is logged in. The answer is known before limits are counted; what it opens is the route table's business.

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use mppeep_core::domain::permission::Actor;
use mppeep_core::domain::session::SessionToken;
use mppeep_core::services::ServiceError;

use super::context::{Area, RequestContext};
use crate::extract::session_cookie;
use crate::problem::chain;

/// Opens sessions.
#[async_trait]
pub(crate) trait Authenticate: Send + Sync {
    /// The actor behind a token, or `None` when it opens nothing.
    async fn authenticate(
        &self,
        token: &SessionToken,
        context: &RequestContext,
    ) -> Result<Option<Actor>, ServiceError>;
}

/// What is known of the request's session.
#[derive(Debug, Clone)]
pub(crate) enum SessionState {
    /// Nobody is logged in.
    Anonymous,
    /// This actor is.
    Known(Arc<Actor>),
    /// A session was named, and the store that could tell does not answer.
    Unavailable,
}

pub(crate) async fn layer(
    State(sessions): State<Arc<dyn Authenticate>>,
    mut request: Request,
    next: Next,
) -> Response {
    let state = match request.extensions().get::<Arc<RequestContext>>().cloned() {
        Some(context) if !matches!(context.area, Area::Static | Area::Health) => {
            let token = session_cookie::read(request.headers()).and_then(SessionToken::parse);
            open(&*sessions, token, &context).await
        }
        _ => SessionState::Anonymous,
    };
    request.extensions_mut().insert(state);
    next.run(request).await
}

async fn open(
    sessions: &dyn Authenticate,
    token: Option<SessionToken>,
    context: &RequestContext,
) -> SessionState {
    let Some(token) = token else {
        return SessionState::Anonymous;
    };
    match sessions.authenticate(&token, context).await {
        Ok(Some(actor)) => {
            if let Some(user) = actor.user {
                // Set once: the first session layer to see the request names its user.
                let _ = context.user.set(user.to_string());
            }
            SessionState::Known(Arc::new(actor))
        }
        Ok(None) => SessionState::Anonymous,
        Err(error) => {
            tracing::warn!(error = %chain(&error), "a session could not be looked up");
            SessionState::Unavailable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::MaybeUser;
    use crate::middleware::context::Contexts;
    use crate::middleware::peer::ClientIpHeader;
    use crate::urls::Urls;
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use http_body_util::BodyExt as _;
    use mppeep_core::domain::id::UserId;
    use mppeep_core::ports::clock::SeededEntropy;
    use mppeep_core::ports::error::BackendError;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tower::ServiceExt as _;

    struct Book {
        known: SessionToken,
        asked: AtomicUsize,
        broken: bool,
    }

    #[async_trait]
    impl Authenticate for Book {
        async fn authenticate(
            &self,
            token: &SessionToken,
            _: &RequestContext,
        ) -> Result<Option<Actor>, ServiceError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if self.broken {
                return Err(BackendError::Unavailable {
                    adapter: "test",
                    source: None,
                }
                .into());
            }
            Ok((*token == self.known).then(|| Actor {
                display_name: "Awa".into(),
                ..Actor::operator("")
            }))
        }
    }

    fn token(seed: u64) -> SessionToken {
        SessionToken::generate(
            UserId::from_uuid(uuid::Uuid::from_u128(1)),
            &SeededEntropy::new(seed),
        )
    }

    async fn who(book: &Arc<Book>, path: &str, cookie: &str) -> String {
        let contexts = Contexts {
            urls: Urls::new("/mppeep"),
            trusted: Vec::new(),
            header: ClientIpHeader::None,
            process: 0,
        };
        let name = |MaybeUser(user): MaybeUser| async move {
            user.map_or_else(|| "nobody".to_owned(), |actor| actor.display_name.clone())
        };
        let sessions: Arc<dyn Authenticate> = Arc::clone(book) as _;
        let router = Router::new()
            .route("/mppeep/login", get(name))
            .route("/mppeep/static/x", get(name))
            .layer(from_fn_with_state(sessions, layer))
            .layer(from_fn_with_state(
                Arc::new(contexts),
                crate::middleware::context::layer,
            ));
        let request = http::Request::get(path)
            .header("cookie", cookie)
            .body(Body::empty())
            .unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_token_opens_its_session_and_nothing_else_does() {
        let book = Arc::new(Book {
            known: token(1),
            asked: AtomicUsize::new(0),
            broken: false,
        });
        let right = token(1).expose().to_owned();
        let other = token(2).expose().to_owned();
        assert_eq!(
            who(&book, "/mppeep/login", &format!("session_id={right}")).await,
            "Awa"
        );
        assert_eq!(
            who(&book, "/mppeep/login", &format!("session_id={other}")).await,
            "nobody"
        );
        assert_eq!(book.asked.load(Ordering::SeqCst), 2);
        for cookie in [
            "",
            "session_id=",
            "session_id=admin",
            &format!("session={right}"),
            &right,
        ] {
            assert_eq!(who(&book, "/mppeep/login", cookie).await, "nobody", "{cookie}");
        }
        assert_eq!(
            who(&book, "/mppeep/static/x", &format!("session_id={right}")).await,
            "nobody"
        );
        assert_eq!(
            book.asked.load(Ordering::SeqCst),
            2,
            "what cannot be a token is not looked up"
        );
    }

    #[tokio::test]
    async fn an_open_page_needs_no_session_store() {
        let book = Arc::new(Book {
            known: token(1),
            asked: AtomicUsize::new(0),
            broken: true,
        });
        let cookie = format!("session_id={}", token(1).expose());
        assert_eq!(who(&book, "/mppeep/login", &cookie).await, "nobody");
    }
}
