//! What each port costs on each backend, beside the bare client in the same run: a raw `GET` of Redis, a raw prepared
//! `SELECT` by primary key of PostgreSQL and of SQLite; beside what writes, a raw prepared statement that writes as durably,
//! as often as the port does. The table at the end gives the ratios; times of a busy machine say little by themselves.

mod ratios;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use mppeep_cache_memory::{
    MemoryCache, MemoryCacheSettings, MemoryLoginAttempts, MemoryPubSub, MemoryRateLimiter,
};
use mppeep_cache_redis::{RedisAdapter, RedisOptions};
use mppeep_core::domain::email::Email;
use mppeep_core::domain::id::{JobId, SessionHandle, UserId};
use mppeep_core::domain::session::SessionToken;
use mppeep_core::domain::user::{Role, User, UserFields, UserStatus};
use mppeep_core::layered::cached::Cached;
use mppeep_core::layered::epoch_board::EpochBoard;
use mppeep_core::layered::near_cache::NearCache;
use mppeep_core::layered::session_cache::SessionCache;
use mppeep_core::ports::cache::{Cache, CacheKey, Lookup, Ttl};
use mppeep_core::ports::clock::{SystemClock, SystemEntropy, TimeSource};
use mppeep_core::ports::counters::{BatchId, CounterSet, Counters, Delta};
use mppeep_core::ports::epochs::Epochs;
use mppeep_core::ports::job_queue::{JobQueue, Outcome, Queue};
use mppeep_core::ports::locks::{Locks, OwnerId};
use mppeep_core::ports::login_attempts::{Attempt, AttemptLimits, Begun, LoginAttempts};
use mppeep_core::ports::outbox::NewJob;
use mppeep_core::ports::pubsub::PubSub;
use mppeep_core::ports::rate_limiter::{Gcra, RateLimiter};
use mppeep_core::ports::session::{NewSession, SessionStore};
use mppeep_core::ports::store::Store;
use mppeep_store_pg::{PgOptions, PgStore};
use mppeep_store_sqlite::{SqliteOptions, SqliteStore};
use mppeep_testbed::{Postgres, PostgresOptions, Redis, RedisOptions as ServerOptions};
use tokio::runtime::Runtime;
use uuid::Uuid;

use self::ratios::{BARE, BARE_LOOSE, BARE_VALUE, BARE_WRITE};

type Group<'a> = BenchmarkGroup<'a, WallTime>;

const POLICY: Gcra = Gcra {
    name: "bench",
    count: 1_000_000,
    period: Duration::from_secs(1),
    burst: 1_000_000,
};

fn uuid() -> Uuid {
    mppeep_core::ports::clock::new_uuid(&SystemClock, &SystemEntropy)
}

fn key() -> CacheKey {
    CacheKey {
        namespace: "9:personnel".to_owned(),
        schema: 1,
        epoch: 7,
        key: "a page of the list".to_owned(),
    }
}

/// A cached value of ten kilobytes, found.
fn cache(group: &mut Group<'_>, runtime: &Runtime, name: &str, cache: &dyn Cache) {
    runtime.block_on(async {
        let lease = Duration::from_secs(10);
        let Lookup::Miss(lease) = cache.lookup(&key(), lease).await.expect("a look-up") else {
            panic!("the cache is fresh")
        };
        let ttl = Ttl {
            soft: Duration::from_secs(3600),
            hard: Duration::from_secs(3600),
        };
        let value = Some(Bytes::from(vec![b'x'; 10_000]));
        cache.fill(&key(), lease, value, ttl).await.expect("filled");
    });
    let key = key();
    group.bench_function(name, |bench| {
        bench.to_async(runtime).iter(|| async {
            let found = cache.lookup(&key, Duration::from_secs(10)).await.expect("found");
            assert!(matches!(found, Lookup::Fresh(_)));
        });
    });
}

fn limiter(group: &mut Group<'_>, runtime: &Runtime, limiter: &dyn RateLimiter) {
    group.bench_function("RateLimiter::take", |bench| {
        bench
            .to_async(runtime)
            .iter(|| async { limiter.take(&POLICY, "203.0.113.7").await.expect("a decision") });
    });
}

