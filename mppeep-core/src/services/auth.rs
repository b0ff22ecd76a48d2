//! Logging in and out, sessions, and one's own password.

use std::sync::Arc;
use std::time::Duration;

use super::context::{Context, Note};
use super::error::ServiceError;
use crate::domain::activity::{ActivityAction, EntityKind};
use crate::domain::email::Email;
use crate::domain::id::SessionHandle;
use crate::domain::notice::NoticeKind;
use crate::domain::organisation::UnitRef;
use crate::domain::password;
use crate::domain::permission::Actor;
use crate::domain::session::{LIFETIME, SessionToken};
use crate::domain::text::fold;
use crate::domain::user::{Role, User, UserStatus};
use crate::domain::validation::{Rule, Violations};
use crate::ports::epochs::Namespace;
use crate::ports::letters::Letter;
use crate::ports::login_attempts::{Attempt, AttemptId, AttemptLimits, Begun, LoginAttempts};
use crate::ports::password::{PasswordHasher, Verified};
use crate::ports::session::{Created, NewSession, Revoke, Session, SessionStore, SessionSummary};

/// Longest wait of an attempt for a free slot.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A login as a client asks for it.
#[derive(Clone)]
pub struct LoginRequest {
    /// The address of the account, as typed.
    pub email: String,
    /// The password, as typed.
    pub password: String,
    /// The client's address, canonical; an IPv6 one is cut to its /64 for limits by the caller.
    pub limit_key: String,
    /// The client's address, for the journal.
    pub address: String,
    /// The country the client comes from, as two letters (ISO 3166-1), where the edge tells.
    pub country: Option<String>,
    /// Browser and system.
    pub device: String,
    /// The session the client's cookie holds now.
    pub old_token: Option<SessionToken>,
    /// The request's identifier in the logs.
    pub request_id: Option<String>,
}

/// What came of a login.
#[derive(Debug)]
pub enum LoginOutcome {
    /// A session was opened.
    In {
        /// Opens it; for the cookie only.
        token: SessionToken,
        /// The account.
        user: Box<User>,
    },
    /// Unknown account, wrong password or closed account: the three are not told apart.
    Wrong {
        /// Attempts the address has left.
        remaining: u32,
    },
    /// Too many attempts.
    Blocked {
        /// Time after which an attempt is possible again.
        retry_after: Duration,
    },
}

/// Logs people in and out.
pub struct AuthService {
    context: Arc<Context>,
    sessions: Arc<dyn SessionStore>,
    attempts: Arc<dyn LoginAttempts>,
    hasher: Arc<dyn PasswordHasher>,
    limits: AttemptLimits,
}

impl AuthService {
    /// The service over its ports.
    pub fn new(
        context: Arc<Context>,
        sessions: Arc<dyn SessionStore>,
        attempts: Arc<dyn LoginAttempts>,
        hasher: Arc<dyn PasswordHasher>,
        limits: AttemptLimits,
    ) -> Self {
        Self {
            context,
            sessions,
            attempts,
            hasher,
            limits,
        }
    }

