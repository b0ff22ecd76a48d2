//! Personnel files: list, read, create, change, archive.

use std::sync::Arc;

use jiff::Span;
use jiff::civil::Date;

use super::context::{Context, Note, require, require_all};
use super::error::ServiceError;
use super::personnel_view::PersonnelView;
use crate::domain::activity::{ActivityAction, EntityKind, FieldChange};
use crate::domain::id::PersonnelId;
use crate::domain::permission::{Action, Actor, Resource};
use crate::domain::personnel::{
    Departure, FieldGroup, Personnel, PersonnelField, PersonnelFields, PersonnelInput, PersonnelRules,
    changes,
};
use crate::domain::retirement;
use crate::domain::settings::Settings;
use crate::domain::validation::{Rule, Violations};
use crate::ports::cache::Ttl;
use crate::ports::epochs::Namespace;
use crate::ports::page::{Page, PageRequest};
use crate::ports::personnel::{
    ArchiveFilter, PersonnelFilter, PersonnelQuery, PersonnelRow, PersonnelSort, PossibleDuplicate,
};
use crate::ports::store::UnitOfWork;

/// What a change of a file makes wrong.
pub(crate) const MADE_WRONG: &[Namespace] =
    &[Namespace::ABSENCES, Namespace::EVALUATIONS, Namespace::PERSONNEL];

/// Years whose marks enter the mean shown in lists: the present one and the two before.
pub const SCORE_YEARS: i16 = 3;

/// What a page of the list is made of.
const LISTED_FROM: &[Namespace] = &[
    Namespace::ABSENCES,
    Namespace::EVALUATIONS,
    Namespace::ORGANISATION,
    Namespace::PERSONNEL,
];

/// Number of the cached shape of a page; another shape takes another number.
const LIST_SCHEMA: u32 = 1;

/// Whether private data is asked for. Asking for another person's leaves a line in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reveal {
    /// Private data stays hidden.
    Hidden,
    /// Private data is shown to who may see it.
    Shown,
}

/// A list asked for. The scope of the filter is set by the service.
#[derive(Debug, Clone)]
pub struct ListPersonnel {
    /// Which files.
    pub filter: PersonnelFilter,
    /// In which order.
    pub sort: PersonnelSort,
    /// Whether the order is reversed.
    pub descending: bool,
    /// Which page.
    pub page: PageRequest,
}

/// Personnel files.
pub struct PersonnelService {
    context: Arc<Context>,
}

