//! COM-10: what happens between two calls is survived without a new start of this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mppeep_cache_redis::LinkState;
use mppeep_core::ports::cache::{Cache, Lookup};
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::rate_limiter::RateLimiter;
use mppeep_testbed::{Fault, FaultProxy, Redis, RedisOptions as ServerOptions};

use crate::support::{
    LEASE, back, eventually, is_there, is_unavailable, key, open, options, patient, policy, put, unhurried,
};

#[tokio::test]
async fn forgotten_scripts_are_learned_again_within_the_call() {
    let server = Redis::start(ServerOptions::default()).await;
    let adapter = open(&server.url(), &patient());
    for round in 0..3 {
        let name = format!("k{round}");
        server.cli(&["SCRIPT", "FLUSH"]).await;
        put(&adapter.cache(), &name, "value").await;
        server.cli(&["SCRIPT", "FLUSH"]).await;
        assert!(is_there(&adapter.cache(), &name, "value").await);
        server.cli(&["SCRIPT", "FLUSH"]).await;
        assert!(adapter.limiter().take(&policy(), &name).await.unwrap().allowed);
    }
    let counts = adapter.health().counts;
    assert_eq!((counts.failures, counts.connects), (0, 1), "{counts:?}");
}

#[tokio::test]
async fn a_server_that_lost_everything_is_a_miss() {
    let server = Redis::start(ServerOptions::default()).await;
    let adapter = open(&server.url(), &patient());
    put(&adapter.cache(), "k", "value").await;
    server.cli(&["FLUSHALL"]).await;
    assert!(matches!(
        adapter.cache().lookup(&key("k"), LEASE).await.unwrap(),
        Lookup::Miss(_)
    ));
    assert_eq!(adapter.limiter().take(&policy(), "k").await.unwrap().remaining, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_and_a_restarted_server_are_found_again() {
    let server = Redis::start(ServerOptions::default()).await;
    let adapter = open(&server.url(), &options());
    back(&adapter).await;
    for round in 0..3 {
        if round % 2 == 0 {
            server.kill().await;
        } else {
            server.stop().await;
        }
        let error = adapter.ping().await.unwrap_err();
        assert!(
            matches!(
                error,
                BackendError::Unavailable { .. } | BackendError::Indeterminate { .. }
            ),
            "{error:?}"
        );
        eventually("the loss is seen", async || {
            adapter.health().link == LinkState::Disconnected
        })
        .await;
        // Long enough for the pauses to have grown.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(is_unavailable(&adapter.ping().await));
        server.start_again().await;
        println!("back after {:?}", back(&adapter).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_appears_later_is_used() {
    let server = Redis::start(ServerOptions::default()).await;
    server.stop().await;
    let adapter = open(&server.url(), &unhurried());
    assert_eq!(adapter.health().link, LinkState::Idle);
    for _ in 0..20 {
        assert!(is_unavailable(&adapter.ping().await));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.start_again().await;
    // Nobody calls, and it is found all the same.
    eventually("the server is found", async || {
        adapter.health().link == LinkState::Connected
    })
    .await;
    println!("back after {:?}", back(&adapter).await);
    put(&adapter.cache(), "k", "value").await;
}

/// The loss of an idle connection is seen before the next call, which finds another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_closed_while_idle_costs_no_call() {
    let server = Redis::start(ServerOptions::default()).await;
    let adapter = open(&server.url(), &patient());
    back(&adapter).await;
    for round in 1..=5 {
        server.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
        eventually("the loss is seen", async || {
            adapter.health().counts.losses >= round
        })
        .await;
        adapter.ping().await.unwrap();
    }
    let counts = adapter.health().counts;
    assert_eq!(counts.failures, 0, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_killed_under_calls_fail_those_calls_only() {
    let server = Redis::start(ServerOptions::default()).await;
    let adapter = open(&server.url(), &patient());
    back(&adapter).await;
    for number in 0..20 {
        put(
            &adapter.cache(),
            &format!("k{number}"),
            &format!("value {number}"),
        )
        .await;
    }
    let over = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (cache, over) = (adapter.cache(), over.clone());
            tokio::spawn(async move {
                let mut failed = 0;
                for round in 0.. {
                    if round >= 400 && over.load(Ordering::Relaxed) {
                        break;
                    }
                    let number = (task + round) % 20;
                    match cache.lookup(&key(&format!("k{number}")), LEASE).await {
                        Ok(Lookup::Fresh(bytes)) => assert_eq!(bytes, format!("value {number}").as_bytes()),
                        Ok(other) => panic!("{other:?}"),
                        Err(BackendError::Unavailable { .. } | BackendError::Indeterminate { .. }) => {
                            failed += 1
                        }
                        Err(other) => panic!("{other:?}"),
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                failed
            })
        })
        .collect();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        // A connection that served nobody is made anew after a pause only, into which many calls fall.
        back(&adapter).await;
        server.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    }
    over.store(true, Ordering::Relaxed);
    let mut failed = 0;
    for task in tasks {
        failed += task.await.unwrap();
    }
    let counts = adapter.health().counts;
    println!("{failed} calls failed, {counts:?}");
    // How many calls the open breaker holds back is a matter of time. A loss itself costs what was under way: one call a task,
    // as many leases that were being given back, of which no caller hears, and the call that asks whether the server is back.
    assert!(failed <= counts.failures, "{counts:?}");
    let lost = counts.failures - counts.held_back;
    assert!(lost <= 17 * counts.losses.max(1), "{lost} calls lost, {counts:?}");
    back(&adapter).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_password_is_survived_once_it_is_changed_back() {
    let server = Redis::start(ServerOptions {
        password: Some("first-secret".to_owned()),
        ..ServerOptions::default()
    })
    .await;
    let adapter = open(&server.url(), &options());
    back(&adapter).await;
    server
        .cli(&["CONFIG", "SET", "requirepass", "other-secret"])
        .await;
    server
        .cli(&[
            "-a",
            "other-secret",
            "--no-auth-warning",
            "CLIENT",
            "KILL",
            "TYPE",
            "normal",
        ])
        .await;
    eventually("the password is refused", async || {
        is_unavailable(&adapter.ping().await)
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let error = adapter.ping().await.unwrap_err();
    let said = format!("{error:?} {:?} {adapter:?}", adapter.health());
    assert!(!said.contains("secret"), "{said}");
    server
        .cli(&[
            "-a",
            "other-secret",
            "--no-auth-warning",
            "CONFIG",
            "SET",
            "requirepass",
            "first-secret",
        ])
        .await;
    println!("back after {:?}", back(&adapter).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_open_connection_is_given_up() {
    let server = Redis::shared().await;
    let proxy = FaultProxy::start(&server.address());
    let adapter = open(&server.url_through(&proxy.address()), &options());
    back(&adapter).await;
    let (before, losses) = (proxy.accepted(), adapter.health().counts.losses);
    proxy.set(Fault::BlackHole).await;
    assert!(adapter.ping().await.is_err());
    let lost = adapter.health().counts.losses - losses;
    assert_eq!(lost, 1, "one late answer is enough");
    proxy.set(Fault::Pass).await;
    back(&adapter).await;
    assert!(proxy.accepted() > before);
}

#[tokio::test]
async fn a_closed_adapter_stays_closed() {
    let server = Redis::shared().await;
    let adapter = open(&server.url(), &patient());
    back(&adapter).await;
    let clone = adapter.clone();
    adapter.close();
    assert!(is_unavailable(&clone.ping().await));
    assert!(is_unavailable(&clone.cache().lookup(&key("k"), LEASE).await));
}
