//! `mppeep demo`, and the data of `mppeep serve --demo`.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use mppeep_demo::{DEFAULT_SEED, DEMO_DOMAIN, DEMO_PASSWORD, LoadError, LoadStep};

use super::open;
use crate::cli::Demo;
use crate::config::Config;
use crate::terminal::{Progress, say};
use crate::wiring::Wired;

pub(crate) async fn run(config: &Config, demo: &Demo) -> anyhow::Result<ExitCode> {
    let wired = open(config).await?;
    load(&wired, demo.agents).await?;
    say(format_args!("{} holds invented people now.", wired.place()));
    say(format_args!(
        "Log in as <role>@{DEMO_DOMAIN} with the password {DEMO_PASSWORD}"
    ));
    wired.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Fills the database unless it holds demonstration data already.
pub(crate) async fn prepare(wired: &Wired, agents: u32) -> anyhow::Result<()> {
    if !wired.services.settings.is_demonstration().await? {
        load(wired, agents).await?;
    }
    say(format_args!(
        "Demonstration: log in as sdrh@{DEMO_DOMAIN} with the password {DEMO_PASSWORD}"
    ));
    Ok(())
}

async fn load(wired: &Wired, agents: u32) -> anyhow::Result<()> {
    let today = wired.services.context.today();
    let data =
        tokio::task::spawn_blocking(move || mppeep_demo::generate(agents, today, DEFAULT_SEED)).await??;
    let progress = Progress::new();
    let show = |step: mppeep_demo::LoadProgress| {
        let what = match step.step {
            LoadStep::Personnel => "Agents",
            LoadStep::Absences => "Absences",
            LoadStep::Evaluations => "Évaluations",
            LoadStep::Activities => "Journal",
        };
        progress.show(what, step.done, step.total);
    };
    let store = wired.ports.store.as_ref();
    match mppeep_demo::load(store, &*wired.hasher, &data, &show).await {
        Ok(epochs) => wired.board.observe(&epochs),
        Err(LoadError::NotEmpty) => {
            bail!(
                "{} holds other data: demonstration data goes into an empty database",
                wired.place()
            )
        }
        Err(error) => return Err(error.into()),
    }
    let contents = wired.contents.store.as_ref();
    let epochs = mppeep_demo::load_documents(store, contents, &data.documents)
        .await
        .context("the demonstration's documents cannot be kept")?;
    wired.board.observe(&epochs);
    let epochs = mppeep_demo::load_files(store, contents, &data.files)
        .await
        .context("the demonstration's files cannot be kept")?;
    wired.board.observe(&epochs);
    Ok(())
}
