//! The columns, and what the import would do.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use mppeep_core::domain::id::ImportId;
use mppeep_core::domain::import::{
    Counts, Finding, Mapping, MappingChoice, Outcome, Plan, Severity, Target, refused_sheet,
};
use mppeep_core::domain::organisation::Organisation;
use mppeep_core::ports::import::ImportStatus;
use mppeep_core::services::personnel_import::{ImportError, OpenedImport, no_progress};
use serde::Deserialize;

use super::upload::download;
use super::{PATH, format_of, frame, problem, steps};
use crate::catalogue;
use crate::extract::{FormFields, PathId, QueryParams};
use crate::pages::frame::Frame;
use crate::pages::ui::{Choice, Diff, Field, Kpi, Steps, Tone};
use crate::pages::visit::{Visit, show, show_with};
use crate::problem::Problem;

/// Findings a page shows; the file of refused rows has all of them.
const FINDINGS: usize = 200;
/// Changes a page shows as an example.
const SAMPLES: usize = 12;

#[derive(Template)]
#[template(path = "import/columns.html")]
struct ColumnsPage {
    frame: Frame,
    steps: Steps,
    file_name: String,
    header_row: usize,
    rows: String,
    action: String,
    error: String,
    columns: Vec<ColumnLine>,
    matched: usize,
}

struct ColumnLine {
    letters: String,
    header: String,
    samples: String,
    approximate: bool,
    ignored: bool,
    field: Field,
}

fn targets() -> Vec<Choice> {
    Target::all()
        .map(|target| Choice::new(target.code(), target.label()))
        .collect()
}

fn columns_page(visit: &Visit, id: ImportId, opened: &OpenedImport, error: String) -> ColumnsPage {
    let OpenedImport { file, sheet, mapping } = opened;
    let columns: Vec<ColumnLine> = mapping
        .columns
        .iter()
        .map(|column| {
            let letters = column.letters();
            let code = column.target.map_or("", Target::code);
            ColumnLine {
                field: Field::select(
                    format!("column.{letters}"),
                    format!("Contenu de la colonne {letters}"),
                    Some("— Ignorer —"),
                    targets(),
                )
                .value(code)
                .wide(),
                header: column.header.clone(),
                samples: column.samples.join(" · "),
                approximate: column.approximate,
                ignored: column.target.is_none(),
                letters,
            }
        })
        .collect();
    let rows = sheet.rows.len().saturating_sub(mapping.header_row + 1);
    ColumnsPage {
        frame: frame(visit),
        steps: steps(1),
        file_name: file.file_name.clone(),
        header_row: mapping.header_row + 1,
        rows: catalogue::plural(u64::try_from(rows).unwrap_or_default(), "ligne", "lignes"),
        action: visit.url(&format!("{PATH}/{id}/colonnes")),
        error,
        matched: columns.iter().filter(|column| !column.ignored).count(),
        columns,
    }
}

pub(super) async fn columns(visit: Visit, PathId(id): PathId<ImportId>) -> Result<Response, Problem> {
    let opened = visit
        .state
        .services
        .imports
        .open(&visit.actor, id)
        .await
        .map_err(problem)?;
    if opened.file.status != ImportStatus::Uploaded {
        return Ok(visit.go(&format!("{PATH}/{id}/rapport")));
    }
    let error = opened
        .mapping
        .check()
        .err()
        .map(|error| error.french())
        .unwrap_or_default();
    show(&columns_page(&visit, id, &opened, error))
}

