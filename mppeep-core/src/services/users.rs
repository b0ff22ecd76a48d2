//! Login accounts: list, create, change, password set by an administrator, sessions ended.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::context::{Context, Note, require_all};
use super::error::ServiceError;
use crate::domain::activity::{ActivityAction, EntityKind, FieldChange, described_changes};
use crate::domain::id::{PersonnelId, UserId};
use crate::domain::organisation::UnitRef;
use crate::domain::password;
use crate::domain::permission::{Action, Actor, Resource};
use crate::domain::user::{Role, User, UserFields, UserInput, UserStatus};
use crate::domain::validation::Violations;
use crate::ports::epochs::Namespace;
use crate::ports::letters::Letter;
use crate::ports::page::{Page, PageRequest};
use crate::ports::password::PasswordHasher;
use crate::ports::session::{Revoke, SessionStore, SessionSummary};
use crate::ports::store::UnitOfWork;
use crate::ports::user::{UserFilter, UserRow};

const MADE_WRONG: &[Namespace] = &[Namespace::PERSONNEL, Namespace::USERS];

/// Characters of generated passwords: no two that look alike.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789-";

/// Login accounts.
pub struct UserService {
    context: Arc<Context>,
    sessions: Arc<dyn SessionStore>,
    hasher: Arc<dyn PasswordHasher>,
}

impl UserService {
    /// The service over its ports.
    pub fn new(
        context: Arc<Context>,
        sessions: Arc<dyn SessionStore>,
        hasher: Arc<dyn PasswordHasher>,
    ) -> Self {
        Self {
            context,
            sessions,
            hasher,
        }
    }

