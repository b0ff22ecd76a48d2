//! A server that has no memory left: it refuses, or it evicts.

use bytes::Bytes;
use mppeep_core::ports::cache::{Cache, Lookup};
use mppeep_core::ports::rate_limiter::RateLimiter;
use mppeep_testbed::{Redis, RedisOptions as ServerOptions};

use crate::support::{LEASE, TTL, is_there, is_unavailable, key, open, patient, policy, put};

#[tokio::test]
async fn a_full_server_that_refuses_is_unavailable_and_still_serves_what_it_has() {
    let server = Redis::start(ServerOptions {
        max_memory_policy: Some("noeviction".to_owned()),
        ..ServerOptions::default()
    })
    .await;
    let adapter = open(&server.url(), &patient());
    put(&adapter.cache(), "k", "value").await;
    let Lookup::Miss(lease) = adapter.cache().lookup(&key("begun"), LEASE).await.unwrap() else {
        panic!("the key is new")
    };
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let value = Some(Bytes::from_static(b"value"));
    for _ in 0..20 {
        assert!(is_there(&adapter.cache(), "k", "value").await);
        assert!(is_unavailable(&adapter.cache().lookup(&key("new"), LEASE).await));
        let filled = adapter
            .cache()
            .fill(&key("begun"), lease.clone(), value.clone(), TTL)
            .await;
        assert!(is_unavailable(&filled), "{filled:?}");
        assert!(is_unavailable(&adapter.limiter().take(&policy(), "k").await));
    }
    let counts = adapter.health().counts;
    assert_eq!(
        (counts.openings, counts.losses),
        (0, 0),
        "a refusal is an answer: {counts:?}"
    );
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    // The refused fill has written nothing, not even the end of its lease.
    adapter
        .cache()
        .fill(&key("begun"), lease, value, TTL)
        .await
        .unwrap();
    assert!(is_there(&adapter.cache(), "begun", "value").await);
    assert_eq!(adapter.limiter().take(&policy(), "k").await.unwrap().remaining, 2);
}

#[tokio::test]
async fn a_server_that_evicts_loses_entries_and_nothing_else() {
    let server = Redis::start(ServerOptions {
        max_memory: Some("3mb".to_owned()),
        max_memory_policy: Some("allkeys-lru".to_owned()),
        ..ServerOptions::default()
    })
    .await;
    let adapter = open(&server.url(), &patient());
    let cache = adapter.cache();
    let value = |number: usize| format!("{number} {}", "x".repeat(10_000));
    for number in 0..400 {
        if let Lookup::Miss(lease) = cache.lookup(&key(&format!("k{number}")), LEASE).await.unwrap() {
            let bytes = Some(Bytes::from(value(number)));
            // The lease itself may have been evicted by then: refused, and no error.
            cache
                .fill(&key(&format!("k{number}")), lease, bytes, TTL)
                .await
                .unwrap();
        }
        adapter
            .limiter()
            .take(&policy(), &format!("k{number}"))
            .await
            .unwrap();
    }
    let (mut found, mut gone) = (0, 0);
    for number in 0..400 {
        match cache.lookup(&key(&format!("k{number}")), LEASE).await.unwrap() {
            Lookup::Fresh(bytes) => {
                assert_eq!(bytes, value(number).as_bytes());
                found += 1;
            }
            Lookup::Miss(_) | Lookup::Busy => gone += 1,
            other => panic!("{other:?}"),
        }
    }
    println!("{found} found, {gone} evicted");
    assert!(gone > 100, "nothing was evicted");
    assert!(found > 0, "everything was evicted");
    assert_eq!(adapter.health().counts.failures, 0);
}

#[tokio::test]
async fn the_server_tells_how_its_memory_is_set_up() {
    let server = Redis::start(ServerOptions {
        max_memory: Some("2mb".to_owned()),
        max_memory_policy: Some("allkeys-lru".to_owned()),
        ..ServerOptions::default()
    })
    .await;
    let said = open(&server.url(), &patient()).server().await.unwrap();
    assert!(
        said.version.starts_with(|first: char| first.is_ascii_digit()),
        "{said:?}"
    );
    assert_eq!(
        (said.maxmemory, said.maxmemory_policy.as_str()),
        (2 << 20, "allkeys-lru")
    );
}
