//! Photographs of agents and of the reader: shown, taken over, removed.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::photo::{MOST_BYTES, PhotoOwner};
use mppeep_core::domain::stored_file::FileType;
use mppeep_core::domain::validation::{Rule, Violations};
use mppeep_core::services::ServiceError;
use mppeep_core::services::uploads::FIELD;
use serde::Deserialize;

use super::document::{refusal, service_error, status_of};
use super::frame::Frame;
use super::ui::{ErrorSummary, Field, FormErrors};
use super::visit::{Visit, show, show_with};
use crate::catalogue;
use crate::download::{self, As, Asked};
use crate::extract::{FormFields, Opened, PathId, QueryParams, UploadForm};
use crate::problem::Problem;
use crate::routes::{BodyLimit, RouteTable, get, post};

const ACCEPTED: &[FileType] = &[FileType::Jpeg, FileType::Png, FileType::Webp];

pub(super) fn routes() -> RouteTable {
    use Action::Read;
    use Resource::Directory;
    RouteTable::pages()
        .route("/personnel/{id}/photo", get(agent).needs(Directory, Read))
        // Whose photograph it is decides: an agent changes his own.
        .route(
            "/personnel/{id}/photo/modifier",
            get(agent_form).needs(Directory, Read),
        )
        .route(
            "/personnel/{id}/photo/modifier",
            post(set_agent).needs(Directory, Read).body(BodyLimit::Upload),
        )
        .route(
            "/personnel/{id}/photo/retirer",
            post(remove_agent).needs(Directory, Read),
        )
        .route("/profil/photo", get(own).session())
        .route("/profil/photo/modifier", get(own_form).session())
        .route(
            "/profil/photo/modifier",
            post(set_own).session().body(BodyLimit::Upload),
        )
        .route("/profil/photo/retirer", post(remove_own).session())
}

/// Where the small photograph of an agent is; the number makes the address another one when the photograph changes.
pub(super) fn small_url(visit: &Visit, agent: PersonnelId, since: Timestamp) -> String {
    visit.url(&format!(
        "/personnel/{agent}/photo?small=1&v={}",
        since.as_millisecond()
    ))
}

/// The same of the large one.
pub(super) fn large_url(visit: &Visit, agent: PersonnelId, since: Timestamp) -> String {
    visit.url(&format!("/personnel/{agent}/photo?v={}", since.as_millisecond()))
}

/// Where the reader's own small photograph is.
pub(super) fn own_url(visit: &Visit, since: Timestamp) -> String {
    visit.url(&format!("/profil/photo?small=1&v={}", since.as_millisecond()))
}

