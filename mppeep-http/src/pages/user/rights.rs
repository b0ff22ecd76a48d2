//! What roles and accounts may do, computed from the one table of rights.

use askama::Template;
use axum::response::Response;
use mppeep_core::domain::id::UserId;
use mppeep_core::domain::organisation::Organisation;
use mppeep_core::domain::permission::{Action, Actor, GRANTS, Holder, Reach, Resource, Scope};
use mppeep_core::domain::user::Role;

use crate::catalogue::{self, Label};
use crate::extract::PathId;
use crate::pages::frame::Frame;
use crate::pages::visit::{Visit, show};
use crate::problem::Problem;

#[derive(Template)]
#[template(path = "user/roles.html")]
struct RolesPage {
    frame: Frame,
    heads: Vec<(&'static str, &'static str)>,
    lines: Vec<(&'static str, Vec<RightCell>)>,
}

/// The rights of one holder on one resource.
#[derive(Default)]
struct RightCell {
    rights: Vec<(&'static str, &'static str, &'static str)>,
}

const ACTIONS: [(Action, &str, &str); 4] = [
    (Action::Read, "L", "lire"),
    (Action::Write, "É", "écrire"),
    (Action::Export, "X", "exporter"),
    (Action::Validate, "V", "valider"),
];

/// Everybody who may hold a right, in the order of the columns.
fn holders() -> Vec<Holder> {
    Role::ALL
        .iter()
        .map(|role| Holder::Role(*role))
        .chain([Holder::Director])
        .collect()
}

fn cell(holder: Holder, resource: Resource) -> RightCell {
    let rights = ACTIONS
        .iter()
        .filter_map(|(action, letter, verb)| {
            let granted = GRANTS.iter().find(|grant| {
                grant.holder == holder && grant.resource == resource && grant.action == *action
            })?;
            Some((*letter, *verb, catalogue::reach(granted.reach)))
        })
        .collect();
    RightCell { rights }
}

pub(super) async fn roles(visit: Visit) -> Result<Response, Problem> {
    let title = "Rôles et droits";
    let full = |holder| match holder {
        Holder::Role(role) => role.label(),
        Holder::Director => "Responsable inscrit d’une direction ou d’un programme",
    };
    show(&RolesPage {
        frame: visit
            .frame(title)
            .under("Utilisateurs", "/admin/utilisateurs")
            .here(title),
        heads: holders()
            .into_iter()
            .map(|holder| (catalogue::holder(holder), full(holder)))
            .collect(),
        lines: Resource::ALL
            .iter()
            .map(|resource| {
                (
                    resource.label(),
                    holders()
                        .into_iter()
                        .map(|holder| cell(holder, *resource))
                        .collect(),
                )
            })
            .collect(),
    })
}

#[derive(Template)]
#[template(path = "user/rights.html")]
struct RightsPage {
    frame: Frame,
    name: String,
    account: String,
    roles: String,
    departments: Vec<String>,
    lines: Vec<(&'static str, Vec<Option<Answer>>)>,
}

/// What the account may do, how far, and because of what.
struct Answer {
    reach: String,
    why: String,
}

fn answer(actor: &Actor, resource: Resource, action: Action) -> Option<Answer> {
    let scope = actor.scope(resource, action);
    if scope.is_empty() {
        return None;
    }
    let held: Vec<&str> = GRANTS
        .iter()
        .filter(|grant| {
            grant.resource == resource && grant.action == action && applies(actor, grant.holder, grant.reach)
        })
        .map(|grant| catalogue::holder(grant.holder))
        .collect();
    Some(Answer {
        reach: reach_of(&scope),
        why: held.join(", "),
    })
}

/// Whether a cell of the table gives this account something.
fn applies(actor: &Actor, holder: Holder, reach: Reach) -> bool {
    let holds = match holder {
        Holder::Role(role) => actor.roles.contains(&role),
        Holder::Director => actor.director,
    };
    holds
        && match reach {
            Reach::Everything => true,
            Reach::Demonstration => actor.demonstration,
            Reach::Units => !actor.departments.is_empty(),
            Reach::Made => actor.user.is_some(),
            Reach::Own => actor.personnel.is_some(),
        }
}

fn reach_of(scope: &Scope) -> String {
    if scope.everything {
        return "tout".to_owned();
    }
    let mut parts = Vec::new();
    let units = u64::try_from(scope.departments.len()).unwrap_or_default();
    if units > 0 {
        parts.push(catalogue::plural(units, "service", "services"));
    }
    if scope.own.is_some() {
        parts.push("soi-même".to_owned());
    }
    parts.join(" et ")
}

fn departments(actor: &Actor, organisation: &Organisation) -> Vec<String> {
    actor
        .departments
        .iter()
        .filter_map(|id| organisation.department(*id))
        .map(|unit| unit.fields.name.clone())
        .collect()
}

pub(super) async fn of_user(visit: Visit, PathId(id): PathId<UserId>) -> Result<Response, Problem> {
    let actor = visit.state.services.users.rights_of(&visit.actor, id).await?;
    let organisation = visit.state.services.organisation.names().await?;
    let mut roles: Vec<&str> = actor.roles.iter().map(|role| role.label()).collect();
    if actor.director {
        roles.push("Responsable d’une direction ou d’un programme");
    }
    let title = format!("Droits de {}", actor.display_name);
    let account = format!("/admin/utilisateurs/{id}");
    show(&RightsPage {
        frame: visit
            .frame(title)
            .under("Utilisateurs", "/admin/utilisateurs")
            .under(actor.display_name.clone(), &account)
            .here("Droits"),
        name: actor.display_name.clone(),
        account: visit.url(&account),
        roles: roles.join(", "),
        departments: departments(&actor, &organisation),
        lines: Resource::ALL
            .iter()
            .map(|resource| {
                let answers = ACTIONS
                    .iter()
                    .map(|(action, ..)| answer(&actor, *resource, *action))
                    .collect();
                (resource.label(), answers)
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mppeep_core::domain::id::DepartmentId;

    #[test]
    fn every_grant_is_in_the_table_shown() {
        let shown: usize = Resource::ALL
            .iter()
            .flat_map(|resource| {
                holders()
                    .into_iter()
                    .map(|holder| cell(holder, *resource).rights.len())
            })
            .sum();
        assert_eq!(shown, GRANTS.len());
    }

    #[test]
    fn an_answer_says_how_far_and_why() {
        let mut actor = Actor {
            roles: [Role::Cs, Role::Agent].into(),
            ..Actor::operator("test")
        };
        assert!(answer(&actor, Resource::Career, Action::Read).is_none());
        actor
            .departments
            .insert(DepartmentId::from_uuid(uuid::Uuid::from_u128(1)));
        let found = answer(&actor, Resource::Career, Action::Read).unwrap();
        assert_eq!(
            (found.reach.as_str(), found.why.as_str()),
            ("1 service", "Chef de service")
        );
        let directory = answer(&actor, Resource::Directory, Action::Read).unwrap();
        assert_eq!(
            (directory.reach.as_str(), directory.why.as_str()),
            ("tout", "Agent, Chef de service")
        );
        assert!(answer(&actor, Resource::User, Action::Write).is_none());
    }
}
