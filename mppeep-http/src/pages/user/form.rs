//! Accounts made and changed.

use askama::Template;
use axum::Extension;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use mppeep_core::domain::id::{PersonnelId, UserId};
use mppeep_core::domain::organisation::Organisation;
use mppeep_core::domain::permission::{Action, Resource, Scope};
use mppeep_core::domain::personnel::PersonnelField;
use mppeep_core::domain::user::{Role, User, UserInput, UserStatus};
use mppeep_core::services::ServiceError;
use mppeep_core::services::personnel::Reveal;
use serde::Deserialize;

use crate::catalogue::{self, Label};
use crate::extract::{FormFields, PathId, QueryParams};
use crate::middleware::ShowsSecret;
use crate::pages::frame::Frame;
use crate::pages::office::{AgentBrief, find_agents, given, unit_choices};
use crate::pages::ui::{ErrorSummary, Field, FormErrors};
use crate::pages::visit::{Visit, show, show_with};
use crate::problem::Problem;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FormQuery {
    personnel: Option<String>,
    q: Option<String>,
}

#[derive(Template)]
#[template(path = "user/form.html")]
struct FormPage {
    frame: Frame,
    title: &'static str,
    action: String,
    back: String,
    search: String,
    version: Option<i64>,
    may_invite: bool,
    errors: ErrorSummary,
    account: Vec<Field>,
    roles: Vec<(&'static str, &'static str, &'static str, bool)>,
    roles_error: String,
    perimeter: Field,
    agent: Option<AgentBrief>,
    words: String,
    agents: Vec<AgentBrief>,
}

/// What a role is for, in a line.
const fn purpose(role: Role) -> &'static str {
    match role {
        Role::Admin => {
            "Fait fonctionner le système : comptes, paramètres, journal. Ne voit pas les données privées."
        }
        Role::Daf => "Lit les carrières, les absences et les statistiques de tout le ministère.",
        Role::Sdrh => "Tient les dossiers de tous les agents, avec leurs données privées.",
        Role::Sdb | Role::Sdc => "Consulte l’annuaire, l’organigramme et son propre dossier.",
        Role::Cs => "Suit les agents de l’unité dont il répond et les évalue.",
        Role::Agent => "Consulte l’annuaire et son propre dossier.",
        Role::Invite => "Ne voit que les données d’une base de démonstration.",
    }
}

fn input_of(fields: &FormFields) -> Result<UserInput, Problem> {
    let text = |name| fields.single(name).map(str::to_owned);
    Ok(UserInput {
        email: text("email")?,
        display_name: text("display_name")?,
        roles: fields.all("roles").map(str::to_owned).collect(),
        status: text("status")?,
        personnel_id: text("personnel_id")?,
        perimeter: text("perimeter")?,
    })
}

fn input_from(user: &User) -> UserInput {
    UserInput {
        email: user.fields.email.to_string(),
        display_name: user.fields.display_name.clone(),
        roles: user
            .fields
            .roles
            .iter()
            .map(|role| role.code().to_owned())
            .collect(),
        status: user.fields.status.code().to_owned(),
        personnel_id: user.fields.personnel.map(|id| id.to_string()).unwrap_or_default(),
        perimeter: user
            .fields
            .perimeter
            .map(|unit| unit.to_string())
            .unwrap_or_default(),
    }
}

async fn form_page(
    visit: &Visit,
    present: Option<(UserId, i64)>,
    input: &UserInput,
    words: Option<&str>,
    errors: &FormErrors,
) -> Result<FormPage, Problem> {
    let organisation = visit.state.services.organisation.names().await?;
    let title = if present.is_some() {
        "Modifier un compte"
    } else {
        "Créer un compte"
    };
    let (action, back) = match present {
        Some((id, _)) => {
            let own = visit.url(&format!("/admin/utilisateurs/{id}"));
            (own.clone(), own)
        }
        None => (visit.url("/admin/utilisateurs"), visit.url("/admin/utilisateurs")),
    };
    let search = match present {
        Some((id, _)) => visit.url(&format!("/admin/utilisateurs/{id}/modifier")),
        None => visit.url("/admin/utilisateurs/nouveau"),
    };
    let account = account_fields(input, errors);
    let perimeter = perimeter_field(input, &organisation, errors);
    let agent = match input.personnel_id.parse::<PersonnelId>() {
        Ok(id) => AgentBrief::load(visit, id).await.ok(),
        Err(_) => None,
    };
    let agents = match words {
        Some(words) => {
            find_agents(visit, words, Resource::Directory, Action::Read)
                .await?
                .0
        }
        None => Vec::new(),
    };
    let mut summary = ErrorSummary::of_fields(account.iter().chain([&perimeter]));
    for (name, label) in [("roles", "Rôles : "), ("personnel_id", "Agent lié : "), ("", "")] {
        if let Some(message) = errors.get(name) {
            summary
                .errors
                .push((name.to_owned(), format!("{label}{message}")));
        }
    }
    Ok(FormPage {
        frame: visit
            .frame(title)
            .under("Utilisateurs", "/admin/utilisateurs")
            .here(title),
        title,
        action,
        back,
        search,
        version: present.map(|(_, version)| version),
        may_invite: present.is_none() && visit.state.mail_configured,
        errors: summary,
        account,
        roles: Role::ALL
            .iter()
            .map(|role| {
                (
                    role.code(),
                    role.label(),
                    purpose(*role),
                    input.roles.iter().any(|code| code == role.code()),
                )
            })
            .collect(),
        roles_error: errors.get("roles").unwrap_or_default().to_owned(),
        perimeter,
        agent,
        words: words.unwrap_or_default().to_owned(),
        agents,
    })
}

