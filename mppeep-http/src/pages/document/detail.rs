//! One document: what is known of it, its contents, its life.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use mppeep_core::domain::document::{DocumentInput, DocumentState};
use mppeep_core::domain::id::DocumentId;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::stored_file::FileType;
use mppeep_core::services::ServiceError;
use mppeep_core::services::documents::DocumentView;
use serde::Deserialize;

use super::{PATH, kinds, refusal, status_of, version_of};
use crate::catalogue::{self, Label};
use crate::extract::{FormFields, PathId, QueryParams};
use crate::pages::frame::Frame;
use crate::pages::ui::{Badge, ErrorSummary, Fact, Facts, Field, FormErrors, Section, Tone};
use crate::pages::visit::{Visit, show, show_with};
use crate::problem::Problem;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DetailQuery {
    note: Option<String>,
}

/// A content in the list of contents.
struct VersionLine {
    number: u32,
    file_name: String,
    kind: &'static str,
    size: String,
    by: String,
    when: String,
    note: String,
    present: bool,
    url: String,
}

/// How the present content is looked at.
struct Preview {
    url: String,
    image: bool,
}

#[derive(Template)]
#[template(path = "document/detail.html")]
struct DetailPage {
    frame: Frame,
    title: String,
    agent: String,
    agent_url: String,
    kind: &'static str,
    badges: Vec<Badge>,
    facts: Facts,
    versions: Vec<VersionLine>,
    preview: Option<Preview>,
    path: String,
    version: i64,
    rejected: String,
    may_write: bool,
    may_correct: bool,
    may_judge: bool,
    own_work: bool,
    validated: bool,
    confirm: bool,
    reason: Field,
    journal: Option<String>,
}

fn page(visit: &Visit, view: &DocumentView, frame: Frame, errors: &FormErrors, reason: &str) -> DetailPage {
    let document = &view.document;
    let fields = &document.fields;
    let id = document.id;
    let path = visit.url(&format!("{PATH}/{id}"));
    let agent_url = visit.url(&format!("/personnel/{}?onglet=documents", document.personnel));
    let mut badges = vec![catalogue::document_badge(document.state)];
    badges.extend(catalogue::expiry_badge(
        document,
        visit.today,
        visit.settings.files.expiry_notice_days,
    ));
    if fields.confidential {
        badges.push(Badge::new("Confidentiel", Tone::Warning));
    }
    let versions: Vec<VersionLine> = view
        .versions
        .iter()
        .map(|version| VersionLine {
            number: version.number,
            file_name: version.file_name.as_str().to_owned(),
            kind: version.file.kind.label(),
            size: catalogue::size(version.file.size),
            by: version.uploaded_by_name.clone(),
            when: catalogue::instant(version.uploaded_at),
            note: version.note.clone().unwrap_or_default(),
            present: version.number == document.current,
            url: format!("{path}/contenu?number={}", version.number),
        })
        .collect();
    let preview = view
        .current()
        .map(|version| version.file.kind)
        .filter(|kind| kind.is_previewable())
        .map(|kind| Preview {
            url: format!("{path}/apercu"),
            image: matches!(kind, FileType::Png | FileType::Jpeg | FileType::Webp),
        });
    let writes_all = visit.may_all(Resource::Document, Action::Write);
    let validated = document.state == DocumentState::Validated;
    let deposited_by_reader = visit.actor.user.is_some()
        && view.current().and_then(|version| version.uploaded_by) == visit.actor.user;
    let may_validate = visit.may_all(Resource::Document, Action::Validate);
    let own_work = may_validate && (deposited_by_reader || visit.is_own(document.personnel));
    let date = |date: Option<jiff::civil::Date>| date.map(catalogue::date).unwrap_or_default();
    let facts = vec![
        Fact::new("Agent", view.agent.fields.full_name()).link(agent_url.clone()),
        Fact::new("Matricule", view.agent.fields.matricule.as_str()),
        Fact::new("Type", fields.kind.label()),
        Fact::new("N° ou référence", fields.reference.clone().unwrap_or_default()),
        Fact::new("Date d’émission", date(fields.issued_on)),
        Fact::new("Date d’expiration", date(fields.expires_on)),
        Fact::new("Déposé le", catalogue::instant(document.created_at)),
    ];
    DetailPage {
        frame,
        title: fields.title.clone(),
        agent: view.agent.fields.full_name(),
        agent_url,
        kind: fields.kind.label(),
        badges,
        facts: Facts { facts, rows: true },
        versions,
        preview,
        path,
        version: document.version,
        rejected: document.state_reason.clone().unwrap_or_default(),
        may_write: writes_all || (visit.may(Resource::Document, Action::Write) && !validated),
        may_correct: writes_all,
        may_judge: may_validate && !own_work,
        own_work: own_work && !validated,
        validated,
        confirm: false,
        reason: Field::text("reason", "Motif du rejet")
            .value(reason)
            .errors(errors)
            .required()
            .wide()
            .attribute("maxlength", "300")
            .help("La personne qui a déposé le document le lira."),
        journal: visit
            .may(Resource::Journal, Action::Read)
            .then(|| visit.url(&format!("/personnel/{}?onglet=historique", document.personnel))),
    }
}

fn frame(visit: &Visit, view: &DocumentView) -> Frame {
    let title = view.document.fields.title.clone();
    visit
        .frame(title.clone())
        .under("Documents", PATH)
        .under(
            view.agent.fields.full_name(),
            &format!("/personnel/{}?onglet=documents", view.document.personnel),
        )
        .here(title)
}

async fn load(visit: &Visit, id: DocumentId) -> Result<DocumentView, Problem> {
    Ok(visit.state.services.documents.get(&visit.actor, id).await?)
}

