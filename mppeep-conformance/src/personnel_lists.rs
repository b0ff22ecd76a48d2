//! Checks of lists of personnel files: filters, sorts, pages.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use mppeep_core::domain::codes::{AdministrativePosition, AgentStatus, Sex};
use mppeep_core::domain::grade::GradeCategory;
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::domain::organisation::UnitRef;
use mppeep_core::domain::permission::Scope;
use mppeep_core::domain::personnel::Personnel;
use mppeep_core::domain::text;
use mppeep_core::ports::page::{Cursor, Page, PageRequest, PageStart};
use mppeep_core::ports::personnel::{
    ArchiveFilter, PersonnelFilter, PersonnelQuery, PersonnelRow, PersonnelSort,
};
use mppeep_core::ports::store::Store;

use crate::fixtures::{TODAY, a_personnel, department_id, personnel_id, store_personnel};
use crate::harness::StoreHarness;
use crate::ministry::{Ministry, touches};

const SCORE_FROM: i16 = 2024;
const YEAR_START: Date = date(2026, 1, 1);

pub(crate) fn everyone() -> PersonnelFilter {
    PersonnelFilter {
        scope: Scope::everything(),
        ..PersonnelFilter::default()
    }
}

pub(crate) fn query(filter: PersonnelFilter, sort: PersonnelSort, page: PageRequest) -> PersonnelQuery {
    PersonnelQuery {
        filter,
        sort,
        descending: false,
        page,
        year_start: YEAR_START,
        score_from_year: SCORE_FROM,
    }
}

pub(crate) async fn list(store: &dyn Store, query: &PersonnelQuery) -> Page<PersonnelRow> {
    let mut unit = store.begin_read().await.unwrap();
    unit.personnel().list(query).await.unwrap()
}

pub(crate) async fn total(store: &dyn Store, filter: PersonnelFilter) -> u64 {
    list(store, &query(filter, PersonnelSort::Name, PageRequest::first(1)))
        .await
        .total
}

