//! Photographs of agents and of account holders.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::context::{Context, Note};
use super::error::ServiceError;
use super::personnel_import::blocking;
use super::uploads::{Content, Contents, FIELD};
use crate::domain::activity::{ActivityAction, EntityKind};
use crate::domain::id::{PersonnelId, StoredFileId};
use crate::domain::permission::{Action, Actor, Resource};
use crate::domain::photo::{MOST_BYTES, Photo, PhotoOwner};
use crate::domain::stored_file::{FileName, FileType, StoredFile};
use crate::domain::validation::{Rule, Violations};
use crate::ports::epochs::Namespace;
use crate::ports::photo::{PhotoError, PhotoMaker};
use crate::ports::store::UnitOfWork;

const MADE_WRONG: &[Namespace] = &[Namespace::FILES];

/// Images that are decoded at once: each takes some tens of mebibytes for a moment.
const AT_ONCE: usize = 2;

/// Photographs.
pub struct PhotoService {
    context: Arc<Context>,
    contents: Contents,
    maker: Arc<dyn PhotoMaker>,
    places: Arc<Semaphore>,
}

impl PhotoService {
    /// The service over its ports.
    pub fn new(context: Arc<Context>, contents: Contents, maker: Arc<dyn PhotoMaker>) -> Self {
        Self {
            context,
            contents,
            maker,
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// The owner's photograph, if there is one.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Store`.
    pub async fn find(&self, actor: &Actor, owner: PhotoOwner) -> Result<Option<Photo>, ServiceError> {
        let mut unit = self.context.store().begin_read().await?;
        check(&mut unit, actor, owner, Action::Read).await?;
        Ok(unit.photos().find(owner).await?)
    }

    /// Which of these agents have a photograph, for who may read the directory.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn of_agents(&self, actor: &Actor, agents: &[PersonnelId]) -> Result<Vec<Photo>, ServiceError> {
        super::context::require(actor, Resource::Directory, Action::Read)?;
        let mut unit = self.context.store().begin_read().await?;
        Ok(unit.photos().agents_with_photo(agents).await?)
    }

    /// Opens one of the two pictures of the owner's photograph.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `State("content-missing")`, `Store`.
    pub async fn open(
        &self,
        actor: &Actor,
        owner: PhotoOwner,
        small: bool,
    ) -> Result<(Photo, Content), ServiceError> {
        let not_found = || ServiceError::NotFound(EntityKind::Photo);
        let mut unit = self.context.store().begin_read().await?;
        check(&mut unit, actor, owner, Action::Read).await?;
        let photo = unit.photos().find(owner).await?.ok_or_else(not_found)?;
        let id = if small { photo.small } else { photo.large };
        let file = unit.stored_files().find(id).await?.ok_or_else(not_found)?;
        drop(unit);
        let name = FileName::stored("photo.jpg".to_owned(), FileType::Jpeg);
        let content = self.contents.open(file, name).await?;
        Ok((photo, content))
    }

    /// Makes a photograph of an image, in place of the owner's earlier one.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `TooLarge`, `Invalid` on [`FIELD`], `QuotaReached`, `StorageFull`, `ReadOnlyMode`, `Store`.
    pub async fn set(&self, actor: &Actor, owner: PhotoOwner, image: Bytes) -> Result<Photo, ServiceError> {
        let mut unit = self.context.store().begin_read().await?;
        check(&mut unit, actor, owner, Action::Write).await?;
        let used = unit.stored_files().total_bytes().await?;
        drop(unit);
        if u64::try_from(image.len()).unwrap_or(u64::MAX) > MOST_BYTES {
            return Err(ServiceError::TooLarge {
                limit_bytes: MOST_BYTES,
            });
        }
        if used >= self.context.settings().await?.files.quota_bytes() {
            return Err(ServiceError::QuotaReached);
        }
        let maker = Arc::clone(&self.maker);
        let place = Arc::clone(&self.places).acquire_owned().await;
        let pictures = blocking(move || {
            let made = maker.make(&image);
            drop(place);
            made
        })
        .await?
        .map_err(refusal)?;
        let large = self.keep(pictures.large).await?;
        let small = match self.keep(pictures.small).await {
            Ok(small) => small,
            Err(error) => {
                self.contents.discard(&[large.id]).await;
                return Err(error);
            }
        };
        let ids = [large.id, small.id];
        let stored = self.store(actor, owner, &large, &small).await;
        if let Err(error) = &stored
            && !error.is_indeterminate()
        {
            self.contents.discard(&ids).await;
        }
        stored
    }

    async fn store(
        &self,
        actor: &Actor,
        owner: PhotoOwner,
        large: &StoredFile,
        small: &StoredFile,
    ) -> Result<Photo, ServiceError> {
        let photo = Photo {
            owner,
            large: large.id,
            small: small.id,
            updated_at: self.context.now(),
        };
        let mut unit = self.context.begin().await?;
        let label = check(&mut unit, actor, owner, Action::Write).await?;
        unit.stored_files().insert(large).await?;
        unit.stored_files().insert(small).await?;
        let earlier = unit.photos().put(&photo).await?;
        let gone = contents_of(earlier.as_ref());
        unit.stored_files().delete(&gone).await?;
        let line = note(ActivityAction::Replaced, owner, label);
        unit.activities()
            .append(&[self.context.activity(actor, line)])
            .await?;
        self.context.commit(unit, MADE_WRONG).await?;
        self.contents.discard(&gone).await;
        Ok(photo)
    }

    /// Removes the owner's photograph, if there is one.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `ReadOnlyMode`, `Store`.
    pub async fn remove(&self, actor: &Actor, owner: PhotoOwner) -> Result<(), ServiceError> {
        let mut unit = self.context.begin().await?;
        let label = check(&mut unit, actor, owner, Action::Write).await?;
        let Some(photo) = unit.photos().delete(owner).await? else {
            return Ok(());
        };
        let gone = contents_of(Some(&photo));
        unit.stored_files().delete(&gone).await?;
        let line = note(ActivityAction::Cancelled, owner, label);
        unit.activities()
            .append(&[self.context.activity(actor, line)])
            .await?;
        self.context.commit(unit, MADE_WRONG).await?;
        self.contents.discard(&gone).await;
        Ok(())
    }

    async fn keep(&self, picture: Bytes) -> Result<StoredFile, ServiceError> {
        let file = StoredFile {
            id: StoredFileId::new(self.context.clock(), self.context.entropy()),
            size: u64::try_from(picture.len()).unwrap_or(u64::MAX),
            sha256: Sha256::digest(&picture).into(),
            kind: FileType::Jpeg,
            created_at: self.context.now(),
        };
        let mut writer = self.contents.store.create(file.id).await?;
        writer.write(picture).await?;
        writer.finish().await?;
        Ok(file)
    }
}

/// Whether the actor may do that with the owner's photograph; gives the owner's name.
///
/// Whoever reads the directory sees the agents; the staff of human resources and the agent himself change his photograph.
/// An account's is its holder's business, and administrators may remove it.
async fn check(
    unit: &mut Box<dyn UnitOfWork>,
    actor: &Actor,
    owner: PhotoOwner,
    action: Action,
) -> Result<String, ServiceError> {
    let forbidden = |resource| ServiceError::Forbidden { resource, action };
    match owner {
        PhotoOwner::Personnel(id) => {
            let own = actor.personnel == Some(id);
            if !own && !actor.may(Resource::Directory, action) {
                return Err(forbidden(Resource::Directory));
            }
            let agent = unit.personnel().find(id).await?;
            let agent = agent.ok_or(ServiceError::NotFound(EntityKind::Personnel))?;
            let department = agent.fields.department;
            if !own && !actor.may_on(Resource::Directory, action, id, department) {
                return Err(forbidden(Resource::Directory));
            }
            Ok(format!(
                "{} · {}",
                agent.fields.matricule,
                agent.fields.full_name()
            ))
        }
        PhotoOwner::User(id) => {
            if actor.user != Some(id) && !actor.may_all(Resource::User, action) {
                return Err(forbidden(Resource::User));
            }
            let user = unit.users().find(id).await?;
            let user = user.ok_or(ServiceError::NotFound(EntityKind::User))?;
            Ok(user.fields.display_name)
        }
    }
}

fn contents_of(photo: Option<&Photo>) -> Vec<StoredFileId> {
    photo
        .map(|photo| vec![photo.large, photo.small])
        .unwrap_or_default()
}

fn refusal(error: PhotoError) -> ServiceError {
    let rule = match error {
        PhotoError::TooSmall { side } => Rule::OutOfRange {
            min: format!("{side} px"),
            max: "8 000 px".to_owned(),
        },
        PhotoError::TooLarge { pixels } => Rule::OutOfRange {
            min: format!("{} px", crate::domain::photo::SMALL_SIDE),
            max: format!("{pixels} px²"),
        },
        PhotoError::Unreadable => Rule::Unreadable,
    };
    Violations::one(FIELD, rule).into()
}

fn note(action: ActivityAction, owner: PhotoOwner, label: String) -> Note {
    let subject = match owner {
        PhotoOwner::Personnel(id) => Some(id),
        PhotoOwner::User(_) => None,
    };
    Note {
        action,
        entity: EntityKind::Photo,
        entity_id: Some(owner.id()),
        subject,
        label,
        changes: Vec::new(),
    }
}
