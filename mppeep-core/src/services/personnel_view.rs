//! A file as one reader may see it. The file itself stays inside, so that no exit can show more than the rights allow.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::domain::codes::AdministrativePosition;
use crate::domain::grade::Grade;
use crate::domain::id::{DepartmentId, PersonnelId};
use crate::domain::permission::{Action, Actor, Resource};
use crate::domain::personnel::{Departure, FieldGroup, Personnel, PersonnelField, PersonnelFields};
use crate::domain::retirement::{RetirementDerivation, derive, seniority};
use crate::domain::settings::Settings;
use crate::ports::personnel::PersonnelRow;

/// What the reader may see of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Visibility {
    career: bool,
    private: bool,
    absences: bool,
    evaluations: bool,
    writable: bool,
}

/// A file as one reader may see it.
#[derive(Debug, Clone)]
pub struct PersonnelView {
    personnel: Personnel,
    visible: Visibility,
    may_read_private: bool,
    department_name: Option<String>,
    absence_count: u32,
    absence_count_year: u32,
    average_mark_hundredths: Option<u16>,
    mark_count: u32,
}

impl PersonnelView {
    /// A file for `actor`; private data shows only when it is `revealed`.
    pub(crate) fn new(personnel: Personnel, actor: &Actor, revealed: bool) -> Self {
        let on = |resource, action| actor.may_on(resource, action, personnel.id, personnel.fields.department);
        let may_read_private = on(Resource::Private, Action::Read);
        let visible = Visibility {
            career: on(Resource::Career, Action::Read),
            private: revealed && may_read_private,
            absences: on(Resource::Absence, Action::Read),
            evaluations: on(Resource::Evaluation, Action::Read),
            writable: on(Resource::Career, Action::Write),
        };
        Self {
            personnel,
            visible,
            may_read_private,
            department_name: None,
            absence_count: 0,
            absence_count_year: 0,
            average_mark_hundredths: None,
            mark_count: 0,
        }
    }

    /// A row of a list for `actor`.
    pub(crate) fn from_row(row: PersonnelRow, actor: &Actor, revealed: bool) -> Self {
        Self {
            department_name: row.department_name,
            absence_count: row.absence_count,
            absence_count_year: row.absence_count_year,
            average_mark_hundredths: row.average_mark_hundredths,
            mark_count: row.mark_count,
            ..Self::new(row.personnel, actor, revealed)
        }
    }

    /// Identifier of the file.
    pub fn id(&self) -> PersonnelId {
        self.personnel.id
    }

    /// Version of the file.
    pub fn version(&self) -> i64 {
        self.personnel.version
    }

    /// When the file was made.
    pub fn created_at(&self) -> Timestamp {
        self.personnel.created_at
    }

    /// When the file last changed.
    pub fn updated_at(&self) -> Timestamp {
        self.personnel.updated_at
    }

    /// « NOM Prénoms ».
    pub fn full_name(&self) -> String {
        self.personnel.fields.full_name()
    }

    /// The matricule.
    pub fn matricule(&self) -> &str {
        self.personnel.fields.matricule.as_str()
    }

    /// The department.
    pub fn department(&self) -> Option<DepartmentId> {
        self.personnel.fields.department
    }

    /// Name of the department, in lists.
    pub fn department_name(&self) -> Option<&str> {
        self.department_name.as_deref()
    }

    /// Whether the reader sees a group of fields.
    pub fn shows(&self, group: FieldGroup) -> bool {
        match group {
            FieldGroup::Directory => true,
            FieldGroup::Career => self.visible.career,
            FieldGroup::Private => self.visible.private,
        }
    }

    /// Whether the reader may ask for the private data.
    pub fn may_reveal(&self) -> bool {
        self.may_read_private
    }

    /// Whether the reader may change the file.
    pub fn may_write(&self) -> bool {
        self.visible.writable
    }

    /// Whether the reader sees absences.
    pub fn shows_absences(&self) -> bool {
        self.visible.absences
    }

    /// Whether the reader sees evaluations.
    pub fn shows_evaluations(&self) -> bool {
        self.visible.evaluations
    }

    /// The value of a field as text; none when it is empty or not for this reader.
    pub fn get(&self, field: PersonnelField) -> Option<String> {
        self.shows(field.group())
            .then(|| self.personnel.fields.get(field))
            .flatten()
    }

    /// The grade.
    pub fn grade(&self) -> Option<Grade> {
        self.personnel.fields.grade.filter(|_| self.visible.career)
    }

    /// The administrative position.
    pub fn position(&self) -> Option<AdministrativePosition> {
        self.visible.career.then_some(self.personnel.fields.position)
    }

    /// The birth date.
    pub fn birth_date(&self) -> Option<Date> {
        self.visible.career.then_some(self.personnel.fields.birth_date)
    }

    /// That, when and why the agent left.
    pub fn departure(&self) -> Option<&Departure> {
        self.personnel.departure.as_ref().filter(|_| self.visible.career)
    }

    /// Whether the file is in the archive.
    pub fn is_archived(&self) -> bool {
        self.personnel.departure.is_some()
    }

    /// The day of retirement.
    pub fn retirement_date(&self) -> Option<Date> {
        self.personnel.retirement_date.filter(|_| self.visible.career)
    }

    /// How the day of retirement was found.
    pub fn retirement(&self, settings: &Settings) -> Option<RetirementDerivation> {
        let fields = &self.personnel.fields;
        derive(
            fields.birth_date,
            fields.grade,
            fields.retirement_extension,
            &settings.retirement,
        )
        .filter(|_| self.visible.career)
    }

    /// Time of service on a day: years, months, days.
    pub fn seniority(&self, on: Date) -> Option<(i16, i32, i32)> {
        self.personnel
            .fields
            .service_start_date
            .filter(|_| self.visible.career)
            .map(|start| seniority(start, on))
    }

    /// The filled part of the file, in percent.
    pub fn completeness_percent(&self) -> Option<u8> {
        self.visible
            .career
            .then(|| self.personnel.fields.completeness_percent())
    }

    /// The fields a complete file has and this one has not, of the groups the reader sees or may reveal.
    pub fn missing(&self) -> Vec<PersonnelField> {
        let known = |field: &PersonnelField| match field.group() {
            FieldGroup::Private => self.may_read_private,
            group => self.shows(group),
        };
        self.personnel
            .fields
            .missing()
            .into_iter()
            .filter(known)
            .collect()
    }

    /// Absences on record, in lists.
    pub fn absence_count(&self) -> Option<u32> {
        self.visible.absences.then_some(self.absence_count)
    }

    /// Those that touch the present year, in lists.
    pub fn absence_count_year(&self) -> Option<u32> {
        self.visible.absences.then_some(self.absence_count_year)
    }

    /// Mean of the final marks in hundredths, in lists.
    pub fn average_mark_hundredths(&self) -> Option<u16> {
        self.average_mark_hundredths.filter(|_| self.visible.evaluations)
    }

    /// Number of those marks, in lists.
    pub fn mark_count(&self) -> Option<u32> {
        self.visible.evaluations.then_some(self.mark_count)
    }

    /// The whole content, for a form of a reader who may change it and to whom private data was revealed.
    pub fn editable(&self) -> Option<&PersonnelFields> {
        (self.visible.writable && self.visible.private).then_some(&self.personnel.fields)
    }
}
