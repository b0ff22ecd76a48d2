//! Dates as people write them, day first.

use jiff::civil::Date;

use super::findings::Problem;
use crate::domain::text::fold;
use crate::ports::spreadsheet::{Cell, DateSystem};

/// Serial numbers below this one (in 1910) are counts or ages that strayed into a column of dates.
const FIRST_SERIAL: f64 = 3_654.0;
/// Serial numbers above this one (in 2200) are other numbers.
const LAST_SERIAL: f64 = 109_939.0;

const MONTHS: [(&str, &[&str]); 12] = [
    ("janvier", &["janv", "jan"]),
    ("fevrier", &["fevr", "fev", "feb"]),
    ("mars", &["mar"]),
    ("avril", &["avr", "apr"]),
    ("mai", &["may"]),
    ("juin", &["jun"]),
    ("juillet", &["juil", "jul"]),
    ("aout", &["aou", "aug"]),
    ("septembre", &["sept", "sep"]),
    ("octobre", &["oct"]),
    ("novembre", &["nov"]),
    ("decembre", &["dec"]),
];

/// A date, or the year alone (« né vers 1966 »).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// A day.
    Day(Date),
    /// A year of which no day is known.
    Year(i16),
}

/// Reads a cell that is not blank.
pub(super) fn read(cell: &Cell, system: DateSystem) -> Result<When, Problem> {
    match cell {
        Cell::Date(date) => Ok(When::Day(*date)),
        Cell::Number(number) => read_number(*number, system),
        Cell::Text(text) => read_text(text, system),
        Cell::Empty | Cell::Bool(_) => Err(Problem::UnreadableDate),
    }
}

fn read_number(number: f64, system: DateSystem) -> Result<When, Problem> {
    if number.fract() == 0.0 && (1_900.0..=2_100.0).contains(&number) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the range is checked in this line"
        )]
        return Ok(When::Year(number as i16));
    }
    if !(FIRST_SERIAL..LAST_SERIAL).contains(&number) {
        return Err(Problem::UnreadableDate);
    }
    system
        .date_of(number)
        .map(When::Day)
        .ok_or(Problem::UnreadableDate)
}

fn read_text(text: &str, system: DateSystem) -> Result<When, Problem> {
    let folded = fold(text);
    let day = match folded.get(10..11) {
        Some("t" | " ") if is_iso(folded.get(..10).unwrap_or_default()) => {
            folded.get(..10).unwrap_or(&folded)
        }
        _ => folded.as_str(),
    };
    let words: Vec<&str> = day
        .split(|character: char| character.is_whitespace() || "/.-,".contains(character))
        .filter(|word| !word.is_empty() && !word.contains(':'))
        .collect();
    match words.as_slice() {
        [alone] => read_alone(alone, system),
        [first, month, last] if is_digits(first, 4..=4) => made(first, month, last),
        [first, month, last] => made(last, month, first),
        _ => year_in_words(&words)
            .map(When::Year)
            .ok_or(Problem::UnreadableDate),
    }
}

fn is_iso(text: &str) -> bool {
    text.bytes().enumerate().all(|(index, byte)| match index {
        4 | 7 => byte == b'-' || byte == b'/',
        _ => byte.is_ascii_digit(),
    })
}

fn is_digits(word: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit())
}

fn read_alone(word: &str, system: DateSystem) -> Result<When, Problem> {
    let number = word.parse::<u32>().map_err(|_| Problem::UnreadableDate)?;
    if is_digits(word, 4..=6) {
        read_number(f64::from(number), system)
    } else {
        Err(Problem::UnreadableDate)
    }
}

/// « vers 1966 », « né en 1966 ».
fn year_in_words(words: &[&str]) -> Option<i16> {
    let (last, before) = words.split_last()?;
    let known = [
        "ne", "nee", "vers", "en", "annee", "presume", "presumee", "l'annee", "(e)", "ne(e)",
    ];
    if before.is_empty() || !is_digits(last, 4..=4) || !before.iter().all(|word| known.contains(word)) {
        return None;
    }
    last.parse().ok().filter(|year| (1900..=2100).contains(year))
}

