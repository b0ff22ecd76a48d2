//! Files on a real store: read by a job, seen by who may, removed when their time is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mppeep_core::domain::activity::{Activity, ActivityAction};
use mppeep_core::domain::id::UserId;
use mppeep_core::domain::permission::Actor;
use mppeep_core::domain::settings::SettingsSection;
use mppeep_core::domain::shared_file::{SharedFile, SharedFileInput, SharedFileStatus};
use mppeep_core::domain::user::Role;
use mppeep_core::layered::worker::{JobHandler, Worker, WorkerSettings};
use mppeep_core::ports::clock::SystemEntropy;
use mppeep_core::ports::page::PageRequest;
use mppeep_core::ports::shared_file::SharedFileFilter;
use mppeep_core::ports::spreadsheet::{Sheet, SheetError, SheetFormat, Spreadsheets};
use mppeep_core::services::file_reading::FileJobs;
use mppeep_core::services::file_tasks::RetainFilesTask;
use mppeep_core::services::personnel_import::PersonnelImportService;
use mppeep_core::services::schedule::Task as _;
use mppeep_core::services::shared_files::SharedFileService;
use mppeep_core::services::{Reading, ServiceError};
use mppeep_spreadsheet::SpreadsheetFiles;
use tokio::sync::watch;
use uuid::Uuid;

use super::contents::{Folder, filled, why};
use super::world::World;

fn account(actor: Actor, number: u128) -> Actor {
    Actor {
        user: Some(UserId::from_uuid(Uuid::from_u128(number))),
        ..actor
    }
}

fn service(world: &World, folder: &Folder) -> Arc<SharedFileService> {
    let files = SharedFileService::new(
        world.context.clone(),
        folder.contents(),
        Arc::new(SpreadsheetFiles::default()),
    );
    Arc::new(files)
}

async fn hand_in(
    service: &SharedFileService,
    actor: &Actor,
    name: &str,
    content: &'static [u8],
) -> Result<SharedFile, ServiceError> {
    let upload = filled(service.begin_upload(actor, name).await, content).await?;
    let input = SharedFileInput {
        kind: "budget_data".to_owned(),
        period: "2026-T3".to_owned(),
        note: String::new(),
    };
    service.hand_in(actor, &input, upload).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_reads_what_was_handed_in() {
    let world = World::new().await;
    let folder = Folder::new();
    let files = service(&world, &folder);
    let sdrh = account(world.of_role(Role::Sdrh), 1);
    let good = hand_in(&files, &sdrh, "bon.csv", b"A;B\n1;2\n3;4\n")
        .await
        .expect("kept");
    let bad = hand_in(&files, &sdrh, "faux.csv", b"A;B\n1;2;3\n")
        .await
        .expect("kept");
    let alone = hand_in(&files, &sdrh, "seul.csv", b"A;B\n").await.expect("kept");
    assert_eq!(why(files.read_again(&sdrh, good.id, 1).await), "being-read");
    let imports = PersonnelImportService::new(world.context.clone(), Arc::new(SpreadsheetFiles::default()));
    let handler: Arc<dyn JobHandler> = Arc::new(FileJobs::new(files.clone(), Arc::new(imports)));
    let settings = WorkerSettings {
        poll: Duration::from_millis(20),
        ..WorkerSettings::default()
    };
    let worker = Worker::new(
        world.job_queue.clone(),
        vec![handler],
        Arc::new(SystemEntropy),
        settings,
    );
    let (stop, told) = watch::channel(false);
    let running = tokio::spawn(Arc::new(worker).run(told));
    let mut read = Vec::new();
    for id in [good.id, bad.id, alone.id] {
        read.push(loop {
            let file = files.get(&sdrh, id).await.expect("there");
            if file.reading.is_some() {
                break file;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        });
    }
    stop.send_replace(true);
    running.await.expect("ended");
    let statuses: Vec<_> = read.iter().map(|file| file.status).collect();
    use SharedFileStatus as S;
    assert_eq!(statuses, [S::Processed, S::Failed, S::Failed]);
    let reading = |index: usize| read[index].reading.clone().expect("read");
    assert_eq!((reading(0).rows_ok, reading(0).rows_wrong), (Some(2), Some(0)));
    assert_eq!(reading(1).faults[0].row, 2);
    assert!(reading(2).refusal.is_some_and(|text| text.contains("en-tête")));
    let preview = files
        .preview(&sdrh, good.id)
        .await
        .expect("read")
        .expect("a table");
    assert_eq!(preview.header, ["A", "B"]);
    assert_eq!(preview.total, 2);
}

/// Reads tables, and counts how often.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Spreadsheets for Counting {
    fn read(&self, file_name: &str, bytes: &[u8]) -> Result<Sheet, SheetError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        SpreadsheetFiles::default().read(file_name, bytes)
    }

    fn write(&self, format: SheetFormat, sheet: &Sheet) -> Result<Vec<u8>, SheetError> {
        SpreadsheetFiles::default().write(format, sheet)
    }
}

