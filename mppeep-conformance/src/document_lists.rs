//! Checks of the lists of documents, and of those that are missing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::date;
use mppeep_core::domain::document::{Document, DocumentKind, DocumentState};
use mppeep_core::domain::id::{DirectorateId, PersonnelId, ProgrammeId};
use mppeep_core::domain::organisation::UnitRef;
use mppeep_core::domain::permission::Scope;
use mppeep_core::domain::text::fold;
use mppeep_core::ports::document::{DocumentFilter, DocumentRow, MissingDocuments};
use mppeep_core::ports::page::{Cursor, PageRequest, PageStart};
use mppeep_core::ports::store::Store;

use crate::fixtures::{
    a_document, a_file, a_user, a_version, department_id, personnel_id, store_files, uuid,
};
use crate::harness::StoreHarness;
use crate::ministry::Ministry;
use crate::support::start;

const KINDS: [DocumentKind; 4] = [
    DocumentKind::IdentityCard,
    DocumentKind::Diploma,
    DocumentKind::BirthCertificate,
    DocumentKind::Other,
];

/// A ministry whose first agents have documents of several kinds, states and ends; some were deposited at one instant.
async fn deposited(store: &Arc<dyn Store>) -> (Ministry, Vec<Document>) {
    let ministry = Ministry::new();
    ministry.store(store.as_ref()).await;
    let mut documents = Vec::new();
    for (agent, number) in ministry.personnel.iter().take(24).zip(0u128..) {
        for (kind, of) in KINDS.iter().zip(0u128..) {
            let index = usize::try_from(number * 4 + of).unwrap();
            if index % 7 == 5 {
                continue;
            }
            let mut document = a_document(number * 4 + of, agent.id);
            document.fields.kind = *kind;
            document.fields.title = format!("{} n° {index}", ["Écrit", "Carte", "Œuvre 100%"][index % 3]);
            document.fields.confidential = index % 5 == 0;
            document.fields.expires_on = [None, Some(date(2026, 11, 22)), Some(date(2027, 1, 31))][index % 3];
            document.state = DocumentState::ALL[index % 4 % 3];
            document.created_at = start()
                .checked_add(Duration::from_micros(u64::try_from(index / 3).unwrap()))
                .unwrap();
            documents.push(document);
        }
    }
    let files: Vec<_> = (0..200).map(a_file).collect();
    store_files(store.as_ref(), &files).await;
    let mut unit = store.begin().await.unwrap();
    for (document, file) in documents.iter_mut().zip(&files) {
        let first = a_version(document, 1, file);
        unit.documents().insert(document, &first).await.unwrap();
    }
    // Some have a second content, which is the present one.
    for (document, file) in documents.iter_mut().step_by(6).zip(&files[100..]) {
        document.version = 2;
        document.current = 2;
        let second = a_version(document, 2, file);
        unit.documents().update(document, Some(&second)).await.unwrap();
    }
    unit.commit().await.unwrap();
    (ministry, documents)
}

