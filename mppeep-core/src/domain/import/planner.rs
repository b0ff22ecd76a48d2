//! Reads and judges row after row.

use std::collections::{BTreeSet, HashMap};

use jiff::civil::Date;

use super::cells::{self, Reading};
use super::columns::{Mapping, Target};
use super::findings::{DuplicateBy, Finding, Problem};
use super::plan::{Context, Outcome, Plan, PlannedRow, written_matricule};
use super::units::UnitIndex;
use super::words::normal;
use crate::domain::codes::BirthPrecision;
use crate::domain::id::DirectorateId;
use crate::domain::personnel::{
    Personnel, PersonnelField, PersonnelFields, PersonnelInput, PersonnelRules, changes,
};
use crate::domain::text::fold;
use crate::ports::spreadsheet::{Cell, Sheet};

/// Ages at recruitment that raise no question.
const USUAL_RECRUITMENT: std::ops::RangeInclusive<i16> = 18..=45;

/// Somebody by whom a later row may be recognised.
#[derive(Clone)]
struct Known {
    matricule: String,
    row: Option<usize>,
}

pub(super) struct Planner<'a> {
    sheet: &'a Sheet,
    mapping: &'a Mapping,
    context: &'a Context<'a>,
    units: UnitIndex<'a>,
    existing: HashMap<&'a str, &'a Personnel>,
    /// Rows by matricule, from 0.
    rows_of: HashMap<String, Vec<usize>>,
    by_name: HashMap<(String, Date), Vec<Known>>,
    by_card: HashMap<String, Vec<Known>>,
    plan: Plan,
}

/// A row as its cells give it.
#[derive(Default)]
struct Given {
    input: PersonnelInput,
    /// Fields whose cell is already found wrong.
    broken: BTreeSet<PersonnelField>,
    birth_year_only: bool,
    full_name: Option<String>,
    directorate: Option<DirectorateId>,
    department: Option<String>,
    any: bool,
}

impl<'a> Planner<'a> {
    pub(super) fn new(sheet: &'a Sheet, mapping: &'a Mapping, context: &'a Context<'a>) -> Self {
        let mut rows_of: HashMap<String, Vec<usize>> = HashMap::new();
        if let Some(column) = mapping.column_of(Target::Field(PersonnelField::Matricule)) {
            for row in mapping.header_row + 1..sheet.rows.len() {
                if let Some(matricule) = written_matricule(sheet, row, column.index) {
                    rows_of.entry(matricule).or_default().push(row);
                }
            }
        }
        let mut by_name: HashMap<(String, Date), Vec<Known>> = HashMap::new();
        let mut by_card: HashMap<String, Vec<Known>> = HashMap::new();
        for identity in context.identities {
            let known = Known {
                matricule: identity.matricule.as_str().to_owned(),
                row: None,
            };
            if let Some(card) = &identity.national_id {
                by_card.entry(card.clone()).or_default().push(known.clone());
            }
            by_name
                .entry((identity.name_key.clone(), identity.birth_date))
                .or_default()
                .push(known);
        }
        Self {
            sheet,
            mapping,
            context,
            units: UnitIndex::new(context.organisation),
            existing: context
                .existing
                .iter()
                .map(|file| (file.fields.matricule.as_str(), file))
                .collect(),
            rows_of,
            by_name,
            by_card,
            plan: Plan::default(),
        }
    }

    fn find(&mut self, row: usize, field: PersonnelField, problem: Problem) {
        let full_name = matches!(field, PersonnelField::FamilyName | PersonnelField::GivenNames)
            .then(|| self.mapping.column_of(Target::FullName))
            .flatten();
        let column = self.mapping.column_of(Target::Field(field)).or(full_name);
        self.find_at(row, column.map(|column| column.index), Some(field), problem);
    }

    fn find_at(
        &mut self,
        row: usize,
        column: Option<usize>,
        field: Option<PersonnelField>,
        problem: Problem,
    ) {
        let given = column
            .map(|column| self.sheet.cell(row, column).display())
            .unwrap_or_default();
        let given = given.trim().chars().take(80).collect();
        self.plan.findings.push(Finding {
            row: row + 1,
            column,
            field,
            given,
            problem,
        });
    }

    /// The plan, its findings in the order of rows and columns.
    pub(super) fn finish(mut self) -> Plan {
        self.plan
            .findings
            .sort_by_key(|finding| (finding.row, finding.column.unwrap_or(usize::MAX)));
        self.plan
    }

