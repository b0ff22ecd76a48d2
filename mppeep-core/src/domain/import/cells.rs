//! One cell to the text that a file's field is parsed from.

use super::dates::{self, When};
use super::findings::Problem;
use super::values::choices;
use super::words::normal;
use crate::domain::grade::Grade;
use crate::domain::personnel::PersonnelField;
use crate::domain::text::nearest;
use crate::domain::validation::Rule;
use crate::ports::spreadsheet::{Cell, DateSystem};

/// What a cell gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// Nothing: the field stays as it is.
    Nothing,
    /// A value.
    Value(String),
    /// A value, and a doubt to tell.
    Doubtful(String, Problem),
    /// A year without a day.
    Year(i16),
}

/// How the cells of a field are read.
enum Kind {
    Line,
    Paragraph,
    Number,
    Identifier,
    Phone,
    Day,
    Choice,
    Grade,
}

const fn kind(field: PersonnelField) -> Kind {
    use PersonnelField as F;
    match field {
        F::Matricule | F::NationalId | F::Passport => Kind::Identifier,
        F::FamilyName
        | F::GivenNames
        | F::MaidenName
        | F::BirthPlace
        | F::Nationality
        | F::JobTitle
        | F::Email
        | F::Department => Kind::Line,
        F::Sex | F::BirthPrecision | F::MaritalStatus | F::Status | F::Position => Kind::Choice,
        F::BirthDate | F::RecruitmentDate | F::ServiceStartDate | F::RetirementExtension => Kind::Day,
        F::Children | F::Step | F::SalaryIndex => Kind::Number,
        F::WorkPhone | F::PersonalPhone => Kind::Phone,
        F::Grade => Kind::Grade,
        F::Address | F::Notes => Kind::Paragraph,
    }
}

/// Reads the cell of a field. The department is only cleaned here; its name is resolved with the units.
pub(super) fn read(field: PersonnelField, cell: &Cell, system: DateSystem) -> Result<Reading, Problem> {
    if cell.is_blank() {
        return Ok(Reading::Nothing);
    }
    let kind = kind(field);
    if let Cell::Text(text) = cell {
        if is_formula_error(text) {
            return Err(Problem::FormulaError);
        }
        let placeholder = match kind {
            Kind::Paragraph => false,
            Kind::Line => is_signs(text) && field != PersonnelField::Department,
            _ => is_signs(text) || says_nothing(text),
        };
        if placeholder {
            return Ok(Reading::Nothing);
        }
    }
    match kind {
        Kind::Line => line(cell).map(Reading::Value),
        Kind::Paragraph => text(cell).map(Reading::Value),
        Kind::Identifier => identifier(cell).map(Reading::Value),
        Kind::Phone => phone(cell),
        Kind::Day => match dates::read(cell, system)? {
            When::Day(day) => Ok(Reading::Value(day.to_string())),
            When::Year(year) if field == PersonnelField::BirthDate => Ok(Reading::Year(year)),
            When::Year(_) => Err(Problem::YearOnly),
        },
        Kind::Number => whole_number(field, cell).map(Reading::Value),
        Kind::Choice => choice(field, cell).map(Reading::Value),
        Kind::Grade => grade(cell).map(Reading::Value),
    }
}

fn is_formula_error(text: &str) -> bool {
    const ERRORS: [&str; 8] = [
        "#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#NOM?",
    ];
    ERRORS.contains(&text.trim())
}

/// Dashes, dots and the like, put where there is nothing.
fn is_signs(text: &str) -> bool {
    text.chars()
        .all(|character| character.is_whitespace() || "-–—_/.…?*".contains(character))
}

/// « Néant », « N/A »: what people write where there is nothing.
fn says_nothing(text: &str) -> bool {
    matches!(
        normal(text).as_str(),
        "neant" | "n a" | "na" | "ras" | "inconnu" | "inconnue" | "non renseigne" | "nc"
    )
}

fn text(cell: &Cell) -> Result<String, Problem> {
    match cell {
        Cell::Date(_) => Err(Problem::DateInText),
        other => Ok(plain(&other.display())),
    }
}

