//! Sessions. Each operation is one statement, or one short transaction that locks the user's row first.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use mppeep_core::domain::id::{PersonnelId, SessionHandle, UserId};
use mppeep_core::domain::session::SessionKey;
use mppeep_core::domain::user::Role;
use mppeep_core::ports::epochs::Namespace;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::session::{Created, NewSession, Revoke, Session, SessionStore, SessionSummary};
use uuid::Uuid;

use crate::PgStore;
use crate::codec::{code, number, span_micros};
use crate::epochs::bump;
use crate::error;
use crate::link::Link;
use crate::store::read_twice;
use crate::user::unit_ref;

/// Use of a session is noted to the minute.
const NOTED_EVERY: Duration = Duration::from_secs(60);
/// How long a request waits to note the use of its session before it goes on without.
const NOTING_PATIENCE: Duration = Duration::from_millis(200);

/// Roles as they are stored.
pub(crate) fn roles_of(codes: &[String]) -> Result<BTreeSet<Role>, BackendError> {
    codes
        .iter()
        .map(|role| code(role, Role::by_code, "user_role.role"))
        .collect()
}

/// Whose session it is, if there is one. It never becomes another's.
async fn owner(link: Link<'_>, key: &SessionKey) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT user_id FROM session WHERE key_digest = $1 AND revoked_at IS NULL",
        key.0.as_slice()
    )
    .fetch_optional(link)
    .await
}

impl PgStore {
    /// Notes the use of a session, unless somebody else is doing so. That a busy database delays or loses the note is
    /// no failure of the request.
    async fn note_use(&self, key: &SessionKey) {
        let noted = async {
            sqlx::query!(
                r#"
                    WITH i AS MATERIALIZED (SELECT coalesce($1, clock_timestamp()) AS now),
                    due AS MATERIALIZED (
                        SELECT s.key_digest, i.now FROM session AS s CROSS JOIN i
                        WHERE s.key_digest = $2 AND s.revoked_at IS NULL AND s.last_used_at <= i.now - $3::bigint * interval '1 microsecond'
                        FOR UPDATE OF s SKIP LOCKED
                    )
                    UPDATE session AS s SET last_used_at = due.now FROM due WHERE s.key_digest = due.key_digest
                "#,
                self.now() as _,
                key.0.as_slice(),
                span_micros(NOTED_EVERY),
            )
            .execute(self.quick())
            .await
        };
        match tokio::time::timeout(NOTING_PATIENCE, noted).await {
            Ok(Ok(_)) => {}
            Ok(Err(err)) => tracing::debug!(error = %err, "the use of a session was not noted"),
            Err(_) => tracing::debug!("the use of a session was not noted in time"),
        }
    }

    /// Ends one session of a user.
    async fn revoke_one(
        &self,
        user: Uuid,
        key: Option<&SessionKey>,
        handle: Option<Uuid>,
    ) -> Result<u64, BackendError> {
        let mut tx = self.quick_transaction().await.map_err(error::backend)?;
        let lived = sqlx::query_scalar!(
            r#"
                WITH i AS MATERIALIZED (SELECT coalesce($1, clock_timestamp()) AS now)
                UPDATE session AS s SET revoked_at = i.now
                FROM i
                WHERE s.user_id = $2 AND (s.key_digest = $3 OR s.handle = $4) AND s.revoked_at IS NULL
                RETURNING s.expires_at > i.now AND EXISTS (
                    SELECT 1 FROM users AS u
                    WHERE u.user_id = s.user_id AND u.session_epoch = s.user_epoch AND u.status = 'active'
                ) AS "lived!"
            "#,
            self.now() as _,
            user,
            key.map(|key| key.0.as_slice()) as _,
            handle,
        )
        .fetch_optional(tx.link())
        .await
        .map_err(error::backend)?;
        let Some(lived) = lived else {
            tx.commit().await.map_err(error::backend)?;
            return Ok(0);
        };
        bump(tx.link(), &[Namespace::session_of(UserId::from_uuid(user))])
            .await
            .map_err(error::backend)?;
        tx.commit().await.map_err(error::commit)?;
        Ok(u64::from(lived))
    }

