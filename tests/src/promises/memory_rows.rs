//! What the server may need, and what is more than it gets.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::task::JoinSet;

use super::load::{Load, Person};
use super::report::Report;
use super::{Scale, stage};
use crate::api::{API, create_agent, id_of};
use crate::confinement::Confinement;
use crate::load::Times;
use crate::{Backend, Launch, processes};

/// What a server gets.
const MEMORY: u64 = 128 * 1024 * 1024;
/// Files that are sent at once.
const UPLOADS: usize = 20;
/// The largest file that the settings allow at first.
const FILE: usize = 10 * 1024 * 1024;

/// A PDF of that size.
fn content() -> Bytes {
    let mut content = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n".to_vec();
    content.resize(FILE, b' ');
    content.into()
}

async fn upload(person: &Person, agent: &str, number: usize, content: &[u8]) -> Result<u16, String> {
    let name = format!("piece-{number}.pdf");
    person
        .client
        .request("POST", &format!("{API}/documents"))
        .multipart(
            &[("personnel_id", agent), ("kind", "other")],
            ("file", &name, "application/pdf", content),
        )
        .try_send()
        .await
        .map(|answer| answer.status)
        .map_err(|problem| problem.to_string())
}

pub(super) async fn little_memory(scale: &Scale) -> Report {
    let mut report = Report::default();
    let url = stage::shared_database().await;
    for (name, parts, launch) in [
        (
            "PostgreSQL",
            ["PostgreSQL", "PostgreSQL, files", "PostgreSQL, after"],
            stage::launch(&url),
        ),
        (
            "SQLite",
            ["SQLite", "SQLite, files", "SQLite, after"],
            Launch::on(Backend::Sqlite).with_demo(stage::AGENTS),
        ),
    ] {
        one_server(scale, &mut report, name, parts, &launch).await;
    }
    report
}

async fn one_server(
    scale: &Scale,
    report: &mut Report,
    name: &str,
    parts: [&'static str; 3],
    launch: &Launch,
) {
    let group = Confinement::of_memory(MEMORY);
    let mut server = group
        .as_ref()
        .map_or_else(|| launch.clone(), |group| group.around(launch))
        .start();
    let people = stage::people(&server, scale).await;
    let clerk = stage::person(&server, "sdrh").await;
    let agent: Arc<str> = id_of(&create_agent(&clerk.client, 1).await).into();
    let load = Load::begin(scale, &people, parts[0]);
    scale.pass(5).await;
    let before = processes::most_resident_kib(server.id());
    load.part(parts[1]);
    let (mut sent, content) = (JoinSet::new(), content());
    for number in 0..UPLOADS {
        let (clerk, agent, content) = (clerk.clone(), Arc::clone(&agent), content.clone());
        sent.spawn(async move {
            let begun = Instant::now();
            (upload(&clerk, &agent, number, &content).await, begun.elapsed())
        });
    }
    let (mut answers, mut times) = (Vec::new(), Times::default());
    while let Some(one) = sent.join_next().await {
        let (answer, took) = one.expect("an upload does not panic");
        answers.push(answer);
        times.push(took);
    }
    load.part(parts[2]);
    scale.pass(5).await;
    report.parts.extend(load.end().await);
    for part in parts {
        report.all_good(part);
    }
    let kept = answers.iter().filter(|answer| **answer == Ok(201)).count();
    report.hold(
        kept == UPLOADS,
        format!("{name}: all files are taken: {answers:?}"),
    );
    let alive = server.runs();
    report.hold(alive, format!("{name}: the server lives"));
    if alive {
        let most = processes::most_resident_kib(server.id());
        report.fact(format!(
            "{name}: {} KiB resident at most, {before} KiB before the files; files: {}",
            most,
            times.summary()
        ));
        // Without optimisation the program alone is many times as large: there the kernel decides, where it may.
        report.hold(
            most * 1024 < MEMORY || (group.is_some() && !scale.times),
            format!("{name}: never more than {} KiB resident: {most}", MEMORY / 1024),
        );
    }
    match group {
        Some(group) => {
            let (inside, kills) = (group.population(), group.kills());
            report.fact(format!(
                "{name}: in a control group of {} KiB, which was full {} times",
                MEMORY / 1024,
                group.squeezes()
            ));
            report.hold(
                inside == 1 && kills == 0,
                format!("{name}: {inside} processes inside, {kills} killed"),
            );
            drop(server);
        }
        None => report.fact(format!(
            "{name}: this machine lets us make no control group; what was resident decides"
        )),
    }
}
