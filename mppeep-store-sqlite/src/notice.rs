//! Notices to users.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use mppeep_core::domain::id::{NoticeId, UserId};
use mppeep_core::domain::notice::{Notice, NoticeKind};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::notice::{KEPT_PER_USER, NoticeRepository};
use uuid::Uuid;

use crate::codec::{code, instant, micros, number, optional_instant};
use crate::unit::Handle;

const ENTITY: &str = "notice";

/// A row of `notice`, in plain types.
struct NoticeRecord {
    id: Uuid,
    user_id: Uuid,
    kind: String,
    label: String,
    created_at: i64,
    read_at: Option<i64>,
}

impl TryFrom<NoticeRecord> for Notice {
    type Error = BackendError;

    fn try_from(row: NoticeRecord) -> Result<Self, BackendError> {
        Ok(Self {
            id: NoticeId::from_uuid(row.id),
            user: UserId::from_uuid(row.user_id),
            kind: code(&row.kind, NoticeKind::by_code, "notice.kind")?,
            label: row.label,
            created_at: instant(row.created_at, "notice.created_at")?,
            read_at: optional_instant(row.read_at, "notice.read_at")?,
        })
    }
}

impl Handle<'_> {
    async fn insert_notice(&mut self, notice: &Notice) -> Result<(), StoreError> {
        let conn = self.0.writing()?;
        let done = sqlx::query!(
            r#"
                INSERT INTO notice (notice_id, user_id, kind, label, created_at, read_at)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            "#,
            notice.id.as_uuid(),
            notice.user.as_uuid(),
            notice.kind.code(),
            notice.label,
            micros(notice.created_at),
            notice.read_at.map(micros),
        )
        .execute(conn)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }

    async fn remove_surplus(&mut self, user: UserId) -> Result<(), StoreError> {
        let conn = self.0.writing()?;
        let done = sqlx::query!(
            r#"
                DELETE FROM notice WHERE notice_id IN (
                    SELECT notice_id FROM notice WHERE user_id = ?1
                    ORDER BY created_at DESC, notice_id DESC LIMIT -1 OFFSET ?2
                )
            "#,
            user.as_uuid(),
            KEPT_PER_USER,
        )
        .execute(conn)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }
}

#[async_trait]
impl NoticeRepository for Handle<'_> {
    async fn insert(&mut self, notices: &[Notice]) -> Result<(), StoreError> {
        let mut written = false;
        for notice in notices {
            let done = self.insert_notice(notice).await;
            done.map_err(|err| if written { self.0.abandon(err) } else { err })?;
            written = true;
        }
        let users: BTreeSet<UserId> = notices.iter().map(|notice| notice.user).collect();
        for user in users {
            self.remove_surplus(user).await?;
        }
        Ok(())
    }

    async fn list(&mut self, user: UserId, limit: u32) -> Result<Vec<Notice>, StoreError> {
        let conn = self.0.reading()?;
        let rows = sqlx::query_as!(
            NoticeRecord,
            r#"
                SELECT notice_id AS "id: Uuid", user_id AS "user_id: Uuid", kind, label, created_at, read_at
                FROM notice WHERE user_id = ?1 ORDER BY created_at DESC, notice_id DESC LIMIT ?2
            "#,
            user.as_uuid(),
            limit,
        )
        .fetch_all(conn)
        .await;
        let rows = self.0.settle(ENTITY, rows)?;
        self.0.decoded(rows.into_iter().map(Notice::try_from).collect())
    }

    async fn unread(&mut self, user: UserId) -> Result<u64, StoreError> {
        let conn = self.0.reading()?;
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count: i64" FROM notice WHERE user_id = ?1 AND read_at IS NULL"#,
            user.as_uuid(),
        )
        .fetch_one(conn)
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
        let conn = self.0.writing()?;
        let done = sqlx::query!(
            r#"
                UPDATE notice SET read_at = ?3
                WHERE user_id = ?1 AND (?2 IS NULL OR notice_id = ?2) AND read_at IS NULL
            "#,
            user.as_uuid(),
            which.map(NoticeId::as_uuid),
            micros(at),
        )
        .execute(conn)
        .await;
        Ok(self.0.settle(ENTITY, done)?.rows_affected())
    }
}
