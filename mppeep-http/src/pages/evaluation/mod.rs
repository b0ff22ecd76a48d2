//! Evaluations.

mod form;
mod list;

use mppeep_core::domain::evaluation::appraise;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::settings::EvaluationSettings;
use mppeep_core::ports::evaluation::EvaluationRow;

use super::ui::{Badge, Tone};
use super::visit::Visit;
use crate::catalogue;
use crate::routes::{RouteTable, get, post};

pub(super) fn routes() -> RouteTable {
    use Action::{Read, Write};
    use Resource::Evaluation;
    RouteTable::pages()
        .route("/evaluations", get(list::show_list).needs(Evaluation, Read))
        .route("/evaluations", post(form::record).needs(Evaluation, Write))
        .route(
            "/evaluations/nouvelle",
            get(form::new_form).needs(Evaluation, Write),
        )
        .route("/evaluations/{id}", get(form::detail).needs(Evaluation, Read))
        .route("/evaluations/{id}", post(form::correct).needs(Evaluation, Write))
        .route(
            "/evaluations/{id}/modifier",
            get(form::edit_form).needs(Evaluation, Write),
        )
}

/// An evaluation in a list.
struct Row {
    url: String,
    agent: String,
    agent_url: String,
    matricule: String,
    department: String,
    year: i16,
    mark: String,
    badge: Badge,
}

impl Row {
    fn of(visit: &Visit, row: &EvaluationRow) -> Self {
        let evaluation = &row.evaluation;
        let (mark, badge) = shown(evaluation.final_mark, &visit.settings.evaluations);
        Self {
            url: visit.url(&format!("/evaluations/{}", evaluation.id)),
            agent: row.full_name.clone(),
            agent_url: visit.url(&format!("/personnel/{}", evaluation.personnel)),
            matricule: row.matricule.clone(),
            department: row
                .department_name
                .clone()
                .unwrap_or_else(|| "Sans affectation".to_owned()),
            year: evaluation.fields.year,
            mark,
            badge,
        }
    }
}

/// A final mark and what it means.
fn shown(
    mark: Option<mppeep_core::domain::evaluation::Mark>,
    settings: &EvaluationSettings,
) -> (String, Badge) {
    match mark {
        Some(mark) => (
            catalogue::hundredths(i64::from(mark.hundredths())),
            catalogue::appraisal_badge(appraise(mark, settings)),
        ),
        None => ("—".to_owned(), Badge::new("Notes à compléter", Tone::Warning)),
    }
}
