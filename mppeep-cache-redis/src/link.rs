//! The one connection that all calls share, and its life: opened when first needed, given up at the first doubt,
//! opened again in the background.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, PushInfo, PushKind};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::breaker::Breaker;
use crate::doubt::Doubts;
use crate::error::{Failure, describe};
use crate::health::{Counters, LinkState, RedisHealth};
use crate::options::RedisOptions;

/// Requests that may wait to be written to the connection.
const QUEUE: usize = 256;

/// A connection younger than that is not given up over an answer that a new one would give as well.
const YOUNG: Duration = Duration::from_secs(1);

/// Everything that the clones of an adapter share.
pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) options: RedisOptions,
    pub(crate) counters: Counters,
    pub(crate) breaker: Mutex<Breaker>,
    pub(crate) doubts: Doubts,
    state: Mutex<State>,
    /// Changes with each attempt to connect and with its outcome.
    turns: watch::Sender<u64>,
    closed: watch::Sender<bool>,
    this: Weak<Self>,
}

struct State {
    current: Option<Arc<Connection>>,
    dialling: Dialling,
    /// Attempts and connections in a row that served no call.
    fruitless: u32,
    used: bool,
    since: Instant,
    last_error: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialling {
    /// Nobody dials.
    No,
    /// An attempt is under way.
    Now,
    /// An attempt failed; the next one comes later.
    Later,
}

/// A connection, which calls share.
pub(crate) struct Connection {
    mux: MultiplexedConnection,
    /// Set when the connection is over, for those who wait for an answer on it.
    ended: Arc<watch::Sender<bool>>,
    opened: Instant,
    served: AtomicBool,
    nonce_base: [u8; 8],
    nonces: AtomicU64,
}

impl Connection {
    /// Text that no other call on any connection carries.
    pub(crate) fn nonce(&self) -> [u8; 16] {
        let count = self.nonces.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        let mut nonce = [0u8; 16];
        for (to, from) in nonce.iter_mut().zip(self.nonce_base.into_iter().chain(count)) {
            *to = from;
        }
        nonce
    }

    /// Sends one command, and waits for its answer until `until`.
    pub(crate) async fn exchange(
        &self,
        command: &redis::Cmd,
        until: Instant,
    ) -> Result<redis::Value, Failure> {
        let mut mux = self.mux.clone();
        let mut ended = self.ended.subscribe();
        // An answer that is there counts, even when the connection is over or the time is up.
        tokio::select! {
            biased;
            answer = mux.send_packed_command(command) => answer.map_err(|error| Failure::client(&error)),
            _ = ended.wait_for(|ended| *ended) => Err(Failure::Lost("given up".to_owned())),
            () = tokio::time::sleep_until(until.into()) => Err(Failure::TimedOut),
        }
    }
}

impl Link {
    pub(crate) fn new(client: Client, options: RedisOptions) -> Arc<Self> {
        let now = Instant::now();
        Arc::new_cyclic(|this| Self {
            client,
            counters: Counters::default(),
            breaker: Mutex::new(Breaker::new(options.breaker, now)),
            doubts: Doubts::default(),
            state: Mutex::new(State {
                current: None,
                dialling: Dialling::No,
                fruitless: 0,
                used: false,
                since: now,
                last_error: None,
            }),
            turns: watch::Sender::new(0),
            closed: watch::Sender::new(false),
            this: this.clone(),
            options,
        })
    }

    /// The connection, once there is one, or why there is none. Nothing was sent in that case.
    pub(crate) async fn connection(&self, until: Instant) -> Result<Arc<Connection>, Failure> {
        let mut turns = self.turns.subscribe();
        let mut tried = false;
        loop {
            if *self.closed.borrow() {
                return Err(Failure::Closed);
            }
            turns.mark_unchanged();
            let (begun, later) = {
                let mut state = locked(&self.state);
                state.used = true;
                if let Some(connection) = &state.current
                    && !*connection.ended.borrow()
                {
                    return Ok(connection.clone());
                }
                let begun = self.dial(&mut state);
                let later = state.dialling == Dialling::Later;
                (begun, later.then(|| state.last_error.clone().unwrap_or_default()))
            };
            if let Some(begun) = begun {
                begun.go();
            }
            if let Some(error) = later {
                return Err(if tried {
                    Failure::NotConnected(error)
                } else {
                    Failure::NotYet(error)
                });
            }
            tried = true;
            if tokio::time::timeout_at(until.into(), turns.changed())
                .await
                .is_err()
            {
                return Err(Failure::NotConnected("connecting takes too long".to_owned()));
            }
        }
    }

