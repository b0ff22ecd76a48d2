//! What Redis may do.

use std::time::{Duration, Instant};

use mppeep_testbed::{Fault, FaultProxy, Redis, RedisNode};

use super::load::{Load, Person};
use super::report::{Outcome, Report};
use super::{Scale, stage};
use crate::server::{DEMO_PASSWORD, demo_email};
use crate::{Client, Server};

/// What the promises call quick.
const QUICK: Duration = Duration::from_millis(250);
/// How soon Redis is used again.
const BACK: Duration = Duration::from_secs(5);

/// A server with this Redis, and people.
async fn set(scale: &Scale, url: &str) -> (Server, Vec<Person>) {
    let database = stage::shared_database().await;
    let server = stage::launch(&database).redis(url).start();
    let people = stage::people(&server, scale).await;
    (server, people)
}

/// How many commands about data it has had.
async fn data_commands(redis: &RedisNode) -> u64 {
    const OTHERS: [&str; 13] = [
        "ping",
        "hello",
        "info",
        "client",
        "config",
        "auth",
        "select",
        "command",
        "subscribe",
        "psubscribe",
        "script",
        "function",
        "unsubscribe",
    ];
    let told = redis.try_cli(&["INFO", "commandstats"]).await.unwrap_or_default();
    told.lines()
        .filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="))
        .filter(|(name, _)| !OTHERS.iter().any(|other| name.starts_with(other)))
        .filter_map(|(_, rest)| rest.split(',').next()?.parse::<u64>().ok())
        .sum()
}

/// Waits until it has had more of them.
async fn used_again(redis: &RedisNode) -> Option<Duration> {
    let before = data_commands(redis).await;
    stage::until(async || data_commands(redis).await > before).await
}

pub(super) async fn up(scale: &Scale) -> Report {
    let redis = stage::redis().await;
    let (_server, people) = set(scale, &redis.url()).await;
    let before = data_commands(&redis).await;
    let load = Load::begin(scale, &people, "up");
    scale.pass(8).await;
    let mut report = Report {
        parts: load.end().await,
        ..Report::default()
    };
    report.all_good("up");
    report.within(scale, "up", 99, QUICK);
    let used = data_commands(&redis).await - before;
    report.fact(format!("{used} commands about data"));
    report.hold(used > 0, "Redis is used");
    report
}

pub(super) async fn everything_ends(scale: &Scale) -> Report {
    let redis = stage::redis().await;
    let (server, people) = set(scale, &redis.url()).await;
    let load = Load::begin(scale, &people, "up");
    let tries = stage::tries_left(&server, "203.0.113.20").await;
    scale.pass(4).await;
    let mut report = Report {
        parts: load.end().await,
        ..Report::default()
    };
    report.hold(tries == Ok(5), format!("five tries: {tries:?}"));
    let keys = redis.cli(&["--scan"]).await;
    let (mut longest, mut count) = (0, 0);
    for key in keys.lines() {
        let left: i64 = redis.cli(&["TTL", key]).await.parse().expect("seconds");
        // -2: it has ended in between.
        report.hold(
            left == -2 || (0..=604_800).contains(&left),
            format!("{key} ends: {left}"),
        );
        longest = longest.max(left);
        count += 1;
    }
    report.hold(count > 0, "there are keys");
    report.fact(format!("{count} keys, the longest for {longest} s more"));
    let ids: Vec<String> = people.iter().map(|person| person.client.session()).collect();
    let shown = ids.iter().any(|id| keys.contains(id.as_str()));
    report.hold(!shown, "no key holds the id of a session");
    report
}

/// What is done to sessions and limits while something is wrong, and has to hold afterwards.
struct Acts {
    ended: Client,
    begun: Option<Client>,
}

