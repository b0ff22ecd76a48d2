//! The files: consistent dates, plausible careers, some of them incomplete.

use jiff::Timestamp;
use jiff::civil::Date;
use mppeep_core::domain::codes::{
    AdministrativePosition, AgentStatus, BirthPrecision, DepartureReason, MaritalStatus, Sex,
};
use mppeep_core::domain::grade::{Grade, GradeCategory};
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::domain::personnel::{
    Departure, MatriculePattern, Personnel, PersonnelField as F, PersonnelFields, PersonnelInput,
    PersonnelRules,
};
use mppeep_core::domain::retirement;
use mppeep_core::domain::settings::RetirementSettings;
use mppeep_core::domain::text::fold;
use mppeep_core::domain::user::Role;

use crate::error::GenerateError;
use crate::names;
use crate::random::{Random, later, morning_of, plus_days};
use crate::units::Plan;

/// Somebody who is the same in every demonstration: the agents behind the accounts, and a few known names.
pub(crate) struct Part {
    pub(crate) role: Option<Role>,
    sex: Sex,
    family: &'static str,
    given: &'static str,
    department: &'static str,
    grade: &'static str,
    heads: Option<&'static str>,
    job: &'static str,
}

const fn part(
    role: Option<Role>,
    (sex, family, given): (Sex, &'static str, &'static str),
    (department, grade): (&'static str, &'static str),
    heads: Option<&'static str>,
    job: &'static str,
) -> Part {
    Part {
        role,
        sex,
        family,
        given,
        department,
        grade,
        heads,
        job,
    }
}

/// The parts, which are the first files.
#[rustfmt::skip]
pub(crate) const CAST: [Part; 14] = [
    part(Some(Role::Sdrh), (Sex::Female, "KONÉ", "Mariam"), ("DRH-GP", "A6"), Some("DRH"), "Sous-directrice des ressources humaines"),
    part(Some(Role::Daf), (Sex::Male, "KOUAMÉ", "Yao Bernard"), ("DAF-BUD", "A6"), Some("DAF"), "Directeur administratif et financier"),
    part(Some(Role::Sdb), (Sex::Female, "N'GUESSAN", "Affoué Clémence"), ("DAF-BUD", "A5"), None, "Sous-directrice du budget"),
    part(Some(Role::Sdc), (Sex::Male, "DIABATÉ", "Souleymane"), ("DAF-MG", "A4"), None, "Sous-directeur des moyens généraux"),
    part(Some(Role::Cs), (Sex::Female, "TRAORÉ", "Fatoumata Élise"), ("DRH-SOL", "A4"), Some("DRH-SOL"), "Cheffe du service de la solde"),
    part(Some(Role::Agent), (Sex::Female, "KOFFI", "Amenan Grâce"), ("DRH-SOL", "B3"), None, "Gestionnaire de solde"),
    part(Some(Role::Admin), (Sex::Male, "YAO", "Kouadio Hervé"), ("DSI-RI", "A4"), None, "Administrateur des systèmes"),
    part(None, (Sex::Female, "KONÉ", "Awa"), ("DAF-CPT", "B3"), None, "Comptable"),
    part(None, (Sex::Male, "KONÉ", "Ibrahim"), ("IG-AUD", "A3"), None, "Auditeur interne"),
    part(None, (Sex::Female, "KONÉ", "Aïcha Salimata"), ("CAB-COM", "B1"), None, "Assistante de communication"),
    part(None, (Sex::Female, "KOUAMÉ", "Akissi Léa"), ("DTF-BE", "A3"), None, "Analyste financière"),
    part(None, (Sex::Male, "KOUAMÉ", "Konan Désiré"), ("DSP-AF", "A4"), None, "Analyste financier"),
    part(None, (Sex::Male, "BLÉ", "Zadi Noël"), ("DAJC-CT", "C2"), None, "Secrétaire"),
    part(None, (Sex::Female, "N'DRI", "Adjoua Hélène"), ("DSI-ED", "A3"), None, "Ingénieure informaticienne"),
];

