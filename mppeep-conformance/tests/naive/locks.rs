//! Naive locks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mppeep_conformance::{LocksHarness, TestClock};
use mppeep_core::ports::clock::Clock;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::locks::{Held, LockLease, Locks, NAME_MAX_BYTES, OwnerId};
use mppeep_core::ports::maintain::Maintain;
use tokio::time::Instant;

use crate::{clock, mutants, others_run};

#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    /// Looks whether the lock is free, then takes it.
    LooksThenTakes,
    /// Fences are drawn from a sequence before the lock is got, and no row is kept.
    FenceBefore,
    /// Fences begin anew when a lock was given back.
    RowDeleted,
    /// Sweeping removes the rows of free locks.
    SweepsRows,
    /// Whoever names the lock gives it back.
    ReleasesByName,
    /// Fences are not compared: a former lease of the same owner is as good as his present one.
    ComparesOwners,
    /// Its holder gets it again.
    ReEntrant,
    /// A lease lives at the instant at which it ends.
    EndsLate,
    /// A renewal is added to what is left.
    AddsUp,
    /// The holder counts from the answer.
    CountsFromTheAnswer,
    /// Names whatever their case.
    FoldsCase,
    /// A lock never ends by itself.
    ForEver,
}

#[derive(Clone)]
struct Row {
    owner: OwnerId,
    fence: i64,
    expires_at: i64,
}

struct Naive {
    flaw: Flaw,
    clock: TestClock,
    rows: Mutex<HashMap<String, Row>>,
    sequence: Mutex<i64>,
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4)
}

impl Naive {
    fn name(&self, name: &str) -> String {
        if self.flaw == Flaw::FoldsCase {
            name.to_lowercase()
        } else {
            name.to_owned()
        }
    }

    fn lives(&self, row: &Row, now: i64) -> bool {
        let late = self.flaw == Flaw::EndsLate && row.expires_at == now;
        row.expires_at > now || late || self.flaw == Flaw::ForEver && row.expires_at > 0
    }

    fn is_free(&self, name: &str, owner: OwnerId, now: i64) -> bool {
        let rows = self.rows.lock().unwrap();
        rows.get(name)
            .is_none_or(|row| !self.lives(row, now) || self.flaw == Flaw::ReEntrant && row.owner == owner)
    }

    fn drawn(&self) -> i64 {
        let mut sequence = self.sequence.lock().unwrap();
        *sequence += 1;
        *sequence
    }

    fn is_held(&self, row: &Row, lease: &LockLease, now: i64) -> bool {
        match self.flaw {
            Flaw::ReleasesByName => self.lives(row, now),
            Flaw::ComparesOwners => self.lives(row, now) && row.owner == lease.owner,
            _ => self.lives(row, now) && row.owner == lease.owner && row.fence == lease.fence,
        }
    }
}

#[async_trait]
impl Locks for Naive {
    async fn acquire(
        &self,
        name: &str,
        owner: OwnerId,
        ttl: Duration,
    ) -> Result<Option<LockLease>, BackendError> {
        if name.len() > NAME_MAX_BYTES {
            return Err(BackendError::Invalid {
                adapter: "naive",
                what: "a name".to_owned(),
            });
        }
        let far = Duration::from_secs(1 << 32);
        let asked = Instant::now();
        let (key, now) = (self.name(name), self.clock.now().as_microsecond());
        let before = (self.flaw == Flaw::FenceBefore).then(|| self.drawn());
        if self.flaw == Flaw::FenceBefore {
            // Waits for the row.
            while !self.is_free(&key, owner, now) && key == "section" {
                tokio::task::yield_now().await;
            }
        }
        if self.flaw == Flaw::LooksThenTakes {
            if !self.is_free(&key, owner, now) {
                return Ok(None);
            }
            others_run().await;
        }
        let fence = {
            let mut rows = self.rows.lock().unwrap();
            let row = rows.get(&key);
            let taken = row.is_some_and(|row| {
                self.lives(row, now) && !(self.flaw == Flaw::ReEntrant && row.owner == owner)
            });
            if taken && self.flaw != Flaw::LooksThenTakes {
                return Ok(None);
            }
            let fence = before.unwrap_or_else(|| row.map_or(1, |row| row.fence + 1));
            let expires_at = now + micros(ttl);
            rows.insert(
                key,
                Row {
                    owner,
                    fence,
                    expires_at,
                },
            );
            fence
        };
        let counted_from = if self.flaw == Flaw::CountsFromTheAnswer {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Instant::now()
        } else {
            asked
        };
        let valid_until = counted_from + ttl.min(far);
        if Instant::now() >= valid_until {
            return Ok(None);
        }
        Ok(Some(LockLease {
            name: name.to_owned(),
            owner,
            fence,
            valid_until,
        }))
    }

