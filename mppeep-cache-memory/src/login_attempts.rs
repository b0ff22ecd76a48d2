//! Login attempts of an embedding program.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use mppeep_core::ports::clock::{SystemClock, SystemEntropy, TimeSource, new_uuid};
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::login_attempts::{Attempt, AttemptId, AttemptLimits, Begun, LoginAttempts};
use mppeep_core::ports::maintain::Maintain;

use crate::time::{Timeline, micros, until};

/// Calls of `begin` between two sweeps that they make by themselves.
const SWEEP_EVERY: u32 = 1_024;

/// Counts login failures in this process. A restart forgets them: a server that strangers reach should use a store.
pub struct MemoryLoginAttempts {
    time: Timeline,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    addresses: HashMap<String, Address>,
    accounts: HashMap<String, Account>,
    begun_since_sweep: u32,
}

#[derive(Default)]
struct Address {
    in_flight: Vec<Entry>,
    failures: Vec<Entry>,
}

/// An attempt in flight, or a failure, of one address.
struct Entry {
    id: AttemptId,
    account: String,
    until: i64,
}

#[derive(Default)]
struct Account {
    /// Failures since the last success, from whatever address.
    consecutive: u32,
    /// They are forgotten then, unless another one comes.
    forget_at: i64,
    /// While attempts are spaced out, the next one may begin then.
    next_at: i64,
    /// Addresses that logged in, and until when they are exempt from the spacing.
    known: HashMap<String, i64>,
}

impl MemoryLoginAttempts {
    /// No attempts yet.
    pub fn new(time: TimeSource) -> Self {
        Self {
            time: Timeline::new(time),
            state: Mutex::default(),
        }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl LoginAttempts for MemoryLoginAttempts {
    async fn begin(&self, who: &Attempt, limits: &AttemptLimits) -> Result<Begun, BackendError> {
        let mut state = self.locked();
        let now = self.time.micros();
        state.begun_since_sweep += 1;
        if state.begun_since_sweep >= SWEEP_EVERY {
            state.begun_since_sweep = 0;
            state.sweep(now, u64::MAX);
        }
        let limit = usize::try_from(limits.per_address).unwrap_or(usize::MAX);
        let (failures, in_flight) = match state.addresses.get_mut(&who.address) {
            Some(address) => {
                address.drop_dead(now);
                (address.failures.len(), address.in_flight.len())
            }
            None => (0, 0),
        };
        if failures >= limit {
            // Enough of the oldest failures must end for one slot to be free.
            let ends = state
                .addresses
                .get(&who.address)
                .into_iter()
                .flat_map(|address| &address.failures);
            let mut ends: Vec<i64> = ends.map(|failure| failure.until).collect();
            ends.sort_unstable();
            let free_at = ends.get(failures - limit).copied().unwrap_or(now);
            return Ok(Begun::Blocked {
                retry_after: until(free_at, now),
            });
        }
        let free = limit - failures;
        if in_flight >= free {
            return Ok(Begun::Wait);
        }
        if let Some(account) = state.accounts.get_mut(&who.account) {
            let spaced = account.consecutive >= limits.account_threshold && now < account.forget_at;
            let exempt = account.known.get(&who.address).is_some_and(|until| now < *until);
            if spaced && !exempt {
                if now < account.next_at {
                    return Ok(Begun::Blocked {
                        retry_after: until(account.next_at, now),
                    });
                }
                account.next_at = now.saturating_add(micros(limits.account_delay));
            }
        }
        let id = AttemptId(new_uuid(&SystemClock, &SystemEntropy));
        let slot = Entry {
            id,
            account: who.account.clone(),
            until: now.saturating_add(micros(limits.in_flight)),
        };
        state
            .addresses
            .entry(who.address.clone())
            .or_default()
            .in_flight
            .push(slot);
        Ok(Begun::Go {
            id,
            remaining: u32::try_from(free - in_flight - 1).unwrap_or(u32::MAX),
        })
    }

    async fn settle(
        &self,
        id: AttemptId,
        who: &Attempt,
        limits: &AttemptLimits,
        success: bool,
    ) -> Result<(), BackendError> {
        let mut state = self.locked();
        let now = self.time.micros();
        let address = state.addresses.entry(who.address.clone()).or_default();
        address.in_flight.retain(|slot| slot.id != id);
        if success {
            address.failures.retain(|failure| failure.account != who.account);
            let account = state.accounts.entry(who.account.clone()).or_default();
            account.consecutive = 0;
            account
                .known
                .insert(who.address.clone(), now.saturating_add(micros(limits.known_for)));
            return Ok(());
        }
        if address.failures.iter().any(|failure| failure.id == id) {
            return Ok(()); // settled before
        }
        let window_end = now.saturating_add(micros(limits.window));
        address.failures.push(Entry {
            id,
            account: who.account.clone(),
            until: window_end,
        });
        let account = state.accounts.entry(who.account.clone()).or_default();
        account.consecutive = if account.forget_at <= now {
            1
        } else {
            account.consecutive.saturating_add(1)
        };
        account.forget_at = window_end;
        if account.consecutive >= limits.account_threshold {
            account.next_at = account
                .next_at
                .max(now.saturating_add(micros(limits.account_delay)));
        }
        Ok(())
    }
}

#[async_trait]
impl Maintain for MemoryLoginAttempts {
    async fn sweep(&self, limit: u32) -> Result<u64, BackendError> {
        let now = self.time.micros();
        Ok(self.locked().sweep(now, u64::from(limit)))
    }
}

impl State {
    /// Removes at most `limit` addresses and accounts of which nothing lives any more.
    fn sweep(&mut self, now: i64, limit: u64) -> u64 {
        let mut swept = 0u64;
        self.addresses.retain(|_, address| {
            address.drop_dead(now);
            let dead = address.in_flight.is_empty() && address.failures.is_empty() && swept < limit;
            swept += u64::from(dead);
            !dead
        });
        self.accounts.retain(|_, account| {
            account.known.retain(|_, until| now < *until);
            let counts = account.consecutive > 0 && now < account.forget_at;
            let dead = account.known.is_empty() && !counts && swept < limit;
            swept += u64::from(dead);
            !dead
        });
        swept
    }
}

impl Address {
    fn drop_dead(&mut self, now: i64) {
        self.in_flight.retain(|slot| now < slot.until);
        self.failures.retain(|failure| now < failure.until);
    }
}
