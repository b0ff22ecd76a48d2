//! Photographs: which contents show whom.

use async_trait::async_trait;
use mppeep_core::domain::id::{PersonnelId, StoredFileId, UserId};
use mppeep_core::domain::photo::{Photo, PhotoOwner};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::photo::PhotoRepository;
use uuid::Uuid;

use crate::codec::{id_array, instant, micros};
use crate::error::ADAPTER;
use crate::unit::Handle;

const ENTITY: &str = "photo";

/// A row of `photo`, in plain types.
struct PhotoRecord {
    personnel_id: Option<Uuid>,
    user_id: Option<Uuid>,
    large_id: Uuid,
    small_id: Uuid,
    updated_at: i64,
}

impl TryFrom<PhotoRecord> for Photo {
    type Error = BackendError;

    fn try_from(row: PhotoRecord) -> Result<Self, BackendError> {
        let owner = match (row.personnel_id, row.user_id) {
            (Some(id), None) => PhotoOwner::Personnel(PersonnelId::from_uuid(id)),
            (None, Some(id)) => PhotoOwner::User(UserId::from_uuid(id)),
            _ => return Err(BackendError::corrupt(ADAPTER, "photo.personnel_id")),
        };
        Ok(Self {
            owner,
            large: StoredFileId::from_uuid(row.large_id),
            small: StoredFileId::from_uuid(row.small_id),
            updated_at: instant(row.updated_at, "photo.updated_at")?,
        })
    }
}

/// The two columns of an owner, one of which is empty.
fn columns(owner: PhotoOwner) -> (Option<Uuid>, Option<Uuid>) {
    match owner {
        PhotoOwner::Personnel(id) => (Some(id.as_uuid()), None),
        PhotoOwner::User(id) => (None, Some(id.as_uuid())),
    }
}

#[async_trait]
impl PhotoRepository for Handle<'_> {
    async fn put(&mut self, photo: &Photo) -> Result<Option<Photo>, StoreError> {
        let earlier = PhotoRepository::delete(self, photo.owner).await?;
        let (personnel, user) = columns(photo.owner);
        let conn = self.0.writing()?;
        let done = sqlx::query!(
            "INSERT INTO photo (personnel_id, user_id, large_id, small_id, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            personnel,
            user,
            photo.large.as_uuid(),
            photo.small.as_uuid(),
            micros(photo.updated_at),
        )
        .execute(conn)
        .await;
        let done = self.0.settle(ENTITY, done);
        // The earlier one is gone already: that must not be committed alone.
        done.map_err(|err| {
            if earlier.is_some() {
                self.0.abandon(err)
            } else {
                err
            }
        })?;
        Ok(earlier)
    }

    async fn delete(&mut self, owner: PhotoOwner) -> Result<Option<Photo>, StoreError> {
        let (personnel, user) = columns(owner);
        let conn = self.0.writing()?;
        let removed = sqlx::query_as!(
            PhotoRecord,
            r#"
                DELETE FROM photo WHERE personnel_id = ?1 OR user_id = ?2
                RETURNING personnel_id AS "personnel_id: Uuid", user_id AS "user_id: Uuid",
                          large_id AS "large_id!: Uuid", small_id AS "small_id!: Uuid", updated_at AS "updated_at!"
            "#,
            personnel,
            user,
        )
        .fetch_optional(conn)
        .await;
        let removed = self.0.settle(ENTITY, removed)?;
        self.0.decoded(removed.map(Photo::try_from).transpose())
    }

    async fn find(&mut self, owner: PhotoOwner) -> Result<Option<Photo>, StoreError> {
        let (personnel, user) = columns(owner);
        let conn = self.0.reading()?;
        let found = sqlx::query_as!(
            PhotoRecord,
            r#"
                SELECT personnel_id AS "personnel_id: Uuid", user_id AS "user_id: Uuid", large_id AS "large_id: Uuid",
                       small_id AS "small_id: Uuid", updated_at
                FROM photo WHERE personnel_id = ?1 OR user_id = ?2
            "#,
            personnel,
            user,
        )
        .fetch_optional(conn)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(Photo::try_from).transpose())
    }

    async fn agents_with_photo(&mut self, agents: &[PersonnelId]) -> Result<Vec<Photo>, StoreError> {
        let conn = self.0.reading()?;
        let found = sqlx::query_as!(
            PhotoRecord,
            r#"
                SELECT personnel_id AS "personnel_id: Uuid", user_id AS "user_id: Uuid", large_id AS "large_id: Uuid",
                       small_id AS "small_id: Uuid", updated_at
                FROM photo WHERE personnel_id IN (SELECT unhex(value) FROM json_each(?1)) ORDER BY personnel_id
            "#,
            id_array(agents.iter().map(|agent| agent.as_uuid())),
        )
        .fetch_all(conn)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.into_iter().map(Photo::try_from).collect())
    }
}