/// Filters of every kind, alone and together.
pub(crate) fn filters(ministry: &Ministry) -> Vec<(&'static str, PersonnelFilter)> {
    let with = |change: &dyn Fn(&mut PersonnelFilter)| {
        let mut filter = everyone();
        change(&mut filter);
        filter
    };
    let words = |text: &str| with(&|filter| filter.words = text::search_words(text));
    let unit = |unit: UnitRef| with(&|filter| filter.unit = Some(unit));
    let organisation = &ministry.organisation;
    vec![
        ("everyone", everyone()),
        (
            "archived",
            with(&|filter| filter.archive = ArchiveFilter::Archived),
        ),
        ("both", with(&|filter| filter.archive = ArchiveFilter::Both)),
        (
            "nobody in scope",
            PersonnelFilter {
                scope: Scope::default(),
                ..everyone()
            },
        ),
        (
            "own scope",
            PersonnelFilter {
                scope: Scope {
                    own: Some(personnel_id(2)),
                    ..Scope::default()
                },
                ..everyone()
            },
        ),
        (
            "scope of departments and own",
            PersonnelFilter {
                scope: Scope {
                    departments: [department_id(1), department_id(4)].into(),
                    own: Some(personnel_id(4)),
                    everything: false,
                    made_by: None,
                },
                ..everyone()
            },
        ),
        ("one word", words("kone")),
        ("an accent in the search", words("Éboué")),
        ("two words in any order", words("awa kone")),
        ("a part of a matricule", words("m03")),
        ("an office telephone", words("27 20 00 0")),
        ("a private number without the right", words("ci00")),
        ("a private number with the right", {
            with(&|filter| (filter.words, filter.search_private) = (text::search_words("ci00"), true))
        }),
        ("a public and a private word", {
            with(&|filter| (filter.words, filter.search_private) = (text::search_words("kone 0700"), true))
        }),
        ("a word that nobody has", words("xyzzy")),
        (
            "a programme",
            unit(UnitRef::Programme(organisation.programmes[0].id)),
        ),
        (
            "a directorate",
            unit(UnitRef::Directorate(organisation.directorates[2].id)),
        ),
        ("a department", unit(UnitRef::Department(department_id(2)))),
        ("unassigned", with(&|filter| filter.unassigned = true)),
        (
            "a category",
            with(&|filter| filter.category = Some(GradeCategory::A)),
        ),
        ("a grade", with(&|filter| filter.grade = "A7".parse().ok())),
        ("without grade", with(&|filter| filter.without_grade = true)),
        (
            "a position",
            with(&|filter| filter.position = Some(AdministrativePosition::Secondment)),
        ),
        (
            "a status",
            with(&|filter| filter.status = Some(AgentStatus::Contractual)),
        ),
        ("women", with(&|filter| filter.sex = Some(Sex::Female))),
        ("men", with(&|filter| filter.sex = Some(Sex::Male))),
        (
            "born from",
            with(&|filter| filter.born_from = Some(ministry.personnel[7].fields.birth_date)),
        ),
        (
            "born to",
            with(&|filter| filter.born_to = Some(ministry.personnel[7].fields.birth_date)),
        ),
        ("in service from", {
            with(&|filter| filter.in_service_from = ministry.personnel[7].fields.service_start_date)
        }),
        ("in service to", {
            with(&|filter| filter.in_service_to = ministry.personnel[7].fields.service_start_date)
        }),
        (
            "retires from",
            with(&|filter| filter.retires_from = Some(date(2027, 5, 23))),
        ),
        (
            "retires to",
            with(&|filter| filter.retires_to = Some(date(2027, 5, 22))),
        ),
        ("retires within", {
            with(&|filter| (filter.retires_from, filter.retires_to) = (Some(TODAY), Some(date(2027, 11, 22))))
        }),
        ("absent on", with(&|filter| filter.absent_on = Some(TODAY))),
        (
            "absent on another day",
            with(&|filter| filter.absent_on = Some(date(2026, 11, 20))),
        ),
        ("without account", with(&|filter| filter.without_account = true)),
        ("incomplete", with(&|filter| filter.incomplete = true)),
        ("several together", {
            with(&|filter| {
                filter.sex = Some(Sex::Female);
                filter.category = Some(GradeCategory::A);
                filter.incomplete = true;
                filter.without_account = true;
                filter.archive = ArchiveFilter::Both;
            })
        }),
    ]
}

/// Every filter gives the rows that it describes, no others, and their number; every figure of a row is right.
pub async fn every_filter_gives_what_it_says(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let ministry = Ministry::new();
    ministry.store(store.as_ref()).await;
    let mut distinct = BTreeMap::new();
    for (name, filter) in filters(&ministry) {
        let page = list(
            store.as_ref(),
            &query(filter.clone(), PersonnelSort::Name, PageRequest::first(100)),
        )
        .await;
        let expected: Vec<&Personnel> = ministry
            .personnel
            .iter()
            .filter(|file| ministry.matches(&filter, file))
            .collect();
        let mut rows = page.rows;
        rows.sort_by_key(|row| row.personnel.id);
        let ids = |files: &[&Personnel]| files.iter().map(|file| file.id).collect::<Vec<PersonnelId>>();
        let found: Vec<&Personnel> = rows.iter().map(|row| &row.personnel).collect();
        assert_eq!(ids(&found), ids(&expected), "{name}");
        assert_eq!(page.total, u64::try_from(expected.len()).unwrap(), "{name}");
        assert_eq!(page.next, None, "{name}");
        for row in rows {
            assert_eq!(row, expected_row(&ministry, &row.personnel), "{name}");
        }
        distinct.insert(ids(&expected), name);
    }
    assert!(distinct.len() > 30, "the filters tell files apart");
}

fn expected_row(ministry: &Ministry, file: &Personnel) -> PersonnelRow {
    let file = ministry.agent(file.id);
    let count = |absences: usize| u32::try_from(absences).unwrap();
    let in_year = |absence: &&_| touches(absence, YEAR_START, date(2026, 12, 31));
    let (average_mark_hundredths, mark_count) = ministry.mean_mark(&[file], SCORE_FROM);
    PersonnelRow {
        personnel: file.clone(),
        department_name: ministry.department_name(file),
        absence_count: count(ministry.absences_of(file).count()),
        absence_count_year: count(ministry.absences_of(file).filter(in_year).count()),
        average_mark_hundredths,
        mark_count,
    }
}