fn everything() -> DocumentFilter {
    DocumentFilter {
        scope: Scope::everything(),
        with_confidential: true,
        ..DocumentFilter::default()
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Filters on agents, each with the words of its own; the last reach nobody.
fn on_agents() -> Vec<DocumentFilter> {
    let scope = |departments: &[u128], own: Option<u128>| Scope {
        departments: departments.iter().map(|number| department_id(*number)).collect(),
        own: own.map(personnel_id),
        ..Scope::default()
    };
    let unit = |unit| DocumentFilter {
        unit: Some(unit),
        ..everything()
    };
    let scoped = |scope| DocumentFilter {
        scope,
        with_confidential: true,
        ..DocumentFilter::default()
    };
    vec![
        everything(),
        DocumentFilter {
            personnel: Some(personnel_id(3)),
            ..everything()
        },
        unit(UnitRef::Department(department_id(2))),
        unit(UnitRef::Directorate(DirectorateId::from_uuid(uuid(0x7001)))),
        unit(UnitRef::Programme(ProgrammeId::from_uuid(uuid(0x6002)))),
        scoped(scope(&[1, 3], None)),
        scoped(scope(&[4], Some(7))),
        scoped(scope(&[], Some(6))),
        DocumentFilter {
            words: words(&["kone"]),
            ..everything()
        },
        DocumentFilter {
            words: words(&["m0", "awa"]),
            unit: Some(UnitRef::Department(department_id(1))),
            ..everything()
        },
        DocumentFilter {
            words: words(&["kone", "_"]),
            ..everything()
        },
        DocumentFilter::default(),
        scoped(Scope {
            made_by: Some(a_user(1).id),
            ..Scope::default()
        }),
        DocumentFilter {
            personnel: Some(personnel_id(77)),
            ..everything()
        },
    ]
}

fn reaches(ministry: &Ministry, filter: &DocumentFilter, agent: PersonnelId) -> bool {
    let agent = ministry.agent(agent);
    filter.scope.reaches(agent.id, agent.fields.department)
        && filter.personnel.is_none_or(|personnel| personnel == agent.id)
        && filter.unit.is_none_or(|unit| ministry.is_in(agent, unit))
}

fn matches(ministry: &Ministry, filter: &DocumentFilter, document: &Document) -> bool {
    let agent = ministry.agent(document.personnel).fields.search_key();
    let title = fold(&document.fields.title);
    reaches(ministry, filter, document.personnel)
        && (filter.with_confidential || !document.fields.confidential)
        && filter.kind.is_none_or(|kind| kind == document.fields.kind)
        && filter.state.is_none_or(|state| state == document.state)
        && filter
            .expires_until
            .is_none_or(|until| document.fields.expires_on.is_some_and(|last| last <= until))
        && filter
            .words
            .iter()
            .all(|word| agent.contains(word.as_str()) || title.contains(word.as_str()))
}

async fn list(store: &Arc<dyn Store>, filter: &DocumentFilter) -> Vec<DocumentRow> {
    let mut unit = store.begin_read().await.unwrap();
    let page = unit
        .documents()
        .list(filter, &PageRequest::first(1_000))
        .await
        .unwrap();
    assert_eq!(page.total, u64::try_from(page.rows.len()).unwrap(), "{filter:?}");
    assert_eq!(page.next, None);
    page.rows
}

/// Every filter lets through what it says, the latest deposit first, with the present content and whose it is.
pub async fn document_filters_give_what_they_say(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    assert!(list(&store, &everything()).await.is_empty());
    let (ministry, documents) = deposited(&store).await;
    let mut filters = on_agents();
    filters.push(DocumentFilter {
        with_confidential: false,
        ..everything()
    });
    filters.push(DocumentFilter {
        scope: Scope {
            own: Some(personnel_id(5)),
            ..Scope::default()
        },
        ..DocumentFilter::default()
    });
    for kind in [DocumentKind::Diploma, DocumentKind::Passport] {
        filters.push(DocumentFilter {
            kind: Some(kind),
            ..everything()
        });
    }
    for state in DocumentState::ALL {
        filters.push(DocumentFilter {
            state: Some(*state),
            with_confidential: false,
            ..everything()
        });
    }
    for day in [date(2026, 11, 21), date(2026, 11, 22), date(2027, 1, 31)] {
        filters.push(DocumentFilter {
            expires_until: Some(day),
            ..everything()
        });
    }
    for text in [
        &["ecrit"][..],
        &["oeuvre", "kone"],
        &["100%"],
        &["carte", "n° 1"],
        &["%"],
    ] {
        filters.push(DocumentFilter {
            words: words(text),
            ..everything()
        });
    }
    let mut found = 0;
    for filter in filters {
        let mut expected: Vec<&Document> = documents
            .iter()
            .filter(|document| matches(&ministry, &filter, document))
            .collect();
        expected.sort_by_key(|document| std::cmp::Reverse((document.created_at, document.id)));
        let rows = list(&store, &filter).await;
        let listed: Vec<&Document> = rows.iter().map(|row| &row.document).collect();
        assert_eq!(listed, expected, "{filter:?}");
        for row in &rows {
            let agent = ministry.agent(row.document.personnel);
            assert_eq!(row.current.number, row.document.current);
            assert_eq!(row.current.document, row.document.id);
            assert_eq!(
                (row.matricule.as_str(), row.full_name.as_str()),
                (agent.fields.matricule.as_str(), agent.fields.full_name().as_str())
            );
            assert_eq!(row.department_name, ministry.department_name(agent));
        }
        found += usize::from(!rows.is_empty());
    }
    assert!(found > 18, "most filters let something through: {found}");
}

/// Pages of every size give each document once, in one order, also those deposited at one instant.
pub async fn documents_page_completely(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let (_, documents) = deposited(&store).await;
    let all: Vec<Document> = list(&store, &everything())
        .await
        .into_iter()
        .map(|row| row.document)
        .collect();
    assert_eq!(all.len(), documents.len());
    let mut unit = store.begin_read().await.unwrap();
    for limit in [1, 7, 20, u32::try_from(all.len()).unwrap()] {
        let (mut seen, mut start) = (Vec::new(), PageStart::First);
        loop {
            let page = PageRequest { limit, start };
            let page = unit.documents().list(&everything(), &page).await.unwrap();
            assert_eq!(page.total, u64::try_from(all.len()).unwrap());
            seen.extend(page.rows.into_iter().map(|row| row.document));
            assert!(seen.len() <= all.len());
            let Some(next) = page.next else { break };
            start = PageStart::After(Cursor::decode(&next.encode()).unwrap());
        }
        assert_eq!(seen, all, "{limit} a page");
    }
    let page = PageRequest {
        limit: 5,
        start: PageStart::Offset(11),
    };
    let page = unit.documents().list(&everything(), &page).await.unwrap();
    let rows: Vec<Document> = page.rows.into_iter().map(|row| row.document).collect();
    assert_eq!(rows, all[11..16]);
    let nothing = PageRequest::total_only();
    let total = unit.documents().list(&everything(), &nothing).await.unwrap();
    assert_eq!(
        (total.total, total.rows.len()),
        (u64::try_from(all.len()).unwrap(), 0)
    );
}

async fn missing(
    store: &Arc<dyn Store>,
    mandatory: &BTreeSet<DocumentKind>,
    filter: &DocumentFilter,
) -> Vec<MissingDocuments> {
    let mut unit = store.begin_read().await.unwrap();
    let page = unit
        .documents()
        .missing(mandatory, filter, &PageRequest::first(1_000))
        .await
        .unwrap();
    assert_eq!(page.total, u64::try_from(page.rows.len()).unwrap(), "{filter:?}");
    assert_eq!(page.next, None);
    page.rows
}

/// Agents in service whose files lack documents are told by name, each with the kinds that are missing: a rejected
/// document is none, a confidential one is one.
pub async fn missing_documents_are_told(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let (ministry, documents) = deposited(&store).await;
    let sets: [&[DocumentKind]; 4] = [
        &[],
        &[DocumentKind::Diploma],
        &KINDS[..3],
        &[DocumentKind::Passport, DocumentKind::Diploma],
    ];
    for mandatory in sets {
        let mandatory: BTreeSet<DocumentKind> = mandatory.iter().copied().collect();
        for filter in on_agents() {
            let mut expected = Vec::new();
            for agent in &ministry.personnel {
                let held: BTreeSet<DocumentKind> = documents
                    .iter()
                    .filter(|document| document.personnel == agent.id)
                    .filter(|document| document.state != DocumentState::Rejected)
                    .map(|document| document.fields.kind)
                    .collect();
                let missing: BTreeSet<DocumentKind> = mandatory.difference(&held).copied().collect();
                let key = agent.fields.search_key();
                let asked = reaches(&ministry, &filter, agent.id)
                    && filter.words.iter().all(|word| key.contains(word.as_str()));
                if asked && agent.departure.is_none() && !missing.is_empty() {
                    let row = MissingDocuments {
                        personnel: agent.id,
                        matricule: agent.fields.matricule.as_str().to_owned(),
                        full_name: agent.fields.full_name(),
                        department_name: ministry.department_name(agent),
                        missing,
                    };
                    expected.push(((agent.fields.name_key(), agent.id), row));
                }
            }
            expected.sort_by(|a, b| a.0.cmp(&b.0));
            let expected: Vec<MissingDocuments> = expected.into_iter().map(|(_, row)| row).collect();
            assert_eq!(
                missing(&store, &mandatory, &filter).await,
                expected,
                "{mandatory:?} {filter:?}"
            );
        }
    }
}

/// Pages of every size give each agent once, in one order, also those of one name.
pub async fn missing_documents_page_completely(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    deposited(&store).await;
    let mandatory: BTreeSet<DocumentKind> = KINDS.into();
    let all = missing(&store, &mandatory, &everything()).await;
    assert!(all.len() > 10, "{}", all.len());
    let mut unit = store.begin_read().await.unwrap();
    for limit in [1, 4, u32::try_from(all.len()).unwrap()] {
        let (mut seen, mut start) = (Vec::new(), PageStart::First);
        loop {
            let page = PageRequest { limit, start };
            let page = unit
                .documents()
                .missing(&mandatory, &everything(), &page)
                .await
                .unwrap();
            assert_eq!(page.total, u64::try_from(all.len()).unwrap());
            seen.extend(page.rows);
            assert!(seen.len() <= all.len());
            let Some(next) = page.next else { break };
            start = PageStart::After(Cursor::decode(&next.encode()).unwrap());
        }
        assert_eq!(seen, all, "{limit} a page");
    }
}
