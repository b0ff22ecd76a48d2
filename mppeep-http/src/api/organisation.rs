//! Programmes, directorates and departments.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use mppeep_core::domain::id::{DepartmentId, DirectorateId, ProgrammeId};
use mppeep_core::domain::organisation::{
    Department, Directorate, Organisation, Programme, UnitFields, UnitRef,
};
use mppeep_core::domain::permission::{Action, Actor, Resource};
use mppeep_core::services::organisation::UnitInput;
use serde::{Deserialize, Serialize};
use utoipa_axum::routes;

use super::answers::{
    ApiError, ChangeProblems, CreateProblems, IfMatch, ListProblems, ReadProblems, created, renamed,
    versioned,
};
use super::schema::{code, nullable, over};
use crate::app::AppState;
use crate::extract::{CurrentUser, JsonBody, PathId};
use crate::problem::Problem;
use crate::routes::{Needs, RouteTable};

pub(super) fn routes() -> RouteTable {
    let reads = Needs::Right(Resource::Organisation, Action::Read);
    let writes = Needs::Right(Resource::Organisation, Action::Write);
    RouteTable::api()
        .operation(reads, routes!(tree))
        .creation(writes, routes!(create_programme))
        .operation(reads, routes!(get_programme))
        .operation(writes, routes!(update_programme))
        .creation(writes, routes!(create_directorate))
        .operation(reads, routes!(get_directorate))
        .operation(writes, routes!(update_directorate))
        .creation(writes, routes!(create_department))
        .operation(reads, routes!(get_department))
        .operation(writes, routes!(update_department))
}

fn levels() -> utoipa::openapi::schema::Object {
    code(["programme", "directorate", "department"], "department")
}

/// A unit without those below it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Unit {
    id: uuid::Uuid,
    /// Its level.
    #[schema(schema_with = levels)]
    level: &'static str,
    /// Identifier of the unit above; null for a programme.
    parent_id: Option<uuid::Uuid>,
    /// Short code, unique within its level.
    code: String,
    /// Full name.
    name: String,
    /// The agent who heads it.
    head_id: Option<uuid::Uuid>,
    /// Whether agents may be assigned below it.
    active: bool,
    version: i64,
}

impl Unit {
    fn of(unit: UnitRef, parent: Option<uuid::Uuid>, fields: &UnitFields, version: i64) -> Self {
        Self {
            id: unit.as_uuid(),
            level: unit.level(),
            parent_id: parent,
            code: fields.code.clone(),
            name: fields.name.clone(),
            head_id: fields.head.map(|head| head.as_uuid()),
            active: fields.active,
            version,
        }
    }

    /// The unit of that name.
    fn find(organisation: &Organisation, unit: UnitRef) -> Option<Self> {
        match unit {
            UnitRef::Programme(id) => organisation.programme(id).map(Self::from),
            UnitRef::Directorate(id) => organisation.directorate(id).map(Self::from),
            UnitRef::Department(id) => organisation.department(id).map(Self::from),
        }
    }
}

impl From<&Programme> for Unit {
    fn from(unit: &Programme) -> Self {
        Self::of(UnitRef::Programme(unit.id), None, &unit.fields, unit.version)
    }
}

impl From<&Directorate> for Unit {
    fn from(unit: &Directorate) -> Self {
        Self::of(
            UnitRef::Directorate(unit.id),
            Some(unit.programme.as_uuid()),
            &unit.fields,
            unit.version,
        )
    }
}

impl From<&Department> for Unit {
    fn from(unit: &Department) -> Self {
        Self::of(
            UnitRef::Department(unit.id),
            Some(unit.directorate.as_uuid()),
            &unit.fields,
            unit.version,
        )
    }
}

/// The ministry's units, level by level.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct OrganisationTree {
    /// Every programme, by name.
    programmes: Vec<ProgrammeTree>,
}

/// A programme with its directorates.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ProgrammeTree {
    #[serde(flatten)]
    unit: Unit,
    /// Its directorates, by name.
    directorates: Vec<DirectorateTree>,
}

/// A directorate with its departments.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DirectorateTree {
    #[serde(flatten)]
    unit: Unit,
    /// Its departments, by name.
    departments: Vec<Unit>,
}

impl From<&Organisation> for OrganisationTree {
    fn from(organisation: &Organisation) -> Self {
        let departments = |directorate: &Directorate| {
            let below = organisation
                .departments
                .iter()
                .filter(|unit| unit.directorate == directorate.id);
            below.map(Unit::from).collect()
        };
        let directorates = |programme: &Programme| {
            let below = organisation
                .directorates
                .iter()
                .filter(|unit| unit.programme == programme.id);
            below
                .map(|unit| DirectorateTree {
                    unit: unit.into(),
                    departments: departments(unit),
                })
                .collect()
        };
        let programmes = organisation.programmes.iter();
        Self {
            programmes: programmes
                .map(|unit| ProgrammeTree {
                    unit: unit.into(),
                    directorates: directorates(unit),
                })
                .collect(),
        }
    }
}

