//! Grades of the civil service and their categories.

use std::fmt;
use std::str::FromStr;

use super::validation::Rule;

/// The category a grade belongs to (décret 93-608 for Côte d'Ivoire).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum GradeCategory {
    /// « Cadres supérieurs ».
    A,
    /// « Cadres moyens ».
    B,
    /// « Agents d'exécution ».
    C,
    /// « Personnel de soutien ».
    D,
}

impl GradeCategory {
    /// Every category, highest first.
    pub const ALL: [Self; 4] = [Self::A, Self::B, Self::C, Self::D];

    /// Its letter.
    pub const fn code(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
        }
    }

    /// The category of that letter, in either case.
    pub fn by_code(code: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|category| category.code().eq_ignore_ascii_case(code))
    }

    /// The highest number that the grades of this category bear in Côte d'Ivoire (A1–A7, B1–B3, C1–C3, D1–D2).
    pub const fn highest_number(self) -> u8 {
        match self {
            Self::A => 7,
            Self::B | Self::C => 3,
            Self::D => 2,
        }
    }
}

/// A grade such as `A4`: a category and a number from 1 to 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Grade {
    category: GradeCategory,
    number: u8,
}

impl Grade {
    /// The grade of that category and number, if the category has it.
    pub fn new(category: GradeCategory, number: u8) -> Option<Self> {
        (1..=category.highest_number())
            .contains(&number)
            .then_some(Self { category, number })
    }

    /// Its category.
    pub const fn category(self) -> GradeCategory {
        self.category
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.number
    }

    /// Every grade, from A7 down to D1: highest first.
    pub fn all() -> Vec<Self> {
        GradeCategory::ALL
            .into_iter()
            .flat_map(|category| {
                (1..=category.highest_number())
                    .rev()
                    .map(move |number| Self { category, number })
            })
            .collect()
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.category.code(), self.number)
    }
}

impl FromStr for Grade {
    type Err = Rule;

    /// Reads `A4`, `a4`, `A 4` or `A-4`.
    fn from_str(text: &str) -> Result<Self, Rule> {
        let unknown = || Rule::Unknown {
            nearest: super::text::nearest(
                text,
                Self::all()
                    .iter()
                    .map(Self::to_string)
                    .collect::<Vec<_>>()
                    .iter()
                    .map(String::as_str),
                3,
            ),
        };
        let compact: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let mut letters = compact.chars();
        let (Some(letter), Some(digit), None) = (letters.next(), letters.next(), letters.next()) else {
            return Err(unknown());
        };
        let category = GradeCategory::by_code(letter.encode_utf8(&mut [0; 4])).ok_or_else(unknown)?;
        let number = digit
            .to_digit(10)
            .and_then(|n| u8::try_from(n).ok())
            .ok_or_else(unknown)?;
        Self::new(category, number).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grades_are_read_as_people_write_them() {
        for text in ["A4", "a4", " A 4 ", "A-4"] {
            assert_eq!(
                text.parse::<Grade>().map(|grade| grade.to_string()),
                Ok("A4".to_owned())
            );
        }
        for text in ["A8", "B4", "E1", "A", "A44", "", "é4"] {
            assert!(text.parse::<Grade>().is_err(), "{text}");
        }
        assert_eq!(Grade::all().len(), 15);
    }
}
