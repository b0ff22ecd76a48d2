//! Opening an account without its password: invitations and forgotten passwords, by mail.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::context::{Context, Note, require_all};
use super::error::ServiceError;
use crate::domain::activity::{ActivityAction, EntityKind};
use crate::domain::email::Email;
use crate::domain::id::UserId;
use crate::domain::notice::NoticeKind;
use crate::domain::password;
use crate::domain::permission::{Action, Actor, Resource};
use crate::domain::text::fold;
use crate::domain::user::{User, UserFields, UserStatus};
use crate::domain::validation::Violations;
use crate::ports::account_token::{AccountToken, TokenPurpose};
use crate::ports::epochs::Namespace;
use crate::ports::letters::Letter;
use crate::ports::login_attempts::{Attempt, AttemptLimits, Begun, LoginAttempts};
use crate::ports::password::PasswordHasher;
use crate::ports::store::UnitOfWork;

/// How long a forgotten password may be replaced by the link of the mail.
pub const RESET_VALID_FOR: Duration = Duration::from_secs(60 * 60);

/// How long an invitation works.
pub const INVITATION_VALID_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// What asking for a new password gives. It is the same whether the account exists or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// If there is such an account, a mail is on its way.
    Taken,
    /// Too many requests from this address.
    Blocked {
        /// Time after which the next one is taken.
        retry_after: Duration,
    },
}

/// An account that a link opens, for the form that asks for its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// What for.
    pub purpose: TokenPurpose,
    /// The account's address.
    pub email: String,
}

/// Invitations and forgotten passwords.
pub struct AccountAccessService {
    context: Arc<Context>,
    attempts: Arc<dyn LoginAttempts>,
    hasher: Arc<dyn PasswordHasher>,
    limits: AttemptLimits,
}

impl AccountAccessService {
    /// The service over its ports.
    pub fn new(
        context: Arc<Context>,
        attempts: Arc<dyn LoginAttempts>,
        hasher: Arc<dyn PasswordHasher>,
        limits: AttemptLimits,
    ) -> Self {
        Self {
            context,
            attempts,
            hasher,
            limits,
        }
    }

    /// Sends the account of that address a link to choose a new password, if there is such an account and it may be used.
    /// An address may ask as often as it may fail to log in; the two are counted apart.
    ///
    /// # Errors
    /// `Store`.
    pub async fn ask_reset(
        &self,
        email: &str,
        limit_key: &str,
        address: &str,
        request_id: Option<String>,
    ) -> Result<Asked, ServiceError> {
        let who = Attempt {
            address: format!("reset {limit_key}"),
            account: format!("reset {}", fold(email).chars().take(254).collect::<String>()),
        };
        match self.attempts.begin(&who, &self.limits).await? {
            // Every request counts, whatever comes of it.
            Begun::Go { id, .. } => self.attempts.settle(id, &who, &self.limits, false).await?,
            Begun::Wait => {
                return Ok(Asked::Blocked {
                    retry_after: Duration::from_secs(1),
                });
            }
            Begun::Blocked { retry_after } => return Ok(Asked::Blocked { retry_after }),
        }
        let parsed = Email::parse(email).ok();
        let mut unit = self.context.store().begin().await?;
        let found = match &parsed {
            Some(email) => unit.users().credentials(email).await?.map(|found| found.user),
            None => None,
        };
        // An account that was never opened has no password to forget, but its invitation may be lost.
        let opens = |user: &User| matches!(user.fields.status, UserStatus::Active | UserStatus::Pending);
        if let Some(user) = found.filter(opens) {
            let token = self
                .issue(&mut unit, user.id, TokenPurpose::Reset, RESET_VALID_FOR)
                .await?;
            let letter = Letter::PasswordReset {
                token: &token,
                valid_for: RESET_VALID_FOR,
            };
            self.context.post(&mut unit, &user, letter).await?;
        }
        let actor = Actor {
            roles: std::collections::BTreeSet::new(),
            address: Some(address.to_owned()),
            request_id,
            ..Actor::operator("")
        };
        let line = self.context.activity(
            &actor,
            Note {
                action: ActivityAction::PasswordResetAsked,
                entity: EntityKind::User,
                entity_id: None,
                subject: None,
                label: parsed.map(|email| email.to_string()).unwrap_or_default(),
                changes: Vec::new(),
            },
        );
        unit.activities().append(&[line]).await?;
        self.context.commit(unit, &[]).await?;
        Ok(Asked::Taken)
    }

