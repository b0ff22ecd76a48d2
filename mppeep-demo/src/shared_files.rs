//! A few files that the services handed in: tables of round numbers, reports of one page, and what reading them found.

use jiff::civil::Date;
use mppeep_core::domain::id::{SharedFileId, StoredFileId};
use mppeep_core::domain::personnel::Personnel;
use mppeep_core::domain::shared_file::{
    Reading, ReportingPeriod, RowFault, SharedFile, SharedFileFields, SharedFileKind, SharedFileStatus,
};
use mppeep_core::domain::stored_file::{FileName, FileType, StoredFile};
use mppeep_core::domain::user::{Role, User};
use mppeep_core::ports::epochs::{Epoch, Namespace};
use mppeep_core::ports::file_store::FileStore;
use mppeep_core::ports::store::Store;
use sha2::{Digest, Sha256};

use crate::LoadError;
use crate::documents::keep;
use crate::pdf;
use crate::random::{Random, later, morning_of, plus_days};

/// A file with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoFile {
    /// The file.
    pub file: SharedFile,
    /// The content.
    pub content: Vec<u8>,
}

/// A content, and what reading it finds.
struct Made {
    kind: FileType,
    content: Vec<u8>,
    reading: Reading,
}

/// What a file is about, and who hands it in.
struct Plan {
    by: Role,
    kind: SharedFileKind,
    /// The file's name without what its type adds.
    name: String,
    period: String,
    note: Option<&'static str>,
    /// Days since it came.
    age: i64,
    archived: bool,
}

const LINES: &[&str] = &[
    "Rémunérations du personnel permanent",
    "Rémunérations du personnel temporaire",
    "Fournitures de bureau",
    "Carburant et lubrifiants",
    "Entretien des véhicules",
    "Entretien des bâtiments",
    "Téléphone et Internet",
    "Eau et électricité",
    "Frais de mission",
    "Formation du personnel",
    "Matériel informatique",
    "Mobilier de bureau",
];

const INDICATORS: &[(&str, &str)] = &[
    ("Taux d’exécution du budget", "%"),
    ("Délai moyen de traitement d’un courrier", "jours"),
    ("Part des agents évalués", "%"),
    ("Part des agents formés dans l’année", "%"),
    ("Véhicules en état de marche", "nombre"),
    ("Postes vacants", "nombre"),
];

/// Makes the files.
pub(crate) fn make(
    personnel: &[Personnel],
    users: &[User],
    today: Date,
    random: &mut Random,
) -> Vec<DemoFile> {
    let (quarter, earlier) = (quarter(today, 1), quarter(today, 2));
    let last_month = today.first_of_month().yesterday().unwrap_or(today);
    let month = format!("{:04}-{:02}", last_month.year(), last_month.month());
    let year = (today.year() - 1).to_string();
    let plan = |by, kind, name: String, period: &str, age| Plan {
        by,
        kind,
        name,
        period: period.to_owned(),
        note: None,
        age,
        archived: false,
    };
    use SharedFileKind as Kind;
    let report = |title: &str, period: &str| {
        let page = pdf::page(&[
            "Ministère de démonstration",
            "Document de démonstration, sans valeur",
            "",
            title,
            &format!("Période : {period}"),
        ]);
        Made {
            kind: FileType::Pdf,
            content: page,
            reading: Reading::default(),
        }
    };
    let plans = [
        (
            Plan {
                note: Some("Version transmise à la direction du budget."),
                ..plan(
                    Role::Sdb,
                    Kind::BudgetData,
                    format!("Exécution du budget {quarter}"),
                    &quarter,
                    9,
                )
            },
            budget(None, random),
        ),
        (
            Plan {
                note: Some("Deux lignes ont une cellule de trop."),
                ..plan(
                    Role::Sdb,
                    Kind::BudgetData,
                    format!("Engagements {month}"),
                    &month,
                    4,
                )
            },
            budget(Some([3, 8]), random),
        ),
        (
            Plan {
                archived: true,
                ..plan(
                    Role::Sdb,
                    Kind::BudgetData,
                    format!("Exécution du budget {earlier}"),
                    &earlier,
                    98,
                )
            },
            budget(None, random),
        ),
        (
            plan(
                Role::Sdc,
                Kind::SummarySheet,
                format!("Fiche synthétique {month}"),
                &month,
                12,
            ),
            report("Fiche synthétique de la comptabilité", &month),
        ),
        (
            plan(
                Role::Sdc,
                Kind::Indicators,
                format!("Indicateurs {quarter}"),
                &quarter,
                21,
            ),
            indicators(random),
        ),
        (
            Plan {
                note: Some("Session de formation à l’outil de gestion."),
                ..plan(
                    Role::Sdrh,
                    Kind::BeneficiaryList,
                    format!("Bénéficiaires de la formation {month}"),
                    &month,
                    16,
                )
            },
            beneficiaries(personnel),
        ),
        (
            plan(
                Role::Sdrh,
                Kind::ActivityReport,
                format!("Rapport d’activité {year}"),
                &year,
                47,
            ),
            report("Rapport d’activité des ressources humaines", &year),
        ),
    ];
    plans
        .into_iter()
        .filter_map(|(plan, made)| {
            let by = users.iter().find(|user| user.fields.roles.contains(&plan.by))?;
            Some(one(plan, made, by, today, random))
        })
        .collect()
}

