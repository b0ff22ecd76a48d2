//! What stands above the tabs of a sheet.

use mppeep_core::domain::id::PersonnelId;
use mppeep_core::domain::organisation::Organisation;
use mppeep_core::domain::personnel::PersonnelField;
use mppeep_core::domain::photo::PhotoOwner;
use mppeep_core::services::personnel::Reveal;
use mppeep_core::services::personnel_view::PersonnelView;

use super::columns;
use super::facts::explain;
use crate::app::AppState;
use crate::catalogue::{self, Label};
use crate::pages::photo;
use crate::pages::ui::{Badge, Fact, Facts, Tone, initials};
use crate::pages::visit::Visit;
use crate::problem::Problem;

/// What stands above the tabs.
pub(super) struct Header {
    pub(super) name: String,
    pub(super) initials: String,
    /// The photograph, if there is one.
    pub(super) photo: Option<String>,
    /// Where the reader may change it.
    pub(super) change_photo: Option<String>,
    pub(super) matricule: String,
    pub(super) job_title: String,
    pub(super) unit: String,
    pub(super) unit_path: String,
    pub(super) badges: Vec<Badge>,
    pub(super) facts: Facts,
    pub(super) completeness: Option<u8>,
    pub(super) missing: String,
    pub(super) archived: String,
}

/// The chief whom the agent answers to: the nearest head above who is not the agent himself.
fn chief(agent: &PersonnelView, units: &Organisation) -> Option<PersonnelId> {
    let (department, directorate, programme) = units.lineage(agent.department()?)?;
    [&department.fields, &directorate.fields, &programme.fields]
        .into_iter()
        .filter_map(|unit| unit.head)
        .find(|head| *head != agent.id())
}

/// The head of a sheet.
pub(super) async fn header(
    visit: &Visit,
    state: &AppState,
    agent: &PersonnelView,
    units: &Organisation,
) -> Result<Header, Problem> {
    let text = |field| agent.get(field).unwrap_or_default();
    let (unit, unit_path) = match agent.department().and_then(|id| units.lineage(id)) {
        Some((department, directorate, programme)) => (
            department.fields.name.clone(),
            format!("{} ▸ {}", directorate.fields.name, programme.fields.name),
        ),
        None => ("Sans affectation".to_owned(), String::new()),
    };
    let mut badges: Vec<Badge> = agent
        .position()
        .map(catalogue::position_badge)
        .into_iter()
        .collect();
    if let Some(grade) = agent.grade() {
        let step = agent
            .get(PersonnelField::Step)
            .map(|step| format!(", échelon {step}"))
            .unwrap_or_default();
        let index = agent
            .get(PersonnelField::SalaryIndex)
            .map(|index| format!(", indice {index}"));
        badges.push(Badge::new(
            format!("{grade}{step}{}", index.unwrap_or_default()),
            Tone::Neutral,
        ));
    }
    if agent.is_archived() {
        badges.push(Badge::new("Archivé", Tone::Warning));
    }
    let mut facts = Vec::new();
    if let Some(id) = chief(agent, units)
        && let Ok(head) = state
            .services
            .personnel
            .get(&visit.actor, id, Reveal::Hidden)
            .await
    {
        facts.push(
            Fact::new("Supérieur (N+1)", head.full_name()).link(visit.url(&format!("/personnel/{id}"))),
        );
    }
    if let Some(served) = agent.seniority(visit.today) {
        facts.push(Fact::new("Ancienneté", columns::seniority(served)));
    }
    if let Some(derived) = agent.retirement(&visit.settings) {
        let fact = Fact::new("Départ à la retraite", catalogue::date(derived.date));
        facts.push(fact.why(explain(&derived, agent)));
    }
    let owner = PhotoOwner::Personnel(agent.id());
    // The sheet is shown without it rather than not at all.
    let taken = state
        .services
        .photos
        .find(&visit.actor, owner)
        .await
        .unwrap_or(None);
    let missing: Vec<&str> = agent
        .missing()
        .into_iter()
        .map(catalogue::personnel_field)
        .collect();
    Ok(Header {
        name: agent.full_name(),
        initials: initials(
            &text(PersonnelField::GivenNames),
            &text(PersonnelField::FamilyName),
        ),
        photo: taken.map(|photo| photo::large_url(visit, agent.id(), photo.updated_at)),
        change_photo: photo::may_change(visit, agent.id())
            .then(|| visit.url(&format!("/personnel/{}/photo/modifier", agent.id()))),
        matricule: agent.matricule().to_owned(),
        job_title: text(PersonnelField::JobTitle),
        unit,
        unit_path,
        badges,
        facts: Facts { facts, rows: false },
        completeness: agent.completeness_percent(),
        missing: missing.join(", "),
        archived: agent.departure().map_or_else(String::new, |departure| {
            format!(
                "Parti le {} : {}",
                catalogue::date(departure.date),
                departure.reason.label().to_lowercase()
            )
        }),
    })
}
