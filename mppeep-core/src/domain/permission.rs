//! Who may do what: one table, and one function that every page, API route and button asks.

use std::collections::BTreeSet;

use super::codes::codes;
use super::id::{DepartmentId, PersonnelId, SessionHandle, UserId};
use super::personnel::FieldGroup;
use super::user::Role;

codes! {
    /// What a right is about.
    Resource {
        /// The directory: names, functions, units, professional telephones.
        Directory = "directory",
        /// Career and assignment of the files.
        Career = "career",
        /// Private data of the files.
        Private = "private",
        /// Absences.
        Absence = "absence",
        /// Evaluations.
        Evaluation = "evaluation",
        /// Imports of files.
        Import = "import",
        /// Statistics and the dashboard.
        Statistics = "statistics",
        /// The activity journal.
        Journal = "journal",
        /// Programmes, directorates and departments.
        Organisation = "organisation",
        /// Login accounts.
        User = "user",
        /// Settings.
        Setting = "setting",
        /// Documents of the files; what is confidential needs the right on everything.
        Document = "document",
        /// Files that the services hand in.
        SharedFile = "shared_file",
        /// Salary slips.
        Payroll = "payroll",
        /// Jobs, mail and scheduled tasks.
        Queue = "queue",
    }
}

codes! {
    /// What a right allows.
    Action {
        /// « Lire ».
        Read = "read",
        /// « Écrire ».
        Write = "write",
        /// « Exporter ».
        Export = "export",
        /// « Valider » what somebody else made.
        Validate = "validate",
    }
}

/// How far a right reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Only a database of demonstration data.
    Demonstration,
    /// The holder's own file.
    Own,
    /// What the holder himself made.
    Made,
    /// The units the holder answers for.
    Units,
    /// Everything.
    Everything,
}

/// Who holds a right: a role, or being the recorded head of a directorate or programme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// A role of the account.
    Role(Role),
    /// The head of a directorate or programme, derived from the unit.
    Director,
}

/// One cell of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Who.
    pub holder: Holder,
    /// On what.
    pub resource: Resource,
    /// Doing what.
    pub action: Action,
    /// How far.
    pub reach: Reach,
}

const fn grant(holder: Holder, resource: Resource, action: Action, reach: Reach) -> Grant {
    Grant {
        holder,
        resource,
        action,
        reach,
    }
}

