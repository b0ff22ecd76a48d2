//! The import itself, in the background, and its report.

use std::sync::Arc;

use askama::Template;
use axum::response::Response;
use mppeep_core::domain::id::ImportId;
use mppeep_core::domain::import::ImportReport;
use mppeep_core::ports::import::ImportStatus;
use mppeep_core::services::ServiceError;
use mppeep_core::services::personnel_import::{ImportError, ImportPhase, ImportProgress, ProgressListener};
use tracing::Instrument as _;

use super::check::{FindingLine, figures};
use super::runs::{self, Run};
use super::{PATH, frame, steps, upload_of};
use crate::catalogue;
use crate::extract::PathId;
use crate::pages::frame::Frame;
use crate::pages::ui::{Kpi, Steps};
use crate::pages::visit::{Visit, show};
use crate::problem::Problem;

/// To the step where the import stands.
pub(super) async fn present(visit: Visit, PathId(id): PathId<ImportId>) -> Result<Response, Problem> {
    let file = upload_of(&visit, id).await?;
    let step = match (runs::state(id), file.status) {
        (Some(Run::Begun | Run::Going(_)), _) => "progression",
        (Some(_), _) | (None, ImportStatus::Done | ImportStatus::Failed) => "rapport",
        (None, ImportStatus::Uploaded | ImportStatus::Running) => "colonnes",
    };
    Ok(visit.go(&format!("{PATH}/{id}/{step}")))
}

pub(super) async fn start(visit: Visit, PathId(id): PathId<ImportId>) -> Result<Response, Problem> {
    let file = upload_of(&visit, id).await?;
    if file.status != ImportStatus::Uploaded {
        return Ok(visit.go(&format!("{PATH}/{id}/rapport")));
    }
    if runs::begin(id) {
        let (state, actor) = (visit.state.clone(), Arc::clone(&visit.actor));
        let work = async move {
            let listener: ProgressListener = Arc::new(move |progress| runs::advance(id, progress));
            let outcome = state.services.imports.run(&actor, id, &listener).await;
            outcome
                .map(|(opened, executed)| ImportReport::of(&executed.plan, &opened.mapping, executed.written))
        };
        let task = tokio::spawn(work.instrument(tracing::info_span!("import", import = %id)));
        tokio::spawn(async move {
            let run = match task.await {
                Ok(Ok(report)) => Run::Ended(report),
                Ok(Err(error)) => Run::Failed(failure(&error)),
                Err(error) => {
                    tracing::error!(%error, import = %id, "an import ended abnormally");
                    Run::Failed("L’import s’est interrompu. Rien n’a été enregistré.".to_owned())
                }
            };
            runs::end(id, run);
        });
    }
    Ok(visit.go(&format!("{PATH}/{id}/progression")))
}

/// What the reader is told of an import that could not be carried out.
fn failure(error: &ImportError) -> String {
    match error {
        ImportError::Sheet(sheet) => sheet.french(),
        ImportError::Mapping(mapping) => mapping.french(),
        ImportError::Service(ServiceError::ReadOnlyMode) => {
            "Le site est en lecture seule : l’import n’a pas été lancé.".to_owned()
        }
        ImportError::Service(ServiceError::State("already-imported")) => {
            "Ce fichier a déjà été importé.".to_owned()
        }
        other => {
            tracing::error!(error = %crate::problem::chain(other), "an import failed");
            "L’import a échoué. Rien n’a été enregistré.".to_owned()
        }
    }
}

#[derive(Template)]
#[template(path = "import/progress.html")]
struct ProgressPage {
    frame: Frame,
    steps: Steps,
    file_name: String,
    phase: &'static str,
    count: String,
    percent: usize,
}

/// The whole import in percent: judging is the first half of it, writing the second.
fn percent(progress: ImportProgress) -> usize {
    let part = (progress.done * 50).checked_div(progress.total).unwrap_or(50);
    match progress.phase {
        ImportPhase::Checking => part,
        ImportPhase::Writing => 50 + part,
    }
}