pub(super) async fn show_detail(
    visit: Visit,
    PathId(id): PathId<DocumentId>,
    QueryParams(asked): QueryParams<DetailQuery>,
) -> Result<Response, Problem> {
    let view = load(&visit, id).await?;
    let frame = frame(&visit, &view).note(asked.note.as_deref());
    show(&page(&visit, &view, frame, &FormErrors::new(), ""))
}

pub(super) async fn remove_form(visit: Visit, PathId(id): PathId<DocumentId>) -> Result<Response, Problem> {
    let view = load(&visit, id).await?;
    let frame = frame(&visit, &view);
    let mut page = page(&visit, &view, frame, &FormErrors::new(), "");
    page.confirm = page.may_write;
    show(&page)
}

/// The document as it is now, with why nothing was done.
async fn again(
    visit: &Visit,
    id: DocumentId,
    error: ServiceError,
    reason: &str,
) -> Result<Response, Problem> {
    let status = status_of(&error);
    let errors = refusal(error)?;
    let view = load(visit, id).await?;
    let mut frame = frame(visit, &view);
    if let Some(message) = errors.get("") {
        frame = frame.say(Tone::Danger, message);
    }
    show_with(status, &page(visit, &view, frame, &errors, reason))
}

pub(super) async fn validate(
    visit: Visit,
    PathId(id): PathId<DocumentId>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let version = version_of(&fields)?;
    let service = &visit.state.services.documents;
    match service.validate(&visit.actor, id, version).await {
        Ok(_) => Ok(visit.go(&format!("{PATH}/{id}?note=document-validated"))),
        Err(error) => again(&visit, id, error, "").await,
    }
}

pub(super) async fn reject(
    visit: Visit,
    PathId(id): PathId<DocumentId>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let version = version_of(&fields)?;
    let reason = fields.single("reason")?;
    let service = &visit.state.services.documents;
    match service.reject(&visit.actor, id, version, reason).await {
        Ok(_) => Ok(visit.go(&format!("{PATH}/{id}?note=document-rejected"))),
        Err(error) => again(&visit, id, error, reason).await,
    }
}

pub(super) async fn remove(
    visit: Visit,
    PathId(id): PathId<DocumentId>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let version = version_of(&fields)?;
    let agent = load(&visit, id).await?.document.personnel;
    let service = &visit.state.services.documents;
    match service.remove(&visit.actor, id, version).await {
        Ok(()) => Ok(visit.go(&format!(
            "/personnel/{agent}?onglet=documents&note=document-removed"
        ))),
        Err(error) => again(&visit, id, error, "").await,
    }
}

#[derive(Template)]
#[template(path = "document/edit.html")]
struct EditPage {
    frame: Frame,
    errors: ErrorSummary,
    action: String,
    version: i64,
    section: Section,
}

fn edit_page(visit: &Visit, view: &DocumentView, input: &DocumentInput, errors: &FormErrors) -> EditPage {
    let id = view.document.id;
    let fields = vec![
        Field::select("kind", "Type", None, kinds())
            .value(&input.kind)
            .errors(errors),
        Field::text("title", "Titre")
            .required()
            .value(&input.title)
            .errors(errors)
            .attribute("maxlength", "200"),
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
        Field::checkbox(
            "confidential",
            "Confidentiel : l’agent lui-même ne le voit pas",
            input.confidential,
        )
        .errors(errors)
        .wide(),
    ];
    let mut summary = ErrorSummary::of_fields(&fields);
    if let Some(message) = errors.get("") {
        summary.errors.insert(0, (String::new(), message.to_owned()));
    }
    let title = view.document.fields.title.clone();
    EditPage {
        frame: visit
            .frame("Corriger un document")
            .under("Documents", PATH)
            .under(title, &format!("{PATH}/{id}"))
            .here("Corriger"),
        errors: summary,
        action: visit.url(&format!("{PATH}/{id}")),
        version: view.document.version,
        section: Section::new("Document", fields),
    }
}

fn input_from(view: &DocumentView) -> DocumentInput {
    let fields = &view.document.fields;
    let date = |date: Option<jiff::civil::Date>| date.map(|date| date.to_string()).unwrap_or_default();
    DocumentInput {
        kind: fields.kind.code().to_owned(),
        title: fields.title.clone(),
        reference: fields.reference.clone().unwrap_or_default(),
        issued_on: date(fields.issued_on),
        expires_on: date(fields.expires_on),
        confidential: fields.confidential,
    }
}

pub(super) async fn edit_form(visit: Visit, PathId(id): PathId<DocumentId>) -> Result<Response, Problem> {
    let view = load(&visit, id).await?;
    if !visit.may_all(Resource::Document, Action::Write) {
        return Ok(visit.go(&format!("{PATH}/{id}")));
    }
    show(&edit_page(&visit, &view, &input_from(&view), &FormErrors::new()))
}

pub(super) async fn correct(
    visit: Visit,
    PathId(id): PathId<DocumentId>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let version = version_of(&fields)?;
    let text = |name| fields.single(name).map(str::to_owned);
    let input = DocumentInput {
        kind: text("kind")?,
        title: text("title")?,
        reference: text("reference")?,
        issued_on: text("issued_on")?,
        expires_on: text("expires_on")?,
        confidential: !text("confidential")?.is_empty(),
    };
    let service = &visit.state.services.documents;
    match service.correct(&visit.actor, id, version, &input).await {
        Ok(_) => Ok(visit.go(&format!("{PATH}/{id}?note=document-updated"))),
        Err(error) => {
            let errors = refusal(error)?;
            let view = load(&visit, id).await?;
            let page = edit_page(&visit, &view, &input, &errors);
            show_with(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
    }
}
