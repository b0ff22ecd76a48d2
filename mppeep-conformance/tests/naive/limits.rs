//! Naive rate limiters and counters of login attempts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mppeep_conformance::{LoginAttemptsHarness, RateLimiterHarness, TestClock};
use mppeep_core::ports::clock::{Clock, SystemClock, SystemEntropy, new_uuid};
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::login_attempts::{Attempt, AttemptId, AttemptLimits, Begun, LoginAttempts};
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::rate_limiter::{Decision, Gcra, RateLimiter};

use crate::{clock, mutants, others_run};

#[derive(Clone, Copy, PartialEq)]
enum Limit {
    None,
    /// Reads the state, then writes it.
    GetThenSet,
    /// Glues policy and key together.
    GluedKeys,
    /// A refusal takes its share as well.
    RefusalsTake,
    /// Counts requests in windows that begin with the first one.
    FixedWindow,
    /// Remembers nothing of a state that lies in the future.
    ForgetsTheFuture,
}

struct NaiveLimiter {
    flaw: Limit,
    clock: TestClock,
    arrivals: Mutex<HashMap<String, i64>>,
    one: Mutex<()>,
}

impl NaiveLimiter {
    fn stored(&self, name: &str, policy: &Gcra, now: i64) -> Option<i64> {
        let stored = self.arrivals.lock().unwrap().get(name).copied();
        match self.flaw {
            Limit::ForgetsTheFuture => stored.filter(|at| *at <= now + policy.tolerance_micros()),
            // The state is the end of the window; the burst is whole again after it.
            Limit::FixedWindow => stored.filter(|at| now < *at),
            _ => stored,
        }
    }

    fn judge(&self, name: String, policy: &Gcra, stored: Option<i64>, now: i64) -> Decision {
        let (decision, next) = policy.judge(stored, now);
        let next = match self.flaw {
            Limit::RefusalsTake => {
                Some(next.unwrap_or_else(|| stored.unwrap_or(now) + policy.interval_micros()))
            }
            Limit::FixedWindow => {
                next.map(|next| stored.map_or(now + policy.tolerance_micros() / 2, |_| next))
            }
            _ => next,
        };
        if let Some(next) = next {
            self.arrivals.lock().unwrap().insert(name, next);
        }
        decision
    }
}

#[async_trait]
impl RateLimiter for NaiveLimiter {
    async fn take(&self, policy: &Gcra, key: &str) -> Result<Decision, BackendError> {
        let name = match self.flaw {
            Limit::GluedKeys => format!("{}{key}", policy.name),
            _ => format!("{:?}", (policy.name, key)),
        };
        let now = self.clock.now().as_microsecond();
        if self.flaw == Limit::GetThenSet {
            let stored = self.stored(&name, policy, now);
            others_run().await;
            return Ok(self.judge(name, policy, stored, now));
        }
        let _one = self.one.lock().unwrap();
        let stored = self.stored(&name, policy, now);
        Ok(self.judge(name, policy, stored, now))
    }
}

struct LimiterHarness(Arc<NaiveLimiter>, TestClock);

fn limiter(flaw: Limit) -> LimiterHarness {
    let clock = clock();
    let naive = NaiveLimiter {
        flaw,
        clock: clock.clone(),
        arrivals: Mutex::default(),
        one: Mutex::default(),
    };
    LimiterHarness(Arc::new(naive), clock)
}

#[async_trait]
impl RateLimiterHarness for LimiterHarness {
    async fn limiter(&self, _: usize) -> Arc<dyn RateLimiter> {
        self.0.clone()
    }

    fn clock(&self) -> TestClock {
        self.1.clone()
    }
}

mutants! {
    more_than_the_burst_passes: limiter(Limit::GetThenSet) => rate_limiter::a_burst_over_two_instances_is_exact;
    policies_share_a_state: limiter(Limit::GluedKeys) => rate_limiter::policies_and_keys_never_share_a_state;
    a_refusal_costs: limiter(Limit::RefusalsTake) => rate_limiter::refusals_take_nothing;
    a_refusal_lengthens_the_wait: limiter(Limit::RefusalsTake) => rate_limiter::waiting_exactly_retry_after_passes;
    windows_are_fixed: limiter(Limit::FixedWindow) => rate_limiter::every_answer_agrees_with_the_model;
    a_clock_set_back_unlocks: limiter(Limit::ForgetsTheFuture) => rate_limiter::a_clock_set_back_unlocks_nobody_and_locks_nobody_out;
}

