//! COM-9: every call ends in time, whatever the server does; and costs next to nothing while an outage lasts.

use std::time::{Duration, Instant};

use bytes::Bytes;
use mppeep_cache_redis::{BreakerSettings, BreakerState, RedisAdapter, RedisOptions};
use mppeep_core::ports::cache::Cache;
use mppeep_core::ports::pubsub::PubSub;
use mppeep_core::ports::rate_limiter::RateLimiter;
use mppeep_testbed::{Fault, FaultProxy, Redis, RedisOptions as ServerOptions};

use crate::support::{LEASE, back, blind_fill, is_unavailable, key, open, options, policy};

/// The deadline of a call is 150 ms. What is asserted leaves room for a machine that does other things; what was measured
/// is printed.
const BOUND: Duration = Duration::from_millis(600);

/// The bound of a call during which the machine stands still: less than what any fault lasts.
const STANDSTILL: Duration = Duration::from_secs(8);

/// Kinds of calls, which take turns.
const KINDS: usize = 5;

/// Options under which the breaker never spares a call its wait.
fn unspared() -> RedisOptions {
    RedisOptions {
        breaker: BreakerSettings {
            consecutive: u32::MAX,
            window_calls: u32::MAX,
            ..BreakerSettings::default()
        },
        ..options()
    }
}

/// Calls of all kinds, one after the other, and how long each took. The rounds are a multiple of the kinds.
async fn calls(adapter: &RedisAdapter, rounds: usize) -> Vec<(Duration, bool)> {
    let mut times = Vec::new();
    for round in 0..rounds {
        let began = Instant::now();
        let ok = match round % KINDS {
            0 => adapter.cache().lookup(&key("k"), LEASE).await.is_ok(),
            1 => blind_fill(&adapter.cache(), "k").await.is_ok(),
            2 => adapter.limiter().take(&policy(), "k").await.is_ok(),
            3 => adapter
                .pubsub()
                .publish("c", Bytes::from_static(b"m"))
                .await
                .is_ok(),
            _ => adapter.ping().await.is_ok(),
        };
        times.push((began.elapsed(), ok));
    }
    times
}

fn report(what: &str, times: &[(Duration, bool)]) -> Duration {
    let mut sorted: Vec<Duration> = times.iter().map(|(time, _)| *time).collect();
    sorted.sort_unstable();
    let (median, longest) = (sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
    println!(
        "{what}: {} calls, median {median:?}, longest {longest:?}",
        sorted.len()
    );
    assert!(longest < STANDSTILL, "{what}: a call took {longest:?}");
    for kind in 0..KINDS {
        let mut of_kind: Vec<Duration> = times
            .iter()
            .skip(kind)
            .step_by(KINDS)
            .map(|(time, _)| *time)
            .collect();
        of_kind.sort_unstable();
        let usual = of_kind[(of_kind.len() - 1) / 2];
        assert!(usual < BOUND, "{what}: calls of kind {kind} took {usual:?}");
    }
    median
}

async fn proxied() -> (FaultProxy, String) {
    let server = Redis::shared().await;
    let proxy = FaultProxy::start(&server.address());
    let url = server.url_through(&proxy.address());
    (proxy, url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_ends_in_time_when_the_server_refuses_hangs_or_is_slow() {
    for fault in [
        Fault::Refuse,
        Fault::Reset,
        Fault::BlackHole,
        Fault::Delay(Duration::from_secs(10)),
    ] {
        // From the start, and in the middle of an open connection.
        for begun in [false, true] {
            let (proxy, url) = proxied().await;
            let adapter = open(&url, &unspared());
            if begun {
                back(&adapter).await;
            }
            proxy.set(fault).await;
            if begun {
                if matches!(fault, Fault::Refuse | Fault::Reset) {
                    proxy.reset_connections();
                }
            } else {
                assert!(
                    is_unavailable(&adapter.ping().await),
                    "nothing was sent yet: {fault:?}"
                );
            }
            let times = calls(&adapter, 4 * KINDS).await;
            assert!(times.iter().all(|(_, ok)| !ok), "{fault:?}");
            report(&format!("{fault:?}, begun {begun}"), &times);
            proxy.set(Fault::Pass).await;
            println!("  back after {:?}", back(&adapter).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_once_end_in_time_on_a_hanging_connection() {
    let (proxy, url) = proxied().await;
    let adapter = open(&url, &unspared());
    back(&adapter).await;
    proxy.set(Fault::BlackHole).await;
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let adapter = adapter.clone();
            // Several rounds: whoever is held up is so with all tasks at once, and only in one of them.
            tokio::spawn(async move { calls(&adapter, 4 * KINDS).await })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    report("64 at once on a hanging connection", &times);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_during_an_outage_costs_next_to_nothing() {
    for fault in [Fault::Refuse, Fault::BlackHole] {
        let (proxy, url) = proxied().await;
        let adapter = open(&url, &options());
        back(&adapter).await;
        proxy.set(fault).await;
        proxy.reset_connections();
        let began = Instant::now();
        let mut times = Vec::new();
        while began.elapsed() < Duration::from_secs(3) {
            times.extend(calls(&adapter, 10 * KINDS).await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let median = report(&format!("outage by {fault:?}"), &times);
        assert!(median < Duration::from_millis(1), "{median:?}");
        // Whoever waits for the server does so for 100 ms at least.
        let slow = times
            .iter()
            .filter(|(time, _)| *time > Duration::from_millis(90))
            .count();
        assert!(slow < 30, "{slow} of {} calls waited", times.len());
        proxy.set(Fault::Pass).await;
        let time = back(&adapter).await;
        println!("  {slow} waited; back after {time:?}; {:?}", adapter.health());
        assert_eq!(adapter.health().breaker, BreakerState::Closed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_server_delays_few_calls_and_is_used_again() {
    let server = Redis::start(ServerOptions::default()).await;
    let adapter = open(&server.url(), &options());
    back(&adapter).await;
    server.pause();
    let began = Instant::now();
    let mut times = Vec::new();
    let opened = || adapter.health().counts.openings > 0;
    while began.elapsed() < Duration::from_secs(4) || !opened() && began.elapsed() < Duration::from_secs(30) {
        times.extend(calls(&adapter, 2 * KINDS).await);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    report("paused server", &times);
    let health = adapter.health();
    assert!(health.counts.openings > 0, "{health:?}");
    assert!(!health.is_well());
    server.resume();
    println!("  back after {:?}", back(&adapter).await);
    assert!(adapter.health().is_well());
}
