//! Login accounts. What ends sessions moves the session epoch in the same statement.

use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::{Timestamp as StoredInstant, ToSqlx};
use mppeep_core::domain::email::Email;
use mppeep_core::domain::id::{DepartmentId, DirectorateId, PersonnelId, ProgrammeId, SessionHandle, UserId};
use mppeep_core::domain::organisation::UnitRef;
use mppeep_core::domain::text::fold;
use mppeep_core::domain::user::{Role, User, UserFields, UserStatus};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::page::{Cursor, Page, PageRequest, PageStart, SortValue};
use mppeep_core::ports::user::{Credentials, UserFilter, UserRepository, UserRow};
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::codec::{code, number};
use crate::error;
use crate::filter::{Builder, page_of, push_limit, push_words_in};
use crate::session::roles_of;
use crate::unit::Handle;

const ENTITY: &str = "user";
/// Names the lock of those who count the holders of a role; « role » in ASCII.
const ROLE_COUNT_LOCK: i64 = 0x726f_6c65;

/// The unit of a perimeter: at most one of the three is set.
pub(crate) fn unit_ref(
    programme: Option<Uuid>,
    directorate: Option<Uuid>,
    department: Option<Uuid>,
) -> Option<UnitRef> {
    programme
        .map(|id| UnitRef::Programme(ProgrammeId::from_uuid(id)))
        .or_else(|| directorate.map(|id| UnitRef::Directorate(DirectorateId::from_uuid(id))))
        .or_else(|| department.map(|id| UnitRef::Department(DepartmentId::from_uuid(id))))
}

/// A perimeter as the three columns.
fn perimeter_columns(perimeter: Option<UnitRef>) -> (Option<Uuid>, Option<Uuid>, Option<Uuid>) {
    match perimeter {
        None => (None, None, None),
        Some(UnitRef::Programme(id)) => (Some(id.as_uuid()), None, None),
        Some(UnitRef::Directorate(id)) => (None, Some(id.as_uuid()), None),
        Some(UnitRef::Department(id)) => (None, None, Some(id.as_uuid())),
    }
}

/// A row of `users` with its roles, in plain types.
#[derive(FromRow)]
struct UserRecord {
    id: Uuid,
    email: String,
    display_name: String,
    status: String,
    personnel_id: Option<Uuid>,
    programme_id: Option<Uuid>,
    directorate_id: Option<Uuid>,
    department_id: Option<Uuid>,
    password_hash: Option<String>,
    must_change_password: bool,
    charter_version: i64,
    session_epoch: i64,
    last_login_at: Option<StoredInstant>,
    version: i64,
    created_at: StoredInstant,
    updated_at: StoredInstant,
    roles: Vec<String>,
}

macro_rules! select_user {
    ($condition:tt $(, $argument:expr)*) => {
        sqlx::query_as!(
            UserRecord,
            r#"
                SELECT u.user_id AS id, u.email, u.display_name, u.status, u.personnel_id,
                       u.perimeter_programme_id AS programme_id, u.perimeter_directorate_id AS directorate_id,
                       u.perimeter_department_id AS department_id, u.password_hash, u.must_change_password,
                       u.charter_version, u.session_epoch, u.last_login_at, u.version, u.created_at, u.updated_at,
                       ARRAY(SELECT r.role FROM user_role AS r WHERE r.user_id = u.user_id) AS "roles!"
                FROM users AS u
            "# + $condition
            $(, $argument)*
        )
    };
}

impl TryFrom<UserRecord> for User {
    type Error = BackendError;

    fn try_from(row: UserRecord) -> Result<Self, BackendError> {
        let fields = UserFields {
            email: Email::from_stored(row.email),
            display_name: row.display_name,
            roles: roles_of(&row.roles)?,
            status: code(&row.status, UserStatus::by_code, "users.status")?,
            personnel: row.personnel_id.map(PersonnelId::from_uuid),
            perimeter: unit_ref(row.programme_id, row.directorate_id, row.department_id),
        };
        Ok(Self {
            id: UserId::from_uuid(row.id),
            fields,
            must_change_password: row.must_change_password,
            charter_version: number(row.charter_version, "users.charter_version")?,
            session_epoch: row.session_epoch,
            last_login_at: row.last_login_at.map(StoredInstant::to_jiff),
            version: row.version,
            created_at: row.created_at.to_jiff(),
            updated_at: row.updated_at.to_jiff(),
        })
    }
}

