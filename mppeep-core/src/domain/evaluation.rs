//! Yearly evaluations: five marks out of 20, their weighted mean, and an appraisal.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::codes::codes;
use super::id::{EvaluationId, PersonnelId};
use super::parse::whole;
use super::settings::EvaluationSettings;
use super::text;
use super::validation::{Rule, Violations};

codes! {
    /// What is marked.
    Criterion {
        /// « Compétence technique ».
        TechnicalCompetence = "technical_competence",
        /// « Sens de l'organisation ».
        Organisation = "organisation",
        /// « Esprit d'initiative ».
        Initiative = "initiative",
        /// « Assiduité ».
        Diligence = "diligence",
        /// « Relation de service ».
        WorkingRelations = "working_relations",
    }
}

codes! {
    /// What a final mark means.
    Appraisal {
        /// « Excellent ».
        Excellent = "excellent",
        /// « Très bon ».
        VeryGood = "very_good",
        /// « Bon ».
        Good = "good",
        /// « Passable ».
        Fair = "fair",
        /// « Insuffisant ».
        Insufficient = "insufficient",
    }
}

/// A mark out of 20, in hundredths (0 to 2 000).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(u16);

impl Mark {
    /// The highest mark.
    pub const MAX: Self = Self(2_000);

    /// The mark of that many hundredths.
    pub const fn from_hundredths(hundredths: u16) -> Option<Self> {
        if hundredths <= 2_000 {
            Some(Self(hundredths))
        } else {
            None
        }
    }

    /// In hundredths.
    pub const fn hundredths(self) -> u16 {
        self.0
    }

    /// Reads `12`, `12.5` or `12,50`: at most two decimals.
    ///
    /// # Errors
    /// `OutOfRange`.
    pub fn parse(text: &str) -> Result<Self, Rule> {
        let wrong = || Rule::OutOfRange {
            min: "0".to_owned(),
            max: "20".to_owned(),
        };
        let text = text.trim();
        let (whole, decimals) = text.split_once([',', '.']).unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || whole.len() > 2 || decimals.len() > 2 || !digits(whole) || !digits(decimals) {
            return Err(wrong());
        }
        let padded = format!("{whole}{decimals:0<2}");
        padded
            .parse()
            .ok()
            .and_then(Self::from_hundredths)
            .ok_or_else(wrong)
    }
}

impl std::fmt::Display for Mark {
    /// With a point and two decimals: `12.50`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// Marks by criterion.
pub type Marks = BTreeMap<Criterion, Mark>;

/// The final mark: the weighted mean of all five marks, rounded half up to the hundredth. A missing mark gives none,
/// never the mean of those present; so do weights that are all zero.
pub fn final_mark(marks: &Marks, settings: &EvaluationSettings) -> Option<Mark> {
    let mut sum = 0u64;
    let mut weights = 0u64;
    for criterion in Criterion::ALL {
        let weight = u64::from(settings.weight_of(*criterion));
        sum += u64::from(marks.get(criterion)?.0) * weight;
        weights += weight;
    }
    if weights == 0 {
        return None;
    }
    let rounded = (2 * sum + weights) / (2 * weights);
    u16::try_from(rounded).ok().and_then(Mark::from_hundredths)
}

/// What a mark means under the thresholds in force.
pub fn appraise(mark: Mark, settings: &EvaluationSettings) -> Appraisal {
    let reached = |threshold: u8| mark.0 >= u16::from(threshold) * 100;
    if reached(settings.excellent_from) {
        Appraisal::Excellent
    } else if reached(settings.very_good_from) {
        Appraisal::VeryGood
    } else if reached(settings.good_from) {
        Appraisal::Good
    } else if reached(settings.fair_from) {
        Appraisal::Fair
    } else {
        Appraisal::Insufficient
    }
}

/// The content of an evaluation as people give it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EvaluationInput {
    /// The year, in digits.
    pub year: String,
    /// Marks by criterion, as text; an empty one is missing.
    pub marks: BTreeMap<Criterion, String>,
    /// Observations; may be empty.
    pub observations: String,
}

