//! Login accounts: roles, status, and what they are linked to.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::codes::codes;
use super::email::Email;
use super::id::{PersonnelId, UserId};
use super::organisation::UnitRef;
use super::text;
use super::validation::{Rule, Violations};

codes! {
    /// A role; a user may hold several, and their rights add up.
    Role {
        /// « Administrateur ».
        Admin = "admin",
        /// « Direction Administrative et Financière ».
        Daf = "daf",
        /// « Sous-Direction des Ressources Humaines ».
        Sdrh = "sdrh",
        /// « Sous-Direction Budget ».
        Sdb = "sdb",
        /// « Sous-Direction du Commerce et des Moyens Généraux ».
        Sdc = "sdc",
        /// « Chef de service ».
        Cs = "cs",
        /// « Agent ».
        Agent = "agent",
        /// « Invité ».
        Invite = "invite",
    }
}

codes! {
    /// Whether an account may be used. Only an active one can log in.
    UserStatus {
        /// In use.
        Active = "active",
        /// Closed.
        Inactive = "inactive",
        /// Closed for a time.
        Suspended = "suspended",
        /// Made, and not opened yet.
        Pending = "pending",
    }
}

/// The content of an account as people give it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserInput {
    /// E-mail address, which is the login name.
    pub email: String,
    /// Name shown to others.
    pub display_name: String,
    /// Codes of roles.
    pub roles: Vec<String>,
    /// Code of the status; empty is `active`.
    pub status: String,
    /// Identifier of the agent's file; may be empty.
    pub personnel_id: String,
    /// Unit of responsibility as `level:identifier`; may be empty.
    pub perimeter: String,
}

/// The content of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFields {
    /// E-mail address, which is the login name; unique.
    pub email: Email,
    /// Name shown to others.
    pub display_name: String,
    /// Roles, at least one.
    pub roles: BTreeSet<Role>,
    /// Whether it may be used.
    pub status: UserStatus,
    /// The agent whose account it is; an agent has one account at most.
    pub personnel: Option<PersonnelId>,
    /// The unit a head of department answers for, besides those whose recorded head he is.
    pub perimeter: Option<UnitRef>,
}

impl UserFields {
    /// Makes valid content of an input.
    ///
    /// # Errors
    /// Every rule the input breaks.
    pub fn parse(input: &UserInput) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let email = violations.take("email", Email::parse(&input.email));
        let display_name = violations.take("display_name", text::line(&input.display_name, 120));
        let mut roles = BTreeSet::new();
        for code in &input.roles {
            let role = Role::by_code(code).ok_or_else(|| Rule::Unknown {
                nearest: text::nearest(code, Role::ALL.iter().map(|role| role.code()), 3),
            });
            roles.extend(violations.take("roles", role));
        }
        if input.roles.is_empty() {
            violations.push("roles", Rule::Required);
        }
        let unknown = || Rule::Unknown { nearest: Vec::new() };
        let status = match input.status.trim() {
            "" => Some(UserStatus::Active),
            code => violations.take("status", UserStatus::by_code(code).ok_or_else(unknown)),
        };
        let personnel = match input.personnel_id.trim() {
            "" => None,
            id => violations.take("personnel_id", id.parse().map_err(|_| unknown())),
        };
        let perimeter = match input.perimeter.trim() {
            "" => None,
            unit => violations.take("perimeter", UnitRef::parse(unit).ok_or_else(unknown)),
        };
        match (email, display_name, status) {
            (Some(email), Some(display_name), Some(status)) if violations.is_empty() => Ok(Self {
                email,
                display_name,
                roles,
                status,
                personnel,
                perimeter,
            }),
            _ => Err(violations),
        }
    }

    /// The content as text by field code, for the journal.
    pub fn describe(&self) -> Vec<(&'static str, Option<String>)> {
        let roles: Vec<&str> = self.roles.iter().map(|role| role.code()).collect();
        vec![
            ("email", Some(self.email.to_string())),
            ("display_name", Some(self.display_name.clone())),
            ("roles", Some(roles.join(", "))),
            ("status", Some(self.status.code().to_owned())),
            ("personnel_id", self.personnel.map(|id| id.to_string())),
            ("perimeter", self.perimeter.map(|unit| unit.to_string())),
        ]
    }
}

/// A login account, without its password hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its identifier.
    pub id: UserId,
    /// Its content.
    pub fields: UserFields,
    /// Whether the password must be changed before anything else.
    pub must_change_password: bool,
    /// Number of the charter accepted; 0 is none.
    pub charter_version: u32,
    /// Grows with every change that ends the account's sessions.
    pub session_epoch: i64,
    /// Last login.
    pub last_login_at: Option<Timestamp>,
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}
