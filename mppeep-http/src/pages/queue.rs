//! « Files d’attente et courriels »: what waits, what failed for good, and the tasks that run by themselves.

use askama::Template;
use axum::response::Response;
use jiff::Timestamp;
use mppeep_core::domain::id::JobId;
use mppeep_core::domain::mail::{Mail, MailKind};
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::ports::job_queue::{JobFilter, JobState, JobView, Queue, QueueDepth};
use mppeep_core::services::ServiceError;
use mppeep_core::services::queue::mail_of;
use mppeep_core::services::schedule::TaskView;
use serde::Deserialize;

use super::frame::Frame;
use super::office::Paging;
use super::ui::{Badge, EmptyState, Field, Notice, Pager, Query, Tone};
use super::visit::{Visit, show};
use crate::catalogue::{self, Label};
use crate::extract::{FormFields, QueryParams};
use crate::letters::CHOOSE_PATH;
use crate::middleware::ShowsSecret;
use crate::problem::Problem;
use crate::routes::{RouteTable, get, post};

const PATH: &str = "/admin/files";

pub(super) fn routes() -> RouteTable {
    use Action::{Read, Write};
    RouteTable::pages()
        .route(PATH, get(page).needs(Resource::Queue, Read))
        .route(
            "/admin/files/relancer",
            post(revive).needs(Resource::Queue, Write),
        )
        .route(
            "/admin/files/supprimer",
            post(discard).needs(Resource::Queue, Write),
        )
        .route(
            "/admin/files/essai",
            post(send_test).needs(Resource::Queue, Write),
        )
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct QueueQuery {
    queue: Option<String>,
    state: Option<String>,
    size: Option<String>,
    start: Option<String>,
    cursor: Option<String>,
    note: Option<String>,
}

#[derive(Template)]
#[template(path = "queue/page.html")]
struct QueuePage {
    frame: Frame,
    path: String,
    warning: Option<Notice>,
    may_write: bool,
    depths: Vec<DepthRow>,
    filters: Vec<Field>,
    rows: Vec<JobRow>,
    any_dead: bool,
    pager: Pager,
    empty: Option<EmptyState>,
    tasks: Vec<TaskRow>,
}

struct DepthRow {
    queue: &'static str,
    ready: String,
    leased: String,
    dead: String,
    dead_url: Option<String>,
    oldest: String,
}

struct JobRow {
    id: JobId,
    dead: bool,
    title: String,
    subtitle: String,
    state: Badge,
    attempts: String,
    when: String,
    error: String,
    created: String,
    letter: Option<Letter>,
}

/// A mail to be read.
struct Letter {
    kind: &'static str,
    to: String,
    subject: String,
    text: String,
}

struct TaskRow {
    label: &'static str,
    every: String,
    last: String,
    outcome: Badge,
    error: String,
}

async fn page(visit: Visit, QueryParams(asked): QueryParams<QueueQuery>) -> Result<Response, Problem> {
    let services = &visit.state.services;
    let path = visit.url(PATH);
    let filter = JobFilter {
        queue: asked.queue.as_deref().and_then(Queue::by_code),
        state: asked.state.as_deref().and_then(JobState::by_code),
    };
    let (queue, state) = (
        filter.queue.map(Queue::code).unwrap_or_default(),
        filter.state.map(JobState::code).unwrap_or_default(),
    );
    let query = Query::new().and("queue", queue).and("state", state);
    let paging = Paging::read(
        asked.size.as_deref(),
        asked.start.as_deref(),
        asked.cursor.as_deref(),
    );
    let depths = services.queue.depths(&visit.actor).await?;
    let jobs = services
        .queue
        .list(&visit.actor, filter, &paging.request())
        .await?;
    let tasks = services.schedule.list(&visit.actor).await?;
    let pager = paging.pager(
        &query,
        &path,
        jobs.rows.len(),
        jobs.total,
        jobs.next.as_ref(),
        ("travail", "travaux"),
    );
    let rows: Vec<JobRow> = jobs.rows.iter().map(|job| row(&visit, job)).collect();
    let page = QueuePage {
        frame: visit
            .frame("Files d’attente et courriels")
            .note(asked.note.as_deref()),
        warning: (!visit.state.mail_configured).then(no_server),
        may_write: visit.may(Resource::Queue, Action::Write),
        depths: depths
            .iter()
            .map(|depth| depth_row(depth, &path, visit.now))
            .collect(),
        filters: vec![
            Field::select(
                "queue",
                "File",
                Some("Toutes"),
                catalogue::choices(Queue::ALL, Queue::code),
            )
            .value(queue),
            Field::select(
                "state",
                "État",
                Some("Tous"),
                catalogue::choices(JobState::ALL, JobState::code),
            )
            .value(state),
        ],
        any_dead: rows.iter().any(|row| row.dead),
        empty: rows.is_empty().then(|| nothing(&query, &path)),
        rows,
        pager,
        tasks: tasks.iter().map(|task| task_row(task, visit.now)).collect(),
        path,
    };
    let mut response = show(&page)?;
    // A waiting mail may hold the secret of a link.
    response.extensions_mut().insert(ShowsSecret);
    Ok(response)
}

fn no_server() -> Notice {
    Notice {
        tone: Tone::Warning,
        title: "Aucun serveur de courriel n’est configuré".to_owned(),
        text: "Les courriels attendent ici, où ils peuvent être lus ; ils partiront dès qu’un serveur sera configuré."
            .to_owned(),
        action: None,
    }
}

fn nothing(query: &Query, path: &str) -> EmptyState {
    let filtered = !query.pairs().is_empty();
    EmptyState {
        icon: "check",
        title: if filtered {
            "Rien à montrer"
        } else {
            "Rien n’attend"
        }
        .to_owned(),
        text: if filtered {
            "Aucun travail ne répond à ces critères."
        } else {
            "Tout ce qui était à faire est fait."
        }
        .to_owned(),
        actions: if filtered {
            vec![("Retirer les filtres".to_owned(), path.to_owned())]
        } else {
            Vec::new()
        },
    }
}

fn depth_row(depth: &QueueDepth, path: &str, now: Timestamp) -> DepthRow {
    DepthRow {
        queue: depth.queue.label(),
        ready: catalogue::number(depth.ready),
        leased: catalogue::number(depth.leased),
        dead: catalogue::number(depth.dead),
        dead_url: (depth.dead > 0).then(|| {
            Query::new()
                .and("queue", depth.queue.code())
                .and("state", JobState::Dead.code())
                .url(path)
        }),
        oldest: depth
            .oldest_due
            .map(|since| catalogue::ago(since, now))
            .unwrap_or_default(),
    }
}

fn row(visit: &Visit, job: &JobView) -> JobRow {
    let mail = (job.queue == Queue::Mail).then(|| mail_of(job)).flatten();
    let (title, subtitle) = match (&mail, job.queue) {
        (Some(mail), _) => (mail.subject.clone(), mail.to.clone()),
        (None, Queue::Mail) => ("Courriel illisible".to_owned(), String::new()),
        (None, Queue::Payroll) => ("Calcul d’un salaire".to_owned(), String::new()),
        (None, Queue::Files) => ("Lecture d’un fichier".to_owned(), String::new()),
    };
    let (when, tone) = match job.state {
        JobState::Ready if job.run_at > visit.now => {
            (format!("le {}", catalogue::instant(job.run_at)), Tone::Info)
        }
        JobState::Ready => ("dès que possible".to_owned(), Tone::Info),
        JobState::Leased => (String::new(), Tone::Warning),
        JobState::Dead => (String::new(), Tone::Danger),
    };
    let reason = job.last_error.as_deref().unwrap_or_default();
    let error = match job.queue {
        _ if reason.is_empty() => String::new(),
        Queue::Payroll | Queue::Files => {
            catalogue::job_failure(reason).unwrap_or_else(|| catalogue::failure_cause(reason).to_owned())
        }
        Queue::Mail => catalogue::job_failure(reason).unwrap_or_else(|| reason.to_owned()),
    };
    JobRow {
        id: job.id,
        dead: job.state == JobState::Dead,
        title,
        subtitle,
        state: Badge::new(job.state.label(), tone),
        attempts: format!("{} / {}", job.attempts, job.max_attempts),
        when,
        error,
        created: catalogue::ago(job.created_at, visit.now),
        letter: mail.map(|mail| letter(mail, visit.state.mail_configured)),
    }
}

/// Where mails are sent, the secret of a link is for the one who gets it; where they are not, this page is the only way
/// to it.
fn letter(mail: Mail, is_sent: bool) -> Letter {
    Letter {
        kind: mail.kind.label(),
        text: if is_sent {
            without_secret(mail.kind, &mail.text)
        } else {
            mail.text
        },
        to: mail.to,
        subject: mail.subject,
    }
}

fn without_secret(kind: MailKind, text: &str) -> String {
    if !matches!(kind, MailKind::PasswordReset | MailKind::Invitation) {
        return text.to_owned();
    }
    text.lines()
        .map(|line| match line.split_once(CHOOSE_PATH) {
            Some((before, _)) => format!("{before}{CHOOSE_PATH}?jeton=…"),
            None => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn task_row(task: &TaskView, now: Timestamp) -> TaskRow {
    let minutes = task.every.as_secs().div_ceil(60);
    let every = match minutes {
        1 => "chaque minute".to_owned(),
        60 => "chaque heure".to_owned(),
        1440 => "chaque jour".to_owned(),
        minutes => format!("toutes les {minutes} minutes"),
    };
    let (last, outcome, error) = match &task.last {
        None => (
            "jamais".to_owned(),
            Badge::new("À venir", Tone::Neutral),
            String::new(),
        ),
        Some(run) => {
            let outcome = match (&run.error, run.ended_at) {
                (Some(_), _) => Badge::new("Échec", Tone::Danger),
                (None, Some(_)) => Badge::new("Terminée", Tone::Success),
                (None, None) => Badge::new("Commencée", Tone::Info),
            };
            (
                catalogue::ago(run.started_at, now),
                outcome,
                run.error.clone().unwrap_or_default(),
            )
        }
    };
    TaskRow {
        label: catalogue::task(task.name),
        every,
        last,
        outcome,
        error,
    }
}

/// The jobs a form names: the one whose button was pressed, or those that are ticked.
fn chosen(fields: &FormFields) -> Result<Vec<JobId>, Problem> {
    let wrong = |_| Problem::unreadable("Un travail est mal désigné.");
    let only = fields.single("only")?;
    if !only.is_empty() {
        return Ok(vec![only.parse().map_err(wrong)?]);
    }
    fields.all("job").map(|id| id.parse().map_err(wrong)).collect()
}

async fn revive(visit: Visit, fields: FormFields) -> Result<Response, Problem> {
    let jobs = chosen(&fields)?;
    if jobs.is_empty() {
        return Ok(visit.go("/admin/files?note=jobs-none"));
    }
    let revived = visit.state.services.queue.revive(&visit.actor, &jobs).await?;
    Ok(visit.go(if revived == 0 {
        "/admin/files?note=jobs-unchanged"
    } else {
        "/admin/files?note=jobs-revived"
    }))
}

async fn discard(visit: Visit, fields: FormFields) -> Result<Response, Problem> {
    let jobs = chosen(&fields)?;
    if jobs.is_empty() {
        return Ok(visit.go("/admin/files?note=jobs-none"));
    }
    let discarded = visit.state.services.queue.discard(&visit.actor, &jobs).await?;
    Ok(visit.go(if discarded == 0 {
        "/admin/files?note=jobs-unchanged"
    } else {
        "/admin/files?note=jobs-discarded"
    }))
}

async fn send_test(visit: Visit) -> Result<Response, Problem> {
    match visit.state.services.queue.send_test(&visit.actor).await {
        Ok(()) => Ok(visit.go("/admin/files?note=test-mail-queued")),
        Err(ServiceError::State("no-mail")) => Err(Problem::conflict("no-mail").detail(catalogue::NO_MAIL)),
        Err(other) => Err(other.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_of_a_link_is_left_out_and_the_rest_stays() {
        let text = "Bonjour,\n\nhttps://x.ci/mppeep/mot-de-passe/choisir?jeton=AbC\n\nAu revoir";
        let read = without_secret(MailKind::PasswordReset, text);
        assert!(!read.contains("AbC"), "{read}");
        assert!(
            read.contains("choisir?jeton=…") && read.ends_with("Au revoir"),
            "{read}"
        );
        assert_eq!(without_secret(MailKind::Test, text), text);
    }
}
