//! What each column of a file holds: found by its header, corrected by a person.

use std::collections::{BTreeMap, BTreeSet};

use super::names::Names;
use super::words::field_label;
use crate::domain::personnel::PersonnelField;
use crate::ports::spreadsheet::{Cell, Sheet, column_letters};

/// Rows in which the header is looked for: titles may stand above it.
const HEADER_ROWS: usize = 40;
/// Values of a column shown to the person who checks the mapping.
const SAMPLES: usize = 3;

/// What a column may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// A field of the file.
    Field(PersonnelField),
    /// Family name and given names together.
    FullName,
    /// The directorate; only tells departments of one name apart.
    Directorate,
    /// The programme; read by nobody, since the department decides it.
    Programme,
}

impl Target {
    /// Every target: the fields in their order, then the others.
    pub fn all() -> impl Iterator<Item = Self> {
        PersonnelField::ALL
            .iter()
            .map(|field| Self::Field(*field))
            .chain([Self::FullName, Self::Directorate, Self::Programme])
    }

    /// A stable English code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Field(field) => field.code(),
            Self::FullName => "full_name",
            Self::Directorate => "directorate",
            Self::Programme => "programme",
        }
    }

    /// The target of that code.
    pub fn by_code(code: &str) -> Option<Self> {
        Self::all().find(|target| target.code() == code)
    }

    /// Its French name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Field(field) => field_label(field),
            Self::FullName => "Nom et prénoms",
            Self::Directorate => "Direction",
            Self::Programme => "Programme",
        }
    }
}

/// A column of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its place, counted from 0.
    pub index: usize,
    /// Its header as it stands.
    pub header: String,
    /// What it holds; none is ignored.
    pub target: Option<Target>,
    /// Whether the header only resembles the target's name.
    pub approximate: bool,
    /// Its first values, to recognise it by.
    pub samples: Vec<String>,
}

impl Column {
    /// Its letters, as a spreadsheet shows them.
    pub fn letters(&self) -> String {
        column_letters(self.index)
    }
}

/// Where the header stands and what the columns hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Index of the header row, from 0.
    pub header_row: usize,
    /// Every column that has a header or a value.
    pub columns: Vec<Column>,
}

/// Why a mapping is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// No row looks like a header, or nothing stands below it.
    #[error("no header row followed by data")]
    NoTable,
    /// No column holds the matricule.
    #[error("no column holds the matricule")]
    NoMatricule,
    /// Two columns are said to hold the same thing.
    #[error("columns {first} and {second} are both {target}")]
    Twice {
        /// Letters of one column.
        first: String,
        /// Letters of the other.
        second: String,
        /// Code of the target.
        target: &'static str,
    },
    /// A correction names a column that is not there, or an unknown target.
    #[error("unknown correction {0}")]
    UnknownCorrection(String),
}

impl MappingError {
    /// A stable English code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoTable => "no-table",
            Self::NoMatricule => "no-matricule-column",
            Self::Twice { .. } => "column-twice",
            Self::UnknownCorrection(_) => "unknown-correction",
        }
    }

    /// What to tell a French reader, with the way out.
    pub fn french(&self) -> String {
        match self {
            Self::NoTable => {
                "Aucune ligne de titres suivie de données n'a été trouvée. La première ligne doit nommer les colonnes : Matricule, Nom, Prénoms, Date de naissance…".to_owned()
            }
            Self::NoMatricule => {
                "Aucune colonne ne contient le matricule. Choisissez la colonne qui le porte, ou ajoutez-la : c'est le matricule qui identifie l'agent.".to_owned()
            }
            Self::Twice { first, second, target } => {
                let label = Target::by_code(target).map_or(*target, Target::label);
                format!("Les colonnes {first} et {second} sont toutes deux « {label} ». N'en gardez qu'une.")
            }
            Self::UnknownCorrection(given) => format!("Correspondance inconnue : « {given} »."),
        }
    }
}

impl Mapping {
    /// Finds the header and recognises the columns.
    ///
    /// # Errors
    /// [`MappingError::NoTable`]. A missing matricule is told by [`Mapping::check`], so that it can be corrected.
    pub fn detect(sheet: &Sheet) -> Result<Self, MappingError> {
        let names = Names::new();
        let mut best: Option<(usize, usize)> = None;
        for (index, row) in sheet.rows.iter().enumerate().take(HEADER_ROWS) {
            let recognised: BTreeSet<Target> = row
                .iter()
                .filter_map(|cell| names.recognise(&header_text(cell)))
                .filter(|(_, exact)| *exact)
                .map(|(target, _)| target)
                .collect();
            let score = recognised.len();
            if score > best.map_or(0, |(_, best)| best) {
                best = Some((index, score));
            }
        }
        let filled = |row: &Vec<Cell>| row.iter().filter(|cell| !cell.is_blank()).count();
        let header_row = match best {
            Some((index, _)) => index,
            // No known name at all: the first row with two cells may still be corrected by hand.
            None => sheet
                .rows
                .iter()
                .position(|row| filled(row) >= 2)
                .ok_or(MappingError::NoTable)?,
        };
        if !sheet.rows.iter().skip(header_row + 1).any(|row| filled(row) > 0) {
            return Err(MappingError::NoTable);
        }
        Ok(Self {
            header_row,
            columns: columns_of(sheet, header_row, &names),
        })
    }

