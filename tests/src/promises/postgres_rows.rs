//! What PostgreSQL may do.

use std::time::Duration;

use mppeep_testbed::{Cluster, PgBouncer, Postgres, PostgresOptions, database_of};

use super::load::{Load, Person};
use super::report::{Outcome, Report};
use super::stage::Foreign;
use super::{Scale, stage};
use crate::agents::agent;
use crate::api::API;
use crate::{Backend, Launch, Server, backend};

/// What the promises call quick.
const QUICK: Duration = Duration::from_millis(250);
/// How soon everything works again.
const BACK: Duration = Duration::from_secs(5);

/// A cluster of its own, a server, and people.
async fn set(scale: &Scale, max_connections: u32) -> (Postgres, String, Server, Vec<Person>) {
    let postgres = Postgres::start(PostgresOptions {
        max_connections,
        ..PostgresOptions::default()
    })
    .await;
    let url = stage::filled(&postgres).await;
    let server = stage::launch(&url).start();
    let people = stage::people(&server, scale).await;
    (postgres, url, server, people)
}

/// What needs no database answers all the same, and soon; health says that it is missing.
async fn without_database(report: &mut Report, scale: &Scale, server: &Server) {
    let visitor = server.visitor();
    let login = visitor.get("/mppeep/login").await;
    report.hold(
        login.status == 200,
        format!("the login page opens: {}", login.status),
    );
    let page = login.text();
    let file = page
        .split('"')
        .find(|word| word.starts_with("/mppeep/static/"))
        .unwrap_or("/mppeep/static/")
        .to_owned();
    let begun = std::time::Instant::now();
    let status = visitor.get(&file).await.status;
    report.hold(status == 200, format!("{file} is served: {status}"));
    report.hold(
        !scale.times || begun.elapsed() < QUICK,
        format!("{file} is served at once: {:?}", begun.elapsed()),
    );
    let health = visitor.get("/mppeep/api/v1/health").await.status;
    report.hold(health == 503, format!("health says so: {health}"));
    let live = visitor.get("/mppeep/health/live").await.status;
    report.hold(live == 200, format!("the process lives: {live}"));
    // A login cannot be decided: it is neither right nor wrong.
    let login = visitor.login("personne@mppeep.example", "pas-celui-ci").await;
    report.hold(
        login.status == 503 && login.header("retry-after").is_some(),
        format!("a login is put off: {}", login.status),
    );
}

/// Waits until all people are answered again, and gives how long that took.
async fn recovered(people: &[Person]) -> Option<Duration> {
    stage::until(async || {
        for person in people {
            if person.ask("/mppeep/accueil").await != Outcome::Good {
                return false;
            }
        }
        true
    })
    .await
}

/// Counts the time after harm: everything works within five seconds, and goes on working.
async fn back(report: &mut Report, scale: &Scale, load: Load, people: &[Person]) {
    load.part("coming back");
    let came = recovered(people).await;
    report.fact(format!("everybody is answered again after {came:?}"));
    report.hold(
        stage::soon(scale, came, BACK),
        "everything works again within 5 s",
    );
    if scale.times {
        tokio::time::sleep(BACK.saturating_sub(came.unwrap_or_default())).await;
    } else {
        // One that was begun before may still be waiting.
        scale.pass(4).await;
    }
    load.part("back");
    scale.pass(5).await;
    report.parts = load.end().await;
    report.all_good("back");
    report.within(scale, "back", 99, QUICK);
}

/// No answer of any part took longer.
fn slowest(report: &mut Report, scale: &Scale, limit: Duration) {
    let slowest = report
        .parts
        .iter()
        .map(|part| part.times.percentile(100))
        .max()
        .unwrap_or_default();
    report.fact(format!("the slowest answer took {slowest:?}"));
    report.hold(
        !scale.times || slowest < limit,
        format!("every answer within {limit:?}"),
    );
}

