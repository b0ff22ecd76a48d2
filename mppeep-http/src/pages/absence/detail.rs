//! One absence: what it is, how it was counted, and cancelling it.

use askama::Template;
use axum::response::Response;
use mppeep_core::domain::calendar::CountingMode;
use mppeep_core::domain::id::AbsenceId;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::services::ServiceError;

use super::form::{AbsenceQuery, version_of};
use crate::catalogue::{self, Label};
use crate::extract::{FormFields, PathId, QueryParams};
use crate::pages::frame::Frame;
use crate::pages::ui::{Fact, Facts};
use crate::pages::visit::{Visit, show};
use crate::problem::Problem;

#[derive(Template)]
#[template(path = "absence/detail.html")]
struct DetailPage {
    frame: Frame,
    title: String,
    sub: String,
    id: AbsenceId,
    version: i64,
    cancelled: bool,
    may_write: bool,
    confirm: bool,
    agent_absences: String,
    facts: Facts,
}

async fn detail_page(visit: &Visit, id: AbsenceId, confirm: bool) -> Result<DetailPage, Problem> {
    let (absence, agent) = visit.state.services.absences.get(&visit.actor, id).await?;
    let mode = visit.settings.absences.mode_of(absence.fields.kind);
    let days = catalogue::half_days(i64::from(absence.counted_half_days));
    let why = format!(
        "Ce type d’absence se compte en {} : la période {} en contient {days}. Les jours fériés qu’elle contient sont {}.",
        mode.label().to_lowercase(),
        catalogue::period(absence.fields.period),
        if mode == CountingMode::Calendar {
            "comptés"
        } else {
            "déduits"
        },
    );
    let mut facts = vec![
        Fact::new("Agent", agent.fields.full_name()).link(visit.url(&format!("/personnel/{}", agent.id))),
        Fact::new("Matricule", agent.fields.matricule.as_str()),
        Fact::new("Type", absence.fields.kind.label()),
        Fact::new("Période", catalogue::period(absence.fields.period)),
        Fact::new("Décompte", days).why(why),
        Fact::new("Motif", absence.fields.reason.clone().unwrap_or_default()),
        Fact::new("Enregistrée le", catalogue::instant(absence.created_at)),
    ];
    if absence.updated_at != absence.created_at && absence.cancelled_at.is_none() {
        facts.push(Fact::new("Modifiée le", catalogue::instant(absence.updated_at)));
    }
    if let Some(at) = absence.cancelled_at {
        facts.push(Fact::new("Annulée le", catalogue::instant(at)));
    }
    Ok(DetailPage {
        frame: visit
            .frame(absence.fields.kind.label())
            .under("Congés et absences", "/rh")
            .under("Absences", "/rh/absences")
            .here(catalogue::period(absence.fields.period)),
        title: absence.fields.kind.label().to_owned(),
        sub: format!(
            "{} · {}",
            agent.fields.full_name(),
            catalogue::period(absence.fields.period)
        ),
        id,
        version: absence.version,
        cancelled: absence.cancelled_at.is_some(),
        may_write: visit.may_all(Resource::Absence, Action::Write),
        confirm,
        agent_absences: visit.url(&format!("/rh/absences?personnel={}", agent.id)),
        facts: Facts { facts, rows: true },
    })
}

pub(super) async fn detail(
    visit: Visit,
    PathId(id): PathId<AbsenceId>,
    QueryParams(asked): QueryParams<AbsenceQuery>,
) -> Result<Response, Problem> {
    let mut page = detail_page(&visit, id, false).await?;
    page.frame = page.frame.note(asked.note.as_deref());
    show(&page)
}

pub(super) async fn cancel_form(visit: Visit, PathId(id): PathId<AbsenceId>) -> Result<Response, Problem> {
    show(&detail_page(&visit, id, true).await?)
}

pub(super) async fn cancel(
    visit: Visit,
    PathId(id): PathId<AbsenceId>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let version = version_of(&fields)?;
    match visit
        .state
        .services
        .absences
        .cancel(&visit.actor, id, version)
        .await
    {
        Ok(_) => Ok(visit.go(&format!("/rh/absences/{id}?note=absence-cancelled"))),
        Err(ServiceError::State("cancelled")) => Ok(visit.go(&format!("/rh/absences/{id}"))),
        Err(other) => Err(other.into()),
    }
}
