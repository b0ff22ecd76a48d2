//! Settings: what an administrator decides, in sections. Every one of them is applied.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::absence::AbsenceType;
use super::calendar::{CountingMode, WeekPattern};
use super::codes::codes;
use super::evaluation::Criterion;
use super::grade::Grade;
use super::payroll::PayrollSettings;
use super::personnel::MatriculePattern;
use super::stored_file::FilesSettings;
use super::text;
use super::validation::{Rule, Violations};

codes! {
    /// A part of the settings that is read, checked and saved as one.
    SettingsSection {
        /// Name and colours of the ministry.
        Ministry = "ministry",
        /// Rules of the personnel file.
        Personnel = "personnel",
        /// The working week.
        Calendar = "calendar",
        /// Counting of absences.
        Absences = "absences",
        /// Weights and thresholds of evaluations.
        Evaluations = "evaluations",
        /// Ages and day of retirement.
        Retirement = "retirement",
        /// Point value, allowance and deduction of the salary slip.
        Payroll = "payroll",
        /// Sizes and times of documents and files.
        Files = "files",
        /// Passwords and sessions.
        Security = "security",
        /// The privacy charter.
        Charter = "charter",
        /// Banner and read-only mode.
        Maintenance = "maintenance",
    }
}

/// Name and colours of the ministry, shown on every page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MinistrySettings {
    /// Full name.
    pub name: String,
    /// Short name, shown in the menu.
    pub short_name: String,
    /// The minister's name; may be empty.
    pub minister: String,
    /// Text at the foot of every page; may be empty.
    pub footer: String,
    /// Main colour, `#rrggbb`, dark enough for white text on it (contrast 4.5, WCAG 2.2 1.4.3).
    pub brand_colour: String,
    /// Accent colour, `#rrggbb`.
    pub accent_colour: String,
}

impl Default for MinistrySettings {
    fn default() -> Self {
        Self {
            name: "Ministère du Patrimoine, du Portefeuille de l'État et des Entreprises Publiques"
                .to_owned(),
            short_name: "MPPEEP".to_owned(),
            minister: String::new(),
            footer: String::new(),
            brand_colour: "#0b5d3b".to_owned(),
            accent_colour: "#e07a1f".to_owned(),
        }
    }
}

/// Rules of the personnel file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PersonnelSettings {
    /// Regular expression that a whole matricule matches.
    pub matricule_pattern: String,
}

impl Default for PersonnelSettings {
    fn default() -> Self {
        Self {
            matricule_pattern: MatriculePattern::DEFAULT.to_owned(),
        }
    }
}

/// The working week.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalendarSettings {
    /// Days worked, Monday first.
    pub week: WeekPattern,
}

/// Counting of absences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AbsenceSettings {
    /// The mode in which each type counts its days.
    pub modes: BTreeMap<AbsenceType, CountingMode>,
}

impl Default for AbsenceSettings {
    fn default() -> Self {
        use AbsenceType as T;
        let modes = AbsenceType::ALL
            .iter()
            .map(|kind| {
                let mode = match kind {
                    T::AnnualLeave | T::SickLeave | T::MaternityLeave => CountingMode::Calendar,
                    _ => CountingMode::Worked,
                };
                (*kind, mode)
            })
            .collect();
        Self { modes }
    }
}

impl AbsenceSettings {
    /// The mode of a type.
    pub fn mode_of(&self, kind: AbsenceType) -> CountingMode {
        self.modes.get(&kind).copied().unwrap_or(CountingMode::Worked)
    }
}

/// Weights and thresholds of evaluations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationSettings {
    /// Weights of the criteria, in the order of [`Criterion::ALL`]; not all zero.
    pub weights: [u8; 5],
    /// From this mark on, « Excellent ».
    pub excellent_from: u8,
    /// From this mark on, « Très bon ».
    pub very_good_from: u8,
    /// From this mark on, « Bon ».
    pub good_from: u8,
    /// From this mark on, « Passable »; below, « Insuffisant ».
    pub fair_from: u8,
}

impl Default for EvaluationSettings {
    fn default() -> Self {
        Self {
            weights: [1; 5],
            excellent_from: 18,
            very_good_from: 16,
            good_from: 12,
            fair_from: 10,
        }
    }
}