    /// Sends an account a link to choose its first password. The account waits (« en attente ») until it is used.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `State("account-opened")` for an account that was used, `State("no-mail")` when this program
    /// writes no mail, `ReadOnlyMode`, `Store`.
    pub async fn invite(&self, actor: &Actor, id: UserId) -> Result<User, ServiceError> {
        require_all(actor, Resource::User, Action::Write)?;
        if self.context.letters().is_none() {
            return Err(ServiceError::State("no-mail"));
        }
        let mut unit = self.context.begin().await?;
        let before = find(&mut unit, id).await?;
        let unused = before.last_login_at.is_none()
            && matches!(before.fields.status, UserStatus::Active | UserStatus::Pending);
        if !unused {
            return Err(ServiceError::State("account-opened"));
        }
        let user = if before.fields.status == UserStatus::Pending {
            before
        } else {
            let pending = User {
                fields: UserFields {
                    status: UserStatus::Pending,
                    ..before.fields
                },
                session_epoch: before.session_epoch + 1,
                version: before.version + 1,
                updated_at: self.context.now(),
                ..before
            };
            unit.users().update(&pending, true).await?;
            pending
        };
        let token = self
            .issue(&mut unit, id, TokenPurpose::Invitation, INVITATION_VALID_FOR)
            .await?;
        let letter = Letter::Invitation {
            token: &token,
            valid_for: INVITATION_VALID_FOR,
        };
        self.context.post(&mut unit, &user, letter).await?;
        let line = self.context.activity(actor, note(ActivityAction::Invited, &user));
        unit.activities().append(&[line]).await?;
        let wrong = [Namespace::USERS, Namespace::session_of(id)];
        self.context.commit(unit, &wrong).await?;
        Ok(user)
    }

    /// What a link opens; none when it is over, was used, or never existed.
    ///
    /// # Errors
    /// `Store`.
    pub async fn opening(&self, token: &str) -> Result<Option<Opening>, ServiceError> {
        let mut unit = self.context.store().begin_read().await?;
        let digest = digest(token);
        let Some(found) = unit.account_tokens().find(&digest, self.context.now()).await? else {
            return Ok(None);
        };
        let user = find(&mut unit, found.user).await?;
        Ok(Some(Opening {
            purpose: found.purpose,
            email: user.fields.email.to_string(),
        }))
    }

    /// Sets the password of the account that a link opens. Its sessions end, its other links as well; an invited account
    /// may be used from now on; its owner is told by mail.
    ///
    /// # Errors
    /// `State("link-over")`, `Invalid` on `new_password`, `Store`.
    pub async fn choose_password(
        &self,
        token: &str,
        new: &str,
        address: &str,
        request_id: Option<String>,
    ) -> Result<(), ServiceError> {
        let over = || ServiceError::State("link-over");
        let digest = digest(token);
        let now = self.context.now();
        let mut unit = self.context.store().begin_read().await?;
        let known = unit.account_tokens().find(&digest, now).await?.ok_or_else(over)?;
        let user = find(&mut unit, known.user).await?;
        drop(unit);
        let min = usize::from(self.context.settings().await?.security.password_min_length);
        let own = [user.fields.email.as_str(), user.fields.display_name.as_str()];
        password::check(new, min, &own).map_err(|rule| Violations::one("new_password", rule))?;
        let hash = self.hasher.hash(new).await?;
        let mut unit = self.context.store().begin().await?;
        // Of two that use one link at once, one gets it; and what was hashed is for that account.
        let taken = unit.account_tokens().take(&digest, now).await?.ok_or_else(over)?;
        let user = find(&mut unit, taken.user).await?;
        if !matches!(user.fields.status, UserStatus::Active | UserStatus::Pending) {
            return Err(over());
        }
        if user.fields.status == UserStatus::Pending {
            let opened = User {
                fields: UserFields {
                    status: UserStatus::Active,
                    ..user.fields.clone()
                },
                session_epoch: user.session_epoch + 1,
                version: user.version + 1,
                updated_at: now,
                ..user.clone()
            };
            unit.users().update(&opened, true).await?;
        }
        unit.users().set_password(user.id, &hash, false, None).await?;
        let actor = Actor {
            user: Some(user.id),
            display_name: user.fields.display_name.clone(),
            address: Some(address.to_owned()),
            request_id,
            ..Actor::operator("")
        };
        let line = self
            .context
            .activity(&actor, note(ActivityAction::PasswordChanged, &user));
        unit.activities().append(&[line]).await?;
        if taken.purpose == TokenPurpose::Reset {
            let letter = Letter::PasswordChanged {
                at: now,
                address: Some(address),
            };
            self.context.post(&mut unit, &user, letter).await?;
            let notice = self.context.notice(user.id, NoticeKind::PasswordChanged, address);
            unit.notices().insert(&[notice]).await?;
        }
        let wrong = [
            Namespace::NOTICES,
            Namespace::USERS,
            Namespace::session_of(user.id),
        ];
        self.context.commit(unit, &wrong).await
    }

    /// Makes a token and stores its digest.
    async fn issue(
        &self,
        unit: &mut Box<dyn UnitOfWork>,
        user: UserId,
        purpose: TokenPurpose,
        valid_for: Duration,
    ) -> Result<String, ServiceError> {
        let mut bits = [0u8; 32];
        self.context.entropy().fill(&mut bits);
        let token = URL_SAFE_NO_PAD.encode(bits);
        let stored = AccountToken {
            digest: digest(&token),
            user,
            purpose,
            expires_at: self.context.now() + valid_for,
        };
        unit.account_tokens().insert(&stored).await?;
        Ok(token)
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

async fn find(unit: &mut Box<dyn UnitOfWork>, id: UserId) -> Result<User, ServiceError> {
    unit.users()
        .find(id)
        .await?
        .ok_or(ServiceError::NotFound(EntityKind::User))
}

fn note(action: ActivityAction, user: &User) -> Note {
    Note {
        action,
        entity: EntityKind::User,
        entity_id: Some(user.id.as_uuid()),
        subject: user.fields.personnel,
        label: user.fields.email.to_string(),
        changes: Vec::new(),
    }
}