    /// Sets what columns hold: pairs of a column's letters or header and a target's code, where an empty code or `-`
    /// ignores the column.
    ///
    /// # Errors
    /// [`MappingError::UnknownCorrection`] or [`MappingError::Twice`].
    pub fn correct<'a>(
        &mut self,
        corrections: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), MappingError> {
        let mut set = BTreeSet::new();
        for (name, code) in corrections {
            let unknown = || MappingError::UnknownCorrection(format!("{name} = {code}"));
            let target = match code {
                "" | "-" => None,
                code => Some(Target::by_code(code).ok_or_else(unknown)?),
            };
            let column = self
                .columns
                .iter_mut()
                .find(|column| column.letters().eq_ignore_ascii_case(name) || column.header == name)
                .ok_or_else(unknown)?;
            column.target = target;
            column.approximate = false;
            set.insert(column.index);
        }
        // A column that was only recognised gives way to one that a person named.
        let named: BTreeSet<Target> = self
            .columns
            .iter()
            .filter(|column| set.contains(&column.index))
            .filter_map(|column| column.target)
            .collect();
        for column in self
            .columns
            .iter_mut()
            .filter(|column| !set.contains(&column.index))
        {
            if column.target.is_some_and(|target| named.contains(&target)) {
                column.target = None;
                column.approximate = false;
            }
        }
        self.unique()
    }

    /// Whether rows can be read with it.
    ///
    /// # Errors
    /// [`MappingError::NoMatricule`] or [`MappingError::Twice`].
    pub fn check(&self) -> Result<(), MappingError> {
        self.unique()?;
        self.column_of(Target::Field(PersonnelField::Matricule))
            .map(|_| ())
            .ok_or(MappingError::NoMatricule)
    }

    fn unique(&self) -> Result<(), MappingError> {
        let mut seen: BTreeMap<Target, &Column> = BTreeMap::new();
        for column in &self.columns {
            if let Some(target) = column.target
                && let Some(first) = seen.insert(target, column)
            {
                return Err(MappingError::Twice {
                    first: first.letters(),
                    second: column.letters(),
                    target: target.code(),
                });
            }
        }
        Ok(())
    }

    /// The column that holds a target.
    pub fn column_of(&self, target: Target) -> Option<&Column> {
        self.columns.iter().find(|column| column.target == Some(target))
    }

    /// The column at a place.
    pub fn column_at(&self, index: usize) -> Option<&Column> {
        self.columns.iter().find(|column| column.index == index)
    }

    /// The columns that nothing is read from.
    pub fn ignored(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.target.is_none())
    }
}

fn header_text(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        _ => String::new(),
    }
}

