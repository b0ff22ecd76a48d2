//! What logged-in readers are shown as it happens: how many notices they have not read, and that figures have changed,
//! as Server-Sent Events (WHATWG HTML, 9.2).
//!
//! An event says that there is something to read again, and nothing of its content: what a reader may see is judged by the
//! page he then asks for.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use mppeep_core::domain::id::UserId;
use mppeep_core::domain::permission::Actor;
use mppeep_core::domain::session::SessionToken;
use mppeep_core::ports::epochs::Namespace;
use mppeep_core::services::ServiceError;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::app::{AppState, Services};
use crate::extract::{Client, CurrentUser, session_cookie};
use crate::problem::Problem;
use crate::routes::{RouteTable, get};

/// What the figures of pages are made of.
const FIGURES: [Namespace; 5] = [
    Namespace::ABSENCES,
    Namespace::EVALUATIONS,
    Namespace::ORGANISATION,
    Namespace::PAYROLL,
    Namespace::PERSONNEL,
];

/// Least time between two events of one stream.
const PAUSE: Duration = Duration::from_secs(1);

/// How often it is made sure that the session still lives, and a line is sent that keeps proxies patient.
const CHECK: Duration = Duration::from_secs(15);

/// Streams of one user, and of all. A user who opens one more ends his oldest: it is seldom still read, since it takes the
/// server a while to learn that a page was left.
const MOST_OF_A_USER: usize = 6;
const MOST_OF_ALL: usize = 1_000;

/// Users whose count of unread notices is remembered.
const MOST_COUNTS: usize = 10_000;

pub(crate) fn routes() -> RouteTable {
    RouteTable::pages().route("/evenements", get(events).session())
}

/// Streams that are open, and counts that were asked for lately.
#[derive(Default)]
pub(crate) struct Live {
    open: Mutex<Open>,
    unread: Mutex<HashMap<UserId, (i64, u64)>>,
}

/// Streams by user, the oldest first.
#[derive(Default)]
struct Open {
    next: u64,
    streams: HashMap<UserId, Vec<(u64, Arc<Notify>)>>,
}

impl Live {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<UserId, (i64, u64)>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many streams are open.
    pub(crate) fn count(&self) -> usize {
        self.open().streams.values().map(Vec::len).sum()
    }

    /// A place for one more stream of a user; none while all are taken by others.
    fn seat(self: &Arc<Self>, user: UserId) -> Option<Seat> {
        let mut open = self.open();
        let all: usize = open.streams.values().map(Vec::len).sum();
        let id = open.next;
        open.next = id.wrapping_add(1);
        let full = open
            .streams
            .get(&user)
            .is_some_and(|own| own.len() >= MOST_OF_A_USER);
        if all >= MOST_OF_ALL && !full {
            return None;
        }
        let own = open.streams.entry(user).or_default();
        if full {
            let (_, oldest) = own.remove(0);
            oldest.notify_one();
        }
        let ended = Arc::new(Notify::new());
        own.push((id, Arc::clone(&ended)));
        Some(Seat {
            live: Arc::clone(self),
            user,
            id,
            ended,
        })
    }

    /// How many notices the actor has not read: counted once for each change of notices, whoever's.
    pub(crate) async fn unread(&self, services: &Services, actor: &Actor) -> Result<u64, ServiceError> {
        let Some(user) = actor.user else { return Ok(0) };
        let epoch = services.context.epochs().value(Namespace::NOTICES).await?;
        if let Some((at, count)) = self.counts().get(&user)
            && *at == epoch
        {
            return Ok(*count);
        }
        let count = services.notices.unread(actor).await?;
        let mut counts = self.counts();
        if counts.len() >= MOST_COUNTS {
            counts.clear();
        }
        counts.insert(user, (epoch, count));
        Ok(count)
    }
}

/// An open stream; it is not counted any more when it is dropped.
struct Seat {
    live: Arc<Live>,
    user: UserId,
    id: u64,
    /// Says that the place is given to another stream of the same user.
    ended: Arc<Notify>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.live.open();
        if let Some(own) = open.streams.get_mut(&self.user) {
            own.retain(|(id, _)| *id != self.id);
            if own.is_empty() {
                open.streams.remove(&self.user);
            }
        }
    }
}

