//! The slips of a month, and how far its computation is.

use askama::Template;
use axum::response::Response;
use mppeep_core::domain::payroll::{Month, SlipStatus};
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::text;
use mppeep_core::ports::payroll::SlipFilter;
use mppeep_core::services::payroll::Progress;
use serde::Deserialize;

use super::{Failures, PATH, Row, Totals, simulation};
use crate::catalogue::{self, Label};
use crate::extract::{PathId, QueryParams};
use crate::pages::frame::Frame;
use crate::pages::office::{Paging, given};
use crate::pages::ui::{Chip, Chips, EmptyState, Field, Kpi, Notice, Pager, Query};
use crate::pages::visit::{Visit, show};
use crate::problem::Problem;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MonthQuery {
    q: Option<String>,
    status: Option<String>,
    size: Option<String>,
    start: Option<String>,
    cursor: Option<String>,
    note: Option<String>,
}

/// How far the computation is, while it goes on.
struct Going {
    count: String,
    percent: u64,
    waiting: String,
}

impl Going {
    fn of(progress: &Progress) -> Option<Self> {
        let waiting = progress.queue.ready + progress.queue.leased;
        if waiting == 0 {
            return None;
        }
        let slips = progress.totals.slips.min(progress.payable);
        Some(Self {
            count: format!(
                "{} / {}",
                catalogue::number(slips),
                catalogue::number(progress.payable)
            ),
            percent: (slips * 100).checked_div(progress.payable).unwrap_or(0),
            waiting: format!(
                "{} dans la file, tous mois confondus",
                catalogue::plural(waiting, "calcul reste", "calculs restent")
            ),
        })
    }
}

#[derive(Template)]
#[template(path = "payroll/month.html")]
struct MonthPage {
    frame: Frame,
    simulation: Notice,
    title: String,
    month: String,
    path: String,
    compute: Option<&'static str>,
    compute_url: String,
    going: Option<Going>,
    /// Whether the page loads itself again.
    refresh: bool,
    kpis: Vec<Kpi>,
    failures: Failures,
    words: String,
    status: Field,
    chips: Chips,
    rows: Vec<Row>,
    totals: Totals,
    pager: Pager,
    empty: Option<EmptyState>,
}

pub(super) async fn show_month(
    visit: Visit,
    PathId(month): PathId<Month>,
    QueryParams(asked): QueryParams<MonthQuery>,
) -> Result<Response, Problem> {
    if !visit.may_all(Resource::Payroll, Action::Read) {
        // One's own slips are all on one page.
        return Ok(visit.go(PATH));
    }
    let service = &visit.state.services.payroll;
    let path = visit.url(&format!("{PATH}/{month}"));
    let words = given(asked.q.as_ref());
    let status = asked.status.as_deref().and_then(SlipStatus::by_code);
    let query = Query::new()
        .and("q", words.unwrap_or_default())
        .and("status", status.map(SlipStatus::code).unwrap_or_default());
    let mut chips = Vec::new();
    if let Some(words) = words {
        chips.push(Chip {
            label: format!("Recherche : {words}"),
            remove: query.without("q").url(&path),
        });
    }
    if let Some(status) = status {
        chips.push(Chip {
            label: format!("Statut : {}", status.label()),
            remove: query.without("status").url(&path),
        });
    }
    let filter = SlipFilter {
        month: Some(month),
        status,
        words: text::search_words(words.unwrap_or_default()),
        ..SlipFilter::default()
    };
    let paging = Paging::read(
        asked.size.as_deref(),
        asked.start.as_deref(),
        asked.cursor.as_deref(),
    );
    let (page, totals) = service.list(&visit.actor, filter, &paging.request()).await?;
    let progress = service.progress(&visit.actor, month).await?;
    let pager = paging.pager(
        &query,
        &path,
        page.rows.len(),
        page.total,
        page.next.as_ref(),
        ("bulletin", "bulletins"),
    );
    let may_compute = visit.may_all(Resource::Payroll, Action::Write);
    let going = Going::of(&progress);
    let compute = (may_compute && going.is_none()).then_some(if progress.totals.slips == 0 {
        "Calculer le mois"
    } else {
        "Recalculer les brouillons"
    });
    let empty = page
        .rows
        .is_empty()
        .then(|| empty(chips.is_empty(), going.is_some(), &path));
    let choices = catalogue::choices(SlipStatus::ALL, SlipStatus::code);
    let title = format!("Paie de {}", catalogue::month_year(month));
    let title = title
        .replace("de avril", "d’avril")
        .replace("de août", "d’août")
        .replace("de octobre", "d’octobre");
    show(&MonthPage {
        frame: visit
            .frame(title.clone())
            .under("Paie", PATH)
            .here(catalogue::month_year(month))
            .note(asked.note.as_deref()),
        simulation: simulation(),
        title,
        month: month.to_string(),
        compute,
        compute_url: visit.url(PATH),
        refresh: going.is_some() && chips.is_empty() && asked.cursor.is_none(),
        going,
        kpis: kpis(&progress),
        failures: Failures::load(&visit, Some(month)).await?,
        words: words.unwrap_or_default().to_owned(),
        status: Field::select("status", "Statut", Some("Tous"), choices)
            .value(status.map(SlipStatus::code).unwrap_or_default()),
        chips: Chips {
            chips,
            clear: path.clone(),
        },
        rows: page.rows.iter().map(|row| Row::of(&visit, row)).collect(),
        totals: Totals::of(&totals),
        pager,
        empty,
        path,
    })
}

