//! The data in a real database.

use std::sync::Mutex;

use crate::support::{Database, TODAY};
use mppeep_core::domain::permission::Scope;
use mppeep_core::domain::stored_file::FileType;
use mppeep_core::ports::document::DocumentFilter;
use mppeep_core::ports::file_store::{FileSniffer, FileStore};
use mppeep_core::ports::page::PageRequest;
use mppeep_core::ports::password::{PasswordHasher, Verified};
use mppeep_core::ports::personnel::{ArchiveFilter, PersonnelFilter, PersonnelQuery, PersonnelSort};
use mppeep_core::ports::shared_file::SharedFileFilter;
use mppeep_core::ports::spreadsheet::Spreadsheets;
use mppeep_core::ports::store::Store;
use mppeep_core::services::settings::DEMONSTRATION;
use mppeep_demo::{DEMO_PASSWORD, LoadError, LoadStep, generate, load, load_documents, load_files};
use mppeep_files::{FolderStore, MagicSniffer};
use mppeep_password::Argon2Hasher;
use mppeep_spreadsheet::SpreadsheetFiles;

#[tokio::test]
async fn everything_is_written_and_a_second_time_is_refused() {
    let (database, data) = Database::with_agents(120).await;
    let store = database.store.as_ref();
    let mut unit = store.begin_read().await.unwrap();
    assert!(unit.settings().fact(DEMONSTRATION).await.unwrap().is_some());
    let query = PersonnelQuery {
        filter: PersonnelFilter {
            scope: Scope::everything(),
            archive: ArchiveFilter::Both,
            ..PersonnelFilter::default()
        },
        sort: PersonnelSort::Matricule,
        descending: false,
        page: PageRequest::first(200),
        year_start: TODAY.first_of_year(),
        score_from_year: TODAY.year() - 2,
    };
    let page = unit.personnel().list(&query).await.unwrap();
    assert_eq!(page.total, 120);
    for row in &page.rows {
        let made = data
            .personnel
            .iter()
            .find(|file| file.id == row.personnel.id)
            .unwrap();
        assert_eq!(&row.personnel, made);
        let absences = data
            .absences
            .iter()
            .filter(|absence| absence.personnel == made.id && absence.cancelled_at.is_none())
            .count();
        assert_eq!(usize::try_from(row.absence_count).unwrap(), absences);
    }
    let organisation = unit.organisation().load().await.unwrap();
    assert_eq!(
        organisation.departments.len(),
        data.organisation.departments.len()
    );
    for made in &data.organisation.departments {
        assert_eq!(organisation.department(made.id).unwrap().fields, made.fields);
    }
    let hasher = Argon2Hasher::new(1);
    for user in &data.users {
        let stored = unit
            .users()
            .credentials(&user.fields.email)
            .await
            .unwrap()
            .unwrap();
        let right = hasher
            .verify(DEMO_PASSWORD, stored.password_hash.as_deref())
            .await
            .unwrap();
        assert_eq!(right, Verified::Right);
    }
    drop(unit);
    let again = generate(20, TODAY, 9).unwrap();
    assert!(matches!(
        load(store, &hasher, &again, &|_| {}).await,
        Err(LoadError::NotEmpty)
    ));
}

#[tokio::test]
async fn progress_reaches_its_end_in_every_step() {
    let database = Database::empty().await;
    let data = generate(40, TODAY, 3).unwrap();
    let told = Mutex::new(Vec::new());
    let hasher = Argon2Hasher::new(1);
    load(database.store.as_ref(), &hasher, &data, &|progress| {
        told.lock().unwrap().push(progress)
    })
    .await
    .unwrap();
    let told = told.into_inner().unwrap();
    for step in [
        LoadStep::Personnel,
        LoadStep::Absences,
        LoadStep::Evaluations,
        LoadStep::Activities,
    ] {
        let last = told.iter().rfind(|progress| progress.step == step).unwrap();
        assert_eq!(last.done, last.total, "{}", step.code());
    }
}

