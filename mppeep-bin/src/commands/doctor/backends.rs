//! What stands behind the server, tried.

use std::time::Duration;

use mppeep_core::ports::job_queue::Queue;

use super::super::postgres_tools;
use super::{Check, Verdict, add};
use crate::config::{Config, Database};
use crate::wiring::Wired;
use crate::wiring::database::Opened;

/// Connections of a process beside those for units: single statements, and the one that listens.
const OTHER_CONNECTIONS: u32 = 5;

/// Contents and rows that are compared at most.
const MOST_CONTENTS: u64 = 200_000;

/// From which age on a content without a row is one that was left behind.
const ORPHAN_AGE: Duration = Duration::from_secs(3600);

pub(super) async fn database(config: &Config, wired: &Wired, checks: &mut Vec<Check>) -> anyhow::Result<()> {
    match &wired.database {
        Opened::Sqlite { store, .. } => {
            let damage = store.check().await?;
            let (verdict, says) = match damage.first() {
                None => (Verdict::Ok, "every page and every reference was read".to_owned()),
                Some(first) => (
                    Verdict::Error,
                    format!("{} findings, the first: {first}", damage.len()),
                ),
            };
            add(checks, "integrity", verdict, says);
            if config.instances > 1 {
                let says = "instances is more than 1: several servers need PostgreSQL, and not a file";
                add(checks, "instances", Verdict::Advice, says);
            }
        }
        Opened::Postgres(store) => {
            let status = store.check().await?;
            let says = format!(
                "PostgreSQL {}, schema {}, {} connections for units of work, {} of {} open",
                status.server_version,
                status.schema_version,
                status.units.most,
                status.units.open + status.quick.open,
                status.units.most + status.quick.most,
            );
            add(checks, "postgres", Verdict::Ok, says);
            let wanted = (status.units.most + OTHER_CONNECTIONS).saturating_mul(config.instances);
            if !is_pooled(config) && wanted > status.server_connections {
                let says = format!(
                    "{} instances may ask for {wanted} connections, and the server grants {}: lower \
                     database_connections, or raise max_connections",
                    config.instances, status.server_connections
                );
                add(checks, "postgres", Verdict::Advice, says);
            }
            if is_pooled(config) && !listens_apart(config) {
                let says = "database_pooler is true and database_listen_url is unset: changes of other instances are seen \
                            after a second instead of at once";
                add(checks, "postgres", Verdict::Advice, says);
            }
            let (verdict, says) = match postgres_tools::version("pg_dump").await {
                Some(version) => (Verdict::Ok, version),
                None => (
                    Verdict::Advice,
                    "pg_dump is not on the PATH: backup and restore need PostgreSQL's client programs"
                        .to_owned(),
                ),
            };
            add(checks, "backup", verdict, says);
        }
    }
    Ok(())
}

fn is_pooled(config: &Config) -> bool {
    matches!(&config.database, Database::Postgres(settings) if settings.pooler)
}

fn listens_apart(config: &Config) -> bool {
    matches!(&config.database, Database::Postgres(settings) if settings.listen_url.is_some())
}

/// What is lost is an error; what is too much is removed by the server itself.
pub(super) async fn contents(wired: &Wired, checks: &mut Vec<Check>) -> anyhow::Result<()> {
    let context = &wired.services.context;
    let found = wired.contents.compare(context, MOST_CONTENTS, ORPHAN_AGE).await?;
    let reach = if found.partly {
        format!(" (of the first {MOST_CONTENTS})")
    } else {
        String::new()
    };
    if found.missing > 0 {
        let named: Vec<_> = found.named.iter().map(ToString::to_string).collect();
        let says = format!(
            "{} of {} contents{reach} are missing or cut, among them {}: put them back from a copy (mppeep restore)",
            found.missing,
            found.rows,
            named.join(", ")
        );
        add(checks, "contents", Verdict::Error, says);
    } else {
        let says = format!("{}{reach} are named, and all are there", found.rows);
        add(checks, "contents", Verdict::Ok, says);
    }
    if found.orphans > 0 {
        let says = format!(
            "{} contents{reach} are named by nothing: the server removes them within hours",
            found.orphans
        );
        add(checks, "contents", Verdict::Advice, says);
    }
    Ok(())
}

/// Redis may be away: that is advice, and no error.
pub(super) async fn redis(wired: &Wired, checks: &mut Vec<Check>) {
    let Some(redis) = &wired.redis else {
        return;
    };
    let took = match redis.ping().await {
        Ok(took) => took,
        Err(error) => {
            let why = redis.health().last_error.unwrap_or_else(|| error.to_string());
            let says = format!("Redis does not answer ({why}): the server works without it, and slower");
            add(checks, "redis", Verdict::Advice, says);
            return;
        }
    };
    let millis = took.as_secs_f64() * 1000.0;
    let server = match redis.server().await {
        Ok(server) => server,
        Err(error) => {
            let says = format!("Redis answers in {millis:.1} ms, and does not tell about itself: {error}");
            add(checks, "redis", Verdict::Advice, says);
            return;
        }
    };
    let bound = match server.maxmemory {
        0 => "no maxmemory".to_owned(),
        bytes => format!("maxmemory {} MiB", bytes >> 20),
    };
    let says = format!(
        "Redis {} answers in {millis:.1} ms; {bound}, policy {}",
        server.version, server.maxmemory_policy
    );
    add(checks, "redis", Verdict::Ok, says);
    if server.maxmemory > 0 && server.maxmemory_policy == "noeviction" {
        let says = "maxmemory-policy is noeviction: a full Redis takes nothing new; allkeys-lru suits, since nothing in it \
                    is needed";
        add(checks, "redis", Verdict::Advice, says);
    }
}

pub(super) async fn mail(config: &Config, wired: &Wired, checks: &mut Vec<Check>) -> anyhow::Result<()> {
    match (&wired.mailer, &config.mail) {
        (Some(mailer), Some(settings)) => {
            match mailer.check().await {
                Ok(()) => {
                    let says = format!("{} takes mails from {}", mailer.server(), settings.from);
                    add(checks, "mail", Verdict::Ok, says);
                }
                Err(failure) => {
                    let says = format!("{} cannot be used: {failure}; mails wait", mailer.server());
                    add(checks, "mail", Verdict::Advice, says);
                }
            }
            if settings.from.ends_with("@localhost") {
                let says =
                    "mail_from is unset: mails are in the name of mppeep@localhost, which few servers take";
                add(checks, "mail", Verdict::Advice, says);
            }
            if config.public_url.is_none() {
                let says = "public_url is unset: links in mails begin with http://localhost";
                add(checks, "mail", Verdict::Advice, says);
            }
        }
        _ => add(
            checks,
            "mail",
            Verdict::Advice,
            "smtp_url is unset: mails wait in the queue, and can be read there",
        ),
    }
    for depth in wired.ports.queue.depths().await? {
        let name = match depth.queue {
            Queue::Mail => "mail",
            Queue::Payroll => "payroll",
            Queue::Files => "files",
        };
        let says = format!(
            "queue: {} waiting, {} in hand, {} failed for good",
            depth.ready, depth.leased, depth.dead
        );
        let verdict = if depth.dead > 0 {
            Verdict::Advice
        } else {
            Verdict::Ok
        };
        add(checks, name, verdict, says);
    }
    Ok(())
}
