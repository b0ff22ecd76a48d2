//! How the server carries out the lists and figures that pages wait for, on as many rows as a large ministry has.

use jiff::civil::{Date, date};
use mppeep_core::domain::document::DocumentKind;
use mppeep_core::domain::permission::Scope;
use mppeep_core::ports::absence::AbsenceFilter;
use mppeep_core::ports::activity::ActivityFilter;
use mppeep_core::ports::document::DocumentFilter;
use mppeep_core::ports::page::{PageRequest, PageStart};
use mppeep_core::ports::personnel::{FiguresQuery, PersonnelFilter, PersonnelQuery, PersonnelSort};
use mppeep_core::ports::session::{Created, SessionStore};
use mppeep_core::ports::store::Store;
use mppeep_store_pg::PgStore;
use mppeep_testbed::{Postgres, PostgresOptions, database_of};

use crate::support::{a_personnel, a_session, a_user, few_connections, personnel_id, token, write_one};

const TODAY: Date = date(2026, 11, 22);

/// Copies of one file in forty departments, with eight absences, three evaluations and four documents each, and a journal.
const MINISTRY: &str = r"
    CREATE FUNCTION n (family integer, number integer) RETURNS uuid IMMUTABLE LANGUAGE sql
    AS $$ SELECT (lpad(to_hex(family), 8, '0') || '-0000-0000-0000-' || lpad(to_hex(number), 12, '0'))::uuid $$;
    INSERT INTO programme SELECT n(1, 1), 'P', 'p', 'Programme', 'programme', NULL, true, 1;
    INSERT INTO directorate SELECT n(2, d), n(1, 1), 'D' || d, 'd' || d, 'D' || d, 'd' || d, NULL, true, 1
    FROM generate_series(1, 8) AS d;
    INSERT INTO department SELECT n(3, d), n(2, 1 + d % 8), 'S' || d, 's' || d, 'S' || d, 's' || d, NULL, true, 1
    FROM generate_series(1, 40) AS d;
    INSERT INTO personnel (
        personnel_id, matricule, family_name, given_names, sex, birth_date, birth_precision, status, position,
        department_id, grade, retirement_date, service_start_date, version, created_at, updated_at, name_key,
        search_key, private_search_key, grade_rank, completeness_percent, departure_date, departure_reason
    )
    SELECT n(4, a), 'X' || a, 'Nom' || a, 'Prénom', CASE a % 2 WHEN 0 THEN 'female' ELSE 'male' END,
           date '1965-01-01' + a % 13000, 'day', 'civil_servant', 'active', n(3, 1 + a % 40), 'A' || 1 + a % 7,
           date '2026-01-01' + a % 13000, date '1995-01-01' + a % 10000, 1, clock_timestamp(), clock_timestamp(),
           md5(a::text), 'nom' || a || ' prenom x' || a, 'ci' || a, 41 + a % 7, 80 + a % 21,
           CASE WHEN a % 20 = 0 THEN date '2025-06-01' END, CASE WHEN a % 20 = 0 THEN 'resignation' END
    FROM generate_series(1, 12000) AS a;
    INSERT INTO absence (
        absence_id, personnel_id, kind, start_date, start_half, end_date, end_half, counted_half_days, version,
        created_at, updated_at
    )
    SELECT n(5, a * 8 + i), n(4, a), 'annual_leave', date '2024-01-01' + i * 150 + a % 100, 'am',
           date '2024-01-01' + i * 150 + a % 100 + 9, 'pm', 16, 1, clock_timestamp(), clock_timestamp()
    FROM generate_series(1, 12000) AS a, generate_series(0, 7) AS i;
    INSERT INTO evaluation (evaluation_id, personnel_id, year, final_mark, version, created_at, updated_at)
    SELECT n(6, a * 3 + i), n(4, a), 2023 + i, 1000 + a % 900, 1, clock_timestamp(), clock_timestamp()
    FROM generate_series(1, 12000) AS a, generate_series(0, 2) AS i;
    INSERT INTO activity (
        activity_id, at, actor_id, actor_name, action, entity, entity_id, subject_id, label, changes, search_key
    )
    SELECT n(7, a), timestamptz '2024-01-01 00:00Z' + a * interval '5 minutes', n(8, a % 20), 'Awa', 'updated',
           'personnel', n(4, 1 + a % 12000), n(4, 1 + a % 12000), 'NOM', '[]', 'nom' || a
    FROM generate_series(1, 200000) AS a;
    INSERT INTO stored_file
    SELECT n(9, i), 1000, sha256('x'), 'pdf', timestamptz '2024-01-01 00:00Z' + i * interval '10 minutes'
    FROM generate_series(1, 48000) AS i;
    INSERT INTO document (
        document_id, personnel_id, kind, title, title_key, confidential, state, current, version, created_at, updated_at
    )
    SELECT n(10, i), n(4, 1 + i % 12000), (ARRAY['identity_card', 'diploma', 'passport', 'other'])[1 + i / 12000 % 4],
           'Titre', 'titre', false, 'validated', 1, 1, timestamptz '2024-01-01 00:00Z' + i * interval '10 minutes',
           clock_timestamp()
    FROM generate_series(1, 48000) AS i;
    INSERT INTO document_version (document_id, number, stored_file_id, file_name, uploaded_by_name, uploaded_at)
    SELECT n(10, i), 1, n(9, i), 'a.pdf', 'Awa', clock_timestamp() FROM generate_series(1, 48000) AS i;
    VACUUM ANALYZE;
