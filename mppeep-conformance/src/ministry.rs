//! A small ministry, and an independent idea of what lists of it must show.

use jiff::civil::{Date, date};
use mppeep_core::domain::absence::{Absence, AbsenceType};
use mppeep_core::domain::calendar::{Half, Period};
use mppeep_core::domain::codes::{AdministrativePosition, AgentStatus, DepartureReason, MaritalStatus, Sex};
use mppeep_core::domain::evaluation::Evaluation;
use mppeep_core::domain::grade::Grade;
use mppeep_core::domain::id::{DirectorateId, ProgrammeId};
use mppeep_core::domain::organisation::{
    Department, Directorate, Organisation, Programme, UnitFields, UnitRef,
};
use mppeep_core::domain::personnel::{Departure, Personnel};
use mppeep_core::domain::user::User;
use mppeep_core::ports::personnel::{ArchiveFilter, PersonnelFilter};
use mppeep_core::ports::store::Store;

use crate::fixtures::{
    TODAY, a_personnel, a_user, an_absence, an_evaluation, department_id, period, personnel_id, uuid,
};
use crate::support::start;

pub(crate) struct Ministry {
    pub(crate) organisation: Organisation,
    pub(crate) personnel: Vec<Personnel>,
    pub(crate) absences: Vec<Absence>,
    pub(crate) evaluations: Vec<Evaluation>,
    pub(crate) users: Vec<User>,
}

fn fields(code: &str, name: &str) -> UnitFields {
    UnitFields {
        code: code.to_owned(),
        name: name.to_owned(),
        head: None,
        active: true,
    }
}

pub(crate) fn programme(number: u128, code: &str, name: &str) -> Programme {
    Programme {
        id: ProgrammeId::from_uuid(uuid(0x6000 + number)),
        fields: fields(code, name),
        version: 1,
    }
}

pub(crate) fn directorate(number: u128, programme: u128, code: &str, name: &str) -> Directorate {
    Directorate {
        id: DirectorateId::from_uuid(uuid(0x7000 + number)),
        programme: ProgrammeId::from_uuid(uuid(0x6000 + programme)),
        fields: fields(code, name),
        version: 1,
    }
}

pub(crate) fn department(number: u128, directorate: u128, code: &str, name: &str) -> Department {
    Department {
        id: department_id(number),
        directorate: DirectorateId::from_uuid(uuid(0x7000 + directorate)),
        fields: fields(code, name),
        version: 1,
    }
}

/// Units whose folded order is not the order of their bytes, in folded order within each level.
pub(crate) fn organisation() -> Organisation {
    Organisation {
        programmes: vec![
            programme(1, "P1", "Administration générale"),
            programme(2, "P2", "État et portefeuille"),
        ],
        directorates: vec![
            directorate(2, 1, "DAF", "Affaires financières"),
            directorate(3, 2, "DEP", "Études et prospective"),
            directorate(1, 1, "DRH", "Ressources humaines"),
        ],
        departments: vec![
            department(3, 2, "SC", "Comptabilité"),
            department(2, 1, "SE", "Écoles et formation"),
            department(4, 3, "SP", "participations"),
            department(1, 1, "SS", "Solde"),
        ],
    }
}

const FAMILY_NAMES: [&str; 12] = [
    "ZADI",
    "ÉBOUÉ",
    "KONÉ",
    "N'GUESSAN",
    "DIALLO",
    "EBA",
    "ABOUA",
    "TOURÉ",
    "KONÉ",
    "OUATTARA",
    "ÇAPO",
    "DIABATÉ",
];
const GRADES: [Option<&str>; 6] = [Some("A7"), Some("D1"), Some("B2"), None, Some("A3"), Some("C1")];

