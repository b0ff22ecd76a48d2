//! Checks of the cache port (CAC-1, 2, 3, 5, 6 and COM-1, 2, 3, 7, 13).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mppeep_core::layered::cached::Cached;
use mppeep_core::layered::epoch_board::EpochBoard;
use mppeep_core::ports::cache::{Cache, CacheKey, FillLease, Filled, Lookup, Ttl};
use mppeep_core::ports::epochs::{Epoch, Epochs, Namespace};
use mppeep_core::ports::error::BackendError;

use crate::harness::CacheHarness;
use crate::support::{at_once, awkward_texts, in_time, poll_then_drop};

const LEASE: Duration = Duration::from_secs(10);
const TTL: Ttl = Ttl {
    soft: Duration::from_secs(60),
    hard: Duration::from_secs(600),
};
const MICROSECOND: Duration = Duration::from_micros(1);

fn key(name: &str) -> CacheKey {
    CacheKey {
        namespace: "figures".to_owned(),
        schema: 1,
        epoch: 7,
        key: name.to_owned(),
    }
}

async fn lookup(cache: &Arc<dyn Cache>, key: &CacheKey) -> Lookup {
    cache.lookup(key, LEASE).await.unwrap()
}

async fn lease(cache: &Arc<dyn Cache>, key: &CacheKey) -> FillLease {
    match lookup(cache, key).await {
        Lookup::Miss(lease) | Lookup::Stale(_, Some(lease)) => lease,
        other => panic!("no lease to be had: {other:?}"),
    }
}

async fn put(cache: &Arc<dyn Cache>, key: &CacheKey, value: &Bytes) {
    let lease = lease(cache, key).await;
    assert_eq!(
        cache.fill(key, lease, Some(value.clone()), TTL).await.unwrap(),
        Filled::Done
    );
}

/// COM-1: entries of different keys never meet, whatever is in the keys.
pub async fn keys_never_alias(harness: &dyn CacheHarness) {
    let cache = harness.cache(0).await;
    let mut keys: Vec<CacheKey> = awkward_texts().iter().map(|text| key(text)).collect();
    let of = |namespace: &str, schema, epoch, name: &str| CacheKey {
        namespace: namespace.to_owned(),
        schema,
        epoch,
        key: name.to_owned(),
    };
    keys.extend([
        of("a:b", 1, 1, "c"),
        of("a", 1, 1, "b:c"),
        of("a", 1, 1, "1:c"),
        of("a:1:1", 1, 1, "c"),
        of("a", 1, 1, "1:1:c"),
        of("a", 11, 1, "c"),
        of("a", 1, 11, "c"),
        of("a", 1, 1, "c"),
        of("a", 1, -1, "c"),
        of("", 1, 1, "a:c"),
        of("a\0", 1, 1, "c"),
    ]);
    for (index, key) in keys.iter().enumerate() {
        put(&cache, key, &Bytes::from(index.to_string())).await;
    }
    for (index, key) in keys.iter().enumerate() {
        let name: String = key.key.chars().take(20).collect();
        assert_eq!(
            lookup(&cache, key).await,
            Lookup::Fresh(Bytes::from(index.to_string())),
            "{}/{name}",
            key.namespace
        );
    }
}

/// COM-2: a payload comes back as it was given.
pub async fn payloads_come_back_byte_for_byte(harness: &dyn CacheHarness) {
    let cache = harness.cache(0).await;
    let other = harness.cache(1).await;
    let mut payloads: Vec<Bytes> = [
        &b""[..],
        b"\0",
        b"{\"a\":[]}",
        b"9007199254740993",
        b"\xff\xfe\x80",
        b"\r\n",
        b"null",
        b"+OK\r\n",
        b"{}",
    ]
    .map(Bytes::from_static)
    .into();
    payloads.push(Bytes::from((0..=255u8).collect::<Vec<u8>>()));
    payloads.push(Bytes::from(
        (0..1u32 << 20).map(|n| (n % 251) as u8).collect::<Vec<u8>>(),
    ));
    for (index, payload) in payloads.iter().enumerate() {
        let key = key(&index.to_string());
        put(&cache, &key, payload).await;
        assert!(
            lookup(&other, &key).await == Lookup::Fresh(payload.clone()),
            "payload {index} changed on its way"
        );
    }
}