fn credentials(mut row: UserRecord) -> Result<Credentials, BackendError> {
    let password_hash = row.password_hash.take();
    Ok(Credentials {
        user: row.try_into()?,
        password_hash,
    })
}

/// What an address is unique by.
fn email_key(email: &Email) -> String {
    fold(email.as_str())
}

fn search_key(fields: &UserFields) -> String {
    fold(&format!("{} {}", fields.display_name, fields.email))
}

impl Handle<'_> {
    async fn set_roles(&mut self, user: &User) -> Result<(), StoreError> {
        let id = user.id.as_uuid();
        let roles: Vec<String> = user
            .fields
            .roles
            .iter()
            .map(|role| role.code().to_owned())
            .collect();
        let link = self.0.same_write()?;
        let done = sqlx::query!("DELETE FROM user_role WHERE user_id = $1", id)
            .execute(link)
            .await;
        self.0.settle(ENTITY, done)?;
        let link = self.0.same_write()?;
        let done = sqlx::query!(
            "INSERT INTO user_role (user_id, role) SELECT $1, unnest($2::text[])",
            id,
            &roles
        )
        .execute(link)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }

    fn user_of(
        &mut self,
        found: Result<Option<UserRecord>, sqlx::Error>,
    ) -> Result<Option<User>, StoreError> {
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(User::try_from).transpose())
    }

    fn credentials_in(
        &mut self,
        found: Result<Option<UserRecord>, sqlx::Error>,
    ) -> Result<Option<Credentials>, StoreError> {
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(credentials).transpose())
    }
}

fn build(filter: &UserFilter, now: Timestamp, page: &PageRequest) -> Builder {
    let mut query = Builder::new(
        "WITH filtered AS NOT MATERIALIZED (SELECT u.user_id AS id, u.name_key AS sort_key FROM users AS u WHERE TRUE",
    );
    push_words_in(&mut query, "u.search_key", &filter.words);
    if let Some(role) = filter.role {
        query.push(" AND EXISTS (SELECT 1 FROM user_role AS r WHERE r.user_id = u.user_id AND r.role = ");
        query.push_bind(role.code()).push(")");
    }
    if let Some(status) = filter.status {
        query.push(" AND u.status = ").push_bind(status.code());
    }
    query.push("), page AS MATERIALIZED (SELECT f.id, f.sort_key FROM filtered AS f");
    if let PageStart::After(Cursor {
        value: SortValue::Text(name),
        id,
    }) = &page.start
    {
        query
            .push(" WHERE (f.sort_key, f.id) > (")
            .push_bind(name.clone())
            .push(", ")
            .push_bind(*id)
            .push(")");
    }
    query.push(" ORDER BY f.sort_key, f.id");
    push_limit(&mut query, page);
    query.push(
        ") SELECT t.total, page.sort_key, u.user_id AS id, u.email, u.display_name, u.status, u.personnel_id, \
         u.perimeter_programme_id AS programme_id, u.perimeter_directorate_id AS directorate_id, \
         u.perimeter_department_id AS department_id, NULL::text AS password_hash, u.must_change_password, \
         u.charter_version, u.session_epoch, u.last_login_at, u.version, u.created_at, u.updated_at, \
         ARRAY(SELECT r.role FROM user_role AS r WHERE r.user_id = u.user_id) AS roles, \
         p.family_name || ' ' || p.given_names AS personnel_name, \
         (SELECT count(*) FROM session AS s WHERE s.user_id = u.user_id AND s.user_epoch = u.session_epoch \
          AND u.status = 'active' AND s.revoked_at IS NULL AND s.expires_at > ",
    );
    query.push_bind(now.to_sqlx());
    query.push(
        ") AS sessions FROM (SELECT count(*) AS total FROM filtered) AS t LEFT JOIN page ON TRUE \
         LEFT JOIN users AS u ON u.user_id = page.id LEFT JOIN personnel AS p ON p.personnel_id = u.personnel_id \
         ORDER BY page.sort_key, page.id",
    );
    query
}

