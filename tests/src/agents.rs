//! Synthetic agents for tests, and the files an HR office would send with them.

use std::fmt::Write as _;

use serde_json::{Value, json};

const FAMILY_NAMES: [&str; 12] = [
    "KONÉ",
    "Kouassi",
    "Traoré",
    "N'Guessan",
    "Ouattara",
    "Yao",
    "Bamba",
    "Coulibaly",
    "Gnahoré",
    "Zadi",
    "Aké",
    "Diabaté",
];
const GIVEN_NAMES: [&str; 8] = [
    "Awa",
    "Jean-Marc",
    "Aïcha",
    "Désiré",
    "Mariam",
    "Kouadio Éric",
    "Affoué",
    "Siaka",
];
/// Grades of the seed data.
pub const GRADES: [&str; 6] = ["A4", "A3", "B3", "B1", "C2", "D1"];

/// One agent, the same for the same number.
#[derive(Clone, Debug)]
pub struct Agent {
    /// `T000001`, …
    pub matricule: String,
    /// The family name.
    pub family_name: &'static str,
    /// The given names, with the number, so that no two agents are probable duplicates.
    pub given_names: String,
    /// Year, month, day.
    pub birth_date: (u32, u32, u32),
    /// `F` or `M`.
    pub sex: &'static str,
    /// A grade of the seed data.
    pub grade: &'static str,
}

/// The agent of a number.
#[must_use]
pub fn agent(number: usize) -> Agent {
    let year = 1965 + u32::try_from(number % 35).expect("small");
    let month = 1 + u32::try_from(number / 35 % 12).expect("small");
    let day = 1 + u32::try_from(number / 420 % 28).expect("small");
    Agent {
        matricule: format!("T{number:06}"),
        family_name: FAMILY_NAMES[number % FAMILY_NAMES.len()],
        given_names: format!("{} {}", GIVEN_NAMES[number % GIVEN_NAMES.len()], letters(number)),
        birth_date: (year, month, day),
        sex: if number.is_multiple_of(2) { "F" } else { "M" },
        grade: GRADES[number % GRADES.len()],
    }
}

/// A number as a word, since names have no digits.
fn letters(mut number: usize) -> String {
    let mut word = String::new();
    loop {
        let offset = u8::try_from(number % 26).expect("small");
        word.push(char::from(if word.is_empty() { b'A' } else { b'a' } + offset));
        number /= 26;
        if number == 0 {
            return word;
        }
    }
}

impl Agent {
    /// The body that creates this agent: only what the contract demands.
    #[must_use]
    pub fn body(&self) -> Value {
        let (year, month, day) = self.birth_date;
        json!({
            "matricule": self.matricule,
            "family_name": self.family_name,
            "given_names": self.given_names,
            "birth_date": format!("{year:04}-{month:02}-{day:02}"),
        })
    }

    /// The cells of this agent in a file, in the order of [`HEADER`].
    #[must_use]
    pub fn cells(&self) -> Vec<String> {
        let (year, month, day) = self.birth_date;
        vec![
            self.matricule.clone(),
            self.family_name.to_owned(),
            self.given_names.clone(),
            format!("{day:02}/{month:02}/{year:04}"),
            self.sex.to_owned(),
            self.grade.to_owned(),
        ]
    }
}

/// The header of a file, as an HR office writes it.
pub const HEADER: [&str; 6] = [
    "Matricule",
    "Nom",
    "Prénoms",
    "Date de naissance",
    "Sexe",
    "Grade",
];

/// A file of rows of cells, separated by semicolons.
#[must_use]
pub fn csv(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut out = header.join(";") + "\r\n";
    for row in rows {
        writeln!(out, "{}\r", row.join(";")).expect("a string can be written to");
    }
    out
}

/// A file of the agents of some numbers.
#[must_use]
pub fn file_of(numbers: std::ops::Range<usize>) -> String {
    csv(&HEADER, numbers.map(|number| agent(number).cells()))
}