/// COM-2: a value over the limit is `Invalid`; neither it nor anything else is stored, and the lease goes on.
pub async fn a_value_over_the_limit_is_refused_and_leaves_nothing(harness: &dyn CacheHarness) {
    let cache = harness.cache(0).await;
    let (key, limit) = (key("large"), harness.value_limit_bytes());
    let held = lease(&cache, &key).await;
    let over = Bytes::from(vec![b'x'; limit + 1]);
    let refused = cache.fill(&key, held.clone(), Some(over), TTL).await.unwrap_err();
    assert!(matches!(refused, BackendError::Invalid { .. }), "{refused:?}");
    assert_eq!(lookup(&cache, &key).await, Lookup::Busy);
    let just = Bytes::from(vec![b'x'; limit]);
    assert_eq!(
        cache.fill(&key, held, Some(just.clone()), TTL).await.unwrap(),
        Filled::Done
    );
    assert!(lookup(&cache, &key).await == Lookup::Fresh(just));
}

/// COM-3, CAC-5: each end is the first instant at which the value is not what it was before.
pub async fn a_value_is_fresh_then_stale_then_gone(harness: &dyn CacheHarness) {
    let (cache, clock, key) = (harness.cache(0).await, harness.clock(), key("ageing"));
    let value = Bytes::from_static(b"v");
    put(&cache, &key, &value).await;
    clock.advance(TTL.soft - MICROSECOND);
    assert_eq!(lookup(&cache, &key).await, Lookup::Fresh(value.clone()));
    clock.advance(MICROSECOND);
    assert!(matches!(lookup(&cache, &key).await, Lookup::Stale(bytes, Some(_)) if bytes == value));
    clock.advance(TTL.hard - TTL.soft - MICROSECOND);
    assert!(matches!(lookup(&cache, &key).await, Lookup::Stale(bytes, Some(_)) if bytes == value));
    clock.advance(MICROSECOND);
    assert_eq!(
        lookup(&cache, &key).await,
        Lookup::Busy,
        "past its hard time, only the refresher's lease is left"
    );
    clock.advance(LEASE);
    assert!(matches!(lookup(&cache, &key).await, Lookup::Miss(_)));
}

/// CAC-5: nothing is served past its hard time, however long its soft time.
pub async fn a_hard_time_before_the_soft_time_wins(harness: &dyn CacheHarness) {
    let (cache, clock, key) = (harness.cache(0).await, harness.clock(), key("reversed"));
    let held = lease(&cache, &key).await;
    let ttl = Ttl {
        soft: Duration::from_secs(60),
        hard: Duration::from_secs(30),
    };
    cache
        .fill(&key, held, Some(Bytes::from_static(b"v")), ttl)
        .await
        .unwrap();
    clock.advance(ttl.hard - MICROSECOND);
    assert!(matches!(lookup(&cache, &key).await, Lookup::Fresh(_)));
    clock.advance(MICROSECOND);
    assert!(matches!(lookup(&cache, &key).await, Lookup::Miss(_)));
}

/// CAC-1, COM-13: of 256 look-ups at once on three instances, one gets the lease.
pub async fn one_caller_gets_the_lease(harness: &dyn CacheHarness) {
    let instances = [
        harness.cache(0).await,
        harness.cache(1).await,
        harness.cache(2).await,
    ];
    for round in 0..4 {
        let key = key(&format!("cold {round}"));
        let found = at_once((0..256).map(|n| {
            let (cache, key) = (instances[n % 3].clone(), key.clone());
            async move { lookup(&cache, &key).await }
        }))
        .await;
        let leases = found
            .iter()
            .filter(|found| matches!(found, Lookup::Miss(_)))
            .count();
        let busy = found.iter().filter(|found| matches!(found, Lookup::Busy)).count();
        assert_eq!((leases, busy), (1, 255));
    }
}