    /// Ends a user's sessions but perhaps one. The epoch moves, so that a login that read the user before this finds it
    /// stale; the spared session moves with it. The user's row is locked first: a login in flight is either before this,
    /// and its session seen here, or after it, and refused.
    async fn revoke_all(&self, user: Uuid, except: Option<Uuid>) -> Result<u64, BackendError> {
        let mut tx = self.quick_transaction().await.map_err(error::backend)?;
        let moved = sqlx::query!(
            r#"
                UPDATE users SET session_epoch = session_epoch + 1 WHERE user_id = $1
                RETURNING session_epoch, status = 'active' AS "active!"
            "#,
            user,
        )
        .fetch_optional(tx.link())
        .await
        .map_err(error::backend)?;
        let Some(moved) = moved else {
            tx.commit().await.map_err(error::backend)?;
            return Ok(0);
        };
        let lived = sqlx::query_scalar!(
            r#"
                WITH i AS MATERIALIZED (SELECT coalesce($1, clock_timestamp()) AS now)
                UPDATE session AS s SET revoked_at = i.now
                FROM i
                WHERE s.user_id = $2 AND s.revoked_at IS NULL AND s.handle IS DISTINCT FROM $3
                RETURNING s.expires_at > i.now AND s.user_epoch = $4::bigint - 1 AS "lived!"
            "#,
            self.now() as _,
            user,
            except,
            moved.session_epoch,
        )
        .fetch_all(tx.link())
        .await
        .map_err(error::backend)?;
        sqlx::query!(
            r#"
                UPDATE session SET user_epoch = $3::bigint
                WHERE handle = $2 AND user_id = $1 AND revoked_at IS NULL AND user_epoch = $3::bigint - 1
            "#,
            user,
            except,
            moved.session_epoch,
        )
        .execute(tx.link())
        .await
        .map_err(error::backend)?;
        bump(tx.link(), &[Namespace::session_of(UserId::from_uuid(user))])
            .await
            .map_err(error::backend)?;
        tx.commit().await.map_err(error::commit)?;
        let ended = lived.into_iter().map(u64::from).sum();
        Ok(if moved.active { ended } else { 0 })
    }
}

#[async_trait]
impl SessionStore for PgStore {
    async fn create(&self, new: NewSession) -> Result<Created, BackendError> {
        let done = sqlx::query!(
            r#"
                WITH u AS MATERIALIZED (
                    SELECT user_id, session_epoch FROM users
                    WHERE user_id = $4 AND session_epoch = $5 AND status = 'active'
                    FOR SHARE
                ), i AS MATERIALIZED (SELECT coalesce($1, clock_timestamp()) AS now)
                INSERT INTO session (
                    key_digest, handle, user_id, user_epoch, device, address, country, created_at, last_used_at,
                    expires_at
                )
                SELECT $2, $3, u.user_id, u.session_epoch, $6, $7, $9, i.now, i.now,
                       i.now + $8::bigint * interval '1 microsecond'
                FROM u CROSS JOIN i
                ON CONFLICT DO NOTHING
            "#,
            self.now() as _,
            new.key.0.as_slice(),
            new.handle.as_uuid(),
            new.user.as_uuid(),
            new.user_epoch,
            new.device,
            new.address,
            span_micros(new.lifetime),
            new.country,
        )
        .execute(self.quick())
        .await
        .map_err(error::commit)?;
        Ok(if done.rows_affected() == 1 {
            Created::Done
        } else {
            Created::StaleEpoch
        })
    }