async fn events(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let token = session_cookie::read(&headers).and_then(SessionToken::parse);
    let (Some(user), Some(token)) = (actor.user, token) else {
        return Err(Problem::unauthenticated());
    };
    let seat = state.live.seat(user).ok_or_else(|| {
        Problem::of_status(StatusCode::SERVICE_UNAVAILABLE)
            .detail("Trop de pages sont ouvertes en même temps.")
            .retry_after(60)
    })?;
    let board = state.services.context.epochs();
    let reader = Reader {
        changes: board.changes(),
        draining: state.readiness.draining(),
        figures: board.known_values(&FIGURES),
        session: Vec::new(),
        told: None,
        ready: Some(
            Event::default()
                .retry(Duration::from_secs(5))
                .event("ready")
                .data(""),
        ),
        next_at: Instant::now(),
        check_at: Instant::now() + CHECK,
        address: client.ip.to_string(),
        token,
        actor: Arc::unwrap_or_clone(actor),
        seat,
        state,
    };
    let keep_alive = KeepAlive::new().interval(CHECK).text("");
    let mut response = Sse::new(stream::unfold(reader, next))
        .keep_alive(keep_alive)
        .into_response();
    let fixed = response.headers_mut();
    fixed.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // For nginx, which otherwise gathers what it passes on.
    fixed.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    Ok(response)
}

/// One stream.
struct Reader {
    state: AppState,
    actor: Actor,
    token: SessionToken,
    address: String,
    changes: watch::Receiver<u64>,
    draining: watch::Receiver<bool>,
    /// The epochs behind the figures, as the reader knows them.
    figures: Vec<i64>,
    /// The epoch of the session's shard, when it was last made sure that the session lives.
    session: Vec<i64>,
    /// The count of notices that the reader was told.
    told: Option<u64>,
    /// What is to be sent first.
    ready: Option<Event>,
    next_at: Instant,
    check_at: Instant,
    seat: Seat,
}

async fn next(mut reader: Reader) -> Option<(Result<Event, Infallible>, Reader)> {
    if let Some(event) = reader.ready.take() {
        return Some((Ok(event), reader));
    }
    loop {
        tokio::time::sleep_until(reader.next_at).await;
        if let Some(event) = reader.look().await? {
            reader.next_at = Instant::now() + PAUSE;
            return Some((Ok(event), reader));
        }
        tokio::select! {
            changed = reader.changes.changed() => changed.ok()?,
            () = tokio::time::sleep_until(reader.check_at) => {}
            () = reader.seat.ended.notified() => return None,
            // Also when the server is gone altogether.
            _draining = reader.draining.wait_for(|draining| *draining) => return None,
        }
    }
}

impl Reader {
    /// What the reader should know now, if anything; none of it when the stream is over.
    async fn look(&mut self) -> Option<Option<Event>> {
        self.changes.borrow_and_update();
        let figures = self.state.services.context.epochs().known_values(&FIGURES);
        // A store that is away has nothing to tell; the stream waits for it.
        let unread = self.state.live.unread(&self.state.services, &self.actor).await;
        let unread = unread.ok().filter(|unread| self.told != Some(*unread));
        let session = self.session_epoch();
        let has_news = figures != self.figures || unread.is_some();
        if has_news || session != self.session || Instant::now() >= self.check_at {
            self.session = session;
            self.check_at = Instant::now() + CHECK;
            if !self.lives().await {
                return None;
            }
        }
        if figures != self.figures {
            self.figures = figures;
            return Some(Some(Event::default().event("figures").data("")));
        }
        Some(unread.map(|unread| {
            self.told = Some(unread);
            Event::default().event("notices").data(unread.to_string())
        }))
    }

    /// Moves when a session of this one's shard ends.
    fn session_epoch(&self) -> Vec<i64> {
        let shard = Namespace::session_shard(self.token.key().shard());
        self.state.services.context.epochs().known_values(&[shard])
    }

    /// Whether the session still opens. A store that cannot tell ends nothing.
    async fn lives(&self) -> bool {
        let auth = &self.state.services.auth;
        !matches!(
            auth.authenticate(&self.token, &self.address, None).await,
            Ok(None)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_users_newest_streams_take_the_places_of_his_oldest() {
        let live = Arc::new(Live::default());
        let user = |number| UserId::from_uuid(uuid::Uuid::from_u128(number));
        let seats: Vec<Seat> = (0..MOST_OF_A_USER).filter_map(|_| live.seat(user(1))).collect();
        assert_eq!(seats.len(), MOST_OF_A_USER);
        let other = live.seat(user(2));
        assert!(other.is_some(), "others have their own");
        let newest = live.seat(user(1));
        assert!(newest.is_some());
        seats[0].ended.notified().await;
        assert_eq!(live.open().streams[&user(1)].len(), MOST_OF_A_USER);
        drop((seats, newest, other));
        assert!(
            live.open().streams.is_empty(),
            "nothing is remembered of closed streams"
        );
    }
}
