//! Notices to users.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::Timestamp as StoredInstant;
use mppeep_core::domain::id::{NoticeId, UserId};
use mppeep_core::domain::notice::{Notice, NoticeKind};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::notice::{KEPT_PER_USER, NoticeRepository};
use uuid::Uuid;

use crate::codec::{code, number, stored};
use crate::unit::Handle;

const ENTITY: &str = "notice";

/// A row of `notice`, in plain types.
struct NoticeRecord {
    id: Uuid,
    user_id: Uuid,
    kind: String,
    label: String,
    created_at: StoredInstant,
    read_at: Option<StoredInstant>,
}

impl TryFrom<NoticeRecord> for Notice {
    type Error = BackendError;

    fn try_from(row: NoticeRecord) -> Result<Self, BackendError> {
        Ok(Self {
            id: NoticeId::from_uuid(row.id),
            user: UserId::from_uuid(row.user_id),
            kind: code(&row.kind, NoticeKind::by_code, "notice.kind")?,
            label: row.label,
            created_at: row.created_at.to_jiff(),
            read_at: row.read_at.map(StoredInstant::to_jiff),
        })
    }
}

/// Notices as columns, for a statement that stores all.
#[derive(Default)]
struct Columns {
    ids: Vec<Uuid>,
    users: Vec<Uuid>,
    kinds: Vec<String>,
    labels: Vec<String>,
    created: Vec<StoredInstant>,
    read: Vec<Option<StoredInstant>>,
}

impl Columns {
    fn of(notices: &[Notice]) -> Self {
        let mut columns = Self::default();
        for notice in notices {
            columns.ids.push(notice.id.as_uuid());
            columns.users.push(notice.user.as_uuid());
            columns.kinds.push(notice.kind.code().to_owned());
            columns.labels.push(notice.label.clone());
            columns.created.push(stored(notice.created_at));
            columns.read.push(notice.read_at.map(stored));
        }
        columns
    }
}

impl Handle<'_> {
    /// Removes what is over the number that is kept; what another unit is removing is left to it.
    async fn remove_surplus(&mut self, users: &[Uuid]) -> Result<(), StoreError> {
        let link = self.0.same_write()?;
        let done = sqlx::query!(
            r#"
                WITH surplus AS MATERIALIZED (
                    SELECT n.notice_id FROM notice AS n
                    WHERE n.notice_id IN (
                        SELECT r.notice_id FROM (
                            SELECT m.notice_id,
                                   row_number() OVER (
                                       PARTITION BY m.user_id ORDER BY m.created_at DESC, m.notice_id DESC
                                   ) AS place
                            FROM notice AS m WHERE m.user_id = ANY ($1)
                        ) AS r
                        WHERE r.place > $2
                    )
                    FOR UPDATE SKIP LOCKED
                )
                DELETE FROM notice AS n USING surplus WHERE n.notice_id = surplus.notice_id
            "#,
            users,
            i64::from(KEPT_PER_USER),
        )
        .execute(link)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }
}

#[async_trait]
impl NoticeRepository for Handle<'_> {
    async fn insert(&mut self, notices: &[Notice]) -> Result<(), StoreError> {
        let columns = Columns::of(notices);
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                INSERT INTO notice (notice_id, user_id, kind, label, created_at, read_at)
                SELECT * FROM unnest(
                    $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[]
                )
            "#,
            &columns.ids,
            &columns.users,
            &columns.kinds,
            &columns.labels,
            &columns.created as _,
            &columns.read as _,
        )
        .execute(link)
        .await;
        self.0.settle(ENTITY, done)?;
        let users: BTreeSet<Uuid> = columns.users.into_iter().collect();
        let users: Vec<Uuid> = users.into_iter().collect();
        self.remove_surplus(&users).await
    }

    async fn list(&mut self, user: UserId, limit: u32) -> Result<Vec<Notice>, StoreError> {
        let link = self.0.reading().await?;
        let rows = sqlx::query_as!(
            NoticeRecord,
            r#"
                SELECT notice_id AS id, user_id, kind, label, created_at, read_at
                FROM notice WHERE user_id = $1 ORDER BY created_at DESC, notice_id DESC LIMIT $2
            "#,
            user.as_uuid(),
            i64::from(limit),
        )
        .fetch_all(link)
        .await;
        let rows = self.0.settle(ENTITY, rows)?;
        self.0.decoded(rows.into_iter().map(Notice::try_from).collect())
    }

    async fn unread(&mut self, user: UserId) -> Result<u64, StoreError> {
        let link = self.0.reading().await?;
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM notice WHERE user_id = $1 AND read_at IS NULL"#,
            user.as_uuid(),
        )
        .fetch_one(link)
        .await;
        let count = self.0.settle(ENTITY, count)?;
        self.0.decoded(number(count, "a count"))
    }

    async fn mark_read(
        &mut self,
        user: UserId,
        which: Option<NoticeId>,
        at: Timestamp,
    ) -> Result<u64, StoreError> {
        let link = self.0.batch().await?;
        let done = sqlx::query!(
            r#"
                UPDATE notice SET read_at = $3
                WHERE user_id = $1 AND ($2::uuid IS NULL OR notice_id = $2) AND read_at IS NULL
            "#,
            user.as_uuid(),
            which.map(NoticeId::as_uuid),
            stored(at) as _,
        )
        .execute(link)
        .await;
        Ok(self.0.settle(ENTITY, done)?.rows_affected())
    }
}