pub(super) async fn set_columns(
    visit: Visit,
    PathId(id): PathId<ImportId>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let columns = fields
        .iter()
        .filter_map(|(name, code)| Some((name.strip_prefix("column.")?.to_owned(), code.to_owned())))
        .collect();
    let choice = MappingChoice { columns };
    match visit
        .state
        .services
        .imports
        .set_columns(&visit.actor, id, &choice)
        .await
    {
        Ok(_) => Ok(visit.go(&format!("{PATH}/{id}/controle"))),
        Err(ImportError::Mapping(error)) => {
            let mut opened = visit
                .state
                .services
                .imports
                .open(&visit.actor, id)
                .await
                .map_err(problem)?;
            apply_loosely(&mut opened.mapping, &choice);
            let page = columns_page(&visit, id, &opened, error.french());
            show_with(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(other) => Err(problem(other)),
    }
}

/// Shows a choice again as it was made, wrong as it is.
fn apply_loosely(mapping: &mut Mapping, choice: &MappingChoice) {
    for column in &mut mapping.columns {
        if let Some(code) = choice.columns.get(&column.letters()) {
            column.target = Target::by_code(code);
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CheckQuery {
    show: Option<String>,
}

#[derive(Template)]
#[template(path = "import/check.html")]
struct CheckPage {
    frame: Frame,
    steps: Steps,
    file_name: String,
    base: String,
    kpis: Vec<Kpi>,
    may_run: bool,
    nothing: bool,
    verdict: String,
    label: String,
    only: String,
    findings: Vec<FindingLine>,
    hidden: String,
    errors: String,
    warnings: String,
    samples: Vec<(String, Diff)>,
    created: Vec<String>,
    refused: bool,
}

/// One finding of the report.
pub(super) struct FindingLine {
    pub(super) place: String,
    pub(super) heading: String,
    pub(super) given: String,
    pub(super) error: bool,
    pub(super) message: String,
    pub(super) fix: String,
}

impl FindingLine {
    fn of(finding: &Finding, mapping: &Mapping) -> Self {
        Self {
            place: finding.place(),
            heading: finding.heading(mapping).to_owned(),
            given: finding.given.chars().take(80).collect(),
            error: finding.severity() == Severity::Error,
            message: finding.message(),
            fix: finding.fix(),
        }
    }
}

/// Figures of a plan or of a report.
pub(super) fn figures(counts: &Counts) -> Vec<Kpi> {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let toned = |kpi: Kpi, count: usize, tone: Tone| if count > 0 { kpi.tone(tone) } else { kpi };
    vec![
        Kpi::count("Lignes lues", number(counts.rows)),
        Kpi::count("Fiches créées", number(counts.created)),
        Kpi::count("Fiches modifiées", number(counts.updated)),
        Kpi::count("Sans changement", number(counts.unchanged)),
        toned(
            Kpi::count("Erreurs", number(counts.errors)),
            counts.errors,
            Tone::Danger,
        ),
        toned(
            Kpi::count("Avertissements", number(counts.warnings)),
            counts.warnings,
            Tone::Warning,
        ),
    ]
}

fn plural(count: usize, one: &str, many: &str) -> String {
    catalogue::plural(u64::try_from(count).unwrap_or(u64::MAX), one, many)
}

/// What the plan comes to.
fn verdict(counts: &Counts) -> String {
    if counts.rows == 0 {
        return "Le fichier ne contient aucune ligne à importer.".to_owned();
    }
    if counts.errors > 0 {
        let lines = plural(counts.refused, "ligne est refusée", "lignes sont refusées");
        return format!(
            "{lines}. Rien ne peut être importé tant qu’il reste une erreur : corrigez le fichier et recommencez."
        );
    }
    if counts.created + counts.updated == 0 {
        return "Toutes les fiches sont déjà comme le fichier le dit : il n’y a rien à importer.".to_owned();
    }
    let created = plural(counts.created, "fiche sera créée", "fiches seront créées");
    let updated = plural(counts.updated, "fiche sera modifiée", "fiches seront modifiées");
    let after = if counts.warnings > 0 {
        " Lisez les avertissements avant de continuer."
    } else {
        ""
    };
    format!("{created} et {updated}.{after}")
}

pub(super) async fn dry_run(
    visit: Visit,
    PathId(id): PathId<ImportId>,
    QueryParams(asked): QueryParams<CheckQuery>,
) -> Result<Response, Problem> {
    let imports = &visit.state.services.imports;
    let opened = imports.open(&visit.actor, id).await.map_err(problem)?;
    if opened.file.status != ImportStatus::Uploaded {
        return Ok(visit.go(&format!("{PATH}/{id}/rapport")));
    }
    if opened.mapping.check().is_err() {
        return Ok(visit.go(&format!("{PATH}/{id}/colonnes")));
    }
    let plan = imports
        .dry_run(&visit.actor, &opened.sheet, &opened.mapping, &no_progress())
        .await
        .map_err(problem)?;
    let organisation = visit.state.services.organisation.names().await?;
    show(&check_page(
        &visit,
        id,
        &opened,
        &plan,
        &organisation,
        asked.show.as_deref(),
    ))
}

fn check_page(
    visit: &Visit,
    id: ImportId,
    opened: &OpenedImport,
    plan: &Plan,
    organisation: &Organisation,
    only: Option<&str>,
) -> CheckPage {
    let counts = plan.counts();
    let wanted = match only {
        Some("errors") => Some(Severity::Error),
        Some("warnings") => Some(Severity::Warning),
        _ => None,
    };
    let chosen: Vec<&Finding> = plan
        .findings
        .iter()
        .filter(|finding| wanted.is_none_or(|severity| finding.severity() == severity))
        .collect();
    let hidden = chosen.len().saturating_sub(FINDINGS);
    let writes = counts.created + counts.updated;
    CheckPage {
        frame: frame(visit),
        steps: steps(2),
        file_name: opened.file.file_name.clone(),
        base: visit.url(&format!("{PATH}/{id}")),
        kpis: figures(&counts),
        may_run: plan.may_run() && writes > 0,
        nothing: counts.errors == 0 && writes == 0,
        verdict: verdict(&counts),
        label: format!("Importer {}", plural(writes, "fiche", "fiches")),
        only: only.unwrap_or_default().to_owned(),
        findings: chosen
            .iter()
            .take(FINDINGS)
            .map(|finding| FindingLine::of(finding, &opened.mapping))
            .collect(),
        hidden: if hidden > 0 {
            plural(hidden, "autre", "autres")
        } else {
            String::new()
        },
        errors: plural(counts.errors, "erreur", "erreurs"),
        warnings: plural(counts.warnings, "avertissement", "avertissements"),
        samples: samples(plan, organisation),
        created: plan
            .rows
            .iter()
            .filter(|row| matches!(row.outcome, Outcome::Create(_)))
            .take(SAMPLES)
            .map(|row| format!("{} · {}", row.matricule, row.name))
            .collect(),
        refused: counts.refused > 0,
    }
}

fn samples(plan: &Plan, organisation: &Organisation) -> Vec<(String, Diff)> {
    plan.rows
        .iter()
        .filter_map(|row| match &row.outcome {
            Outcome::Update { changes, .. } => {
                let diff = Diff {
                    changes: catalogue::changes(changes, Some(organisation)),
                    before: "Maintenant".to_owned(),
                    after: "Après l’import".to_owned(),
                };
                Some((format!("{} · {}", row.matricule, row.name), diff))
            }
            _ => None,
        })
        .take(SAMPLES)
        .collect()
}

pub(super) async fn refused_rows(visit: Visit, PathId(id): PathId<ImportId>) -> Result<Response, Problem> {
    let imports = &visit.state.services.imports;
    let opened = imports.open(&visit.actor, id).await.map_err(problem)?;
    let plan = imports
        .dry_run(&visit.actor, &opened.sheet, &opened.mapping, &no_progress())
        .await
        .map_err(problem)?;
    let format = format_of(&opened.file.file_name);
    let sheet = refused_sheet(&opened.sheet, &opened.mapping, &plan);
    let bytes = imports
        .write(&visit.actor, format, sheet)
        .await
        .map_err(problem)?;
    Ok(download("lignes-refusees", format, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_says_what_would_happen() {
        let counts = Counts {
            rows: 12,
            created: 3,
            updated: 1,
            unchanged: 8,
            ..Counts::default()
        };
        assert_eq!(
            verdict(&counts),
            "3 fiches seront créées et 1 fiche sera modifiée."
        );
        let refused = Counts {
            errors: 5,
            refused: 2,
            ..counts
        };
        assert!(verdict(&refused).starts_with("2 lignes sont refusées."));
        let same = Counts {
            rows: 4,
            unchanged: 4,
            ..Counts::default()
        };
        assert!(verdict(&same).contains("rien à importer"));
        assert!(verdict(&Counts::default()).contains("aucune ligne"));
    }
}