/// The ministry's units as a tree.
#[utoipa::path(get, path = "/api/v1/organisation", tag = "organisation", operation_id = "get_organisation",
    responses((status = OK, description = "Every unit.", body = OrganisationTree), ListProblems))]
pub(super) async fn tree(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
) -> Result<Json<OrganisationTree>, ApiError> {
    let organisation = state.services.organisation.load(&actor).await?;
    Ok(Json((&*organisation).into()))
}

/// The members that every unit has.
struct Members {
    code: String,
    name: String,
    head: Option<String>,
    active: Option<bool>,
    parent: Option<String>,
}

/// The changes of a unit.
struct Changes {
    version: Option<i64>,
    code: Option<String>,
    name: Option<String>,
    head: Option<Option<String>>,
    active: Option<bool>,
    parent: Option<String>,
}

async fn make(
    state: &AppState,
    actor: &Actor,
    level: &'static str,
    collection: &str,
    names: &[(&str, &str)],
    members: Members,
) -> Result<Response, ApiError> {
    let input = UnitInput {
        code: members.code,
        name: members.name,
        head: members.head.unwrap_or_default(),
        active: members.active.unwrap_or(true),
        parent: members.parent.unwrap_or_default(),
    };
    let unit = state.services.organisation.create(actor, level, &input).await;
    let unit = find(state, actor, unit.map_err(|error| renamed(error, names))?).await?;
    Ok(created(state, collection, unit.id, unit.version, unit))
}

async fn change(
    state: &AppState,
    actor: &Actor,
    unit: UnitRef,
    if_match: &IfMatch,
    names: &[(&str, &str)],
    changes: Changes,
) -> Result<Response, ApiError> {
    let present = find(state, actor, unit).await?;
    let version = if_match.check(changes.version, present.version)?;
    let input = UnitInput {
        code: changes.code.unwrap_or(present.code),
        name: changes.name.unwrap_or(present.name),
        head: over(changes.head, present.head_id.map(|id| id.to_string())),
        active: changes.active.unwrap_or(present.active),
        parent: over(
            changes.parent.map(Some),
            present.parent_id.map(|id| id.to_string()),
        ),
    };
    let changed = state
        .services
        .organisation
        .update(actor, unit, version, &input)
        .await;
    changed.map_err(|error| renamed(error, names))?;
    let unit = find(state, actor, unit).await?;
    Ok(versioned(unit.version, unit))
}

async fn find(state: &AppState, actor: &Actor, unit: UnitRef) -> Result<Unit, ApiError> {
    let organisation = state.services.organisation.load(actor).await?;
    Unit::find(&organisation, unit).ok_or_else(|| Problem::not_found().into())
}