    /// Tries to log in.
    ///
    /// # Errors
    /// `Store`: nobody is let in then.
    pub async fn login(&self, request: LoginRequest) -> Result<LoginOutcome, ServiceError> {
        let who = attempt_of(&request.limit_key, &request.email);
        let (id, remaining) = match self.begin(&who).await? {
            Slot::Held { id, remaining } => (id, remaining),
            Slot::Refused(retry_after) => return Ok(LoginOutcome::Blocked { retry_after }),
        };
        let verified = self.verify(&request).await;
        let opened = match verified {
            Ok(Some(user)) => self.open(&request, user).await,
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        // A failure of the server itself is not the client's: its slot lapses by itself.
        let opened = opened?;
        self.attempts
            .settle(id, &who, &self.limits, opened.is_some())
            .await?;
        match opened {
            Some((token, user)) => Ok(LoginOutcome::In {
                token,
                user: Box::new(user),
            }),
            None => {
                self.note_failure(&request, remaining == 0).await?;
                Ok(LoginOutcome::Wrong { remaining })
            }
        }
    }

    /// Takes a slot, waiting for attempts in flight to settle.
    async fn begin(&self, who: &Attempt) -> Result<Slot, ServiceError> {
        let started = tokio::time::Instant::now();
        let mut pause = Duration::from_millis(20);
        loop {
            match self.attempts.begin(who, &self.limits).await? {
                Begun::Go { id, remaining } => return Ok(Slot::Held { id, remaining }),
                Begun::Blocked { retry_after } => return Ok(Slot::Refused(retry_after)),
                Begun::Wait if started.elapsed() >= LONGEST_WAIT => {
                    return Ok(Slot::Refused(Duration::from_secs(1)));
                }
                Begun::Wait => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_millis(200));
                }
            }
        }
    }

    /// The active account whose password this is.
    async fn verify(&self, request: &LoginRequest) -> Result<Option<User>, ServiceError> {
        let credentials = match Email::parse(&request.email) {
            Ok(email) => {
                let mut unit = self.context.store().begin_read().await?;
                unit.users().credentials(&email).await?
            }
            Err(_) => None,
        };
        let hash = credentials.as_ref().and_then(|found| found.password_hash.clone());
        let verified = self.hasher.verify(&request.password, hash.as_deref()).await?;
        let (Some(found), Some(hash)) = (credentials, hash) else {
            return Ok(None);
        };
        if verified == Verified::Wrong || found.user.fields.status != UserStatus::Active {
            return Ok(None);
        }
        if verified == Verified::RightNeedsRehash {
            let renewed = self.hasher.hash(&request.password).await?;
            let mut unit = self.context.store().begin().await?;
            unit.users().rehash(found.user.id, &hash, &renewed).await?;
            self.context.commit(unit, &[]).await?;
        }
        Ok(Some(found.user))
    }

    /// Opens a session, ends the one the cookie held, and notes the login.
    async fn open(
        &self,
        request: &LoginRequest,
        user: User,
    ) -> Result<Option<(SessionToken, User)>, ServiceError> {
        let token = SessionToken::generate(user.id, self.context.entropy());
        let handle = SessionHandle::new(self.context.clock(), self.context.entropy());
        let new = NewSession {
            key: token.key(),
            handle,
            user: user.id,
            user_epoch: user.session_epoch,
            device: bounded(&request.device, 120),
            address: request.address.clone(),
            country: request.country.clone(),
            lifetime: LIFETIME,
        };
        let earlier = self.sessions.list(user.id, None).await?;
        if self.sessions.create(new).await? == Created::StaleEpoch {
            return Ok(None);
        }
        if let Some(old) = &request.old_token {
            self.sessions.revoke(Revoke::Key(&old.key())).await?;
        }
        let actor = Actor {
            user: Some(user.id),
            display_name: user.fields.display_name.clone(),
            roles: user.fields.roles.clone(),
            address: Some(request.address.clone()),
            request_id: request.request_id.clone(),
            ..Actor::operator("")
        };
        let line = self.context.activity(
            &actor,
            session_note(ActivityAction::LoggedIn, &user, Some(handle)),
        );
        let mut unit = self.context.store().begin().await?;
        unit.users().note_login(user.id, self.context.now()).await?;
        unit.activities().append(&[line]).await?;
        // Who is logged in elsewhere is told of a login from where none of his sessions began.
        let is_new =
            |earlier: &[SessionSummary]| earlier.iter().all(|known| known.address != request.address);
        if !earlier.is_empty() && is_new(&earlier) {
            let notice = self
                .context
                .notice(user.id, NoticeKind::NewAddress, request.address.as_str());
            unit.notices().insert(&[notice]).await?;
            self.context.commit(unit, &[Namespace::NOTICES]).await?;
        } else {
            self.context.commit(unit, &[]).await?;
        }
        Ok(Some((token, user)))
    }

    /// Notes a failure, and that it was the one that blocks the address. What was typed is kept only when it is an
    /// address: people type passwords into the wrong field.
    async fn note_failure(&self, request: &LoginRequest, blocks: bool) -> Result<(), ServiceError> {
        let actor = Actor {
            roles: std::collections::BTreeSet::new(),
            address: Some(request.address.clone()),
            request_id: request.request_id.clone(),
            ..Actor::operator("")
        };
        let label = Email::parse(&request.email)
            .map(|email| bounded(email.as_str(), 120))
            .unwrap_or_default();
        let line = |action| {
            self.context.activity(
                &actor,
                Note {
                    action,
                    entity: EntityKind::Session,
                    entity_id: None,
                    subject: None,
                    label: label.clone(),
                    changes: Vec::new(),
                },
            )
        };
        let mut lines = vec![line(ActivityAction::LoginFailed)];
        if blocks {
            lines.push(line(ActivityAction::LoginBlocked));
        }
        let mut unit = self.context.store().begin().await?;
        unit.activities().append(&lines).await?;
        self.context.commit(unit, &[]).await
    }

    /// Who asks, by the token of his cookie; none when it opens no live session.
    ///
    /// # Errors
    /// `Store`: the caller answers 503 and leaves the cookie alone.
    pub async fn authenticate(
        &self,
        token: &SessionToken,
        address: &str,
        request_id: Option<String>,
    ) -> Result<Option<Actor>, ServiceError> {
        let idle = self.idle().await?;
        let Some(session) = self.sessions.load(&token.key(), idle).await? else {
            return Ok(None);
        };
        self.actor_of(session, address, request_id).await.map(Some)
    }

    async fn idle(&self) -> Result<Option<Duration>, ServiceError> {
        let minutes = self.context.settings().await?.security.idle_minutes;
        Ok((minutes > 0).then(|| Duration::from_secs(u64::from(minutes) * 60)))
    }

    async fn actor_of(
        &self,
        session: Session,
        address: &str,
        request_id: Option<String>,
    ) -> Result<Actor, ServiceError> {
        let organisation = self.context.organisation().await?;
        let headed = session
            .personnel
            .map(|id| organisation.headed_by(id))
            .unwrap_or_default();
        let director = headed
            .iter()
            .any(|unit| matches!(unit, UnitRef::Programme(_) | UnitRef::Directorate(_)));
        let perimeter = session.perimeter.filter(|_| session.roles.contains(&Role::Cs));
        let departments = self
            .context
            .departments_of(headed.into_iter().chain(perimeter))
            .await?;
        let charter = &self.context.settings().await?.charter;
        Ok(Actor {
            user: Some(session.user),
            display_name: session.display_name,
            email: session.email,
            roles: session.roles,
            personnel: session.personnel,
            departments,
            director,
            demonstration: self.context.is_demonstration().await?,
            must_change_password: session.must_change_password,
            must_accept_charter: !charter.text.is_empty() && session.charter_version < charter.version,
            session: Some(session.handle),
            address: Some(address.to_owned()),
            request_id,
        })
    }

    /// Ends the session that a token opens.
    ///
    /// # Errors
    /// `Store`.
    pub async fn logout(&self, actor: &Actor, token: &SessionToken) -> Result<(), ServiceError> {
        self.sessions.revoke(Revoke::Key(&token.key())).await?;
        self.note_session(actor, ActivityAction::LoggedOut, actor.session)
            .await
    }

    /// The actor's live sessions.
    ///
    /// # Errors
    /// `Store`.
    pub async fn sessions(&self, actor: &Actor) -> Result<Vec<SessionSummary>, ServiceError> {
        let Some(user) = actor.user else {
            return Ok(Vec::new());
        };
        Ok(self.sessions.list(user, self.idle().await?).await?)
    }

    /// Ends one of the actor's own sessions; whether it lived.
    ///
    /// # Errors
    /// `Store`.
    pub async fn end_session(&self, actor: &Actor, handle: SessionHandle) -> Result<bool, ServiceError> {
        let Some(user) = actor.user else { return Ok(false) };
        let ended = self.sessions.revoke(Revoke::Handle { user, handle }).await?;
        if ended > 0 {
            self.note_session(actor, ActivityAction::SessionsEnded, Some(handle))
                .await?;
        }
        Ok(ended > 0)
    }

    /// Ends all of the actor's sessions but the one he asks through; says how many.
    ///
    /// # Errors
    /// `Store`.
    pub async fn end_other_sessions(&self, actor: &Actor) -> Result<u64, ServiceError> {
        let Some(user) = actor.user else { return Ok(0) };
        let ended = self
            .sessions
            .revoke(Revoke::User {
                user,
                except: actor.session,
            })
            .await?;
        self.note_session(actor, ActivityAction::SessionsEnded, None)
            .await?;
        Ok(ended)
    }

    async fn note_session(
        &self,
        actor: &Actor,
        action: ActivityAction,
        handle: Option<SessionHandle>,
    ) -> Result<(), ServiceError> {
        let note = Note {
            action,
            entity: EntityKind::Session,
            entity_id: handle.map(SessionHandle::as_uuid),
            subject: None,
            label: actor.email.clone(),
            changes: Vec::new(),
        };
        let line = self.context.activity(actor, note);
        let mut unit = self.context.store().begin().await?;
        unit.activities().append(&[line]).await?;
        self.context.commit(unit, &[]).await
    }

    /// Changes the actor's own password: the old one is asked for, and counts as a login attempt. His other sessions
    /// end; the one he asks through goes on.
    ///
    /// # Errors
    /// `Invalid` on `old_password` or `new_password`; `TooManyAttempts`; `Store`.
    pub async fn change_password(
        &self,
        actor: &Actor,
        limit_key: &str,
        old: &str,
        new: &str,
    ) -> Result<(), ServiceError> {
        let not_found = || ServiceError::NotFound(EntityKind::User);
        let id = actor.user.ok_or_else(not_found)?;
        let who = attempt_of(limit_key, &actor.email);
        let slot = match self.begin(&who).await? {
            Slot::Held { id, .. } => id,
            Slot::Refused(retry_after) => return Err(ServiceError::TooManyAttempts { retry_after }),
        };
        let mut unit = self.context.store().begin_read().await?;
        let credentials = unit.users().credentials_of(id).await?.ok_or_else(not_found)?;
        drop(unit);
        let verified = self
            .hasher
            .verify(old, credentials.password_hash.as_deref())
            .await?;
        self.attempts
            .settle(slot, &who, &self.limits, verified != Verified::Wrong)
            .await?;
        let mut violations = Violations::default();
        if verified == Verified::Wrong {
            violations.push("old_password", Rule::Mismatch { other: "password" });
            return Err(violations.into());
        }
        let min = usize::from(self.context.settings().await?.security.password_min_length);
        let own = [
            credentials.user.fields.email.as_str(),
            credentials.user.fields.display_name.as_str(),
        ];
        violations.take("new_password", password::check(new, min, &own));
        if old == new && violations.is_empty() {
            violations.push(
                "new_password",
                Rule::Mismatch {
                    other: "old_password",
                },
            );
        }
        violations.into_result(())?;
        let hash = self.hasher.hash(new).await?;
        let line = self.context.activity(
            actor,
            session_note(ActivityAction::PasswordChanged, &credentials.user, None),
        );
        let mut unit = self.context.store().begin().await?;
        unit.users().set_password(id, &hash, false, actor.session).await?;
        unit.activities().append(&[line]).await?;
        let letter = Letter::PasswordChanged {
            at: self.context.now(),
            address: actor.address.as_deref(),
        };
        self.context.post(&mut unit, &credentials.user, letter).await?;
        let wrong = [Namespace::USERS, Namespace::session_of(id)];
        self.context.commit(unit, &wrong).await
    }

    /// Notes that the actor accepts the charter in force.
    ///
    /// # Errors
    /// `Store`.
    pub async fn accept_charter(&self, actor: &Actor) -> Result<(), ServiceError> {
        let id = actor.user.ok_or(ServiceError::NotFound(EntityKind::User))?;
        let version = self.context.settings().await?.charter.version;
        let note = Note {
            action: ActivityAction::CharterAccepted,
            entity: EntityKind::User,
            entity_id: Some(id.as_uuid()),
            subject: None,
            label: actor.email.clone(),
            changes: Vec::new(),
        };
        let line = self.context.activity(actor, note);
        let mut unit = self.context.store().begin().await?;
        unit.users().accept_charter(id, version).await?;
        unit.activities().append(&[line]).await?;
        let wrong = [Namespace::USERS, Namespace::session_of(id)];
        self.context.commit(unit, &wrong).await
    }
}

enum Slot {
    Held { id: AttemptId, remaining: u32 },
    Refused(Duration),
}

fn attempt_of(limit_key: &str, email: &str) -> Attempt {
    Attempt {
        address: limit_key.to_owned(),
        account: bounded(&fold(email), 254),
    }
}

fn session_note(action: ActivityAction, user: &User, handle: Option<SessionHandle>) -> Note {
    Note {
        action,
        entity: if handle.is_some() {
            EntityKind::Session
        } else {
            EntityKind::User
        },
        entity_id: Some(handle.map_or_else(|| user.id.as_uuid(), SessionHandle::as_uuid)),
        subject: None,
        label: user.fields.email.to_string(),
        changes: Vec::new(),
    }
}

fn bounded(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}