fn publish(group: &mut Group<'_>, runtime: &Runtime, messages: &dyn PubSub) {
    let payload = Bytes::from_static(b"personnel:12");
    group.bench_function("PubSub::publish", |bench| {
        bench
            .to_async(runtime)
            .iter(|| async { messages.publish("bench", payload.clone()).await.expect("sent") });
    });
}

fn attempts(group: &mut Group<'_>, runtime: &Runtime, attempts: &dyn LoginAttempts) {
    let limits = AttemptLimits::default();
    let who = Attempt {
        address: "203.0.113.7".to_owned(),
        account: "awa@example.org".to_owned(),
    };
    group.bench_function("LoginAttempts::begin and settle", |bench| {
        bench.to_async(runtime).iter(|| async {
            let Begun::Go { id, .. } = attempts.begin(&who, &limits).await.expect("begun") else {
                panic!("a free slot")
            };
            attempts.settle(id, &who, &limits, true).await.expect("settled");
        });
    });
}

/// What lives in a store.
struct StorePorts<'a> {
    store: &'a dyn Store,
    sessions: Arc<dyn SessionStore>,
    epochs: Arc<dyn Epochs>,
    counters: &'a dyn Counters,
    queue: &'a dyn JobQueue,
    locks: &'a dyn Locks,
    attempts: &'a dyn LoginAttempts,
}

fn store_ports(group: &mut Group<'_>, runtime: &Runtime, ports: &StorePorts<'_>) {
    let token = runtime.block_on(session(ports));
    group.bench_function("SessionStore::load", |bench| {
        bench.to_async(runtime).iter(|| async {
            ports
                .sessions
                .load(&token.key(), None)
                .await
                .expect("read")
                .expect("live")
        });
    });
    let board = Arc::new(EpochBoard::new(ports.epochs.clone()));
    let near = MemoryCache::new(TimeSource::Backend, MemoryCacheSettings::default());
    let cached = Arc::new(Cached::new(Arc::new(near), board.clone()));
    let polling = runtime.spawn(board.clone().poll());
    let copies = SessionCache::new(ports.sessions.clone(), cached, board, Arc::new(SystemClock));
    group.bench_function("SessionStore::load through a copy", |bench| {
        bench.to_async(runtime).iter(|| async {
            copies
                .load(&token.key(), None)
                .await
                .expect("read")
                .expect("live")
        });
    });
    polling.abort();
    group.bench_function("Epochs::current", |bench| {
        bench
            .to_async(runtime)
            .iter(|| async { ports.epochs.current().await.expect("read") });
    });
    attempts(group, runtime, ports.attempts);
    group.bench_function("Counters::add of ten", |bench| {
        let deltas: Vec<Delta> = (0..10)
            .map(|number| Delta {
                set: CounterSet::PageViews,
                day: jiff::civil::date(2026, 6, 15),
                member: format!("/page/{number}"),
                by: 1,
            })
            .collect();
        bench
            .to_async(runtime)
            .iter(|| async { ports.counters.add(BatchId(uuid()), &deltas).await.expect("added") });
    });
    group.bench_function("JobQueue: enqueue, claim and settle", |bench| {
        bench.to_async(runtime).iter(|| async {
            let job = NewJob {
                id: JobId::from_uuid(uuid()),
                queue: Queue::Mail,
                payload: "a mail".to_owned(),
                priority: 0,
                run_at: None,
                max_attempts: 3,
                unique_key: None,
            };
            let mut unit = ports.store.begin().await.expect("a unit");
            unit.jobs().enqueue(&job).await.expect("enqueued");
            unit.commit().await.expect("committed");
            let lease = Duration::from_secs(30);
            let claimed = ports
                .queue
                .claim(&[Queue::Mail], 1, lease)
                .await
                .expect("claimed");
            let job = claimed.first().expect("a job");
            ports
                .queue
                .settle(&job.lease, &Outcome::Done)
                .await
                .expect("settled");
        });
    });
    group.bench_function("Locks: acquire and release", |bench| {
        bench.to_async(runtime).iter(|| async {
            let ttl = Duration::from_secs(30);
            let lease = ports.locks.acquire("bench", OwnerId(uuid()), ttl).await;
            let lease = lease.expect("asked").expect("free");
            ports.locks.release(&lease).await.expect("released");
        });
    });
}