fn made(year: &str, month: &str, day: &str) -> Result<When, Problem> {
    if year_in_words(&[day, month, year]).is_some() {
        return year.parse().map(When::Year).map_err(|_| Problem::UnreadableDate);
    }
    let day = day.strip_suffix("er").unwrap_or(day);
    let month_number = month_number(month).ok_or(Problem::UnreadableDate)?;
    if !is_digits(day, 1..=2) {
        return Err(Problem::UnreadableDate);
    }
    let day_number: i8 = day.parse().map_err(|_| Problem::UnreadableDate)?;
    if is_digits(year, 2..=2) {
        let short: i16 = year.parse().map_err(|_| Problem::UnreadableDate)?;
        let full = if short <= 30 { 2000 + short } else { 1900 + short };
        return Err(Problem::TwoDigitYear {
            example: shown(day_number, month_number, full),
        });
    }
    if !is_digits(year, 4..=4) {
        return Err(Problem::UnreadableDate);
    }
    let year: i16 = year.parse().map_err(|_| Problem::UnreadableDate)?;
    if month_number > 12
        && (1..=12).contains(&day_number)
        && Date::new(year, day_number, month_number).is_ok()
    {
        return Err(Problem::MonthFirst {
            example: shown(month_number, day_number, year),
        });
    }
    Date::new(year, month_number, day_number)
        .map(When::Day)
        .map_err(|_| Problem::ImpossibleDay)
}

fn month_number(word: &str) -> Option<i8> {
    if is_digits(word, 1..=2) {
        return word.parse().ok();
    }
    (1_i8..)
        .zip(MONTHS)
        .find(|(_, (name, short))| word == *name || short.contains(&word))
        .map(|(number, _)| number)
}

fn shown(day: i8, month: i8, year: i16) -> String {
    format!("{day:02}/{month:02}/{year:04}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn text(given: &str) -> Result<When, Problem> {
        read(&Cell::text(given), DateSystem::Since1900)
    }

    #[test]
    fn dates_are_read_day_first() {
        let day = Ok(When::Day(date(1966, 3, 4)));
        for given in [
            "04/03/1966",
            "4/3/1966",
            "04-03-1966",
            "04.03.1966",
            "04 03 1966",
            "1966-03-04",
            "1966/03/04",
            "1966-03-04T00:00:00",
            "04/03/1966 00:00:00",
            "4 mars 1966",
            "04-mar-1966",
            "\u{a0}04/03/1966\u{202f}",
            "24170",
        ] {
            assert_eq!(text(given), day, "{given:?}");
        }
        assert_eq!(text("1er août 1970"), Ok(When::Day(date(1970, 8, 1))));
        assert_eq!(text("31 DÉC. 1999"), Ok(When::Day(date(1999, 12, 31))));
    }

    #[test]
    fn a_year_alone_is_a_year() {
        for given in ["1966", "vers 1966", "Né vers 1966", "en 1966", "Née en 1966"] {
            assert_eq!(text(given), Ok(When::Year(1966)), "{given}");
        }
        assert_eq!(
            read(&Cell::Number(1966.0), DateSystem::Since1900),
            Ok(When::Year(1966))
        );
    }

    #[test]
    fn wrong_dates_are_refused_with_their_reason() {
        let short = |example: &str| {
            Err(Problem::TwoDigitYear {
                example: example.to_owned(),
            })
        };
        assert_eq!(text("14/03/66"), short("14/03/1966"));
        assert_eq!(text("14-mars-05"), short("14/03/2005"));
        assert_eq!(
            text("03/14/1966"),
            Err(Problem::MonthFirst {
                example: "14/03/1966".to_owned()
            })
        );
        assert_eq!(text("31/02/1966"), Err(Problem::ImpossibleDay));
        assert_eq!(text("00/00/1966"), Err(Problem::ImpossibleDay));
        for given in [
            "hier",
            "14/03",
            "14/03/196",
            "14/03/19660",
            "12",
            "45",
            "999999",
            "mars 1966",
            "14//",
            "٠٤/٠٣/١٩٦٦",
        ] {
            assert_eq!(text(given), Err(Problem::UnreadableDate), "{given}");
        }
        assert_eq!(
            read(&Cell::Number(35.0), DateSystem::Since1900),
            Err(Problem::UnreadableDate)
        );
        assert_eq!(
            read(&Cell::Bool(true), DateSystem::Since1900),
            Err(Problem::UnreadableDate)
        );
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(days in 0_i64..80_000) {
            let day = date(1910, 2, 1).checked_add(jiff::Span::new().days(days)).unwrap();
            prop_assert_eq!(text(&Cell::Date(day).display()), Ok(When::Day(day)));
            prop_assert_eq!(text(&day.to_string()), Ok(When::Day(day)));
        }

        #[test]
        fn any_text_is_read_or_refused(given in "\\PC{0,24}") {
            let _ = text(&given);
        }
    }
}