pub(super) async fn killed(scale: &Scale) -> Report {
    let (postgres, _url, server, people) = set(scale, 100).await;
    let mut report = Report::default();
    let load = Load::begin(scale, &people, "up");
    scale.pass(8).await;
    load.part("down");
    postgres.kill().await;
    let over = tokio::time::Instant::now() + scale.seconds(8);
    without_database(&mut report, scale, &server).await;
    tokio::time::sleep_until(over).await;
    postgres.start_again().await;
    back(&mut report, scale, load, &people).await;
    report.all_good("up");
    report.good_or_unavailable("down");
    report.good_or_unavailable("coming back");
    slowest(&mut report, scale, Duration::from_secs(5));
    report
}

pub(super) async fn hangs(scale: &Scale) -> Report {
    let (postgres, _url, server, people) = set(scale, 100).await;
    let mut report = Report::default();
    let load = Load::begin(scale, &people, "up");
    scale.pass(4).await;
    load.part("hanging");
    postgres.pause();
    let over = tokio::time::Instant::now() + scale.seconds(10);
    without_database(&mut report, scale, &server).await;
    tokio::time::sleep_until(over).await;
    postgres.resume();
    back(&mut report, scale, load, &people).await;
    report.all_good("up");
    report.good_or_unavailable("hanging");
    report.good_or_unavailable("coming back");
    slowest(&mut report, scale, Duration::from_secs(8));
    report
}

pub(super) async fn ends_sessions(scale: &Scale) -> Report {
    /// How often they are ended.
    const TIMES: usize = 3;
    let (postgres, url, _server, people) = set(scale, 100).await;
    let mut report = Report::default();
    let load = Load::begin(scale, &people, "up");
    scale.pass(2).await;
    load.part("ended");
    let mut ended = 0;
    for _ in 0..TIMES {
        ended += postgres.terminate_sessions(database_of(&url)).await;
        scale.pass(4).await;
    }
    report.fact(format!("{ended} sessions were ended"));
    report.hold(ended > 0, "there were sessions to end");
    back(&mut report, scale, load, &people).await;
    report.good_or_unavailable("ended");
    report.each("ended", "less than 2 % of 503", |part| {
        // Few requests make one of them many per cent; and one may be reading each time.
        part.unavailable * 50 <= part.answers.max(50 * TIMES)
    });
    report
}