impl PersonnelService {
    /// The service over its context.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// A page of the list, of the files the actor may see. Conditions and orders that tell something about careers
    /// are applied to the files whose career he may see.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn list(
        &self,
        actor: &Actor,
        list: ListPersonnel,
    ) -> Result<Page<PersonnelView>, ServiceError> {
        let query = self.query(actor, list)?;
        let soft = self.context.cache_times().personnel;
        let ttl = Ttl { soft, hard: soft * 2 };
        let load = || async {
            let mut unit = self.context.store().begin_read().await?;
            let page = unit.personnel().list(&query).await?;
            // Private data shows in no list, and stays in the database.
            Ok::<_, ServiceError>(page.map(|row| PersonnelRow {
                personnel: Personnel {
                    fields: row.personnel.fields.without_private(),
                    ..row.personnel
                },
                ..row
            }))
        };
        // Everything that the page depends on, the reader's scope included, stands in the query.
        let key = format!("{query:?}");
        let page = self
            .context
            .cached()
            .load(LISTED_FROM, LIST_SCHEMA, &key, ttl, load)
            .await?;
        Ok(page.map(|row| PersonnelView::from_row(row, actor, false)))
    }

    /// The query of a list within the actor's scope.
    pub(crate) fn query(&self, actor: &Actor, list: ListPersonnel) -> Result<PersonnelQuery, ServiceError> {
        require(actor, Resource::Directory, Action::Read)?;
        let today = self.context.today();
        let mut filter = list.filter;
        filter.search_private = actor.may_all(Resource::Private, Action::Read);
        filter.scope = actor.scope(resource_read_by(&filter, list.sort), Action::Read);
        Ok(PersonnelQuery {
            filter,
            sort: list.sort,
            descending: list.descending,
            page: list.page,
            year_start: today.first_of_year(),
            score_from_year: today.year() - (SCORE_YEARS - 1),
        })
    }

    /// One file.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Store`.
    pub async fn get(
        &self,
        actor: &Actor,
        id: PersonnelId,
        reveal: Reveal,
    ) -> Result<PersonnelView, ServiceError> {
        let may_know = actor.may(Resource::Directory, Action::Read) || actor.personnel == Some(id);
        if !may_know {
            return Err(ServiceError::Forbidden {
                resource: Resource::Directory,
                action: Action::Read,
            });
        }
        let mut unit = self.context.store().begin_read().await?;
        let personnel = self.find(&mut unit, actor, id).await?;
        drop(unit);
        let department = personnel.fields.department;
        let shown = reveal == Reveal::Shown && actor.may_on(Resource::Private, Action::Read, id, department);
        if shown && actor.personnel != Some(id) {
            let note = note(ActivityAction::PrivateRead, &personnel, Vec::new());
            let line = self.context.activity(actor, note);
            let mut unit = self.context.store().begin().await?;
            unit.activities().append(&[line]).await?;
            self.context.commit(unit, &[]).await?;
        }
        Ok(PersonnelView::new(personnel, actor, shown))
    }

    /// Several files, in no order; those the actor may not know of are left out, and private data stays hidden.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn get_many(
        &self,
        actor: &Actor,
        ids: &[PersonnelId],
    ) -> Result<Vec<PersonnelView>, ServiceError> {
        require(actor, Resource::Directory, Action::Read)?;
        let mut unit = self.context.store().begin_read().await?;
        let found = unit.personnel().find_many(ids).await?;
        Ok(found
            .into_iter()
            .filter(|personnel| may_know(actor, personnel))
            .map(|personnel| PersonnelView::new(personnel, actor, false))
            .collect())
    }

    async fn find(
        &self,
        unit: &mut Box<dyn UnitOfWork>,
        actor: &Actor,
        id: PersonnelId,
    ) -> Result<Personnel, ServiceError> {
        let not_found = || ServiceError::NotFound(EntityKind::Personnel);
        let personnel = unit.personnel().find(id).await?.ok_or_else(not_found)?;
        if may_know(actor, &personnel) {
            Ok(personnel)
        } else {
            Err(not_found())
        }
    }

    /// Files that may be of the person described.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn possible_duplicates(
        &self,
        actor: &Actor,
        except: Option<PersonnelId>,
        input: &PersonnelInput,
    ) -> Result<Vec<PossibleDuplicate>, ServiceError> {
        require_all(actor, Resource::Career, Action::Write)?;
        let settings = self.context.settings().await?;
        let Ok(fields) = self.parse(input, &settings) else {
            return Ok(Vec::new());
        };
        let mut unit = self.context.store().begin_read().await?;
        let found = unit
            .personnel()
            .possible_duplicates(
                except,
                &fields.name_key(),
                fields.birth_date,
                fields.national_id.as_deref(),
            )
            .await?;
        Ok(found)
    }

    fn parse(&self, input: &PersonnelInput, settings: &Settings) -> Result<PersonnelFields, Violations> {
        let pattern = settings.matricule_pattern();
        PersonnelFields::parse(
            input,
            &PersonnelRules {
                matricule: &pattern,
                today: self.context.today(),
            },
        )
    }

    /// Creates a file.
    ///
    /// # Errors
    /// `Forbidden`, `Invalid`, `Taken` on `matricule`, `ReadOnlyMode`, `Store`.
    pub async fn create(&self, actor: &Actor, input: &PersonnelInput) -> Result<PersonnelView, ServiceError> {
        require_all(actor, Resource::Career, Action::Write)?;
        self.check_groups(actor, input.0.keys(), Some)?;
        let settings = self.context.settings().await?;
        let fields = self.parse(input, &settings)?;
        self.check_department(&fields, None).await?;
        let now = self.context.now();
        let personnel = Personnel {
            id: PersonnelId::new(self.context.clock(), self.context.entropy()),
            retirement_date: retirement_date(&fields, &settings),
            fields,
            departure: None,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let changed = changes(None, &personnel.fields);
        let line = self
            .context
            .activity(actor, note(ActivityAction::Created, &personnel, changed));
        let mut unit = self.context.begin().await?;
        unit.personnel().insert(&personnel).await?;
        unit.activities().append(&[line]).await?;
        self.context.commit(unit, MADE_WRONG).await?;
        Ok(PersonnelView::new(personnel, actor, true))
    }

    /// Changes the fields named in `input`; an empty value removes a field's. Nothing is written when nothing differs.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Invalid`, `Stale` when the file has another version, `Taken` on `matricule`,
    /// `State("archived")`, `ReadOnlyMode`, `Store`.
    pub async fn update(
        &self,
        actor: &Actor,
        id: PersonnelId,
        version: i64,
        input: &PersonnelInput,
    ) -> Result<PersonnelView, ServiceError> {
        require_all(actor, Resource::Career, Action::Write)?;
        self.check_groups(actor, input.0.keys(), Some)?;
        let settings = self.context.settings().await?;
        let mut unit = self.context.begin().await?;
        let before = self.find(&mut unit, actor, id).await?;
        self.check_version(&before, version)?;
        if before.departure.is_some() {
            return Err(ServiceError::State("archived"));
        }
        let merged = PersonnelInput::from_fields(&before.fields).overlaid_with(input);
        let fields = self.parse(&merged, &settings)?;
        self.check_department(&fields, before.fields.department).await?;
        let changed = changes(Some(&before.fields), &fields);
        if changed.is_empty() {
            return Ok(PersonnelView::new(before, actor, true));
        }
        let after = Personnel {
            retirement_date: retirement_date(&fields, &settings),
            fields,
            version: before.version + 1,
            updated_at: self.context.now(),
            ..before
        };
        let line = self
            .context
            .activity(actor, note(ActivityAction::Updated, &after, changed));
        unit.personnel().update(&after).await?;
        unit.activities().append(&[line]).await?;
        self.context.commit(unit, MADE_WRONG).await?;
        Ok(PersonnelView::new(after, actor, true))
    }

    fn check_version(&self, before: &Personnel, version: i64) -> Result<(), ServiceError> {
        if before.version == version {
            Ok(())
        } else {
            Err(ServiceError::Stale)
        }
    }

    fn check_groups<'a>(
        &self,
        actor: &Actor,
        fields: impl Iterator<Item = &'a PersonnelField>,
        wanted: impl Fn(FieldGroup) -> Option<FieldGroup>,
    ) -> Result<(), ServiceError> {
        for group in fields.filter_map(|field| wanted(field.group())) {
            require_all(
                actor,
                crate::domain::permission::resource_of(group),
                Action::Write,
            )?;
        }
        Ok(())
    }

    /// The department exists; a new one is active.
    async fn check_department(
        &self,
        fields: &PersonnelFields,
        before: Option<crate::domain::id::DepartmentId>,
    ) -> Result<(), ServiceError> {
        let Some(id) = fields.department else {
            return Ok(());
        };
        let organisation = self.context.organisation().await?;
        let known = organisation
            .department(id)
            .is_some_and(|unit| unit.fields.active || before == Some(id));
        if known {
            Ok(())
        } else {
            Err(ServiceError::unknown(PersonnelField::Department.code()))
        }
    }

    /// Notes that the agent left, and archives the file.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Invalid`, `Stale`, `State("archived")`, `ReadOnlyMode`, `Store`.
    pub async fn archive(
        &self,
        actor: &Actor,
        id: PersonnelId,
        version: i64,
        departure: Departure,
    ) -> Result<PersonnelView, ServiceError> {
        let start = |fields: &PersonnelFields| fields.service_start_date.unwrap_or(fields.birth_date);
        self.set_departure(actor, id, version, Some(departure), |before, departure| {
            let Some(departure) = departure else { return Ok(()) };
            if before.departure.is_some() {
                return Err(ServiceError::State("archived"));
            }
            if departure.date < start(&before.fields) {
                let rule = Rule::MustFollow {
                    other: "service_start_date",
                    or_equal: true,
                };
                return Err(Violations::one("departure_date", rule).into());
            }
            Ok(())
        })
        .await
    }

    /// Takes an archived file back.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Stale`, `State("not-archived")`, `ReadOnlyMode`, `Store`.
    pub async fn restore(
        &self,
        actor: &Actor,
        id: PersonnelId,
        version: i64,
    ) -> Result<PersonnelView, ServiceError> {
        self.set_departure(actor, id, version, None, |before, _| {
            if before.departure.is_none() {
                Err(ServiceError::State("not-archived"))
            } else {
                Ok(())
            }
        })
        .await
    }

    async fn set_departure(
        &self,
        actor: &Actor,
        id: PersonnelId,
        version: i64,
        departure: Option<Departure>,
        check: impl Fn(&Personnel, Option<&Departure>) -> Result<(), ServiceError> + Send + Sync,
    ) -> Result<PersonnelView, ServiceError> {
        require_all(actor, Resource::Career, Action::Write)?;
        let latest = self.context.today().saturating_add(Span::new().years(1));
        if departure
            .as_ref()
            .is_some_and(|departure| departure.date > latest)
        {
            return Err(Violations::one("departure_date", Rule::InFuture).into());
        }
        let mut unit = self.context.begin().await?;
        let before = self.find(&mut unit, actor, id).await?;
        self.check_version(&before, version)?;
        check(&before, departure.as_ref())?;
        let change = |field: &str, of: &dyn Fn(&Departure) -> String| FieldChange {
            field: field.to_owned(),
            before: before.departure.as_ref().map(of),
            after: departure.as_ref().map(of),
        };
        let changed = vec![
            change("departure_date", &|departure| departure.date.to_string()),
            change("departure_reason", &|departure| {
                departure.reason.code().to_owned()
            }),
        ];
        let action = if departure.is_some() {
            ActivityAction::Archived
        } else {
            ActivityAction::Restored
        };
        let after = Personnel {
            departure,
            version: before.version + 1,
            updated_at: self.context.now(),
            ..before
        };
        let line = self.context.activity(actor, note(action, &after, changed));
        unit.personnel().update(&after).await?;
        unit.activities().append(&[line]).await?;
        self.context.commit(unit, MADE_WRONG).await?;
        Ok(PersonnelView::new(after, actor, false))
    }
}