    async fn load(&self, key: &SessionKey, idle: Option<Duration>) -> Result<Option<Session>, BackendError> {
        let now = self.now();
        let found = read_twice(|| {
            sqlx::query!(
            r#"
                WITH i AS MATERIALIZED (SELECT coalesce($1, clock_timestamp()) AS now)
                SELECT s.handle, s.user_id, s.expires_at, s.last_used_at <= i.now - $4::bigint * interval '1 microsecond' AS "to_note!",
                       u.email, u.display_name, u.must_change_password, u.charter_version, u.personnel_id,
                       u.perimeter_programme_id AS programme_id, u.perimeter_directorate_id AS directorate_id,
                       u.perimeter_department_id AS department_id,
                       ARRAY(SELECT r.role FROM user_role AS r WHERE r.user_id = u.user_id) AS "roles!"
                FROM i CROSS JOIN session AS s
                JOIN users AS u ON u.user_id = s.user_id AND u.session_epoch = s.user_epoch AND u.status = 'active'
                WHERE s.key_digest = $2 AND s.revoked_at IS NULL AND s.expires_at > i.now
                  AND ($3::bigint IS NULL OR s.last_used_at + $3::bigint * interval '1 microsecond' > i.now)
            "#,
            now as _,
            key.0.as_slice(),
            idle.map(span_micros),
            span_micros(NOTED_EVERY),
        )
        .fetch_optional(self.quick())
        })
        .await
        .map_err(error::backend)?;
        let Some(row) = found else { return Ok(None) };
        let session = Session {
            handle: SessionHandle::from_uuid(row.handle),
            user: UserId::from_uuid(row.user_id),
            email: row.email,
            display_name: row.display_name,
            roles: roles_of(&row.roles)?,
            personnel: row.personnel_id.map(PersonnelId::from_uuid),
            perimeter: unit_ref(row.programme_id, row.directorate_id, row.department_id),
            must_change_password: row.must_change_password,
            charter_version: number(row.charter_version, "users.charter_version")?,
            expires_at: row.expires_at.to_jiff(),
        };
        if row.to_note {
            self.note_use(key).await;
        }
        Ok(Some(session))
    }

    async fn revoke(&self, what: Revoke<'_>) -> Result<u64, BackendError> {
        match what {
            Revoke::Key(key) => {
                let user = read_twice(|| owner(self.quick(), key)).await;
                let user = user.map_err(error::backend)?;
                match user {
                    Some(user) => self.revoke_one(user, Some(key), None).await,
                    None => Ok(0),
                }
            }
            Revoke::Handle { user, handle } => {
                self.revoke_one(user.as_uuid(), None, Some(handle.as_uuid()))
                    .await
            }
            Revoke::User { user, except } => {
                self.revoke_all(user.as_uuid(), except.map(SessionHandle::as_uuid))
                    .await
            }
        }
    }

    async fn list(&self, user: UserId, idle: Option<Duration>) -> Result<Vec<SessionSummary>, BackendError> {
        let now = self.now();
        let rows = read_twice(|| {
            sqlx::query!(
            r#"
                WITH i AS MATERIALIZED (SELECT coalesce($1, clock_timestamp()) AS now)
                SELECT s.handle, s.device, s.address, s.country, s.created_at, s.last_used_at, s.expires_at
                FROM i CROSS JOIN session AS s
                JOIN users AS u ON u.user_id = s.user_id AND u.session_epoch = s.user_epoch AND u.status = 'active'
                WHERE s.user_id = $2 AND s.revoked_at IS NULL AND s.expires_at > i.now
                  AND ($3::bigint IS NULL OR s.last_used_at + $3::bigint * interval '1 microsecond' > i.now)
                ORDER BY s.created_at DESC, s.handle DESC
            "#,
            now as _,
            user.as_uuid(),
            idle.map(span_micros),
        )
        .fetch_all(self.quick())
        })
        .await
        .map_err(error::backend)?;
        let summaries = rows.into_iter().map(|row| SessionSummary {
            handle: SessionHandle::from_uuid(row.handle),
            device: row.device,
            address: row.address,
            country: row.country,
            created_at: row.created_at.to_jiff(),
            last_used_at: row.last_used_at.to_jiff(),
            expires_at: row.expires_at.to_jiff(),
        });
        Ok(summaries.collect())
    }
}