/// The month in figures, whatever the list is filtered by.
fn kpis(progress: &Progress) -> Vec<Kpi> {
    let totals = &progress.totals;
    vec![
        Kpi::count("Bulletins", totals.slips).hint(format!(
            "{} en service avec un indice",
            catalogue::plural(progress.payable, "agent", "agents")
        )),
        Kpi::count("Validés", totals.validated),
        Kpi::new("Retenues", catalogue::amount(totals.deduction)).unit("F\u{a0}CFA"),
        Kpi::new("Net à payer", catalogue::amount(totals.net)).unit("F\u{a0}CFA"),
    ]
}

fn empty(unfiltered: bool, going: bool, path: &str) -> EmptyState {
    let (text, actions) = match (unfiltered, going) {
        (false, _) => (
            "Aucun bulletin ne répond à ces critères.",
            vec![("Retirer les filtres".to_owned(), path.to_owned())],
        ),
        (true, true) => ("Les premiers bulletins arrivent dans un instant.", Vec::new()),
        (true, false) => ("Ce mois n’est pas encore calculé.", Vec::new()),
    };
    EmptyState {
        icon: "wallet",
        title: "Aucun bulletin".to_owned(),
        text: text.to_owned(),
        actions,
    }
}

#[cfg(test)]
mod tests {
    use mppeep_core::ports::job_queue::{Queue, QueueDepth};
    use mppeep_core::ports::payroll::SlipTotals;

    use super::*;

    #[test]
    fn progress_shows_only_while_something_waits() {
        let progress = |slips, ready| Progress {
            payable: 5_000,
            totals: SlipTotals {
                slips,
                ..SlipTotals::default()
            },
            queue: QueueDepth {
                queue: Queue::Payroll,
                ready,
                leased: 0,
                dead: 3,
                oldest_due: None,
            },
        };
        assert!(Going::of(&progress(5_000, 0)).is_none());
        let going = Going::of(&progress(412, 4_588)).unwrap();
        assert_eq!(going.count, "412 / 5\u{202f}000");
        assert_eq!(going.percent, 8);
        assert!(going.waiting.starts_with("4\u{202f}588 calculs restent"));
        // More slips than agents now: some have left since.
        assert_eq!(Going::of(&progress(6_000, 1)).unwrap().percent, 100);
    }
}
