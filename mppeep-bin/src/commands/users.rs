//! `mppeep user`.

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use mppeep_core::domain::text::fold;
use mppeep_core::domain::user::{User, UserInput, UserStatus};
use mppeep_core::ports::page::{PageRequest, PageStart};
use mppeep_core::ports::user::{UserFilter, UserRow};
use mppeep_core::services::ServiceError;
use mppeep_http::Services;

use super::{first_line, open, operator};
use crate::cli::{self, UserCreate, UserPassword};
use crate::config::Config;
use crate::terminal::say;

/// Accounts read at a time.
const PAGE: u32 = 200;

pub(crate) async fn run(config: &Config, command: cli::User) -> anyhow::Result<ExitCode> {
    let wired = open(config).await?;
    let services = &*wired.services;
    match command {
        cli::User::Create(create) => create_account(services, create).await?,
        cli::User::Password(password) => set_password(services, password).await?,
        cli::User::Disable { email } => disable(services, &email).await?,
        cli::User::List(report) => list(services, report.json).await?,
    }
    wired.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn create_account(services: &Services, create: UserCreate) -> anyhow::Result<()> {
    let password = create.password_file.as_deref().map(first_line).transpose()?;
    let input = UserInput {
        display_name: create.name.unwrap_or_else(|| create.email.clone()),
        email: create.email,
        roles: create.roles,
        ..UserInput::default()
    };
    let created = services
        .users
        .create(&operator(), &input, password.as_deref())
        .await;
    let (user, generated) = created.map_err(|error| explain(&error))?;
    say(format_args!("{} may log in.", user.fields.email));
    tell(generated.as_deref());
    Ok(())
}

async fn set_password(services: &Services, command: UserPassword) -> anyhow::Result<()> {
    let user = find(services, &command.email).await?;
    let password = command.password_file.as_deref().map(first_line).transpose()?;
    let set = services
        .users
        .reset_password(&operator(), user.id, password.as_deref())
        .await;
    let generated = set.map_err(|error| explain(&error))?;
    say(format_args!(
        "The password of {} is set, and its sessions are ended.",
        user.fields.email
    ));
    tell(generated.as_deref());
    Ok(())
}

fn tell(generated: Option<&str>) {
    if let Some(password) = generated {
        say(format_args!("Password: {password}"));
        say("It is shown this once, and must be changed at the first login.");
    }
}

async fn disable(services: &Services, email: &str) -> anyhow::Result<()> {
    let user = find(services, email).await?;
    let fields = &user.fields;
    let input = UserInput {
        email: fields.email.to_string(),
        display_name: fields.display_name.clone(),
        roles: fields.roles.iter().map(|role| role.code().to_owned()).collect(),
        status: UserStatus::Inactive.code().to_owned(),
        personnel_id: fields.personnel.map(|id| id.to_string()).unwrap_or_default(),
        perimeter: fields.perimeter.map(|unit| unit.to_string()).unwrap_or_default(),
    };
    let updated = services
        .users
        .update(&operator(), user.id, user.version, &input)
        .await;
    updated.map_err(|error| explain(&error))?;
    say(format_args!("{email} is closed, and its sessions are ended."));
    Ok(())
}

async fn list(services: &Services, json: bool) -> anyhow::Result<()> {
    let rows = all(services, UserFilter::default()).await?;
    if json {
        let accounts: Vec<_> = rows.iter().map(as_json).collect();
        say(serde_json::to_string_pretty(&accounts)?);
        return Ok(());
    }
    for row in &rows {
        let fields = &row.user.fields;
        let roles: Vec<&str> = fields.roles.iter().map(|role| role.code()).collect();
        let last = row
            .user
            .last_login_at
            .map_or_else(|| "never".to_owned(), |at| at.to_string());
        say(format_args!(
            "{:40} {:9} {:24} last login {last}",
            fields.email.as_str(),
            fields.status.code(),
            roles.join(","),
        ));
    }
    Ok(())
}

fn as_json(row: &UserRow) -> serde_json::Value {
    let fields = &row.user.fields;
    serde_json::json!({
        "id": row.user.id.to_string(),
        "email": fields.email.as_str(),
        "display_name": fields.display_name,
        "status": fields.status.code(),
        "roles": fields.roles.iter().map(|role| role.code()).collect::<Vec<_>>(),
        "last_login_at": row.user.last_login_at.map(|at| at.to_string()),
        "sessions": row.session_count,
    })
}

async fn all(services: &Services, filter: UserFilter) -> anyhow::Result<Vec<UserRow>> {
    let mut rows = Vec::new();
    let mut start = PageStart::First;
    loop {
        let request = PageRequest { limit: PAGE, start };
        let page = services.users.list(&operator(), &filter, &request).await?;
        rows.extend(page.rows);
        match page.next {
            Some(cursor) => start = PageStart::After(cursor),
            None => return Ok(rows),
        }
    }
}

async fn find(services: &Services, email: &str) -> anyhow::Result<User> {
    let wanted = fold(email.trim());
    let filter = UserFilter {
        words: vec![wanted.clone()],
        ..UserFilter::default()
    };
    let rows = all(services, filter).await?;
    let found = rows
        .into_iter()
        .find(|row| fold(row.user.fields.email.as_str()) == wanted);
    match found {
        Some(row) => Ok(row.user),
        None => bail!("there is no account {email}"),
    }
}

fn explain(error: &ServiceError) -> anyhow::Error {
    match error {
        ServiceError::Taken { field } => anyhow!("the {field} is taken by another account"),
        ServiceError::State(code) => anyhow!("not possible: {code}"),
        other => anyhow!("{other}"),
    }
}