    /// A page of the accounts, by name.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn list(
        &self,
        actor: &Actor,
        filter: &UserFilter,
        page: &PageRequest,
    ) -> Result<Page<UserRow>, ServiceError> {
        require_all(actor, Resource::User, Action::Read)?;
        let mut unit = self.context.store().begin_read().await?;
        Ok(unit.users().list(filter, self.context.now(), page).await?)
    }

    /// One account.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Store`.
    pub async fn get(&self, actor: &Actor, id: UserId) -> Result<User, ServiceError> {
        require_all(actor, Resource::User, Action::Read)?;
        let mut unit = self.context.store().begin_read().await?;
        find(&mut unit, id).await
    }

    /// The account of an agent, for who may see accounts.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn of_personnel(
        &self,
        actor: &Actor,
        personnel: PersonnelId,
    ) -> Result<Option<User>, ServiceError> {
        require_all(actor, Resource::User, Action::Read)?;
        let mut unit = self.context.store().begin_read().await?;
        Ok(unit.users().find_by_personnel(personnel).await?)
    }

    /// The actor's own account.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn own(&self, actor: &Actor) -> Result<User, ServiceError> {
        let id = actor.user.ok_or(ServiceError::NotFound(EntityKind::User))?;
        let mut unit = self.context.store().begin_read().await?;
        find(&mut unit, id).await
    }

    /// An account's live sessions.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn sessions(&self, actor: &Actor, id: UserId) -> Result<Vec<SessionSummary>, ServiceError> {
        require_all(actor, Resource::User, Action::Read)?;
        Ok(self.sessions.list(id, None).await?)
    }

    /// What an account may do, as an actor that asks nothing: for the page that explains its rights.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Store`.
    pub async fn rights_of(&self, actor: &Actor, id: UserId) -> Result<Actor, ServiceError> {
        let user = self.get(actor, id).await?;
        let organisation = self.context.organisation().await?;
        let headed = user
            .fields
            .personnel
            .map(|id| organisation.headed_by(id))
            .unwrap_or_default();
        let director = headed
            .iter()
            .any(|unit| matches!(unit, UnitRef::Programme(_) | UnitRef::Directorate(_)));
        let perimeter = user
            .fields
            .perimeter
            .filter(|_| user.fields.roles.contains(&Role::Cs));
        Ok(Actor {
            user: Some(user.id),
            display_name: user.fields.display_name,
            email: user.fields.email.to_string(),
            roles: user.fields.roles,
            personnel: user.fields.personnel,
            departments: self
                .context
                .departments_of(headed.into_iter().chain(perimeter))
                .await?,
            director,
            demonstration: self.context.is_demonstration().await?,
            ..Actor::operator("")
        })
    }

    /// Creates an account. Without a password one is made; it is returned once, and must be changed at the first login
    /// as any password that somebody else chose.
    ///
    /// # Errors
    /// `Forbidden`, `Invalid`, `Taken` on `email` or `personnel_id`, `ReadOnlyMode`, `Store`.
    pub async fn create(
        &self,
        actor: &Actor,
        input: &UserInput,
        password: Option<&str>,
    ) -> Result<(User, Option<String>), ServiceError> {
        self.insert(actor, input, password, true).await
    }

    /// Creates an account whose owner chose the password himself: the first administrator, and demonstrations.
    ///
    /// # Errors
    /// As `create`.
    pub async fn create_owned(
        &self,
        actor: &Actor,
        input: &UserInput,
        password: &str,
    ) -> Result<User, ServiceError> {
        self.insert(actor, input, Some(password), false)
            .await
            .map(|(user, _)| user)
    }

    async fn insert(
        &self,
        actor: &Actor,
        input: &UserInput,
        password: Option<&str>,
        must_change_password: bool,
    ) -> Result<(User, Option<String>), ServiceError> {
        require_all(actor, Resource::User, Action::Write)?;
        let mut violations = Violations::default();
        let parsed = UserFields::parse(input);
        if let Some(password) = password {
            let own = [input.email.as_str(), input.display_name.as_str()];
            violations.take(
                "password",
                password::check(password, self.min_length().await?, &own),
            );
        }
        let fields = match parsed {
            Ok(fields) => violations.into_result(fields)?,
            Err(mut broken) => {
                broken.0.extend(violations.0);
                return Err(broken.into());
            }
        };
        self.check_links(&fields).await?;
        let generated = password.is_none().then(|| self.generate());
        let hash = self
            .hasher
            .hash(password.or(generated.as_deref()).unwrap_or_default())
            .await?;
        let now = self.context.now();
        let user = User {
            id: UserId::new(self.context.clock(), self.context.entropy()),
            fields,
            must_change_password,
            charter_version: 0,
            session_epoch: 1,
            last_login_at: None,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let changed = described_changes(&[], &user.fields.describe());
        let line = self
            .context
            .activity(actor, note(ActivityAction::Created, &user, changed));
        let mut unit = self.context.begin().await?;
        unit.users().insert(&user, Some(&hash)).await?;
        unit.activities().append(&[line]).await?;
        self.context.commit(unit, MADE_WRONG).await?;
        Ok((user, generated))
    }

    async fn min_length(&self) -> Result<usize, ServiceError> {
        Ok(usize::from(
            self.context.settings().await?.security.password_min_length,
        ))
    }

    /// A password of 20 characters of 5 bits each.
    fn generate(&self) -> String {
        let mut bytes = [0u8; 20];
        self.context.entropy().fill(&mut bytes);
        bytes
            .iter()
            .map(|byte| ALPHABET.get(usize::from(byte % 32)).copied().unwrap_or(b'a'))
            .map(char::from)
            .collect()
    }

    /// The agent has a file and the unit exists.
    async fn check_links(&self, fields: &UserFields) -> Result<(), ServiceError> {
        if let Some(id) = fields.personnel {
            let mut unit = self.context.store().begin_read().await?;
            if unit.personnel().find(id).await?.is_none() {
                return Err(ServiceError::unknown("personnel_id"));
            }
        }
        if let Some(perimeter) = fields.perimeter
            && self.context.organisation().await?.unit(perimeter).is_none()
        {
            return Err(ServiceError::unknown("perimeter"));
        }
        Ok(())
    }

    /// Changes an account. A change of address, roles, status, link or perimeter ends its sessions. The last active
    /// administrator stays one.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Invalid`, `Stale`, `Taken`, `State("last-administrator")`, `ReadOnlyMode`, `Store`.
    pub async fn update(
        &self,
        actor: &Actor,
        id: UserId,
        version: i64,
        input: &UserInput,
    ) -> Result<User, ServiceError> {
        require_all(actor, Resource::User, Action::Write)?;
        let fields = UserFields::parse(input)?;
        self.check_links(&fields).await?;
        let mut unit = self.context.begin().await?;
        let before = find(&mut unit, id).await?;
        if before.version != version {
            return Err(ServiceError::Stale);
        }
        let changed = described_changes(&before.fields.describe(), &fields.describe());
        if changed.is_empty() {
            return Ok(before);
        }
        let is_admin =
            |fields: &UserFields| fields.status == UserStatus::Active && fields.roles.contains(&Role::Admin);
        if is_admin(&before.fields)
            && !is_admin(&fields)
            && unit.users().count_active_with_role(Role::Admin).await? <= 1
        {
            return Err(ServiceError::State("last-administrator"));
        }
        let end_sessions = changed.iter().any(|change| change.field != "display_name");
        let after = User {
            fields,
            session_epoch: before.session_epoch + i64::from(end_sessions),
            version: before.version + 1,
            updated_at: self.context.now(),
            ..before
        };
        let line = self
            .context
            .activity(actor, note(ActivityAction::Updated, &after, changed));
        unit.users().update(&after, end_sessions).await?;
        unit.activities().append(&[line]).await?;
        let wrong = [Namespace::PERSONNEL, Namespace::USERS, Namespace::session_of(id)];
        self.context.commit(unit, &wrong).await?;
        Ok(after)
    }

    /// Gives an account a new password, made when none is given; it is returned once and must be changed at the next
    /// login. The account's sessions end.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Invalid` on `password`, `Store`.
    pub async fn reset_password(
        &self,
        actor: &Actor,
        id: UserId,
        password: Option<&str>,
    ) -> Result<Option<String>, ServiceError> {
        require_all(actor, Resource::User, Action::Write)?;
        let user = self.get(actor, id).await?;
        if let Some(password) = password {
            let own = [user.fields.email.as_str(), user.fields.display_name.as_str()];
            password::check(password, self.min_length().await?, &own)
                .map_err(|rule| Violations::one("password", rule))?;
        }
        let generated = password.is_none().then(|| self.generate());
        let hash = self
            .hasher
            .hash(password.or(generated.as_deref()).unwrap_or_default())
            .await?;
        let line = self
            .context
            .activity(actor, note(ActivityAction::PasswordChanged, &user, Vec::new()));
        let mut unit = self.context.store().begin().await?;
        unit.users().set_password(id, &hash, true, None).await?;
        unit.activities().append(&[line]).await?;
        let letter = Letter::PasswordChanged {
            at: self.context.now(),
            address: None,
        };
        self.context.post(&mut unit, &user, letter).await?;
        let wrong = [Namespace::USERS, Namespace::session_of(id)];
        self.context.commit(unit, &wrong).await?;
        Ok(generated)
    }

    /// Ends all sessions of an account; says how many lived.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Store`.
    pub async fn end_sessions(&self, actor: &Actor, id: UserId) -> Result<u64, ServiceError> {
        require_all(actor, Resource::User, Action::Write)?;
        let user = self.get(actor, id).await?;
        let except = actor.session.filter(|_| actor.user == Some(id));
        let ended = self.sessions.revoke(Revoke::User { user: id, except }).await?;
        let line = self
            .context
            .activity(actor, note(ActivityAction::SessionsEnded, &user, Vec::new()));
        let mut unit = self.context.store().begin().await?;
        unit.activities().append(&[line]).await?;
        self.context.commit(unit, &[Namespace::USERS]).await?;
        Ok(ended)
    }

    /// Makes the first administrator when there is no account at all. Returns the password if one was made, and none
    /// when accounts exist or the given one was used.
    ///
    /// # Errors
    /// `Invalid`, `Store`.
    pub async fn ensure_first_administrator(
        &self,
        email: &str,
        password: Option<&str>,
    ) -> Result<FirstAdministrator, ServiceError> {
        let mut unit = self.context.store().begin_read().await?;
        let count = unit.users().count().await?;
        drop(unit);
        if count > 0 {
            return Ok(FirstAdministrator::Present);
        }
        let generated = password.is_none().then(|| self.generate());
        let chosen = password.or(generated.as_deref()).unwrap_or_default();
        let roles: BTreeSet<Role> = [Role::Admin, Role::Sdrh].into();
        let fields = UserFields::parse(&UserInput {
            email: email.to_owned(),
            display_name: "Administrateur".to_owned(),
            roles: roles.iter().map(|role| role.code().to_owned()).collect(),
            ..UserInput::default()
        })?;
        let hash = self.hasher.hash(chosen).await?;
        let now = self.context.now();
        let user = User {
            id: UserId::new(self.context.clock(), self.context.entropy()),
            fields,
            must_change_password: false,
            charter_version: 0,
            session_epoch: 1,
            last_login_at: None,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let operator = Actor::operator("mppeep");
        let line = self
            .context
            .activity(&operator, note(ActivityAction::Created, &user, Vec::new()));
        let mut unit = self.context.store().begin().await?;
        if unit.users().count().await? > 0 {
            return Ok(FirstAdministrator::Present);
        }
        unit.users().insert(&user, Some(&hash)).await?;
        unit.activities().append(&[line]).await?;
        self.context.commit(unit, &[Namespace::USERS]).await?;
        Ok(match generated {
            Some(password) => FirstAdministrator::Made { password },
            None => FirstAdministrator::AsGiven,
        })
    }
}

/// What became of the first administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstAdministrator {
    /// There are accounts already.
    Present,
    /// Made with the given password.
    AsGiven,
    /// Made with a random password, to be shown once.
    Made {
        /// The password.
        password: String,
    },
}

async fn find(unit: &mut Box<dyn UnitOfWork>, id: UserId) -> Result<User, ServiceError> {
    unit.users()
        .find(id)
        .await?
        .ok_or(ServiceError::NotFound(EntityKind::User))
}

fn note(action: ActivityAction, user: &User, changes: Vec<FieldChange>) -> Note {
    Note {
        action,
        entity: EntityKind::User,
        entity_id: Some(user.id.as_uuid()),
        subject: user.fields.personnel,
        label: user.fields.email.to_string(),
        changes,
    }
}