/// What a row is sorted by, in ascending order. Positions have no order of their own: only equal ones must be together.
fn sort_key(sort: PersonnelSort, row: &PersonnelRow) -> (u8, i64, String) {
    let fields = &row.personnel.fields;
    let text = |value: String| (0, 0, value);
    let text_or_last =
        |value: Option<&str>| value.map_or((1, 0, String::new()), |value| (0, 0, text::fold(value)));
    let days = |date: Date| i64::from(date.year()) * 400 + i64::from(date.day_of_year());
    let date_or_last =
        |date: Option<Date>| date.map_or((1, 0, String::new()), |date| (0, days(date), String::new()));
    match sort {
        PersonnelSort::Name => text(fields.name_key()),
        PersonnelSort::Matricule => text(fields.matricule.to_string()),
        PersonnelSort::Department => text_or_last(row.department_name.as_deref()),
        PersonnelSort::JobTitle => text_or_last(fields.job_title.as_deref()),
        PersonnelSort::Grade => {
            let rank = |grade| {
                let highest_first = mppeep_core::domain::grade::Grade::all();
                let place = highest_first
                    .iter()
                    .rev()
                    .position(|known| *known == grade)
                    .unwrap();
                i64::try_from(place).unwrap() + 1
            };
            (0, fields.grade.map_or(0, rank), String::new())
        }
        PersonnelSort::Position => text(fields.position.code().to_owned()),
        PersonnelSort::Seniority => date_or_last(fields.service_start_date),
        PersonnelSort::Absences => (0, i64::from(row.absence_count), String::new()),
        PersonnelSort::Score => (
            0,
            row.average_mark_hundredths.map_or(-1, i64::from),
            String::new(),
        ),
        PersonnelSort::Retirement => date_or_last(row.personnel.retirement_date),
        PersonnelSort::Updated => (0, row.personnel.updated_at.as_microsecond(), String::new()),
    }
}

fn in_order(sort: PersonnelSort, descending: bool, rows: &[PersonnelRow]) {
    let keys: Vec<(u8, i64, String)> = rows.iter().map(|row| sort_key(sort, row)).collect();
    if sort == PersonnelSort::Position {
        let mut groups = keys.clone();
        groups.dedup();
        let runs = groups.len();
        groups.sort();
        groups.dedup();
        assert_eq!(runs, groups.len(), "equal positions are together");
        return;
    }
    let sorted = keys.windows(2).all(|pair| {
        if descending {
            pair[0] >= pair[1]
        } else {
            pair[0] <= pair[1]
        }
    });
    assert!(sorted, "{sort:?}, descending {descending}: {keys:?}");
}

/// Follows the cursors from the first page to the last, as a reader with their text does.
async fn pages(store: &dyn Store, query: &PersonnelQuery) -> Vec<PersonnelRow> {
    let mut query = query.clone();
    let mut rows = Vec::new();
    let mut total = None;
    loop {
        let page = list(store, &query).await;
        assert_eq!(*total.get_or_insert(page.total), page.total);
        let full = page.rows.len() == usize::try_from(query.page.limit).unwrap();
        rows.extend(page.rows);
        let Some(next) = page.next else { break };
        assert!(full, "a page that is not the last is full");
        assert!(
            rows.len() < usize::try_from(page.total).unwrap(),
            "after the last row there is no next page"
        );
        query.page.start = PageStart::After(Cursor::decode(&next.encode()).unwrap());
    }
    assert_eq!(u64::try_from(rows.len()).unwrap(), total.unwrap());
    rows
}