/// Whoever looks at a table, it is read once; each look is noted, and shown to who may read the file only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_is_read_once() {
    let world = World::new().await;
    let folder = Folder::new();
    let counting = Arc::new(Counting::default());
    let files = SharedFileService::new(world.context.clone(), folder.contents(), counting.clone());
    let sdrh = account(world.of_role(Role::Sdrh), 1);
    let good = hand_in(&files, &sdrh, "bon.csv", b"A;B\n1;2\n")
        .await
        .expect("kept");
    let other = hand_in(&files, &sdrh, "autre.csv", b"C;D\n1;2\n")
        .await
        .expect("kept");
    let broken = hand_in(&files, &sdrh, "vide.csv", b"\n").await.expect("kept");
    let downloads = async || {
        let lines = world.journal().await;
        let read = |line: &&Activity| line.action == ActivityAction::Downloaded;
        lines.iter().filter(read).count()
    };
    for _ in 0..3 {
        let preview = files
            .preview(&sdrh, good.id)
            .await
            .expect("read")
            .expect("a table");
        assert_eq!(preview.header, ["A", "B"]);
        assert_eq!(why(files.preview(&sdrh, broken.id).await), "unreadable-table");
    }
    assert_eq!(counting.0.load(Ordering::SeqCst), 2, "one each");
    assert_eq!(downloads().await, 3);
    let sdb = account(world.of_role(Role::Sdb), 2);
    assert_eq!(why(files.preview(&sdb, good.id).await), "not found");
    assert_eq!(downloads().await, 3);
    let preview = files
        .preview(&sdrh, other.id)
        .await
        .expect("read")
        .expect("a table");
    assert_eq!(preview.header, ["C", "D"], "another content");
    files.remove(&sdrh, good.id, 1).await.expect("removed");
    assert_eq!(why(files.preview(&sdrh, good.id).await), "not found");
}

/// A table that no import would take is told to be too large before it fills the memory; the file is kept nevertheless.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_too_large_is_not_read() {
    let world = World::new().await;
    let folder = Folder::new();
    let files = service(&world, &folder);
    let sdrh = account(world.of_role(Role::Sdrh), 1);
    let raised = serde_json::json!({ "max_upload_mib": 30 });
    world
        .settings
        .save(&world.chief(), SettingsSection::Files, 0, raised)
        .await
        .expect("saved");
    let mut upload = files.begin_upload(&sdrh, "grand.csv").await.expect("begun");
    let rows = Bytes::from("a;b\n".repeat(256 * 1024));
    for _ in 0..26 {
        upload.write(rows.clone()).await.expect("taken");
    }
    let input = SharedFileInput {
        kind: "budget_data".to_owned(),
        ..SharedFileInput::default()
    };
    let kept = files.hand_in(&sdrh, &input, upload).await.expect("kept");
    assert_eq!(kept.file.size, 26 * 1024 * 1024);
    assert_eq!(why(files.preview(&sdrh, kept.id).await), "unreadable-table");
    assert!(files.open(&sdrh, kept.id, |_| Reading::Begun).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn budget_offices_see_their_own_and_finance_changes_nothing() {
    let world = World::new().await;
    let folder = Folder::new();
    let files = service(&world, &folder);
    let sdb = account(world.of_role(Role::Sdb), 1);
    let sdc = account(world.of_role(Role::Sdc), 2);
    let daf = account(world.of_role(Role::Daf), 3);
    let file = hand_in(&files, &sdb, "b.csv", b"A\n1\n").await.expect("kept");
    let all = PageRequest::first(10);
    let total = async |actor: &Actor| {
        let page = files.list(actor, SharedFileFilter::default(), &all).await;
        page.map(|page| page.total)
    };
    assert_eq!(total(&sdb).await.expect("a page"), 1);
    assert_eq!(total(&sdc).await.expect("a page"), 0);
    assert_eq!(total(&daf).await.expect("a page"), 1);
    assert_eq!(why(total(&world.of_role(Role::Cs)).await), "forbidden");
    assert_eq!(
        why(files.open(&sdc, file.id, |_| Reading::Nothing).await),
        "not found"
    );
    assert_eq!(why(files.archive(&sdc, file.id, 1).await), "not found");
    assert_eq!(why(files.archive(&daf, file.id, 1).await), "forbidden");
    assert_eq!(why(files.begin_upload(&daf, "x.csv").await), "forbidden");
    assert_eq!(why(files.archive(&sdb, file.id, 7).await), "stale");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archived_files_go_when_their_time_is_over() {
    let world = World::new().await;
    let folder = Folder::new();
    let files = service(&world, &folder);
    let sdrh = account(world.of_role(Role::Sdrh), 1);
    let old = hand_in(&files, &sdrh, "ancien.csv", b"A\n1\n")
        .await
        .expect("kept");
    let kept = hand_in(&files, &sdrh, "garde.csv", b"A\n1\n")
        .await
        .expect("kept");
    files.archive(&sdrh, old.id, 1).await.expect("archived");
    assert_eq!(why(files.archive(&sdrh, old.id, 2).await), "archived");
    let task = RetainFilesTask::new(world.context.clone(), files.clone());
    let day = Duration::from_secs(24 * 3600);
    world.wait(day * 364);
    assert_eq!(task.run().await.expect("ran"), 0);
    world.wait(day * 2);
    assert_eq!(task.run().await.expect("ran"), 1);
    assert_eq!(why(files.get(&sdrh, old.id).await), "not found");
    assert!(files.get(&sdrh, kept.id).await.is_ok());
    assert_eq!(folder.files(), 1);
}