/// CAC-5: past the soft time one caller refreshes, and the others are served meanwhile.
pub async fn one_caller_refreshes_a_stale_value(harness: &dyn CacheHarness) {
    let instances = [harness.cache(0).await, harness.cache(1).await];
    let (clock, key, old) = (harness.clock(), key("stale"), Bytes::from_static(b"old"));
    put(&instances[0], &key, &old).await;
    clock.advance(TTL.soft);
    let found = at_once((0..64).map(|n| {
        let (cache, key) = (instances[n % 2].clone(), key.clone());
        async move { lookup(&cache, &key).await }
    }))
    .await;
    let mut leases: Vec<FillLease> = Vec::new();
    for found in found {
        let Lookup::Stale(bytes, lease) = found else {
            panic!("the old value is not served: {found:?}")
        };
        assert_eq!(bytes, old);
        leases.extend(lease);
    }
    assert_eq!(leases.len(), 1);
    let new = Bytes::from_static(b"new");
    assert_eq!(
        instances[1]
            .fill(&key, leases.remove(0), Some(new.clone()), TTL)
            .await
            .unwrap(),
        Filled::Done
    );
    assert_eq!(lookup(&instances[0], &key).await, Lookup::Fresh(new));
}

/// CAC-2: the lease of a dead loader passes on at its end, not before, and his late fill changes nothing.
pub async fn a_lapsed_lease_passes_on_and_fills_nothing(harness: &dyn CacheHarness) {
    let (cache, clock, key) = (harness.cache(0).await, harness.clock(), key("lapse"));
    let dead = lease(&cache, &key).await;
    clock.advance(LEASE - MICROSECOND);
    assert_eq!(lookup(&cache, &key).await, Lookup::Busy);
    clock.advance(MICROSECOND);
    let late = Bytes::from_static(b"late");
    let fill = cache
        .fill(&key, dead.clone(), Some(late.clone()), TTL)
        .await
        .unwrap();
    assert_eq!(
        fill,
        Filled::Refused,
        "a lease has ended at its end, even if nobody else took it"
    );
    let next = lease(&cache, &key).await;
    assert_ne!(next, dead);
    assert_eq!(
        cache
            .fill(&key, dead.clone(), Some(late.clone()), TTL)
            .await
            .unwrap(),
        Filled::Refused
    );
    assert_eq!(
        cache.fill(&key, dead.clone(), None, TTL).await.unwrap(),
        Filled::Refused
    );
    assert_eq!(
        lookup(&cache, &key).await,
        Lookup::Busy,
        "a dead loader cannot free another's lease"
    );
    let value = Bytes::from_static(b"value");
    assert_eq!(
        cache.fill(&key, next, Some(value.clone()), TTL).await.unwrap(),
        Filled::Done
    );
    assert_eq!(
        cache.fill(&key, dead, Some(late), TTL).await.unwrap(),
        Filled::Refused
    );
    assert_eq!(lookup(&cache, &key).await, Lookup::Fresh(value));
}

/// CAC-2: a loader that fails frees the entry at once.
pub async fn a_lease_given_back_is_free_at_once(harness: &dyn CacheHarness) {
    let (cache, other, key) = (harness.cache(0).await, harness.cache(1).await, key("given back"));
    let first = lease(&cache, &key).await;
    assert_eq!(lookup(&other, &key).await, Lookup::Busy);
    assert_eq!(
        cache.fill(&key, first.clone(), None, TTL).await.unwrap(),
        Filled::Done
    );
    let second = lease(&other, &key).await;
    assert_ne!(first, second);
    assert_eq!(
        cache
            .fill(&key, first, Some(Bytes::from_static(b"x")), TTL)
            .await
            .unwrap(),
        Filled::Refused
    );
}

