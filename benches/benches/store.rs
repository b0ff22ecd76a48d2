//! What the lists and the dashboard cost in SQLite, at ten thousand agents with absences and marks.

use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::civil::date;
use mppeep_benches::ministry::{AGENTS, TODAY, filled};
use mppeep_core::domain::permission::Scope;
use mppeep_core::ports::page::PageRequest;
use mppeep_core::ports::personnel::{FiguresQuery, PersonnelFilter, PersonnelQuery, PersonnelSort};
use mppeep_core::ports::store::Store;
use mppeep_store_sqlite::{SqliteOptions, SqliteStore};
use tokio::runtime::Runtime;

fn everybody() -> PersonnelFilter {
    PersonnelFilter {
        scope: Scope::everything(),
        ..PersonnelFilter::default()
    }
}

fn query(filter: PersonnelFilter, sort: PersonnelSort) -> PersonnelQuery {
    PersonnelQuery {
        filter,
        sort,
        descending: false,
        page: PageRequest::first(50),
        year_start: date(TODAY.year(), 1, 1),
        score_from_year: TODAY.year() - 2,
    }
}

fn lists(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::TempDir::new().expect("a folder");
    let store: Arc<dyn Store> = runtime.block_on(async {
        let path = folder.path().join("bench.db");
        let store = SqliteStore::open(path, SqliteOptions::default())
            .await
            .expect("a database");
        filled(&store).await;
        Arc::new(store) as Arc<dyn Store>
    });
    let searched = PersonnelFilter {
        words: vec!["kone".into()],
        ..everybody()
    };
    for (name, query) in [
        ("first page by name", query(everybody(), PersonnelSort::Name)),
        (
            "first page by mean mark",
            query(everybody(), PersonnelSort::Score),
        ),
        (
            "first page by absences",
            query(everybody(), PersonnelSort::Absences),
        ),
        ("search « kone »", query(searched, PersonnelSort::Name)),
    ] {
        criterion.bench_function(&format!("sqlite, {AGENTS} agents: {name}"), |bench| {
            bench.to_async(&runtime).iter(|| async {
                let mut unit = store.begin_read().await.expect("a unit");
                let page = unit.personnel().list(&query).await.expect("a page");
                assert_eq!(page.rows.len(), 50);
            });
        });
    }
    let figures = FiguresQuery {
        filter: everybody(),
        on: TODAY,
        score_from_year: TODAY.year() - 2,
        now: jiff::Timestamp::UNIX_EPOCH,
    };
    let mut group = criterion.benchmark_group("dashboard");
    group.sample_size(20);
    group.bench_function(format!("sqlite, {AGENTS} agents: figures"), |bench| {
        bench.to_async(&runtime).iter(|| async {
            let mut unit = store.begin_read().await.expect("a unit");
            unit.personnel().figures(&figures).await.expect("figures")
        });
    });
    group.finish();
}

criterion_group!(benches, lists);
criterion_main!(benches);