#[tokio::test]
async fn a_load_given_up_half_way_leaves_nothing() {
    let database = Database::empty().await;
    let store = database.store.as_ref();
    let mut data = generate(40, TODAY, 3).unwrap();
    // The same evaluation twice: the store refuses it near the end.
    let twice = data.evaluations[0].clone();
    data.evaluations.push(twice);
    assert!(load(store, &Argon2Hasher::new(1), &data, &|_| {}).await.is_err());
    let mut unit = store.begin_read().await.unwrap();
    assert!(unit.personnel().identities().await.unwrap().is_empty());
    assert!(unit.organisation().load().await.unwrap().programmes.is_empty());
    assert!(unit.settings().fact(DEMONSTRATION).await.unwrap().is_none());
}

#[tokio::test]
async fn documents_have_contents_that_are_what_they_say() {
    let (database, data) = Database::with_agents(60).await;
    let folder = tempfile::tempdir().unwrap();
    let files = FolderStore::open(folder.path()).unwrap();
    let store = database.store.as_ref();
    load_documents(store, &files, &data.documents).await.unwrap();
    let mut unit = store.begin_read().await.unwrap();
    let filter = DocumentFilter {
        scope: Scope::everything(),
        with_confidential: true,
        ..DocumentFilter::default()
    };
    let page = unit
        .documents()
        .list(&filter, &PageRequest::first(100))
        .await
        .unwrap();
    assert_eq!(page.rows.len(), data.documents.len());
    let sniffer = MagicSniffer;
    for row in &page.rows {
        let made = data
            .documents
            .iter()
            .find(|made| made.document.id == row.document.id)
            .unwrap();
        assert_eq!((&row.document, &row.current), (&made.document, &made.version));
        let mut reader = files.open(row.current.file.id).await.unwrap().unwrap();
        assert_eq!(reader.size(), row.current.file.size);
        let content = reader.read(1 << 20).await.unwrap();
        assert_eq!(content, made.content);
        assert_eq!(sniffer.sniff(&content), Some(FileType::Pdf));
    }
}

/// What is told of a table is what reading its content finds.
#[tokio::test]
async fn files_have_contents_that_are_what_they_say() {
    let (database, data) = Database::with_agents(60).await;
    let folder = tempfile::tempdir().unwrap();
    let files = FolderStore::open(folder.path()).unwrap();
    let store = database.store.as_ref();
    load_files(store, &files, &data.files).await.unwrap();
    let mut unit = store.begin_read().await.unwrap();
    let filter = SharedFileFilter {
        scope: Scope::everything(),
        ..SharedFileFilter::default()
    };
    let page = unit.shared_files().list(&filter, &PageRequest::first(100)).await;
    let listed = page.unwrap().rows;
    let live = data.files.iter().filter(|made| made.file.archived_at.is_none());
    assert!(listed.len() >= live.count());
    for made in &data.files {
        let file = unit.shared_files().find(made.file.id).await.unwrap().unwrap();
        assert_eq!(file, made.file);
        let mut reader = files.open(file.file.id).await.unwrap().unwrap();
        let content = reader.read(1 << 20).await.unwrap();
        assert_eq!(content, made.content);
        let found = MagicSniffer.sniff(&content).unwrap();
        assert!(file.file_name.kind().agrees_with(found), "{found:?}");
        if !file.file.kind.is_table() {
            continue;
        }
        let sheet = SpreadsheetFiles::default()
            .read(file.file_name.as_str(), &content)
            .unwrap();
        let (header, rows) = sheet.rows.split_first().unwrap();
        let wider: Vec<u32> = (2..)
            .zip(rows)
            .filter(|(_, row)| row.len() > header.len())
            .map(|(number, _)| number)
            .collect();
        let reading = file.reading.unwrap();
        assert_eq!(
            reading.faults.iter().map(|fault| fault.row).collect::<Vec<_>>(),
            wider
        );
        assert_eq!(reading.rows_wrong, Some(u32::try_from(wider.len()).unwrap()));
        assert_eq!(
            reading.rows_ok,
            Some(u32::try_from(rows.len() - wider.len()).unwrap())
        );
    }
}
