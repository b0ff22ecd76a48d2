//! The tree of units.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use mppeep_core::domain::id::{DepartmentId, PersonnelId};
use mppeep_core::domain::organisation::{Organisation, UnitFields, UnitRef};
use mppeep_core::domain::permission::{Action, Resource};
use serde::Deserialize;

use crate::app::AppState;
use crate::catalogue;
use crate::extract::QueryParams;
use crate::pages::frame::Frame;
use crate::pages::visit::{Visit, show};
use crate::problem::Problem;

/// Departments up to which the whole tree is unfolded.
const OPEN_UNTIL: usize = 60;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TreeParams {
    sans_responsable: Option<String>,
    note: Option<String>,
}

/// A unit in the tree.
struct Node {
    name: String,
    code: String,
    head: Option<(String, String)>,
    headless: bool,
    active: bool,
    agents: String,
    agents_url: String,
    edit_url: Option<String>,
    add: Option<(String, &'static str)>,
    children: Vec<Node>,
}

#[derive(Template)]
#[template(path = "organisation/tree.html")]
struct TreeTemplate {
    frame: Frame,
    lead: String,
    nodes: Vec<Node>,
    unassigned: Option<(String, String)>,
    create_url: Option<String>,
    only_headless: bool,
    /// Whether directorates show their departments at once.
    open: bool,
    path: String,
}

/// What nodes are made of.
struct Tree<'a> {
    visit: &'a Visit,
    units: &'a Organisation,
    counts: HashMap<DepartmentId, u64>,
    heads: HashMap<PersonnelId, String>,
    counted: bool,
    writes: bool,
}

impl Tree<'_> {
    fn node(&self, unit: UnitRef, fields: &UnitFields, children: Vec<Node>) -> Node {
        let agents: u64 = self
            .units
            .departments_of(unit)
            .iter()
            .filter_map(|department| self.counts.get(department))
            .sum();
        let path = format!("/organigramme/{}/{}", unit.level(), unit.as_uuid());
        let add = match unit {
            UnitRef::Programme(_) => Some("Ajouter une direction"),
            UnitRef::Directorate(_) => Some("Ajouter un service"),
            UnitRef::Department(_) => None,
        };
        Node {
            name: fields.name.clone(),
            code: fields.code.clone(),
            head: fields.head.map(|id| {
                let name = self
                    .heads
                    .get(&id)
                    .cloned()
                    .unwrap_or_else(|| "Responsable".to_owned());
                (name, self.visit.url(&format!("/personnel/{id}")))
            }),
            headless: fields.active && fields.head.is_none(),
            active: fields.active,
            agents: if self.counted {
                catalogue::number(agents)
            } else {
                String::new()
            },
            agents_url: self
                .visit
                .url(&format!("/personnel?{}={}", unit.level(), unit.as_uuid())),
            edit_url: self.writes.then(|| self.visit.url(&path)),
            add: add.filter(|_| self.writes && fields.active).map(|label| {
                (
                    self.visit.url(&format!("/organigramme/nouveau?parent={unit}")),
                    label,
                )
            }),
            children,
        }
    }

    fn build(&self) -> Vec<Node> {
        let departments = |directorate| {
            self.units
                .departments
                .iter()
                .filter(move |unit| unit.directorate == directorate)
                .map(|unit| self.node(UnitRef::Department(unit.id), &unit.fields, Vec::new()))
                .collect()
        };
        let directorates = |programme| {
            self.units
                .directorates
                .iter()
                .filter(move |unit| unit.programme == programme)
                .map(|unit| self.node(UnitRef::Directorate(unit.id), &unit.fields, departments(unit.id)))
                .collect()
        };
        self.units
            .programmes
            .iter()
            .map(|unit| self.node(UnitRef::Programme(unit.id), &unit.fields, directorates(unit.id)))
            .collect()
    }
}

/// Keeps the units without head, and those above them.
fn keep_headless(nodes: &mut Vec<Node>) {
    for node in nodes.iter_mut() {
        keep_headless(&mut node.children);
    }
    nodes.retain(|node| node.headless || !node.children.is_empty());
}

/// Shows the tree.
pub(super) async fn tree(
    visit: Visit,
    State(state): State<AppState>,
    QueryParams(params): QueryParams<TreeParams>,
) -> Result<Response, Problem> {
    let units = state.services.organisation.load(&visit.actor).await?;
    let counted = visit.may_all(Resource::Statistics, Action::Read);
    let (mut counts, mut without) = (HashMap::new(), 0);
    if counted {
        let board = state.services.dashboard.figures(&visit.actor, None, None).await?;
        for tally in &board.figures.by_department {
            match tally.of {
                Some(id) => {
                    counts.insert(id, tally.count);
                }
                None => without = tally.count,
            }
        }
    }
    let heads = head_names(&visit, &state, &units).await?;
    let writes = visit.may_all(Resource::Organisation, Action::Write);
    let tree = Tree {
        visit: &visit,
        units: &units,
        counts,
        heads,
        counted,
        writes,
    };
    let mut nodes = tree.build();
    let only_headless = params.sans_responsable.is_some();
    if only_headless {
        keep_headless(&mut nodes);
    }
    let lead = format!(
        "{}, {} et {}",
        catalogue::plural_of(units.programmes.len(), "programme", "programmes"),
        catalogue::plural_of(units.directorates.len(), "direction", "directions"),
        catalogue::plural_of(units.departments.len(), "service", "services"),
    );
    let template = TreeTemplate {
        frame: visit
            .frame("Organigramme")
            .under("Accueil", "/accueil")
            .here("Organigramme")
            .note(params.note.as_deref()),
        lead,
        nodes,
        unassigned: (without > 0).then(|| {
            let text = catalogue::plural(without, "agent sans affectation", "agents sans affectation");
            (text, visit.url("/personnel?department=none"))
        }),
        create_url: writes.then(|| visit.url("/organigramme/nouveau")),
        only_headless,
        open: only_headless || units.departments.len() <= OPEN_UNTIL,
        path: visit.url("/organigramme"),
    };
    show(&template)
}

/// The names of all heads that the reader may know.
async fn head_names(
    visit: &Visit,
    state: &AppState,
    units: &Organisation,
) -> Result<HashMap<PersonnelId, String>, Problem> {
    let programmes = units.programmes.iter().map(|unit| &unit.fields);
    let directorates = units.directorates.iter().map(|unit| &unit.fields);
    let departments = units.departments.iter().map(|unit| &unit.fields);
    let heads: Vec<PersonnelId> = programmes
        .chain(directorates)
        .chain(departments)
        .filter_map(|unit| unit.head)
        .collect();
    let agents = state.services.personnel.get_many(&visit.actor, &heads).await?;
    Ok(agents
        .into_iter()
        .map(|agent| (agent.id(), agent.full_name()))
        .collect())
}