/// Whether the reader may change the photograph of an agent.
pub(super) fn may_change(visit: &Visit, agent: PersonnelId) -> bool {
    visit.is_own(agent) || visit.may_all(Resource::Directory, Action::Write)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PictureQuery {
    small: Option<String>,
}

fn own_owner(visit: &Visit) -> Result<PhotoOwner, Problem> {
    visit
        .actor
        .user
        .map(PhotoOwner::User)
        .ok_or_else(Problem::not_found)
}

async fn send(
    visit: &Visit,
    owner: PhotoOwner,
    query: &PictureQuery,
    asked: &Asked,
) -> Result<Response, Problem> {
    let small = query.small.is_some();
    let photos = &visit.state.services.photos;
    let (_, content) = photos.open(&visit.actor, owner, small).await?;
    download::send(content, As::Picture, asked).await
}

async fn agent(
    visit: Visit,
    PathId(id): PathId<PersonnelId>,
    QueryParams(query): QueryParams<PictureQuery>,
    asked: Asked,
) -> Result<Response, Problem> {
    send(&visit, PhotoOwner::Personnel(id), &query, &asked).await
}

async fn own(
    visit: Visit,
    QueryParams(query): QueryParams<PictureQuery>,
    asked: Asked,
) -> Result<Response, Problem> {
    send(&visit, own_owner(&visit)?, &query, &asked).await
}

#[derive(Template)]
#[template(path = "photo.html")]
struct PhotoPage {
    frame: Frame,
    errors: ErrorSummary,
    present: Option<String>,
    field: Field,
    action: String,
    remove: String,
    back: String,
}

async fn page(visit: &Visit, owner: PhotoOwner, errors: &FormErrors) -> Result<PhotoPage, Problem> {
    let photo = visit.state.services.photos.find(&visit.actor, owner).await?;
    let frame = visit.frame("Photographie");
    let (base, back, frame) = match owner {
        PhotoOwner::Personnel(id) => {
            let base = format!("/personnel/{id}");
            let agent = super::office::AgentBrief::load(visit, id).await?;
            let frame = frame.under("Personnel", "/personnel").under(agent.name, &base);
            (format!("{base}/photo"), base, frame)
        }
        PhotoOwner::User(_) => (
            "/profil/photo".to_owned(),
            "/profil".to_owned(),
            frame.under("Mon profil", "/profil"),
        ),
    };
    let field = Field::input("file", FIELD, "Image")
        .required()
        .wide()
        .errors(errors)
        .attribute("accept", catalogue::extensions(ACCEPTED))
        .help(format!(
            "JPEG, PNG ou WebP ; {} au plus. Le milieu est découpé en carré, et les données cachées de l’image (lieu, \
             appareil) ne sont pas gardées.",
            catalogue::size(MOST_BYTES)
        ));
    Ok(PhotoPage {
        frame: frame.here("Photographie"),
        errors: ErrorSummary::of_fields([&field]),
        present: photo.map(|photo| visit.url(&format!("{base}?v={}", photo.updated_at.as_millisecond()))),
        field,
        action: visit.url(&format!("{base}/modifier")),
        remove: visit.url(&format!("{base}/retirer")),
        back: visit.url(&back),
    })
}

async fn agent_form(visit: Visit, PathId(id): PathId<PersonnelId>) -> Result<Response, Problem> {
    let page = page(&visit, PhotoOwner::Personnel(id), &FormErrors::new()).await?;
    if !may_change(&visit, id) {
        return Ok(visit.go(&format!("/personnel/{id}")));
    }
    show(&page)
}

async fn own_form(visit: Visit) -> Result<Response, Problem> {
    let owner = own_owner(&visit)?;
    show(&page(&visit, owner, &FormErrors::new()).await?)
}

async fn set(
    visit: &Visit,
    owner: PhotoOwner,
    mut form: UploadForm,
    next: &str,
) -> Result<Response, Problem> {
    let photos = &visit.state.services.photos;
    photos.find(&visit.actor, owner).await?;
    let Opened { file, .. } = form.open().await?;
    let error: ServiceError = match file {
        None => Violations::one(FIELD, Rule::Required).into(),
        Some(part) => match form.whole(part, MOST_BYTES).await {
            Err(error) => service_error(error)?,
            Ok(image) => match photos.set(&visit.actor, owner, image).await {
                Ok(_) => {
                    visit.state.portraits.forget(owner);
                    return Ok(visit.go(next));
                }
                Err(error) => error,
            },
        },
    };
    let status: StatusCode = status_of(&error);
    let errors = refusal(error)?;
    show_with(status, &page(visit, owner, &errors).await?)
}

async fn set_agent(
    visit: Visit,
    PathId(id): PathId<PersonnelId>,
    form: UploadForm,
) -> Result<Response, Problem> {
    let next = format!("/personnel/{id}?note=photo-saved");
    set(&visit, PhotoOwner::Personnel(id), form, &next).await
}

async fn set_own(visit: Visit, form: UploadForm) -> Result<Response, Problem> {
    let owner = own_owner(&visit)?;
    set(&visit, owner, form, "/profil?note=photo-saved").await
}

async fn remove(visit: &Visit, owner: PhotoOwner, next: &str) -> Result<Response, Problem> {
    let photos = &visit.state.services.photos;
    photos.find(&visit.actor, owner).await?;
    photos.remove(&visit.actor, owner).await?;
    visit.state.portraits.forget(owner);
    Ok(visit.go(next))
}

async fn remove_agent(
    visit: Visit,
    PathId(id): PathId<PersonnelId>,
    _: FormFields,
) -> Result<Response, Problem> {
    let next = format!("/personnel/{id}?note=photo-removed");
    remove(&visit, PhotoOwner::Personnel(id), &next).await
}

async fn remove_own(visit: Visit, _: FormFields) -> Result<Response, Problem> {
    let owner = own_owner(&visit)?;
    remove(&visit, owner, "/profil?note=photo-removed").await
}