#[derive(Clone, Copy, PartialEq)]
enum Attempts {
    None,
    /// Counts, then inserts.
    CheckThenInsert,
    /// A success forgets every failure of the address.
    SuccessForgetsAll,
    /// A blocked attempt begins the window anew.
    BlockedRenews,
    /// Attempts in flight hold no slot.
    NoSlots,
    /// No limit for an account.
    NoAccountLimit,
    /// An account is locked for good.
    LocksAccounts,
    /// Counts by account alone.
    ByAccount,
    /// An attempt that never settles keeps its slot.
    KeepsSlots,
    /// Every address is slowed down alike.
    KnowsNobody,
    /// Nothing is ever removed.
    NeverSweeps,
    /// A failure that is settled twice counts twice.
    CountsTwice,
    /// A success anywhere forgets the account's failures everywhere.
    ForgetsElsewhere,
}

struct Try {
    id: AttemptId,
    address: String,
    account: String,
    at: i64,
    failed: bool,
}

#[derive(Default)]
struct Counted {
    tries: Vec<Try>,
    /// Failures in a row, and when the next attempt may come.
    accounts: HashMap<String, (u32, i64)>,
    /// Account and address, and until when they are known to each other.
    known: HashMap<(String, String), i64>,
}

struct NaiveAttempts {
    flaw: Attempts,
    clock: TestClock,
    counted: Mutex<Counted>,
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap()
}

fn blocked(micros: i64) -> Begun {
    Begun::Blocked {
        retry_after: Duration::from_micros(u64::try_from(micros).unwrap_or(1)),
    }
}

impl NaiveAttempts {
    /// What is answered now; with an attempt, its slot is taken unless the flaw leaves that for later.
    fn step(&self, who: &Attempt, limits: &AttemptLimits) -> Begun {
        let now = self.clock.now().as_microsecond();
        let limit = usize::try_from(limits.per_address).unwrap();
        let mut counted = self.counted.lock().unwrap();
        let same = |attempt: &&Try| match self.flaw {
            Attempts::ByAccount => attempt.account == who.account,
            _ => attempt.address == who.address,
        };
        let window = micros(limits.window);
        let failures: Vec<i64> = counted
            .tries
            .iter()
            .filter(same)
            .filter(|attempt| attempt.failed && now < attempt.at + window)
            .map(|attempt| attempt.at)
            .collect();
        let lives = |at: i64| self.flaw == Attempts::KeepsSlots || now < at + micros(limits.in_flight);
        let flying = counted
            .tries
            .iter()
            .filter(same)
            .filter(|attempt| !attempt.failed && lives(attempt.at))
            .count();
        if failures.len() >= limit {
            if self.flaw == Attempts::BlockedRenews {
                for attempt in counted
                    .tries
                    .iter_mut()
                    .filter(|attempt| attempt.address == who.address)
                {
                    attempt.at = now;
                }
            }
            return blocked(failures.iter().min().copied().unwrap_or(now) + window - now);
        }
        if failures.len() + flying >= limit && self.flaw != Attempts::NoSlots {
            return Begun::Wait;
        }
        let pair = (who.account.clone(), who.address.clone());
        let known =
            self.flaw != Attempts::KnowsNobody && counted.known.get(&pair).is_some_and(|until| now < *until);
        if let Some((failed, next)) = counted.accounts.get(&who.account).copied()
            && failed >= limits.account_threshold
            && self.flaw != Attempts::NoAccountLimit
            && !known
        {
            if self.flaw == Attempts::LocksAccounts || now < next {
                return blocked(next - now);
            }
            if self.flaw != Attempts::CheckThenInsert {
                counted
                    .accounts
                    .insert(who.account.clone(), (failed, now + micros(limits.account_delay)));
            }
        }
        let id = AttemptId(new_uuid(&SystemClock, &SystemEntropy));
        if self.flaw != Attempts::CheckThenInsert {
            counted.tries.push(Try::new(id, who, now, false));
        }
        Begun::Go {
            id,
            remaining: u32::try_from(limit.saturating_sub(failures.len() + flying + 1)).unwrap(),
        }
    }
}

impl Try {
    fn new(id: AttemptId, who: &Attempt, at: i64, failed: bool) -> Self {
        Self {
            id,
            address: who.address.clone(),
            account: who.account.clone(),
            at,
            failed,
        }
    }
}

#[async_trait]
impl LoginAttempts for NaiveAttempts {
    async fn begin(&self, who: &Attempt, limits: &AttemptLimits) -> Result<Begun, BackendError> {
        let begun = self.step(who, limits);
        if self.flaw == Attempts::CheckThenInsert
            && let Begun::Go { id, .. } = &begun
        {
            others_run().await;
            let now = self.clock.now().as_microsecond();
            self.counted
                .lock()
                .unwrap()
                .tries
                .push(Try::new(*id, who, now, false));
        }
        Ok(begun)
    }