impl Acts {
    /// Logs out, logs in, and guesses: `address` has guessed three times already.
    async fn perform(report: &mut Report, server: &Server, leaving: Person, address: &str) -> Self {
        let ended = leaving.client.twin();
        let out = leaving
            .client
            .request("POST", "/mppeep/logout")
            .send()
            .await
            .status;
        report.hold(out == 303, format!("logging out works: {out}"));
        report.hold(opens(&ended).await == Some(false), "an ended session is closed");
        let visitor = server.visitor();
        let status = visitor.login(&demo_email("agent"), DEMO_PASSWORD).await.status;
        report.hold(status == 303, format!("logging in works: {status}"));
        let begun = (status == 303).then_some(visitor);
        if let Some(begun) = &begun {
            report.hold(opens(begun).await == Some(true), "a begun session opens");
        }
        let fresh = stage::tries_left(server, &format!("{address}1")).await;
        report.hold(
            fresh == Ok(5),
            format!("the sixth wrong login is refused: {fresh:?}"),
        );
        let rest = stage::tries_left(server, &format!("{address}2")).await;
        report.hold(rest == Ok(2), format!("earlier tries still count: {rest:?}"));
        Self { ended, begun }
    }

    /// Three guesses before.
    async fn prepare(server: &Server, address: &str) {
        for number in 0..3 {
            let _wrong = server
                .visitor_from(&format!("{address}2"))
                .login(&format!("autre{number}@mppeep.example"), "pas-celui-ci")
                .await;
        }
    }

    /// Everything is still as it was left.
    async fn hold(&self, report: &mut Report, server: &Server, address: &str) {
        report.hold(
            opens(&self.ended).await == Some(false),
            "the session ended meanwhile stays ended",
        );
        if let Some(begun) = &self.begun {
            report.hold(
                opens(begun).await == Some(true),
                "the session begun meanwhile lives",
            );
        }
        let left = stage::tries_left(server, &format!("{address}1")).await;
        report.hold(left == Ok(0), format!("the limit is not lifted: {left:?}"));
    }
}

/// Whether a session opens; nothing where the answer is neither yes nor no.
async fn opens(client: &Client) -> Option<bool> {
    match client.get("/mppeep/accueil").await.status {
        200 => Some(true),
        303 => Some(false),
        _ => None,
    }
}

pub(super) async fn killed(scale: &Scale) -> Report {
    const ADDRESS: &str = "203.0.113.3";
    let redis = stage::redis().await;
    let (server, people) = set(scale, &redis.url()).await;
    let leaving = stage::person(&server, "sdrh").await;
    let _warm = leaving.ask("/mppeep/accueil").await;
    Acts::prepare(&server, ADDRESS).await;
    let mut report = Report::default();
    let load = Load::begin(scale, &people, "up");
    scale.pass(10).await;
    redis.kill().await;
    load.part("down");
    let over = tokio::time::Instant::now() + scale.seconds(10);
    let acts = Acts::perform(&mut report, &server, leaving, ADDRESS).await;
    tokio::time::sleep_until(over).await;
    redis.start_again().await;
    load.part("back");
    let used = used_again(&redis).await;
    report.fact(format!("used again after {used:?}"));
    report.hold(stage::soon(scale, used, BACK), "Redis is used again within 5 s");
    acts.hold(&mut report, &server, ADDRESS).await;
    scale.pass(10).await;
    report.parts = load.end().await;
    for part in ["up", "down", "back"] {
        report.all_good(part);
    }
    report.within(scale, "down", 99, QUICK);
    report.within(scale, "back", 99, QUICK);
    report
}

pub(super) async fn hangs(scale: &Scale) -> Report {
    const ADDRESS: &str = "203.0.113.4";
    let redis = stage::redis().await;
    let (server, people) = set(scale, &redis.url()).await;
    let leaving = stage::person(&server, "sdrh").await;
    let _warm = leaving.ask("/mppeep/accueil").await;
    Acts::prepare(&server, ADDRESS).await;
    let mut report = Report::default();
    let load = Load::begin(scale, &people, "up");
    scale.pass(4).await;
    redis.pause();
    load.part("first 3 s");
    let over = tokio::time::Instant::now() + scale.seconds(3);
    let acts = Acts::perform(&mut report, &server, leaving, ADDRESS).await;
    tokio::time::sleep_until(over).await;
    load.part("hanging");
    scale.pass(4).await;
    redis.resume();
    load.part("after");
    let used = used_again(&redis).await;
    report.fact(format!("used again after {used:?}"));
    report.hold(stage::soon(scale, used, BACK), "Redis is used again within 5 s");
    acts.hold(&mut report, &server, ADDRESS).await;
    scale.pass(4).await;
    report.parts = load.end().await;
    for part in ["up", "first 3 s", "hanging", "after"] {
        report.all_good(part);
    }
    report.within(scale, "first 3 s", 99, Duration::from_secs(1));
    report.within(scale, "hanging", 99, QUICK);
    report
}

