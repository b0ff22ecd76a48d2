//! Two batches of one month at once, through workers of two instances.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::civil::date;
use mppeep_core::domain::codes::DepartureReason;
use mppeep_core::domain::id::UserId;
use mppeep_core::domain::payroll::Slip;
use mppeep_core::domain::permission::Actor;
use mppeep_core::domain::personnel::{Departure, Personnel};
use mppeep_core::domain::user::Role;
use mppeep_core::layered::worker::{Worker, WorkerSettings};
use mppeep_core::ports::clock::{Entropy as _, SeededEntropy, SystemEntropy};
use mppeep_core::ports::job_queue::Queue;
use mppeep_core::services::payroll::{PayrollJobs, PayrollService, Started};
use tokio::sync::watch;
use uuid::Uuid;

use crate::check_slips;
use crate::place::{Opened, Place, agent, month};

const PATIENCE: Duration = Duration::from_secs(90);

/// Draws numbers below a bound.
struct Dice(SeededEntropy);

impl Dice {
    fn below(&self, bound: u16) -> u16 {
        let mut bytes = [0; 2];
        self.0.fill(&mut bytes);
        u16::from_le_bytes(bytes) % bound
    }
}

fn somebody(number: u128, role: Role) -> Actor {
    Actor {
        user: Some(UserId::from_uuid(Uuid::from_u128(number))),
        roles: [role].into(),
        ..Actor::operator("somebody")
    }
}

/// An instance with its worker.
struct Instance {
    opened: Opened,
    service: Arc<PayrollService>,
}

impl Instance {
    async fn on(place: &Place) -> Self {
        let opened = place.open().await;
        let service = PayrollService::new(opened.context.clone(), opened.locks.clone(), opened.queue.clone());
        Self {
            opened,
            service: Arc::new(service),
        }
    }

    fn work(&self, concurrency: usize, stop: watch::Receiver<bool>) -> tokio::task::JoinHandle<()> {
        let settings = WorkerSettings {
            concurrency,
            poll: Duration::from_millis(50),
            ..WorkerSettings::default()
        };
        let handler = Arc::new(PayrollJobs::new(self.service.clone()));
        let worker = Worker::new(
            self.opened.queue.clone(),
            vec![handler],
            Arc::new(SystemEntropy),
            settings,
        );
        tokio::spawn(Arc::new(worker).run(stop))
    }

    /// Jobs that are not done, and jobs that failed.
    async fn depth(&self) -> (u64, u64) {
        let depths = self.opened.queue.depths().await.expect("depths");
        let of = depths.iter().find(|depth| depth.queue == Queue::Payroll);
        of.map_or((0, 0), |depth| (depth.ready + depth.leased, depth.dead))
    }
}

/// Agents of whom some are not to be paid: without an index, or gone before the month.
fn people(dice: &Dice) -> (Vec<Personnel>, Vec<Personnel>) {
    let (mut all, mut paid) = (Vec::new(), Vec::new());
    for number in 1..=(15 + dice.below(40)) {
        let index = (dice.below(6) != 0).then(|| 250 + dice.below(3_000));
        let departure = (dice.below(6) == 0).then(|| Departure {
            date: if dice.below(2) == 0 {
                date(2026, 10, 31)
            } else {
                date(2026, 11, 1)
            },
            reason: DepartureReason::Retirement,
        });
        let gone = departure
            .as_ref()
            .is_some_and(|left| left.date < month().first_day());
        let somebody = agent(number, index, departure);
        if index.is_some() && !gone {
            paid.push(somebody.clone());
        }
        all.push(somebody);
    }
    (all, paid)
}

/// Two people start the month at once, each on an instance of his own, while both instances work.
async fn round(place: &Place, seed: u64) {
    let dice = Dice(SeededEntropy::new(seed));
    let (one, other) = (Instance::on(place).await, Instance::on(place).await);
    let (all, paid) = people(&dice);
    one.opened.seed(&all).await;
    let sdrh = somebody(1, Role::Sdrh);
    let daf = somebody(2, Role::Daf);
    let mut validated: Vec<Slip> = Vec::new();
    for agent in paid.iter().filter(|_| dice.below(5) == 0) {
        let slip = one
            .service
            .process(&sdrh, agent.id, month())
            .await
            .expect("computed");
        let slip = one.service.validate(&daf, slip.id, slip.version).await;
        validated.push(slip.expect("validated"));
    }
    let (stop, stopped) = watch::channel(false);
    let workers = [
        one.work(1 + usize::from(dice.below(4)), stopped.clone()),
        other.work(1 + usize::from(dice.below(4)), stopped),
    ];
    let (first, second) = tokio::join!(
        one.service.start(&sdrh, month()),
        other.service.start(&sdrh, month())
    );
    let count = paid.len() as u64;
    for started in [first, second] {
        let Started { enqueued, waiting } = started.expect("started");
        assert_eq!(enqueued + waiting, count, "seed {seed}");
    }
    let end = Instant::now() + PATIENCE;
    while one.depth().await.0 > 0 {
        assert!(Instant::now() < end, "seed {seed}: {:?}", one.depth().await);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    stop.send_replace(true);
    for worker in workers {
        worker.await.expect("ended");
    }
    assert_eq!(other.depth().await, (0, 0), "seed {seed}");

    let (rows, totals) = other.opened.slips().await;
    check_slips(&paid, &rows, &totals).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
    assert_eq!(totals.validated, validated.len() as u64, "seed {seed}");
    for kept in validated {
        let now = rows.iter().find(|row| row.slip.id == kept.id).expect("kept");
        assert_eq!(now.slip, kept, "seed {seed}: what is validated stays as it is");
    }
    println!("seed {seed}: {count} agents, {} francs", totals.net);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_batches_on_sqlite_make_one_slip_each() {
    for seed in 1..=5 {
        let folder = tempfile::tempdir().expect("a folder");
        round(&Place::Sqlite(folder.path().join("salary.db")), seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_batches_on_postgres_make_one_slip_each() {
    for seed in 11..=15 {
        round(&Place::on_postgres().await, seed).await;
    }
}
