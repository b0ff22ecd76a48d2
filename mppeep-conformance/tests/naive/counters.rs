//! Naive counters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::civil::Date;
use mppeep_conformance::{CountersHarness, TestClock};
use mppeep_core::ports::clock::Clock;
use mppeep_core::ports::counters::{BatchId, CounterSet, Counters, DayRange, Delta, MEMBER_MAX_BYTES};
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::maintain::Maintain;

use crate::{clock, mutants, others_run};

#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    /// Reads a counter, then writes it.
    GetThenSet,
    /// Sums go round at the ends of the range.
    Wraps,
    /// Remembers a batch after adding it.
    RemembersAfter,
    /// Adds what is right of a batch before it meets what is wrong.
    AddsHalf,
    /// Adds under the day on which it is asked to.
    CountsToday,
    /// Members whatever their case.
    FoldsCase,
    /// Equal members the latest first.
    TiesDescend,
    /// Forgets all batches when it sweeps.
    ForgetsBatches,
}

type Key = (CounterSet, Date, String);

struct Naive {
    flaw: Flaw,
    clock: TestClock,
    counters: Mutex<BTreeMap<Key, i64>>,
    batches: Mutex<BTreeMap<uuid::Uuid, i64>>,
}

const DAY_MICROS: i64 = 24 * 3600 * 1_000_000;

impl Naive {
    fn sum(&self, a: i64, b: i64) -> i64 {
        if self.flaw == Flaw::Wraps {
            a.wrapping_add(b)
        } else {
            a.saturating_add(b)
        }
    }

    fn key(&self, delta: &Delta) -> Key {
        let day = if self.flaw == Flaw::CountsToday {
            self.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date()
        } else {
            delta.day
        };
        let member = if self.flaw == Flaw::FoldsCase {
            delta.member.to_lowercase()
        } else {
            delta.member.clone()
        };
        (delta.set, day, member)
    }

    fn fits(delta: &Delta) -> Result<(), BackendError> {
        if delta.member.len() > MEMBER_MAX_BYTES {
            return Err(BackendError::Invalid {
                adapter: "naive",
                what: "a member".to_owned(),
            });
        }
        Ok(())
    }

    fn within(&self, set: CounterSet, days: DayRange) -> Vec<(Date, String, i64)> {
        let counters = self.counters.lock().unwrap();
        let inside = |day: Date| days.first <= day && day <= days.last;
        counters
            .iter()
            .filter(|((of, day, _), _)| *of == set && inside(*day))
            .map(|((_, day, member), count)| (*day, member.clone(), *count))
            .collect()
    }
}

#[async_trait]
impl Counters for Naive {
    async fn add(&self, batch: BatchId, deltas: &[Delta]) -> Result<(), BackendError> {
        if self.flaw != Flaw::AddsHalf {
            deltas.iter().try_for_each(Self::fits)?;
        }
        let now = self.clock.now().as_microsecond();
        if self.flaw == Flaw::RemembersAfter {
            if self.batches.lock().unwrap().contains_key(&batch.0) {
                return Ok(());
            }
            others_run().await;
        } else if self.flaw != Flaw::AddsHalf {
            let mut batches = self.batches.lock().unwrap();
            if batches.contains_key(&batch.0) {
                return Ok(());
            }
            batches.insert(batch.0, now);
        }
        for delta in deltas {
            Self::fits(delta)?;
            let key = self.key(delta);
            if self.flaw == Flaw::GetThenSet {
                let count = self.counters.lock().unwrap().get(&key).copied().unwrap_or(0);
                others_run().await;
                let sum = self.sum(count, delta.by);
                self.counters.lock().unwrap().insert(key, sum);
            } else {
                let mut counters = self.counters.lock().unwrap();
                let count = counters.entry(key).or_default();
                *count = self.sum(*count, delta.by);
            }
        }
        self.batches.lock().unwrap().entry(batch.0).or_insert(now);
        Ok(())
    }

    async fn series(
        &self,
        set: CounterSet,
        member: Option<&str>,
        days: DayRange,
    ) -> Result<Vec<(Date, i64)>, BackendError> {
        let mut series: BTreeMap<Date, i64> = BTreeMap::new();
        for (day, of, count) in self.within(set, days) {
            if member.is_none_or(|member| member == of) {
                let sum = series.entry(day).or_default();
                *sum = self.sum(*sum, count);
            }
        }
        Ok(series.into_iter().collect())
    }

    async fn top(&self, set: CounterSet, days: DayRange, n: u32) -> Result<Vec<(String, i64)>, BackendError> {
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for (_, member, count) in self.within(set, days) {
            let sum = sums.entry(member).or_default();
            *sum = self.sum(*sum, count);
        }
        let mut top: Vec<(String, i64)> = sums.into_iter().collect();
        if self.flaw == Flaw::TiesDescend {
            top.reverse();
        }
        top.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
        top.truncate(usize::try_from(n).unwrap());
        Ok(top)
    }
}

#[async_trait]
impl Maintain for Naive {
    async fn sweep(&self, limit: u32) -> Result<u64, BackendError> {
        let now = self.clock.now().as_microsecond();
        let mut batches = self.batches.lock().unwrap();
        let forgets = self.flaw == Flaw::ForgetsBatches;
        let dead: BTreeSet<uuid::Uuid> = batches
            .iter()
            .filter(|(_, added)| forgets || **added + DAY_MICROS <= now)
            .map(|(batch, _)| *batch)
            .take(usize::try_from(limit).unwrap())
            .collect();
        batches.retain(|batch, _| !dead.contains(batch));
        Ok(dead.len() as u64)
    }
}

struct Harness(Arc<Naive>);

fn flawed(flaw: Flaw) -> Harness {
    Harness(Arc::new(Naive {
        flaw,
        clock: clock(),
        counters: Mutex::default(),
        batches: Mutex::default(),
    }))
}

#[async_trait]
impl CountersHarness for Harness {
    async fn counters_at(&self, _: usize) -> Arc<dyn Counters> {
        self.0.clone()
    }

    async fn counters_maintenance(&self) -> Arc<dyn Maintain> {
        self.0.clone()
    }

    fn clock(&self) -> TestClock {
        self.0.clock.clone()
    }
}

mutants! {
    additions_are_lost: flawed(Flaw::GetThenSet) => counters::sixteen_writers_on_two_instances_sum_exactly;
    sums_wrap: flawed(Flaw::Wraps) => counters::sums_stop_at_the_ends_of_the_range;
    a_batch_counts_twice: flawed(Flaw::RemembersAfter) => counters::racing_sends_of_one_batch_count_once;
    half_a_batch_is_added: flawed(Flaw::AddsHalf) => counters::a_refused_batch_leaves_nothing;
    a_batch_sent_again_is_added: flawed(Flaw::AddsHalf) => counters::a_batch_sent_again_counts_once;
    days_move_with_the_clock: flawed(Flaw::CountsToday) => counters::a_day_is_the_day_it_was_given;
    members_are_mixed: flawed(Flaw::FoldsCase) => counters::members_and_sets_never_alias;
    ties_are_the_other_way_round: flawed(Flaw::TiesDescend) => counters::series_and_tops_agree_with_a_model;
    sweeping_forgets_too_much: flawed(Flaw::ForgetsBatches) => counters::sweeping_keeps_what_counts;
    a_cut_batch_is_half_added: flawed(Flaw::GetThenSet) => counters::a_cancelled_batch_sent_again_counts_once;
}

// Without a flaw the same code passes: what is caught above is the flaw.
mod without_a_flaw {
    use super::*;
    mppeep_conformance::conformance_tests!(counters, flawed(Flaw::None));
}