    async fn renew(&self, lease: &mut LockLease, ttl: Duration) -> Result<Held, BackendError> {
        let (asked, now) = (Instant::now(), self.clock.now().as_microsecond());
        let mut rows = self.rows.lock().unwrap();
        let Some(row) = rows.get_mut(&self.name(&lease.name)) else {
            return Ok(Held::Lost);
        };
        if !self.is_held(row, lease, now) {
            return Ok(Held::Lost);
        }
        let from = if self.flaw == Flaw::AddsUp {
            row.expires_at
        } else {
            now
        };
        row.expires_at = from + micros(ttl);
        lease.valid_until = asked + ttl;
        Ok(Held::Yes)
    }

    async fn release(&self, lease: &LockLease) -> Result<Held, BackendError> {
        let (key, now) = (self.name(&lease.name), self.clock.now().as_microsecond());
        let mut rows = self.rows.lock().unwrap();
        let Some(row) = rows.get_mut(&key) else {
            return Ok(Held::Lost);
        };
        if !self.is_held(row, lease, now) {
            return Ok(Held::Lost);
        }
        row.expires_at = 0;
        if matches!(self.flaw, Flaw::RowDeleted | Flaw::FenceBefore) {
            rows.remove(&key);
        }
        Ok(Held::Yes)
    }
}

#[async_trait]
impl Maintain for Naive {
    async fn sweep(&self, _: u32) -> Result<u64, BackendError> {
        if self.flaw == Flaw::SweepsRows {
            let now = self.clock.now().as_microsecond();
            self.rows.lock().unwrap().retain(|_, row| row.expires_at > now);
        }
        Ok(0)
    }
}

struct Harness(Arc<Naive>);

fn flawed(flaw: Flaw) -> Harness {
    Harness(Arc::new(Naive {
        flaw,
        clock: clock(),
        rows: Mutex::default(),
        sequence: Mutex::default(),
    }))
}

#[async_trait]
impl LocksHarness for Harness {
    async fn locks_at(&self, _: usize) -> Arc<dyn Locks> {
        self.0.clone()
    }

    async fn locks_maintenance(&self) -> Arc<dyn Maintain> {
        self.0.clone()
    }

    fn clock(&self) -> TestClock {
        self.0.clock.clone()
    }
}

mutants! {
    two_are_inside: flawed(Flaw::LooksThenTakes) => locks::one_holder_at_a_time_and_fences_grow;
    several_get_a_new_lock: flawed(Flaw::LooksThenTakes) => locks::of_many_at_once_one_gets_the_lock;
    several_get_a_lock_that_ended: flawed(Flaw::LooksThenTakes) => locks::of_many_at_the_end_of_a_lease_one_gets_the_lock;
    fences_go_backwards: flawed(Flaw::FenceBefore) => locks::one_holder_at_a_time_and_fences_grow;
    fences_begin_anew: flawed(Flaw::RowDeleted) => locks::fences_grow_across_release_expiry_and_sweeping;
    sweeping_forgets_fences: flawed(Flaw::SweepsRows) => locks::fences_grow_across_release_expiry_and_sweeping;
    anybody_gives_a_lock_back: flawed(Flaw::ReleasesByName) => locks::an_old_holder_changes_nothing;
    an_owner_gives_back_what_he_lost: flawed(Flaw::ComparesOwners) => locks::an_old_holder_changes_nothing;
    a_holder_gets_it_twice: flawed(Flaw::ReEntrant) => locks::a_lock_is_not_re_entrant;
    a_lease_lives_too_long: flawed(Flaw::EndsLate) => locks::a_lock_is_free_exactly_when_its_lease_ends;
    renewals_add_up: flawed(Flaw::AddsUp) => locks::a_renewed_lease_counts_from_now;
    a_lease_is_believed_too_long: flawed(Flaw::CountsFromTheAnswer) => locks::a_lease_is_believed_no_longer_than_granted;
    names_are_mixed: flawed(Flaw::FoldsCase) => locks::names_never_alias;
    a_lost_answer_holds_for_ever: flawed(Flaw::ForEver) => locks::a_cancelled_acquisition_ends_with_its_lease;
}

// Without a flaw the same code passes: what is caught above is the flaw.
mod without_a_flaw {
    use super::*;
    mppeep_conformance::conformance_tests!(locks, flawed(Flaw::None));
}
