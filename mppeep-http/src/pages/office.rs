//! What the office pages share: pages of lists, choices of units, the agent a form is about.

use jiff::civil::Date;
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::domain::organisation::{Organisation, UnitRef};
use mppeep_core::domain::parse::civil_date;
use mppeep_core::domain::permission::{Action, Resource, Scope};
use mppeep_core::domain::personnel::PersonnelField;
use mppeep_core::domain::text;
use mppeep_core::ports::page::{Cursor, PageRequest, PageStart};
use mppeep_core::ports::personnel::{PersonnelFilter, PersonnelSort};
use mppeep_core::services::personnel::{ListPersonnel, Reveal};
use mppeep_core::services::personnel_view::PersonnelView;

use super::ui::{Choice, Pager, Query};
use super::visit::Visit;
use crate::catalogue;
use crate::problem::Problem;

/// Page sizes on offer.
pub(super) const SIZES: [u32; 3] = [25, 50, 100];

/// Which page of a list an address asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Paging {
    size: u32,
    /// Number of the first row, from 0; a cursor carries it along.
    start: u32,
    cursor: Option<Cursor>,
}

impl Paging {
    /// Reads the three parameters; what makes no sense gives the first page.
    pub(super) fn read(size: Option<&str>, start: Option<&str>, cursor: Option<&str>) -> Self {
        let size = size
            .and_then(|text| text.parse().ok())
            .filter(|size| SIZES.contains(size))
            .unwrap_or(SIZES[0]);
        let cursor = cursor.and_then(Cursor::decode);
        let start = if cursor.is_some() {
            start.and_then(|text| text.parse().ok()).unwrap_or(0)
        } else {
            0
        };
        Self { size, start, cursor }
    }

    /// The page as the services take it.
    pub(super) fn request(&self) -> PageRequest {
        let start = self.cursor.clone().map_or(PageStart::First, PageStart::After);
        PageRequest {
            limit: self.size,
            start,
        }
    }

    /// What stands under a list of `shown` rows out of `total`.
    pub(super) fn pager(
        &self,
        query: &Query,
        path: &str,
        shown: usize,
        total: u64,
        next: Option<&Cursor>,
        (one, many): (&str, &str),
    ) -> Pager {
        let shown = u32::try_from(shown).unwrap_or(u32::MAX);
        let sized = if self.size == SIZES[0] {
            query.clone()
        } else {
            query.set("size", self.size.to_string())
        };
        let count = catalogue::plural(total, one, many);
        let summary = if total == 0 || u64::from(shown) == total {
            count
        } else {
            let first = catalogue::number(u64::from(self.start) + 1);
            let last = catalogue::number(u64::from(self.start) + u64::from(shown));
            format!("{first}–{last} sur {count}")
        };
        let after = next.map(|cursor| {
            let start = self.start.saturating_add(shown);
            sized
                .clone()
                .and("cursor", cursor.encode())
                .and("start", start.to_string())
                .url(path)
        });
        let sizes = if total > u64::from(SIZES[0]) {
            SIZES
                .iter()
                .map(|size| {
                    (
                        *size,
                        query.set("size", size.to_string()).url(path),
                        *size == self.size,
                    )
                })
                .collect()
        } else {
            Vec::new()
        };
        Pager {
            summary,
            first: self.cursor.as_ref().map(|_| sized.url(path)),
            previous: None,
            next: after,
            sizes,
        }
    }
}

/// The units of a scope to choose from, by programme; values are `level:identifier`.
pub(super) fn unit_choices(organisation: &Organisation, scope: &Scope) -> Vec<Choice> {
    let reached = |unit: UnitRef| {
        scope.everything
            || organisation
                .departments_of(unit)
                .iter()
                .any(|id| scope.departments.contains(id))
    };
    let mut choices = Vec::new();
    for programme in &organisation.programmes {
        let group = &programme.fields.name;
        let mut add = |unit: UnitRef, label: String| {
            if reached(unit) {
                choices.push(Choice::new(unit.to_string(), label).in_group(group));
            }
        };
        add(
            UnitRef::Programme(programme.id),
            format!("{} (tout le programme)", programme.fields.code),
        );
        for directorate in organisation
            .directorates
            .iter()
            .filter(|unit| unit.programme == programme.id)
        {
            add(
                UnitRef::Directorate(directorate.id),
                directorate.fields.name.clone(),
            );
            for department in organisation
                .departments
                .iter()
                .filter(|unit| unit.directorate == directorate.id)
            {
                let label = format!("– {}", department.fields.name);
                add(UnitRef::Department(department.id), label);
            }
        }
    }
    choices
}