/// Without the byte-order marks that pasting leaves inside texts.
fn plain(text: &str) -> String {
    text.replace('\u{FEFF}', "").trim().to_owned()
}

fn line(cell: &Cell) -> Result<String, Problem> {
    Ok(text(cell)?
        .split(['\r', '\n', '\u{b}'])
        .collect::<Vec<_>>()
        .join(" "))
}

fn identifier(cell: &Cell) -> Result<String, Problem> {
    match cell {
        Cell::Number(number) if number.fract() != 0.0 || number.abs() >= 1e15 => Err(Problem::DamagedNumber),
        Cell::Number(number) => Ok(format!("{number:.0}")),
        other => {
            let text = line(other)?;
            if is_scientific(&text) {
                Err(Problem::DamagedNumber)
            } else {
                Ok(text)
            }
        }
    }
}

/// `1,23457E+11`: what a spreadsheet program shows, and saves as CSV, for a long number.
fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else {
        return false;
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, decimals) = mantissa.split_once([',', '.']).unwrap_or((mantissa, "0"));
    digits(whole) && digits(decimals) && exponent.strip_prefix('+').is_some_and(digits)
}

fn phone(cell: &Cell) -> Result<Reading, Problem> {
    let text = identifier(cell)?;
    // Ten digits begin with 01, 05, 07 (mobile) or 21, 25, 27 (fixed): nine beginning with 1, 5 or 7 lost a zero.
    let lost_zero = matches!(cell, Cell::Number(_)) && text.len() == 9 && text.starts_with(['1', '5', '7']);
    if lost_zero {
        let taken = format!("0{text}");
        return Ok(Reading::Doubtful(taken.clone(), Problem::LeadingZero { taken }));
    }
    Ok(Reading::Value(text))
}

fn whole_number(field: PersonnelField, cell: &Cell) -> Result<String, Problem> {
    match cell {
        Cell::Number(number) if number.fract() == 0.0 && number.abs() < 1e12 => Ok(format!("{number:.0}")),
        Cell::Text(text) => {
            let mut compact: String = text
                .chars()
                .filter(|character| !character.is_whitespace())
                .collect();
            if let Some((whole, decimals)) = compact.split_once([',', '.'])
                && decimals.bytes().all(|byte| byte == b'0')
            {
                compact = whole.to_owned();
            }
            if field == PersonnelField::Step {
                compact = step_digits(&compact);
            }
            let digits = compact.strip_prefix('-').unwrap_or(&compact);
            let is_number =
                !digits.is_empty() && digits.len() <= 12 && digits.bytes().all(|byte| byte.is_ascii_digit());
            // « 03 » is three.
            let trimmed = digits.trim_start_matches('0');
            match (is_number, digits.len() == compact.len()) {
                (true, true) => Ok(if trimmed.is_empty() {
                    "0".to_owned()
                } else {
                    trimmed.to_owned()
                }),
                (true, false) => Ok(compact),
                (false, _) => Err(Problem::NotWhole),
            }
        }
        _ => Err(Problem::NotWhole),
    }
}

/// « 3e », « 3ème », « Éch. 3 », « Échelon 3 ».
fn step_digits(text: &str) -> String {
    let folded = normal(text).replace(' ', "");
    let digits: String = folded.chars().filter(char::is_ascii_digit).collect();
    let words = folded.replace(&digits, "");
    let known = [
        "e",
        "eme",
        "er",
        "ere",
        "nd",
        "ech",
        "echelon",
        "eech",
        "emeechelon",
        "eechelon",
        "erechelon",
    ];
    if !digits.is_empty() && known.contains(&words.as_str()) {
        digits
    } else {
        text.to_owned()
    }
}

fn choice(field: PersonnelField, cell: &Cell) -> Result<String, Problem> {
    let Some(choices) = choices(field) else {
        return line(cell);
    };
    let given = line(cell)?;
    let key = normal(&given);
    let found = choices.iter().find(|(code, label, others)| {
        given == *code || normal(label) == key || others.contains(&key.as_str())
    });
    match found {
        Some((code, ..)) => Ok((*code).to_owned()),
        None => {
            let mut known = nearest(&given, choices.iter().map(|(_, label, _)| *label), 3);
            if known.is_empty() {
                known = choices.iter().map(|(_, label, _)| (*label).to_owned()).collect();
            }
            Err(Problem::UnknownValue { known })
        }
    }
}

