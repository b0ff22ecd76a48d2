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
