//! The minimal salary slip: base by index and point value, one allowance, one deduction, net.
//!
//! Amounts are whole francs; each line is rounded half up to the franc. Point value and rates are settings: the values
//! for Côte d'Ivoire were taken from the press and not from the texts, so an administrator checks them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::codes::codes;
use super::id::{PersonnelId, SlipId, UserId};
use super::validation::{Rule, Violations};

/// A month of a year, `2026-11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// A month from 1900 to 2199.
    pub fn new(year: i16, month: i8) -> Option<Self> {
        ((1900..=2199).contains(&year) && (1..=12).contains(&month)).then_some(Self { year, month })
    }

    /// The month of a day.
    pub fn of(day: Date) -> Self {
        Self {
            year: day.year(),
            month: day.month(),
        }
    }

    /// Its year.
    pub const fn year(self) -> i16 {
        self.year
    }

    /// Its number in the year, from 1.
    pub const fn month(self) -> i8 {
        self.month
    }

    /// Its first day.
    pub fn first_day(self) -> Date {
        jiff::civil::date(self.year, self.month, 1)
    }

    /// Its last day.
    pub fn last_day(self) -> Date {
        self.first_day().last_of_month()
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = Rule;

    fn from_str(text: &str) -> Result<Self, Rule> {
        let wrong = || Rule::Format {
            expected: "2026-11".to_owned(),
        };
        let (year, month) = text.split_once('-').ok_or_else(wrong)?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if year.len() != 4 || month.len() != 2 || !digits(year) || !digits(month) {
            return Err(wrong());
        }
        let year = year.parse().map_err(|_| wrong())?;
        let month = month.parse().map_err(|_| wrong())?;
        Self::new(year, month).ok_or_else(wrong)
    }
}

/// What a slip is computed by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PayrollSettings {
    /// Monthly value of one point of the index, in thousandths of a franc.
    pub point_value_millifrancs: u32,
    /// What the allowance is called.
    pub allowance_label: String,
    /// The allowance, in francs a month.
    pub allowance_francs: u32,
    /// What the deduction is called.
    pub deduction_label: String,
    /// The deduction, in hundredths of a per cent of the base.
    pub deduction_basis_points: u16,
}

impl Default for PayrollSettings {
    fn default() -> Self {
        Self {
            point_value_millifrancs: 233_457,
            allowance_label: "Indemnité de transport".to_owned(),
            allowance_francs: 30_000,
            deduction_label: "Retenue pour pension".to_owned(),
            deduction_basis_points: 833,
        }
    }
}

impl PayrollSettings {
    pub(crate) fn check(&mut self, violations: &mut Violations) {
        let mut range = |field: &str, value: u32, min: u32, max: u32| {
            if !(min..=max).contains(&value) {
                violations.push(
                    field,
                    Rule::OutOfRange {
                        min: min.to_string(),
                        max: max.to_string(),
                    },
                );
            }
        };
        range(
            "point_value_millifrancs",
            self.point_value_millifrancs,
            1,
            100_000_000,
        );
        range("allowance_francs", self.allowance_francs, 0, 100_000_000);
        range(
            "deduction_basis_points",
            u32::from(self.deduction_basis_points),
            0,
            10_000,
        );
        for (field, label) in [
            ("allowance_label", &mut self.allowance_label),
            ("deduction_label", &mut self.deduction_label),
        ] {
            if let Some(line) = violations.take(field, super::text::line(label, 80)) {
                *label = line;
            }
        }
    }
}

/// The amounts of a slip, in francs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amounts {
    /// Index times point value.
    pub base: i64,
    /// The allowance.
    pub allowance: i64,
    /// The deduction.
    pub deduction: i64,
    /// Base and allowance, less the deduction.
    pub net: i64,
}

/// Computes a month of an agent of that index.
pub fn compute(index: u16, settings: &PayrollSettings) -> Amounts {
    let base = half_up(
        i64::from(index) * i64::from(settings.point_value_millifrancs),
        1_000,
    );
    let deduction = half_up(base * i64::from(settings.deduction_basis_points), 10_000);
    let allowance = i64::from(settings.allowance_francs);
    Amounts {
        base,
        allowance,
        deduction,
        net: base + allowance - deduction,
    }
}

/// `value / by`, rounded half up; neither is negative.
const fn half_up(value: i64, by: i64) -> i64 {
    (value + by / 2) / by
}

codes! {
    /// Where a slip stands.
    SlipStatus {
        /// Computed; computing again replaces it.
        Draft = "draft",
        /// Validated by another person; it does not change any more.
        Validated = "validated",
    }
}

/// A salary slip of an agent for a month. There is one at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slip {
    /// Its identifier; computing again keeps it.
    pub id: SlipId,
    /// Whose it is.
    pub personnel: PersonnelId,
    /// Of which month.
    pub month: Month,
    /// Where it stands.
    pub status: SlipStatus,
    /// The index it was computed with.
    pub index: u16,
    /// The settings it was computed with.
    pub settings: PayrollSettings,
    /// Its amounts.
    pub amounts: Amounts,
    /// The fence of the lock it was last written under.
    pub fence: i64,
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it was last computed.
    pub computed_at: Timestamp,
    /// Who computed it last; none for the operator.
    pub computed_by: Option<UserId>,
    /// Who validated it, and when.
    pub validated: Option<(UserId, Timestamp)>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_month_is_read_back_and_nothing_else_is() {
        assert_eq!("2026-11".parse::<Month>().unwrap().to_string(), "2026-11");
        for wrong in [
            "2026",
            "2026-13",
            "2026-00",
            "26-11",
            "2026-1",
            "+026-11",
            "2026-11-01",
            "1899-12",
        ] {
            assert!(wrong.parse::<Month>().is_err(), "{wrong}");
        }
        let february = Month::new(2028, 2).unwrap();
        assert_eq!(february.last_day(), jiff::civil::date(2028, 2, 29));
    }

    #[test]
    fn lines_are_rounded_half_up_to_the_franc() {
        let settings = PayrollSettings::default();
        // 1 000 points at 233,457 francs; 8,33 % of 233 457 is 19 446,97.
        let amounts = compute(1_000, &settings);
        assert_eq!(amounts.base, 233_457);
        assert_eq!(amounts.deduction, 19_447);
        assert_eq!(amounts.net, 233_457 + 30_000 - 19_447);
        let half = PayrollSettings {
            point_value_millifrancs: 500,
            ..settings
        };
        assert_eq!(compute(1, &half).base, 1, "half a franc is rounded up");
    }

    proptest! {
        #[test]
        fn the_net_is_what_the_lines_say(
            index in any::<u16>(),
            point in 1_u32..=100_000_000,
            allowance in 0_u32..=100_000_000,
            rate in 0_u16..=10_000,
        ) {
            let settings = PayrollSettings {
                point_value_millifrancs: point,
                allowance_francs: allowance,
                deduction_basis_points: rate,
                ..PayrollSettings::default()
            };
            let amounts = compute(index, &settings);
            prop_assert_eq!(amounts.net, amounts.base + amounts.allowance - amounts.deduction);
            prop_assert!(amounts.deduction >= 0 && amounts.deduction <= amounts.base);
        }
    }
}
