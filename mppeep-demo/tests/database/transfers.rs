//! Imports and exports of files through the services, on a real database and real file formats.
#![expect(clippy::unwrap_used, reason = "what fails fails the test")]

use std::sync::{Arc, Mutex};

use crate::support::Database;
use bytes::Bytes;
use mppeep_core::domain::activity::ActivityAction;
use mppeep_core::domain::import::{Mapping, MappingChoice, Outcome, Plan};
use mppeep_core::domain::permission::Actor;
use mppeep_core::domain::personnel::{Matricule, Personnel};
use mppeep_core::domain::user::Role;
use mppeep_core::ports::activity::ActivityFilter;
use mppeep_core::ports::import::ImportStatus;
use mppeep_core::ports::page::PageRequest;
use mppeep_core::ports::spreadsheet::{Cell, Sheet, SheetFormat, Spreadsheets};
use mppeep_core::ports::store::Store;
use mppeep_core::services::ServiceError;
use mppeep_core::services::personnel_export::{ExportPersonnel, PersonnelExportService};
use mppeep_core::services::personnel_import::{
    ImportError, ImportPhase, PersonnelImportService, ProgressListener, no_progress,
};
use mppeep_spreadsheet::SpreadsheetFiles;

fn imports(database: &Database) -> PersonnelImportService {
    PersonnelImportService::new(
        Arc::clone(&database.context),
        Arc::new(SpreadsheetFiles::default()),
    )
}

fn exports(database: &Database) -> PersonnelExportService {
    PersonnelExportService::new(
        Arc::clone(&database.context),
        Arc::new(SpreadsheetFiles::default()),
    )
}

fn operator() -> Actor {
    Actor::operator("test")
}

