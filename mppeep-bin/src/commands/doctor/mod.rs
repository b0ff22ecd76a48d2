//! `mppeep doctor`.

mod backends;
mod certificate;

use std::process::ExitCode;

use jiff::Timestamp;
use mppeep_core::domain::user::{Role, UserStatus};
use mppeep_core::ports::page::{PageRequest, PageStart};
use mppeep_core::ports::user::UserFilter;
use mppeep_http::CookieSecurity;
use serde::Serialize;

use super::operator;
use crate::cli::Report;
use crate::config::Config;
use crate::terminal::say;
use crate::wiring::database::Patience;
use crate::wiring::{self, Wired};

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Advice,
    Error,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    says: String,
}

pub(crate) async fn run(config: &Config, report: &Report) -> anyhow::Result<ExitCode> {
    let mut checks = Vec::new();
    settings(config, &mut checks);
    certificate::check(config, Timestamp::now(), &mut checks);
    match wiring::open(config, false, Patience::None).await {
        Ok(wired) => {
            let says = format!("{} opens, its schema is up to date", wired.place());
            add(&mut checks, "database", Verdict::Ok, says);
            backends::database(config, &wired, &mut checks).await?;
            inside(&wired, &mut checks).await?;
            backends::contents(&wired, &mut checks).await?;
            backends::redis(&wired, &mut checks).await;
            backends::mail(config, &wired, &mut checks).await?;
            wired.close().await;
        }
        Err(error) => add(&mut checks, "database", Verdict::Error, format!("{error:#}")),
    }
    if report.json {
        say(serde_json::to_string_pretty(&checks)?);
    } else {
        for check in &checks {
            let word = match check.verdict {
                Verdict::Ok => "ok",
                Verdict::Advice => "advice",
                Verdict::Error => "ERROR",
            };
            say(format_args!("{word:7} {:10} {}", check.name, check.says));
        }
    }
    let failed = checks.iter().any(|check| check.verdict == Verdict::Error);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn add(checks: &mut Vec<Check>, name: &'static str, verdict: Verdict, says: impl Into<String>) {
    checks.push(Check {
        name,
        verdict,
        says: says.into(),
    });
}

fn settings(config: &Config, checks: &mut Vec<Check>) {
    add(
        checks,
        "settings",
        Verdict::Ok,
        format!("understood; the server would listen on {}", config.listen),
    );
    if config.cookie_security == CookieSecurity::Never {
        add(
            checks,
            "cookie",
            Verdict::Advice,
            "sessions travel over plain HTTP: set cookie_secure to always",
        );
    }
    if config.public_url.is_none() {
        let says = "public_url is unset: browsers are compared with the Host header only";
        add(checks, "address", Verdict::Advice, says);
    }
    if config.anonymous_rate.per_second == 0 {
        add(
            checks,
            "limits",
            Verdict::Advice,
            "request_rate is 0: strangers are not limited",
        );
    }
    for name in &config.unknown_variables {
        add(checks, "settings", Verdict::Advice, format!("{name} is unknown"));
    }
}

async fn inside(wired: &Wired, checks: &mut Vec<Check>) -> anyhow::Result<()> {
    if wired.services.settings.is_demonstration().await? {
        let says = "this database holds demonstration data, and accounts whose password is public";
        add(checks, "demo", Verdict::Advice, says);
    }
    let filter = UserFilter {
        role: Some(Role::Admin),
        status: Some(UserStatus::Active),
        ..UserFilter::default()
    };
    let request = PageRequest {
        limit: 200,
        start: PageStart::First,
    };
    let administrators = wired
        .services
        .users
        .list(&operator(), &filter, &request)
        .await?
        .rows;
    if administrators.is_empty() {
        add(
            checks,
            "accounts",
            Verdict::Advice,
            "no active administrator yet: the first start of the server makes one",
        );
    }
    for row in &administrators {
        let fields = &row.user.fields;
        if fields.roles.contains(&Role::Sdrh) {
            let says = format!(
                "{} is administrator and human resources at once: give them to two people",
                fields.email
            );
            add(checks, "accounts", Verdict::Advice, says);
        }
    }
    Ok(())
}