impl EvaluationSettings {
    /// The weight of a criterion.
    pub fn weight_of(&self, criterion: Criterion) -> u8 {
        Criterion::ALL
            .iter()
            .position(|known| *known == criterion)
            .and_then(|index| self.weights.get(index))
            .copied()
            .unwrap_or(0)
    }
}

/// How the day on which the age limit is reached becomes the day of departure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetirementMode {
    /// 31 December of that year.
    EndOfYear,
    /// The last day of that month.
    EndOfMonth,
    /// That very day.
    Birthday,
}

/// Ages and day of retirement. The defaults for Côte d'Ivoire follow press reports of the decree of July 2023; the
/// text itself was not read, so an administrator should check them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetirementSettings {
    /// Age limit by grade, in years.
    pub ages: BTreeMap<String, u8>,
    /// Age limit where the grade is not known, in years.
    pub default_age: u8,
    /// Day of departure.
    pub mode: RetirementMode,
}

impl Default for RetirementSettings {
    fn default() -> Self {
        let high = |grade: &Grade| grade.category() == super::grade::GradeCategory::A && grade.number() >= 4;
        let ages = Grade::all()
            .iter()
            .map(|grade| (grade.to_string(), if high(grade) { 65 } else { 60 }))
            .collect();
        Self {
            ages,
            default_age: 60,
            mode: RetirementMode::EndOfYear,
        }
    }
}

impl RetirementSettings {
    /// The age limit of a grade.
    pub fn age_of(&self, grade: Option<Grade>) -> u8 {
        grade
            .and_then(|grade| self.ages.get(&grade.to_string()))
            .copied()
            .unwrap_or(self.default_age)
    }
}

/// Passwords and sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecuritySettings {
    /// Least number of characters of a new password, 8 to 64 (ASVS 5.0, 6.2.1).
    pub password_min_length: u8,
    /// Minutes without use after which a session ends; 0 is never.
    pub idle_minutes: u16,
}

impl Default for SecuritySettings {
    fn default() -> Self {
        Self {
            password_min_length: 8,
            idle_minutes: 0,
        }
    }
}

/// The privacy charter that users accept at login; off while its text is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CharterSettings {
    /// The text.
    pub text: String,
    /// Number of the text; a greater one must be accepted again.
    pub version: u32,
}

/// Banner and read-only mode.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaintenanceSettings {
    /// Shown at the top of every page; may be empty.
    pub banner: String,
    /// Whether every write but logins and settings is refused.
    pub read_only: bool,
}

/// All settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Name and colours of the ministry.
    pub ministry: MinistrySettings,
    /// Rules of the personnel file.
    pub personnel: PersonnelSettings,
    /// The working week.
    pub calendar: CalendarSettings,
    /// Counting of absences.
    pub absences: AbsenceSettings,
    /// Weights and thresholds of evaluations.
    pub evaluations: EvaluationSettings,
    /// Ages and day of retirement.
    pub retirement: RetirementSettings,
    /// What salary slips are computed by.
    pub payroll: PayrollSettings,
    /// Sizes and times of documents and files.
    pub files: FilesSettings,
    /// Passwords and sessions.
    pub security: SecuritySettings,
    /// The privacy charter.
    pub charter: CharterSettings,
    /// Banner and read-only mode.
    pub maintenance: MaintenanceSettings,
    /// Version of each saved section; a section never saved has version 0.
    pub versions: BTreeMap<SettingsSection, i64>,
}

impl Settings {
    /// A section as JSON.
    pub fn section(&self, section: SettingsSection) -> serde_json::Value {
        use SettingsSection as S;
        let value = match section {
            S::Ministry => serde_json::to_value(&self.ministry),
            S::Personnel => serde_json::to_value(&self.personnel),
            S::Calendar => serde_json::to_value(&self.calendar),
            S::Absences => serde_json::to_value(&self.absences),
            S::Evaluations => serde_json::to_value(&self.evaluations),
            S::Retirement => serde_json::to_value(&self.retirement),
            S::Payroll => serde_json::to_value(&self.payroll),
            S::Files => serde_json::to_value(&self.files),
            S::Security => serde_json::to_value(&self.security),
            S::Charter => serde_json::to_value(&self.charter),
            S::Maintenance => serde_json::to_value(&self.maintenance),
        };
        value.unwrap_or(serde_json::Value::Null)
    }

