//! Setting up what a row needs.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mppeep_testbed::{Cluster, Postgres, Redis, RedisOptions};

use super::Scale;
use super::load::Person;
use crate::server::{DEMO_PASSWORD, demo_email};
use crate::{Backend, Launch, Server, backend, processes};

/// How long something may take that the promises give five or ten seconds, where times do not decide.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many agents there are to look at.
pub(super) const AGENTS: u32 = 200;

/// Those who may open everything that the load asks for.
const ROLES: [&str; 5] = ["sdrh", "daf", "cs", "sdb", "sdc"];

/// A server on a database with people in it.
pub(super) fn launch(url: &str) -> Launch {
    let _most = processes::raise_descriptor_limit();
    Launch::on(Backend::Sqlite).postgres(url)
}

/// A filled database on the cluster that all rows share.
pub(super) async fn shared_database() -> String {
    filled(Postgres::shared().await).await
}

/// A filled database on a cluster.
pub(super) async fn filled(cluster: &Cluster) -> String {
    let url = backend::migrated(cluster).await;
    let _demo = launch(&url).with_demo(AGENTS);
    url
}

/// A Redis that writes everything down.
pub(super) async fn redis() -> Redis {
    Redis::start(RedisOptions {
        append_only: true,
        ..RedisOptions::default()
    })
    .await
}

/// As many people as the scale wants, logged in.
pub(super) async fn people(server: &Server, scale: &Scale) -> Vec<Person> {
    let mut people = Vec::new();
    for number in 0..scale.sessions {
        people.push(person(server, ROLES[number % ROLES.len()]).await);
    }
    // Pages that were never opened are slower; the rows are not about that.
    for person in &people {
        let _warm = person.ask("/mppeep/accueil").await;
        let _warm = person.ask("/mppeep/personnel").await;
    }
    people
}

/// Somebody of this role, logged in.
pub(super) async fn person(server: &Server, role: &str) -> Person {
    let email = demo_email(role);
    let client = server.logged_in(&email, DEMO_PASSWORD).await;
    Person { email, client }
}

/// Waits until `reached` answers yes, and gives how long that took; nothing when it does not come.
pub(super) async fn until(mut reached: impl AsyncFnMut() -> bool) -> Option<Duration> {
    let begun = Instant::now();
    while !reached().await {
        if begun.elapsed() > PATIENCE {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Some(begun.elapsed())
}

/// Whether something came, and as soon as promised where times decide.
pub(super) fn soon(scale: &Scale, came: Option<Duration>, limit: Duration) -> bool {
    came.is_some_and(|took| !scale.times || took <= limit)
}

/// How many wrong passwords were looked at before the refusal: 429 whatever is tried.
pub(super) async fn tries_left(server: &Server, address: &str) -> Result<usize, u16> {
    for tries in 0..10 {
        let who = format!("personne{tries}@mppeep.example");
        let answer = server.visitor_from(address).login(&who, "pas-celui-ci").await;
        match answer.status {
            401 => {}
            429 => return Ok(tries),
            other => return Err(other),
        }
    }
    Ok(10)
}

/// A session on a cluster that does nothing but exist.
pub struct Foreign {
    connection: TcpStream,
}

impl Foreign {
    /// Opens one. Nothing when there is no room.
    #[must_use]
    pub fn open(cluster: &Cluster) -> Option<Self> {
        use std::io::Read as _;
        let mut connection = TcpStream::connect(cluster.address()).ok()?;
        connection.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let words = b"user\0mppeep\0database\0postgres\0\0";
        let length = u32::try_from(words.len() + 8).ok()?;
        let mut message = length.to_be_bytes().to_vec();
        message.extend(196_608_u32.to_be_bytes());
        message.extend(words);
        connection.write_all(&message).ok()?;
        // `R`: welcome; `E`: there is no room.
        let mut first = [0];
        connection.read_exact(&mut first).ok()?;
        (first == *b"R").then_some(Self { connection })
    }

    /// Ends all sessions on a database, without hearing how many. For when there is no room to log in for that.
    pub fn terminate_sessions(&mut self, database: &str) {
        let statement =
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'\0");
        let length = u32::try_from(statement.len() + 4).expect("a short statement");
        let mut message = b"Q".to_vec();
        message.extend(length.to_be_bytes());
        message.extend(statement.as_bytes());
        self.connection
            .write_all(&message)
            .expect("a session that nobody ended");
    }
}