fn decode(rows: &[sqlx::postgres::PgRow], limit: u32) -> Result<Page<UserRow>, BackendError> {
    let mut total = 0;
    let mut listed = Vec::new();
    for row in rows {
        total = row.try_get::<i64, _>("total").map_err(error::backend)?;
        let Some(id) = row.try_get::<Option<Uuid>, _>("id").map_err(error::backend)? else {
            continue;
        };
        let record = UserRecord::from_row(row).map_err(error::backend)?;
        let value = SortValue::Text(row.try_get("sort_key").map_err(error::backend)?);
        let user = UserRow {
            user: record.try_into()?,
            personnel_name: row.try_get("personnel_name").map_err(error::backend)?,
            session_count: number(
                row.try_get::<i64, _>("sessions").map_err(error::backend)?,
                "number of sessions",
            )?,
        };
        listed.push((Cursor { value, id }, user));
    }
    page_of(listed, limit, total)
}

#[async_trait]
impl UserRepository for Handle<'_> {
    async fn insert(&mut self, user: &User, password_hash: Option<&str>) -> Result<(), StoreError> {
        let (programme, directorate, department) = perimeter_columns(user.fields.perimeter);
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                INSERT INTO users (
                    user_id, email, email_key, display_name, name_key, search_key, status, personnel_id,
                    perimeter_programme_id, perimeter_directorate_id, perimeter_department_id, password_hash,
                    must_change_password, charter_version, session_epoch, last_login_at, version, created_at, updated_at
                )
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
            "#,
            user.id.as_uuid(),
            user.fields.email.as_str(),
            email_key(&user.fields.email),
            user.fields.display_name,
            fold(&user.fields.display_name),
            search_key(&user.fields),
            user.fields.status.code(),
            user.fields.personnel.map(PersonnelId::as_uuid),
            programme,
            directorate,
            department,
            password_hash,
            user.must_change_password,
            i64::from(user.charter_version),
            user.session_epoch,
            user.last_login_at.map(ToSqlx::to_sqlx) as _,
            user.version,
            user.created_at.to_sqlx() as _,
            user.updated_at.to_sqlx() as _,
        )
        .execute(link)
        .await;
        self.0.settle(ENTITY, done)?;
        self.set_roles(user).await
    }

    async fn update(&mut self, user: &User, end_sessions: bool) -> Result<(), StoreError> {
        let (programme, directorate, department) = perimeter_columns(user.fields.perimeter);
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                UPDATE users SET
                    email = $2, email_key = $3, display_name = $4, name_key = $5, search_key = $6, status = $7,
                    personnel_id = $8, perimeter_programme_id = $9, perimeter_directorate_id = $10,
                    perimeter_department_id = $11, must_change_password = $12, charter_version = $13,
                    session_epoch = session_epoch + $14::bigint, version = $15, updated_at = $16
                WHERE user_id = $1 AND version = $15::bigint - 1
            "#,
            user.id.as_uuid(),
            user.fields.email.as_str(),
            email_key(&user.fields.email),
            user.fields.display_name,
            fold(&user.fields.display_name),
            search_key(&user.fields),
            user.fields.status.code(),
            user.fields.personnel.map(PersonnelId::as_uuid),
            programme,
            directorate,
            department,
            user.must_change_password,
            i64::from(user.charter_version),
            i64::from(end_sessions),
            user.version,
            user.updated_at.to_sqlx() as _,
        )
        .execute(link)
        .await;
        if self.0.settle(ENTITY, done)?.rows_affected() == 0 {
            return Err(StoreError::StaleVersion);
        }
        self.set_roles(user).await
    }

    async fn set_password(
        &mut self,
        id: UserId,
        password_hash: &str,
        must_change: bool,
        except: Option<SessionHandle>,
    ) -> Result<(), StoreError> {
        let (id, except) = (id.as_uuid(), except.map(SessionHandle::as_uuid));
        let link = self.0.batch().await?;
        let done = sqlx::query!(
            r#"
                UPDATE users SET password_hash = $2, must_change_password = $3, session_epoch = session_epoch + 1
                WHERE user_id = $1
            "#,
            id,
            password_hash,
            must_change,
        )
        .execute(link)
        .await;
        if self.0.settle(ENTITY, done)?.rows_affected() == 0 {
            return Err(StoreError::StaleVersion);
        }
        // The spared session moves with the epoch, if it was live under the one before.
        let link = self.0.batch().await?;
        let done = sqlx::query!(
            r#"
                UPDATE session SET user_epoch = user_epoch + 1
                WHERE handle = $2 AND user_id = $1 AND revoked_at IS NULL
                  AND user_epoch = (SELECT u.session_epoch FROM users AS u WHERE u.user_id = $1) - 1
            "#,
            id,
            except,
        )
        .execute(link)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }

    async fn rehash(&mut self, id: UserId, old_hash: &str, new_hash: &str) -> Result<(), StoreError> {
        let link = self.0.batch().await?;
        let done = sqlx::query!(
            "UPDATE users SET password_hash = $3 WHERE user_id = $1 AND password_hash = $2",
            id.as_uuid(),
            old_hash,
            new_hash,
        )
        .execute(link)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }

    async fn note_login(&mut self, id: UserId, at: Timestamp) -> Result<(), StoreError> {
        let link = self.0.batch().await?;
        let done = sqlx::query!(
            "UPDATE users SET last_login_at = $2 WHERE user_id = $1",
            id.as_uuid(),
            at.to_sqlx() as _
        )
        .execute(link)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }

    async fn accept_charter(&mut self, id: UserId, version: u32) -> Result<(), StoreError> {
        let link = self.0.batch().await?;
        let done = sqlx::query!(
            "UPDATE users SET charter_version = $2 WHERE user_id = $1",
            id.as_uuid(),
            i64::from(version)
        )
        .execute(link)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }

    async fn find(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        let link = self.0.reading().await?;
        let found = select_user!("WHERE u.user_id = $1", id.as_uuid())
            .fetch_optional(link)
            .await;
        self.user_of(found)
    }

    async fn credentials(&mut self, email: &Email) -> Result<Option<Credentials>, StoreError> {
        let link = self.0.reading().await?;
        let found = select_user!("WHERE u.email_key = $1", email_key(email))
            .fetch_optional(link)
            .await;
        self.credentials_in(found)
    }

    async fn credentials_of(&mut self, id: UserId) -> Result<Option<Credentials>, StoreError> {
        let link = self.0.reading().await?;
        let found = select_user!("WHERE u.user_id = $1", id.as_uuid())
            .fetch_optional(link)
            .await;
        self.credentials_in(found)
    }

    async fn find_by_personnel(&mut self, personnel: PersonnelId) -> Result<Option<User>, StoreError> {
        let link = self.0.reading().await?;
        let found = select_user!("WHERE u.personnel_id = $1", personnel.as_uuid())
            .fetch_optional(link)
            .await;
        self.user_of(found)
    }

    async fn list(
        &mut self,
        filter: &UserFilter,
        now: Timestamp,
        page: &PageRequest,
    ) -> Result<Page<UserRow>, StoreError> {
        let mut query = build(filter, now, page);
        let link = self.0.reading().await?;
        let rows = query.build().fetch_all(link).await;
        let rows = self.0.settle(ENTITY, rows)?;
        self.0.decoded(decode(&rows, page.limit))
    }

    async fn count_active_with_role(&mut self, role: Role) -> Result<u64, StoreError> {
        if self.0.is_writable() {
            // Who counts before or after taking a role away does so after whoever else does it: the count sees his commit.
            let link = self.0.batch().await?;
            let locked = sqlx::query!(
                r#"SELECT pg_advisory_xact_lock($1) AS "locked: String""#,
                ROLE_COUNT_LOCK
            )
            .execute(link)
            .await;
            self.0.settle(ENTITY, locked)?;
        }
        let link = self.0.reading().await?;
        let count = sqlx::query_scalar!(
            r#"
                SELECT count(*) AS "count!" FROM user_role AS r JOIN users AS u ON u.user_id = r.user_id
                WHERE r.role = $1 AND u.status = 'active'
            "#,
            role.code(),
        )
        .fetch_one(link)
        .await;
        let count = self.0.settle(ENTITY, count)?;
        self.0.decoded(number(count, "a count"))
    }

    async fn count(&mut self) -> Result<u64, StoreError> {
        let link = self.0.reading().await?;
        let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM users"#)
            .fetch_one(link)
            .await;
        let count = self.0.settle(ENTITY, count)?;
        self.0.decoded(number(count, "a count"))
    }
}
