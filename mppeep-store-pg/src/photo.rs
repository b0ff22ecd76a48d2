//! Photographs: one of each owner. Whoever replaces one has its row first, so that no content is forgotten.

use async_trait::async_trait;
use jiff_sqlx::Timestamp as StoredInstant;
use mppeep_core::domain::id::{PersonnelId, StoredFileId, UserId};
use mppeep_core::domain::photo::{Photo, PhotoOwner};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::photo::PhotoRepository;
use uuid::Uuid;

use crate::codec::stored;
use crate::error::ADAPTER;
use crate::unit::Handle;

const ENTITY: &str = "photo";

/// How often a photograph is stored anew when another one appears and vanishes meanwhile.
const ATTEMPTS: u32 = 4;

/// A row of `photo`, in plain types.
struct PhotoRecord {
    personnel_id: Option<Uuid>,
    user_id: Option<Uuid>,
    large_id: Uuid,
    small_id: Uuid,
    updated_at: StoredInstant,
}

impl TryFrom<PhotoRecord> for Photo {
    type Error = BackendError;

    fn try_from(row: PhotoRecord) -> Result<Self, BackendError> {
        let owner = match (row.personnel_id, row.user_id) {
            (Some(agent), None) => PhotoOwner::Personnel(PersonnelId::from_uuid(agent)),
            (None, Some(user)) => PhotoOwner::User(UserId::from_uuid(user)),
            _ => return Err(BackendError::corrupt(ADAPTER, "photo.personnel_id")),
        };
        Ok(Self {
            owner,
            large: StoredFileId::from_uuid(row.large_id),
            small: StoredFileId::from_uuid(row.small_id),
            updated_at: row.updated_at.to_jiff(),
        })
    }
}

/// The owner as the two columns that name him.
const fn columns(owner: PhotoOwner) -> (Option<Uuid>, Option<Uuid>) {
    match owner {
        PhotoOwner::Personnel(id) => (Some(id.as_uuid()), None),
        PhotoOwner::User(id) => (None, Some(id.as_uuid())),
    }
}

impl Handle<'_> {
    /// Stores a photograph where the owner has none; whether he had none.
    async fn insert_photo(&mut self, photo: &Photo) -> Result<bool, StoreError> {
        let (agent, user) = columns(photo.owner);
        let done = sqlx::query!(
            r#"
                INSERT INTO photo (personnel_id, user_id, large_id, small_id, updated_at) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT DO NOTHING
            "#,
            agent,
            user,
            photo.large.as_uuid(),
            photo.small.as_uuid(),
            stored(photo.updated_at) as _,
        )
        .execute(self.0.same_write()?)
        .await;
        Ok(self.0.settle(ENTITY, done)?.rows_affected() == 1)
    }

    /// Replaces the photograph of the owner, whose row this unit has.
    async fn update_photo(&mut self, photo: &Photo) -> Result<(), StoreError> {
        let (agent, user) = columns(photo.owner);
        let done = sqlx::query!(
            r#"
                UPDATE photo SET large_id = $3, small_id = $4, updated_at = $5
                WHERE personnel_id = $1 OR user_id = $2
            "#,
            agent,
            user,
            photo.large.as_uuid(),
            photo.small.as_uuid(),
            stored(photo.updated_at) as _,
        )
        .execute(self.0.same_write()?)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }
}

#[async_trait]
impl PhotoRepository for Handle<'_> {
    async fn put(&mut self, photo: &Photo) -> Result<Option<Photo>, StoreError> {
        let (agent, user) = columns(photo.owner);
        for attempt in 0..ATTEMPTS {
            let link = match attempt {
                0 => self.0.writing().await?,
                _ => self.0.same_write()?,
            };
            let old = sqlx::query_as!(
                PhotoRecord,
                r#"
                    SELECT personnel_id, user_id, large_id, small_id, updated_at FROM photo
                    WHERE personnel_id = $1 OR user_id = $2
                    FOR UPDATE
                "#,
                agent,
                user,
            )
            .fetch_optional(link)
            .await;
            let old = self.0.settle(ENTITY, old)?;
            let old = self.0.decoded(old.map(Photo::try_from).transpose())?;
            if old.is_some() {
                self.update_photo(photo).await?;
                return Ok(old);
            }
            // It waits for a unit that stores the owner's first one at this moment, and leaves it to be replaced.
            if self.insert_photo(photo).await? {
                return Ok(None);
            }
        }
        Err(self.0.abandon(StoreError::Backend(BackendError::Contention {
            adapter: ADAPTER,
            source: None,
        })))
    }

    async fn delete(&mut self, owner: PhotoOwner) -> Result<Option<Photo>, StoreError> {
        let (agent, user) = columns(owner);
        let link = self.0.batch().await?;
        let old = sqlx::query_as!(
            PhotoRecord,
            r#"
                DELETE FROM photo WHERE personnel_id = $1 OR user_id = $2
                RETURNING personnel_id, user_id, large_id, small_id, updated_at
            "#,
            agent,
            user,
        )
        .fetch_optional(link)
        .await;
        let old = self.0.settle(ENTITY, old)?;
        self.0.decoded(old.map(Photo::try_from).transpose())
    }

    async fn find(&mut self, owner: PhotoOwner) -> Result<Option<Photo>, StoreError> {
        let (agent, user) = columns(owner);
        let link = self.0.reading().await?;
        let found = sqlx::query_as!(
            PhotoRecord,
            r#"
                SELECT personnel_id, user_id, large_id, small_id, updated_at FROM photo
                WHERE personnel_id = $1 OR user_id = $2
            "#,
            agent,
            user,
        )
        .fetch_optional(link)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(Photo::try_from).transpose())
    }

    async fn agents_with_photo(&mut self, agents: &[PersonnelId]) -> Result<Vec<Photo>, StoreError> {
        let agents: Vec<Uuid> = agents.iter().map(|agent| agent.as_uuid()).collect();
        let link = self.0.reading().await?;
        let found = sqlx::query_as!(
            PhotoRecord,
            r#"
                SELECT personnel_id, user_id, large_id, small_id, updated_at FROM photo
                WHERE personnel_id = ANY ($1) ORDER BY personnel_id
            "#,
            &agents,
        )
        .fetch_all(link)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.into_iter().map(Photo::try_from).collect())
    }
}