pub(super) async fn has_no_session_left(scale: &Scale) -> Report {
    let (postgres, url, _server, people) = set(scale, 64).await;
    let mut report = Report::default();
    let load = Load::begin(scale, &people, "up");
    scale.pass(2).await;
    load.part("no session left");
    let mut foreign: Vec<Foreign> = Vec::new();
    let over = tokio::time::Instant::now() + scale.seconds(6);
    // Strangers take what there is; then ours are ended, and strangers take their places before we can.
    while foreign.len() < 60 || tokio::time::Instant::now() < over {
        if let Some(session) = Foreign::open(&postgres) {
            foreign.push(session);
            continue;
        }
        if foreign.len() < 60
            && let Some(first) = foreign.first_mut()
        {
            first.terminate_sessions(database_of(&url));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        if tokio::time::Instant::now() > over + Duration::from_secs(20) {
            break;
        }
    }
    report.fact(format!("{} sessions of strangers", foreign.len()));
    report.hold(foreign.len() >= 60, "strangers take the sessions");
    drop(foreign);
    back(&mut report, scale, load, &people).await;
    report.good_or_unavailable("no session left");
    report.good_or_unavailable("coming back");
    report
}

/// Creates the agent of this number, and gives the status and whether one is told to try again.
async fn create(writer: &Person, number: usize) -> (u16, bool) {
    let answer = writer
        .client
        .post(&format!("{API}/personnel"), &agent(number).body())
        .await;
    (answer.status, answer.header("retry-after").is_some())
}

pub(super) async fn read_only(scale: &Scale) -> Report {
    let (postgres, url, server, people) = set(scale, 100).await;
    let database = database_of(&url);
    let writer = stage::person(&server, "sdrh").await;
    let mut report = Report::default();
    let first = create(&writer, 1).await;
    report.hold(first.0 == 201, format!("a write works: {}", first.0));
    let switch = async |word: &str| {
        let statement = format!("ALTER DATABASE \"{database}\" SET default_transaction_read_only = {word}");
        // The cluster's own switch cannot be in the way: it is asked in another database.
        postgres.sql("postgres", &statement).await;
        postgres.terminate_sessions(database).await;
    };
    let load = Load::begin(scale, &people, "up");
    scale.pass(2).await;
    load.part("switching");
    switch("on").await;
    let came = recovered(&people).await;
    report.hold(came.is_some(), "pages open although nothing can be written");
    load.part("read only");
    for number in 2..6 {
        let (status, told) = create(&writer, number).await;
        report.hold(
            status == 503 && told,
            format!("a write is put off: {status}, Retry-After {told}"),
        );
        scale.pass(1).await;
    }
    load.part("switching back");
    switch("off").await;
    back(&mut report, scale, load, &people).await;
    let (status, _) = create(&writer, 6).await;
    report.hold(status == 201, format!("a write works again: {status}"));
    report.all_good("up");
    report.all_good("read only");
    report.good_or_unavailable("switching");
    report.good_or_unavailable("switching back");
    report
}

pub(super) async fn restarts(scale: &Scale) -> Report {
    let (postgres, _url, _server, people) = set(scale, 100).await;
    let mut report = Report::default();
    let load = Load::begin(scale, &people, "up");
    scale.pass(3).await;
    load.part("starting anew");
    postgres.restart().await;
    back(&mut report, scale, load, &people).await;
    report.good_or_unavailable("starting anew");
    report.good_or_unavailable("coming back");
    report
}

pub(super) async fn comes_later(scale: &Scale) -> Report {
    let postgres = Postgres::start(PostgresOptions::default()).await;
    let url = stage::filled(&postgres).await;
    postgres.stop().await;
    let mut report = Report::default();
    let starting = stage::launch(&url)
        .env("MPPEEP_DATABASE_WAIT_SECONDS", 60)
        .spawn();
    scale.pass(4).await;
    postgres.start_again().await;
    let came = std::time::Instant::now();
    let server = starting.listening();
    let visitor = server.visitor();
    let ready = stage::until(async || visitor.get("/mppeep/health/ready").await.status == 200)
        .await
        .map(|_| came.elapsed());
    report.fact(format!("ready {ready:?} after the database"));
    report.hold(
        stage::soon(scale, ready, Duration::from_secs(10)),
        "it is ready within 10 s",
    );
    // One that must not wait says what is wrong and ends.
    postgres.stop().await;
    let (status, log) = stage::launch(&url)
        .env("MPPEEP_DATABASE_WAIT_SECONDS", 1)
        .spawn()
        .ended();
    report.hold(!status.success(), format!("it ends with {status}"));
    report.hold(
        log.contains(&postgres.address()) || log.contains("DATABASE_URL"),
        "it names what is missing",
    );
    report
}

pub(super) async fn pooled(scale: &Scale) -> Report {
    let cluster: &Cluster = Postgres::shared().await;
    let bouncer = PgBouncer::start(cluster, 5).await;
    let direct = backend::migrated(cluster).await;
    let launch = Launch::on(Backend::Sqlite)
        .postgres(&bouncer.url(database_of(&direct)))
        .env("MPPEEP_DATABASE_POOLER", true)
        .env("MPPEEP_DATABASE_LISTEN_URL", &direct)
        .with_demo(100);
    let server = launch.start();
    let people = stage::people(&server, scale).await;
    let writer = stage::person(&server, "sdrh").await;
    let mut report = Report::default();
    report.fact(format!(
        "this PgBouncer {} prepared statements",
        if bouncer.prepares() { "follows" } else { "knows no" }
    ));
    let load = Load::begin(scale, &people, "pooled");
    for number in 1..10 {
        let (status, _) = create(&writer, number).await;
        report.hold(status == 201, format!("a write works: {status}"));
        scale.pass(1).await;
    }
    report.parts = load.end().await;
    report.all_good("pooled");
    report.within(scale, "pooled", 99, QUICK);
    report
}
