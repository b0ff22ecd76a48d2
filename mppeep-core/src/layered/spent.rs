//! How much of a piece of work, such as a request, was spent waiting for the database and for the cache.
//!
//! Whoever answers a request opens a [`scope`] around it, and the adapters [`measure`] what they wait for. Outside a scope
//! measuring costs a look at a thread-local and counts nothing. Work that is spawned into a task of its own is outside the
//! scope of who spawned it, and is missed, unless it is [`handed_on`].
//!
//! Nothing is counted twice: while one wait is measured, another that begins within it (a cache that is itself in the
//! database) belongs to the first, and waits of one part that overlap are one, for as long as any of them lasts.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

tokio::task_local! {
    static SPENT: Arc<Spent>;
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The database: a statement, the begin or the commit of a unit, and the wait for a connection.
    Database,
    /// The cache: a look-up or a fill, in whatever holds it.
    Cache,
}

/// Time and number of the waits of one part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// How long was waited.
    pub time: Duration,
    /// How often.
    pub calls: u64,
}

#[derive(Debug, Default)]
struct Tally {
    share: Share,
    running: u32,
    since: Option<Instant>,
}

#[derive(Debug, Default)]
struct Tallies {
    database: Tally,
    cache: Tally,
}

impl Tallies {
    fn of(&mut self, part: Part) -> (&mut Tally, &mut Tally) {
        match part {
            Part::Database => (&mut self.database, &mut self.cache),
            Part::Cache => (&mut self.cache, &mut self.database),
        }
    }
}

/// What one piece of work spent so far.
#[derive(Debug, Default)]
pub struct Spent(Mutex<Tallies>);

impl Spent {
    /// On waits of this part that have ended.
    pub fn on(&self, part: Part) -> Share {
        self.tallies().of(part).0.share
    }

    fn tallies(&self) -> MutexGuard<'_, Tallies> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the wait counts.
    fn enter(&self, part: Part) -> bool {
        let mut tallies = self.tallies();
        let (own, other) = tallies.of(part);
        if other.running > 0 {
            return false;
        }
        if own.running == 0 {
            own.since = Some(Instant::now());
            own.share.calls += 1;
        }
        own.running += 1;
        true
    }

    fn leave(&self, part: Part) {
        let mut tallies = self.tallies();
        let (own, _) = tallies.of(part);
        own.running = own.running.saturating_sub(1);
        if own.running == 0
            && let Some(since) = own.since.take()
        {
            own.share.time += since.elapsed();
        }
    }
}

/// Counts for `spent` what is measured within `work`.
pub fn scope<F: Future>(spent: Arc<Spent>, work: F) -> impl Future<Output = F::Output> {
    SPENT.scope(spent, work)
}

/// Counts for `spent` what is measured within `work`, which is one step of something polled, such as a body.
pub fn scope_step<T>(spent: &Arc<Spent>, work: impl FnOnce() -> T) -> T {
    SPENT.sync_scope(Arc::clone(spent), work)
}

/// Makes `work` part of the present piece of work, for a task of its own that somebody waits for.
pub fn handed_on<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let spent = SPENT.try_with(Arc::clone).ok();
    async move {
        match spent {
            Some(spent) => scope(spent, work).await,
            None => work.await,
        }
    }
}

/// Waits for `work`, on the account of the piece of work that this is part of.
pub async fn measure<F: Future>(part: Part, work: F) -> F::Output {
    let _running = Running::begin(part);
    work.await
}

/// A wait that is not one future: it lasts until this is dropped.
#[derive(Debug)]
pub struct Running {
    counted: Option<Arc<Spent>>,
    part: Part,
}

impl Running {
    /// Begins a wait, on the account of the piece of work that this is part of.
    pub fn begin(part: Part) -> Self {
        let spent = SPENT.try_with(Arc::clone).ok();
        Self {
            counted: spent.filter(|spent| spent.enter(part)),
            part,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(spent) = &self.counted {
            spent.leave(self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn wait(part: Part, millis: u64) {
        // Begun within what is measured, which then lasts as long at least.
        measure(part, async {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        })
        .await;
    }

    /// Real time, since that is what is measured: at least what was slept, and less than everything added up.
    #[tokio::test]
    async fn waits_are_counted_once_each_for_the_work_they_belong_to() {
        let spent = Arc::new(Spent::default());
        scope(Arc::clone(&spent), async {
            wait(Part::Database, 5).await;
            wait(Part::Cache, 5).await;
            wait(Part::Database, 5).await;
        })
        .await;
        assert_eq!(spent.on(Part::Database).calls, 2);
        assert!(spent.on(Part::Database).time >= Duration::from_millis(10));
        assert_eq!(spent.on(Part::Cache).calls, 1);
        assert!(spent.on(Part::Cache).time >= Duration::from_millis(5));
    }

    #[tokio::test]
    async fn a_wait_within_a_wait_belongs_to_the_outer_one() {
        let spent = Arc::new(Spent::default());
        scope(Arc::clone(&spent), measure(Part::Cache, wait(Part::Database, 5))).await;
        assert_eq!(spent.on(Part::Cache).calls, 1);
        assert_eq!(spent.on(Part::Database), Share::default());
    }

    #[tokio::test(start_paused = true)]
    async fn waits_that_overlap_are_one() {
        let spent = Arc::new(Spent::default());
        let begun = Instant::now();
        scope(Arc::clone(&spent), async {
            tokio::join!(wait(Part::Database, 50), wait(Part::Database, 50));
        })
        .await;
        assert_eq!(spent.on(Part::Database).calls, 1);
        assert!(spent.on(Part::Database).time <= begun.elapsed());
    }

    #[tokio::test]
    async fn what_is_dropped_half_way_has_ended() {
        let spent = Arc::new(Spent::default());
        scope(Arc::clone(&spent), async {
            let long = wait(Part::Database, 60_000);
            assert!(
                tokio::time::timeout(Duration::from_millis(100), long)
                    .await
                    .is_err()
            );
            wait(Part::Cache, 1).await;
        })
        .await;
        let share = spent.on(Part::Database);
        assert_eq!(share.calls, 1);
        assert!(share.time >= Duration::from_millis(5), "{share:?}");
        assert_eq!(spent.on(Part::Cache).calls, 1, "the cut wait still runs");
    }

    #[tokio::test]
    async fn outside_a_scope_and_in_tasks_that_were_not_handed_on_nothing_is_counted() {
        wait(Part::Database, 1).await;
        let spent = Arc::new(Spent::default());
        scope(Arc::clone(&spent), async {
            tokio::spawn(wait(Part::Database, 1)).await.unwrap();
        })
        .await;
        assert_eq!(spent.on(Part::Database), Share::default());
        scope(Arc::clone(&spent), async {
            tokio::spawn(handed_on(wait(Part::Database, 1))).await.unwrap();
        })
        .await;
        assert_eq!(spent.on(Part::Database).calls, 1);
        handed_on(wait(Part::Database, 1)).await;
        assert_eq!(spent.on(Part::Database).calls, 1, "that was nobody's");
        scope_step(&spent, || drop(Running::begin(Part::Cache)));
        assert_eq!(spent.on(Part::Cache).calls, 1);
    }
}
