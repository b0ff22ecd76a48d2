//! One call: a script, its answer, and what both tell about the link.

use std::sync::Arc;
use std::time::Instant;

use mppeep_core::layered::spent::{Part, measure};
use mppeep_core::ports::error::BackendError;
use redis::{Cmd, Value};

use crate::breaker::{BreakerState, Outcome, Ticket};
use crate::error::Failure;
use crate::link::{Connection, Link, locked};
use crate::script::Script;

/// The admission of a call by the breaker. Dropped with the call, it tells nothing.
struct Pass<'a> {
    link: &'a Link,
    ticket: Ticket,
    outcome: Outcome,
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut breaker = locked(&self.link.breaker);
        let changed = breaker.settle(&self.ticket, self.outcome, Instant::now());
        let state = breaker.state();
        drop(breaker);
        if changed && self.outcome == Outcome::Failure {
            self.link.counters.openings.add();
            tracing::warn!(
                adapter = crate::ADAPTER,
                "calls to Redis are held back for a while"
            );
        }
        if changed && state == BreakerState::Closed {
            tracing::info!(adapter = crate::ADAPTER, "calls to Redis pass again");
        }
    }
}

impl Link {
    /// When a call that begins now must have ended.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.options.call_timeout
    }

    /// Runs a script on one key. `decode` reads what follows the nonce; an answer that it cannot read ends the
    /// connection, since nothing on it can be trusted any more.
    pub(crate) async fn run<T>(
        &self,
        script: &Script,
        key: &[u8],
        arguments: &[&[u8]],
        deadline: Instant,
        decode: impl FnOnce(Vec<Value>) -> Option<T>,
    ) -> Result<T, BackendError> {
        self.counters.calls.add();
        let call = self.admitted(script, key, arguments, deadline, decode);
        let result = measure(Part::Cache, call).await;
        result.map_err(|failure| {
            self.counters.failures.add();
            match &failure {
                Failure::HeldBack(_) => self.counters.held_back.add(),
                Failure::TimedOut => self.counters.timeouts.add(),
                Failure::OutOfStep | Failure::Unreadable => self.counters.distrusted.add(),
                _ => {}
            }
            failure.into()
        })
    }

    async fn admitted<T>(
        &self,
        script: &Script,
        key: &[u8],
        arguments: &[&[u8]],
        deadline: Instant,
        decode: impl FnOnce(Vec<Value>) -> Option<T>,
    ) -> Result<T, Failure> {
        let ticket = locked(&self.breaker)
            .admit(Instant::now())
            .map_err(Failure::HeldBack)?;
        let mut pass = Pass {
            link: self,
            ticket,
            outcome: Outcome::Nothing,
        };
        let connection = match self.connection(deadline).await {
            Ok(connection) => connection,
            Err(failure) => {
                if matches!(failure, Failure::NotConnected(_)) {
                    pass.outcome = Outcome::Failure;
                }
                return Err(failure);
            }
        };
        let result = self
            .on_connection(&connection, script, key, arguments, deadline)
            .await
            .and_then(|values| decode(values).ok_or(Failure::Unreadable));
        match &result {
            Ok(_) => {
                pass.outcome = Outcome::Success;
                self.served(&connection);
            }
            Err(failure) if failure.is_answer() => {
                pass.outcome = Outcome::Success;
                self.after_refusal(&connection, failure);
            }
            Err(failure) => {
                pass.outcome = Outcome::Failure;
                self.retire(&connection, failure);
            }
        }
        result
    }

    /// Some refusals are those of this connection, and another may fare better: the server may have become a replica
    /// and its name point elsewhere, the password may be another. What nobody knows may be garbage.
    fn after_refusal(&self, connection: &Arc<Connection>, failure: &Failure) {
        let Failure::Server { code, refusal } = failure else {
            return;
        };
        if !refusal || matches!(code.as_str(), "READONLY" | "NOAUTH" | "WRONGPASS" | "NOPERM") {
            self.retire_unless_young(connection, failure);
        }
    }

    async fn on_connection(
        &self,
        connection: &Connection,
        script: &Script,
        key: &[u8],
        arguments: &[&[u8]],
        deadline: Instant,
    ) -> Result<Vec<Value>, Failure> {
        let until = deadline.min(Instant::now() + self.options.operation_timeout);
        let by_name = |nonce: &[u8]| command("EVALSHA", script.hash(), key, nonce, arguments);
        match answer(connection, by_name, until).await {
            Err(Failure::Server { code, .. }) if code == "NOSCRIPT" => {
                // The server has started anew or was told to forget its scripts. It learns this one by running it.
                let by_text = |nonce: &[u8]| command("EVAL", script.body, key, nonce, arguments);
                answer(connection, by_text, until).await
            }
            other => other,
        }
    }
}

fn command(name: &str, script: &str, key: &[u8], nonce: &[u8], arguments: &[&[u8]]) -> Cmd {
    let mut command = Cmd::new();
    command.arg(name).arg(script).arg(1).arg(key).arg(nonce);
    for argument in arguments {
        command.arg(*argument);
    }
    command
}

/// Sends a command, and gives what follows the nonce in its answer.
async fn answer(
    connection: &Connection,
    command: impl FnOnce(&[u8]) -> Cmd,
    until: Instant,
) -> Result<Vec<Value>, Failure> {
    let nonce = connection.nonce();
    match connection.exchange(&command(&nonce), until).await? {
        Value::Array(values) => {
            let mut values = values.into_iter();
            match values.next() {
                Some(Value::BulkString(first)) if first == nonce => Ok(values.collect()),
                _ => Err(Failure::OutOfStep),
            }
        }
        Value::ServerError(error) => Err(Failure::server(&error)),
        _ => Err(Failure::OutOfStep),
    }
}