fn one(plan: Plan, made: Made, by: &User, today: Date, random: &mut Random) -> DemoFile {
    let Made {
        kind,
        content,
        reading,
    } = made;
    let at = later(
        morning_of(plus_days(today, -plan.age)),
        random.between(600, 30_000),
    );
    let archived_at = plan.archived.then(|| later(at, 30 * 24 * 3600));
    let file = StoredFile {
        id: StoredFileId::from_uuid(random.uuid(at)),
        size: u64::try_from(content.len()).unwrap_or(u64::MAX),
        sha256: Sha256::digest(&content).into(),
        kind,
        created_at: at,
    };
    let status = match (plan.archived, reading.faults.is_empty()) {
        (true, _) => SharedFileStatus::Archived,
        (false, true) => SharedFileStatus::Processed,
        (false, false) => SharedFileStatus::Failed,
    };
    let extension = if kind == FileType::Csv { "csv" } else { "pdf" };
    let file = SharedFile {
        id: SharedFileId::from_uuid(random.uuid(at)),
        fields: SharedFileFields {
            kind: plan.kind,
            period: ReportingPeriod::parse(&plan.period).ok(),
            note: plan.note.map(str::to_owned),
        },
        file,
        file_name: FileName::stored(format!("{}.{extension}", plan.name), kind),
        status,
        reading: Some(reading),
        uploaded_by: Some(by.id),
        uploaded_by_name: by.fields.display_name.clone(),
        archived_at,
        version: 1,
        created_at: at,
        updated_at: archived_at.unwrap_or_else(|| later(at, 60)),
    };
    DemoFile { file, content }
}

/// The quarter that many quarters before the present one.
fn quarter(today: Date, before: i32) -> String {
    let present = i32::from(today.year()) * 4 + (i32::from(today.month()) - 1) / 3;
    let wanted = present - before;
    format!("{:04}-T{}", wanted.div_euclid(4), wanted.rem_euclid(4) + 1)
}

/// A table as CSV. Rows that are wider than the header are its faults.
fn table(header: &[&str], rows: &[Vec<String>]) -> Made {
    let mut text = header.join(";");
    text.push('\n');
    let mut reading = Reading {
        rows_ok: Some(0),
        rows_wrong: Some(0),
        ..Reading::default()
    };
    for (number, row) in (2_u32..).zip(rows) {
        text.push_str(&row.join(";"));
        text.push('\n');
        let wider = row.len() > header.len();
        let counted = if wider {
            &mut reading.rows_wrong
        } else {
            &mut reading.rows_ok
        };
        *counted = counted.map(|count| count + 1);
        if wider {
            reading.faults.push(RowFault {
                row: number,
                column: None,
                message: "La ligne a plus de cellules que l’en-tête n’a d’intitulés.".to_owned(),
            });
        }
    }
    Made {
        kind: FileType::Csv,
        content: text.into_bytes(),
        reading,
    }
}

/// Lines of a budget; those of these places have a cell that no heading belongs to.
fn budget(wider: Option<[usize; 2]>, random: &mut Random) -> Made {
    let rows: Vec<_> = LINES
        .iter()
        .enumerate()
        .map(|(place, line)| {
            let granted = random.between(20, 900) * 1_000_000;
            let spent = granted / 100 * random.between(35, 98);
            let mut row = vec![
                format!("{}", 6_110 + 10 * place),
                (*line).to_owned(),
                granted.to_string(),
                spent.to_string(),
            ];
            if wider.is_some_and(|places| places.contains(&place)) {
                row.push("à vérifier".to_owned());
            }
            row
        })
        .collect();
    let header = ["Compte", "Rubrique", "Dotation (FCFA)", "Exécuté (FCFA)"];
    table(&header, &rows)
}

fn indicators(random: &mut Random) -> Made {
    let rows: Vec<_> = INDICATORS
        .iter()
        .map(|(name, unit)| {
            let target = random.between(40, 95);
            let reached = (target - random.between(0, 12)).max(0);
            vec![
                (*name).to_owned(),
                (*unit).to_owned(),
                target.to_string(),
                reached.to_string(),
            ]
        })
        .collect();
    table(&["Indicateur", "Unité", "Cible", "Atteint"], &rows)
}

fn beneficiaries(personnel: &[Personnel]) -> Made {
    let present = personnel.iter().filter(|file| file.departure.is_none());
    let rows: Vec<_> = present
        .take(8)
        .map(|file| {
            vec![
                file.fields.matricule.as_str().to_owned(),
                file.fields.full_name(),
                "Présent".to_owned(),
            ]
        })
        .collect();
    table(&["Matricule", "Nom et prénoms", "Présence"], &rows)
}

/// Keeps the contents, and then writes the files that name them, in one unit. Gives the epochs that moved. What a failure
/// leaves is as with [`load_documents`](crate::load_documents).
///
/// # Errors
/// `Files`, `Store`.
pub async fn load_files(
    store: &dyn Store,
    contents: &dyn FileStore,
    files: &[DemoFile],
) -> Result<Vec<Epoch>, LoadError> {
    for made in files {
        keep(contents, made.file.file.id, &made.content).await?;
    }
    let mut unit = store.begin().await?;
    for made in files {
        unit.stored_files().insert(&made.file.file).await?;
        unit.shared_files().insert(&made.file).await?;
    }
    unit.bump(&[Namespace::FILES]).await?;
    Ok(unit.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn quarters_go_back_over_the_year() {
        for (today, before, expected) in [
            (date(2026, 11, 23), 1, "2026-T3"),
            (date(2026, 11, 23), 2, "2026-T2"),
            (date(2026, 1, 1), 1, "2025-T4"),
            (date(2026, 4, 1), 2, "2025-T4"),
            (date(2026, 3, 31), 0, "2026-T1"),
        ] {
            assert_eq!(quarter(today, before), expected, "{today} {before}");
            assert!(ReportingPeriod::parse(expected).is_ok());
        }
    }
}