pub(super) async fn flushed(scale: &Scale) -> Report {
    let redis = stage::redis().await;
    let (_server, people) = set(scale, &redis.url()).await;
    let load = Load::begin(scale, &people, "up");
    scale.pass(4).await;
    redis.cli(&["FLUSHALL"]).await;
    load.part("emptied");
    scale.pass(4).await;
    let mut report = Report {
        parts: load.end().await,
        ..Report::default()
    };
    report.all_good("up");
    report.all_good("emptied");
    report.within(scale, "emptied", 99, QUICK);
    report
}

/// How often commands have failed for want of memory.
async fn refusals(redis: &RedisNode) -> u64 {
    let told = redis.cli(&["INFO", "errorstats"]).await;
    told.lines()
        .find_map(|line| line.strip_prefix("errorstat_OOM:count=")?.trim().parse().ok())
        .unwrap_or(0)
}

pub(super) async fn full(scale: &Scale) -> Report {
    const ADDRESS: &str = "203.0.113.5";
    let redis = stage::redis().await;
    let (server, people) = set(scale, &redis.url()).await;
    let leaving = stage::person(&server, "sdrh").await;
    let _warm = leaving.ask("/mppeep/accueil").await;
    Acts::prepare(&server, ADDRESS).await;
    let mut report = Report::default();
    let load = Load::begin(scale, &people, "up");
    scale.pass(4).await;
    // Redis alone takes as much: from here on every write is refused.
    redis
        .cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"])
        .await;
    redis.cli(&["CONFIG", "SET", "maxmemory", "1mb"]).await;
    load.part("full");
    let acts = Acts::perform(&mut report, &server, leaving, ADDRESS).await;
    scale.pass(6).await;
    let refused = refusals(&redis).await;
    report.fact(format!("{refused} writes were refused"));
    report.hold(refused > 0, "writes are refused");
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    load.part("room again");
    acts.hold(&mut report, &server, ADDRESS).await;
    scale.pass(4).await;
    report.parts = load.end().await;
    for part in ["up", "full", "room again"] {
        report.all_good(part);
    }
    report.within(scale, "full", 99, QUICK);
    report
}

async fn info(redis: &RedisNode, section: &str, field: &str) -> u64 {
    let told = redis.cli(&["INFO", section]).await;
    told.lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':')?.trim().parse().ok())
        .unwrap_or_else(|| panic!("no {field} in {told}"))
}

pub(super) async fn evicts(scale: &Scale) -> Report {
    let redis = stage::redis().await;
    let (_server, people) = set(scale, &redis.url()).await;
    let load = Load::begin(scale, &people, "up");
    scale.pass(4).await;
    let used = info(&redis, "memory", "used_memory").await;
    redis
        .cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"])
        .await;
    redis
        .cli(&["CONFIG", "SET", "maxmemory", &(used + 50_000).to_string()])
        .await;
    load.part("evicting");
    let junk = "for i = 1, 800 do redis.call('SET', 'junk:' .. i, string.rep('x', 1000)) end";
    redis.cli(&["EVAL", junk, "0"]).await;
    scale.pass(8).await;
    let mut report = Report {
        parts: load.end().await,
        ..Report::default()
    };
    let evicted = info(&redis, "stats", "evicted_keys").await;
    report.fact(format!("{evicted} keys were thrown out"));
    report.hold(evicted > 0, "keys are thrown out");
    report.all_good("up");
    report.all_good("evicting");
    report.within(scale, "evicting", 99, QUICK);
    report
}