/// Number of parts.
pub(crate) const PARTS: usize = CAST.len();

/// Grades with how often they occur.
const GRADES: [(&str, i64); 15] = [
    ("A7", 1),
    ("A6", 2),
    ("A5", 5),
    ("A4", 14),
    ("A3", 15),
    ("A2", 3),
    ("A1", 2),
    ("B3", 13),
    ("B2", 7),
    ("B1", 6),
    ("C3", 8),
    ("C2", 9),
    ("C1", 6),
    ("D2", 5),
    ("D1", 4),
];

const JOBS_A: &[&str] = &[
    "Chargé d'études",
    "Administrateur des services financiers",
    "Analyste financier",
    "Juriste",
    "Statisticien",
    "Ingénieur informaticien",
    "Attaché d'administration",
    "Contrôleur de gestion",
    "Auditeur interne",
];
const JOBS_B: &[&str] = &[
    "Comptable",
    "Secrétaire d'administration",
    "Assistant de direction",
    "Technicien informatique",
    "Gestionnaire du personnel",
    "Documentaliste",
];
const JOBS_C: &[&str] = &[
    "Secrétaire",
    "Agent de bureau",
    "Commis",
    "Standardiste",
    "Archiviste",
];
const JOBS_D: &[&str] = &["Chauffeur", "Agent de liaison", "Agent d'entretien", "Gardien"];

/// How high an agent's grade is: category first.
pub(crate) fn rank(file: &Personnel) -> (u8, u8) {
    file.fields.grade.map_or((0, 0), |grade| {
        let category = match grade.category() {
            GradeCategory::A => 4,
            GradeCategory::B => 3,
            GradeCategory::C => 2,
            GradeCategory::D => 1,
        };
        (category, grade.number())
    })
}

/// Whether an agent may head a unit.
pub(crate) fn may_head(file: &Personnel) -> bool {
    file.departure.is_none()
        && file.fields.position == AdministrativePosition::Active
        && file
            .fields
            .grade
            .is_some_and(|grade| grade.category() <= GradeCategory::B)
}

/// The part that heads the unit of a code.
pub(crate) fn head_of(code: &str, personnel: &[Personnel]) -> Option<PersonnelId> {
    CAST.iter()
        .zip(personnel)
        .find(|(part, _)| part.heads == Some(code))
        .map(|(_, file)| file.id)
}

/// Makes the files, the parts first.
pub(crate) fn make(
    agents: u32,
    today: Date,
    plan: &Plan,
    random: &mut Random,
) -> Result<Vec<Personnel>, GenerateError> {
    let pattern = MatriculePattern::new(MatriculePattern::DEFAULT).map_err(GenerateError::Pattern)?;
    let rules = PersonnelRules {
        matricule: &pattern,
        today,
    };
    let retirement_settings = RetirementSettings::default();
    let mut maker = Maker {
        agents,
        today,
        plan,
        random,
    };
    (0..agents)
        .map(|index| {
            let part = usize::try_from(index).ok().and_then(|index| CAST.get(index));
            let (input, departure) = maker.agent(index, part);
            let fields = PersonnelFields::parse(&input, &rules)?;
            let retirement_date = retirement::derive(
                fields.birth_date,
                fields.grade,
                fields.retirement_extension,
                &retirement_settings,
            );
            let created_at = maker.created_at(index, fields.service_start_date);
            Ok(Personnel {
                id: PersonnelId::from_uuid(maker.random.uuid(created_at)),
                retirement_date: retirement_date.map(|derived| derived.date),
                fields,
                departure,
                version: 1,
                created_at,
                updated_at: created_at,
            })
        })
        .collect()
}

struct Maker<'a> {
    agents: u32,
    today: Date,
    plan: &'a Plan,
    random: &'a mut Random,
}

