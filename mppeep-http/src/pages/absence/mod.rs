//! Leave and absences.

mod calendar;
mod detail;
mod form;
mod list;
mod overview;

use mppeep_core::domain::absence::Absence;
use mppeep_core::domain::permission::{Action, Resource};

use super::ui::Badge;
use super::visit::Visit;
use crate::catalogue;
use crate::routes::{RouteTable, get, post};
use mppeep_core::ports::absence::AbsenceRow;

pub(super) fn routes() -> RouteTable {
    use Action::{Read, Write};
    use Resource::Absence;
    RouteTable::pages()
        .route("/rh", get(overview::show_overview).needs(Absence, Read))
        .route("/rh/absences", get(list::show_list).needs(Absence, Read))
        .route("/rh/absences", post(form::record).needs(Absence, Write))
        .route("/rh/absences/nouvelle", get(form::new_form).needs(Absence, Write))
        .route("/rh/absences/decompte", get(form::count).needs(Absence, Write))
        .route("/rh/absences/{id}", get(detail::detail).needs(Absence, Read))
        .route("/rh/absences/{id}", post(form::correct).needs(Absence, Write))
        .route(
            "/rh/absences/{id}/modifier",
            get(form::edit_form).needs(Absence, Write),
        )
        .route(
            "/rh/absences/{id}/annuler",
            get(detail::cancel_form).needs(Absence, Write),
        )
        .route(
            "/rh/absences/{id}/annuler",
            post(detail::cancel).needs(Absence, Write),
        )
        .route(
            "/rh/calendrier",
            get(calendar::show_calendar).needs(Absence, Read),
        )
}

/// An absence in a list.
struct Row {
    url: String,
    agent: String,
    agent_url: String,
    matricule: String,
    department: String,
    kind: Badge,
    period: String,
    days: String,
    cancelled: bool,
}

impl Row {
    fn of(visit: &Visit, row: &AbsenceRow) -> Self {
        let absence = &row.absence;
        Self {
            url: visit.url(&format!("/rh/absences/{}", absence.id)),
            agent: row.full_name.clone(),
            agent_url: visit.url(&format!("/personnel/{}", absence.personnel)),
            matricule: row.matricule.clone(),
            department: row
                .department_name
                .clone()
                .unwrap_or_else(|| "Sans affectation".to_owned()),
            kind: catalogue::absence_badge(absence.fields.kind),
            period: catalogue::period(absence.fields.period),
            days: catalogue::half_days(i64::from(absence.counted_half_days)),
            cancelled: absence.cancelled_at.is_some(),
        }
    }
}

/// « Congé annuel » with its dates, for messages that name another absence.
fn named(absence: &Absence) -> String {
    use crate::catalogue::Label;
    format!(
        "« {} » {}",
        absence.fields.kind.label(),
        catalogue::period(absence.fields.period)
    )
}
