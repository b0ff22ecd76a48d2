//! COM-7, COM-8: what each fault is called, and calls that are dropped.

use std::time::Duration;

use bytes::Bytes;
use mppeep_core::ports::cache::{Cache, Lookup};
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::pubsub::PubSub;
use mppeep_core::ports::rate_limiter::RateLimiter;
use mppeep_testbed::{Fault, FaultProxy, Redis, RedisOptions as ServerOptions, free_port};

use crate::support::{
    LEASE, TTL, back, blind_fill, eventually, is_there, is_unavailable, key, open, options, patient, policy,
    poll_then_drop, put, stored_keys, unhurried,
};

#[tokio::test]
async fn a_refused_connection_is_unavailable_in_every_port() {
    let adapter = open(&format!("redis://127.0.0.1:{}", free_port()), &options());
    assert!(is_unavailable(&adapter.cache().lookup(&key("k"), LEASE).await));
    assert!(is_unavailable(&blind_fill(&adapter.cache(), "k").await));
    assert!(is_unavailable(&adapter.limiter().take(&policy(), "k").await));
    assert!(is_unavailable(&adapter.pubsub().publish("c", Bytes::new()).await));
    assert!(is_unavailable(
        &adapter.pubsub().subscribe(&["c"]).await.map(|_| ())
    ));
    assert!(is_unavailable(&adapter.ping().await));
    assert!(adapter.health().last_error.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_cut_or_late_leaves_the_outcome_open() {
    let server = Redis::shared().await;
    for fault in [Fault::CutAfter(0), Fault::CutAfter(9), Fault::BlackHole] {
        let proxy = FaultProxy::start(&server.address());
        let adapter = open(&server.url_through(&proxy.address()), &options());
        for round in 0..4 {
            back(&adapter).await;
            proxy.set(fault).await;
            let error = match round {
                0 => adapter.cache().lookup(&key("k"), LEASE).await.err(),
                1 => blind_fill(&adapter.cache(), "k").await.err(),
                2 => adapter.limiter().take(&policy(), "k").await.err(),
                _ => adapter.pubsub().publish("c", Bytes::new()).await.err(),
            };
            assert!(
                matches!(error, Some(BackendError::Indeterminate { .. })),
                "{fault:?}, {round}: {error:?}"
            );
            proxy.set(Fault::Pass).await;
        }
        assert!(adapter.health().counts.losses >= 4);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_makes_no_sense_ends_the_connection_and_no_other() {
    let server = Redis::shared().await;
    let proxy = FaultProxy::start(&server.address());
    let adapter = open(&server.url_through(&proxy.address()), &unhurried());
    back(&adapter).await;
    put(&adapter.cache(), "k", "value").await;
    let before = proxy.accepted();
    proxy.set(Fault::Corrupt).await;
    let error = adapter.cache().lookup(&key("k"), LEASE).await.unwrap_err();
    assert!(
        matches!(
            error,
            BackendError::Corrupt { .. } | BackendError::Indeterminate { .. }
        ),
        "{error:?}"
    );
    proxy.set(Fault::Pass).await;
    back(&adapter).await;
    assert!(
        proxy.accepted() > before,
        "the old connection is not used any more"
    );
    assert!(is_there(&adapter.cache(), "k", "value").await);
}

#[tokio::test]
async fn a_server_that_refuses_writes_is_unavailable_and_still_serves_what_it_has() {
    let server = Redis::start(ServerOptions::default()).await;
    let adapter = open(&server.url(), &patient());
    put(&adapter.cache(), "k", "value").await;
    // A replica of nobody: it reads, and does not write.
    server
        .cli(&["REPLICAOF", "127.0.0.1", &free_port().to_string()])
        .await;
    assert!(is_there(&adapter.cache(), "k", "value").await);
    assert!(is_unavailable(&adapter.cache().lookup(&key("new"), LEASE).await));
    assert!(is_unavailable(&adapter.limiter().take(&policy(), "k").await));
    server.cli(&["REPLICAOF", "NO", "ONE"]).await;
    back(&adapter).await;
    put(&adapter.cache(), "new", "value").await;
}

#[tokio::test]
async fn a_command_that_is_not_permitted_is_unavailable() {
    let server = Redis::start(ServerOptions::default()).await;
    server
        .cli(&[
            "ACL", "SETUSER", "weak", "on", ">secret", "~*", "&*", "+@all", "-eval", "-evalsha",
        ])
        .await;
    let url = format!("redis://weak:secret@{}", server.address());
    let adapter = open(&url, &patient());
    assert!(is_unavailable(&adapter.ping().await));
    server.cli(&["ACL", "SETUSER", "weak", "+@all"]).await;
    back(&adapter).await;
}

/// What may lie in a key by mistake.
fn garbage(key: &str) -> Vec<Vec<String>> {
    let far = "9999999999999999";
    [
        vec!["SET", key, "private"],
        vec!["SET", key, "nan"],
        vec!["SET", key, "-5"],
        vec!["SET", key, "99999999999999999999"],
        vec!["RPUSH", key, "a", "b"],
        vec!["SADD", key, "a"],
        vec!["ZADD", key, "1", "a"],
        vec!["HSET", key, "v", "private"],
        vec!["HSET", key, "v", "private", "g", "tag", "s", far, "e", far],
        vec![
            "HSET",
            key,
            "v",
            "value",
            "g",
            "0123456789abcdef",
            "s",
            far,
            "e",
            far,
        ],
        vec!["HSET", key, "v", "private", "g", "tag", "s", "nan", "e", "inf"],
        vec!["HSET", key, "s", "1", "e", "2"],
        vec!["HSET", key, "l", "lease without an end"],
        vec!["HSET", key, "l", "lease", "u", "0x10"],
    ]
    .into_iter()
    .map(|words| words.into_iter().map(str::to_owned).collect())
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_in_a_key_is_corrupt_there_and_is_removed() {
    let server = Redis::shared().await;
    let options = patient();
    let adapter = open(&server.url(), &options);
    let cache = adapter.cache();
    put(&cache, "other", "other value").await;
    let name = format!("{}cache:figures:1:7:spoilt", options.prefix);
    put(&cache, "spoilt", "value").await;
    assert!(stored_keys(server, &options).await.contains(&name));
    for words in garbage(&name) {
        server.cli(&["DEL", &name]).await;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        server.cli(&words).await;
        let error = cache.lookup(&key("spoilt"), LEASE).await.unwrap_err();
        assert!(
            matches!(error, BackendError::Corrupt { .. }),
            "{words:?}: {error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("private"), "{error}");
        assert!(is_there(&cache, "other", "other value").await);
        let found = cache.lookup(&key("spoilt"), LEASE).await.unwrap();
        assert!(
            matches!(found, Lookup::Miss(_)),
            "{words:?} is still there: {found:?}"
        );
    }
    server.cli(&["DEL", &name]).await;
    server.cli(&["SET", &name, "text"]).await;
    let error = blind_fill(&cache, "spoilt").await.unwrap_err();
    assert!(matches!(error, BackendError::Corrupt { .. }), "{error:?}");
    put(&cache, "spoilt", "value again").await;
    assert!(adapter.health().counts.repairs >= 15);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_in_a_limit_is_corrupt_there_and_is_removed() {
    let server = Redis::shared().await;
    let options = patient();
    let adapter = open(&server.url(), &options);
    let limiter = adapter.limiter();
    assert!(limiter.take(&policy(), "spoilt").await.unwrap().allowed);
    let names = stored_keys(server, &options).await;
    assert_eq!(names.len(), 1);
    for _ in 0..3 {
        assert!(limiter.take(&policy(), "other").await.unwrap().allowed);
    }
    for words in garbage(&names[0]) {
        server.cli(&["DEL", &names[0]]).await;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        server.cli(&words).await;
        let error = limiter.take(&policy(), "spoilt").await.unwrap_err();
        assert!(
            matches!(error, BackendError::Corrupt { .. }),
            "{words:?}: {error:?}"
        );
        assert!(!limiter.take(&policy(), "other").await.unwrap().allowed);
        assert_eq!(limiter.take(&policy(), "spoilt").await.unwrap().remaining, 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_keys_value_in_a_key_is_not_taken_for_its_own() {
    let server = Redis::shared().await;
    let options = patient();
    let cache = open(&server.url(), &options).cache();
    put(&cache, "mine", "mine").await;
    put(&cache, "yours", "yours").await;
    let name = |key: &str| format!("{}cache:figures:1:7:{key}", options.prefix);
    server
        .cli(&["COPY", &name("yours"), &name("mine"), "REPLACE"])
        .await;
    let error = cache.lookup(&key("mine"), LEASE).await.unwrap_err();
    assert!(matches!(error, BackendError::Corrupt { .. }), "{error:?}");
    assert!(is_there(&cache, "yours", "yours").await);
    assert!(matches!(
        cache.lookup(&key("mine"), LEASE).await.unwrap(),
        Lookup::Miss(_)
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_has_an_end_of_life() {
    let server = Redis::shared().await;
    let options = patient();
    let adapter = open(&server.url(), &options);
    let cache = adapter.cache();
    for number in 0..10 {
        let name = format!("k{number}");
        match cache.lookup(&key(&name), LEASE).await.unwrap() {
            Lookup::Miss(lease) if number % 2 == 0 => {
                let value = (number % 4 == 0).then(|| Bytes::from_static(b"value"));
                cache.fill(&key(&name), lease, value, TTL).await.unwrap();
            }
            _ => {}
        }
        for _ in 0..5 {
            adapter.limiter().take(&policy(), &name).await.unwrap();
        }
    }
    let names = stored_keys(server, &options).await;
    assert!(names.len() >= 18, "{names:?}");
    for name in names {
        let left: i64 = server.cli(&["PTTL", &name]).await.parse().unwrap();
        assert!((1..=700_000).contains(&left), "{name} ends in {left} ms");
    }
}

/// COM-7: dropped after any poll, a call leaves the link whole, and everybody else gets what is theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_calls_leave_the_link_whole() {
    let server = Redis::shared().await;
    let adapter = open(&server.url(), &patient());
    let cache = adapter.cache();
    for number in 0..20 {
        put(&cache, &format!("k{number}"), &format!("value {number}")).await;
    }
    for polls in 0..=20 {
        let busy: Vec<_> = (0..8)
            .map(|task| {
                let cache = cache.clone();
                tokio::spawn(async move {
                    for number in 0..20 {
                        let number = (number + task) % 20;
                        assert!(is_there(&cache, &format!("k{number}"), &format!("value {number}")).await);
                    }
                })
            })
            .collect();
        poll_then_drop(polls, cache.lookup(&key("k1"), LEASE)).await;
        poll_then_drop(polls, blind_fill(&cache, "k2")).await;
        poll_then_drop(polls, adapter.limiter().take(&policy(), "k")).await;
        poll_then_drop(polls, adapter.pubsub().publish("c", Bytes::from_static(b"m"))).await;
        poll_then_drop(polls, adapter.ping()).await;
        for task in busy {
            task.await.unwrap();
        }
        for number in 0..100 {
            let number = number % 20;
            assert!(is_there(&cache, &format!("k{number}"), &format!("value {number}")).await);
        }
    }
    let counts = adapter.health().counts;
    assert_eq!((counts.connects, counts.losses), (1, 0), "{counts:?}");
}

/// COM-7: the same while there is no connection yet: a dropped first call neither blocks nor doubles the attempt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_first_calls_leave_the_link_usable() {
    let server = Redis::shared().await;
    for polls in 0..=20 {
        let adapter = open(&server.url(), &patient());
        poll_then_drop(polls, adapter.ping()).await;
        adapter.ping().await.unwrap();
        let counts = adapter.health().counts;
        assert_eq!(counts.connects, 1, "{polls}: {counts:?}");
    }
}

/// A probe that is dropped gives its place to the next call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_probe_does_not_keep_the_breaker_open() {
    let server = Redis::shared().await;
    let proxy = FaultProxy::start(&server.address());
    let adapter = open(&server.url_through(&proxy.address()), &options());
    back(&adapter).await;
    proxy.set(Fault::BlackHole).await;
    eventually("the breaker opens", async || {
        let _ = adapter.ping().await;
        adapter.health().counts.openings > 0
    })
    .await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    for polls in 1..4 {
        poll_then_drop(polls, adapter.ping()).await;
    }
    proxy.set(Fault::Pass).await;
    back(&adapter).await;
}
