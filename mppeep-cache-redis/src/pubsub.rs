//! Messages, and the connections that listen for them.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::pubsub::{CHANNEL_MAX_BYTES, Event, PAYLOAD_MIN_LIMIT_BYTES, PubSub, Subscription};
use redis::aio::{PubSubSink, PubSubStream};
use redis::{Msg, Value};
use tokio::task::AbortHandle;

use crate::ADAPTER;
use crate::buffer::Buffer;
use crate::error::{Failure, describe};
use crate::key::{TAG_BYTES, channel_name, message_tag};
use crate::link::{Link, jittered};
use crate::script;

/// How often a silent subscription is asked whether it is still there.
const BEAT: Duration = Duration::from_secs(1);

/// How long the answer may take.
const BEAT_PATIENCE: Duration = Duration::from_millis(500);

/// Messages through Redis, to all servers that share the prefix.
///
/// Each subscription has a connection of its own, which is made anew when it is lost; its subscriber then hears
/// [`Event::Gap`]. Each message carries a tag over its channel and content, so that a damaged one is a loss, not a lie.
#[derive(Clone)]
pub struct RedisPubSub {
    link: Arc<Link>,
}

impl RedisPubSub {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// Messages that are kept for a subscriber who reads none.
    pub fn backlog(&self) -> usize {
        self.link.options.subscription_buffer.max(2)
    }

    /// Size of the largest payload that is taken, in bytes.
    pub fn payload_limit_bytes(&self) -> usize {
        self.link.options.payload_limit_bytes.max(PAYLOAD_MIN_LIMIT_BYTES)
    }
}

fn invalid(what: String) -> BackendError {
    BackendError::Invalid {
        adapter: ADAPTER,
        what,
    }
}