/// The content of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationFields {
    /// The year that is evaluated.
    pub year: i16,
    /// The marks given so far.
    pub marks: Marks,
    /// Observations.
    pub observations: Option<String>,
}

impl EvaluationFields {
    /// Makes valid content of an input; `this_year` bounds the year.
    ///
    /// # Errors
    /// Every rule the input breaks.
    pub fn parse(input: &EvaluationInput, this_year: i16) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let year = violations.take(
            "year",
            match input.year.trim() {
                "" => Err(Rule::Required),
                text => whole(text, 1960i16, this_year),
            },
        );
        let mut marks = Marks::new();
        for (criterion, value) in &input.marks {
            if value.trim().is_empty() {
                continue;
            }
            if let Some(mark) = violations.take(criterion.code(), Mark::parse(value)) {
                marks.insert(*criterion, mark);
            }
        }
        if marks.is_empty() && violations.is_empty() {
            violations.push("marks", Rule::Required);
        }
        let observations = match input.observations.trim() {
            "" => None,
            given => violations.take("observations", text::paragraph(given, 4_000)),
        };
        match year {
            Some(year) if violations.is_empty() => Ok(Self {
                year,
                marks,
                observations,
            }),
            _ => Err(violations),
        }
    }

    /// The content as text by field code, for the journal.
    pub fn describe(&self) -> Vec<(&'static str, Option<String>)> {
        let mut described = vec![("year", Some(self.year.to_string()))];
        described.extend(
            Criterion::ALL
                .iter()
                .map(|criterion| (criterion.code(), self.marks.get(criterion).map(Mark::to_string))),
        );
        described.push(("observations", self.observations.clone()));
        described
    }
}

/// An evaluation on record; an agent has one a year.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// Its identifier.
    pub id: EvaluationId,
    /// The agent.
    pub personnel: PersonnelId,
    /// Its content.
    pub fields: EvaluationFields,
    /// The final mark, by the weights in force when it was recorded or last changed; none while a mark is missing.
    pub final_mark: Option<Mark>,
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(texts: [&str; 5]) -> Marks {
        Criterion::ALL
            .iter()
            .copied()
            .zip(texts.map(|text| Mark::parse(text).unwrap()))
            .collect()
    }

    #[test]
    fn equal_weights_give_the_plain_mean() {
        let settings = EvaluationSettings::default();
        let mark = final_mark(&marks(["12", "13", "12,5", "14", "11"]), &settings).unwrap();
        assert_eq!(mark.to_string(), "12.50");
        assert_eq!(appraise(mark, &settings), Appraisal::Good);
    }

    #[test]
    fn a_missing_mark_gives_no_final_mark() {
        let mut four = marks(["12", "13", "12.5", "14", "11"]);
        four.remove(&Criterion::Diligence);
        assert_eq!(final_mark(&four, &EvaluationSettings::default()), None);
    }

    #[test]
    fn half_a_hundredth_is_rounded_up() {
        let mean = final_mark(
            &marks(["10", "10", "10", "10.01", "10.02"]),
            &EvaluationSettings::default(),
        );
        assert_eq!(mean.unwrap().hundredths(), 1_001);
        let settings = EvaluationSettings {
            weights: [1, 1, 0, 0, 0],
            ..EvaluationSettings::default()
        };
        assert_eq!(
            final_mark(&marks(["10", "10.01", "0", "0", "0"]), &settings)
                .unwrap()
                .hundredths(),
            1_001
        );
    }

    #[test]
    fn marks_are_read_with_comma_or_point() {
        assert_eq!(Mark::parse("7,5").unwrap().hundredths(), 750);
        assert_eq!(Mark::parse("20").unwrap(), Mark::MAX);
        for text in ["20.01", "-1", "1e1", "12.345", "", "NaN", "1 2", "١٢"] {
            assert!(Mark::parse(text).is_err(), "{text}");
        }
    }
}