fn grade(cell: &Cell) -> Result<String, Problem> {
    let given = line(cell)?;
    let folded = normal(&given).replace(' ', "");
    let bare = folded.strip_prefix("grade").unwrap_or(&folded);
    bare.parse::<Grade>()
        .map(|grade| grade.to_string())
        .map_err(|rule| match rule {
            Rule::Unknown { nearest } if !nearest.is_empty() => Problem::UnknownValue { known: nearest },
            Rule::Unknown { .. } => Problem::UnknownValue {
                known: Grade::all().iter().map(Grade::to_string).collect(),
            },
            other => Problem::Rule(other),
        })
}

/// Divides « KONÉ Awa Fatou »: leading words in capitals are the family name; where capitals tell nothing, the first
/// word is, and that is a doubt.
pub(super) fn divide_name(full: &str) -> Option<(String, String, bool)> {
    let words: Vec<&str> = full.split_whitespace().collect();
    let capitals = words.iter().take_while(|word| is_capital(word)).count();
    let (cut, sure) = if (1..words.len()).contains(&capitals) {
        (capitals, true)
    } else {
        (1, false)
    };
    let (family, given) = words
        .split_at_checked(cut)
        .filter(|(_, given)| !given.is_empty())?;
    Some((family.join(" "), given.join(" "), sure))
}

