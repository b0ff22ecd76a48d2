//! Naive messages.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use mppeep_conformance::PubSubHarness;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::pubsub::{CHANNEL_MAX_BYTES, Event, PAYLOAD_MIN_LIMIT_BYTES, PubSub, Subscription};
use tokio::sync::Notify;

use crate::{mutants, others_run};

#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    /// Each message takes its own way.
    NoOrder,
    /// Who subscribes hears what was said before.
    Replays,
    /// Channels whose names begin alike are one.
    ByPrefix,
    /// Payloads pass through text.
    AsText,
    /// Anything is a name.
    AnyName,
    /// What does not fit is dropped without a word.
    DropsSilently,
    /// Everything is kept.
    Unbounded,
    /// An event is taken before it is waited for.
    TakesEarly,
    /// A cut link loses what comes next without a word.
    SilentCut,
    /// Says that messages were lost before it listens again.
    GapTooEarly,
}

const BACKLOG: usize = 1_024;

struct Inbox {
    channels: Vec<String>,
    events: Mutex<VecDeque<Event>>,
    changed: Notify,
    /// Messages that a cut link loses before it is found again.
    deaf: Mutex<u32>,
}

#[derive(Default)]
struct Hub {
    inboxes: Vec<Arc<Inbox>>,
    said: Vec<(String, Bytes)>,
}

struct Naive {
    flaw: Flaw,
    hub: Arc<Mutex<Hub>>,
}

fn invalid() -> BackendError {
    BackendError::Invalid {
        adapter: "naive",
        what: "a name or payload".to_owned(),
    }
}

fn deliver(flaw: Flaw, inbox: &Inbox, channel: &str, payload: &Bytes) {
    let hears =
        |name: &String| name == channel || flaw == Flaw::ByPrefix && channel.starts_with(name.as_str());
    if !inbox.channels.iter().any(hears) {
        return;
    }
    let mut deaf = inbox.deaf.lock().unwrap();
    if *deaf > 0 {
        *deaf -= 1;
        return;
    }
    let payload = if flaw == Flaw::AsText {
        Bytes::from(String::from_utf8_lossy(payload).into_owned())
    } else {
        payload.clone()
    };
    let mut events = inbox.events.lock().unwrap();
    if events.len() < BACKLOG || flaw == Flaw::Unbounded {
        events.push_back(Event::Message {
            channel: channel.to_owned(),
            payload,
        });
    } else if flaw != Flaw::DropsSilently {
        events.clear();
        events.push_back(Event::Gap);
    }
    inbox.changed.notify_one();
}

impl Naive {
    fn check(&self, channel: &str) -> Result<(), BackendError> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let right = !channel.is_empty() && channel.len() <= CHANNEL_MAX_BYTES && channel.bytes().all(known);
        if right || self.flaw == Flaw::AnyName {
            Ok(())
        } else {
            Err(invalid())
        }
    }
}

#[async_trait]
impl PubSub for Naive {
    async fn publish(&self, channel: &str, payload: Bytes) -> Result<(), BackendError> {
        self.check(channel)?;
        if payload.len() > PAYLOAD_MIN_LIMIT_BYTES {
            return Err(invalid());
        }
        let (flaw, hub, name) = (self.flaw, self.hub.clone(), channel.to_owned());
        if flaw == Flaw::NoOrder {
            let slow = payload.len().is_multiple_of(2);
            tokio::spawn(async move {
                if slow {
                    others_run().await;
                }
                for inbox in &hub.lock().unwrap().inboxes {
                    deliver(flaw, inbox, &name, &payload);
                }
            });
            return Ok(());
        }
        let mut hub = hub.lock().unwrap();
        for inbox in &hub.inboxes {
            deliver(flaw, inbox, &name, &payload);
        }
        hub.said.push((name, payload));
        Ok(())
    }

    async fn subscribe(&self, channels: &[&str]) -> Result<Box<dyn Subscription>, BackendError> {
        channels.iter().try_for_each(|channel| self.check(channel))?;
        let inbox = Arc::new(Inbox {
            channels: channels.iter().map(|channel| (*channel).to_owned()).collect(),
            events: Mutex::default(),
            changed: Notify::new(),
            deaf: Mutex::new(0),
        });
        let mut hub = self.hub.lock().unwrap();
        if self.flaw == Flaw::Replays
            && let Some((channel, payload)) = hub.said.last()
        {
            deliver(self.flaw, &inbox, channel, payload);
        }
        hub.inboxes.push(inbox.clone());
        Ok(Box::new(Listening(self.flaw, inbox)))
    }
}

struct Listening(Flaw, Arc<Inbox>);

#[async_trait]
impl Subscription for Listening {
    async fn next(&mut self) -> Option<Event> {
        loop {
            let event = self.1.events.lock().unwrap().pop_front();
            if let Some(event) = event {
                if self.0 == Flaw::TakesEarly {
                    tokio::task::yield_now().await;
                }
                return Some(event);
            }
            self.1.changed.notified().await;
        }
    }
}

struct Harness(Arc<Naive>);

fn flawed(flaw: Flaw) -> Harness {
    Harness(Arc::new(Naive {
        flaw,
        hub: Arc::default(),
    }))
}

#[async_trait]
impl PubSubHarness for Harness {
    async fn pubsub_at(&self, _: usize) -> Arc<dyn PubSub> {
        self.0.clone()
    }

    fn payload_limit_bytes(&self) -> usize {
        PAYLOAD_MIN_LIMIT_BYTES
    }

    fn backlog(&self) -> usize {
        BACKLOG
    }

    async fn cut(&self, _: usize) -> bool {
        for inbox in &self.0.hub.lock().unwrap().inboxes {
            match self.0.flaw {
                Flaw::SilentCut => *inbox.deaf.lock().unwrap() = 2,
                Flaw::GapTooEarly => {
                    *inbox.deaf.lock().unwrap() = 2;
                    inbox.events.lock().unwrap().push_back(Event::Gap);
                }
                _ => inbox.events.lock().unwrap().push_back(Event::Gap),
            }
            inbox.changed.notify_one();
        }
        self.0.flaw != Flaw::SilentCut
    }
}

mutants! {
    messages_overtake_each_other: flawed(Flaw::NoOrder) => pubsub::messages_arrive_in_the_order_of_each_publisher;
    old_messages_are_heard: flawed(Flaw::Replays) => pubsub::nothing_from_before_is_heard;
    channels_are_mixed: flawed(Flaw::ByPrefix) => pubsub::a_channel_hears_its_own_messages_only;
    bytes_are_taken_for_text: flawed(Flaw::AsText) => pubsub::payloads_come_back_byte_for_byte;
    any_name_is_taken: flawed(Flaw::AnyName) => pubsub::wrong_names_and_payloads_are_refused;
    losses_are_not_told: flawed(Flaw::DropsSilently) => pubsub::a_slow_subscriber_hears_a_gap;
    memory_grows_without_end: flawed(Flaw::Unbounded) => pubsub::a_slow_subscriber_hears_a_gap;
    a_dropped_wait_takes_an_event: flawed(Flaw::TakesEarly) => pubsub::a_dropped_wait_loses_nothing;
    the_gap_comes_before_the_ear: flawed(Flaw::GapTooEarly) => pubsub::after_a_gap_nothing_is_missed;
    a_cut_link_says_nothing: flawed(Flaw::SilentCut) => pubsub::after_a_gap_nothing_is_missed;
}

// Without a flaw the same code passes: what is caught above is the flaw.
mod without_a_flaw {
    use super::*;
    mppeep_conformance::conformance_tests!(pubsub, flawed(Flaw::None));
}
