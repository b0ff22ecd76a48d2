//! Sessions. Each operation is one statement, or one unit that holds the write lock from its start.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use mppeep_core::domain::id::{PersonnelId, SessionHandle, UserId};
use mppeep_core::domain::session::SessionKey;
use mppeep_core::domain::user::Role;
use mppeep_core::ports::epochs::Namespace;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::session::{Created, NewSession, Revoke, Session, SessionStore, SessionSummary};
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::SqliteStore;
use crate::codec::{code, instant, number, span_micros};
use crate::error;
use crate::user::unit_ref;

/// Use of a session is noted to the minute.
const NOTED_EVERY_MICROS: i64 = 60_000_000;
/// How long a request waits to note the use of its session before it goes on without.
const NOTING_PATIENCE: Duration = Duration::from_millis(200);

/// Roles as `group_concat` gives them.
pub(crate) fn roles_of(list: Option<&str>) -> Result<BTreeSet<Role>, BackendError> {
    list.into_iter()
        .flat_map(|list| list.split(','))
        .map(|role| code(role, Role::by_code, "user_role.role"))
        .collect()
}

/// Bumps the epoch of the copies of a user's sessions, as the last statement of what ends one.
async fn forget_copies(conn: &mut SqliteConnection, user: UserId) -> Result<(), BackendError> {
    sqlx::query!(
        r#"
            INSERT INTO cache_epoch (namespace, value) VALUES (?1, 1)
            ON CONFLICT (namespace) DO UPDATE SET value = value + 1
        "#,
        Namespace::session_of(user).0,
    )
    .execute(conn)
    .await
    .map_err(error::backend)?;
    Ok(())
}

impl SqliteStore {
    /// Notes the use of a session. That a busy database delays or loses the note is no failure of the request.
    async fn note_use(&self, key: &SessionKey) {
        let now = self.now();
        let key = key.0.as_slice();
        let noted = async {
            sqlx::query!(
                r#"
                    WITH instant AS (SELECT coalesce(?1, (SELECT now_us FROM clock)) AS now)
                    UPDATE session SET last_used_at = (SELECT now FROM instant)
                    WHERE key_digest = ?2 AND revoked_at IS NULL
                      AND last_used_at <= (SELECT now FROM instant) - ?3
                "#,
                now,
                key,
                NOTED_EVERY_MICROS,
            )
            .execute(self.writer())
            .await
        };
        match tokio::time::timeout(NOTING_PATIENCE, noted).await {
            Ok(Ok(_)) => {}
            Ok(Err(err)) => tracing::debug!(error = %err, "the use of a session was not noted"),
            Err(_) => tracing::debug!("the use of a session was not noted in time"),
        }
    }
}

#[async_trait]
impl SessionStore for SqliteStore {
    async fn create(&self, new: NewSession) -> Result<Created, BackendError> {
        let now = self.now();
        let key = new.key.0.as_slice();
        let (handle, user, lifetime) = (
            new.handle.as_uuid(),
            new.user.as_uuid(),
            span_micros(new.lifetime),
        );
        let done = sqlx::query!(
            r#"
                INSERT INTO session (
                    key_digest, handle, user_id, user_epoch, device, address, country, created_at, last_used_at,
                    expires_at
                )
                SELECT ?2, ?3, u.user_id, u.session_epoch, ?6, ?7, ?9, i.now, i.now, i.now + ?8
                FROM users AS u, (SELECT coalesce(?1, (SELECT now_us FROM clock)) AS now) AS i
                WHERE u.user_id = ?4 AND u.session_epoch = ?5 AND u.status = 'active'
                ON CONFLICT DO NOTHING
            "#,
            now,
            key,
            handle,
            user,
            new.user_epoch,
            new.device,
            new.address,
            lifetime,
            new.country,
        )
        .execute(self.writer())
        .await
        .map_err(error::backend)?;
        Ok(if done.rows_affected() == 1 {
            Created::Done
        } else {
            Created::StaleEpoch
        })
    }

    async fn load(&self, key: &SessionKey, idle: Option<Duration>) -> Result<Option<Session>, BackendError> {
        let (now, digest, idle) = (self.now(), key.0.as_slice(), idle.map(span_micros));
        let found = sqlx::query!(
            r#"
                SELECT s.handle AS "handle: Uuid", s.user_id AS "user_id: Uuid", s.expires_at,
                       s.last_used_at <= i.now - ?4 AS "to_note!: bool",
                       u.email, u.display_name, u.must_change_password AS "must_change_password: bool",
                       u.charter_version, u.personnel_id AS "personnel_id: Uuid",
                       u.perimeter_programme_id AS "programme_id: Uuid",
                       u.perimeter_directorate_id AS "directorate_id: Uuid",
                       u.perimeter_department_id AS "department_id: Uuid",
                       (SELECT group_concat(r.role) FROM user_role AS r WHERE r.user_id = u.user_id) AS "roles: String"
                FROM session AS s
                JOIN users AS u ON u.user_id = s.user_id AND u.session_epoch = s.user_epoch AND u.status = 'active'
                CROSS JOIN (SELECT coalesce(?1, (SELECT now_us FROM clock)) AS now) AS i
                WHERE s.key_digest = ?2 AND s.revoked_at IS NULL AND s.expires_at > i.now
                  AND (?3 IS NULL OR s.last_used_at + ?3 > i.now)
            "#,
            now,
            digest,
            idle,
            NOTED_EVERY_MICROS,
        )
        .fetch_optional(self.quick())
        .await
        .map_err(error::backend)?;
        let Some(row) = found else { return Ok(None) };
        let session = Session {
            handle: SessionHandle::from_uuid(row.handle),
            user: UserId::from_uuid(row.user_id),
            email: row.email,
            display_name: row.display_name,
            roles: roles_of(row.roles.as_deref())?,
            personnel: row.personnel_id.map(PersonnelId::from_uuid),
            perimeter: unit_ref(row.programme_id, row.directorate_id, row.department_id),
            must_change_password: row.must_change_password,
            charter_version: number(row.charter_version, "users.charter_version")?,
            expires_at: instant(row.expires_at, "session.expires_at")?,
        };
        if row.to_note {
            self.note_use(key).await;
        }
        Ok(Some(session))
    }

