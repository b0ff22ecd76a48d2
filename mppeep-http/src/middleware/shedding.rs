//! A bound on requests under way. What could not be answered soon is refused at once, with the time to come back:
//! otherwise a database that hangs would gather requests until memory, and every visitor's patience, are used up.
//!
//! A request whose client is being waited for (its body still arrives) is not under way: it gives its place to another
//! meanwhile, so that slow clients do not crowd out quick ones.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::context::{Area, RequestContext};
use super::observe::RequestObserver;
use crate::problem::Problem;
use crate::routes::LOGIN_PATH;

/// How long a request waits for a place.
const PATIENCE: Duration = Duration::from_secs(1);

/// Seconds after which a refused request may come back.
const RETRY_SECONDS: u64 = 2;

/// The places there are.
pub(crate) struct Shedding {
    free: Arc<Semaphore>,
    /// Of those who wait for a place there are no more than places.
    waiting: Semaphore,
    patience: Duration,
    observer: Arc<dyn RequestObserver>,
}

impl Shedding {
    /// So many requests at once, and as many that wait for their turn.
    pub(crate) fn new(places: usize, observer: Arc<dyn RequestObserver>) -> Self {
        Self {
            observer,
            free: Arc::new(Semaphore::new(places)),
            waiting: Semaphore::new(places),
            patience: PATIENCE,
        }
    }

    async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        let permit = self.place().await;
        if permit.is_none() {
            self.observer.shed();
        }
        permit
    }

    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(permit);
        }
        let _waiting = self.waiting.try_acquire().ok()?;
        let freed = Arc::clone(&self.free).acquire_owned();
        tokio::time::timeout(self.patience, freed).await.ok()?.ok()
    }
}

/// A request's place among those under way.
pub(crate) struct Place {
    shedding: Arc<Shedding>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Place {
    fn permit(&self) -> std::sync::MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.permit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the place up, while there is nothing to do but wait for the client.
    pub(crate) fn leave(&self) {
        self.permit().take();
    }

    /// Whether the place was given up.
    pub(crate) fn is_left(&self) -> bool {
        self.permit().is_none()
    }

    /// Takes a place again; says whether there was one in time.
    pub(crate) async fn come_back(self: Arc<Self>) -> bool {
        let permit = self.shedding.enter().await;
        let came = permit.is_some();
        *self.permit() = permit;
        came
    }
}

/// What is told to those for whom there is no place.
pub(crate) fn overloaded() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded")
        .detail("Trop de demandes sont en cours en ce moment.")
        .retry_after(RETRY_SECONDS)
}

pub(crate) async fn layer(
    State(shedding): State<Arc<Shedding>>,
    mut request: Request,
    next: Next,
) -> Response {
    if is_light(&request) {
        return next.run(request).await;
    }
    let Some(permit) = shedding.enter().await else {
        return overloaded().into_response();
    };
    let place = Arc::new(Place {
        shedding,
        permit: Mutex::new(Some(permit)),
    });
    request.extensions_mut().insert(Arc::clone(&place));
    let response = next.run(request).await;
    place.leave();
    response
}

/// What is answered without waiting for anything: files, health, and the form of the login.
fn is_light(request: &Request) -> bool {
    let Some(context) = request.extensions().get::<Arc<RequestContext>>() else {
        return false;
    };
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match context.area {
        Area::Static | Area::Health => true,
        Area::Page => reads && context.urls.below_root(request.uri().path()) == Some(LOGIN_PATH),
        Area::Api => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::middleware::observe::Unobserved;

    fn shedding(places: usize) -> Arc<Shedding> {
        Arc::new(Shedding::new(places, Arc::new(Unobserved)))
    }

    #[tokio::test(start_paused = true)]
    async fn places_are_taken_waited_for_and_refused() {
        let shedding = shedding(1);
        let held = shedding.enter().await.unwrap();
        let waiting = tokio::spawn({
            let shedding = Arc::clone(&shedding);
            async move { shedding.enter().await.is_some() }
        });
        tokio::task::yield_now().await;
        let started = tokio::time::Instant::now();
        assert!(shedding.enter().await.is_none(), "the queue is full");
        assert_eq!(started.elapsed(), Duration::ZERO, "and that is said at once");
        drop(held);
        assert!(waiting.await.unwrap());
        let _held = shedding.enter().await.unwrap();
        assert!(shedding.enter().await.is_none());
        assert_eq!(started.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_lent_while_the_client_is_waited_for() {
        let shedding = shedding(1);
        let permit = shedding.enter().await;
        let place = Arc::new(Place {
            shedding: Arc::clone(&shedding),
            permit: Mutex::new(permit),
        });
        place.leave();
        assert!(place.is_left());
        let other = shedding.enter().await.unwrap();
        assert!(!Arc::clone(&place).come_back().await, "it is taken");
        drop(other);
        assert!(Arc::clone(&place).come_back().await);
        assert!(!place.is_left() && shedding.enter().await.is_none());
    }
}
