//! What may happen to the servers themselves.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::load::Load;
use super::report::Report;
use super::{Scale, stage};
use crate::agents::agent;
use crate::api::API;
use crate::{Backend, Client, Launch};

/// Writes agents until the server is gone; gives the matricules that it has acknowledged.
async fn write(client: Client, first: usize, over: Arc<AtomicBool>, done: Arc<AtomicUsize>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in first.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let draft = client
            .request("POST", &format!("{API}/personnel"))
            .json(&agent(number).body());
        match draft.try_send().await {
            Ok(answer) if answer.status == 201 => {
                acknowledged.push(agent(number).matricule);
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    acknowledged
}

pub(super) async fn killed_under_writers(scale: &Scale) -> Report {
    let mut report = Report::default();
    let url = stage::shared_database().await;
    for (name, launch) in [
        ("PostgreSQL", stage::launch(&url)),
        ("SQLite", Launch::on(Backend::Sqlite).with_demo(50)),
    ] {
        let mut acknowledged = Vec::new();
        for round in 0..5 {
            let server = launch.start();
            let writer = stage::person(&server, "sdrh").await.client;
            let (over, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
            let writers: Vec<_> = (0..4)
                .map(|number| {
                    let first = round * 40_000 + number * 10_000;
                    tokio::spawn(write(writer.clone(), first, Arc::clone(&over), Arc::clone(&done)))
                })
                .collect();
            let enough = if scale.times { 200 } else { 24 };
            let wrote = stage::until(async || done.load(Ordering::Relaxed) >= enough).await;
            report.hold(wrote.is_some(), format!("{name}: people can write"));
            let _launch = server.kill();
            over.store(true, Ordering::Relaxed);
            for writer in writers {
                acknowledged.extend(writer.await.expect("a writer does not panic"));
            }
        }
        launch.assert_sound();
        let stored = launch.ask("select matricule from personnel");
        let stored: BTreeSet<&str> = stored.lines().collect();
        let lost = acknowledged
            .iter()
            .filter(|matricule| !stored.contains(matricule.as_str()))
            .count();
        report.fact(format!(
            "{name}: {} writes acknowledged, {lost} lost",
            acknowledged.len()
        ));
        report.hold(lost == 0, format!("{name}: what was acknowledged is there"));
    }
    report
}

pub(super) async fn two_instances(scale: &Scale) -> Report {
    let mut report = Report::default();
    let redis = stage::redis().await;
    let url = stage::shared_database().await;
    for (name, launch) in [
        ("PostgreSQL", stage::launch(&url)),
        ("PostgreSQL and Redis", stage::launch(&url).redis(&redis.url())),
    ] {
        let launch = launch.env("MPPEEP_INSTANCES", 2);
        let (one, two) = (launch.start(), launch.start());
        let person = stage::person(&one, "sdrh").await;
        let elsewhere = two.visitor();
        elsewhere.set_cookie("session_id", &person.client.session());
        report.hold(
            elsewhere.is_logged_in().await,
            format!("{name}: a session is valid on the other at once"),
        );
        let _out = person.client.request("POST", "/mppeep/logout").send().await;
        let refused = stage::until(async || !elsewhere.is_logged_in().await).await;
        report.fact(format!("{name}: refused on the other after {refused:?}"));
        report.hold(
            stage::soon(scale, refused, Duration::from_secs(1)),
            format!("{name}: an ended session is refused on the other within a second"),
        );
        let address = if name.contains("Redis") {
            "203.0.113.8"
        } else {
            "203.0.113.7"
        };
        for number in 0..3 {
            let _wrong = one
                .visitor_from(address)
                .login(&format!("qui{number}@mppeep.example"), "pas-celui-ci")
                .await;
        }
        let left = stage::tries_left(&two, address).await;
        report.hold(
            left == Ok(2),
            format!("{name}: tries on one count on the other: {left:?}"),
        );
    }
    report
}

pub(super) async fn held_file(scale: &Scale) -> Report {
    let server = Launch::on(Backend::Sqlite).with_demo(100).start();
    let people = stage::people(&server, scale).await;
    let writer = stage::person(&server, "sdrh").await.client;
    let mut report = Report::default();
    let load = Load::begin(scale, &people, "up");
    scale.pass(2).await;
    load.part("held");
    let mut holder = Command::new("sqlite3")
        .arg(server.database())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the sqlite3 command is installed (package sqlite3)");
    let mut input = holder.stdin.take().expect("piped");
    writeln!(
        input,
        ".timeout 5000\nbegin exclusive;\n.shell sleep 3\nrollback;"
    )
    .expect("written");
    drop(input);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut statuses = Vec::new();
    for number in 0..4 {
        let answer = writer
            .post(&format!("{API}/personnel"), &agent(number).body())
            .await;
        report.hold(
            matches!(answer.status, 201 | 503) && !answer.text().contains("locked"),
            format!("a write waits or is put off: {}", answer.status),
        );
        statuses.push(answer.status);
    }
    report.fact(format!("writes: {statuses:?}"));
    let _status = tokio::task::spawn_blocking(move || holder.wait()).await;
    load.part("free");
    scale.pass(3).await;
    report.parts = load.end().await;
    report.all_good("up");
    report.good_or_unavailable("held");
    report.all_good("free");
    report
}