/// Whether the actor may know that the file exists: one in the archive only with its career.
fn may_know(actor: &Actor, personnel: &Personnel) -> bool {
    let on = |resource| actor.may_on(resource, Action::Read, personnel.id, personnel.fields.department);
    on(Resource::Career) || (on(Resource::Directory) && personnel.departure.is_none())
}

/// The day of retirement of a content under the settings in force.
pub(crate) fn retirement_date(fields: &PersonnelFields, settings: &Settings) -> Option<Date> {
    retirement::derive(
        fields.birth_date,
        fields.grade,
        fields.retirement_extension,
        &settings.retirement,
    )
    .map(|derivation| derivation.date)
}

/// A line of the journal about a file.
pub(crate) fn note(action: ActivityAction, personnel: &Personnel, changes: Vec<FieldChange>) -> Note {
    Note {
        action,
        entity: EntityKind::Personnel,
        entity_id: Some(personnel.id.as_uuid()),
        subject: Some(personnel.id),
        label: format!(
            "{} · {}",
            personnel.fields.matricule,
            personnel.fields.full_name()
        ),
        changes,
    }
}

/// The resource whose scope a list must stay in, so that what it leaves out or puts first tells nothing that the
/// reader may not know.
fn resource_read_by(filter: &PersonnelFilter, sort: PersonnelSort) -> Resource {
    use PersonnelSort as S;
    let of_evaluations = sort == S::Score;
    let of_absences = filter.absent_on.is_some() || sort == S::Absences;
    let of_careers = filter.category.is_some()
        || filter.grade.is_some()
        || filter.without_grade
        || filter.position.is_some()
        || filter.status.is_some()
        || filter.sex.is_some()
        || filter.born_from.is_some()
        || filter.born_to.is_some()
        || filter.in_service_from.is_some()
        || filter.in_service_to.is_some()
        || filter.retires_from.is_some()
        || filter.retires_to.is_some()
        || filter.without_account
        || filter.incomplete
        || filter.archive != ArchiveFilter::Current
        || matches!(
            sort,
            S::Grade | S::Position | S::Seniority | S::Retirement | S::Updated
        );
    if of_evaluations {
        Resource::Evaluation
    } else if of_absences {
        Resource::Absence
    } else if of_careers {
        Resource::Career
    } else {
        Resource::Directory
    }
}