    /// A call on that connection was answered.
    pub(crate) fn served(&self, connection: &Connection) {
        if !connection.served.swap(true, Ordering::Relaxed) {
            let mut state = locked(&self.state);
            state.fruitless = 0;
            state.last_error = None;
        }
    }

    /// Gives a connection up. Whoever waits on it learns it at once, and a new one is opened.
    pub(crate) fn retire(&self, connection: &Connection, why: &Failure) {
        self.ended(&connection.ended, &why.to_string());
    }

    /// As [`Link::retire`], unless the connection is so young that the next one would hear the same.
    pub(crate) fn retire_unless_young(&self, connection: &Connection, why: &Failure) {
        if connection.opened.elapsed() >= YOUNG {
            self.retire(connection, why);
        }
    }

    fn ended(&self, ended: &Arc<watch::Sender<bool>>, why: &str) {
        ended.send_replace(true);
        let mut state = locked(&self.state);
        let Some(connection) = state
            .current
            .take_if(|current| Arc::ptr_eq(&current.ended, ended))
        else {
            return;
        };
        self.counters.losses.add();
        tracing::info!(adapter = crate::ADAPTER, why, "the connection to Redis is over");
        state.since = Instant::now();
        state.last_error = Some(why.to_owned());
        if !connection.served.load(Ordering::Relaxed) {
            state.fruitless = state.fruitless.saturating_add(1);
        }
        let begun = self.dial(&mut state);
        drop(state);
        if let Some(begun) = begun {
            begun.go();
        }
    }

    /// Begins to dial, unless somebody does or nobody may.
    fn dial(&self, state: &mut State) -> Option<Begun> {
        let runtime = Handle::try_current().ok()?;
        if state.dialling != Dialling::No || *self.closed.borrow() {
            return None;
        }
        let pause = self.pause(state.fruitless);
        state.dialling = if pause.is_zero() {
            Dialling::Now
        } else {
            Dialling::Later
        };
        let dialler = Dialler {
            link: self.this.clone(),
            done: false,
        };
        Some(Begun {
            runtime,
            dialler,
            pause,
        })
    }

    /// How long to wait before the next attempt, after so many that led to nothing.
    fn pause(&self, fruitless: u32) -> Duration {
        if fruitless == 0 {
            return Duration::ZERO;
        }
        let longest = self.options.longest_reconnect_pause;
        let doubled = 1u32.checked_shl(fruitless - 1).unwrap_or(u32::MAX);
        let pause = self.options.reconnect_pause.saturating_mul(doubled).min(longest);
        jittered(pause)
    }

    async fn open(&self) -> Result<Connection, String> {
        let ended = Arc::new(watch::Sender::new(false));
        let (link, end) = (self.this.clone(), ended.clone());
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE)
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    end.send_replace(true);
                    if let Some(link) = link.upgrade() {
                        link.ended(&end, "closed by the server or by the network");
                    }
                }
                Ok::<(), ()>(())
            });
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let mux = tokio::time::timeout(self.options.connect_timeout, connecting)
            .await
            .map_err(|_| "connecting takes too long".to_owned())?
            .map_err(|error| describe(&error))?;
        let mut nonce_base = [0u8; 8];
        getrandom::fill(&mut nonce_base).map_err(|_| "there is no randomness".to_owned())?;
        Ok(Connection {
            mux,
            ended,
            opened: Instant::now(),
            served: AtomicBool::new(false),
            nonce_base,
            nonces: AtomicU64::new(0),
        })
    }

    /// Takes a new connection into use, unless it is over already.
    fn install(&self, connection: Connection) -> Result<(), String> {
        let mut state = locked(&self.state);
        if *connection.ended.borrow() {
            return Err("closed by the server or by the network".to_owned());
        }
        if *self.closed.borrow() {
            return Ok(());
        }
        self.counters.connects.add();
        tracing::info!(adapter = crate::ADAPTER, "connected to Redis");
        state.current = Some(Arc::new(connection));
        state.since = Instant::now();
        state.dialling = Dialling::No;
        drop(state);
        self.turns.send_modify(|turn| *turn += 1);
        Ok(())
    }

    /// Notes a failed attempt, and tells how long to wait.
    fn attempt_failed(&self, error: String) -> Duration {
        let mut state = locked(&self.state);
        if state.fruitless == 0 {
            tracing::warn!(adapter = crate::ADAPTER, error, "Redis cannot be reached");
        }
        state.fruitless = state.fruitless.saturating_add(1);
        state.last_error = Some(error);
        state.dialling = Dialling::Later;
        let pause = self.pause(state.fruitless);
        drop(state);
        self.turns.send_modify(|turn| *turn += 1);
        pause
    }

    /// Ends everything: later calls fail, and subscriptions end.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
        let connection = locked(&self.state).current.take();
        if let Some(connection) = connection {
            connection.ended.send_replace(true);
        }
        self.turns.send_modify(|turn| *turn += 1);
    }

    /// Tells when the adapter was closed.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }

    pub(crate) fn health(&self) -> RedisHealth {
        let breaker = locked(&self.breaker).state();
        let state = locked(&self.state);
        RedisHealth {
            link: match (&state.current, state.used) {
                (Some(_), _) => LinkState::Connected,
                (None, false) => LinkState::Idle,
                (None, true) => LinkState::Disconnected,
            },
            since: state.since.elapsed(),
            breaker,
            last_error: state.last_error.clone(),
            counts: self.counters.read(),
        }
    }
}