/// Dates of a life, and the grade that goes with them.
struct Career {
    birth: Date,
    recruitment: Date,
    start: Date,
    grade: Grade,
    departure: Option<Departure>,
}

impl Maker<'_> {
    fn agent(&mut self, index: u32, part: Option<&Part>) -> (PersonnelInput, Option<Departure>) {
        let sex = match part {
            Some(part) => part.sex,
            None if self.random.chance(43) => Sex::Female,
            None => Sex::Male,
        };
        let (family, given) = match part {
            Some(part) => (part.family.to_owned(), part.given.to_owned()),
            None => names::person(sex, self.random),
        };
        let career = self.career(part);
        let mut input = PersonnelInput::default();
        input.set(F::Matricule, self.matricule(index));
        input.set(F::FamilyName, family.as_str());
        input.set(F::GivenNames, given.as_str());
        input.set(F::Sex, sex.code());
        input.set(F::Nationality, "Ivoirienne");
        self.dates(&mut input, &career, part.is_some());
        self.family(&mut input, sex, career.birth);
        self.service(&mut input, &career, part);
        self.papers_and_address(&mut input, index);
        let mail = format!(
            "{}.{}{}@mppeep.example",
            first_word(&given),
            letters(&family),
            index
        );
        if self.random.chance(72) || part.is_some() {
            input.set(F::Email, mail);
        }
        if part.is_none() && self.random.chance(7) {
            self.forget_some(&mut input);
        }
        (input, career.departure)
    }

    /// Six digits and a letter, unique by the digits.
    fn matricule(&mut self, index: u32) -> String {
        let room = (700_000 / i64::from(self.agents.max(1))).clamp(1, 67);
        let number = 200_000 + i64::from(index) * room + self.random.between(0, room - 1);
        let letter = char::from(b'A' + u8::try_from(number % 23).unwrap_or(0));
        format!("{number:06}{letter}")
    }

    fn career(&mut self, part: Option<&Part>) -> Career {
        let weights = GRADES.map(|(_, weight)| weight);
        let chosen = self.random.weighted(&weights);
        let code = part.map_or_else(
            || GRADES.get(chosen).map_or("B2", |(code, _)| *code),
            |part| part.grade,
        );
        let grade: Grade = code.parse().unwrap_or_else(|_| fallback_grade());
        let limit = RetirementSettings::default().age_of(Some(grade));
        let year = self.today.year();
        let left = part.is_none() && self.random.chance(5);
        let retired = left && self.random.chance(55);
        let oldest = year - i16::from(limit);
        let youngest = if grade.category() == GradeCategory::A && grade.number() >= 5 {
            year - 40
        } else {
            year - 25
        };
        let birth_year = if retired {
            oldest - i16::try_from(self.random.between(1, 3)).unwrap_or(1)
        } else if part.is_none() && self.random.chance(4) {
            // Every year some reach the limit.
            oldest + i16::try_from(self.random.between(0, 1)).unwrap_or(0)
        } else {
            // Two draws: the middle of a career is more common than its ends.
            let low = i64::from(oldest);
            let high = i64::from(if part.is_some() { year - 38 } else { youngest });
            let sum = self.random.between(low, high) + self.random.between(low, high);
            i16::try_from(sum / 2).unwrap_or(year - 40)
        };
        let first = Date::new(birth_year, 1, 1).unwrap_or(self.today);
        let birth = self.random.day(first, first.last_of_year());
        let youngest_start = plus_days(birth, 21 * 366);
        let latest = plus_days(self.today, -400)
            .min(plus_days(birth, 38 * 365))
            .max(youngest_start);
        let recruitment = self
            .random
            .day(youngest_start, latest)
            .min(plus_days(self.today, -40));
        let start = plus_days(recruitment, self.random.between(0, 90)).min(plus_days(self.today, -1));
        let departure = left.then(|| self.departure(retired, birth, limit, start));
        Career {
            birth,
            recruitment,
            start,
            grade,
            departure,
        }
    }

    fn departure(&mut self, retired: bool, birth: Date, limit: u8, start: Date) -> Departure {
        if retired {
            let last = Date::new(birth.year() + i16::from(limit), 12, 31).unwrap_or(self.today);
            return Departure {
                date: last,
                reason: DepartureReason::Retirement,
            };
        }
        let reasons = [
            (DepartureReason::TransferOut, 45),
            (DepartureReason::Resignation, 20),
            (DepartureReason::EndOfContract, 15),
            (DepartureReason::Death, 15),
            (DepartureReason::Other, 5),
        ];
        let chosen = self.random.weighted(&reasons.map(|(_, weight)| weight));
        let reason = reasons
            .get(chosen)
            .map_or(DepartureReason::Other, |(reason, _)| *reason);
        let earliest = plus_days(self.today, -900).max(start);
        let latest = plus_days(self.today, -5).max(start);
        Departure {
            date: self.random.day(earliest, latest),
            reason,
        }
    }

    fn dates(&mut self, input: &mut PersonnelInput, career: &Career, is_part: bool) {
        if !is_part && self.random.chance(2) {
            input.set(F::BirthDate, career.birth.last_of_year().to_string());
            input.set(F::BirthPrecision, BirthPrecision::Year.code());
        } else {
            input.set(F::BirthDate, career.birth.to_string());
        }
        input.set(F::RecruitmentDate, career.recruitment.to_string());
        input.set(F::ServiceStartDate, career.start.to_string());
        input.set(F::BirthPlace, self.random.word(names::TOWNS));
    }

    fn family(&mut self, input: &mut PersonnelInput, sex: Sex, birth: Date) {
        let age = self.today.year() - birth.year();
        let single = if age < 30 { 60 } else { 18 };
        let weights = [single, 100 - single, 4, if age > 50 { 8 } else { 1 }, 15];
        let status = MaritalStatus::ALL
            .get(self.random.weighted(&weights))
            .copied()
            .unwrap_or(MaritalStatus::Single);
        input.set(F::MaritalStatus, status.code());
        let most = i64::from((age - 22) / 4).clamp(0, 7);
        let children = if status == MaritalStatus::Single && self.random.chance(60) {
            0
        } else {
            self.random.between(0, most)
        };
        input.set(F::Children, children.to_string());
        if sex == Sex::Female && status == MaritalStatus::Married && self.random.chance(55) {
            input.set(F::MaidenName, names::person(sex, self.random).0);
        }
    }

    fn service(&mut self, input: &mut PersonnelInput, career: &Career, part: Option<&Part>) {
        let is_part = part.is_some();
        let years = i64::from(self.today.year() - career.start.year());
        let statuses = [
            (AgentStatus::CivilServant, 80),
            (AgentStatus::Contractual, 14),
            (AgentStatus::Assigned, 2),
        ];
        let chosen = if is_part {
            0
        } else {
            self.random.weighted(&statuses.map(|(_, weight)| weight))
        };
        let status = match statuses.get(chosen) {
            _ if years <= 1 && !is_part => AgentStatus::Trainee,
            Some((status, _)) => *status,
            None => AgentStatus::CivilServant,
        };
        input.set(F::Status, status.code());
        let retired = career
            .departure
            .as_ref()
            .is_some_and(|gone| gone.reason == DepartureReason::Retirement);
        let positions = [93, 2, 2, 1, 0, 1, 1];
        let position = match self.random.weighted(&positions) {
            _ if retired => AdministrativePosition::Retired,
            _ if is_part || career.departure.is_some() => AdministrativePosition::Active,
            index => AdministrativePosition::ALL
                .get(index)
                .copied()
                .unwrap_or(AdministrativePosition::Active),
        };
        input.set(F::Position, position.code());
        let department = match part {
            Some(part) => self.plan.department(part.department),
            None if self.random.chance(2) => None,
            None => self.plan.any_department(self.random),
        };
        if let Some(department) = department {
            input.set(F::Department, department.to_string());
        }
        input.set(F::Grade, career.grade.to_string());
        let step = (years / 2 + 1).clamp(1, 10);
        input.set(F::Step, step.to_string());
        if status != AgentStatus::Contractual {
            input.set(
                F::SalaryIndex,
                (index_of(career.grade) + 40 * (step - 1)).to_string(),
            );
        }
        let jobs = match career.grade.category() {
            GradeCategory::A => JOBS_A,
            GradeCategory::B => JOBS_B,
            GradeCategory::C => JOBS_C,
            GradeCategory::D => JOBS_D,
        };
        input.set(
            F::JobTitle,
            part.map_or_else(|| self.random.word(jobs), |part| part.job),
        );
        if self.random.chance(60) {
            input.set(F::WorkPhone, format!("+225 27 20 {}", self.number_pairs()));
        }
    }

    fn papers_and_address(&mut self, input: &mut PersonnelInput, index: u32) {
        input.set(
            F::NationalId,
            format!("CI{:03}{index:06}", self.random.between(1, 999)),
        );
        if self.random.chance(12) {
            input.set(
                F::Passport,
                format!("{}AB{}", self.random.between(18, 25), self.random.digits(5)),
            );
        }
        let operator = self.random.word(&["01", "05", "07"]);
        let start = self.random.digits(2);
        input.set(
            F::PersonalPhone,
            format!("+225 {operator} {start} {}", self.number_pairs()),
        );
        let lot = self.random.between(1, 980);
        input.set(
            F::Address,
            format!("{}, lot {lot}", self.random.word(names::QUARTERS)),
        );
        if self.random.chance(4) {
            let notes = [
                "Dossier physique à compléter.",
                "A demandé une formation en 2025.",
                "Dossier transmis à la Solde.",
            ];
            input.set(F::Notes, self.random.word(&notes));
        }
    }

    fn number_pairs(&mut self) -> String {
        let digits = self.random.digits(6);
        let pairs: Vec<&str> = [0, 2, 4]
            .iter()
            .filter_map(|at| digits.get(*at..at + 2))
            .collect();
        pairs.join(" ")
    }

    /// Files are not complete everywhere.
    fn forget_some(&mut self, input: &mut PersonnelInput) {
        let forgettable = [
            F::BirthPlace,
            F::NationalId,
            F::PersonalPhone,
            F::Address,
            F::MaritalStatus,
            F::Children,
            F::JobTitle,
            F::Step,
        ];
        for field in forgettable {
            if self.random.chance(35) {
                input.0.remove(&field);
            }
        }
    }

    /// Most files came with the first import; those of later recruits were typed soon after they began.
    fn created_at(&mut self, index: u32, start: Option<Date>) -> Timestamp {
        let first_import = plus_days(self.today, -240);
        let day = match start {
            Some(start) if start > first_import => plus_days(start, 1).min(plus_days(self.today, -1)),
            _ => first_import,
        };
        later(morning_of(day), i64::from(index % 3_000))
    }
}

fn fallback_grade() -> Grade {
    Grade::all()
        .pop()
        .unwrap_or_else(|| unreachable!("there are grades"))
}

/// Index of the first step of a grade.
fn index_of(grade: Grade) -> i64 {
    let (base, by_number) = match grade.category() {
        GradeCategory::A => (900, 150),
        GradeCategory::B => (560, 90),
        GradeCategory::C => (400, 50),
        GradeCategory::D => (300, 40),
    };
    base + by_number * i64::from(grade.number())
}

fn letters(text: &str) -> String {
    fold(text).chars().filter(char::is_ascii_lowercase).collect()
}

fn first_word(text: &str) -> String {
    letters(text.split([' ', '-']).next().unwrap_or(text))
}
