//! A thousand mails through a mail server that refuses, stalls and drops, by four workers of which one is killed every
//! second: each is delivered, none is lost, and few come twice.

use std::collections::HashMap;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use mppeep_core::domain::id::JobId;
use mppeep_core::domain::mail::{Mail, MailKind};
use mppeep_core::ports::clock::{SystemClock, SystemEntropy};
use mppeep_core::ports::job_queue::Queue;
use mppeep_core::ports::outbox::{Enqueued, NewJob};
use mppeep_core::ports::store::Store as _;
use mppeep_store_pg::{PgOptions, PgStore};
use mppeep_testbed::{SmtpReaction, SmtpServer};
use mppeep_tests::{Backend, Launch};

const MAILS: usize = 1_000;
const WORKERS: usize = 4;
const CONCURRENCY: usize = 4;
const KILLS: usize = 8;

/// How long a loaded machine may take: what was refused is tried again after ten seconds, and again after a minute.
const PATIENCE: Duration = Duration::from_secs(240);

fn worker(launch: &Launch) -> Child {
    launch
        .command()
        .arg("worker")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a worker")
}

/// A worker that does not outlive the test.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

async fn enqueue(url: &str) {
    let store = PgStore::open(url, PgOptions::default()).await.expect("a store");
    let mut unit = store.begin().await.expect("a unit");
    for number in 0..MAILS {
        let mail = Mail {
            kind: MailKind::Test,
            to: format!("agent-{number}@example.org"),
            subject: format!("Courriel n° {number}"),
            text: "Ceci est un essai, à accents.".to_owned(),
            html: "<p>Ceci est un essai, à accents.</p>".to_owned(),
        };
        let job = NewJob {
            id: JobId::new(&SystemClock, &SystemEntropy),
            queue: Queue::Mail,
            payload: serde_json::to_string(&mail).expect("JSON"),
            priority: 0,
            run_at: None,
            max_attempts: 7,
            unique_key: None,
        };
        let enqueued = unit.jobs().enqueue(&job).await.expect("enqueued");
        assert_eq!(enqueued, Enqueued::Done);
    }
    unit.commit().await.expect("committed");
    store.close().await;
}

/// What the server does with the first mails: one in ten is refused, cut off or not answered.
fn reactions() -> Vec<SmtpReaction> {
    (0..MAILS)
        .map(|number| match number % 40 {
            3 | 17 => SmtpReaction::RefuseMessage(451),
            9 => SmtpReaction::RefuseSender(421),
            23 => SmtpReaction::DropInData(40),
            31 => SmtpReaction::DropAfterData,
            _ => SmtpReaction::Stall(Duration::from_millis(80)),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_mails_survive_their_server_and_their_workers() {
    let smtp = SmtpServer::start();
    let reactions = reactions();
    let unanswered = reactions
        .iter()
        .filter(|reaction| **reaction == SmtpReaction::DropAfterData)
        .count();
    smtp.next(reactions);
    let launch = Launch::on(Backend::Postgres)
        .smtp(&smtp.url())
        .env("MPPEEP_MAIL_FROM", "mppeep@example.org")
        .env("MPPEEP_WORKER_CONCURRENCY", CONCURRENCY)
        .env("MPPEEP_WORKER_LEASE_SECONDS", 10);
    enqueue(launch.database_url().expect("a database")).await;
    let mut workers: Vec<Worker> = (0..WORKERS).map(|_| Worker(worker(&launch))).collect();
    let began = Instant::now();
    for turn in 0..KILLS {
        tokio::time::sleep(Duration::from_secs(1)).await;
        // The old one is killed without a word as it is replaced.
        workers[turn % WORKERS] = Worker(worker(&launch));
    }
    let left = || launch.ask("SELECT count(*) FROM job");
    while left().trim() != "0" && began.elapsed() < PATIENCE {
        // What was refused three times would wait for minutes, which are more than a test has.
        let _hurried = launch.ask(
            "UPDATE job SET run_at = now() WHERE state = 'ready' AND run_at > now() + interval '61 seconds'",
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let waiting = launch.ask("SELECT state, count(*) FROM job GROUP BY state");
    assert_eq!(waiting.trim(), "", "mails are left");
    let mut deliveries: HashMap<String, usize> = HashMap::new();
    for mail in smtp.mails() {
        let id = mail
            .raw
            .lines()
            .find_map(|line| line.strip_prefix("Message-ID: "));
        let recipient = mail.to.first().expect("a recipient").clone();
        *deliveries
            .entry(format!("{recipient} {}", id.expect("a Message-ID")))
            .or_default() += 1;
    }
    assert_eq!(
        deliveries.len(),
        MAILS,
        "each mail is delivered, under one Message-ID"
    );
    let twice: usize = deliveries.values().map(|count| count - 1).sum();
    println!(
        "{MAILS} mails in {:.1} s: {} attempts, {twice} delivered again ({unanswered} without an answer, {KILLS} kills)",
        began.elapsed().as_secs_f64(),
        smtp.attempts()
    );
    assert!(
        twice <= unanswered + KILLS * CONCURRENCY,
        "{twice} came again: more than were not answered or in the hands of who was killed"
    );
}
