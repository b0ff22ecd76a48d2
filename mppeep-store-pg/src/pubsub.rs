//! Messages, as notifications: committed by the publisher, heard on the one connection that listens.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::pubsub::{Event, PubSub, Subscription};
use tokio::time::Instant;
use uuid::Uuid;

use crate::PgStore;
use crate::ear::{BACKLOG, Inbox};
use crate::error::{self, ADAPTER};
use crate::message::{self, CHANNEL};

/// How long a subscription may take to begin.
const SUBSCRIBING: Duration = Duration::from_secs(3);
/// After that long without its mark a subscription sends it again: the link may just have been lost.
const MARKING: Duration = Duration::from_millis(500);

struct PgSubscription(Arc<Inbox>);

#[async_trait]
impl Subscription for PgSubscription {
    async fn next(&mut self) -> Option<Event> {
        self.0.next().await
    }
}

fn unavailable() -> BackendError {
    BackendError::Unavailable {
        adapter: ADAPTER,
        source: None,
    }
}

impl PgStore {
    /// Size of the largest payload of a message, in bytes.
    pub const MESSAGE_LIMIT_BYTES: usize = message::PAYLOAD_LIMIT_BYTES;
    /// Messages kept for a subscriber who does not read them; one more, and he hears a gap instead of all.
    pub const MESSAGE_BACKLOG: usize = BACKLOG;

    async fn tell(&self, told: &str) -> Result<(), BackendError> {
        sqlx::query!(r#"SELECT pg_notify($1, $2)::text AS told"#, CHANNEL, told)
            .fetch_one(self.quick())
            .await
            .map_err(error::write)?;
        Ok(())
    }

    /// Sends the mark until it is heard. Notifications come in the order of their commits: what is heard after the mark
    /// was published after the subscription was asked for.
    async fn begin_at(&self, mark: Uuid, inbox: &Inbox) -> Result<(), BackendError> {
        self.ear().connected().await;
        let told = message::write_mark(mark);
        loop {
            self.tell(&told).await?;
            match tokio::time::timeout(MARKING, inbox.marked()).await {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(unavailable()),
                Err(_) => {}
            }
        }
    }
}

#[async_trait]
impl PubSub for PgStore {
    async fn publish(&self, channel: &str, payload: Bytes) -> Result<(), BackendError> {
        message::check_channel(channel)?;
        self.tell(&message::write(channel, &payload)?).await
    }

    async fn subscribe(&self, channels: &[&str]) -> Result<Box<dyn Subscription>, BackendError> {
        channels
            .iter()
            .try_for_each(|channel| message::check_channel(channel))?;
        if !self.ear().can_hear() {
            return Err(unavailable());
        }
        let ends_at = Instant::now() + SUBSCRIBING;
        let channels = channels.iter().map(|channel| (*channel).to_owned()).collect();
        let mark = Uuid::now_v7();
        let inbox = self.ear().listen(channels, Some(mark));
        tokio::time::timeout_at(ends_at, self.begin_at(mark, &inbox))
            .await
            .map_err(|_| unavailable())??;
        Ok(Box::new(PgSubscription(inbox)))
    }
}
