//! Civil calendar: public holidays, week patterns, and the counting of days.

use std::collections::BTreeSet;

use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan};

use super::id::HolidayId;

/// One half of a civil day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Half {
    /// The morning.
    Am,
    /// The afternoon.
    Pm,
}

impl Half {
    /// `am` or `pm`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Am => "am",
            Self::Pm => "pm",
        }
    }

    /// The half of that code.
    pub fn by_code(code: &str) -> Option<Self> {
        match code {
            "am" => Some(Self::Am),
            "pm" => Some(Self::Pm),
            _ => None,
        }
    }
}

/// A public holiday of one country on one date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holiday {
    /// Its identifier.
    pub id: HolidayId,
    /// The day.
    pub date: Date,
    /// What is celebrated.
    pub label: String,
    /// Whether the date is an estimate that the authorities have not confirmed (lunar feasts).
    pub estimated: bool,
}

/// Which days of a period count; each leave type has its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountingMode {
    /// « Calendaire »: every day, holidays included.
    Calendar,
    /// « Ouvrable »: Monday to Saturday, less holidays.
    Workable,
    /// « Ouvré »: the days worked in the week, less holidays.
    Worked,
}

impl CountingMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Calendar, Self::Workable, Self::Worked];

    /// Its code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Calendar => "calendar",
            Self::Workable => "workable",
            Self::Worked => "worked",
        }
    }

    /// The mode of that code.
    pub fn by_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.code() == code)
    }
}

/// A period from one half-day to another, both included, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    start: Date,
    start_half: Half,
    end: Date,
    end_half: Half,
}

impl Period {
    /// Longest period, in days.
    pub const MAX_DAYS: i32 = 1_100;

    /// The period, if it does not end before it starts and is not longer than [`Period::MAX_DAYS`].
    pub fn new(start: Date, start_half: Half, end: Date, end_half: Half) -> Option<Self> {
        let days = end.since(start).ok()?.get_days();
        let ordered = (start, start_half) <= (end, end_half);
        (ordered && days <= Self::MAX_DAYS).then_some(Self {
            start,
            start_half,
            end,
            end_half,
        })
    }

    /// Whole days from `start` to `end`.
    pub fn days(start: Date, end: Date) -> Option<Self> {
        Self::new(start, Half::Am, end, Half::Pm)
    }

    /// First day.
    pub const fn start(self) -> Date {
        self.start
    }

    /// Half of the first day it starts with.
    pub const fn start_half(self) -> Half {
        self.start_half
    }

    /// Last day.
    pub const fn end(self) -> Date {
        self.end
    }

    /// Half of the last day it ends with.
    pub const fn end_half(self) -> Half {
        self.end_half
    }

    /// Every half-day of it, in order.
    pub fn half_days(self) -> impl Iterator<Item = (Date, Half)> {
        let one_day: Span = 1.day();
        self.start
            .series(one_day)
            .take_while(move |date| *date <= self.end)
            .flat_map(|date| [(date, Half::Am), (date, Half::Pm)])
            .filter(move |half_day| {
                (self.start, self.start_half) <= *half_day && *half_day <= (self.end, self.end_half)
            })
    }
}

/// The days worked in a week, Monday first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WeekPattern(pub [bool; 7]);

impl Default for WeekPattern {
    fn default() -> Self {
        Self([true, true, true, true, true, false, false])
    }
}

impl WeekPattern {
    /// Whether that weekday is worked.
    pub fn works_on(&self, day: Weekday) -> bool {
        usize::try_from(day.to_monday_zero_offset())
            .ok()
            .and_then(|index| self.0.get(index))
            .copied()
            .unwrap_or(false)
    }
}

/// Half-days of a period in the three modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// Calendar half-days.
    pub calendar: u32,
    /// Workable half-days.
    pub workable: u32,
    /// Worked half-days.
    pub worked: u32,
}

impl Counted {
    /// Counts a period.
    pub fn of(period: Period, holidays: &BTreeSet<Date>, week: &WeekPattern) -> Self {
        let mut counted = Self::default();
        for (date, _) in period.half_days() {
            counted.calendar += 1;
            if holidays.contains(&date) {
                continue;
            }
            counted.workable += u32::from(date.weekday() != Weekday::Sunday);
            counted.worked += u32::from(week.works_on(date.weekday()));
        }
        counted
    }

    /// The number of one mode.
    pub const fn in_mode(self, mode: CountingMode) -> u32 {
        match mode {
            CountingMode::Calendar => self.calendar,
            CountingMode::Workable => self.workable,
            CountingMode::Worked => self.worked,
        }
    }
}

/// Easter Sunday of the Gregorian calendar (the anonymous algorithm of Nature, 1876, as given by Meeus).
pub fn easter(year: i16) -> Option<Date> {
    let y = i32::from(year);
    let a = y % 19;
    let (b, c) = (y / 100, y % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 19 * l) / 433;
    let month = (h + l - 7 * m + 90) / 25;
    let day = (h + l - 7 * m + 33 * month + 19) % 32;
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// A holiday before it has an identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolidayDraft {
    /// The day.
    pub date: Date,
    /// What is celebrated.
    pub label: &'static str,
    /// Whether the date is an estimate.
    pub estimated: bool,
}

