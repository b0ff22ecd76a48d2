//! What mppeep promises while something behind it fails, checked against real servers under a stated load.
//!
//! Each row starts a server of its own, lets people use it at a steady rate whether it answers or not, does harm, and
//! counts. The rows are the same in the program `promises`, which takes the time that the promises speak of and judges
//! times as well, and in a test, which takes a few seconds for each and judges counts only.

pub mod load;
mod memory_rows;
mod postgres_rows;
mod process_rows;
mod redis_rows;
pub mod report;
mod stage;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use report::Report;
pub use stage::Foreign;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Requests in a second.
    pub rate: u32,
    /// People logged in.
    pub sessions: usize,
    /// What becomes of a second in which something goes on.
    pub second: Duration,
    /// Whether times decide, or counts alone.
    pub times: bool,
}

impl Scale {
    /// The load of the promises.
    #[must_use]
    pub const fn full() -> Self {
        Self {
            rate: 200,
            sessions: 20,
            second: Duration::from_secs(1),
            times: true,
        }
    }

    /// A few seconds a row, for a binary without optimisation beside other tests.
    #[must_use]
    pub const fn short() -> Self {
        Self {
            rate: 30,
            sessions: 5,
            second: Duration::from_millis(250),
            times: false,
        }
    }

    /// That many seconds, as long as they are here.
    #[must_use]
    pub fn seconds(&self, count: u32) -> Duration {
        self.second * count
    }

    /// Lets that many of them pass.
    pub async fn pass(&self, count: u32) {
        tokio::time::sleep(self.seconds(count)).await;
    }
}

type Run = for<'a> fn(&'a Scale) -> Pin<Box<dyn Future<Output = Report> + 'a>>;

/// One promise.
pub struct Row {
    /// What the list of checks calls it.
    pub id: &'static str,
    /// What happens.
    pub what: &'static str,
    run: Run,
}

impl Row {
    /// Does what the row says.
    pub async fn run(&self, scale: &Scale) -> Report {
        let mut report = (self.run)(scale).await;
        report.id = self.id;
        report.what = self.what;
        if scale.times {
            // Whoever reads the times wants to know who else was at work.
            let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
            let recent = load.split(' ').next().unwrap_or("unknown");
            report.fact(format!("load of the machine in the last minute: {recent}"));
        }
        report
    }
}

macro_rules! rows {
    ($($id:literal $what:literal $run:path;)*) => {
        &[$(Row { id: $id, what: $what, run: |scale| Box::pin($run(scale)) }),*]
    };
}

/// All promises, in their order.
pub const ROWS: &[Row] = rows! {
    "X-R0" "Redis is up" redis_rows::up;
    "X-R1" "what Redis holds ends by itself" redis_rows::everything_ends;
    "X-R2" "Redis is killed and comes back with its old file" redis_rows::killed;
    "X-R3" "Redis hangs" redis_rows::hangs;
    "X-R4" "Redis is emptied" redis_rows::flushed;
    "X-R5" "Redis is full and refuses writes" redis_rows::full;
    "X-R6" "Redis throws keys out" redis_rows::evicts;
    "X-R7" "Redis ends its clients, then lets them wait" redis_rows::ends_clients;
    "X-R10" "Redis comes later than the server" redis_rows::comes_later;
    "X-R12" "the way to Redis is slow, mute, cut, corrupt" redis_rows::bad_ways;
    "X-P1" "PostgreSQL is killed and comes back" postgres_rows::killed;
    "X-P2" "PostgreSQL hangs" postgres_rows::hangs;
    "X-P3" "PostgreSQL ends its sessions" postgres_rows::ends_sessions;
    "X-P4" "PostgreSQL has no session left" postgres_rows::has_no_session_left;
    "X-P6" "PostgreSQL can only be read" postgres_rows::read_only;
    "X-P7" "PostgreSQL starts anew" postgres_rows::restarts;
    "X-P8" "PostgreSQL comes later than the server" postgres_rows::comes_later;
    "X-P10" "a pooler stands before PostgreSQL" postgres_rows::pooled;
    "X-S1" "the server is killed while people write" process_rows::killed_under_writers;
    "X-S5" "two instances" process_rows::two_instances;
    "X-S8" "somebody holds the SQLite file" process_rows::held_file;
    "X-S10" "there is little memory, and many send large files" memory_rows::little_memory;
};

/// The row of this name.
///
/// # Panics
///
/// When there is none.
#[must_use]
pub fn row(id: &str) -> &'static Row {
    ROWS.iter()
        .find(|row| row.id == id)
        .unwrap_or_else(|| panic!("no row {id}"))
}