fn account_fields(input: &UserInput, errors: &FormErrors) -> Vec<Field> {
    let status = if input.status.is_empty() {
        UserStatus::Active.code()
    } else {
        &input.status
    };
    vec![
        Field::input("email", "email", "Adresse e-mail")
            .required()
            .value(&input.email)
            .help("C’est le nom de connexion.")
            .attribute("autocomplete", "off")
            .attribute("maxlength", "254")
            .errors(errors),
        Field::text("display_name", "Nom affiché")
            .required()
            .value(&input.display_name)
            .attribute("maxlength", "120")
            .errors(errors),
        Field::select(
            "status",
            "Statut",
            None,
            catalogue::choices(UserStatus::ALL, UserStatus::code),
        )
        .value(status)
        .help("Seul un compte actif peut se connecter.")
        .errors(errors),
    ]
}

fn perimeter_field(input: &UserInput, organisation: &Organisation, errors: &FormErrors) -> Field {
    Field::select("perimeter", "Périmètre", Some("Aucun"), unit_choices(organisation, &Scope::everything()))
        .value(&input.perimeter)
        .wide()
        .help("Pour un chef de service : l’unité dont il répond, en plus de celles dont il est le responsable inscrit.")
        .errors(errors)
}

/// The account's form filled from an agent's file.
async fn from_agent(visit: &Visit, id: PersonnelId) -> Result<UserInput, Problem> {
    let view = visit
        .state
        .services
        .personnel
        .get(&visit.actor, id, Reveal::Hidden)
        .await?;
    let given = view.get(PersonnelField::GivenNames).unwrap_or_default();
    let family = view.get(PersonnelField::FamilyName).unwrap_or_default();
    Ok(UserInput {
        email: view.get(PersonnelField::Email).unwrap_or_default(),
        display_name: format!("{given} {family}").trim().to_owned(),
        roles: vec![Role::Agent.code().to_owned()],
        personnel_id: id.to_string(),
        ..UserInput::default()
    })
}

pub(super) async fn new_form(
    visit: Visit,
    QueryParams(asked): QueryParams<FormQuery>,
) -> Result<Response, Problem> {
    let input = match asked.personnel.as_deref().and_then(|id| id.parse().ok()) {
        Some(id) => from_agent(&visit, id).await?,
        None => UserInput::default(),
    };
    show(&form_page(&visit, None, &input, given(asked.q.as_ref()), &FormErrors::new()).await?)
}

pub(super) async fn edit_form(
    visit: Visit,
    PathId(id): PathId<UserId>,
    QueryParams(asked): QueryParams<FormQuery>,
) -> Result<Response, Problem> {
    let user = visit.state.services.users.get(&visit.actor, id).await?;
    let mut input = input_from(&user);
    match asked.personnel.as_deref() {
        Some("none") => input.personnel_id.clear(),
        Some(agent) if agent.parse::<PersonnelId>().is_ok() => agent.clone_into(&mut input.personnel_id),
        _ => {}
    }
    show(
        &form_page(
            &visit,
            Some((id, user.version)),
            &input,
            given(asked.q.as_ref()),
            &FormErrors::new(),
        )
        .await?,
    )
}

/// What the form says when the service refuses.
fn refusal(error: ServiceError) -> Result<FormErrors, Problem> {
    let mut errors = FormErrors::new();
    match error {
        ServiceError::Invalid(violations) => return Ok(catalogue::form_errors(&violations)),
        ServiceError::Taken {
            field: "personnel_id",
        } => {
            errors.add("personnel_id", "Cet agent a déjà un compte.");
        }
        ServiceError::Taken { .. } => errors.add("email", "Cette adresse est déjà celle d’un compte."),
        ServiceError::State("last-administrator") => errors.add("roles", LAST_ADMINISTRATOR),
        other => return Err(other.into()),
    }
    Ok(errors)
}

const LAST_ADMINISTRATOR: &str =
    "C’est le dernier administrateur actif : donnez d’abord ce rôle à un autre compte.";

#[derive(Template)]
#[template(path = "user/secret.html")]
struct SecretPage {
    frame: Frame,
    title: &'static str,
    name: String,
    email: String,
    password: String,
    url: String,
}

fn secret(visit: &Visit, title: &'static str, user: &User, password: String) -> Result<Response, Problem> {
    let page = SecretPage {
        frame: visit
            .frame(title)
            .under("Utilisateurs", "/admin/utilisateurs")
            .here(title),
        title,
        name: user.fields.display_name.clone(),
        email: user.fields.email.to_string(),
        password,
        url: visit.url(&format!("/admin/utilisateurs/{}", user.id)),
    };
    Ok((Extension(ShowsSecret), show(&page)?).into_response())
}

