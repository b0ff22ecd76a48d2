//! Damaged answers give nobody what belongs to another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mppeep_cache_redis::{BreakerSettings, RedisOptions};
use mppeep_core::ports::cache::{Cache, Lookup};
use mppeep_testbed::{Redis, RedisNode};

use crate::support::{LEASE, TTL, back, key, open, options, patient, put};
use crate::toxic::Toxic;

const KEYS: usize = 64;
const TASKS: usize = 16;
const ROUNDS: usize = 300;

/// A value that tells whose it is, of the same length for all, and looks like the answers of the protocol.
fn value(number: usize) -> String {
    let looks = format!("\r\n*3\r\n$1\r\nF\r\n$4\r\n{number:04}\r\n$16\r\n0123456789abcdef\r\n");
    format!("value {number:04}{looks}{number:04}")
}

#[derive(Default)]
struct Tally {
    right: AtomicUsize,
    absent: AtomicUsize,
    failed: AtomicUsize,
}

/// Look-ups and fills of many keys at once, through a damaged link. Whatever is found must be the key's own.
async fn look_up_through(server: &RedisNode, seed: u64) {
    let options = RedisOptions {
        // The link is used however bad it is.
        breaker: BreakerSettings {
            consecutive: u32::MAX,
            window_calls: u32::MAX,
            ..BreakerSettings::default()
        },
        reconnect_pause: Duration::from_millis(1),
        longest_reconnect_pause: Duration::from_millis(2),
        ..options()
    };
    // What is not damaged is not to fail.
    let undamaged = RedisOptions {
        prefix: options.prefix.clone(),
        ..patient()
    };
    let whole = open(&server.url(), &undamaged);
    for number in 0..KEYS {
        put(&whole.cache(), &format!("k{number}"), &value(number)).await;
    }
    let toxic = Toxic::start(server.address(), seed, 8).await;
    let adapter = open(&server.url_through(&toxic.address), &options);
    let tally = Arc::new(Tally::default());
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (cache, tally) = (adapter.cache(), tally.clone());
            tokio::spawn(async move {
                for round in 0..ROUNDS {
                    let number = (task * 7 + round * 13) % KEYS;
                    let key = key(&format!("k{number}"));
                    let lease = match cache.lookup(&key, LEASE).await {
                        Ok(Lookup::Fresh(bytes) | Lookup::Stale(bytes, None)) => {
                            assert_eq!(bytes, value(number).as_bytes(), "k{number} is another's value");
                            tally.right.fetch_add(1, Ordering::Relaxed);
                            continue;
                        }
                        Ok(Lookup::Miss(lease) | Lookup::Stale(_, Some(lease))) => lease,
                        Ok(Lookup::Busy) => {
                            tally.absent.fetch_add(1, Ordering::Relaxed);
                            continue;
                        }
                        Err(_) => {
                            tally.failed.fetch_add(1, Ordering::Relaxed);
                            // Without a pause a task would be done before the link is back.
                            tokio::time::sleep(Duration::from_millis(2)).await;
                            continue;
                        }
                    };
                    tally.absent.fetch_add(1, Ordering::Relaxed);
                    let _ = cache
                        .fill(&key, lease, Some(Bytes::from(value(number))), TTL)
                        .await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
    println!(
        "seed {seed}: {} right, {} absent, {} failed, {} damages, {:?}",
        count(&tally.right),
        count(&tally.absent),
        count(&tally.failed),
        toxic.damages(),
        adapter.health().counts
    );
    assert!(toxic.damages() > 20, "hardly anything was damaged");
    assert!(count(&tally.failed) > 20, "hardly anything failed");
    assert!(
        count(&tally.right) > TASKS * ROUNDS / 10,
        "hardly anything got through"
    );
    // What is in the server now is right, or is seen to be wrong.
    back(&whole).await;
    for number in 0..KEYS {
        if let Ok(Lookup::Fresh(bytes)) = whole.cache().lookup(&key(&format!("k{number}")), LEASE).await {
            assert_eq!(bytes, value(number).as_bytes());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_handed_what_belongs_to_another() {
    let server = Redis::shared().await;
    for seed in 1..=4 {
        look_up_through(server, seed).await;
    }
}