";

/// A server that writes down how it carried out each statement, and a store on a large database there.
async fn a_ministry() -> (Postgres, PgStore) {
    let settings = [
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_analyze", "on"),
        ("auto_explain.log_timing", "off"),
    ];
    let server = Postgres::start(PostgresOptions {
        settings: settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..PostgresOptions::default()
    })
    .await;
    let url = server.fresh_database().await;
    let store = PgStore::open(&url, few_connections()).await.unwrap();
    for statement in MINISTRY
        .split_inclusive(";\n")
        .filter(|text| !text.trim().is_empty())
    {
        server.sql(database_of(&url), statement).await;
    }
    (server, store)
}

/// The plans written since the last call, and how long the slowest of them took, in milliseconds.
fn plans(server: &Postgres, seen: &mut usize) -> (String, f64) {
    let log = server.log();
    let new = log[*seen..].to_owned();
    *seen = log.len();
    let slowest = new
        .lines()
        .filter_map(|line| line.split_once("duration: ")?.1.split_once(" ms")?.0.parse().ok())
        .fold(0.0, f64::max);
    (new, slowest)
}

fn listed(sort: PersonnelSort, filter: PersonnelFilter, start: PageStart) -> PersonnelQuery {
    PersonnelQuery {
        filter: PersonnelFilter {
            scope: Scope::everything(),
            ..filter
        },
        sort,
        descending: false,
        page: PageRequest { limit: 50, start },
        year_start: date(2026, 1, 1),
        score_from_year: 2024,
    }
}