pub(super) async fn create(visit: Visit, fields: FormFields) -> Result<Response, Problem> {
    let input = input_of(&fields)?;
    match visit
        .state
        .services
        .users
        .create(&visit.actor, &input, None)
        .await
    {
        Ok((user, _)) if fields.single("how")? == "invite" => invite_user(&visit, user.id).await,
        Ok((user, Some(password))) => secret(&visit, "Compte créé", &user, password),
        Ok((user, None)) => Ok(visit.go(&format!("/admin/utilisateurs/{}?note=user-created", user.id))),
        Err(error) => {
            let errors = refusal(error)?;
            show_with(
                StatusCode::UNPROCESSABLE_ENTITY,
                &form_page(&visit, None, &input, None, &errors).await?,
            )
        }
    }
}

async fn invite_user(visit: &Visit, id: UserId) -> Result<Response, Problem> {
    let refused = |code, text: &str| Err(Problem::conflict(code).detail(text));
    match visit.state.services.access.invite(&visit.actor, id).await {
        Ok(_) => Ok(visit.go(&format!("/admin/utilisateurs/{id}?note=user-invited"))),
        Err(ServiceError::State("no-mail")) => refused("no-mail", catalogue::NO_MAIL),
        Err(ServiceError::State("account-opened")) => refused(
            "account-opened",
            "Ce compte a déjà servi ou n’est pas actif : il ne peut plus être l’objet d’une invitation.",
        ),
        Err(other) => Err(other.into()),
    }
}

pub(super) async fn invite(visit: Visit, PathId(id): PathId<UserId>) -> Result<Response, Problem> {
    invite_user(&visit, id).await
}

fn version_of(fields: &FormFields) -> Result<i64, Problem> {
    fields
        .single("version")?
        .parse()
        .map_err(|_| Problem::unreadable("La version manque."))
}

pub(super) async fn update(
    visit: Visit,
    PathId(id): PathId<UserId>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let version = version_of(&fields)?;
    let input = input_of(&fields)?;
    match visit
        .state
        .services
        .users
        .update(&visit.actor, id, version, &input)
        .await
    {
        Ok(_) => Ok(visit.go(&format!("/admin/utilisateurs/{id}?note=user-updated"))),
        Err(error) => {
            let errors = refusal(error)?;
            let page = form_page(&visit, Some((id, version)), &input, None, &errors).await?;
            show_with(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
    }
}

pub(super) async fn set_status(
    visit: Visit,
    PathId(id): PathId<UserId>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let version = version_of(&fields)?;
    let user = visit.state.services.users.get(&visit.actor, id).await?;
    let input = UserInput {
        status: fields.single("status")?.to_owned(),
        ..input_from(&user)
    };
    match visit
        .state
        .services
        .users
        .update(&visit.actor, id, version, &input)
        .await
    {
        Ok(user) if user.fields.status == UserStatus::Active => {
            Ok(visit.go(&format!("/admin/utilisateurs/{id}?note=user-enabled")))
        }
        Ok(_) => Ok(visit.go(&format!("/admin/utilisateurs/{id}?note=user-disabled"))),
        Err(ServiceError::State("last-administrator")) => {
            Err(Problem::conflict("last-administrator").detail(LAST_ADMINISTRATOR))
        }
        Err(other) => Err(other.into()),
    }
}

pub(super) async fn reset_password(visit: Visit, PathId(id): PathId<UserId>) -> Result<Response, Problem> {
    let user = visit.state.services.users.get(&visit.actor, id).await?;
    match visit
        .state
        .services
        .users
        .reset_password(&visit.actor, id, None)
        .await?
    {
        Some(password) => secret(&visit, "Nouveau mot de passe", &user, password),
        None => Ok(visit.go(&format!("/admin/utilisateurs/{id}?note=user-password-reset"))),
    }
}

pub(super) async fn end_sessions(visit: Visit, PathId(id): PathId<UserId>) -> Result<Response, Problem> {
    visit.state.services.users.end_sessions(&visit.actor, id).await?;
    Ok(visit.go(&format!("/admin/utilisateurs/{id}?note=sessions-ended")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mppeep_core::domain::validation::{Rule, Violations};

    #[test]
    fn refusals_stand_at_their_fields() {
        let taken = refusal(ServiceError::Taken { field: "email" }).unwrap();
        assert!(taken.get("email").is_some());
        let linked = refusal(ServiceError::Taken {
            field: "personnel_id",
        })
        .unwrap();
        assert!(linked.get("personnel_id").is_some());
        let last = refusal(ServiceError::State("last-administrator")).unwrap();
        assert!(
            last.get("roles")
                .is_some_and(|text| text.contains("dernier administrateur"))
        );
        let none = refusal(Violations::one("roles", Rule::Required).into()).unwrap();
        assert!(none.get("roles").is_some());
    }
}