/// The whole table. What is not granted here is denied.
pub const GRANTS: &[Grant] = {
    use Action::{Export as X, Read as L, Validate as V, Write as E};
    use Holder::{Director, Role as R};
    use Reach::{Demonstration as D, Everything as T, Made, Own as M, Units as S};
    use Resource as On;
    use Role::{Admin, Agent, Cs, Daf, Invite, Sdb, Sdc, Sdrh};
    &[
        grant(R(Agent), On::Directory, L, T),
        grant(R(Cs), On::Directory, L, T),
        grant(R(Sdrh), On::Directory, L, T),
        grant(R(Daf), On::Directory, L, T),
        grant(R(Sdb), On::Directory, L, T),
        grant(R(Sdc), On::Directory, L, T),
        grant(R(Admin), On::Directory, L, T),
        grant(R(Invite), On::Directory, L, D),
        grant(R(Sdrh), On::Directory, E, T),
        grant(R(Sdrh), On::Directory, X, T),
        grant(R(Agent), On::Career, L, M),
        grant(R(Cs), On::Career, L, S),
        grant(Director, On::Career, L, S),
        grant(R(Sdrh), On::Career, L, T),
        grant(R(Sdrh), On::Career, E, T),
        grant(R(Sdrh), On::Career, X, T),
        grant(R(Daf), On::Career, L, T),
        grant(R(Admin), On::Career, L, T),
        grant(R(Agent), On::Private, L, M),
        grant(R(Sdrh), On::Private, L, T),
        grant(R(Sdrh), On::Private, E, T),
        grant(R(Sdrh), On::Private, X, T),
        grant(R(Agent), On::Absence, L, M),
        grant(R(Cs), On::Absence, L, S),
        grant(Director, On::Absence, L, S),
        grant(R(Sdrh), On::Absence, L, T),
        grant(R(Sdrh), On::Absence, E, T),
        grant(R(Sdrh), On::Absence, X, T),
        grant(R(Daf), On::Absence, L, T),
        grant(R(Sdb), On::Absence, L, M),
        grant(R(Sdc), On::Absence, L, M),
        grant(R(Admin), On::Absence, L, M),
        grant(R(Agent), On::Evaluation, L, M),
        grant(R(Cs), On::Evaluation, L, S),
        grant(R(Cs), On::Evaluation, E, S),
        grant(Director, On::Evaluation, L, S),
        grant(R(Sdrh), On::Evaluation, L, T),
        grant(R(Sdrh), On::Evaluation, E, T),
        grant(R(Sdrh), On::Evaluation, X, T),
        grant(R(Sdb), On::Evaluation, L, M),
        grant(R(Sdc), On::Evaluation, L, M),
        grant(R(Admin), On::Evaluation, L, M),
        grant(R(Sdrh), On::Import, L, T),
        grant(R(Sdrh), On::Import, E, T),
        grant(R(Daf), On::Import, L, T),
        grant(R(Cs), On::Statistics, L, S),
        grant(Director, On::Statistics, L, S),
        grant(R(Sdrh), On::Statistics, L, T),
        grant(R(Sdrh), On::Statistics, X, T),
        grant(R(Daf), On::Statistics, L, T),
        grant(R(Daf), On::Statistics, X, T),
        grant(R(Admin), On::Statistics, L, T),
        grant(R(Invite), On::Statistics, L, D),
        grant(R(Sdrh), On::Journal, L, T),
        grant(R(Admin), On::Journal, L, T),
        grant(R(Admin), On::Journal, X, T),
        grant(R(Agent), On::Organisation, L, T),
        grant(R(Cs), On::Organisation, L, T),
        grant(R(Sdrh), On::Organisation, L, T),
        grant(R(Daf), On::Organisation, L, T),
        grant(R(Sdb), On::Organisation, L, T),
        grant(R(Sdc), On::Organisation, L, T),
        grant(R(Admin), On::Organisation, L, T),
        grant(R(Invite), On::Organisation, L, D),
        grant(R(Sdrh), On::Organisation, E, T),
        grant(R(Admin), On::Organisation, E, T),
        grant(R(Admin), On::User, L, T),
        grant(R(Admin), On::User, E, T),
        grant(R(Admin), On::Setting, L, T),
        grant(R(Admin), On::Setting, E, T),
        grant(R(Agent), On::Document, L, M),
        grant(R(Agent), On::Document, E, M),
        grant(R(Sdb), On::Document, L, M),
        grant(R(Sdc), On::Document, L, M),
        grant(R(Sdrh), On::Document, L, T),
        grant(R(Sdrh), On::Document, E, T),
        grant(R(Sdrh), On::Document, V, T),
        grant(R(Sdrh), On::SharedFile, L, T),
        grant(R(Sdrh), On::SharedFile, E, T),
        grant(R(Daf), On::SharedFile, L, T),
        grant(R(Sdb), On::SharedFile, L, Made),
        grant(R(Sdb), On::SharedFile, E, Made),
        grant(R(Sdc), On::SharedFile, L, Made),
        grant(R(Sdc), On::SharedFile, E, Made),
        grant(R(Admin), On::SharedFile, L, T),
        grant(R(Admin), On::SharedFile, E, T),
        grant(R(Agent), On::Payroll, L, M),
        grant(R(Sdb), On::Payroll, L, M),
        grant(R(Sdc), On::Payroll, L, M),
        grant(R(Sdrh), On::Payroll, L, T),
        grant(R(Sdrh), On::Payroll, E, T),
        grant(R(Daf), On::Payroll, L, T),
        grant(R(Daf), On::Payroll, V, T),
        grant(R(Admin), On::Queue, L, T),
        grant(R(Admin), On::Queue, E, T),
    ]
};

