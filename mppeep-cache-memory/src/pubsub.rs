//! Messages within one process.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::pubsub::{CHANNEL_MAX_BYTES, Event, PAYLOAD_MIN_LIMIT_BYTES, PubSub, Subscription};
use tokio::sync::Notify;

use crate::ADAPTER;

/// Messages kept for a subscriber who does not read them.
const BACKLOG: usize = 1_024;

/// Publishes to the subscribers of this process. A subscriber who falls more than [`MemoryPubSub::BACKLOG`] messages
/// behind loses them and hears [`Event::Gap`]. Dropping the value ends its subscriptions, after what they still hold.
#[derive(Default)]
pub struct MemoryPubSub(Arc<Registry>);

impl std::fmt::Debug for MemoryPubSub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryPubSub").finish_non_exhaustive()
    }
}

/// Who listens to what.
#[derive(Default)]
struct Registry(Mutex<Listeners>);

#[derive(Default)]
struct Listeners {
    last: u64,
    by_channel: HashMap<String, Vec<(u64, Arc<Inbox>)>>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Listeners> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a subscriber has not read yet.
#[derive(Default)]
struct Inbox {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    closed: bool,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message; one too many takes the place of all that wait, as a gap. What was published before the gap is
    /// heard can be read again by whoever hears it, so nothing is lost twice.
    fn push(&self, message: Event) {
        let mut waiting = self.lock();
        if waiting.events.len() >= BACKLOG {
            waiting.events.clear();
            waiting.events.push_back(Event::Gap);
        } else {
            waiting.events.push_back(message);
        }
        drop(waiting);
        self.changed.notify_one();
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }
}

fn invalid(what: String) -> BackendError {
    BackendError::Invalid {
        adapter: ADAPTER,
        what,
    }
}

fn check_channel(channel: &str) -> Result<(), BackendError> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if channel.is_empty() || channel.len() > CHANNEL_MAX_BYTES || !channel.bytes().all(known) {
        return Err(invalid("the name of a channel".to_owned()));
    }
    Ok(())
}

impl MemoryPubSub {
    /// Messages kept for a subscriber who does not read them.
    pub const BACKLOG: usize = BACKLOG;
    /// Size of the largest payload. It is what every adapter takes, so that a program that works on this one works on
    /// the others.
    pub const PAYLOAD_LIMIT_BYTES: usize = PAYLOAD_MIN_LIMIT_BYTES;

    /// Nobody listens yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Drop for MemoryPubSub {
    fn drop(&mut self) {
        for (_, inbox) in self.0.lock().by_channel.values().flatten() {
            inbox.close();
        }
    }
}

#[async_trait]
impl PubSub for MemoryPubSub {
    async fn publish(&self, channel: &str, payload: Bytes) -> Result<(), BackendError> {
        check_channel(channel)?;
        if payload.len() > Self::PAYLOAD_LIMIT_BYTES {
            return Err(invalid(format!("a payload of {} bytes", payload.len())));
        }
        // The lock of the registry is held while inboxes are filled: two publishers reach all subscribers in one order.
        let listeners = self.0.lock();
        for (_, inbox) in listeners.by_channel.get(channel).into_iter().flatten() {
            inbox.push(Event::Message {
                channel: channel.to_owned(),
                payload: payload.clone(),
            });
        }
        Ok(())
    }

    async fn subscribe(&self, channels: &[&str]) -> Result<Box<dyn Subscription>, BackendError> {
        let channels: BTreeSet<&str> = channels.iter().copied().collect();
        channels.iter().try_for_each(|channel| check_channel(channel))?;
        let inbox = Arc::new(Inbox::default());
        let mut listeners = self.0.lock();
        listeners.last += 1;
        let number = listeners.last;
        for channel in channels {
            listeners
                .by_channel
                .entry(channel.to_owned())
                .or_default()
                .push((number, inbox.clone()));
        }
        drop(listeners);
        Ok(Box::new(Listening {
            number,
            inbox,
            registry: self.0.clone(),
        }))
    }
}

/// A subscription.
struct Listening {
    number: u64,
    inbox: Arc<Inbox>,
    registry: Arc<Registry>,
}

#[async_trait]
impl Subscription for Listening {
    async fn next(&mut self) -> Option<Event> {
        loop {
            {
                let mut waiting = self.inbox.lock();
                if let Some(event) = waiting.events.pop_front() {
                    return Some(event);
                }
                if waiting.closed {
                    return None;
                }
            }
            // A change since the look above left its permit behind.
            self.inbox.changed.notified().await;
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut listeners = self.registry.lock();
        listeners.by_channel.retain(|_, inboxes| {
            inboxes.retain(|(number, _)| *number != self.number);
            !inboxes.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_nobody_listens_to_any_more_is_forgotten() {
        let hub = MemoryPubSub::new();
        let both = hub.subscribe(&["a", "b", "a"]).await.unwrap();
        let one = hub.subscribe(&["a"]).await.unwrap();
        assert_eq!(hub.0.lock().by_channel["a"].len(), 2);
        drop(both);
        assert_eq!(hub.0.lock().by_channel.len(), 1);
        drop(one);
        assert!(hub.0.lock().by_channel.is_empty());
    }

    #[tokio::test]
    async fn a_closed_hub_ends_its_subscriptions_after_what_they_hold() {
        let hub = MemoryPubSub::new();
        let mut listening = hub.subscribe(&["a"]).await.unwrap();
        hub.publish("a", Bytes::from_static(b"last")).await.unwrap();
        drop(hub);
        assert!(matches!(listening.next().await, Some(Event::Message { .. })));
        assert_eq!(listening.next().await, None);
        assert_eq!(listening.next().await, None);
    }

    #[tokio::test]
    async fn a_subscriber_who_sleeps_keeps_a_bounded_backlog() {
        let hub = MemoryPubSub::new();
        let _sleeper = hub.subscribe(&["a"]).await.unwrap();
        for _ in 0..10 * BACKLOG {
            hub.publish("a", Bytes::from_static(b"x")).await.unwrap();
        }
        let (_, inbox) = hub.0.lock().by_channel["a"][0].clone();
        assert!(inbox.lock().events.len() <= BACKLOG);
    }
}