/// Every sort, both ways, gives one order whatever the size of its pages, with each row once.
pub async fn every_sort_pages_completely_and_without_repeats(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let ministry = Ministry::new();
    ministry.store(store.as_ref()).await;
    for sort in PersonnelSort::ALL {
        for descending in [false, true] {
            let filter = PersonnelFilter {
                archive: ArchiveFilter::Both,
                ..everyone()
            };
            let whole = PersonnelQuery {
                descending,
                ..query(filter, *sort, PageRequest::first(200))
            };
            let all = list(store.as_ref(), &whole).await.rows;
            assert_eq!(all.len(), ministry.personnel.len());
            in_order(*sort, descending, &all);
            for limit in [1, 7, 15, 30] {
                let paged = PersonnelQuery {
                    page: PageRequest::first(limit),
                    ..whole.clone()
                };
                let ids = |rows: &[PersonnelRow]| rows.iter().map(|row| row.personnel.id).collect::<Vec<_>>();
                let paged = pages(store.as_ref(), &paged).await;
                assert_eq!(
                    ids(&paged),
                    ids(&all),
                    "{sort:?}, descending {descending}, {limit} a page"
                );
            }
        }
    }
}

/// Pages asked for by number are slices of the same list; past its end they are empty, with the same total.
pub async fn pages_by_number_are_the_same_list(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    Ministry::new().store(store.as_ref()).await;
    let all = list(
        store.as_ref(),
        &query(everyone(), PersonnelSort::Name, PageRequest::first(200)),
    )
    .await;
    for offset in [0u32, 1, 9, 27, 28, 500] {
        let page = PageRequest {
            limit: 9,
            start: PageStart::Offset(offset),
        };
        let page = list(store.as_ref(), &query(everyone(), PersonnelSort::Name, page)).await;
        let from = usize::try_from(offset).unwrap().min(all.rows.len());
        let to = (from + 9).min(all.rows.len());
        assert_eq!(page.rows, all.rows[from..to], "from {offset}");
        assert_eq!(page.total, all.total);
        assert_eq!(page.next.is_some(), to < all.rows.len(), "from {offset}");
    }
}

/// A row that enters the list before the page that is shown neither repeats a row nor hides one.
pub async fn a_page_is_not_disturbed_by_a_row_before_it(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    Ministry::new().store(store.as_ref()).await;
    let all = list(
        store.as_ref(),
        &query(everyone(), PersonnelSort::Name, PageRequest::first(200)),
    )
    .await
    .rows;
    let first = list(
        store.as_ref(),
        &query(everyone(), PersonnelSort::Name, PageRequest::first(10)),
    )
    .await;
    let mut early = a_personnel(900, "ZZZ");
    early.fields.family_name = "AAA".to_owned();
    store_personnel(store.as_ref(), &[early]).await;
    let page = PageRequest {
        limit: 10,
        start: PageStart::After(first.next.unwrap()),
    };
    let second = list(store.as_ref(), &query(everyone(), PersonnelSort::Name, page)).await;
    assert_eq!(second.rows, all[10..20]);
}

/// Words are sought as they are: no character in them stands for others.
pub async fn search_words_are_taken_literally(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let mut files: Vec<Personnel> = [
        "A%B", "AXB", "A_C", "AYC", "A\\D", "A*E", "AZE", "A'F", "A[XY]G", "A\"H",
    ]
    .iter()
    .zip(1..)
    .map(|(name, number)| {
        let mut file = a_personnel(number, &format!("N{number}"));
        file.fields.family_name = (*name).to_owned();
        file
    })
    .collect();
    files[1].fields.national_id = Some("P%Q".to_owned());
    files[2].fields.national_id = Some("PXQ".to_owned());
    store_personnel(store.as_ref(), &files).await;
    for word in [
        "a%b", "a_c", "a\\d", "a*e", "a'f", "a[xy]g", "a\"h", "%", "_", "\\", "*", "p%q", "n1",
    ] {
        for search_private in [false, true] {
            let filter = PersonnelFilter {
                words: vec![word.to_owned()],
                search_private,
                ..everyone()
            };
            let expected = files
                .iter()
                .filter(|file| {
                    file.fields.search_key().contains(word)
                        || search_private && file.fields.private_search_key().contains(word)
                })
                .count();
            let found = total(store.as_ref(), filter).await;
            assert_eq!(
                found,
                u64::try_from(expected).unwrap(),
                "{word}, private {search_private}"
            );
        }
    }
}
