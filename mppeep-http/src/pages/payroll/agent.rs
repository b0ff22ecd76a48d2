//! The slips of one agent, on the agent's sheet.

use askama::Template;
use axum::response::Response;
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::personnel::PersonnelField;
use mppeep_core::ports::page::PageRequest;
use mppeep_core::ports::payroll::SlipFilter;
use mppeep_core::services::personnel_view::PersonnelView;

use super::{PATH, Row, month_field, month_of};
use crate::catalogue;
use crate::extract::{FormFields, PathId};
use crate::pages::ui::Field;
use crate::pages::visit::Visit;
use crate::problem::Problem;

/// Slips that the sheet shows: ten years of them.
const LINES: u32 = 120;

/// The slips of an agent as a part of his sheet.
#[derive(Template)]
#[template(path = "payroll/agent.html")]
pub(in crate::pages) struct AgentSlips {
    rows: Vec<Row>,
    total: u64,
    /// The form that computes one, for who may.
    compute: Option<Field>,
    action: String,
    /// Why it cannot be computed; empty when it can, or when the reader may not.
    hindrance: &'static str,
}

impl AgentSlips {
    /// Whether the reader may see the slips of this agent.
    pub(in crate::pages) fn shown_to(visit: &Visit, agent: &PersonnelView) -> bool {
        visit
            .actor
            .may_on(Resource::Payroll, Action::Read, agent.id(), None)
    }

    /// Reads them.
    pub(in crate::pages) async fn load(visit: &Visit, agent: &PersonnelView) -> Result<Self, Problem> {
        let filter = SlipFilter {
            personnel: Some(agent.id()),
            ..SlipFilter::default()
        };
        let service = &visit.state.services.payroll;
        let (page, _) = service
            .list(&visit.actor, filter, &PageRequest::first(LINES))
            .await?;
        let may_compute = visit.may_all(Resource::Payroll, Action::Write) && !agent.is_archived();
        let has_index = agent.get(PersonnelField::SalaryIndex).is_some();
        Ok(Self {
            rows: page.rows.iter().map(|row| Row::of(visit, row)).collect(),
            total: page.total,
            compute: (may_compute && has_index).then(|| month_field(visit)),
            action: visit.url(&format!("{PATH}/agents/{}", agent.id())),
            hindrance: if may_compute && !has_index {
                "L’indice de cet agent n’est pas renseigné : son bulletin ne peut pas être calculé."
            } else {
                ""
            },
        })
    }
}

/// Computes the slip of one agent for a month.
pub(super) async fn compute(
    visit: Visit,
    PathId(id): PathId<PersonnelId>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let month = month_of(&fields)?;
    let service = &visit.state.services.payroll;
    let slip = service
        .process(&visit.actor, id, month)
        .await
        .map_err(catalogue::payroll_problem)?;
    Ok(visit.go(&format!("{PATH}/bulletins/{}?note=slip-computed", slip.id)))
}