fn is_capital(word: &str) -> bool {
    word.chars().filter(|character| character.is_alphabetic()).count() > 1
        && !word.chars().any(char::is_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use PersonnelField as F;
    use jiff::civil::date;

    fn value(field: F, given: &str) -> Result<Reading, Problem> {
        read(field, &Cell::text(given), DateSystem::Since1900)
    }

    fn is(text: &str) -> Result<Reading, Problem> {
        Ok(Reading::Value(text.to_owned()))
    }

    fn number(field: F, given: f64) -> Result<Reading, Problem> {
        read(field, &Cell::Number(given), DateSystem::Since1900)
    }

    #[test]
    fn numbers_may_have_spaces() {
        for given in [
            "1 234",
            "1\u{a0}234",
            "1\u{202f}234",
            "1234,00",
            "1234.0",
            "01234",
        ] {
            assert_eq!(value(F::SalaryIndex, given), is("1234"), "{given}");
        }
        assert_eq!(number(F::SalaryIndex, 1234.0), is("1234"));
        assert_eq!(value(F::Children, "0"), is("0"));
        assert_eq!(
            value(F::Children, "-2"),
            is("-2"),
            "the file's own rule refuses it with its bounds"
        );
        for given in ["douze", "12,5", "1e3", "1,234,567", "٣"] {
            assert_eq!(value(F::SalaryIndex, given), Err(Problem::NotWhole), "{given}");
        }
        assert_eq!(number(F::SalaryIndex, 12.5), Err(Problem::NotWhole));
        for given in ["3", "3e", "3ème", "Éch. 3", "échelon 3", "3ème échelon"] {
            assert_eq!(value(F::Step, given), is("3"), "{given}");
        }
    }

    #[test]
    fn grades_are_read_as_written() {
        for given in ["A4", "a 4", "A-4", "A–4", "A.4", "Grade A4", "a\u{a0}4"] {
            assert_eq!(value(F::Grade, given), is("A4"), "{given}");
        }
        let Err(Problem::UnknownValue { known }) = value(F::Grade, "A9") else {
            panic!("A9 is no grade")
        };
        assert!(
            known.iter().all(|grade| grade.starts_with('A')) && known.len() == 3,
            "{known:?}"
        );
    }

    #[test]
    fn closed_lists_are_read_by_label_code_or_habit() {
        for given in ["F", "féminin", "FEMME", "Féminin ", "female", "Mme"] {
            assert_eq!(value(F::Sex, given), is("female"), "{given}");
        }
        for given in ["M", "masculin", "Homme", "h", "male", "M."] {
            assert_eq!(value(F::Sex, given), is("male"), "{given}");
        }
        for given in ["Marié(e)", "MARIE", "mariée", "married"] {
            assert_eq!(value(F::MaritalStatus, given), is("married"), "{given}");
        }
        assert_eq!(value(F::Position, "En activite"), is("active"));
        assert_eq!(value(F::Status, "Contractuelle"), is("contractual"));
        assert_eq!(
            value(F::Sex, "xyzzyxyzzy"),
            Err(Problem::UnknownValue {
                known: vec!["Féminin".to_owned(), "Masculin".to_owned()]
            })
        );
    }

    #[test]
    fn every_label_is_read_back() {
        for field in F::ALL {
            for (code, label, others) in choices(*field).unwrap_or_default() {
                for given in [code, label].into_iter().chain(others.iter()) {
                    assert_eq!(value(*field, given), is(code), "{given}");
                }
            }
        }
    }

    #[test]
    fn blanks_and_dashes_say_nothing() {
        for given in ["", "  ", "\u{a0}", "-", "--", "/", "…"] {
            for field in [F::Matricule, F::FamilyName, F::Grade, F::BirthDate, F::Children] {
                assert_eq!(value(field, given), Ok(Reading::Nothing), "{field:?} {given:?}");
            }
        }
        assert_eq!(value(F::Grade, "Néant"), Ok(Reading::Nothing));
        assert_eq!(
            value(F::FamilyName, "Néant"),
            is("Néant"),
            "a name may be any word"
        );
        assert_eq!(value(F::Notes, "-"), is("-"));
        assert_eq!(value(F::JobTitle, ","), is(","));
    }

    #[test]
    fn what_a_spreadsheet_program_damaged_is_refused() {
        assert_eq!(value(F::NationalId, "1,23457E+11"), Err(Problem::DamagedNumber));
        assert_eq!(value(F::Matricule, "1.2E+05"), Err(Problem::DamagedNumber));
        assert_eq!(number(F::Matricule, 12.5), Err(Problem::DamagedNumber));
        assert_eq!(number(F::Matricule, 345_678.0), is("345678"));
        let date_cell = Cell::Date(date(2026, 3, 12));
        assert_eq!(
            read(F::Matricule, &date_cell, DateSystem::Since1900),
            Err(Problem::DateInText)
        );
        assert_eq!(value(F::JobTitle, "#N/A"), Err(Problem::FormulaError));
        let taken = "0701020304".to_owned();
        assert_eq!(
            number(F::PersonalPhone, 701_020_304.0),
            Ok(Reading::Doubtful(taken.clone(), Problem::LeadingZero { taken }))
        );
        assert_eq!(number(F::WorkPhone, 2_720_304_050.0), is("2720304050"));
    }

    #[test]
    fn texts_are_one_line_but_addresses_are_not() {
        assert_eq!(value(F::JobTitle, "Chef\nde\r\nbureau "), is("Chef de  bureau"));
        assert_eq!(value(F::Address, "Cocody\nRue 12"), is("Cocody\nRue 12"));
        assert_eq!(value(F::FamilyName, "\u{feff}KONÉ"), is("KONÉ"));
    }

    #[test]
    fn full_names_are_divided_by_capitals() {
        let divided =
            |given: &str| divide_name(given).map(|(family, given, sure)| format!("{family}|{given}|{sure}"));
        assert_eq!(divided("KONÉ Awa Fatou").as_deref(), Some("KONÉ|Awa Fatou|true"));
        assert_eq!(
            divided("N'GUESSAN KOUAMÉ Jean-Marc").as_deref(),
            Some("N'GUESSAN KOUAMÉ|Jean-Marc|true")
        );
        assert_eq!(divided("KONÉ AWA").as_deref(), Some("KONÉ|AWA|false"));
        assert_eq!(divided("Koné Awa").as_deref(), Some("Koné|Awa|false"));
        assert_eq!(divided("KONÉ"), None);
    }

    #[test]
    fn years_alone_are_for_births() {
        assert_eq!(value(F::BirthDate, "1966"), Ok(Reading::Year(1966)));
        assert_eq!(value(F::RecruitmentDate, "1996"), Err(Problem::YearOnly));
    }
}