macro_rules! level {
    ($level:literal, $collection:literal, $path:literal, $one:literal, $id:ident, $unit:ident, $names:expr,
     $body:ident, $change:ident, [$($(#[$parent_meta:meta])* $parent:ident)?], [$($(#[$parent_change_meta:meta])* $parent_change:ident)?],
     $code:literal, $name:literal,
     $create:ident $create_id:literal, $get:ident $get_id:literal, $update:ident $update_id:literal) => {
        /// A unit to create.
        #[derive(Debug, Deserialize, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $body {
            /// Short code, unique within its level; kept in upper case.
            #[schema(example = $code, min_length = 1, max_length = 20)]
            code: String,
            /// Full name.
            #[schema(example = $name, min_length = 1, max_length = 160)]
            name: String,
            $($(#[$parent_meta])* $parent: String,)?
            /// The agent who heads it.
            #[schema(value_type = Option<String>, format = Uuid, example = json!(null))]
            head_id: Option<String>,
            /// Whether agents may be assigned below it; true when not given.
            #[schema(example = true)]
            active: Option<bool>,
        }

        /// A change of a unit: members that are left out stay as they are.
        #[derive(Debug, Deserialize, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $change {
            /// The version the client read.
            #[schema(example = 1)]
            version: Option<i64>,
            /// Short code, unique within its level.
            #[schema(example = $code, min_length = 1, max_length = 20)]
            code: Option<String>,
            /// Full name.
            #[schema(example = $name, min_length = 1, max_length = 160)]
            name: Option<String>,
            $($(#[$parent_change_meta])* $parent_change: Option<String>,)?
            /// The agent who heads it; null when the post is vacant.
            #[serde(default, deserialize_with = "nullable")]
            #[schema(value_type = Option<String>, format = Uuid, example = json!(null))]
            head_id: Option<Option<String>>,
            /// Whether agents may be assigned below it.
            #[schema(example = true)]
            active: Option<bool>,
        }

        /// Creates a unit.
        #[utoipa::path(post, path = $path, tag = "organisation", operation_id = $create_id, request_body = $body,
            responses((status = CREATED, description = "The unit, with its address in `Location`.", body = Unit), CreateProblems))]
        pub(super) async fn $create(
            State(state): State<AppState>,
            CurrentUser(actor): CurrentUser,
            JsonBody(body): JsonBody<$body>,
        ) -> Result<Response, ApiError> {
            let members = Members {
                code: body.code,
                name: body.name,
                head: body.head_id,
                active: body.active,
                parent: None$(.or(Some(body.$parent)))?,
            };
            make(&state, &actor, $level, $collection, $names, members).await
        }

        /// One unit.
        #[utoipa::path(get, path = $one, tag = "organisation", operation_id = $get_id,
            params(("id" = uuid::Uuid, Path, description = "Identifier of the unit.")),
            responses((status = OK, description = "The unit, with its version in `ETag`.", body = Unit), ReadProblems))]
        pub(super) async fn $get(
            State(state): State<AppState>,
            CurrentUser(actor): CurrentUser,
            PathId(id): PathId<$id>,
        ) -> Result<Response, ApiError> {
            let unit = find(&state, &actor, UnitRef::$unit(id)).await?;
            Ok(versioned(unit.version, unit))
        }

        /// Changes a unit: members that are left out stay as they are. One with agents in service cannot be switched off.
        #[utoipa::path(patch, path = $one, tag = "organisation", operation_id = $update_id,
            params(("id" = uuid::Uuid, Path, description = "Identifier of the unit."),
                ("If-Match" = Option<String>, Header, description = "The `ETag` the client read.")),
            request_body = $change,
            responses((status = OK, description = "The unit as it is now.", body = Unit), ChangeProblems))]
        pub(super) async fn $update(
            State(state): State<AppState>,
            CurrentUser(actor): CurrentUser,
            PathId(id): PathId<$id>,
            if_match: IfMatch,
            JsonBody(body): JsonBody<$change>,
        ) -> Result<Response, ApiError> {
            let changes = Changes {
                version: body.version,
                code: body.code,
                name: body.name,
                head: body.head_id,
                active: body.active,
                parent: None$(.or(body.$parent_change))?,
            };
            change(&state, &actor, UnitRef::$unit(id), &if_match, $names, changes).await
        }
    };
}

level!("programme", "organisation/programmes", "/api/v1/organisation/programmes", "/api/v1/organisation/programmes/{id}",
    ProgrammeId, Programme, &[("head", "head_id")],
    CreateProgramme, UpdateProgramme, [], [], "P1", "Programme 1 : Administration générale",
    create_programme "create_programme", get_programme "get_programme", update_programme "update_programme");

level!("directorate", "organisation/directorates", "/api/v1/organisation/directorates", "/api/v1/organisation/directorates/{id}",
    DirectorateId, Directorate, &[("head", "head_id"), ("parent", "programme_id")],
    CreateDirectorate, UpdateDirectorate,
    [
        /// The programme it belongs to.
        #[schema(example = "0197a3c0-5e1c-7cc1-8a52-3f1d6c2b9e10", format = Uuid)]
        programme_id
    ],
    [
        /// The programme it belongs to.
        #[schema(example = "0197a3c0-5e1c-7cc1-8a52-3f1d6c2b9e10", format = Uuid)]
        programme_id
    ],
    "DRH", "Direction des Ressources Humaines",
    create_directorate "create_directorate", get_directorate "get_directorate", update_directorate "update_directorate");

level!("department", "organisation/departments", "/api/v1/organisation/departments", "/api/v1/organisation/departments/{id}",
    DepartmentId, Department, &[("head", "head_id"), ("parent", "directorate_id")],
    CreateDepartment, UpdateDepartment,
    [
        /// The directorate it belongs to.
        #[schema(example = "0197a3c0-5e1c-7cc1-8a52-3f1d6c2b9e10", format = Uuid)]
        directorate_id
    ],
    [
        /// The directorate it belongs to.
        #[schema(example = "0197a3c0-5e1c-7cc1-8a52-3f1d6c2b9e10", format = Uuid)]
        directorate_id
    ],
    "SOLDE", "Service de la Solde",
    create_department "create_department", get_department "get_department", update_department "update_department");
