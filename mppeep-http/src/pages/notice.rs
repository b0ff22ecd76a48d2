//! The reader's notices: what the bell counts.

use askama::Template;
use axum::response::Response;
use mppeep_core::domain::id::NoticeId;
use mppeep_core::domain::notice::{Notice, NoticeKind};
use serde::Deserialize;

use super::frame::Frame;
use super::visit::{Visit, show};
use crate::catalogue;
use crate::extract::{FormFields, QueryParams};
use crate::problem::Problem;
use crate::routes::{RouteTable, get, post};

pub(super) fn routes() -> RouteTable {
    RouteTable::pages()
        .route("/avis", get(list).session())
        .route("/avis/lus", post(mark_read).session())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NoticeQuery {
    note: Option<String>,
}

struct NoticeLine {
    id: String,
    icon: &'static str,
    text: String,
    url: Option<String>,
    datetime: String,
    ago: String,
    unread: bool,
}

#[derive(Template)]
#[template(path = "notice/list.html")]
struct NoticePage {
    frame: Frame,
    unread: usize,
    notices: Vec<NoticeLine>,
}

async fn list(visit: Visit, QueryParams(asked): QueryParams<NoticeQuery>) -> Result<Response, Problem> {
    let notices = visit.state.services.notices.list(&visit.actor).await?;
    let notices: Vec<NoticeLine> = notices.iter().map(|notice| line(&visit, notice)).collect();
    show(&NoticePage {
        unread: notices.iter().filter(|notice| notice.unread).count(),
        notices,
        frame: visit
            .frame("Mes avis")
            .under("Mon profil", "/profil")
            .here("Mes avis")
            .note(asked.note.as_deref()),
    })
}

fn line(visit: &Visit, notice: &Notice) -> NoticeLine {
    let (icon, path) = match notice.kind {
        NoticeKind::NewAddress | NoticeKind::PasswordChanged => ("key", Some("/profil".to_owned())),
        NoticeKind::AbsenceRecorded | NoticeKind::AbsenceChanged => ("calendar", own_file(visit, "absences")),
        NoticeKind::EvaluationRecorded => ("star", own_file(visit, "evaluations")),
        NoticeKind::DocumentValidated | NoticeKind::DocumentRejected => {
            ("document", own_file(visit, "documents"))
        }
        NoticeKind::JobDead => ("alert", Some("/admin/files?state=dead".to_owned())),
    };
    NoticeLine {
        id: notice.id.to_string(),
        icon,
        text: words(notice),
        url: path.map(|path| visit.url(&path)),
        datetime: notice.created_at.to_string(),
        ago: catalogue::ago(notice.created_at, visit.now),
        unread: notice.read_at.is_none(),
    }
}

/// A tab of the reader's own file.
fn own_file(visit: &Visit, tab: &str) -> Option<String> {
    let file = visit.actor.personnel?;
    Some(format!("/personnel/{file}?onglet={tab}"))
}

/// What a notice says.
fn words(notice: &Notice) -> String {
    let label = notice.label.as_str();
    match notice.kind {
        NoticeKind::NewAddress => format!(
            "Connexion à votre compte depuis une nouvelle adresse ({label}). Si ce n’est pas vous, changez votre mot de passe."
        ),
        NoticeKind::PasswordChanged => "Le mot de passe de votre compte a été changé.".to_owned(),
        NoticeKind::AbsenceRecorded => {
            format!("Une absence a été enregistrée pour vous : {}.", period(label))
        }
        NoticeKind::AbsenceChanged => {
            format!(
                "Une de vos absences a été modifiée ou annulée : {}.",
                period(label)
            )
        }
        NoticeKind::EvaluationRecorded => format!("Votre évaluation de l’année {label} a été enregistrée."),
        NoticeKind::DocumentValidated => format!("Votre document « {label} » a été validé."),
        NoticeKind::DocumentRejected => {
            format!("Votre document « {label} » a été rejeté : ouvrez-le pour en lire le motif.")
        }
        NoticeKind::JobDead => match label {
            "mail" => "Un courriel n’a pas pu être envoyé et attend une décision.".to_owned(),
            "payroll" => "Un calcul de solde a échoué et attend une décision.".to_owned(),
            other => format!("Un travail de la file « {other} » a échoué et attend une décision."),
        },
    }
}

/// `2026-12-01/2026-12-04` as « du 1er décembre 2026 au 4 décembre 2026 ».
fn period(label: &str) -> String {
    let dates = label
        .split_once('/')
        .and_then(|(start, end)| Some((start.parse().ok()?, end.parse().ok()?)));
    match dates {
        Some((start, end)) if start == end => format!("le {}", catalogue::date_long(start)),
        Some((start, end)) => format!(
            "du {} au {}",
            catalogue::date_long(start),
            catalogue::date_long(end)
        ),
        None => label.to_owned(),
    }
}

async fn mark_read(visit: Visit, fields: FormFields) -> Result<Response, Problem> {
    let which = match fields.single("id")? {
        "" => None,
        id => Some(id.parse::<NoticeId>().map_err(|_| Problem::not_found())?),
    };
    visit
        .state
        .services
        .notices
        .mark_read(&visit.actor, which)
        .await?;
    Ok(visit.go("/avis?note=notices-read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_as_days() {
        assert_eq!(period("2026-12-04/2026-12-04"), "le 4 décembre 2026");
        assert!(period("2026-12-02/2026-12-04").starts_with("du 2 décembre"));
        assert_eq!(period("?"), "?");
    }
}
