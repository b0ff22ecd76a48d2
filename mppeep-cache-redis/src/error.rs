//! What goes wrong with Redis, in the words of the ports. No text of an error holds a password, a key or a value.

use std::time::Duration;

use mppeep_core::ports::error::BackendError;
use redis::{ErrorKind, RedisError, ServerError};

use crate::ADAPTER;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("calls are held back for {} ms more", .0.as_millis())]
    HeldBack(Duration),
    #[error("there is no connection: {0}")]
    NotConnected(String),
    /// The same, and nobody tried anew for this call.
    #[error("there is no connection, and it is too early to try again: {0}")]
    NotYet(String),
    #[error("the adapter was closed")]
    Closed,
    #[error("the connection was lost before the answer: {0}")]
    Lost(String),
    #[error("no answer in time")]
    TimedOut,
    #[error("the answer belongs to another call")]
    OutOfStep,
    #[error("the answer cannot be read")]
    Unreadable,
    #[error("the server answers {code}")]
    Server { code: String, refusal: bool },
}

impl Failure {
    /// Whether the server has answered this very call, if only to refuse it.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::Server { .. })
    }

    /// An error that the server answered.
    pub(crate) fn server(error: &ServerError) -> Self {
        let code = error.code();
        // Before Redis 7, what a script's command answers is wrapped in an error of the script.
        let inner = REFUSALS.iter().find(|code| {
            error
                .details()
                .is_some_and(|text| text.contains(&format!("-{code} ")))
        });
        Self::Server {
            code: inner.map_or_else(|| printable(code), |code| (*code).to_owned()),
            refusal: inner.is_some() || REFUSALS.contains(&code),
        }
    }

    /// An error of the client.
    pub(crate) fn client(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::Unreadable,
            _ => Self::Lost(describe(error)),
        }
    }
}

/// Answers by which the server says that it did nothing.
const REFUSALS: [&str; 16] = [
    "OOM",
    "READONLY",
    "LOADING",
    "MISCONF",
    "NOAUTH",
    "WRONGPASS",
    "NOPERM",
    "CLUSTERDOWN",
    "MASTERDOWN",
    "NOREPLICAS",
    "BUSY",
    "TRYAGAIN",
    "MOVED",
    "ASK",
    "NOSCRIPT",
    "DENIED",
];

impl From<Failure> for BackendError {
    fn from(failure: Failure) -> Self {
        let adapter = ADAPTER;
        match failure {
            Failure::HeldBack(_)
            | Failure::NotConnected(_)
            | Failure::NotYet(_)
            | Failure::Closed
            | Failure::Server { refusal: true, .. } => Self::Unavailable {
                adapter,
                source: Some(failure.into()),
            },
            Failure::Lost(_) | Failure::TimedOut | Failure::OutOfStep => Self::Indeterminate {
                adapter,
                source: Some(failure.into()),
            },
            Failure::Unreadable => Self::corrupt(adapter, "an answer that cannot be read"),
            Failure::Server { .. } => Self::Other {
                adapter,
                source: failure.into(),
            },
        }
    }
}

/// What may be said of an error: its kind, and the operating system's words.
pub(crate) fn describe(error: &RedisError) -> String {
    match error.kind() {
        // Neither holds anything that was sent: sockets, name resolution, certificates.
        ErrorKind::Io | ErrorKind::Client => error.to_string(),
        ErrorKind::AuthenticationFailed => "authentication failed".to_owned(),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => "an answer that cannot be read".to_owned(),
        _ => match error.code() {
            Some(code) => format!("the server answers {}", printable(code)),
            None => error.category().to_owned(),
        },
    }
}

/// The beginning of a code, which may be garbage.
fn printable(code: &str) -> String {
    code.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(20)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(line: &str) -> BackendError {
        let value = redis::parse_redis_value(line.as_bytes()).unwrap();
        let redis::Value::ServerError(error) = value else {
            panic!("{line} is no error")
        };
        Failure::server(&error).into()
    }

    #[test]
    fn what_the_server_refused_was_certainly_not_applied() {
        for line in [
            "-OOM command not allowed when used memory > 'maxmemory'. script: 5, on @user_script:3.\r\n",
            "-READONLY You can't write against a read only replica.\r\n",
            "-LOADING Redis is loading the dataset in memory\r\n",
            "-MISCONF Redis is configured to save RDB snapshots\r\n",
            "-NOAUTH Authentication required.\r\n",
            "-WRONGPASS invalid username-password pair\r\n",
            "-CLUSTERDOWN The cluster is down\r\n",
            "-ERR Error running script (call to f_5): @user_script:3: @user_script: 3: -OOM command not allowed\r\n",
        ] {
            assert!(matches!(answer(line), BackendError::Unavailable { .. }), "{line}");
        }
        assert!(matches!(answer("-ERR what\r\n"), BackendError::Other { .. }));
    }

    #[test]
    fn what_may_have_been_applied_is_indeterminate() {
        for failure in [
            Failure::Lost(String::new()),
            Failure::TimedOut,
            Failure::OutOfStep,
        ] {
            assert!(matches!(
                BackendError::from(failure),
                BackendError::Indeterminate { .. }
            ));
        }
        for failure in [
            Failure::HeldBack(Duration::ZERO),
            Failure::NotConnected(String::new()),
            Failure::NotYet(String::new()),
            Failure::Closed,
        ] {
            assert!(matches!(
                BackendError::from(failure),
                BackendError::Unavailable { .. }
            ));
        }
        assert!(matches!(
            BackendError::from(Failure::Unreadable),
            BackendError::Corrupt { .. }
        ));
    }
}