/// The public holidays of Côte d'Ivoire in a year (décret 96-205 modified by 2011-371): the fixed and Easter-based
/// ones are computed; the lunar ones are known estimates for 2026 and 2027 and are typed by HR for other years.
pub fn ivorian_holidays(year: i16) -> Vec<HolidayDraft> {
    let fixed = [
        (1, 1, "Jour de l'an"),
        (5, 1, "Fête du Travail"),
        (8, 7, "Fête de l'Indépendance"),
        (8, 15, "Assomption"),
        (11, 1, "Toussaint"),
        (11, 15, "Journée nationale de la Paix"),
        (12, 25, "Noël"),
    ];
    let lunar: &[(i8, i8, &'static str)] = match year {
        2026 => &[
            (3, 16, "Lendemain de la Nuit du Destin"),
            (3, 20, "Fête du Ramadan"),
            (5, 27, "Tabaski"),
            (8, 25, "Lendemain du Maouloud"),
        ],
        2027 => &[
            (3, 6, "Lendemain de la Nuit du Destin"),
            (3, 9, "Fête du Ramadan"),
            (5, 16, "Tabaski"),
            (8, 14, "Lendemain du Maouloud"),
        ],
        _ => &[],
    };
    let on = |(month, day, label): (i8, i8, &'static str), estimated| {
        Date::new(year, month, day).ok().map(|date| HolidayDraft {
            date,
            label,
            estimated,
        })
    };
    let after_easter = |days: i64, label| {
        let date = easter(year)?.checked_add(days.days()).ok()?;
        Some(HolidayDraft {
            date,
            label,
            estimated: false,
        })
    };
    let mut holidays: Vec<HolidayDraft> = fixed.into_iter().filter_map(|day| on(day, false)).collect();
    holidays.extend(
        [
            (1, "Lundi de Pâques"),
            (39, "Ascension"),
            (50, "Lundi de Pentecôte"),
        ]
        .into_iter()
        .filter_map(|(days, label)| after_easter(days, label)),
    );
    holidays.extend(lunar.iter().filter_map(|day| on(*day, true)));
    holidays.sort_by_key(|holiday| holiday.date);
    holidays
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn holidays() -> BTreeSet<Date> {
        [2026, 2027]
            .into_iter()
            .flat_map(ivorian_holidays)
            .map(|holiday| holiday.date)
            .collect()
    }

    fn count(start: Date, end: Date) -> (u32, u32, u32) {
        let counted = Counted::of(
            Period::days(start, end).unwrap(),
            &holidays(),
            &WeekPattern::default(),
        );
        (counted.calendar / 2, counted.workable / 2, counted.worked / 2)
    }

    #[test]
    fn days_are_counted_in_the_three_modes() {
        assert_eq!(count(date(2026, 5, 11), date(2026, 5, 29)), (19, 14, 12));
        assert_eq!(count(date(2026, 12, 24), date(2027, 1, 4)), (12, 8, 6));
        assert_eq!(count(date(2026, 8, 15), date(2026, 8, 16)), (2, 0, 0));
    }

    #[test]
    fn easter_falls_on_the_known_sundays() {
        for (year, month, day) in [
            (2024, 3, 31),
            (2025, 4, 20),
            (2026, 4, 5),
            (2027, 3, 28),
            (2038, 4, 25),
        ] {
            assert_eq!(easter(year), Some(date(year, month, day)));
        }
    }

    #[test]
    fn halves_are_counted_one_by_one() {
        let afternoon = Period::new(date(2026, 6, 1), Half::Pm, date(2026, 6, 2), Half::Am).unwrap();
        assert_eq!(
            Counted::of(afternoon, &BTreeSet::new(), &WeekPattern::default()).worked,
            2
        );
        assert!(Period::new(date(2026, 6, 1), Half::Pm, date(2026, 6, 1), Half::Am).is_none());
        assert!(Period::days(date(2026, 6, 2), date(2026, 6, 1)).is_none());
        assert!(Period::days(date(2020, 1, 1), date(2026, 6, 1)).is_none());
    }

    proptest::proptest! {
        #[test]
        fn a_narrower_mode_never_counts_more(start in 0i64..3000, length in 0i64..400) {
            let start = date(2020, 1, 1).checked_add(start.days()).unwrap();
            let end = start.checked_add(length.days()).unwrap();
            let counted = Counted::of(Period::days(start, end).unwrap(), &holidays(), &WeekPattern::default());
            proptest::prop_assert_eq!(i64::from(counted.calendar), 2 * (length + 1));
            proptest::prop_assert!(counted.workable <= counted.calendar);
            proptest::prop_assert!(counted.worked <= counted.workable);
        }
    }
}