/// The files a right reaches: everything, some departments, and perhaps one's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Whether it reaches every file.
    pub everything: bool,
    /// Departments whose agents it reaches.
    pub departments: BTreeSet<DepartmentId>,
    /// The holder's own file.
    pub own: Option<PersonnelId>,
    /// Whose own records it reaches, where a record has a maker.
    pub made_by: Option<UserId>,
}

impl Scope {
    /// Every file.
    pub fn everything() -> Self {
        Self {
            everything: true,
            ..Self::default()
        }
    }

    /// Whether it reaches nothing at all.
    pub fn is_empty(&self) -> bool {
        !self.everything && self.departments.is_empty() && self.own.is_none() && self.made_by.is_none()
    }

    /// Whether it reaches what that account made.
    pub fn reaches_made(&self, maker: Option<UserId>) -> bool {
        self.everything || (self.made_by.is_some() && self.made_by == maker)
    }

    /// Whether it reaches the file of an agent of that department.
    pub fn reaches(&self, personnel: PersonnelId, department: Option<DepartmentId>) -> bool {
        self.everything
            || self.own == Some(personnel)
            || department.is_some_and(|department| self.departments.contains(&department))
    }
}

/// Somebody who asks a service for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The account; none for the operator of the command line.
    pub user: Option<UserId>,
    /// Name shown in the journal.
    pub display_name: String,
    /// Address of the account; empty for the operator.
    pub email: String,
    /// Roles.
    pub roles: BTreeSet<Role>,
    /// The agent whose account it is.
    pub personnel: Option<PersonnelId>,
    /// Departments the actor answers for, by his perimeter and by the units he heads.
    pub departments: BTreeSet<DepartmentId>,
    /// Whether he heads a directorate or programme.
    pub director: bool,
    /// Whether the database holds demonstration data.
    pub demonstration: bool,
    /// Whether he must change the password before anything else.
    pub must_change_password: bool,
    /// Whether he must accept the charter before anything else.
    pub must_accept_charter: bool,
    /// The session he asks through.
    pub session: Option<SessionHandle>,
    /// The client's address.
    pub address: Option<String>,
    /// The request's identifier in the logs.
    pub request_id: Option<String>,
}

impl Actor {
    /// The operator of the command line: may do what the first administrator may.
    pub fn operator(name: &str) -> Self {
        Self {
            user: None,
            display_name: name.to_owned(),
            email: String::new(),
            roles: [Role::Admin, Role::Sdrh].into(),
            personnel: None,
            departments: BTreeSet::new(),
            director: false,
            demonstration: false,
            must_change_password: false,
            must_accept_charter: false,
            session: None,
            address: None,
            request_id: None,
        }
    }

    fn holds(&self, holder: Holder) -> bool {
        match holder {
            Holder::Role(role) => self.roles.contains(&role),
            Holder::Director => self.director,
        }
    }

    /// How far the actor's right to `action` on `resource` reaches: the sum over what he holds.
    pub fn scope(&self, resource: Resource, action: Action) -> Scope {
        let mut scope = Scope::default();
        for grant in GRANTS {
            if grant.resource != resource || grant.action != action || !self.holds(grant.holder) {
                continue;
            }
            match grant.reach {
                Reach::Everything => scope.everything = true,
                Reach::Demonstration => scope.everything |= self.demonstration,
                Reach::Units => scope.departments.extend(self.departments.iter().copied()),
                Reach::Own => scope.own = self.personnel.or(scope.own),
                Reach::Made => scope.made_by = self.user.or(scope.made_by),
            }
        }
        if scope.everything {
            // Whatever else the actor holds adds nothing: all who see everything see the same, and share cached figures.
            return Scope::everything();
        }
        scope
    }

