//! A lease that the server gave, though nobody heard of it, keeps nobody waiting: neither here nor elsewhere.

use std::time::Duration;

use mppeep_core::ports::cache::{Cache, Lookup};
use mppeep_core::ports::error::BackendError;
use mppeep_testbed::{Fault, FaultProxy, Redis, RedisOptions as ServerOptions};

use crate::support::{TTL, back, eventually, key, open, patient, put, stored_keys, unhurried};

/// Longer than any test: what is free again was given back.
const LONG: Duration = Duration::from_secs(3600);
/// Longer than an unhurried call.
const SLOW: Fault = Fault::Delay(Duration::from_secs(8));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_up_that_was_answered_too_late_holds_nothing() {
    let server = Redis::start(ServerOptions::default()).await;
    let proxy = FaultProxy::start(&server.address());
    let adapter = open(&server.url_through(&proxy.address()), &unhurried());
    let cache = adapter.cache();
    back(&adapter).await;
    put(&cache, "known", "value").await;
    for name in ["a", "b"] {
        proxy.set(SLOW).await;
        let lost = cache.lookup(&key(name), LONG).await;
        assert!(
            matches!(lost, Err(BackendError::Indeterminate { .. })),
            "{lost:?}"
        );
        proxy.set(Fault::Pass).await;
        back(&adapter).await;
        let found = cache.lookup(&key(name), LONG).await.unwrap();
        assert!(matches!(found, Lookup::Miss(_)), "{found:?}");
        let found = cache.lookup(&key(name), LONG).await.unwrap();
        assert_eq!(found, Lookup::Busy, "that lease is held");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_up_that_was_run_too_late_holds_nothing() {
    let server = Redis::start(ServerOptions::default()).await;
    let proxy = FaultProxy::start(&server.address());
    let options = unhurried();
    let adapter = open(&server.url_through(&proxy.address()), &options);
    let cache = adapter.cache();
    back(&adapter).await;
    // The server knows the script.
    put(&cache, "known", "value").await;
    proxy.set(Fault::BlackHole).await;
    let lost = cache.lookup(&key("k"), LONG).await;
    assert!(
        matches!(lost, Err(BackendError::Indeterminate { .. })),
        "{lost:?}"
    );
    assert_eq!(stored_keys(&server, &options).await.len(), 1);
    // What waited arrives, on a connection that was given up.
    proxy.set(Fault::Pass).await;
    eventually("the late look-up", async || {
        stored_keys(&server, &options).await.len() == 2
    })
    .await;
    back(&adapter).await;
    let found = cache.lookup(&key("k"), LONG).await.unwrap();
    assert!(matches!(found, Lookup::Miss(_)), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_need_not_wait_for_a_lease_that_nobody_heard_of() {
    let server = Redis::start(ServerOptions::default()).await;
    let proxy = FaultProxy::start(&server.address());
    let options = unhurried();
    let adapter = open(&server.url_through(&proxy.address()), &options);
    let mut elsewhere = patient();
    elsewhere.prefix.clone_from(&options.prefix);
    let elsewhere = open(&server.url(), &elsewhere);
    back(&adapter).await;
    put(&adapter.cache(), "known", "value").await;
    proxy.set(SLOW).await;
    let lost = adapter.cache().lookup(&key("k"), LONG).await;
    assert!(
        matches!(lost, Err(BackendError::Indeterminate { .. })),
        "{lost:?}"
    );
    let found = elsewhere.cache().lookup(&key("k"), LONG).await.unwrap();
    assert_eq!(found, Lookup::Busy, "the look-up has reached the server");
    proxy.set(Fault::Pass).await;
    back(&adapter).await;
    eventually("the lease is given back", async || {
        // Any other use of the cache will do.
        let _other = adapter.cache().lookup(&key("other"), LONG).await;
        let found = elsewhere.cache().lookup(&key("k"), LONG).await.unwrap();
        matches!(found, Lookup::Miss(_))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fill_that_never_arrived_holds_nothing() {
    let server = Redis::start(ServerOptions::default()).await;
    let proxy = FaultProxy::start(&server.address());
    let adapter = open(&server.url_through(&proxy.address()), &unhurried());
    let cache = adapter.cache();
    back(&adapter).await;
    let Lookup::Miss(lease) = cache.lookup(&key("k"), LONG).await.unwrap() else {
        panic!("the key is free")
    };
    proxy.set(Fault::BlackHole).await;
    let lost = cache
        .fill(&key("k"), lease.clone(), Some("value".into()), TTL)
        .await;
    assert!(
        matches!(lost, Err(BackendError::Indeterminate { .. })),
        "{lost:?}"
    );
    // Its holder does what holders do then.
    let lost = cache.fill(&key("k"), lease, None, TTL).await;
    assert!(lost.is_err(), "{lost:?}");
    proxy.reset_connections();
    proxy.set(Fault::Pass).await;
    back(&adapter).await;
    let found = cache.lookup(&key("k"), LONG).await.unwrap();
    assert!(matches!(found, Lookup::Miss(_)), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_up_that_was_given_up_holds_nothing() {
    let server = Redis::start(ServerOptions::default()).await;
    let proxy = FaultProxy::start(&server.address());
    let adapter = open(&server.url_through(&proxy.address()), &patient());
    let cache = adapter.cache();
    back(&adapter).await;
    put(&cache, "known", "value").await;
    proxy.set(Fault::Delay(Duration::from_secs(3))).await;
    let (name, waiting) = (key("k"), Duration::from_millis(50));
    let given_up = tokio::time::timeout(waiting, cache.lookup(&name, LONG)).await;
    assert!(given_up.is_err(), "{given_up:?}");
    proxy.set(Fault::Pass).await;
    let found = cache.lookup(&name, LONG).await.unwrap();
    assert!(matches!(found, Lookup::Miss(_)), "{found:?}");
}