fn agent(number: u16) -> Personnel {
    let index = usize::from(number);
    let mut file = a_personnel(
        u128::from(number),
        &format!("M{:03}-{}", (number * 37) % 101, number % 7),
    );
    let small = i8::try_from(number).unwrap();
    let year = |base: i16, spread: u16| base + i16::try_from(number % spread).unwrap();
    let fields = &mut file.fields;
    fields.family_name = FAMILY_NAMES[index % 12].to_owned();
    fields.given_names = ["Awa", "Éric", "Zoé", "Aïcha", "Jean Paul"][index % 5].to_owned();
    fields.sex = [Some(Sex::Female), Some(Sex::Male), None][index % 3];
    fields.birth_date = date(year(1961, 43), 1 + small % 12, 1 + small % 28);
    fields.status = AgentStatus::ALL[index % 4];
    fields.position = match index {
        3 | 10 => AdministrativePosition::Secondment,
        7 => AdministrativePosition::Suspension,
        _ => AdministrativePosition::Active,
    };
    fields.department = [Some(1), Some(2), Some(3), Some(4), None][index % 5].map(department_id);
    fields.job_title =
        [None, Some("Éditeur"), Some("chauffeur"), Some("Zone A")][index % 4].map(str::to_owned);
    fields.grade = GRADES[index % 6].and_then(|grade| grade.parse::<Grade>().ok());
    fields.service_start_date = (index % 4 != 0).then(|| date(year(2016, 11), 1 + small % 10, 15));
    fields.national_id = (index % 6 == 1).then(|| format!("CI00{number}"));
    fields.personal_phone = (index % 5 == 2).then(|| format!("0700000{number:03}"));
    fields.work_phone = (index % 2 == 0).then(|| format!("27 20 00 {number:02}"));
    if index % 8 == 1 {
        complete(&mut file);
    }
    file.retirement_date = match index {
        5 => Some(TODAY),
        6 => Some(date(2027, 5, 22)),
        7 => Some(date(2027, 5, 23)),
        8 => Some(date(2027, 11, 22)),
        9 => Some(date(2027, 11, 23)),
        11 => None,
        _ => Some(date(year(2026, 9), 12, 31)),
    };
    file.departure = match index {
        12 => Some(Departure {
            date: date(2024, 6, 30),
            reason: DepartureReason::Resignation,
        }),
        20 => Some(Departure {
            date: date(2026, 3, 1),
            reason: DepartureReason::Retirement,
        }),
        _ => None,
    };
    file.updated_at = start()
        .checked_sub(std::time::Duration::from_secs(u64::from((number * 17) % 23)))
        .unwrap();
    file
}

fn complete(file: &mut Personnel) {
    let fields = &mut file.fields;
    let text = |value: &str| Some(value.to_owned());
    fields.sex = fields.sex.or(Some(Sex::Male));
    fields.birth_place = text("Bouaké");
    fields.nationality = text("Ivoirienne");
    fields.marital_status = Some(MaritalStatus::Married);
    fields.national_id = text(&format!("CI-{}", fields.matricule));
    fields.recruitment_date = Some(date(2010, 1, 4));
    fields.service_start_date = Some(date(2010, 2, 1));
    fields.department = fields.department.or(Some(department_id(1)));
    fields.job_title = text("Attaché");
    fields.grade = fields.grade.or("B3".parse().ok());
    fields.step = Some(3);
    fields.salary_index = Some(1_200);
    fields.personal_phone = text("0701020304");
    fields.address = text("Cocody");
}

impl Ministry {
    pub(crate) fn new() -> Self {
        let personnel: Vec<Personnel> = (0..30).map(agent).collect();
        let of = |number: u128| personnel_id(number);
        let days = |start, end| Period::days(start, end).unwrap();
        let mut absences = vec![
            an_absence(1, of(0), days(date(2026, 11, 16), date(2026, 11, 27))),
            an_absence(2, of(1), period(TODAY, Half::Pm, TODAY, Half::Pm)),
            an_absence(3, of(2), days(TODAY, TODAY)),
            an_absence(4, of(3), days(date(2025, 12, 22), date(2026, 1, 2))),
            an_absence(5, of(3), days(date(2024, 3, 4), date(2024, 3, 8))),
            an_absence(6, of(3), days(date(2026, 2, 2), date(2026, 2, 6))),
            an_absence(7, of(4), days(date(2025, 6, 2), date(2025, 6, 6))),
            an_absence(8, of(20), days(TODAY, TODAY)),
            an_absence(9, of(0), days(date(2026, 2, 16), date(2026, 2, 20))),
            an_absence(10, of(7), days(date(2026, 11, 23), date(2026, 11, 24))),
            an_absence(11, of(8), days(date(2026, 11, 20), date(2026, 11, 21))),
        ];
        absences[2].cancelled_at = Some(start());
        absences[5].fields.kind = AbsenceType::SickLeave;
        absences[6].fields.reason = Some("Fièvre — repos".to_owned());
        let evaluations = vec![
            an_evaluation(1, of(0), 2025, Some(1_601)),
            an_evaluation(2, of(0), 2024, Some(1_600)),
            an_evaluation(3, of(0), 2019, Some(200)),
            an_evaluation(4, of(1), 2025, Some(999)),
            an_evaluation(5, of(2), 2025, None),
            an_evaluation(6, of(3), 2025, Some(2_000)),
            an_evaluation(7, of(4), 2024, Some(1_000)),
            an_evaluation(8, of(4), 2025, None),
            an_evaluation(9, of(12), 2024, Some(100)),
            an_evaluation(10, of(14), 2024, Some(0)),
        ];
        let mut users: Vec<User> = (1..=3).map(a_user).collect();
        users[0].fields.personnel = Some(of(1));
        users[1].fields.personnel = Some(of(9));
        Self {
            organisation: organisation(),
            personnel,
            absences,
            evaluations,
            users,
        }
    }