    /// Judges one row, from 0.
    pub(super) fn row(&mut self, row: usize) {
        let mut given = self.read(row);
        if !given.any {
            return;
        }
        let written = given
            .input
            .get(PersonnelField::Matricule)
            .map(str::to_owned)
            .unwrap_or_default();
        let matricule = written
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .to_uppercase();
        let existing = self.existing.get(matricule.as_str()).copied();
        self.complete(row, &mut given, existing);
        let outcome = self.judge(row, &matricule, given, existing);
        let name = match &outcome {
            Outcome::Create(fields) => fields.full_name(),
            Outcome::Update { after, .. } => after.full_name(),
            Outcome::Unchanged | Outcome::Refused => existing
                .map(|file| file.fields.full_name())
                .unwrap_or_else(|| self.written_name(row)),
        };
        self.plan.rows.push(PlannedRow {
            row: row + 1,
            matricule,
            name,
            outcome,
        });
    }

    fn written_name(&self, row: usize) -> String {
        let targets = [
            Target::Field(PersonnelField::FamilyName),
            Target::Field(PersonnelField::GivenNames),
            Target::FullName,
        ];
        let parts: Vec<String> = targets
            .iter()
            .filter_map(|target| self.mapping.column_of(*target))
            .map(|column| self.sheet.cell(row, column.index).display())
            .collect();
        parts.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Reads the cells of a row; what cannot be read is a finding.
    fn read(&mut self, row: usize) -> Given {
        let mut given = Given::default();
        let mapping = self.mapping;
        for column in &mapping.columns {
            let Some(target) = column.target else { continue };
            let cell = self.sheet.cell(row, column.index);
            if cell.is_blank() {
                continue;
            }
            given.any = true;
            match target {
                Target::Programme => {}
                Target::FullName => given.full_name = Some(cell.display()),
                Target::Directorate => match self.units.directorate(&cell.display()) {
                    Ok(id) => given.directorate = Some(id),
                    Err(problem) => self.find_at(row, Some(column.index), None, problem),
                },
                Target::Field(field) => self.read_field(row, field, cell, &mut given),
            }
        }
        given
    }

    fn read_field(&mut self, row: usize, field: PersonnelField, cell: &Cell, given: &mut Given) {
        match cells::read(field, cell, self.sheet.date_system) {
            Ok(Reading::Nothing) => {}
            Ok(Reading::Value(text)) if field == PersonnelField::Department => given.department = Some(text),
            Ok(Reading::Value(text)) => given.input.set(field, text),
            Ok(Reading::Doubtful(text, problem)) => {
                given.input.set(field, text);
                self.find(row, field, problem);
            }
            Ok(Reading::Year(year)) => {
                given.birth_year_only = true;
                given.input.set(field, format!("{year:04}-12-31"));
            }
            Err(problem) => {
                given.broken.insert(field);
                self.find(row, field, problem);
            }
        }
    }

    /// What follows from several cells of a row together.
    fn complete(&mut self, row: usize, given: &mut Given, existing: Option<&Personnel>) {
        use PersonnelField as F;
        self.resolve_department(row, given);
        let precision = given.input.get(F::BirthPrecision).map(str::to_owned);
        if given.birth_year_only {
            if precision.as_deref() == Some(BirthPrecision::Day.code()) {
                given.broken.insert(F::BirthDate);
                self.find(row, F::BirthDate, Problem::PrecisionMismatch);
            }
            given.input.set(F::BirthPrecision, BirthPrecision::Year.code());
        } else if precision.is_none()
            && let Some(day) = given.input.get(F::BirthDate)
            && existing.is_some_and(|file| file.fields.birth_date.to_string() != day)
        {
            given.input.set(F::BirthPrecision, BirthPrecision::Day.code());
        }
        if let Some(full) = given.full_name.take() {
            let same = existing.is_some_and(|file| file.fields.name_key() == fold(&full));
            if same {
                return;
            }
            if let Some((family, names, sure)) = cells::divide_name(&full) {
                if !sure {
                    let problem = Problem::NameDivided {
                        family: family.clone(),
                        given: names.clone(),
                    };
                    self.find(row, F::FamilyName, problem);
                }
                given.input.set(F::FamilyName, family);
                given.input.set(F::GivenNames, names);
            } else {
                given.input.set(F::FamilyName, full);
            }
        }
    }

    fn resolve_department(&mut self, row: usize, given: &mut Given) {
        let Some(text) = given.department.take() else {
            return;
        };
        let field = PersonnelField::Department;
        match self.units.department(&text, given.directorate) {
            Ok(id) => {
                let actual = self.units.directorate_of(id);
                if let (Some(written), Some(actual)) = (given.directorate, actual)
                    && written != actual
                {
                    let column = self
                        .mapping
                        .column_of(Target::Directorate)
                        .map(|column| column.index);
                    let actual = self.units.directorate_name(actual);
                    self.find_at(row, column, None, Problem::OtherDirectorate { actual });
                }
                given.input.set(field, id.to_string());
            }
            Err(Problem::UnknownDepartment { .. }) if normal(&text) == "sans affectation" => {
                given.input.set(field, "");
            }
            Err(problem) => {
                given.broken.insert(field);
                self.find(row, field, problem);
            }
        }
    }

    fn judge(&mut self, row: usize, matricule: &str, given: Given, existing: Option<&Personnel>) -> Outcome {
        use PersonnelField as F;
        let mut wrong = !given.broken.is_empty();
        let other_rows: Vec<usize> = self
            .rows_of
            .get(matricule)
            .map(|rows| {
                rows.iter()
                    .filter(|other| **other != row)
                    .map(|other| other + 1)
                    .collect()
            })
            .unwrap_or_default();
        if !other_rows.is_empty() {
            wrong = true;
            self.find(row, F::Matricule, Problem::DuplicateRow { other_rows });
        }
        if let Some(file) = existing
            && !wrong
            && says_the_same(&given.input, &file.fields)
        {
            return Outcome::Unchanged;
        }
        let base = existing
            .map(|file| PersonnelInput::from_fields(&file.fields))
            .unwrap_or_default();
        let rules = PersonnelRules {
            matricule: self.context.pattern,
            today: self.context.today,
        };
        let fields = match PersonnelFields::parse(&base.overlaid_with(&given.input), &rules) {
            Ok(fields) => fields,
            Err(violations) => {
                for violation in violations.0 {
                    let Some(field) = F::by_code(&violation.field) else {
                        continue;
                    };
                    if !given.broken.contains(&field) {
                        self.find(row, field, Problem::Rule(violation.rule));
                    }
                }
                return Outcome::Refused;
            }
        };
        let changed = changes(existing.map(|file| &file.fields), &fields);
        if changed.is_empty() {
            return if wrong {
                Outcome::Refused
            } else {
                Outcome::Unchanged
            };
        }
        let touches = |fields: &[F]| {
            changed
                .iter()
                .any(|change| fields.iter().any(|f| f.code() == change.field))
        };
        if touches(&[F::Department]) && fields.department.is_some_and(|id| !self.units.is_open(id)) {
            wrong = true;
            self.find(row, F::Department, Problem::ClosedDepartment);
        }
        if let Some(departure) = existing.and_then(|file| file.departure.as_ref()) {
            wrong = true;
            self.find(
                row,
                F::Matricule,
                Problem::Archived {
                    since: departure.date,
                },
            );
        }
        if touches(&[F::BirthDate, F::RecruitmentDate]) {
            self.question_recruitment(row, &fields);
        }
        if touches(&[F::FamilyName, F::GivenNames, F::BirthDate, F::NationalId]) {
            self.question_identity(row, &fields);
        }
        match existing {
            _ if wrong => Outcome::Refused,
            Some(file) => Outcome::Update {
                before: Box::new(file.clone()),
                after: Box::new(fields),
                changes: changed,
            },
            None => Outcome::Create(Box::new(fields)),
        }
    }

    fn question_recruitment(&mut self, row: usize, fields: &PersonnelFields) {
        let Some(recruited) = fields.recruitment_date else {
            return;
        };
        let birth = fields.birth_date;
        let before_birthday = (recruited.month(), recruited.day()) < (birth.month(), birth.day());
        let years = recruited.year() - birth.year() - i16::from(before_birthday);
        if !USUAL_RECRUITMENT.contains(&years) {
            self.find(
                row,
                PersonnelField::RecruitmentDate,
                Problem::AgeAtRecruitment { years },
            );
        }
    }

    /// Warns of others who look like the same person, on record or further up in the file.
    fn question_identity(&mut self, row: usize, fields: &PersonnelFields) {
        let own = fields.matricule.as_str();
        let known = Known {
            matricule: own.to_owned(),
            row: Some(row + 1),
        };
        let other = |entries: &Vec<Known>| entries.iter().find(|entry| entry.matricule != own).cloned();
        let names = self
            .by_name
            .entry((fields.name_key(), fields.birth_date))
            .or_default();
        let same_name = other(names);
        names.push(known.clone());
        let same_card = fields.national_id.as_ref().and_then(|card| {
            let cards = self.by_card.entry(card.clone()).or_default();
            let same = other(cards);
            cards.push(known);
            same
        });
        for (entry, field, by) in [
            (same_name, PersonnelField::FamilyName, DuplicateBy::NameAndBirth),
            (same_card, PersonnelField::NationalId, DuplicateBy::NationalId),
        ] {
            if let Some(Known {
                matricule,
                row: other_row,
            }) = entry
            {
                self.find(
                    row,
                    field,
                    Problem::SamePerson {
                        matricule,
                        row: other_row,
                        by,
                    },
                );
            }
        }
    }
}

/// Whether an input holds nothing but what the file holds already. Most rows of most files do, and a file that was valid
/// when it was made is left in peace by rules made since.
fn says_the_same(input: &PersonnelInput, fields: &PersonnelFields) -> bool {
    input
        .0
        .iter()
        .all(|(field, value)| fields.get(*field).unwrap_or_default() == *value)
}
