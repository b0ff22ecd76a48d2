//! Deposits: a document for an agent's file, or a newer content of one.

use askama::Template;
use axum::response::Response;
use mppeep_core::domain::document::{ACCEPTED_TYPES, DocumentInput, DocumentKind};
use mppeep_core::domain::id::{DocumentId, PersonnelId};
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::validation::Rule;
use mppeep_core::services::ServiceError;
use mppeep_core::services::uploads::FIELD;

use super::{PATH, kinds, refusal, service_error, status_of, version_of};
use crate::catalogue;
use crate::extract::{FormFields, Opened, PathId, UploadForm};
use crate::pages::frame::Frame;
use crate::pages::office::AgentBrief;
use crate::pages::ui::{ErrorSummary, Field, FormErrors};
use crate::pages::visit::{Visit, show, show_with};
use crate::problem::Problem;

/// The form of a deposit, on the sheet and on a page of its own.
#[derive(Template)]
#[template(path = "document/deposit_form.html")]
pub(super) struct DepositForm {
    action: String,
    /// Where a browser goes when all files are deposited.
    done: String,
    file: Field,
    fields: Vec<Field>,
    /// The staff of human resources need nobody else's look.
    to_check: bool,
}

impl DepositForm {
    pub(super) fn empty(visit: &Visit, agent: PersonnelId) -> Self {
        Self::of(visit, agent, &DocumentInput::default(), &FormErrors::new())
    }

    fn of(visit: &Visit, agent: PersonnelId, input: &DocumentInput, errors: &FormErrors) -> Self {
        let mut fields = vec![
            Field::select("kind", "Type", Some("D’après le nom du fichier"), kinds())
                .value(&input.kind)
                .errors(errors),
            Field::text("title", "Titre")
                .value(&input.title)
                .errors(errors)
                .attribute("maxlength", "200")
                .help("Vide : le nom du fichier."),
            Field::text("reference", "N° ou référence")
                .value(&input.reference)
                .errors(errors)
                .attribute("maxlength", "80")
                .width("w4"),
            Field::date("issued_on", "Date d’émission")
                .value(&input.issued_on)
                .errors(errors)
                .width("w4"),
            Field::date("expires_on", "Date d’expiration")
                .value(&input.expires_on)
                .errors(errors)
                .width("w4"),
        ];
        let checks = visit.may_all(Resource::Document, Action::Validate) && !visit.is_own(agent);
        if visit.may_all(Resource::Document, Action::Write) {
            fields.push(
                Field::checkbox(
                    "confidential",
                    "Confidentiel : l’agent lui-même ne le voit pas",
                    input.confidential,
                )
                .errors(errors)
                .wide(),
            );
        }
        Self {
            action: visit.url(&format!("/personnel/{agent}/documents/deposer")),
            done: visit.url(&format!(
                "/personnel/{agent}?onglet=documents&note=document-deposited"
            )),
            file: file_field(visit, errors),
            fields,
            to_check: !checks,
        }
    }
}

fn file_field(visit: &Visit, errors: &FormErrors) -> Field {
    let limit = catalogue::size(visit.settings.files.max_upload_bytes());
    Field::input("file", FIELD, "Fichier")
        .required()
        .wide()
        .errors(errors)
        .attribute("accept", catalogue::extensions(ACCEPTED_TYPES))
        .help(format!(
            "PDF, image (JPEG, PNG, WebP), Word ou OpenDocument ; {limit} au plus."
        ))
}

#[derive(Template)]
#[template(path = "document/deposit.html")]
struct DepositPage {
    frame: Frame,
    agent: AgentBrief,
    errors: ErrorSummary,
    form: DepositForm,
    back: String,
}

async fn page(
    visit: &Visit,
    agent: PersonnelId,
    input: &DocumentInput,
    errors: &FormErrors,
) -> Result<DepositPage, Problem> {
    let agent = AgentBrief::load(visit, agent).await?;
    let form = DepositForm::of(visit, agent.id, input, errors);
    let mut summary = ErrorSummary::of_fields(std::iter::once(&form.file).chain(&form.fields));
    if let Some(message) = errors.get("") {
        summary.errors.insert(0, (String::new(), message.to_owned()));
    }
    Ok(DepositPage {
        frame: visit
            .frame("Déposer un document")
            .under("Personnel", "/personnel")
            .under(
                agent.name.clone(),
                &format!("/personnel/{}?onglet=documents", agent.id),
            )
            .here("Déposer un document"),
        back: visit.url(&format!("/personnel/{}?onglet=documents", agent.id)),
        agent,
        errors: summary,
        form,
    })
}

/// Says whether the reader may deposit in that file before the form is shown.
fn check(visit: &Visit, agent: PersonnelId) -> Result<(), Problem> {
    if visit.may_all(Resource::Document, Action::Write) || visit.is_own(agent) {
        Ok(())
    } else {
        Err(Problem::not_found())
    }
}

