//! Databases that several processes open, and what the salary service needs of one.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::date;
use mppeep_cache_memory::{MemoryCache, MemoryCacheSettings};
use mppeep_core::domain::codes::{AdministrativePosition, AgentStatus, BirthPrecision};
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::domain::payroll::Month;
use mppeep_core::domain::permission::Scope;
use mppeep_core::domain::personnel::{Departure, Matricule, Personnel, PersonnelFields};
use mppeep_core::layered::cached::Cached;
use mppeep_core::layered::epoch_board::EpochBoard;
use mppeep_core::ports::clock::{SystemClock, SystemEntropy, TimeSource};
use mppeep_core::ports::epochs::Epochs;
use mppeep_core::ports::job_queue::JobQueue;
use mppeep_core::ports::locks::Locks;
use mppeep_core::ports::page::{PageRequest, PageStart};
use mppeep_core::ports::payroll::{SlipFilter, SlipRow, SlipTotals};
use mppeep_core::ports::store::Store;
use mppeep_core::services::{Adapters, Context};
use mppeep_store_pg::{PgOptions, PgStore};
use mppeep_store_sqlite::{SqliteOptions, SqliteStore};
use mppeep_testbed::Postgres;
use uuid::Uuid;

/// The month that is computed.
pub(crate) fn month() -> Month {
    Month::new(2026, 11).expect("a month")
}

/// Where a database is; another process finds it by its text.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Place {
    /// A new database of its own on the cluster of this run.
    pub(crate) async fn on_postgres() -> Self {
        let cluster = Postgres::shared().await;
        let built = std::env::current_exe().and_then(|program| program.metadata()?.modified());
        let since = built
            .expect("this program")
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970");
        let template = cluster
            .template(&format!("salary_{:x}", since.as_nanos()), async |url| {
                let store = PgStore::open(&url, PgOptions::default()).await.expect("a store");
                store.close().await;
            })
            .await;
        Self::Postgres(cluster.fresh_from(&template).await)
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(url) => url.clone(),
        }
    }

    pub(crate) fn of_text(text: &str) -> Self {
        if text.starts_with("postgres://") {
            Self::Postgres(text.to_owned())
        } else {
            Self::Sqlite(text.into())
        }
    }

    /// Opens it as one process does.
    pub(crate) async fn open(&self) -> Opened {
        match self {
            Self::Sqlite(path) => {
                let store = SqliteStore::open(path.clone(), SqliteOptions::default()).await;
                Opened::over(Arc::new(store.expect("a store")))
            }
            Self::Postgres(url) => {
                let options = PgOptions {
                    connections: 6,
                    quick_connections: 2,
                    ..PgOptions::default()
                };
                Opened::over(Arc::new(PgStore::open(url, options).await.expect("a store")))
            }
        }
    }
}

/// An open database.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) locks: Arc<dyn Locks>,
    pub(crate) queue: Arc<dyn JobQueue>,
    pub(crate) context: Arc<Context>,
}

impl Opened {
    fn over<S: Store + Locks + JobQueue + Epochs + 'static>(store: Arc<S>) -> Self {
        let epochs = Arc::new(EpochBoard::new(store.clone()));
        let time = TimeSource::Clock(Arc::new(SystemClock));
        let cache = MemoryCache::new(time, MemoryCacheSettings::default());
        let context = Context::new(Adapters {
            store: store.clone(),
            cached: Arc::new(Cached::new(Arc::new(cache), epochs.clone())),
            epochs,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        });
        Self {
            store: store.clone(),
            locks: store.clone(),
            queue: store,
            context,
        }
    }

    /// Stores files.
    pub(crate) async fn seed(&self, agents: &[Personnel]) {
        let mut unit = self.store.begin().await.expect("a unit");
        for some in agents.chunks(200) {
            unit.personnel().insert_many(some).await.expect("stored");
        }
        unit.commit().await.expect("committed");
    }

    /// The agents to pay.
    pub(crate) async fn payable(&self) -> Vec<PersonnelId> {
        let mut unit = self.store.begin_read().await.expect("a unit");
        unit.payroll().payable(month()).await.expect("listed")
    }

    /// Every slip of the month, by pages, and the sums the database makes of them.
    pub(crate) async fn slips(&self) -> (Vec<SlipRow>, SlipTotals) {
        let filter = SlipFilter {
            scope: Scope::everything(),
            month: Some(month()),
            ..SlipFilter::default()
        };
        let mut unit = self.store.begin_read().await.expect("a unit");
        let totals = unit.payroll().totals(&filter).await.expect("summed");
        let mut rows = Vec::new();
        let mut page = PageRequest::first(200);
        loop {
            let read = unit.payroll().list(&filter, &page).await.expect("listed");
            rows.extend(read.rows);
            match read.next {
                Some(cursor) => page.start = PageStart::After(cursor),
                None => return (rows, totals),
            }
        }
    }

    /// The slip of one agent: its fence and version.
    pub(crate) async fn slip(&self, personnel: PersonnelId) -> Option<(i64, i64)> {
        let filter = SlipFilter {
            scope: Scope::everything(),
            month: Some(month()),
            personnel: Some(personnel),
            ..SlipFilter::default()
        };
        let mut unit = self.store.begin_read().await.expect("a unit");
        let read = unit
            .payroll()
            .list(&filter, &PageRequest::first(2))
            .await
            .expect("listed");
        assert!(read.rows.len() < 2, "two slips of one agent and month");
        read.rows.first().map(|row| (row.slip.fence, row.slip.version))
    }
}

/// An agent of that number and index.
pub(crate) fn agent(number: u16, salary_index: Option<u16>, departure: Option<Departure>) -> Personnel {
    let at = "2026-11-01T08:00:00Z".parse().expect("an instant");
    Personnel {
        id: PersonnelId::from_uuid(Uuid::from_u128(0x1000 + u128::from(number))),
        fields: PersonnelFields {
            matricule: Matricule::from_stored(format!("S-{number:05}")),
            family_name: "KONÉ".to_owned(),
            given_names: format!("Awa {number}"),
            maiden_name: None,
            sex: None,
            birth_date: date(1980, 2, 29),
            birth_precision: BirthPrecision::Day,
            birth_place: None,
            nationality: None,
            marital_status: None,
            children: None,
            national_id: None,
            passport: None,
            status: AgentStatus::CivilServant,
            position: AdministrativePosition::Active,
            recruitment_date: None,
            service_start_date: None,
            department: None,
            job_title: None,
            grade: None,
            step: None,
            salary_index,
            retirement_extension: None,
            work_phone: None,
            personal_phone: None,
            email: None,
            address: None,
            notes: None,
        },
        departure,
        retirement_date: None,
        version: 1,
        created_at: at,
        updated_at: at,
    }
}