    /// Stores it all in one unit.
    pub(crate) async fn store(&self, store: &dyn Store) {
        let mut unit = store.begin().await.unwrap();
        store_organisation(unit.as_mut(), &self.organisation).await;
        unit.personnel().insert_many(&self.personnel).await.unwrap();
        unit.absences().insert_many(&self.absences).await.unwrap();
        unit.evaluations().insert_many(&self.evaluations).await.unwrap();
        for user in &self.users {
            unit.users().insert(user, None).await.unwrap();
        }
        unit.commit().await.unwrap();
    }

    /// Whether a file fulfils a filter.
    pub(crate) fn matches(&self, filter: &PersonnelFilter, file: &Personnel) -> bool {
        let fields = &file.fields;
        let within = |value: Option<Date>, from: Option<Date>, to: Option<Date>| {
            (from.is_none() && to.is_none())
                || value.is_some_and(|value| {
                    from.is_none_or(|from| from <= value) && to.is_none_or(|to| value <= to)
                })
        };
        let word_found = |word: &String| {
            fields.search_key().contains(word.as_str())
                || filter.search_private && fields.private_search_key().contains(word.as_str())
        };
        let in_archive = match filter.archive {
            ArchiveFilter::Current => file.departure.is_none(),
            ArchiveFilter::Archived => file.departure.is_some(),
            ArchiveFilter::Both => true,
        };
        in_archive
            && filter.scope.reaches(file.id, fields.department)
            && filter.words.iter().all(word_found)
            && filter.unit.is_none_or(|unit| self.is_in(file, unit))
            && (!filter.unassigned || fields.department.is_none())
            && filter
                .category
                .is_none_or(|category| fields.grade.map(Grade::category) == Some(category))
            && filter.grade.is_none_or(|grade| fields.grade == Some(grade))
            && (!filter.without_grade || fields.grade.is_none())
            && filter.position.is_none_or(|position| fields.position == position)
            && filter.status.is_none_or(|status| fields.status == status)
            && filter.sex.is_none_or(|sex| fields.sex == Some(sex))
            && within(Some(fields.birth_date), filter.born_from, filter.born_to)
            && within(
                fields.service_start_date,
                filter.in_service_from,
                filter.in_service_to,
            )
            && within(file.retirement_date, filter.retires_from, filter.retires_to)
            && filter.absent_on.is_none_or(|day| self.is_absent(file, day))
            && (!filter.without_account
                || !self
                    .users
                    .iter()
                    .any(|user| user.fields.personnel == Some(file.id)))
            && (!filter.incomplete || !fields.missing().is_empty())
    }

    pub(crate) fn is_in(&self, file: &Personnel, unit: UnitRef) -> bool {
        let departments = self.organisation.departments_of(unit);
        file.fields
            .department
            .is_some_and(|department| departments.contains(&department))
    }

    fn is_absent(&self, file: &Personnel, day: Date) -> bool {
        self.absences_of(file).any(|absence| touches(absence, day, day))
    }

    /// The absences of an agent that were not cancelled.
    pub(crate) fn absences_of<'a>(&'a self, file: &'a Personnel) -> impl Iterator<Item = &'a Absence> {
        self.absences
            .iter()
            .filter(|absence| absence.personnel == file.id && absence.cancelled_at.is_none())
    }

    /// The final marks of some agents since a year: their rounded mean, in hundredths, and their number.
    pub(crate) fn mean_mark(&self, files: &[&Personnel], from_year: i16) -> (Option<u16>, u32) {
        let marks: Vec<u32> = self
            .evaluations
            .iter()
            .filter(|evaluation| evaluation.fields.year >= from_year)
            .filter(|evaluation| files.iter().any(|file| file.id == evaluation.personnel))
            .filter_map(|evaluation| evaluation.final_mark.map(|mark| u32::from(mark.hundredths())))
            .collect();
        let count = u32::try_from(marks.len()).unwrap();
        let sum: u32 = marks.iter().sum();
        (
            (count > 0).then(|| u16::try_from((2 * sum + count) / (2 * count)).unwrap()),
            count,
        )
    }

    pub(crate) fn department_name(&self, file: &Personnel) -> Option<String> {
        let department = self.organisation.department(file.fields.department?)?;
        Some(department.fields.name.clone())
    }

    /// The agent of an absence or evaluation.
    pub(crate) fn agent(&self, id: mppeep_core::domain::id::PersonnelId) -> &Personnel {
        self.personnel.iter().find(|file| file.id == id).unwrap()
    }
}

pub(crate) fn touches(absence: &Absence, from: Date, to: Date) -> bool {
    absence.fields.period.start() <= to && from <= absence.fields.period.end()
}

/// Stores units, those above first.
pub(crate) async fn store_organisation(
    unit: &mut dyn mppeep_core::ports::store::UnitOfWork,
    organisation: &Organisation,
) {
    let mut repository = unit.organisation();
    for programme in &organisation.programmes {
        repository.insert_programme(programme).await.unwrap();
    }
    for directorate in &organisation.directorates {
        repository.insert_directorate(directorate).await.unwrap();
    }
    for department in &organisation.departments {
        repository.insert_department(department).await.unwrap();
    }
}