pub(super) async fn new_form(visit: Visit, PathId(agent): PathId<PersonnelId>) -> Result<Response, Problem> {
    check(&visit, agent)?;
    show(&page(&visit, agent, &DocumentInput::default(), &FormErrors::new()).await?)
}

fn input_of(fields: &FormFields) -> Result<DocumentInput, Problem> {
    let text = |name| fields.single(name).map(str::to_owned);
    Ok(DocumentInput {
        kind: text("kind")?,
        title: text("title")?,
        reference: text("reference")?,
        issued_on: text("issued_on")?,
        expires_on: text("expires_on")?,
        confidential: !text("confidential")?.is_empty(),
    })
}

pub(super) async fn deposit(
    visit: Visit,
    PathId(agent): PathId<PersonnelId>,
    mut form: UploadForm,
) -> Result<Response, Problem> {
    let service = &visit.state.services.documents;
    let Opened { fields, file } = form.open().await?;
    let mut input = input_of(&fields)?;
    let error = match file {
        None => nothing_chosen(),
        Some(part) => {
            if input.kind.trim().is_empty() {
                DocumentKind::guess(part.name())
                    .code()
                    .clone_into(&mut input.kind);
            }
            match service.begin_upload(&visit.actor, agent, part.name()).await {
                Err(error) => error,
                Ok(mut upload) => match form.pour(part, &mut upload).await {
                    Err(error) => service_error(error)?,
                    Ok(()) => match service.deposit(&visit.actor, agent, &input, upload).await {
                        Ok(_) => {
                            let path = format!("/personnel/{agent}?onglet=documents&note=document-deposited");
                            return Ok(visit.go(&path));
                        }
                        Err(error) => error,
                    },
                },
            }
        }
    };
    let status = status_of(&error);
    let errors = refusal(error)?;
    show_with(status, &page(&visit, agent, &input, &errors).await?)
}

fn nothing_chosen() -> ServiceError {
    mppeep_core::domain::validation::Violations::one(FIELD, Rule::Required).into()
}

#[derive(Template)]
#[template(path = "document/replace.html")]
struct ReplacePage {
    frame: Frame,
    document: String,
    errors: ErrorSummary,
    action: String,
    back: String,
    version: i64,
    fields: Vec<Field>,
}

async fn replace_page(
    visit: &Visit,
    id: DocumentId,
    note: &str,
    errors: &FormErrors,
) -> Result<ReplacePage, Problem> {
    let view = visit.state.services.documents.get(&visit.actor, id).await?;
    let fields = vec![
        file_field(visit, errors),
        Field::text("note", "Pourquoi une nouvelle version ?")
            .value(note)
            .errors(errors)
            .wide()
            .attribute("maxlength", "200")
            .help("Par exemple : numérisation plus lisible, renouvellement. Peut rester vide."),
    ];
    let mut summary = ErrorSummary::of_fields(&fields);
    if let Some(message) = errors.get("") {
        summary.errors.insert(0, (String::new(), message.to_owned()));
    }
    let path = format!("{PATH}/{id}");
    Ok(ReplacePage {
        frame: visit
            .frame("Nouvelle version")
            .under("Documents", PATH)
            .under(view.document.fields.title.clone(), &path)
            .here("Nouvelle version"),
        document: view.document.fields.title.clone(),
        errors: summary,
        action: visit.url(&format!("{path}/version")),
        back: visit.url(&path),
        version: view.document.version,
        fields,
    })
}

pub(super) async fn replace_form(visit: Visit, PathId(id): PathId<DocumentId>) -> Result<Response, Problem> {
    show(&replace_page(&visit, id, "", &FormErrors::new()).await?)
}

pub(super) async fn replace(
    visit: Visit,
    PathId(id): PathId<DocumentId>,
    mut form: UploadForm,
) -> Result<Response, Problem> {
    let service = &visit.state.services.documents;
    let Opened { fields, file } = form.open().await?;
    let note = fields.single("note")?.to_owned();
    let version = version_of(&fields)?;
    let error = match file {
        None => nothing_chosen(),
        Some(part) => match service.begin_replacement(&visit.actor, id, part.name()).await {
            Err(error) => error,
            Ok(mut upload) => match form.pour(part, &mut upload).await {
                Err(error) => service_error(error)?,
                Ok(()) => match service.replace(&visit.actor, id, version, &note, upload).await {
                    Ok(_) => return Ok(visit.go(&format!("{PATH}/{id}?note=document-replaced"))),
                    Err(error) => error,
                },
            },
        },
    };
    let status = status_of(&error);
    let errors = refusal(error)?;
    show_with(status, &replace_page(&visit, id, &note, &errors).await?)
}