pub(super) async fn ends_clients(scale: &Scale) -> Report {
    let redis = stage::redis().await;
    let (_server, people) = set(scale, &redis.url()).await;
    let mut report = Report::default();
    let load = Load::begin(scale, &people, "up");
    scale.pass(2).await;
    load.part("ended");
    let mut ended = 0;
    for _ in 0..5 {
        for kind in ["normal", "pubsub"] {
            let count = redis.cli(&["CLIENT", "KILL", "TYPE", kind]).await;
            ended += count.parse::<u64>().expect("a number");
        }
        scale.pass(1).await;
    }
    report.fact(format!("{ended} connections were ended"));
    report.hold(ended > 0, "there were connections to end");
    load.part("waiting");
    let wait = scale.seconds(3).as_millis().to_string();
    redis.cli(&["CLIENT", "PAUSE", &wait]).await;
    scale.pass(3).await;
    load.part("after");
    let used = used_again(&redis).await;
    report.fact(format!("used again after {used:?}"));
    report.hold(stage::soon(scale, used, BACK), "Redis is used again within 5 s");
    scale.pass(3).await;
    report.parts = load.end().await;
    for part in ["up", "ended", "waiting", "after"] {
        report.all_good(part);
    }
    report
}

pub(super) async fn comes_later(scale: &Scale) -> Report {
    let redis: Redis = stage::redis().await;
    redis.stop().await;
    let mut report = Report::default();
    let (server, people) = set(scale, &redis.url()).await;
    let started = server.started_in();
    report.fact(format!("listening after {started:?}"));
    report.hold(
        stage::soon(scale, Some(started), Duration::from_secs(10)),
        "it serves within 10 s without Redis",
    );
    let load = Load::begin(scale, &people, "without");
    scale.pass(4).await;
    redis.start_again().await;
    load.part("with");
    let used = used_again(&redis).await;
    report.fact(format!("Redis is used after {used:?}"));
    report.hold(
        stage::soon(scale, used, Duration::from_secs(10)),
        "Redis is used within 10 s of its appearance",
    );
    scale.pass(4).await;
    report.parts = load.end().await;
    report.all_good("without");
    report.all_good("with");
    report.within(scale, "without", 99, QUICK);
    report
}

pub(super) async fn bad_ways(scale: &Scale) -> Report {
    let redis = stage::redis().await;
    let proxy = FaultProxy::start(&redis.address());
    let (server, people) = set(scale, &redis.url_through(&proxy.address())).await;
    let mut report = Report::default();
    let load = Load::begin(scale, &people, "good");
    scale.pass(3).await;
    let ways = [
        ("200 ms late", Fault::Delay(Duration::from_millis(200))),
        ("mute", Fault::BlackHole),
        ("cut after 100 bytes", Fault::CutAfter(100)),
        ("corrupt", Fault::Corrupt),
        ("refused", Fault::Refuse),
    ];
    for (number, (name, fault)) in ways.into_iter().enumerate() {
        let begun = Instant::now();
        let leaving = stage::person(&server, "sdrh").await;
        let _warm = leaving.ask("/mppeep/accueil").await;
        let address = format!("198.51.{number}.1");
        Acts::prepare(&server, &address).await;
        let prepared = begun.elapsed();
        proxy.set(fault).await;
        if fault == Fault::Refuse {
            proxy.reset_connections();
        }
        load.part(name);
        let over = tokio::time::Instant::now() + scale.seconds(5);
        let acts = Acts::perform(&mut report, &server, leaving, &address).await;
        tokio::time::sleep_until(over).await;
        proxy.set(Fault::Pass).await;
        load.part("good again");
        let used = used_again(&redis).await;
        let begun = Instant::now();
        acts.hold(&mut report, &server, &address).await;
        let looked = begun.elapsed();
        report.fact(format!(
            "{name}: prepared in {prepared:.1?}, Redis used again after {used:.1?}, looked at in {looked:.1?}"
        ));
        report.hold(
            stage::soon(scale, used, BACK),
            format!("after {name} Redis is used again within 5 s"),
        );
        scale.pass(2).await;
    }
    report.parts = load.end().await;
    for (name, _) in ways {
        report.all_good(name);
        report.within(scale, name, 99, Duration::from_millis(500));
    }
    let again = report.parts.iter().filter(|part| part.name == "good again");
    let bad: usize = again.map(super::report::Measure::bad).sum();
    report.hold(bad == 0, "good again: only good answers");
    let page = people[0].ask("/mppeep/accueil").await;
    report.hold(page == Outcome::Good, "a page opens in the end");
    report
}