/// The unit an address names, if there is one.
pub(super) fn unit_of(text: Option<&str>, organisation: &Organisation) -> Option<UnitRef> {
    UnitRef::parse(text?).filter(|unit| organisation.unit(*unit).is_some())
}

/// A day an address names.
pub(super) fn day_of(text: Option<&str>) -> Option<Date> {
    civil_date(text?.trim()).ok()
}

/// Text an address carries, trimmed; nothing when it is blank.
pub(super) fn given(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

/// An agent as forms and lists name him.
#[derive(Debug, Clone)]
pub(super) struct AgentBrief {
    pub(super) id: PersonnelId,
    pub(super) matricule: String,
    pub(super) name: String,
    pub(super) initials: String,
    pub(super) department: String,
    pub(super) job_title: String,
    pub(super) url: String,
}

impl AgentBrief {
    /// The brief of a file, as the reader may see it.
    pub(super) fn of(visit: &Visit, view: &PersonnelView, organisation: &Organisation) -> Self {
        let family = view.get(PersonnelField::FamilyName).unwrap_or_default();
        let given = view.get(PersonnelField::GivenNames).unwrap_or_default();
        Self {
            id: view.id(),
            matricule: view.matricule().to_owned(),
            name: view.full_name(),
            initials: super::ui::initials(&given, &family),
            department: view
                .department()
                .and_then(|id| organisation.department(id))
                .map_or_else(|| "Sans affectation".to_owned(), |unit| unit.fields.name.clone()),
            job_title: view.get(PersonnelField::JobTitle).unwrap_or_default(),
            url: visit.url(&format!("/personnel/{}", view.id())),
        }
    }

    /// Reads the brief of an agent.
    pub(super) async fn load(visit: &Visit, id: PersonnelId) -> Result<Self, Problem> {
        let organisation = visit.state.services.organisation.names().await?;
        let view = visit
            .state
            .services
            .personnel
            .get(&visit.actor, id, Reveal::Hidden)
            .await?;
        Ok(Self::of(visit, &view, &organisation))
    }
}

/// The agents that words find, the first 20 by name, of those the reader may do `action` on `resource` with.
pub(super) async fn find_agents(
    visit: &Visit,
    words: &str,
    resource: Resource,
    action: Action,
) -> Result<(Vec<AgentBrief>, u64), Problem> {
    let organisation = visit.state.services.organisation.names().await?;
    let list = ListPersonnel {
        filter: PersonnelFilter {
            words: text::search_words(words),
            ..PersonnelFilter::default()
        },
        sort: PersonnelSort::Name,
        descending: false,
        page: PageRequest::first(20),
    };
    let page = visit.state.services.personnel.list(&visit.actor, list).await?;
    let scope = visit.actor.scope(resource, action);
    let agents = page
        .rows
        .iter()
        .filter(|view| scope.reaches(view.id(), view.department()))
        .map(|view| AgentBrief::of(visit, view, &organisation))
        .collect();
    Ok((agents, page.total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mppeep_core::ports::page::SortValue;

    #[test]
    fn a_page_is_described_and_leads_to_the_next() {
        let cursor = Cursor {
            value: SortValue::Integer(7),
            id: uuid::Uuid::from_u128(1),
        };
        let query = Query::new().and("kind", "mission");
        let first = Paging::read(None, Some("9"), None);
        let pager = first.pager(&query, "/a", 25, 1_234, Some(&cursor), ("absence", "absences"));
        assert_eq!(pager.summary, "1–25 sur 1\u{202f}234 absences");
        let next = pager.next.unwrap();
        assert!(next.starts_with("/a?kind=mission&cursor="), "{next}");
        assert!(next.ends_with("&start=25"), "{next}");
        assert!(pager.first.is_none());
        let second = Paging::read(Some("50"), Some("25"), Some(&cursor.encode()));
        let pager = second.pager(&query, "/a", 10, 35, None, ("absence", "absences"));
        assert_eq!(pager.summary, "26–35 sur 35 absences");
        assert_eq!(pager.first.as_deref(), Some("/a?kind=mission&size=50"));
        assert_eq!(
            Paging::read(Some("100000"), None, Some("rubbish")),
            Paging::read(None, None, None)
        );
    }
}