    async fn revoke(&self, what: Revoke<'_>) -> Result<u64, BackendError> {
        let now = self.now();
        let (key, handle, user) = match what {
            Revoke::Key(key) => (Some(key.0.as_slice()), None, None),
            Revoke::Handle { user, handle } => (None, Some(handle.as_uuid()), Some(user.as_uuid())),
            Revoke::User { user, except } => return self.revoke_all(user, except).await,
        };
        let mut tx = self.immediate().await.map_err(error::backend)?;
        let revoked = sqlx::query!(
            r#"
                UPDATE session SET revoked_at = coalesce(?1, (SELECT now_us FROM clock))
                WHERE key_digest = coalesce(?2, (SELECT s.key_digest FROM session AS s WHERE s.handle = ?3 AND s.user_id = ?4))
                  AND revoked_at IS NULL
                RETURNING user_id AS "user_id!: Uuid",
                    expires_at > coalesce(?1, (SELECT now_us FROM clock)) AND EXISTS (
                        SELECT 1 FROM users AS u
                        WHERE u.user_id = session.user_id AND u.session_epoch = session.user_epoch
                          AND u.status = 'active'
                    ) AS "lived!: bool"
            "#,
            now,
            key,
            handle,
            user,
        )
        .fetch_optional(&mut *tx)
        .await
        .map_err(error::backend)?;
        let Some(revoked) = revoked else { return Ok(0) };
        forget_copies(&mut tx, UserId::from_uuid(revoked.user_id)).await?;
        tx.commit().await.map_err(error::commit)?;
        Ok(u64::from(revoked.lived))
    }

    async fn list(&self, user: UserId, idle: Option<Duration>) -> Result<Vec<SessionSummary>, BackendError> {
        let (now, user, idle) = (self.now(), user.as_uuid(), idle.map(span_micros));
        let rows = sqlx::query!(
            r#"
                SELECT s.handle AS "handle: Uuid", s.device, s.address, s.country, s.created_at, s.last_used_at, s.expires_at
                FROM session AS s
                JOIN users AS u ON u.user_id = s.user_id AND u.session_epoch = s.user_epoch AND u.status = 'active'
                CROSS JOIN (SELECT coalesce(?1, (SELECT now_us FROM clock)) AS now) AS i
                WHERE s.user_id = ?2 AND s.revoked_at IS NULL AND s.expires_at > i.now
                  AND (?3 IS NULL OR s.last_used_at + ?3 > i.now)
                ORDER BY s.created_at DESC, s.handle DESC
            "#,
            now,
            user,
            idle,
        )
        .fetch_all(self.quick())
        .await
        .map_err(error::backend)?;
        rows.into_iter()
            .map(|row| {
                Ok(SessionSummary {
                    handle: SessionHandle::from_uuid(row.handle),
                    device: row.device,
                    address: row.address,
                    country: row.country,
                    created_at: instant(row.created_at, "session.created_at")?,
                    last_used_at: instant(row.last_used_at, "session.last_used_at")?,
                    expires_at: instant(row.expires_at, "session.expires_at")?,
                })
            })
            .collect()
    }
}

impl SqliteStore {
    /// Ends a user's sessions but perhaps one. The epoch moves, so that a login that read the user before this finds it
    /// stale; the spared session moves with it.
    async fn revoke_all(&self, user: UserId, except: Option<SessionHandle>) -> Result<u64, BackendError> {
        let (now, user, except) = (self.now(), user.as_uuid(), except.map(SessionHandle::as_uuid));
        let mut tx = self.immediate().await.map_err(error::backend)?;
        let lived = sqlx::query_scalar!(
            r#"
                UPDATE session SET revoked_at = coalesce(?1, (SELECT now_us FROM clock))
                WHERE user_id = ?2 AND revoked_at IS NULL AND (?3 IS NULL OR handle <> ?3)
                RETURNING expires_at > coalesce(?1, (SELECT now_us FROM clock)) AND EXISTS (
                    SELECT 1 FROM users AS u
                    WHERE u.user_id = session.user_id AND u.session_epoch = session.user_epoch AND u.status = 'active'
                ) AS "lived!: bool"
            "#,
            now,
            user,
            except,
        )
        .fetch_all(&mut *tx)
        .await
        .map_err(error::backend)?;
        sqlx::query!(
            r#"
                UPDATE session SET user_epoch = user_epoch + 1
                WHERE user_id = ?1 AND revoked_at IS NULL
                  AND user_epoch = (SELECT u.session_epoch FROM users AS u WHERE u.user_id = ?1)
            "#,
            user,
        )
        .execute(&mut *tx)
        .await
        .map_err(error::backend)?;
        sqlx::query!(
            "UPDATE users SET session_epoch = session_epoch + 1 WHERE user_id = ?1",
            user
        )
        .execute(&mut *tx)
        .await
        .map_err(error::backend)?;
        forget_copies(&mut tx, UserId::from_uuid(user)).await?;
        tx.commit().await.map_err(error::commit)?;
        Ok(lived.into_iter().map(u64::from).sum())
    }
}
