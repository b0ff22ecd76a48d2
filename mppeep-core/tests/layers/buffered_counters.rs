//! Counting in memory: nothing counted twice, nothing lost by an orderly end.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::civil::Date;
use mppeep_core::layered::buffered_counters::BufferedCounters;
use mppeep_core::ports::clock::{SeededEntropy, SystemClock};
use mppeep_core::ports::counters::{BatchId, CounterSet, Counters, DayRange, Delta};
use mppeep_core::ports::error::BackendError;
use tokio::sync::watch;

use crate::away;

/// A store that may lose its answer after it has written.
#[derive(Default)]
struct Store {
    sums: Mutex<BTreeMap<String, i64>>,
    batches: Mutex<HashSet<BatchId>>,
    loses_answers: AtomicBool,
    down: AtomicBool,
}

impl Store {
    fn sum(&self, member: &str) -> i64 {
        self.sums.lock().unwrap().get(member).copied().unwrap_or(0)
    }
}

#[async_trait]
impl Counters for Store {
    async fn add(&self, batch: BatchId, deltas: &[Delta]) -> Result<(), BackendError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(away());
        }
        if self.batches.lock().unwrap().insert(batch) {
            for delta in deltas {
                *self.sums.lock().unwrap().entry(delta.member.clone()).or_default() += delta.by;
            }
        }
        if self.loses_answers.load(Ordering::SeqCst) {
            return Err(BackendError::Indeterminate {
                adapter: "test",
                source: None,
            });
        }
        Ok(())
    }

    async fn series(
        &self,
        _: CounterSet,
        _: Option<&str>,
        _: DayRange,
    ) -> Result<Vec<(Date, i64)>, BackendError> {
        Err(away())
    }

    async fn top(&self, _: CounterSet, _: DayRange, _: u32) -> Result<Vec<(String, i64)>, BackendError> {
        Err(away())
    }
}

fn buffer() -> (Arc<Store>, Arc<BufferedCounters>) {
    let store = Arc::new(Store::default());
    let buffer = BufferedCounters::new(
        store.clone(),
        Arc::new(SystemClock),
        Arc::new(SeededEntropy::new(1)),
    );
    (store, Arc::new(buffer))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_many_threads_count_is_summed_exactly() {
    let (store, buffer) = buffer();
    let counting: Vec<_> = (0..8)
        .map(|_| {
            let buffer = buffer.clone();
            tokio::spawn(async move {
                for _ in 0..1_000 {
                    buffer.count(CounterSet::PageViews, "/accueil");
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for _ in 0..20 {
        buffer.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    for task in counting {
        task.await.unwrap();
    }
    buffer.flush().await.unwrap();
    assert_eq!(store.sum("/accueil"), 8_000);
}

#[tokio::test]
async fn a_batch_whose_answer_was_lost_is_sent_again_as_it_was() {
    let (store, buffer) = buffer();
    buffer.count(CounterSet::PageViews, "a");
    store.loses_answers.store(true, Ordering::SeqCst);
    buffer.flush().await.unwrap_err();
    buffer.count(CounterSet::PageViews, "a");
    buffer.flush().await.unwrap_err();
    store.loses_answers.store(false, Ordering::SeqCst);
    buffer.flush().await.unwrap();
    assert_eq!(store.sum("a"), 2);
    assert_eq!(store.batches.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn an_outage_loses_nothing() {
    let (store, buffer) = buffer();
    store.down.store(true, Ordering::SeqCst);
    for _ in 0..5 {
        buffer.count(CounterSet::Actions, "a");
        buffer.flush().await.unwrap_err();
    }
    store.down.store(false, Ordering::SeqCst);
    buffer.flush().await.unwrap();
    assert_eq!(store.sum("a"), 5);
}

#[tokio::test(start_paused = true)]
async fn an_orderly_end_writes_what_is_left() {
    let (store, buffer) = buffer();
    let (stop, told) = watch::channel(false);
    let running = tokio::spawn(buffer.clone().run(told));
    buffer.count(CounterSet::PageViews, "a");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(store.sum("a"), 1, "written within a second");
    buffer.count(CounterSet::PageViews, "a");
    stop.send_replace(true);
    running.await.unwrap();
    assert_eq!(store.sum("a"), 2);
}

#[tokio::test]
async fn members_without_bounds_are_not_kept() {
    let (store, buffer) = buffer();
    buffer.count(CounterSet::PageViews, &"x".repeat(201));
    buffer.flush().await.unwrap();
    assert!(store.sums.lock().unwrap().is_empty());
}