    async fn settle(
        &self,
        id: AttemptId,
        who: &Attempt,
        limits: &AttemptLimits,
        success: bool,
    ) -> Result<(), BackendError> {
        let now = self.clock.now().as_microsecond();
        let mut counted = self.counted.lock().unwrap();
        let settled = counted
            .tries
            .iter()
            .any(|attempt| attempt.id == id && attempt.failed);
        if settled && self.flaw != Attempts::CountsTwice && !success {
            return Ok(());
        }
        counted.tries.retain(|attempt| attempt.id != id || attempt.failed);
        if success {
            counted.tries.retain(|attempt| {
                let here = attempt.address == who.address || self.flaw == Attempts::ForgetsElsewhere;
                let theirs = attempt.account == who.account || self.flaw == Attempts::SuccessForgetsAll;
                !(attempt.failed && here && theirs)
            });
            counted.accounts.remove(&who.account);
            let pair = (who.account.clone(), who.address.clone());
            counted.known.insert(pair, now + micros(limits.known_for));
            return Ok(());
        }
        counted.tries.push(Try::new(id, who, now, true));
        let account = counted.accounts.entry(who.account.clone()).or_default();
        *account = (account.0 + 1, now + micros(limits.account_delay));
        Ok(())
    }
}

#[async_trait]
impl Maintain for NaiveAttempts {
    async fn sweep(&self, limit: u32) -> Result<u64, BackendError> {
        let (now, limits) = (self.clock.now().as_microsecond(), AttemptLimits::default());
        let mut left = if self.flaw == Attempts::NeverSweeps {
            0
        } else {
            u64::from(limit)
        };
        let all = left;
        let mut sweep = |dead: bool| {
            let goes = dead && left > 0;
            left -= u64::from(goes);
            !goes
        };
        let mut counted = self.counted.lock().unwrap();
        counted.tries.retain(|attempt| {
            let life = if attempt.failed {
                limits.window
            } else {
                limits.in_flight
            };
            sweep(attempt.at + micros(life) <= now)
        });
        counted
            .accounts
            .retain(|_, (_, next)| sweep(*next + micros(limits.window) <= now));
        counted.known.retain(|_, until| sweep(*until <= now));
        Ok(all - left)
    }
}

struct AttemptsHarness(Arc<NaiveAttempts>, TestClock);

fn attempts(flaw: Attempts) -> AttemptsHarness {
    let clock = clock();
    AttemptsHarness(
        Arc::new(NaiveAttempts {
            flaw,
            clock: clock.clone(),
            counted: Mutex::default(),
        }),
        clock,
    )
}

#[async_trait]
impl LoginAttemptsHarness for AttemptsHarness {
    async fn attempts(&self, _: usize) -> Arc<dyn LoginAttempts> {
        self.0.clone()
    }

    async fn attempts_maintenance(&self) -> Arc<dyn Maintain> {
        self.0.clone()
    }

    fn clock(&self) -> TestClock {
        self.1.clone()
    }
}

mod of_attempts {
    use super::*;

    mutants! {
        more_than_five_are_evaluated: attempts(Attempts::CheckThenInsert) => login_attempts::thirty_wrong_passwords_at_once_are_five;
        flights_hold_no_slot: attempts(Attempts::NoSlots) => login_attempts::thirty_wrong_passwords_at_once_are_five;
        nobody_ever_waits: attempts(Attempts::NoSlots) => login_attempts::twelve_right_passwords_at_once_all_pass;
        own_logins_help: attempts(Attempts::SuccessForgetsAll) => login_attempts::own_logins_never_help_guessing_another_account;
        knocking_keeps_it_closed: attempts(Attempts::BlockedRenews) => login_attempts::blocked_attempts_do_not_lengthen_the_window;
        accounts_are_hammered: attempts(Attempts::NoAccountLimit) => login_attempts::a_hammered_account_is_spaced_out_not_locked;
        accounts_are_locked: attempts(Attempts::LocksAccounts) => login_attempts::a_hammered_account_is_spaced_out_not_locked;
        several_pass_a_spaced_account: attempts(Attempts::CheckThenInsert) => login_attempts::a_spaced_account_lets_one_attempt_through_at_a_time;
        owners_are_slowed_down: attempts(Attempts::KnowsNobody) => login_attempts::a_known_address_is_exempt_from_the_spacing;
        addresses_are_not_looked_at: attempts(Attempts::ByAccount) => login_attempts::five_failures_block_until_the_oldest_ends;
        slots_are_kept: attempts(Attempts::KeepsSlots) => login_attempts::an_attempt_that_never_settles_frees_its_slot;
        failures_count_twice: attempts(Attempts::CountsTwice) => login_attempts::a_late_failure_counts_once;
        a_success_elsewhere_helps: attempts(Attempts::ForgetsElsewhere) => login_attempts::a_success_gives_back_only_its_own_failures;
        rows_stay_for_ever: attempts(Attempts::NeverSweeps) => login_attempts::sweeping_changes_no_answer_and_leaves_nothing_for_ever;
    }
}

// Without a flaw the same code passes: what is caught above is the flaw.
mod without_a_flaw {
    use super::*;
    mppeep_conformance::conformance_tests!(rate_limiter, limiter(Limit::None));
    mppeep_conformance::conformance_tests!(login_attempts, attempts(Attempts::None));
}