/// CAC-2, CAC-5: a failed refresh leaves the old value, and the next caller tries again.
pub async fn a_refresh_given_back_keeps_the_old_value(harness: &dyn CacheHarness) {
    let (cache, clock, key, old) = (
        harness.cache(0).await,
        harness.clock(),
        key("kept"),
        Bytes::from_static(b"old"),
    );
    put(&cache, &key, &old).await;
    clock.advance(TTL.soft);
    let refresh = lease(&cache, &key).await;
    assert_eq!(cache.fill(&key, refresh, None, TTL).await.unwrap(), Filled::Done);
    assert!(matches!(lookup(&cache, &key).await, Lookup::Stale(bytes, Some(_)) if bytes == old));
    clock.advance(TTL.hard - TTL.soft + LEASE);
    assert!(
        matches!(lookup(&cache, &key).await, Lookup::Miss(_)),
        "giving back does not lengthen the old value's life"
    );
}

/// CAC-2: only the live lease of that very entry fills, and only once.
pub async fn a_fill_without_the_lease_is_refused(harness: &dyn CacheHarness) {
    let (cache, wanted, other) = (harness.cache(0).await, key("wanted"), key("other"));
    let forged = Bytes::from_static(b"forged");
    let fill = |key: CacheKey, lease: FillLease, value: Option<Bytes>| {
        let cache = cache.clone();
        async move { cache.fill(&key, lease, value, TTL).await.unwrap() }
    };
    assert_eq!(
        fill(wanted.clone(), FillLease(1), Some(forged.clone())).await,
        Filled::Refused
    );
    let held = lease(&cache, &wanted).await;
    let of_other = lease(&cache, &other).await;
    assert_eq!(
        fill(wanted.clone(), of_other, Some(forged.clone())).await,
        Filled::Refused
    );
    assert_eq!(
        fill(wanted.clone(), FillLease(held.0 ^ 1), Some(forged.clone())).await,
        Filled::Refused
    );
    assert_eq!(lookup(&cache, &wanted).await, Lookup::Busy);
    let value = Bytes::from_static(b"value");
    assert_eq!(
        fill(wanted.clone(), held.clone(), Some(value.clone())).await,
        Filled::Done
    );
    assert_eq!(
        fill(wanted.clone(), held.clone(), Some(forged)).await,
        Filled::Refused,
        "a lease is used up by its fill"
    );
    assert_eq!(fill(wanted.clone(), held, None).await, Filled::Refused);
    assert_eq!(lookup(&cache, &wanted).await, Lookup::Fresh(value));
}

/// CAC-6: a new shape, or a new epoch, does not meet the entries of the old one, which stay what they were.
pub async fn another_schema_or_epoch_is_another_entry(harness: &dyn CacheHarness) {
    let (cache, old) = (harness.cache(0).await, key("k"));
    put(&cache, &old, &Bytes::from_static(b"old")).await;
    for new in [
        CacheKey {
            schema: 2,
            ..old.clone()
        },
        CacheKey {
            epoch: 8,
            ..old.clone()
        },
    ] {
        assert!(matches!(lookup(&cache, &new).await, Lookup::Miss(_)));
    }
    assert!(matches!(lookup(&cache, &old).await, Lookup::Fresh(_)));
}

/// CAC-1: 256 cold readers on three instances run the loader once; the others wait for the fill and get it.
pub async fn cold_readers_on_three_instances_load_once(harness: &dyn CacheHarness) {
    let epochs = Arc::new(Row::default());
    let mut instances = Vec::new();
    for n in 0..3 {
        let board = Arc::new(EpochBoard::new(epochs.clone()));
        instances.push(Arc::new(Cached::new(harness.cache(n).await, board)));
    }
    for round in 0..3 {
        let loads = Arc::new(AtomicUsize::new(0));
        let values = at_once((0..256).map(|n| {
            let (cached, loads) = (instances[n % 3].clone(), loads.clone());
            async move {
                let loader = || async {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Ok::<usize, BackendError>(100 + loads.fetch_add(1, Ordering::SeqCst))
                };
                cached
                    .load(&[Namespace::PERSONNEL], 1, &format!("cold {round}"), TTL, loader)
                    .await
                    .unwrap()
            }
        }))
        .await;
        assert_eq!(loads.load(Ordering::SeqCst), 1, "the loader runs once for all");
        assert!(values.iter().all(|value| *value == 100));
    }
}