fn csv(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

async fn run(database: &Database, text: &str) -> (Plan, bool) {
    let service = imports(database);
    let sheet = service.read(&operator(), "agents.csv", csv(text)).await.unwrap();
    let mapping = Mapping::detect(&sheet).unwrap();
    let executed = service
        .execute(&operator(), "agents.csv", &sheet, &mapping, &no_progress())
        .await
        .unwrap();
    (executed.plan, executed.written)
}

async fn file_of(database: &Database, matricule: &str) -> Option<Personnel> {
    let mut unit = database.store.begin_read().await.unwrap();
    let wanted = [Matricule::from_stored(matricule.to_owned())];
    unit.personnel().find_by_matricules(&wanted).await.unwrap().pop()
}

async fn journal(
    database: &Database,
    action: ActivityAction,
) -> Vec<mppeep_core::domain::activity::Activity> {
    let filter = ActivityFilter {
        actions: vec![action],
        ..ActivityFilter::default()
    };
    let mut unit = database.store.begin_read().await.unwrap();
    unit.activities()
        .list(&filter, &PageRequest::first(200))
        .await
        .unwrap()
        .rows
}

#[tokio::test]
async fn an_import_of_an_export_changes_nothing() {
    let (database, data) = Database::with_agents(300).await;
    for format in [SheetFormat::Csv, SheetFormat::Xlsx] {
        let bytes = exports(&database)
            .file(&operator(), ExportPersonnel::everything(), format)
            .await
            .unwrap();
        let service = imports(&database);
        let sheet = service
            .read(&operator(), "export", Bytes::from(bytes))
            .await
            .unwrap();
        let mapping = Mapping::detect(&sheet).unwrap();
        assert_eq!(mapping.ignored().count(), 0);
        let executed = service
            .execute(&operator(), "export", &sheet, &mapping, &no_progress())
            .await
            .unwrap();
        assert!(executed.written, "{:?}", executed.plan.findings);
        let counts = executed.plan.counts();
        assert_eq!(
            (counts.rows, counts.unchanged),
            (data.personnel.len(), data.personnel.len())
        );
    }
    for made in &data.personnel {
        assert_eq!(
            file_of(&database, made.fields.matricule.as_str()).await.as_ref(),
            Some(made)
        );
    }
}

#[tokio::test]
async fn an_export_fills_an_empty_database() {
    let (database, data) = Database::with_agents(60).await;
    let everything = ExportPersonnel::everything();
    let bytes = exports(&database)
        .file(&operator(), everything.clone(), SheetFormat::Xlsx)
        .await
        .unwrap();
    let other = Database::empty().await;
    {
        let mut unit = other.store.begin().await.unwrap();
        for programme in &data.organisation.programmes {
            let mut headless = programme.clone();
            headless.fields.head = None;
            unit.organisation().insert_programme(&headless).await.unwrap();
        }
        for directorate in &data.organisation.directorates {
            let mut headless = directorate.clone();
            headless.fields.head = None;
            unit.organisation().insert_directorate(&headless).await.unwrap();
        }
        for department in &data.organisation.departments {
            let mut headless = department.clone();
            headless.fields.head = None;
            unit.organisation().insert_department(&headless).await.unwrap();
        }
        unit.commit().await.unwrap();
    }
    let service = imports(&other);
    let sheet = service
        .read(&operator(), "export.xlsx", Bytes::from(bytes))
        .await
        .unwrap();
    let mapping = Mapping::detect(&sheet).unwrap();
    let executed = service
        .execute(&operator(), "export.xlsx", &sheet, &mapping, &no_progress())
        .await
        .unwrap();
    assert!(executed.written, "{:?}", executed.plan.findings);
    for made in &data.personnel {
        let copy = file_of(&other, made.fields.matricule.as_str()).await.unwrap();
        assert_eq!(copy.fields, made.fields);
        assert_eq!(copy.retirement_date, made.retirement_date);
    }
    let again = exports(&other)
        .sheet(&operator(), everything.clone())
        .await
        .unwrap();
    assert_eq!(
        again,
        exports(&database).sheet(&operator(), everything).await.unwrap()
    );
}

#[tokio::test]
async fn one_error_and_nothing_is_written() {
    let (database, data) = Database::with_agents(20).await;
    let known = data.personnel[7].fields.matricule.clone();
    let text = format!(
        "Matricule;Nom;Prénoms;Né le;Échelon\nNEW-1;A;B;01/02/1990;1\n{known};;;;9\nNEW-2;A;C;14/03/66;1\n"
    );
    let (plan, written) = run(&database, &text).await;
    assert!(!written);
    assert_eq!(plan.findings.len(), 1);
    assert_eq!(plan.findings[0].place(), "D4");
    assert!(file_of(&database, "NEW-1").await.is_none());
    assert_eq!(
        file_of(&database, known.as_str()).await.as_ref(),
        Some(&data.personnel[7])
    );
    let imported = journal(&database, ActivityAction::Imported).await;
    assert_eq!(imported.len(), 1, "only the one that was made up");
}

#[tokio::test]
async fn files_are_made_and_changed_with_their_lines_in_the_journal() {
    let (database, data) = Database::with_agents(20).await;
    let known = &data.personnel[7];
    let text = format!(
        "Mle;Nom;Prénoms;Né le;Grade;Service\r\nNEW-1;Koné;Aïcha;01/02/1990;a 4;Service de la solde\r\n{};;;;D2;\r\n",
        known.fields.matricule
    );
    let (plan, written) = run(&database, &text).await;
    assert!(written, "{:?}", plan.findings);
    let made = file_of(&database, "NEW-1").await.unwrap();
    assert_eq!(made.fields.full_name(), "KONÉ Aïcha");
    assert_eq!(made.retirement_date, Some(jiff::civil::date(2055, 12, 31)));
    let changed = file_of(&database, known.fields.matricule.as_str()).await.unwrap();
    assert_eq!(changed.version, known.version + 1);
    assert_eq!(
        changed.fields.grade.map(|grade| grade.to_string()).as_deref(),
        Some("D2")
    );
    assert_ne!(changed.retirement_date, None);
    let lines = journal(&database, ActivityAction::Updated).await;
    let line = lines.iter().find(|line| line.subject == Some(known.id)).unwrap();
    assert_eq!(line.changes.len(), 1);
    assert_eq!(
        line.changes[0].before,
        known.fields.grade.map(|grade| grade.to_string())
    );
    assert_eq!(line.changes[0].after.as_deref(), Some("D2"));
    let imported = journal(&database, ActivityAction::Imported).await;
    assert!(
        imported[0].label.contains("1 créés, 1 modifiés"),
        "{}",
        imported[0].label
    );
    let (plan, written) = run(&database, &text).await;
    assert!(written);
    assert!(
        plan.rows.iter().all(|row| row.outcome == Outcome::Unchanged),
        "a second import changes nothing"
    );
    assert_eq!(file_of(&database, "NEW-1").await.unwrap().version, 1);
}

#[tokio::test]
async fn a_former_matricule_is_told_at_its_row() {
    let (database, data) = Database::with_agents(20).await;
    let mut renamed = data.personnel[9].clone();
    let former = renamed.fields.matricule.clone();
    renamed.fields.matricule = Matricule::from_stored("RENAMED-1".to_owned());
    renamed.version += 1;
    let mut unit = database.store.begin().await.unwrap();
    unit.personnel().update(&renamed).await.unwrap();
    unit.commit().await.unwrap();
    let text = format!("Matricule;Nom;Prénoms;Né le\nNEW-1;A;B;01/02/1990\n{former};A;C;01/02/1991\n");
    let (plan, written) = run(&database, &text).await;
    assert!(!written);
    let found: Vec<_> = plan
        .findings
        .iter()
        .map(|finding| (finding.place(), finding.problem.code()))
        .collect();
    assert_eq!(found, [("A3".to_owned(), "taken")]);
    assert!(file_of(&database, "NEW-1").await.is_none());
}

#[tokio::test]
async fn only_those_in_charge_of_files_import_and_export() {
    let (database, _) = Database::with_agents(20).await;
    let service = imports(&database);
    let sheet = Arc::new(Sheet::of(vec![
        vec![Cell::text("Matricule")],
        vec![Cell::text("1A")],
    ]));
    let mapping = Mapping::detect(&sheet).unwrap();
    for role in Role::ALL.iter().filter(|role| **role != Role::Sdrh) {
        let actor = Actor {
            roles: [*role].into(),
            ..operator()
        };
        let forbidden = |result: &Result<(), ImportError>| {
            matches!(result, Err(ImportError::Service(ServiceError::Forbidden { .. })))
        };
        assert!(
            forbidden(&service.read(&actor, "a.csv", csv("%PDF")).await.map(|_| ())),
            "{role:?}"
        );
        assert!(forbidden(
            &service
                .dry_run(&actor, &sheet, &mapping, &no_progress())
                .await
                .map(|_| ())
        ));
        assert!(forbidden(
            &service
                .execute(&actor, "a", &sheet, &mapping, &no_progress())
                .await
                .map(|_| ())
        ));
        assert!(forbidden(&service.list(&actor).await.map(|_| ())));
        let export = exports(&database)
            .sheet(&actor, ExportPersonnel::everything())
            .await;
        assert!(matches!(export, Err(ServiceError::Forbidden { .. })), "{role:?}");
    }
}

#[tokio::test]
async fn an_uploaded_file_goes_through_the_steps_once() {
    let (database, data) = Database::with_agents(20).await;
    let account = |role: Role| {
        let user = data
            .users
            .iter()
            .find(|user| user.fields.roles.contains(&role))
            .unwrap();
        Actor {
            user: Some(user.id),
            roles: [Role::Sdrh].into(),
            ..operator()
        }
    };
    let (hr, other) = (account(Role::Sdrh), account(Role::Daf));
    let service = imports(&database);
    let text = "Code;Nom;Prénoms;Né le\nNEW-1;Koné;Awa;01/02/1990\n";
    let id = service
        .upload(&hr, "C:\\dossier\\agents 2026.csv", csv(text))
        .await
        .unwrap();
    let opened = service.open(&hr, id).await.unwrap();
    assert_eq!(opened.file.file_name, "agents 2026.csv");
    assert!(opened.mapping.check().is_err(), "no column of matricules yet");
    let nobody = service.open(&other, id).await.map(|_| ());
    assert!(matches!(
        nobody,
        Err(ImportError::Service(ServiceError::NotFound(_)))
    ));
    let choice = MappingChoice {
        columns: [("A".to_owned(), "matricule".to_owned())].into(),
    };
    service.set_columns(&hr, id, &choice).await.unwrap();
    let opened = service.open(&hr, id).await.unwrap();
    let plan = service
        .dry_run(&hr, &opened.sheet, &opened.mapping, &no_progress())
        .await
        .unwrap();
    assert!(plan.may_run());
    assert!(
        file_of(&database, "NEW-1").await.is_none(),
        "a dry run writes nothing"
    );
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener: ProgressListener = {
        let told = Arc::clone(&told);
        Arc::new(move |progress| told.lock().unwrap().push(progress))
    };
    let (_, executed) = service.run(&hr, id, &listener).await.unwrap();
    assert!(executed.written);
    let phases: Vec<ImportPhase> = told
        .lock()
        .unwrap()
        .iter()
        .map(|progress| progress.phase)
        .collect();
    assert_eq!(phases, [ImportPhase::Checking, ImportPhase::Writing]);
    assert!(file_of(&database, "NEW-1").await.is_some());
    let again = service.run(&hr, id, &no_progress()).await.map(|_| ());
    assert!(matches!(
        again,
        Err(ImportError::Service(ServiceError::State("already-imported")))
    ));
    let list = service.list(&hr).await.unwrap();
    assert_eq!(list[0].status, ImportStatus::Done);
    assert!(list[0].report.as_deref().unwrap().contains("\"created\":1"));
}

#[tokio::test]
async fn a_chosen_export_has_only_what_was_asked() {
    use mppeep_core::domain::personnel::PersonnelField as F;
    let (database, _) = Database::with_agents(30).await;
    let asked = ExportPersonnel {
        fields: Some(vec![F::FamilyName, F::Grade, F::FamilyName]),
        ..ExportPersonnel::everything()
    };
    let sheet = exports(&database).sheet(&operator(), asked).await.unwrap();
    let header: Vec<String> = sheet.rows[0].iter().map(Cell::display).collect();
    assert_eq!(header, ["Matricule", "Nom", "Grade"]);
    assert_eq!(sheet.rows.len(), 31);
    let bytes = SpreadsheetFiles::default()
        .write(SheetFormat::Csv, &sheet)
        .unwrap();
    assert!(bytes.starts_with(b"\xEF\xBB\xBF\"Matricule\";"));
    let exported = journal(&database, ActivityAction::Exported).await;
    assert_eq!(exported.len(), 1);
    assert!(!exported[0].label.contains("privées"), "{}", exported[0].label);
}