fn columns_of(sheet: &Sheet, header_row: usize, names: &Names) -> Vec<Column> {
    let width = sheet
        .rows
        .iter()
        .skip(header_row)
        .map(Vec::len)
        .max()
        .unwrap_or_default();
    let mut columns: Vec<Column> = (0..width)
        .map(|index| {
            let header = header_text(sheet.cell(header_row, index));
            let recognised = names.recognise(&header);
            let samples = (header_row + 1..sheet.rows.len())
                .map(|row| sheet.cell(row, index))
                .filter(|cell| !cell.is_blank())
                .take(SAMPLES)
                .map(|cell| cell.display().chars().take(60).collect())
                .collect();
            Column {
                index,
                header,
                target: recognised.map(|(target, _)| target),
                approximate: recognised.is_some_and(|(_, exact)| !exact),
                samples,
            }
        })
        .filter(|column| !column.header.is_empty() || !column.samples.is_empty())
        .collect();
    // One column a target: an exact name wins over one that resembles, then the first.
    let mut taken = BTreeSet::new();
    for approximate in [false, true] {
        for column in columns
            .iter_mut()
            .filter(|column| column.approximate == approximate)
        {
            if let Some(target) = column.target
                && !taken.insert(target)
            {
                column.target = None;
                column.approximate = false;
            }
        }
    }
    if taken.contains(&Target::Field(PersonnelField::FamilyName)) {
        // « Agent » or « Nom complet » beside « Nom » says nothing more.
        for column in &mut columns {
            if column.target == Some(Target::FullName) {
                column.target = None;
            }
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use PersonnelField as F;

    fn sheet(rows: &[&[&str]]) -> Sheet {
        Sheet::of(
            rows.iter()
                .map(|row| row.iter().map(|text| Cell::text(*text)).collect())
                .collect(),
        )
    }

    fn targets(headers: &[&str]) -> Vec<Option<Target>> {
        let data: Vec<&str> = headers.iter().map(|_| "x").collect();
        let mapping = Mapping::detect(&sheet(&[headers, &data])).unwrap();
        mapping.columns.iter().map(|column| column.target).collect()
    }

    #[test]
    fn headers_of_hr_offices_are_recognised() {
        let cases = [
            ("N° matricule", F::Matricule),
            ("MLE", F::Matricule),
            ("Nom", F::FamilyName),
            ("PRENOMS", F::GivenNames),
            ("Prénom(s)", F::GivenNames),
            ("Né(e) le", F::BirthDate),
            ("Date de naissance (JJ/MM/AAAA)", F::BirthDate),
            ("DATE NAISS.", F::BirthDate),
            ("Sit. matrimoniale", F::MaritalStatus),
            ("Sexe (M/F)", F::Sex),
            ("Emploi/Fonction", F::JobTitle),
            ("Service d'affectation", F::Department),
            ("ÉCHELON", F::Step),
            ("N° CNI", F::NationalId),
            ("Numéro de passeport", F::Passport),
            ("Nbre d'enfants", F::Children),
            ("Tél. pro", F::WorkPhone),
            ("Contact", F::PersonalPhone),
            ("E-mail", F::Email),
            ("department_id", F::Department),
            ("family_name", F::FamilyName),
            ("Date de prise\nde service", F::ServiceStartDate),
            ("Matricule *", F::Matricule),
        ];
        for (header, field) in cases {
            assert_eq!(
                targets(&[header, "Autre"])[0],
                Some(Target::Field(field)),
                "{header}"
            );
        }
    }

    #[test]
    fn unknown_and_short_headers_are_ignored() {
        assert_eq!(
            targets(&["Matricule", "Couleur", "N°", "x", "Nomm"]),
            [Some(Target::Field(F::Matricule)), None, None, None, None]
        );
    }

    #[test]
    fn a_slip_of_the_finger_is_forgiven_and_said() {
        let mapping = Mapping::detect(&sheet(&[
            &["Matricul", "Date de naisance", "Nom"],
            &["1", "2", "3"],
        ]))
        .unwrap();
        assert_eq!(mapping.columns[0].target, Some(Target::Field(F::Matricule)));
        assert!(
            mapping.columns[0].approximate
                && mapping.columns[1].approximate
                && !mapping.columns[2].approximate
        );
    }

    #[test]
    fn the_header_may_stand_below_titles() {
        let table = sheet(&[
            &["MINISTÈRE DU PATRIMOINE"],
            &[],
            &["Liste du personnel", "2026"],
            &["N°", "Matricule", "Nom", "Prénoms"],
            &["1", "345678K", "KONÉ", "Awa"],
        ]);
        let mapping = Mapping::detect(&table).unwrap();
        assert_eq!(mapping.header_row, 3);
        assert_eq!(
            mapping.column_of(Target::Field(F::Matricule)).unwrap().samples,
            ["345678K"]
        );
        assert_eq!(
            mapping
                .ignored()
                .map(|column| column.header.as_str())
                .collect::<Vec<_>>(),
            ["N°"]
        );
    }

    #[test]
    fn two_columns_of_one_name_do_not_both_count() {
        assert_eq!(
            targets(&["Matricule", "Nom", "Prénoms", "Nom", "Nom et prénoms"])[1..],
            [
                Some(Target::Field(F::FamilyName)),
                Some(Target::Field(F::GivenNames)),
                None,
                None
            ]
        );
    }

    #[test]
    fn corrections_win_over_recognition() {
        let mut mapping =
            Mapping::detect(&sheet(&[&["Matricule", "Nom", "Code"], &["1", "2", "3"]])).unwrap();
        mapping.correct([("C", "matricule"), ("Nom", "-")]).unwrap();
        let targets: Vec<_> = mapping.columns.iter().map(|column| column.target).collect();
        assert_eq!(targets, [None, None, Some(Target::Field(F::Matricule))]);
        mapping.check().unwrap();
        assert_eq!(
            mapping.correct([("A", "grade"), ("B", "grade")]).unwrap_err(),
            MappingError::Twice {
                first: "A".to_owned(),
                second: "B".to_owned(),
                target: "grade"
            }
        );
        assert!(matches!(
            mapping.correct([("Z", "grade")]),
            Err(MappingError::UnknownCorrection(_))
        ));
        assert!(matches!(
            mapping.correct([("A", "wages")]),
            Err(MappingError::UnknownCorrection(_))
        ));
    }

    #[test]
    fn a_file_without_table_or_matricule_is_refused() {
        assert_eq!(Mapping::detect(&sheet(&[])).unwrap_err(), MappingError::NoTable);
        assert_eq!(
            Mapping::detect(&sheet(&[&["Matricule", "Nom"]])).unwrap_err(),
            MappingError::NoTable
        );
        let mapping = Mapping::detect(&sheet(&[&["Nom", "Prénoms"], &["KONÉ", "Awa"]])).unwrap();
        assert_eq!(mapping.check().unwrap_err(), MappingError::NoMatricule);
    }
}
