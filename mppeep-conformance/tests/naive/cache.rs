//! Naive caches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mppeep_conformance::{CacheHarness, TestClock};
use mppeep_core::ports::cache::{Cache, CacheKey, FillLease, Filled, Lookup, Ttl};
use mppeep_core::ports::clock::Clock;
use mppeep_core::ports::error::BackendError;

use crate::{clock, mutants, others_run};

#[derive(Clone, Copy, Default, PartialEq)]
enum Flaw {
    #[default]
    None,
    /// Looks whether there is a lease, then takes it.
    GetThenLease,
    /// GET, SETEX, DEL: the epoch is not part of the key.
    NoEpoch,
    /// Fills, whoever holds the lease.
    AnyFill,
    /// Fills under a lease that has lapsed, as long as nobody else took it.
    LateFill,
    /// Glues the key's fields together with colons.
    GluedKeys,
    /// Gives every caller a lease.
    NoLease,
    /// Judges the value by its physical expiry, which comes a second late.
    LateExpiry,
    /// Takes values for text.
    Text,
    /// Cuts what is too long.
    Cut,
    /// Lets every caller refresh a stale value.
    ManyRefreshers,
    /// Never frees a lease that is given back.
    Keeps,
}

#[derive(Clone, Default)]
struct Slot {
    value: Option<(Bytes, i64, i64)>,
    lease: Option<(u128, i64)>,
}

struct Naive {
    flaw: Flaw,
    clock: TestClock,
    slots: Mutex<(HashMap<String, Slot>, u128)>,
}

const LIMIT: usize = 2 << 20;

impl Naive {
    fn name(&self, key: &CacheKey) -> String {
        match self.flaw {
            Flaw::GluedKeys => format!("{}:{}:{}:{}", key.namespace, key.schema, key.epoch, key.key),
            Flaw::NoEpoch => format!("{:?}", (&key.namespace, key.schema, &key.key)),
            _ => format!("{key:?}"),
        }
    }

    fn now(&self) -> i64 {
        self.clock.now().as_microsecond()
    }

    fn slot(&self, name: &str) -> Slot {
        self.slots
            .lock()
            .unwrap()
            .0
            .get(name)
            .cloned()
            .unwrap_or_default()
    }

    fn lease(&self, name: &str, until: i64) -> FillLease {
        let mut slots = self.slots.lock().unwrap();
        slots.1 += 1;
        let lease = slots.1;
        slots.0.entry(name.to_owned()).or_default().lease = Some((lease, until));
        FillLease(lease)
    }

    /// What is right, in one step: the suite must accept it.
    fn take(&self, name: &str, slot: &Slot, until: i64) -> Lookup {
        let now = self.now();
        let slack = if self.flaw == Flaw::LateExpiry {
            1_000_000
        } else {
            0
        };
        let value = slot.value.clone().filter(|(_, _, hard)| now < hard + slack);
        match value {
            Some((bytes, soft, hard)) if now < soft.min(hard) => Lookup::Fresh(bytes),
            value => {
                let held = slot.lease.is_some_and(|(_, until)| now < until) && self.flaw != Flaw::NoLease;
                match (value, held) {
                    (Some((bytes, ..)), true) if self.flaw != Flaw::ManyRefreshers => {
                        Lookup::Stale(bytes, None)
                    }
                    (Some((bytes, ..)), _) => Lookup::Stale(bytes, Some(self.lease(name, until))),
                    (None, true) => Lookup::Busy,
                    (None, false) => Lookup::Miss(self.lease(name, until)),
                }
            }
        }
    }
}

#[async_trait]
impl Cache for Naive {
    async fn lookup(&self, key: &CacheKey, lease_for: Duration) -> Result<Lookup, BackendError> {
        let name = self.name(key);
        let until = self.now() + i64::try_from(lease_for.as_micros()).unwrap();
        if self.flaw == Flaw::GetThenLease {
            let slot = self.slot(&name);
            others_run().await;
            return Ok(self.take(&name, &slot, until));
        }
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let slot = self.slot(&name);
        Ok(self.take(&name, &slot, until))
    }

