//! What an adapter is opened with.

use std::time::Duration;

use mppeep_core::ports::clock::TimeSource;

use crate::breaker::BreakerSettings;

/// Settings of a [`RedisAdapter`](crate::RedisAdapter).
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// Begins the name of every key and channel. Servers that share it share everything.
    pub prefix: String,
    /// Who judges ends of entries and limits: Redis itself, or an injected clock.
    pub time: TimeSource,
    /// Longest time that opening a connection takes, with name resolution, TLS and password.
    pub connect_timeout: Duration,
    /// Longest time that one exchange with the server takes.
    pub operation_timeout: Duration,
    /// Longest time that a call takes, with the wait for a connection.
    pub call_timeout: Duration,
    /// First pause between two attempts to connect.
    pub reconnect_pause: Duration,
    /// Longest pause between two attempts to connect.
    pub longest_reconnect_pause: Duration,
    /// When calls are held back, and for how long.
    pub breaker: BreakerSettings,
    /// Largest value of the cache, in bytes.
    pub value_limit_bytes: usize,
    /// Largest message, in bytes; at least what the port promises.
    pub payload_limit_bytes: usize,
    /// Messages that are kept for a subscriber who does not keep up.
    pub subscription_buffer: usize,
    /// Root certificates for TLS as PEM, instead of the system's.
    pub root_certificates: Option<Vec<u8>>,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            prefix: "mppeep:".to_owned(),
            time: TimeSource::Backend,
            connect_timeout: Duration::from_millis(250),
            operation_timeout: Duration::from_millis(100),
            call_timeout: Duration::from_millis(150),
            reconnect_pause: Duration::from_millis(100),
            longest_reconnect_pause: Duration::from_secs(1),
            breaker: BreakerSettings::default(),
            value_limit_bytes: 4 << 20,
            payload_limit_bytes: 16 << 10,
            subscription_buffer: 1024,
            root_certificates: None,
        }
    }
}