    /// Replaces a section by checked JSON. Missing members take their defaults, unknown ones are refused.
    ///
    /// # Errors
    /// What is wrong, by member.
    pub fn set_section(
        &mut self,
        section: SettingsSection,
        value: serde_json::Value,
    ) -> Result<(), Violations> {
        use SettingsSection as S;
        match section {
            S::Ministry => self.ministry = checked(value, MinistrySettings::check)?,
            S::Personnel => self.personnel = checked(value, PersonnelSettings::check)?,
            S::Calendar => self.calendar = checked(value, CalendarSettings::check)?,
            S::Absences => self.absences = checked(value, AbsenceSettings::check)?,
            S::Evaluations => self.evaluations = checked(value, EvaluationSettings::check)?,
            S::Retirement => self.retirement = checked(value, RetirementSettings::check)?,
            S::Payroll => self.payroll = checked(value, PayrollSettings::check)?,
            S::Files => self.files = checked(value, FilesSettings::check)?,
            S::Security => self.security = checked(value, SecuritySettings::check)?,
            S::Charter => self.charter = checked(value, CharterSettings::check)?,
            S::Maintenance => self.maintenance = checked(value, MaintenanceSettings::check)?,
        }
        Ok(())
    }

    /// The compiled form of a matricule.
    pub fn matricule_pattern(&self) -> MatriculePattern {
        MatriculePattern::new(&self.personnel.matricule_pattern)
            .or_else(|_| MatriculePattern::new(MatriculePattern::DEFAULT))
            .unwrap_or_else(|_| unreachable!("the default pattern compiles"))
    }
}

fn checked<T: serde::de::DeserializeOwned>(
    value: serde_json::Value,
    check: impl Fn(&mut T, &mut Violations),
) -> Result<T, Violations> {
    let mut section: T = serde_json::from_value(value).map_err(|err| {
        let message = err.to_string();
        let member = message.split('`').nth(1).unwrap_or("section").to_owned();
        Violations::one(member, Rule::Format { expected: message })
    })?;
    let mut violations = Violations::default();
    check(&mut section, &mut violations);
    violations.into_result(section)
}

fn clean(value: &mut String, field: &str, max: usize, required: bool, violations: &mut Violations) {
    match text::line(value, max) {
        Ok(line) => *value = line,
        Err(Rule::Required) if !required => value.clear(),
        Err(rule) => violations.push(field, rule),
    }
}

fn clean_paragraph(value: &mut String, field: &str, max: usize, violations: &mut Violations) {
    match text::paragraph(value, max) {
        Ok(paragraph) => *value = paragraph,
        Err(Rule::Required) => value.clear(),
        Err(rule) => violations.push(field, rule),
    }
}

fn in_range(number: u8, min: u8, max: u8, field: &str, violations: &mut Violations) {
    if !(min..=max).contains(&number) {
        violations.push(
            field,
            Rule::OutOfRange {
                min: min.to_string(),
                max: max.to_string(),
            },
        );
    }
}

impl MinistrySettings {
    fn check(&mut self, violations: &mut Violations) {
        clean(&mut self.name, "name", 160, true, violations);
        clean(&mut self.short_name, "short_name", 24, true, violations);
        clean(&mut self.minister, "minister", 120, false, violations);
        clean(&mut self.footer, "footer", 200, false, violations);
        for (field, colour) in [
            ("brand_colour", &mut self.brand_colour),
            ("accent_colour", &mut self.accent_colour),
        ] {
            *colour = colour.trim().to_lowercase();
            if parse_colour(colour).is_none() {
                violations.push(
                    field,
                    Rule::Format {
                        expected: "#0b5d3b".to_owned(),
                    },
                );
            }
        }
        if contrast_with_white(&self.brand_colour).is_some_and(|contrast| contrast < 4.5) {
            violations.push(
                "brand_colour",
                Rule::OutOfRange {
                    min: "4.5:1".to_owned(),
                    max: "21:1".to_owned(),
                },
            );
        }
    }
}

fn parse_colour(colour: &str) -> Option<[u8; 3]> {
    let digits = colour.strip_prefix('#')?;
    if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let channel = |range| u8::from_str_radix(digits.get(range)?, 16).ok();
    Some([channel(0..2)?, channel(2..4)?, channel(4..6)?])
}

