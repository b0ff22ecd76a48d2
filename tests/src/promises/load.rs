//! People who come at a steady rate, whether they are answered or not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, JoinSet};

use super::Scale;
use super::report::{Measure, Outcome};
use crate::client::{Client, Response};

/// Somebody logged in.
#[derive(Clone)]
pub struct Person {
    /// Who he is.
    pub email: String,
    /// His browser.
    pub client: Client,
}

/// The pages and answers that people ask for, one after the other. The first says whose session it is.
const PATHS: [&str; 5] = [
    "/mppeep/api/v1/session",
    "/mppeep/accueil",
    "/mppeep/personnel",
    "/mppeep/profil",
    "/mppeep/api/v1/personnel?limit=10",
];

impl Person {
    /// Asks for something, and judges the answer.
    pub async fn ask(&self, path: &str) -> Outcome {
        match self.client.request("GET", path).try_send().await {
            Ok(answer) => self.judge(path, &answer),
            Err(_) => Outcome::Broken,
        }
    }

    fn judge(&self, path: &str, answer: &Response) -> Outcome {
        let api = path.contains("/api/");
        match answer.status {
            200 if path == PATHS[0] => {
                let whose = serde_json::from_slice::<serde_json::Value>(&answer.body).ok();
                match whose.as_ref().and_then(|body| body["email"].as_str()) {
                    Some(email) if email == self.email => Outcome::Good,
                    Some(_) => Outcome::Foreign,
                    None => Outcome::Status(200),
                }
            }
            200 => Outcome::Good,
            401 if api => Outcome::Lost,
            303 if answer.header_or_empty("location").contains("/login") => Outcome::Lost,
            503 => {
                let problem = answer
                    .header_or_empty("content-type")
                    .starts_with("application/problem+json");
                if answer.header("retry-after").is_some() && problem == api {
                    Outcome::Unavailable
                } else {
                    // As bad as one that nobody meant.
                    Outcome::Status(503)
                }
            }
            other => Outcome::Status(other),
        }
    }
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    parts: Mutex<Vec<Measure>>,
}

impl Shared {
    fn with<T>(&self, work: impl FnOnce(&mut Vec<Measure>) -> T) -> T {
        work(&mut self.parts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A load that goes on until it is told to end.
pub struct Load {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Load {
    /// Begins, with the first part of this name.
    #[must_use]
    pub fn begin(scale: &Scale, people: &[Person], name: &'static str) -> Self {
        let shared = Arc::new(Shared::default());
        shared.with(|parts| parts.push(Measure::of(name)));
        let pause = Duration::from_secs(1) / scale.rate;
        let task = tokio::spawn(keep_asking(people.to_vec(), pause, Arc::clone(&shared)));
        Self { shared, task }
    }

    /// Counts the requests from now on in another part.
    pub fn part(&self, name: &'static str) {
        self.shared.with(|parts| parts.push(Measure::of(name)));
    }

    /// Ends, waits for the answers still due, and gives all parts.
    ///
    /// # Panics
    ///
    /// When a request did.
    pub async fn end(self) -> Vec<Measure> {
        self.shared.over.store(true, Ordering::Relaxed);
        self.task.await.expect("no request panics");
        self.shared.with(std::mem::take)
    }
}

async fn keep_asking(people: Vec<Person>, pause: Duration, shared: Arc<Shared>) {
    let people = Arc::new(people);
    let mut asked = JoinSet::new();
    let begun = Instant::now();
    for number in 0_u32.. {
        let due = begun + pause * number;
        tokio::time::sleep_until(due.into()).await;
        if shared.over.load(Ordering::Relaxed) {
            break;
        }
        let part = shared.with(|parts| parts.len() - 1);
        let (people, shared) = (Arc::clone(&people), Arc::clone(&shared));
        asked.spawn(async move {
            let number = number as usize;
            let person = &people[number % people.len()];
            // Everybody asks for everything in the course of time.
            let path = PATHS[(number / people.len() + number) % PATHS.len()];
            let outcome = person.ask(path).await;
            if let Outcome::Status(status) = outcome {
                eprintln!("{} got {status} for {path}", person.email);
            }
            let took = due.elapsed();
            shared.with(|parts| parts[part].add(outcome, took));
        });
        while let Some(done) = asked.try_join_next() {
            done.expect("no request panics");
        }
    }
    while let Some(done) = asked.join_next().await {
        done.expect("no request panics");
    }
}
