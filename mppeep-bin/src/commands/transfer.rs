//! `mppeep import personnel` and `mppeep export personnel`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use mppeep_core::domain::import::{ImportReport, Mapping, Plan, refused_sheet};
use mppeep_core::ports::spreadsheet::SheetFormat;
use mppeep_core::services::personnel_export::ExportPersonnel as Everything;
use mppeep_core::services::personnel_import::{ImportError, ImportPhase, ProgressListener};

use super::{open, operator};
use crate::cli::{ExportPersonnel, Format, ImportPersonnel};
use crate::config::Config;
use crate::terminal::{self, Progress, say};

pub(crate) async fn import(config: &Config, command: ImportPersonnel) -> anyhow::Result<ExitCode> {
    let bytes =
        std::fs::read(&command.file).with_context(|| format!("cannot read {}", command.file.display()))?;
    let rejects = command
        .rejects
        .as_deref()
        .map(|path| format_of(path).map(|format| (path, format)))
        .transpose()?;
    let wired = open(config).await?;
    let imports = &wired.services.imports;
    let name = command
        .file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let progress = listener();
    let sheet = imports
        .read(&operator(), &name, Bytes::from(bytes))
        .await
        .map_err(explain)?;
    let mapping = Mapping::detect(&sheet).map_err(|error| anyhow!(error.french()))?;
    let (plan, written) = if command.dry_run {
        (
            imports
                .dry_run(&operator(), &sheet, &mapping, &progress)
                .await
                .map_err(explain)?,
            false,
        )
    } else {
        let done = imports
            .execute(&operator(), &name, &sheet, &mapping, &progress)
            .await
            .map_err(explain)?;
        (done.plan, done.written)
    };
    let may_run = plan.may_run();
    if let Some((path, format)) = rejects
        && plan.counts().refused > 0
    {
        let refused = refused_sheet(&sheet, &mapping, &plan);
        let bytes = imports
            .write(&operator(), format, refused)
            .await
            .map_err(explain)?;
        std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let report = ImportReport::of(&plan, &mapping, written);
    if command.report.json {
        say(serde_json::to_string_pretty(&report)?);
    } else {
        show(&report, &plan, command.dry_run);
    }
    wired.close().await;
    Ok(if may_run {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn listener() -> ProgressListener {
    let progress = Progress::new();
    Arc::new(move |step| {
        let what = match step.phase {
            ImportPhase::Checking => "Contrôle",
            ImportPhase::Writing => "Écriture",
        };
        progress.show(what, step.done, step.total);
    })
}

fn show(report: &ImportReport, plan: &Plan, dry_run: bool) {
    for finding in &report.findings {
        let kind = if finding.severity == "error" {
            "erreur"
        } else {
            "avertissement"
        };
        let heading = if finding.heading.is_empty() {
            String::new()
        } else {
            format!(" ({})", finding.heading)
        };
        say(format_args!(
            "{}{heading} : {kind} : {} {}",
            finding.place, finding.message, finding.fix
        ));
    }
    let hidden = plan.findings.len().saturating_sub(report.findings.len());
    if hidden > 0 {
        say(format_args!("… et {hidden} autres."));
    }
    let counts = &report.counts;
    say(format_args!(
        "{} lignes : {} nouvelles, {} modifiées, {} inchangées, {} refusées ; {} erreurs, {} avertissements.",
        counts.rows,
        counts.created,
        counts.updated,
        counts.unchanged,
        counts.refused,
        counts.errors,
        counts.warnings,
    ));
    say(match (report.written, dry_run, plan.may_run()) {
        (true, ..) => "L’import est enregistré.",
        (false, true, true) => "Contrôle à blanc : rien n’a été écrit, l’import est possible.",
        (false, _, false) => "Rien n’a été écrit : corrigez les erreurs, puis recommencez.",
        (false, false, true) => "Rien n’était à écrire.",
    });
}

fn explain(error: ImportError) -> anyhow::Error {
    match error {
        ImportError::Sheet(error) => anyhow!(error.french()),
        ImportError::Mapping(error) => anyhow!(error.french()),
        other => other.into(),
    }
}

pub(crate) async fn export(config: &Config, command: ExportPersonnel) -> anyhow::Result<ExitCode> {
    let format = match (command.format, &command.output) {
        (Some(Format::Csv), _) | (None, None) => SheetFormat::Csv,
        (Some(Format::Xlsx), _) => SheetFormat::Xlsx,
        (None, Some(path)) => format_of(path)?,
    };
    let wired = open(config).await?;
    let bytes = wired
        .services
        .exports
        .file(&operator(), Everything::everything(), format)
        .await
        .map_err(explain)?;
    wired.close().await;
    match command.output {
        Some(path) => {
            std::fs::write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
            terminal::warn(format_args!("{} bytes in {}", bytes.len(), path.display()));
        }
        None => terminal::send(&bytes)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn format_of(path: &Path) -> anyhow::Result<SheetFormat> {
    match SheetFormat::of_file_name(&path.to_string_lossy()) {
        Some(format) => Ok(format),
        None => bail!("{} ends neither with .csv nor with .xlsx", path.display()),
    }
}
