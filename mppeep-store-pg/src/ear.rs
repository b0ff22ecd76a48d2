//! The one connection that listens. It is apart from the pools, begins when somebody first asks, and reconnects by itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use mppeep_core::ports::pubsub::Event;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::link::within;
use crate::message::{self, Heard};

/// Events kept for a subscriber who does not read them.
pub(crate) const BACKLOG: usize = 1_024;
/// How long connecting may take.
const CONNECTING: Duration = Duration::from_secs(5);
/// After that long without a message the server is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(10);
/// How long the server may take to answer that.
const ANSWER: Duration = Duration::from_secs(3);
/// The pause before the first attempt to connect again, which doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a subscriber has not read yet.
pub(crate) struct Inbox {
    channels: Vec<String>,
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    /// The mark after which messages are for this subscriber; none when it was heard.
    awaited: Option<Uuid>,
    closed: bool,
}

impl Inbox {
    fn push(&self, event: Event) {
        let mut waiting = locked(&self.waiting);
        if waiting.awaited.is_some() {
            return;
        }
        // One too many takes the place of all that wait, as a gap: whoever hears it reads what they would have told.
        if waiting.events.len() >= BACKLOG {
            waiting.events.clear();
            waiting.events.push_back(Event::Gap);
        } else if event != Event::Gap || waiting.events.back() != Some(&Event::Gap) {
            waiting.events.push_back(event);
        }
        drop(waiting);
        self.changed.notify_one();
    }

    fn mark(&self, mark: Uuid) {
        let mut waiting = locked(&self.waiting);
        if waiting.awaited == Some(mark) {
            waiting.awaited = None;
            drop(waiting);
            self.changed.notify_one();
        }
    }

    fn close(&self) {
        locked(&self.waiting).closed = true;
        self.changed.notify_one();
    }

    /// Waits until the mark was heard; false when the ear was closed.
    pub(crate) async fn marked(&self) -> bool {
        loop {
            {
                let waiting = locked(&self.waiting);
                if waiting.closed || waiting.awaited.is_none() {
                    return !waiting.closed;
                }
            }
            self.changed.notified().await;
        }
    }

    /// The next event; none when the ear was closed and everything before was read.
    pub(crate) async fn next(&self) -> Option<Event> {
        loop {
            {
                let mut waiting = locked(&self.waiting);
                if let Some(event) = waiting.events.pop_front() {
                    return Some(event);
                }
                if waiting.closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }
}

#[derive(Default)]
struct Subscribers {
    inboxes: Vec<Weak<Inbox>>,
    closed: bool,
}

struct Shared {
    subscribers: Mutex<Subscribers>,
    connected: watch::Sender<bool>,
}

impl Shared {
    /// Hands something to every subscriber, and forgets those that are gone.
    fn each(&self, mut tell: impl FnMut(&Inbox)) {
        locked(&self.subscribers).inboxes.retain(|inbox| {
            let inbox = inbox.upgrade();
            inbox.inspect(|inbox| tell(inbox)).is_some()
        });
    }

    fn hear(&self, channel: &str, payload: &str) {
        match message::read(channel, payload) {
            Some(Heard::Mark(mark)) => self.each(|inbox| inbox.mark(mark)),
            Some(Heard::Message { channel, payload }) => self.each(|inbox| {
                if inbox.channels.contains(&channel) {
                    inbox.push(Event::Message {
                        channel: channel.clone(),
                        payload: payload.clone(),
                    });
                }
            }),
            None => tracing::debug!(channel, "a notification that is not ours"),
        }
    }

    /// Hears until the connection is lost.
    async fn hear_all(&self, mut listener: PgListener) {
        loop {
            match tokio::time::timeout(SILENCE, listener.try_recv()).await {
                Ok(Ok(Some(heard))) => self.hear(heard.channel(), heard.payload()),
                Ok(Ok(None)) => return,
                Ok(Err(err)) => {
                    tracing::debug!(error = %err, "the connection for notifications failed");
                    return;
                }
                // A link that was cut without a word looks like silence.
                Err(_) => {
                    let asked = sqlx::raw_sql("SELECT 1").execute(&mut listener);
                    if within(ANSWER, asked).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

async fn connect(options: &PgConnectOptions) -> Result<PgListener, sqlx::Error> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(CONNECTING)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.ignore_pool_close_event(true);
    within(CONNECTING, listener.listen_all(message::CHANNELS)).await?;
    Ok(listener)
}

/// A pause of about that long, so that the processes that lost one server do not come back in step.
fn jittered(pause: Duration) -> Duration {
    let dice = u32::from(Uuid::now_v7().as_bytes()[15]);
    pause / 2 + pause * dice / 256
}

/// Connects, hears, and connects again, for ever. Once it listens again, everybody is told of the gap.
async fn listen(shared: Arc<Shared>, options: PgConnectOptions) {
    let mut pause = FIRST_PAUSE;
    loop {
        match connect(&options).await {
            Ok(listener) => {
                pause = FIRST_PAUSE;
                shared.each(|inbox| inbox.push(Event::Gap));
                shared.connected.send_replace(true);
                shared.hear_all(listener).await;
                shared.connected.send_replace(false);
                tracing::warn!("the connection for notifications was lost");
            }
            Err(err) => tracing::debug!(error = %err, "notifications cannot be listened to"),
        }
        tokio::time::sleep(jittered(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Hears what is notified on this program's channels.
pub(crate) struct Ear {
    options: Option<PgConnectOptions>,
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Ear {
    /// An ear that listens where `options` say, once somebody asks; without them, never.
    pub(crate) fn new(options: Option<PgConnectOptions>) -> Self {
        let shared = Shared {
            subscribers: Mutex::default(),
            connected: watch::Sender::new(false),
        };
        Self {
            options,
            shared: Arc::new(shared),
            task: Mutex::default(),
        }
    }

    /// Whether there is anywhere to listen.
    pub(crate) fn can_hear(&self) -> bool {
        self.options.is_some()
    }

    /// Listens to some channels: from now on, or from when a mark is heard.
    pub(crate) fn listen(&self, channels: Vec<String>, awaited: Option<Uuid>) -> Arc<Inbox> {
        let inbox = Arc::new(Inbox {
            channels,
            waiting: Mutex::new(Waiting {
                awaited,
                ..Waiting::default()
            }),
            changed: Notify::new(),
        });
        let mut subscribers = locked(&self.shared.subscribers);
        if subscribers.closed {
            drop(subscribers);
            inbox.close();
            return inbox;
        }
        subscribers.inboxes.push(Arc::downgrade(&inbox));
        drop(subscribers);
        if let Some(options) = &self.options {
            let mut task = locked(&self.task);
            if task.is_none() {
                *task = Some(tokio::spawn(listen(self.shared.clone(), options.clone())));
            }
        }
        inbox
    }

    /// Waits until the ear listens.
    pub(crate) async fn connected(&self) {
        let mut connected = self.shared.connected.subscribe();
        // The sender is in `self`: it is not gone.
        let _listening = connected.wait_for(|connected| *connected).await;
    }

    /// Ends the connection, and all subscriptions after what they still hold.
    pub(crate) fn close(&self) {
        if let Some(task) = locked(&self.task).take() {
            task.abort();
        }
        locked(&self.shared.subscribers).closed = true;
        self.shared.each(Inbox::close);
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.close();
    }
}