    async fn fill(
        &self,
        key: &CacheKey,
        lease: FillLease,
        value: Option<Bytes>,
        ttl: Ttl,
    ) -> Result<Filled, BackendError> {
        let name = self.name(key);
        let mut value = value;
        if value.as_ref().is_some_and(|bytes| bytes.len() > LIMIT) {
            if self.flaw == Flaw::Cut {
                value = value.map(|bytes| bytes.slice(..LIMIT));
            } else {
                return Err(BackendError::Invalid {
                    adapter: "naive",
                    what: "too large".to_owned(),
                });
            }
        }
        if self.flaw == Flaw::Text {
            value = value.map(|bytes| Bytes::from(String::from_utf8_lossy(&bytes).into_owned()));
        }
        let now = self.now();
        let mut slots = self.slots.lock().unwrap();
        let slot = slots.0.entry(name).or_default();
        let holds = slot
            .lease
            .is_some_and(|(held, until)| held == lease.0 && (now < until || self.flaw == Flaw::LateFill));
        if !holds && !matches!(self.flaw, Flaw::AnyFill | Flaw::NoLease) {
            return Ok(Filled::Refused);
        }
        let after = |by: Duration| now + i64::try_from(by.as_micros()).unwrap();
        match value {
            Some(bytes) => {
                *slot = Slot {
                    value: Some((bytes, after(ttl.soft), after(ttl.hard))),
                    lease: None,
                };
            }
            None if self.flaw == Flaw::Keeps => {}
            None => slot.lease = None,
        }
        Ok(Filled::Done)
    }
}

struct Harness {
    cache: Arc<Naive>,
    clock: TestClock,
}

fn flawed(flaw: Flaw) -> Harness {
    let clock = clock();
    Harness {
        cache: Arc::new(Naive {
            flaw,
            clock: clock.clone(),
            slots: Mutex::default(),
        }),
        clock,
    }
}

#[async_trait]
impl CacheHarness for Harness {
    async fn cache(&self, _: usize) -> Arc<dyn Cache> {
        self.cache.clone()
    }

    fn clock(&self) -> TestClock {
        self.clock.clone()
    }

    fn value_limit_bytes(&self) -> usize {
        LIMIT
    }
}

mutants! {
    two_callers_get_a_lease: flawed(Flaw::GetThenLease) => cache::one_caller_gets_the_lease;
    two_callers_refresh: flawed(Flaw::GetThenLease) => cache::one_caller_refreshes_a_stale_value;
    everybody_refreshes: flawed(Flaw::ManyRefreshers) => cache::one_caller_refreshes_a_stale_value;
    everybody_loads: flawed(Flaw::NoLease) => cache::cold_readers_on_three_instances_load_once;
    two_load: flawed(Flaw::GetThenLease) => cache::cold_readers_on_three_instances_load_once;
    an_old_fill_outlives_a_write: flawed(Flaw::NoEpoch) => cache::a_reader_who_knows_of_a_write_never_sees_what_was_before;
    epochs_share_entries: flawed(Flaw::NoEpoch) => cache::another_schema_or_epoch_is_another_entry;
    anybody_fills: flawed(Flaw::AnyFill) => cache::a_fill_without_the_lease_is_refused;
    a_dead_loader_fills: flawed(Flaw::AnyFill) => cache::a_lapsed_lease_passes_on_and_fills_nothing;
    a_late_loader_fills: flawed(Flaw::LateFill) => cache::a_lapsed_lease_passes_on_and_fills_nothing;
    keys_are_glued: flawed(Flaw::GluedKeys) => cache::keys_never_alias;
    expiry_is_physical: flawed(Flaw::LateExpiry) => cache::a_value_is_fresh_then_stale_then_gone;
    values_are_text: flawed(Flaw::Text) => cache::payloads_come_back_byte_for_byte;
    values_are_cut: flawed(Flaw::Cut) => cache::a_value_over_the_limit_is_refused_and_leaves_nothing;
    leases_are_kept: flawed(Flaw::Keeps) => cache::a_lease_given_back_is_free_at_once;
    refreshes_are_kept: flawed(Flaw::Keeps) => cache::a_refresh_given_back_keeps_the_old_value;
}

// Without a flaw the same code passes: what is caught above is the flaw.
mod without_a_flaw {
    use super::*;
    mppeep_conformance::conformance_tests!(cache, flawed(Flaw::None));
}