fn checked(channel: &str) -> Result<&str, BackendError> {
    let is_of_the_alphabet = |channel: &str| {
        channel
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    if channel.is_empty() || channel.len() > CHANNEL_MAX_BYTES || !is_of_the_alphabet(channel) {
        return Err(invalid("a channel that is no short plain name".to_owned()));
    }
    Ok(channel)
}

#[async_trait]
impl PubSub for RedisPubSub {
    async fn publish(&self, channel: &str, payload: Bytes) -> Result<(), BackendError> {
        let limit = self.payload_limit_bytes();
        if payload.len() > limit {
            return Err(invalid(format!(
                "a payload of {} bytes, over {limit}",
                payload.len()
            )));
        }
        let name = channel_name(&self.link.options.prefix, checked(channel)?);
        let mut message = message_tag(&name, &payload).to_vec();
        message.extend_from_slice(&payload);
        let nothing_more = |values: Vec<Value>| values.is_empty().then_some(());
        self.link
            .run(
                &script::PUBLISH,
                name.as_bytes(),
                &[&message],
                self.link.deadline(),
                nothing_more,
            )
            .await
    }

    async fn subscribe(&self, channels: &[&str]) -> Result<Box<dyn Subscription>, BackendError> {
        let mut names = Vec::with_capacity(channels.len());
        for channel in channels {
            let name = channel_name(&self.link.options.prefix, checked(channel)?);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if *self.link.closing().borrow() {
            return Err(Failure::Closed.into());
        }
        let buffer = Arc::new(Buffer::new(self.link.options.subscription_buffer));
        if names.is_empty() {
            let listener = tokio::spawn(hear_nothing(self.link.clone(), buffer.clone())).abort_handle();
            return Ok(Box::new(RedisSubscription { buffer, listener }));
        }
        let source = Source {
            link: self.link.clone(),
            names,
        };
        let line = source
            .open()
            .await
            .map_err(|error| BackendError::from(Failure::NotConnected(error)))?;
        let listener = tokio::spawn(listen(source, line, buffer.clone())).abort_handle();
        Ok(Box::new(RedisSubscription { buffer, listener }))
    }
}

/// A subscription; dropping it closes its connection.
struct RedisSubscription {
    buffer: Arc<Buffer>,
    listener: AbortHandle,
}

impl Drop for RedisSubscription {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

#[async_trait]
impl Subscription for RedisSubscription {
    async fn next(&mut self) -> Option<Event> {
        self.buffer.next().await
    }
}

/// Where a subscription is made, and made anew.
struct Source {
    link: Arc<Link>,
    names: Vec<String>,
}

/// An active subscription on its connection.
struct Line {
    sink: PubSubSink,
    stream: PubSubStream,
}

impl Source {
    /// Connects, and waits until the server has confirmed all channels.
    async fn open(&self) -> Result<Line, String> {
        let options = &self.link.options;
        let late = |_| "subscribing takes too long".to_owned();
        let connecting = self.link.client.get_async_pubsub();
        let connection = tokio::time::timeout(options.connect_timeout, connecting)
            .await
            .map_err(late)?
            .map_err(|error| describe(&error))?;
        let (mut sink, stream) = connection.split();
        tokio::time::timeout(options.operation_timeout, sink.subscribe(self.names.as_slice()))
            .await
            .map_err(late)?
            .map_err(|error| describe(&error))?;
        Ok(Line { sink, stream })
    }

    /// The event that a message is; none when it was damaged.
    fn event(&self, message: &Msg) -> Option<Event> {
        let name: String = message.get_channel().ok()?;
        let channel = name.strip_prefix(&channel_name(&self.link.options.prefix, ""))?;
        if !self.names.contains(&name) {
            return None;
        }
        let (tag, payload) = message.get_payload_bytes().split_at_checked(TAG_BYTES)?;
        (message_tag(&name, payload) == tag).then(|| Event::Message {
            channel: channel.to_owned(),
            payload: Bytes::copy_from_slice(payload),
        })
    }
}

/// Hears messages until the adapter is closed, through as many connections as it takes.
async fn listen(source: Source, mut line: Line, buffer: Arc<Buffer>) {
    let mut closing = source.link.closing();
    let hearing = async {
        loop {
            let began = Instant::now();
            let why = hear(&source, line, &buffer).await;
            tracing::info!(adapter = ADAPTER, why, "a subscription is lost");
            // A line that held for a while is made anew at once.
            let mut failures = u32::from(began.elapsed() < BEAT);
            line = loop {
                if failures > 0 {
                    tokio::time::sleep(pause(&source.link, failures)).await;
                }
                match source.open().await {
                    Ok(line) => break line,
                    Err(error) => {
                        tracing::debug!(adapter = ADAPTER, error, "a subscription is not back yet");
                        failures = failures.saturating_add(1);
                    }
                }
            };
            source.link.counters.resubscriptions.add();
            buffer.gap();
        }
    };
    tokio::select! {
        () = hearing => {}
        _ = closing.wait_for(|closed| *closed) => {}
    }
    buffer.close();
}

/// A subscription to no channel needs no connection.
async fn hear_nothing(link: Arc<Link>, buffer: Arc<Buffer>) {
    let _ = link.closing().wait_for(|closed| *closed).await;
    buffer.close();
}

fn pause(link: &Link, failures: u32) -> Duration {
    let doubled = 1u32.checked_shl(failures - 1).unwrap_or(u32::MAX);
    let pause = link.options.reconnect_pause.saturating_mul(doubled);
    jittered(pause.min(link.options.longest_reconnect_pause))
}

/// Hears messages on one connection, and tells why that ended.
async fn hear(source: &Source, line: Line, buffer: &Buffer) -> &'static str {
    let Line { mut sink, mut stream } = line;
    let messages = async {
        while let Some(message) = std::future::poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await {
            match source.event(&message) {
                Some(event) => buffer.push(event),
                None => return "a message cannot be read",
            }
        }
        "the connection is over"
    };
    let beats = async {
        loop {
            tokio::time::sleep(BEAT).await;
            match tokio::time::timeout(BEAT_PATIENCE, sink.ping::<Value>()).await {
                Ok(Ok(_)) => {}
                _ => return "the server does not answer",
            }
        }
    };
    tokio::select! {
        why = messages => why,
        why = beats => why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_plain_names_are_channels() {
        for name in ["epochs", "live-figures", "A_9", &"x".repeat(CHANNEL_MAX_BYTES)] {
            assert!(checked(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "a b",
            "a:b",
            "é",
            "a*",
            "a\0",
            &"x".repeat(CHANNEL_MAX_BYTES + 1),
        ] {
            assert!(
                matches!(checked(name), Err(BackendError::Invalid { .. })),
                "{name}"
            );
        }
    }
}
