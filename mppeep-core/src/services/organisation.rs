//! The ministry's units.

use std::sync::Arc;

use super::context::{Context, Note, require, require_all};
use super::error::ServiceError;
use crate::domain::activity::{ActivityAction, EntityKind, described_changes};
use crate::domain::id::{DepartmentId, DirectorateId, PersonnelId, ProgrammeId};
use crate::domain::organisation::{Department, Directorate, Organisation, Programme, UnitFields, UnitRef};
use crate::domain::permission::{Action, Actor, Resource};
use crate::domain::validation::{Rule, Violations};
use crate::ports::epochs::Namespace;
use crate::ports::error::StoreError;
use crate::ports::store::UnitOfWork;

const MADE_WRONG: &[Namespace] = &[Namespace::ORGANISATION, Namespace::PERSONNEL, Namespace::USERS];

/// A unit as people give it.
#[derive(Debug, Clone, Default)]
pub struct UnitInput {
    /// Short code.
    pub code: String,
    /// Full name.
    pub name: String,
    /// Identifier of the head's file; may be empty.
    pub head: String,
    /// Whether agents may be assigned to it.
    pub active: bool,
    /// Identifier of the unit above; empty for a programme.
    pub parent: String,
}

/// Programmes, directorates and departments.
pub struct OrganisationService {
    context: Arc<Context>,
}

impl OrganisationService {
    /// The service over its context.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// All units.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn load(&self, actor: &Actor) -> Result<Arc<Organisation>, ServiceError> {
        require(actor, Resource::Organisation, Action::Read)?;
        self.context.organisation().await
    }

    /// All units, to name those of files that a page already shows by right.
    ///
    /// # Errors
    /// `Store`.
    pub async fn names(&self) -> Result<Arc<Organisation>, ServiceError> {
        self.context.organisation().await
    }

    /// Creates a unit of a level (`programme`, `directorate`, `department`).
    ///
    /// # Errors
    /// `Forbidden`, `Invalid`, `Taken` on `code`, `ReadOnlyMode`, `Store`.
    pub async fn create(
        &self,
        actor: &Actor,
        level: &str,
        input: &UnitInput,
    ) -> Result<UnitRef, ServiceError> {
        require_all(actor, Resource::Organisation, Action::Write)?;
        let (clock, entropy) = (self.context.clock(), self.context.entropy());
        let unit = match level {
            "programme" => UnitRef::Programme(ProgrammeId::new(clock, entropy)),
            "directorate" => UnitRef::Directorate(DirectorateId::new(clock, entropy)),
            "department" => UnitRef::Department(DepartmentId::new(clock, entropy)),
            _ => return Err(ServiceError::unknown("level")),
        };
        self.save(actor, unit, 1, input, None).await?;
        Ok(unit)
    }

    /// Changes a unit. One with agents in service cannot be switched off.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Invalid`, `Stale`, `Taken` on `code`, `ReadOnlyMode`, `Store`.
    pub async fn update(
        &self,
        actor: &Actor,
        unit: UnitRef,
        version: i64,
        input: &UnitInput,
    ) -> Result<(), ServiceError> {
        require_all(actor, Resource::Organisation, Action::Write)?;
        let organisation = self.context.organisation().await?;
        let before = organisation
            .unit(unit)
            .cloned()
            .ok_or(ServiceError::NotFound(EntityKind::Unit))?;
        self.save(actor, unit, version + 1, input, Some(before)).await
    }

    async fn save(
        &self,
        actor: &Actor,
        unit_ref: UnitRef,
        version: i64,
        input: &UnitInput,
        before: Option<UnitFields>,
    ) -> Result<(), ServiceError> {
        let head = match input.head.trim() {
            "" => None,
            id => Some(
                id.parse::<PersonnelId>()
                    .map_err(|_| ServiceError::unknown("head"))?,
            ),
        };
        let fields = UnitFields::parse(&input.code, &input.name, head, input.active)?;
        let mut unit = self.context.begin().await?;
        check_head(&mut unit, head, before.as_ref().and_then(|fields| fields.head)).await?;
        if before.as_ref().is_some_and(|fields| fields.active) && !fields.active {
            let count = unit.organisation().count_agents(unit_ref).await?;
            if count > 0 {
                return Err(Violations::one("active", Rule::InUse { count }).into());
            }
        }
        let changes = described_changes(
            &before.as_ref().map(describe).unwrap_or_default(),
            &describe(&fields),
        );
        let line = self.context.activity(
            actor,
            Note {
                action: if before.is_some() {
                    ActivityAction::Updated
                } else {
                    ActivityAction::Created
                },
                entity: EntityKind::Unit,
                entity_id: Some(unit_ref.as_uuid()),
                subject: None,
                label: format!("{} · {}", fields.code, fields.name),
                changes,
            },
        );
        write(
            &mut unit,
            unit_ref,
            version,
            &input.parent,
            fields,
            before.is_none(),
        )
        .await?;
        unit.activities().append(&[line]).await?;
        self.context.commit(unit, MADE_WRONG).await
    }
}

fn describe(fields: &UnitFields) -> Vec<(&'static str, Option<String>)> {
    vec![
        ("code", Some(fields.code.clone())),
        ("name", Some(fields.name.clone())),
        ("head", fields.head.map(|id| id.to_string())),
        ("active", Some(fields.active.to_string())),
    ]
}

/// A new head has a file and did not leave.
async fn check_head(
    unit: &mut Box<dyn UnitOfWork>,
    head: Option<PersonnelId>,
    before: Option<PersonnelId>,
) -> Result<(), ServiceError> {
    let Some(id) = head.filter(|id| Some(*id) != before) else {
        return Ok(());
    };
    match unit.personnel().find(id).await? {
        Some(personnel) if personnel.departure.is_none() => Ok(()),
        _ => Err(ServiceError::unknown("head")),
    }
}

async fn write(
    unit: &mut Box<dyn UnitOfWork>,
    unit_ref: UnitRef,
    version: i64,
    parent: &str,
    fields: UnitFields,
    is_new: bool,
) -> Result<(), ServiceError> {
    let mut repository = unit.organisation();
    let unknown = |_| ServiceError::unknown("parent");
    let result = match unit_ref {
        UnitRef::Programme(id) => {
            let programme = Programme { id, fields, version };
            if is_new {
                repository.insert_programme(&programme).await
            } else {
                repository.update_programme(&programme).await
            }
        }
        UnitRef::Directorate(id) => {
            let programme = parent.trim().parse().map_err(unknown)?;
            let directorate = Directorate {
                id,
                programme,
                fields,
                version,
            };
            if is_new {
                repository.insert_directorate(&directorate).await
            } else {
                repository.update_directorate(&directorate).await
            }
        }
        UnitRef::Department(id) => {
            let directorate = parent.trim().parse().map_err(unknown)?;
            let department = Department {
                id,
                directorate,
                fields,
                version,
            };
            if is_new {
                repository.insert_department(&department).await
            } else {
                repository.update_department(&department).await
            }
        }
    };
    result.map_err(|error| match error {
        StoreError::DanglingReference { .. } => ServiceError::unknown("parent"),
        other => other.into(),
    })
}
