//! The ministry's units: programmes hold directorates, directorates hold departments (« services »).

use std::collections::{BTreeMap, BTreeSet};

use super::id::{DepartmentId, DirectorateId, PersonnelId, ProgrammeId};
use super::text;
use super::validation::{Rule, Violations};

/// Names one unit of any level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum UnitRef {
    /// A programme.
    Programme(ProgrammeId),
    /// A directorate.
    Directorate(DirectorateId),
    /// A department.
    Department(DepartmentId),
}

impl UnitRef {
    /// Code of its level: `programme`, `directorate` or `department`.
    pub const fn level(self) -> &'static str {
        match self {
            Self::Programme(_) => "programme",
            Self::Directorate(_) => "directorate",
            Self::Department(_) => "department",
        }
    }

    /// Its identifier.
    pub const fn as_uuid(self) -> uuid::Uuid {
        match self {
            Self::Programme(id) => id.as_uuid(),
            Self::Directorate(id) => id.as_uuid(),
            Self::Department(id) => id.as_uuid(),
        }
    }

    /// The unit of that level and identifier.
    pub fn from_parts(level: &str, id: uuid::Uuid) -> Option<Self> {
        match level {
            "programme" => Some(Self::Programme(ProgrammeId::from_uuid(id))),
            "directorate" => Some(Self::Directorate(DirectorateId::from_uuid(id))),
            "department" => Some(Self::Department(DepartmentId::from_uuid(id))),
            _ => None,
        }
    }

    /// Reads `level:identifier`.
    pub fn parse(text: &str) -> Option<Self> {
        let (level, id) = text.split_once(':')?;
        Self::from_parts(level, uuid::Uuid::try_parse(id).ok()?)
    }
}

impl std::fmt::Display for UnitRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.level(), self.as_uuid())
    }
}

/// What every unit has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFields {
    /// Short code, unique within its level, upper case.
    pub code: String,
    /// Full name.
    pub name: String,
    /// The agent who heads it.
    pub head: Option<PersonnelId>,
    /// Whether agents may be assigned below it.
    pub active: bool,
}

impl UnitFields {
    /// Longest code, in characters.
    pub const CODE_MAX: usize = 20;
    /// Longest name, in characters.
    pub const NAME_MAX: usize = 160;

    /// Checks a code and a name.
    ///
    /// # Errors
    /// What is wrong with `code` or `name`.
    pub fn parse(
        code: &str,
        name: &str,
        head: Option<PersonnelId>,
        active: bool,
    ) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let code = violations
            .take("code", text::line(code, Self::CODE_MAX))
            .map(|code| code.to_uppercase());
        if code
            .as_deref()
            .is_some_and(|code| !code.chars().all(|c| c.is_alphanumeric() || "-_/.&".contains(c)))
        {
            violations.push(
                "code",
                Rule::Format {
                    expected: "DRH-1".to_owned(),
                },
            );
        }
        let name = violations.take("name", text::line(name, Self::NAME_MAX));
        match (code, name) {
            (Some(code), Some(name)) if violations.is_empty() => Ok(Self {
                code,
                name,
                head,
                active,
            }),
            _ => Err(violations),
        }
    }
}

/// A programme of the ministry's budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programme {
    /// Its identifier.
    pub id: ProgrammeId,
    /// Its content.
    pub fields: UnitFields,
    /// Counts its changes.
    pub version: i64,
}

/// A directorate, in one programme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directorate {
    /// Its identifier.
    pub id: DirectorateId,
    /// The programme it belongs to.
    pub programme: ProgrammeId,
    /// Its content.
    pub fields: UnitFields,
    /// Counts its changes.
    pub version: i64,
}

/// A department (« service »), in one directorate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Department {
    /// Its identifier.
    pub id: DepartmentId,
    /// The directorate it belongs to.
    pub directorate: DirectorateId,
    /// Its content.
    pub fields: UnitFields,
    /// Counts its changes.
    pub version: i64,
}

/// All units at one moment, in name order within each level.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Organisation {
    /// Every programme.
    pub programmes: Vec<Programme>,
    /// Every directorate.
    pub directorates: Vec<Directorate>,
    /// Every department.
    pub departments: Vec<Department>,
}

impl Organisation {
    /// The programme of that identifier.
    pub fn programme(&self, id: ProgrammeId) -> Option<&Programme> {
        self.programmes.iter().find(|unit| unit.id == id)
    }

    /// The directorate of that identifier.
    pub fn directorate(&self, id: DirectorateId) -> Option<&Directorate> {
        self.directorates.iter().find(|unit| unit.id == id)
    }

    /// The department of that identifier.
    pub fn department(&self, id: DepartmentId) -> Option<&Department> {
        self.departments.iter().find(|unit| unit.id == id)
    }

    /// A department with its directorate and programme.
    pub fn lineage(&self, id: DepartmentId) -> Option<(&Department, &Directorate, &Programme)> {
        let department = self.department(id)?;
        let directorate = self.directorate(department.directorate)?;
        Some((department, directorate, self.programme(directorate.programme)?))
    }

    /// The content of a unit of any level.
    pub fn unit(&self, unit: UnitRef) -> Option<&UnitFields> {
        match unit {
            UnitRef::Programme(id) => self.programme(id).map(|unit| &unit.fields),
            UnitRef::Directorate(id) => self.directorate(id).map(|unit| &unit.fields),
            UnitRef::Department(id) => self.department(id).map(|unit| &unit.fields),
        }
    }

    /// The departments of a unit, itself included.
    pub fn departments_of(&self, unit: UnitRef) -> BTreeSet<DepartmentId> {
        let directorates: BTreeMap<DirectorateId, ProgrammeId> = self
            .directorates
            .iter()
            .map(|directorate| (directorate.id, directorate.programme))
            .collect();
        self.departments
            .iter()
            .filter(|department| match unit {
                UnitRef::Department(id) => department.id == id,
                UnitRef::Directorate(id) => department.directorate == id,
                UnitRef::Programme(id) => directorates.get(&department.directorate) == Some(&id),
            })
            .map(|department| department.id)
            .collect()
    }

    /// The units that `head` heads.
    pub fn headed_by(&self, head: PersonnelId) -> Vec<UnitRef> {
        let programmes = self
            .programmes
            .iter()
            .filter(|unit| unit.fields.head == Some(head))
            .map(|unit| UnitRef::Programme(unit.id));
        let directorates = self
            .directorates
            .iter()
            .filter(|unit| unit.fields.head == Some(head))
            .map(|unit| UnitRef::Directorate(unit.id));
        let departments = self
            .departments
            .iter()
            .filter(|unit| unit.fields.head == Some(head))
            .map(|unit| UnitRef::Department(unit.id));
        programmes.chain(directorates).chain(departments).collect()
    }

    /// The direct superior (« N+1 ») of an agent of `department`: its head, or the next head above when the agent is
    /// that head himself or the post is vacant.
    pub fn superior_of(&self, agent: PersonnelId, department: DepartmentId) -> Option<PersonnelId> {
        let (department, directorate, programme) = self.lineage(department)?;
        [
            department.fields.head,
            directorate.fields.head,
            programme.fields.head,
        ]
        .into_iter()
        .flatten()
        .find(|head| *head != agent)
    }
}