/// A row and its epoch, which move together: what a unit of work does in a database.
#[derive(Default)]
struct Row(AtomicI64);

impl Row {
    fn write(&self) -> i64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn read(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Epochs for Row {
    async fn current(&self) -> Result<Vec<Epoch>, BackendError> {
        Ok(vec![Epoch {
            namespace: Namespace::PERSONNEL,
            value: self.read(),
        }])
    }
}

/// CAC-3: whoever knows of a write never sees what was before it, however slowly loaders fill; at rest the cache
/// holds what the row holds, or nothing.
pub async fn a_reader_who_knows_of_a_write_never_sees_what_was_before(harness: &dyn CacheHarness) {
    let instances = [harness.cache(0).await, harness.cache(1).await];
    let row = Arc::new(Row::default());
    for round in 0..60 {
        let writer = {
            let row = row.clone();
            tokio::spawn(async move {
                for _ in 0..4 {
                    tokio::task::yield_now().await;
                    row.write();
                }
            })
        };
        let readers = at_once((0..12).map(|n| {
            let (cache, row) = (instances[n % 2].clone(), row.clone());
            async move {
                for _ in 0..3 {
                    // The epoch is read first, and the row after the lease was got.
                    let epoch = row.read();
                    let key = CacheKey { epoch, ..key("row") };
                    let seen = match lookup(&cache, &key).await {
                        Lookup::Fresh(bytes) | Lookup::Stale(bytes, _) => number(&bytes),
                        Lookup::Busy => continue,
                        Lookup::Miss(lease) => {
                            let value = row.read();
                            for _ in 0..n % 5 {
                                tokio::task::yield_now().await;
                            }
                            let bytes = Bytes::from(value.to_string());
                            cache.fill(&key, lease, Some(bytes), TTL).await.unwrap();
                            value
                        }
                    };
                    assert!(seen >= epoch, "a reader who knew of write {epoch} saw {seen}");
                }
            }
        }));
        in_time(readers).await;
        in_time(writer).await.unwrap();
        let at_rest = CacheKey {
            epoch: row.read(),
            ..key("row")
        };
        for cache in &instances {
            match lookup(cache, &at_rest).await {
                Lookup::Fresh(bytes) => assert_eq!(number(&bytes), row.read(), "round {round}"),
                Lookup::Miss(lease) => {
                    cache.fill(&at_rest, lease, None, TTL).await.unwrap();
                }
                other => panic!("at rest, in round {round}: {other:?}"),
            }
        }
    }
}

fn number(bytes: &Bytes) -> i64 {
    std::str::from_utf8(bytes).unwrap().parse().unwrap()
}

/// COM-7: a call dropped at any await leaves the entry as before or as after, and usable.
pub async fn a_cancelled_call_leaves_the_entry_usable(harness: &dyn CacheHarness) {
    let (cache, clock) = (harness.cache(0).await, harness.clock());
    let value = Bytes::from_static(b"value");
    for polls in 0..=20 {
        let key = key(&format!("cancelled {polls}"));
        let looked_up = poll_then_drop(polls, cache.lookup(&key, LEASE)).await;
        if looked_up.is_none() {
            // Whether the dropped call took the lease is not known; it lapses.
            clock.advance(LEASE);
        }
        let held = match looked_up {
            Some(found) => match found.unwrap() {
                Lookup::Miss(lease) => lease,
                other => panic!("{other:?}"),
            },
            None => lease(&cache, &key).await,
        };
        let filled = poll_then_drop(polls, cache.fill(&key, held, Some(value.clone()), TTL)).await;
        match (filled, lookup(&cache, &key).await) {
            (_, Lookup::Fresh(bytes)) => assert_eq!(bytes, value),
            (None, Lookup::Busy) => {}
            (filled, found) => panic!("after a fill that gave {filled:?}: {found:?}"),
        }
        for n in 0..100 {
            in_time(lookup(
                &cache,
                &CacheKey {
                    schema: 2,
                    ..self::key(&format!("{polls} {n}"))
                },
            ))
            .await;
        }
    }
}
