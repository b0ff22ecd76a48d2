//! The documents of one agent, on the agent's sheet.

use std::collections::BTreeSet;

use askama::Template;
use mppeep_core::domain::document::{DocumentKind, DocumentState};
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::ports::document::DocumentFilter;
use mppeep_core::ports::page::PageRequest;
use mppeep_core::services::personnel_view::PersonnelView;

use super::Row;
use super::deposit::DepositForm;
use crate::catalogue::Label;
use crate::pages::visit::Visit;
use crate::problem::Problem;

/// Documents that the sheet shows.
const LINES: u32 = 200;

/// The documents of one kind.
struct Group {
    kind: &'static str,
    rows: Vec<Row>,
}

/// The documents of an agent as a part of his sheet.
#[derive(Template)]
#[template(path = "document/agent.html")]
pub(in crate::pages) struct AgentDocuments {
    total: u64,
    groups: Vec<Group>,
    /// Mandatory kinds that the file lacks, where the reader can tell.
    missing: Vec<&'static str>,
    form: Option<DepositForm>,
}

impl AgentDocuments {
    /// Whether the reader may see documents of this agent.
    pub(in crate::pages) fn shown_to(visit: &Visit, agent: &PersonnelView) -> bool {
        visit
            .actor
            .may_on(Resource::Document, Action::Read, agent.id(), agent.department())
    }

    /// Reads them.
    pub(in crate::pages) async fn load(visit: &Visit, agent: &PersonnelView) -> Result<Self, Problem> {
        let filter = DocumentFilter {
            personnel: Some(agent.id()),
            ..DocumentFilter::default()
        };
        let service = &visit.state.services.documents;
        let page = service
            .list(&visit.actor, filter, &PageRequest::first(LINES))
            .await?;
        let held: BTreeSet<DocumentKind> = page
            .rows
            .iter()
            .filter(|row| row.document.state != DocumentState::Rejected)
            .map(|row| row.document.fields.kind)
            .collect();
        let groups = DocumentKind::ALL.iter().map(|kind| Group {
            kind: kind.label(),
            rows: page
                .rows
                .iter()
                .filter(|row| row.document.fields.kind == *kind)
                .map(|row| Row::of(visit, row))
                .collect(),
        });
        let groups = groups.filter(|group| !group.rows.is_empty()).collect();
        // To others, a confidential document would seem to be missing; the agent himself is told what he can bring.
        let mandatory = visit.settings.files.mandatory();
        let missing = mandatory
            .into_iter()
            .filter(|kind| !held.contains(kind) && !agent.is_archived())
            .map(|kind| kind.label())
            .collect();
        let may_write = visit
            .actor
            .may_on(Resource::Document, Action::Write, agent.id(), agent.department());
        Ok(Self {
            total: page.total,
            groups,
            missing,
            form: may_write.then(|| DepositForm::empty(visit, agent.id())),
        })
    }
}