pub(super) async fn progress(visit: Visit, PathId(id): PathId<ImportId>) -> Result<Response, Problem> {
    let file = upload_of(&visit, id).await?;
    let (phase, count, percent) = match runs::state(id) {
        Some(Run::Begun) => ("Lecture du fichier", String::new(), 0),
        Some(Run::Going(progress)) => {
            let phase = match progress.phase {
                ImportPhase::Checking => "Contrôle des lignes",
                ImportPhase::Writing => "Enregistrement des fiches",
            };
            let number = |count: usize| catalogue::number(u64::try_from(count).unwrap_or(u64::MAX));
            (
                phase,
                format!("{} sur {}", number(progress.done), number(progress.total)),
                percent(progress),
            )
        }
        _ => return Ok(visit.go(&format!("{PATH}/{id}"))),
    };
    show(&ProgressPage {
        frame: frame(&visit),
        steps: steps(3),
        file_name: file.file_name,
        phase,
        count,
        percent,
    })
}

#[derive(Template)]
#[template(path = "import/report.html")]
struct ReportPage {
    frame: Frame,
    steps: Steps,
    file_name: String,
    when: String,
    written: bool,
    failure: String,
    kpis: Vec<Kpi>,
    findings: Vec<FindingLine>,
    base: String,
    refused: bool,
}

pub(super) async fn report(visit: Visit, PathId(id): PathId<ImportId>) -> Result<Response, Problem> {
    let file = upload_of(&visit, id).await?;
    let stored = || {
        file.report
            .as_deref()
            .and_then(|json| serde_json::from_str::<ImportReport>(json).ok())
    };
    let (report, failure) = match runs::state(id) {
        Some(Run::Ended(report)) => (Some(report), String::new()),
        Some(Run::Failed(text)) if file.status == ImportStatus::Uploaded => (None, text),
        Some(Run::Begun | Run::Going(_)) => return Ok(visit.go(&format!("{PATH}/{id}/progression"))),
        _ if file.status == ImportStatus::Uploaded => return Ok(visit.go(&format!("{PATH}/{id}/colonnes"))),
        _ => (stored(), String::new()),
    };
    let written = report.as_ref().is_some_and(|report| report.written);
    let refused = report.as_ref().is_some_and(|report| report.counts.refused > 0);
    let findings = report
        .iter()
        .flat_map(|report| &report.findings)
        .take(200)
        .map(|finding| FindingLine {
            place: finding.place.clone(),
            heading: finding.heading.clone(),
            given: String::new(),
            error: finding.severity == "error",
            message: finding.message.clone(),
            fix: finding.fix.clone(),
        });
    show(&ReportPage {
        frame: frame(&visit),
        steps: steps(4),
        when: catalogue::instant(file.created_at),
        written,
        failure,
        kpis: report
            .as_ref()
            .map(|report| figures(&report.counts))
            .unwrap_or_default(),
        findings: findings.collect(),
        base: visit.url(&format!("{PATH}/{id}")),
        refused,
        file_name: file.file_name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_goes_from_nothing_to_everything() {
        let at = |phase, done, total| percent(ImportProgress { phase, done, total });
        assert_eq!(at(ImportPhase::Checking, 0, 10_000), 0);
        assert_eq!(at(ImportPhase::Checking, 5_000, 10_000), 25);
        assert_eq!(at(ImportPhase::Writing, 0, 10_000), 50);
        assert_eq!(at(ImportPhase::Writing, 10_000, 10_000), 100);
        assert_eq!(at(ImportPhase::Writing, 0, 0), 100);
    }

    #[test]
    fn failures_are_said_without_their_causes() {
        let error = ImportError::Service(ServiceError::State("already-imported"));
        assert_eq!(failure(&error), "Ce fichier a déjà été importé.");
        assert!(failure(&ServiceError::Stale.into()).contains("Rien n’a été enregistré"));
    }
}