/// Who is about to dial, once the state is unlocked again: a runtime that ends drops what it is given at once, and who is
/// dropped before he is done wants the state.
#[must_use]
struct Begun {
    runtime: Handle,
    dialler: Dialler,
    pause: Duration,
}

impl Begun {
    fn go(self) {
        self.runtime.spawn(dial(self.dialler, self.pause));
    }
}

/// Whoever dials. If it stops before it is done, with its runtime, somebody else may.
struct Dialler {
    link: Weak<Link>,
    done: bool,
}

impl Drop for Dialler {
    fn drop(&mut self) {
        if !self.done
            && let Some(link) = self.link.upgrade()
        {
            locked(&link.state).dialling = Dialling::No;
        }
    }
}

/// Dials until there is a connection, or nobody who wants one.
async fn dial(mut dialler: Dialler, mut pause: Duration) {
    loop {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let Some(link) = dialler.link.upgrade() else {
            return;
        };
        if *link.closed.borrow() {
            return;
        }
        locked(&link.state).dialling = Dialling::Now;
        link.turns.send_modify(|turn| *turn += 1);
        let installed = match link.open().await {
            Ok(connection) => link.install(connection),
            Err(error) => Err(error),
        };
        match installed {
            Ok(()) => {
                dialler.done = true;
                return;
            }
            Err(error) => pause = link.attempt_failed(error),
        }
    }
}

/// Half of a pause and a random part of the other half, so that many servers do not come back at one instant.
pub(crate) fn jittered(pause: Duration) -> Duration {
    let mut random = [0u8; 1];
    // Without randomness the pause is its shortest, which does no harm.
    let _ = getrandom::fill(&mut random);
    pause / 2 + pause.saturating_mul(u32::from(random[0])) / 510
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::AssertUnwindSafe;
    use std::pin::pin;
    use std::sync::mpsc;
    use std::task::{Context, Waker};

    /// What a connection that breaks while its runtime ends does: the dialler is dropped in the moment that it is spawned.
    #[test]
    fn who_dials_in_a_runtime_that_has_ended_leaves_the_state_free() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let ended = runtime.handle().clone();
        drop(runtime);
        let client = Client::open("redis://127.0.0.1:1").unwrap();
        let link = Link::new(client, RedisOptions::default());
        let (tell, told) = mpsc::channel();
        let dialling = Arc::clone(&link);
        let _may_hang = std::thread::spawn(move || {
            let _entered = ended.enter();
            let asked = std::panic::catch_unwind(AssertUnwindSafe(|| {
                let mut connection = pin!(dialling.connection(Instant::now() + YOUNG));
                let _pending = connection.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            }));
            // The clocks of a runtime that has ended panic, which is all right here: what counts is that it comes back.
            drop(asked);
            tell.send(()).unwrap();
        });
        told.recv_timeout(Duration::from_secs(20))
            .expect("it waits for a lock that it holds");
        assert!(locked(&link.state).dialling == Dialling::No);
    }
}
