//! Messages to whoever listens now. Nothing may depend on one arriving.

use async_trait::async_trait;
use bytes::Bytes;

use super::error::BackendError;

/// Length of the longest name of a channel, which is of ASCII letters, digits, `_` and `-`.
pub const CHANNEL_MAX_BYTES: usize = 40;

/// Size of a payload that every adapter takes, in bytes.
pub const PAYLOAD_MIN_LIMIT_BYTES: usize = 4096;

/// What a subscriber hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message.
    Message {
        /// The channel it was published on.
        channel: String,
        /// Its content.
        payload: Bytes,
    },
    /// Messages may have been lost; the subscription is active again. Read again what the messages would have told.
    Gap,
}

/// An active subscription. Dropping it ends it.
#[async_trait]
pub trait Subscription: Send {
    /// The next event; none when the adapter was closed. Dropping the future loses no event.
    async fn next(&mut self) -> Option<Event>;
}

/// Publishes and listens.
#[async_trait]
pub trait PubSub: Send + Sync {
    /// Sends a message to whoever is subscribed now.
    ///
    /// # Errors
    /// `Invalid` for a channel or payload that no adapter takes, before anything is sent; otherwise `BackendError` when
    /// the backend cannot be reached.
    async fn publish(&self, channel: &str, payload: Bytes) -> Result<(), BackendError>;

    /// Subscribes. Messages published after this returned arrive in the order of each publisher, and none from before. A
    /// subscriber who does not keep up hears `Gap` instead of what he missed.
    ///
    /// # Errors
    /// As `publish`.
    async fn subscribe(&self, channels: &[&str]) -> Result<Box<dyn Subscription>, BackendError>;
}