#[tokio::test]
async fn lists_and_figures_of_a_large_ministry_use_their_indexes() {
    let (server, store) = a_ministry().await;
    let mut seen = server.log().len();
    let mut expect = |what: &str, indexes: &[&str]| {
        let (plans, slowest) = plans(&server, &mut seen);
        println!("{what}: {slowest:.1} ms");
        for index in indexes {
            assert!(plans.contains(index), "{what} does without {index}:\n{plans}");
        }
    };
    let mut unit = store.begin_read().await.unwrap();

    let first = listed(PersonnelSort::Name, PersonnelFilter::default(), PageStart::First);
    let page = unit.personnel().list(&first).await.unwrap();
    assert_eq!((page.rows.len(), page.total), (50, 11_400));
    expect(
        "the first page by name",
        &["personnel_by_name", "absence_of_personnel", "evaluation_mark"],
    );
    let next = PageStart::After(page.next.unwrap());
    let second = listed(PersonnelSort::Name, PersonnelFilter::default(), next);
    assert_eq!(unit.personnel().list(&second).await.unwrap().rows.len(), 50);
    expect(
        "the second page by name",
        &["personnel_by_name", "absence_of_personnel"],
    );
    let updated = listed(
        PersonnelSort::Updated,
        PersonnelFilter::default(),
        PageStart::First,
    );
    unit.personnel().list(&updated).await.unwrap();
    expect("the first page by update", &["personnel_by_update"]);
    let words = PersonnelFilter {
        words: vec!["nom77".to_owned()],
        ..PersonnelFilter::default()
    };
    unit.personnel()
        .list(&listed(PersonnelSort::Name, words, PageStart::First))
        .await
        .unwrap();
    expect("a search", &["absence_of_personnel"]);
    let absent = PersonnelFilter {
        absent_on: Some(TODAY),
        ..PersonnelFilter::default()
    };
    unit.personnel()
        .list(&listed(PersonnelSort::Name, absent, PageStart::First))
        .await
        .unwrap();
    expect("who is absent", &["absence_by_end"]);

    unit.absences()
        .list(
            &AbsenceFilter {
                scope: Scope::everything(),
                ..AbsenceFilter::default()
            },
            &PageRequest::first(50),
        )
        .await
        .unwrap();
    expect("the first page of absences", &["absence_by_start"]);
    unit.absences()
        .touching(personnel_id(1), date(2020, 1, 1), date(2030, 12, 31))
        .await
        .unwrap();
    expect("one agent's absences", &["absence_of_personnel"]);
    unit.activities()
        .list(&ActivityFilter::default(), &PageRequest::first(50))
        .await
        .unwrap();
    expect("the journal", &["activity_by_time"]);
    unit.personnel()
        .possible_duplicates(None, "kone awa", date(1980, 5, 17), Some("CI1"))
        .await
        .unwrap();
    expect(
        "possible doubles",
        &["personnel_by_identity", "personnel_by_national_id"],
    );
    let figures = FiguresQuery {
        filter: PersonnelFilter {
            scope: Scope::everything(),
            ..PersonnelFilter::default()
        },
        on: TODAY,
        score_from_year: 2024,
        now: "2026-11-22T12:00:00Z".parse().unwrap(),
    };
    let counted = unit.personnel().figures(&figures).await.unwrap();
    assert_eq!(counted.total, 11_400);
    expect("figures", &[]);

    let filter = DocumentFilter {
        scope: Scope::everything(),
        with_confidential: true,
        ..DocumentFilter::default()
    };
    let page = PageRequest::first(50);
    let documents = unit.documents().list(&filter, &page).await.unwrap();
    assert_eq!((documents.rows.len(), documents.total), (50, 48_000));
    expect(
        "the first page of documents",
        &["document_by_time", "document_version_pkey"],
    );
    let own = DocumentFilter {
        personnel: Some(documents.rows[0].document.personnel),
        ..filter.clone()
    };
    assert_eq!(unit.documents().list(&own, &page).await.unwrap().total, 4);
    expect("one agent's documents", &["document_of_personnel"]);
    let mandatory = [DocumentKind::Diploma, DocumentKind::BirthCertificate].into();
    let missing = unit
        .documents()
        .missing(&mandatory, &filter, &page)
        .await
        .unwrap();
    assert_eq!((missing.rows.len(), missing.total), (50, 11_400));
    expect("who lacks documents", &[]);
    drop(unit);

    let mut unit = store.begin().await.unwrap();
    unit.users().insert(&a_user(1), None).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(store.create(a_session(1, 1)).await.unwrap(), Created::Done);
    expect("a session begins", &[]);
    store.load(&token(1).key(), None).await.unwrap().unwrap();
    write_one(&store, a_personnel(1).version.try_into().unwrap())
        .await
        .unwrap();
    expect("a file is written", &[]);
}