/// A live session.
async fn session(ports: &StorePorts<'_>) -> SessionToken {
    let id = UserId::from_uuid(uuid());
    let now = jiff::Timestamp::from_microsecond(1_781_000_000_000_000).expect("an instant");
    let user = User {
        id,
        fields: UserFields {
            email: Email::parse("awa@example.org").expect("an address"),
            display_name: "Awa Koné".to_owned(),
            roles: [Role::Sdrh].into(),
            status: UserStatus::Active,
            personnel: None,
            perimeter: None,
        },
        must_change_password: false,
        charter_version: 0,
        session_epoch: 1,
        last_login_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let mut unit = ports.store.begin().await.expect("a unit");
    unit.users().insert(&user, None).await.expect("stored");
    unit.commit().await.expect("committed");
    let token = SessionToken::generate(id, &SystemEntropy);
    let new = NewSession {
        key: token.key(),
        handle: SessionHandle::from_uuid(uuid()),
        user: id,
        user_epoch: 1,
        device: "bench".to_owned(),
        address: "203.0.113.7".to_owned(),
        country: None,
        lifetime: Duration::from_secs(3600),
    };
    ports.sessions.create(new).await.expect("created");
    token
}

fn memory(criterion: &mut Criterion, runtime: &Runtime) {
    let mut group = criterion.benchmark_group("memory");
    let time = || TimeSource::Backend;
    let memory = MemoryCache::new(time(), MemoryCacheSettings::default());
    cache(&mut group, runtime, "Cache::lookup, found", &memory);
    limiter(&mut group, runtime, &MemoryRateLimiter::new(time()));
    attempts(&mut group, runtime, &MemoryLoginAttempts::new(time()));
    publish(&mut group, runtime, &MemoryPubSub::new());
    group.finish();
}

fn redis(criterion: &mut Criterion, runtime: &Runtime) {
    let server = runtime.block_on(Redis::start(ServerOptions::default()));
    let url = server.url();
    let mut group = criterion.benchmark_group("Redis");
    let mut bare = runtime.block_on(async {
        let client = redis::Client::open(url.as_str()).expect("a URL");
        client
            .get_multiplexed_async_connection()
            .await
            .expect("a connection")
    });
    runtime.block_on(async {
        let mut set = redis::cmd("SET");
        set.arg("bare").arg(vec![b'x'; 10_000]);
        set.query_async::<()>(&mut bare).await.expect("set");
    });
    group.bench_function(BARE, |bench| {
        bench.to_async(runtime).iter(|| {
            let mut bare = bare.clone();
            async move {
                let mut get = redis::cmd("GET");
                get.arg("bare");
                get.query_async::<Vec<u8>>(&mut bare).await.expect("got")
            }
        });
    });
    let adapter = {
        let _inside = runtime.enter();
        RedisAdapter::open(&url, RedisOptions::default()).expect("a Redis")
    };
    let far: Arc<dyn Cache> = Arc::new(adapter.cache());
    cache(&mut group, runtime, "Cache::lookup, found", far.as_ref());
    let near = MemoryCache::new(TimeSource::Backend, MemoryCacheSettings::default());
    let near = NearCache::new(Arc::new(near), far);
    let near_key = key();
    group.bench_function("Cache::lookup, found in the process", |bench| {
        bench.to_async(runtime).iter(|| async {
            near.lookup(&near_key, Duration::from_secs(10))
                .await
                .expect("found")
        });
    });
    limiter(&mut group, runtime, &adapter.limiter());
    publish(&mut group, runtime, &adapter.pubsub());
    group.finish();
}

fn postgres(criterion: &mut Criterion, runtime: &Runtime) {
    let options = PostgresOptions {
        durable: true,
        ..PostgresOptions::default()
    };
    let server = runtime.block_on(Postgres::start(options));
    let url = runtime.block_on(server.fresh_database());
    let store = Arc::new(
        runtime.block_on(async { PgStore::open(&url, PgOptions::default()).await.expect("a store") }),
    );
    let mut group = criterion.benchmark_group("PostgreSQL");
    let bare = runtime.block_on(async {
        let pool = sqlx::PgPool::connect(&url).await.expect("a pool");
        let insert = "INSERT INTO fact (name, value) VALUES ('bare', 'x')";
        sqlx::query(insert).execute(&pool).await.expect("a row");
        let insert = "INSERT INTO cache_entry (key, value, soft_until, hard_until, kept_until) \
                      VALUES ($1, $2, now() + '1 h', now() + '1 h', now() + '1 h')";
        let insert = sqlx::query(insert)
            .bind([7u8; 32].as_slice())
            .bind(vec![b'x'; 10_000]);
        insert.execute(&pool).await.expect("a value");
        pool
    });
    group.bench_function(BARE, |bench| {
        bench.to_async(runtime).iter(|| async {
            let row: String = sqlx::query_scalar("SELECT value FROM fact WHERE name = $1")
                .bind("bare")
                .fetch_one(&bare)
                .await
                .expect("a row");
            row
        });
    });
    group.bench_function(BARE_VALUE, |bench| {
        bench.to_async(runtime).iter(|| async {
            let value: Vec<u8> = sqlx::query_scalar("SELECT value FROM cache_entry WHERE key = $1")
                .bind([7u8; 32].as_slice())
                .fetch_one(&bare)
                .await
                .expect("a value");
            value
        });
    });
    group.bench_function(BARE_LOOSE, |bench| {
        bench.to_async(runtime).iter(|| async {
            let upsert = "INSERT INTO rate_limit AS r (key, arrival_us) VALUES ($1, 1) \
                          ON CONFLICT (key) DO UPDATE SET arrival_us = r.arrival_us + 1 RETURNING arrival_us";
            let arrival: i64 = sqlx::query_scalar(upsert)
                .bind([7u8; 32].as_slice())
                .fetch_one(&bare)
                .await
                .expect("written");
            arrival
        });
    });
    group.bench_function(BARE_WRITE, |bench| {
        bench.to_async(runtime).iter(|| async {
            sqlx::query("UPDATE fact SET value = $2 WHERE name = $1")
                .bind("bare")
                .bind(uuid().to_string())
                .execute(&bare)
                .await
                .expect("written")
        });
    });
    let ports = StorePorts {
        store: store.as_ref(),
        sessions: store.clone(),
        epochs: store.clone(),
        counters: store.as_ref(),
        queue: store.as_ref(),
        locks: store.as_ref(),
        attempts: store.as_ref(),
    };
    store_ports(&mut group, runtime, &ports);
    cache(&mut group, runtime, "Cache::lookup, found", store.as_ref());
    limiter(&mut group, runtime, store.as_ref());
    publish(&mut group, runtime, store.as_ref());
    group.finish();
}

fn sqlite(criterion: &mut Criterion, runtime: &Runtime) {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("bench.db");
    let store = Arc::new(runtime.block_on(async {
        SqliteStore::open(&path, SqliteOptions::default())
            .await
            .expect("a store")
    }));
    let mut group = criterion.benchmark_group("SQLite");
    let bare = runtime.block_on(async {
        // As durable as ours.
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(&path)
            .synchronous(sqlx::sqlite::SqliteSynchronous::Full);
        let pool = sqlx::SqlitePool::connect_with(options).await.expect("a pool");
        let insert = "INSERT INTO fact (name, value) VALUES ('bare', 'x')";
        sqlx::query(insert).execute(&pool).await.expect("a row");
        pool
    });
    group.bench_function(BARE, |bench| {
        bench.to_async(runtime).iter(|| async {
            let row: String = sqlx::query_scalar("SELECT value FROM fact WHERE name = ?")
                .bind("bare")
                .fetch_one(&bare)
                .await
                .expect("a row");
            row
        });
    });
    group.bench_function(BARE_WRITE, |bench| {
        bench.to_async(runtime).iter(|| async {
            sqlx::query("UPDATE fact SET value = ?2 WHERE name = ?1")
                .bind("bare")
                .bind(uuid().to_string())
                .execute(&bare)
                .await
                .expect("written")
        });
    });
    let ports = StorePorts {
        store: store.as_ref(),
        sessions: store.clone(),
        epochs: store.clone(),
        counters: store.as_ref(),
        queue: store.as_ref(),
        locks: store.as_ref(),
        attempts: store.as_ref(),
    };
    store_ports(&mut group, runtime, &ports);
    group.finish();
}

fn main() {
    let runtime = Runtime::new().expect("a runtime");
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    memory(&mut criterion, &runtime);
    redis(&mut criterion, &runtime);
    postgres(&mut criterion, &runtime);
    sqlite(&mut criterion, &runtime);
    criterion.final_summary();
    ratios::print(&["memory", "Redis", "PostgreSQL", "SQLite"]);
}