/// Contrast of a colour `#rrggbb` with white, 1 to 21 (WCAG 2.2, relative luminance).
pub fn contrast_with_white(colour: &str) -> Option<f64> {
    let linear = |channel: u8| {
        let value = f64::from(channel) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    let [red, green, blue] = parse_colour(colour)?;
    let luminance = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    Some(1.05 / (luminance + 0.05))
}

impl PersonnelSettings {
    fn check(&mut self, violations: &mut Violations) {
        violations.take(
            "matricule_pattern",
            MatriculePattern::new(&self.matricule_pattern),
        );
    }
}

impl CalendarSettings {
    fn check(&mut self, violations: &mut Violations) {
        if !self.week.0.contains(&true) {
            violations.push("week", Rule::Required);
        }
    }
}

impl AbsenceSettings {
    fn check(&mut self, _violations: &mut Violations) {
        let defaults = Self::default();
        for (kind, mode) in defaults.modes {
            self.modes.entry(kind).or_insert(mode);
        }
    }
}

impl EvaluationSettings {
    fn check(&mut self, violations: &mut Violations) {
        if self.weights.iter().all(|weight| *weight == 0) {
            violations.push("weights", Rule::Required);
        }
        in_range(self.excellent_from, 0, 20, "excellent_from", violations);
        let steps = [
            ("very_good_from", self.very_good_from, self.excellent_from),
            ("good_from", self.good_from, self.very_good_from),
            ("fair_from", self.fair_from, self.good_from),
        ];
        for (field, lower, upper) in steps {
            if lower >= upper {
                violations.push(
                    field,
                    Rule::OutOfRange {
                        min: "0".to_owned(),
                        max: upper.saturating_sub(1).to_string(),
                    },
                );
            }
        }
    }
}

impl RetirementSettings {
    fn check(&mut self, violations: &mut Violations) {
        in_range(self.default_age, 40, 80, "default_age", violations);
        for (grade, age) in &self.ages {
            let field = format!("ages.{grade}");
            if let Err(rule) = grade.parse::<Grade>() {
                violations.push(field, rule);
            } else {
                in_range(*age, 40, 80, &field, violations);
            }
        }
    }
}

impl SecuritySettings {
    fn check(&mut self, violations: &mut Violations) {
        in_range(self.password_min_length, 8, 64, "password_min_length", violations);
        if self.idle_minutes != 0 && !(5..=10_080).contains(&self.idle_minutes) {
            violations.push(
                "idle_minutes",
                Rule::OutOfRange {
                    min: "5".to_owned(),
                    max: "10080".to_owned(),
                },
            );
        }
    }
}

impl CharterSettings {
    fn check(&mut self, violations: &mut Violations) {
        clean_paragraph(&mut self.text, "text", 20_000, violations);
    }
}

impl MaintenanceSettings {
    fn check(&mut self, violations: &mut Violations) {
        clean(&mut self.banner, "banner", 300, false, violations);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_pass_their_own_checks() {
        let mut settings = Settings::default();
        for section in SettingsSection::ALL {
            let json = settings.section(*section);
            assert_eq!(settings.set_section(*section, json), Ok(()), "{section:?}");
        }
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        let mut settings = Settings::default();
        let refused = |settings: &mut Settings, section, json| {
            settings.set_section(section, json).unwrap_err().0[0]
                .field
                .clone()
        };
        use SettingsSection as S;
        assert_eq!(
            refused(&mut settings, S::Ministry, json!({"brand_colour": "#ffff00"})),
            "brand_colour"
        );
        assert_eq!(
            refused(&mut settings, S::Ministry, json!({"colour": "#ffff00"})),
            "colour"
        );
        assert_eq!(
            refused(&mut settings, S::Evaluations, json!({"weights": [0,0,0,0,0]})),
            "weights"
        );
        assert_eq!(
            refused(&mut settings, S::Evaluations, json!({"good_from": 17})),
            "good_from"
        );
        assert_eq!(
            refused(&mut settings, S::Personnel, json!({"matricule_pattern": "(["})),
            "matricule_pattern"
        );
        assert_eq!(
            refused(
                &mut settings,
                S::Calendar,
                json!({"week": [false,false,false,false,false,false,false]})
            ),
            "week"
        );
        assert_eq!(
            refused(&mut settings, S::Security, json!({"password_min_length": 4})),
            "password_min_length"
        );
        assert_eq!(
            refused(&mut settings, S::Retirement, json!({"ages": {"Z1": 60}})),
            "ages.Z1"
        );
    }
}
