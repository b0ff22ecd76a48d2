//! What the ports cost on their adapters: a cached value, a limit, a hash.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use mppeep_cache_memory::{MemoryCache, MemoryCacheSettings, MemoryEpochs, MemoryRateLimiter};
use mppeep_core::layered::cached::Cached;
use mppeep_core::layered::epoch_board::EpochBoard;
use mppeep_core::ports::cache::Ttl;
use mppeep_core::ports::clock::TimeSource;
use mppeep_core::ports::epochs::Namespace;
use mppeep_core::ports::password::PasswordHasher as _;
use mppeep_core::ports::rate_limiter::{Gcra, RateLimiter as _};
use mppeep_password::Argon2Hasher;
use tokio::runtime::Runtime;

const TTL: Ttl = Ttl {
    soft: Duration::from_secs(600),
    hard: Duration::from_secs(900),
};

fn cached(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let epochs = Arc::new(MemoryEpochs::new());
    let board = Arc::new(EpochBoard::new(epochs.clone()));
    let cache = MemoryCache::new(TimeSource::Backend, MemoryCacheSettings::default());
    let cached = Cached::new(Arc::new(cache), Arc::clone(&board));
    let rows: Vec<String> = (0..50)
        .map(|row| format!("a row of the list, number {row}"))
        .collect();
    let load = |key: &'static str| {
        let (cached, rows) = (&cached, &rows);
        async move {
            let loader = || async { Ok::<_, Infallible>(rows.clone()) };
            let Ok(value) = cached.load(&[Namespace::PERSONNEL], 1, key, TTL, loader).await;
            black_box(value)
        }
    };
    criterion.bench_function("cached: a hit of fifty rows", |bench| {
        bench.to_async(&runtime).iter(|| load("list"))
    });
    criterion.bench_function("cached: a miss after a write", |bench| {
        bench.to_async(&runtime).iter(|| {
            board.observe(&epochs.bump(&[Namespace::PERSONNEL]));
            load("list")
        });
    });
}

fn limiter(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let limiter = MemoryRateLimiter::new(TimeSource::Backend);
    let policy = Gcra {
        name: "bench",
        count: 1_000_000,
        period: Duration::from_secs(1),
        burst: 1_000_000,
    };
    criterion.bench_function("limit: one request of one of a thousand keys", |bench| {
        let keys: Vec<String> = (0..1000).map(|number| format!("203.0.113.{number}")).collect();
        let turn = std::cell::Cell::new(0);
        bench.to_async(&runtime).iter(|| {
            turn.set((turn.get() + 1) % keys.len());
            limiter.take(&policy, &keys[turn.get()])
        });
    });
}

fn passwords(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let hasher = Argon2Hasher::new(2);
    let hash = runtime
        .block_on(hasher.hash("une longue phrase de passe"))
        .expect("a hash");
    let mut group = criterion.benchmark_group("password");
    group.sample_size(20);
    group.bench_function("right", |bench| {
        bench
            .to_async(&runtime)
            .iter(|| hasher.verify("une longue phrase de passe", Some(&hash)));
    });
    group.bench_function("unknown account", |bench| {
        bench.to_async(&runtime).iter(|| hasher.verify("faux", None))
    });
    group.finish();
}

criterion_group!(benches, cached, limiter, passwords);
criterion_main!(benches);