    /// Whether the actor may do `action` on some `resource`.
    pub fn may(&self, resource: Resource, action: Action) -> bool {
        !self.scope(resource, action).is_empty()
    }

    /// Whether the actor may do `action` on all of `resource`.
    pub fn may_all(&self, resource: Resource, action: Action) -> bool {
        self.scope(resource, action).everything
    }

    /// Whether the actor may do `action` on `resource` of one agent.
    pub fn may_on(
        &self,
        resource: Resource,
        action: Action,
        personnel: PersonnelId,
        department: Option<DepartmentId>,
    ) -> bool {
        self.scope(resource, action).reaches(personnel, department)
    }

    /// Whether the actor may do `action` on the fields of a group of one agent's file.
    pub fn may_on_group(
        &self,
        group: FieldGroup,
        action: Action,
        personnel: PersonnelId,
        department: Option<DepartmentId>,
    ) -> bool {
        self.may_on(resource_of(group), action, personnel, department)
    }
}

/// The resource that a group of fields belongs to.
pub const fn resource_of(group: FieldGroup) -> Resource {
    match group {
        FieldGroup::Directory => Resource::Directory,
        FieldGroup::Career => Resource::Career,
        FieldGroup::Private => Resource::Private,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(role: Role) -> Actor {
        Actor {
            roles: [role].into(),
            ..Actor::operator("test")
        }
    }

    #[test]
    fn what_is_not_granted_is_denied() {
        for role in Role::ALL {
            let actor = actor(*role);
            let writes_users = actor.may(Resource::User, Action::Write);
            assert_eq!(writes_users, *role == Role::Admin, "{role:?}");
        }
        assert!(!actor(Role::Invite).may(Resource::Directory, Action::Read));
        assert!(!actor(Role::Admin).may(Resource::Private, Action::Read));
    }

    #[test]
    fn a_right_on_units_without_units_reaches_nothing() {
        let mut head = actor(Role::Cs);
        assert!(!head.may(Resource::Career, Action::Read));
        let department = DepartmentId::from_uuid(uuid::Uuid::from_u128(1));
        head.departments.insert(department);
        let other = PersonnelId::from_uuid(uuid::Uuid::from_u128(2));
        assert!(head.may_on(Resource::Career, Action::Read, other, Some(department)));
        assert!(!head.may_on(Resource::Career, Action::Read, other, None));
        assert!(!head.may_on(Resource::Private, Action::Read, other, Some(department)));
    }

    #[test]
    fn rights_of_several_roles_add_up() {
        let own = PersonnelId::from_uuid(uuid::Uuid::from_u128(3));
        let both = Actor {
            roles: [Role::Agent, Role::Daf].into(),
            personnel: Some(own),
            ..Actor::operator("test")
        };
        assert!(both.may_all(Resource::Career, Action::Read));
        assert!(both.may_on(Resource::Private, Action::Read, own, None));
        assert!(!both.may_all(Resource::Private, Action::Read));
    }

    #[test]
    fn all_who_see_everything_have_the_same_scope() {
        let one = Actor {
            personnel: Some(PersonnelId::from_uuid(uuid::Uuid::from_u128(4))),
            departments: [DepartmentId::from_uuid(uuid::Uuid::from_u128(5))].into(),
            director: true,
            ..actor(Role::Sdrh)
        };
        let scope = one.scope(Resource::Statistics, Action::Read);
        assert_eq!(scope, actor(Role::Daf).scope(Resource::Statistics, Action::Read));
        assert_eq!(scope, Scope::everything());
    }

    #[test]
    fn no_cell_stands_twice() {
        for (index, grant) in GRANTS.iter().enumerate() {
            let same = |other: &&Grant| {
                (other.holder, other.resource, other.action) == (grant.holder, grant.resource, grant.action)
            };
            assert_eq!(GRANTS.iter().skip(index + 1).filter(same).count(), 0, "{grant:?}");
        }
    }
}
