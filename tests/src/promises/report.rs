//! What was counted, and which promises it breaks.

use std::fmt;
use std::time::Duration;

use crate::load::Times;

/// What came back for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 200, and it was about the one who asked.
    Good,
    /// 200, and it was about somebody else.
    Foreign,
    /// A session that nobody ended does not open any more.
    Lost,
    /// 503 as it should be: with `Retry-After`, and a problem document from the API.
    Unavailable,
    /// Another answer.
    Status(u16),
    /// No answer: the connection broke, or nothing came for two minutes.
    Broken,
}

/// What came back in one part of a row.
#[derive(Clone, Debug, Default)]
pub struct Measure {
    /// What went on.
    pub name: &'static str,
    /// All answers, and what came instead of them.
    pub answers: usize,
    /// [`Outcome::Good`].
    pub good: usize,
    /// [`Outcome::Unavailable`].
    pub unavailable: usize,
    /// Other answers from 500 on.
    pub failed: usize,
    /// Answers below 500 that nobody expects.
    pub odd: usize,
    /// [`Outcome::Lost`].
    pub lost: usize,
    /// [`Outcome::Foreign`].
    pub foreign: usize,
    /// [`Outcome::Broken`].
    pub broken: usize,
    /// From the moment when each request was due to the end of its answer.
    pub times: Times,
}

impl Measure {
    /// A part in which nothing has come back yet.
    #[must_use]
    pub fn of(name: &'static str) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// Adds what came back for one request.
    pub fn add(&mut self, outcome: Outcome, took: Duration) {
        self.answers += 1;
        self.times.push(took);
        match outcome {
            Outcome::Good => self.good += 1,
            Outcome::Foreign => self.foreign += 1,
            Outcome::Lost => self.lost += 1,
            Outcome::Unavailable => self.unavailable += 1,
            Outcome::Broken => self.broken += 1,
            Outcome::Status(500..) => self.failed += 1,
            Outcome::Status(_) => self.odd += 1,
        }
    }

    /// Everything but the good ones.
    #[must_use]
    pub const fn bad(&self) -> usize {
        self.answers - self.good
    }

    /// Everything but the good ones and those that say they cannot at the moment.
    #[must_use]
    pub const fn wrong(&self) -> usize {
        self.answers - self.good - self.unavailable
    }
}

/// What one row has shown.
#[derive(Default)]
pub struct Report {
    /// What the list of checks calls it.
    pub id: &'static str,
    /// What happened.
    pub what: &'static str,
    /// Its parts, in their order.
    pub parts: Vec<Measure>,
    /// What else was seen.
    pub facts: Vec<String>,
    /// The promises that it breaks.
    pub broken: Vec<String>,
}

impl Report {
    /// Notes something seen.
    pub fn fact(&mut self, what: impl Into<String>) {
        self.facts.push(what.into());
    }

    /// Holds a promise against what was seen.
    pub fn hold(&mut self, kept: bool, promise: impl Into<String>) {
        if !kept {
            self.broken.push(promise.into());
        }
    }

    /// Holds against one part that it has only good answers.
    pub fn all_good(&mut self, part: &str) {
        self.each(part, "only good answers", |part| part.bad() == 0);
    }

    /// Holds against one part that whoever did not get a good answer was told so properly.
    pub fn good_or_unavailable(&mut self, part: &str) {
        self.each(part, "only 200 and 503", |part| part.wrong() == 0);
    }

    /// Holds against one part that its answers at this share came in time, where times decide.
    pub fn within(&mut self, scale: &super::Scale, part: &str, share: usize, limit: Duration) {
        if scale.times {
            let promise = format!("p{share} below {limit:?}");
            self.each(part, &promise, |part| part.times.percentile(share) < limit);
        }
    }

    /// Holds something against the part of this name, and that it had answers at all.
    pub fn each(&mut self, name: &str, promise: &str, kept: impl Fn(&Measure) -> bool) {
        let fits = self
            .parts
            .iter()
            .find(|part| part.name == name)
            .is_some_and(|part| part.answers > 0 && kept(part));
        self.hold(fits, format!("{name}: {promise}"));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.broken.is_empty() { "kept" } else { "BROKEN" };
        writeln!(f, "{:<6} {} — {verdict}", self.id, self.what)?;
        for part in &self.parts {
            let ms = |share| part.times.percentile(share).as_secs_f64() * 1000.0;
            writeln!(
                f,
                "       {:<22} {:>6} answers {:>5} x 503 {:>3} x other 5xx {:>3} odd {:>3} lost {:>3} foreign {:>3} broken   \
                 p50 {:>7.1}  p95 {:>7.1}  p99 {:>7.1}  max {:>7.1} ms",
                part.name,
                part.answers,
                part.unavailable,
                part.failed,
                part.odd,
                part.lost,
                part.foreign,
                part.broken,
                ms(50),
                ms(95),
                ms(99),
                ms(100)
            )?;
        }
        for fact in &self.facts {
            writeln!(f, "       {fact}")?;
        }
        for promise in &self.broken {
            writeln!(f, "     ! {promise}")?;
        }
        Ok(())
    }
}
