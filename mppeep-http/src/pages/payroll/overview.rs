//! The months with their sums; one's own slips for who reads no others.

use askama::Template;
use axum::response::Response;
use mppeep_core::domain::payroll::Month;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::ports::page::PageRequest;
use mppeep_core::ports::payroll::SlipFilter;
use serde::Deserialize;

use super::{Failures, PATH, Row, month_field, month_of, simulation, state_badge};
use crate::catalogue;
use crate::extract::{FormFields, QueryParams};
use crate::pages::frame::Frame;
use crate::pages::office::Paging;
use crate::pages::ui::{Badge, EmptyState, Field, Notice, Pager, Query, Tab, Tabs};
use crate::pages::visit::{Visit, show};
use crate::problem::Problem;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OverviewQuery {
    year: Option<String>,
    size: Option<String>,
    start: Option<String>,
    cursor: Option<String>,
    note: Option<String>,
}

/// A month with the sums of its slips.
struct MonthRow {
    url: String,
    label: String,
    slips: String,
    base: String,
    allowance: String,
    deduction: String,
    net: String,
    badge: Badge,
}

#[derive(Template)]
#[template(path = "payroll/overview.html")]
struct OverviewPage {
    frame: Frame,
    simulation: Notice,
    /// The form that starts a month, for who may.
    compute: Option<Field>,
    action: String,
    own_url: Option<String>,
    years: Option<Tabs>,
    months: Vec<MonthRow>,
    empty: Option<EmptyState>,
    failures: Failures,
}

#[derive(Template)]
#[template(path = "payroll/own.html")]
struct OwnPage {
    frame: Frame,
    simulation: Notice,
    rows: Vec<Row>,
    pager: Pager,
    empty: Option<EmptyState>,
}

pub(super) async fn show_overview(
    visit: Visit,
    QueryParams(asked): QueryParams<OverviewQuery>,
) -> Result<Response, Problem> {
    if !visit.may_all(Resource::Payroll, Action::Read) {
        return own(&visit, &asked).await;
    }
    let service = &visit.state.services.payroll;
    let all = service.months(&visit.actor).await?;
    let mut years: Vec<i16> = all.iter().map(|month| month.year()).collect();
    years.dedup();
    let year = asked
        .year
        .as_deref()
        .and_then(|text| text.parse().ok())
        .filter(|year| years.contains(year))
        .or(years.first().copied());
    let mut months = Vec::new();
    for month in all.into_iter().filter(|month| Some(month.year()) == year) {
        months.push(month_row(&visit, month).await?);
    }
    let may_compute = visit.may_all(Resource::Payroll, Action::Write);
    let empty = months.is_empty().then(|| EmptyState {
        icon: "wallet",
        title: "Aucun bulletin".to_owned(),
        text: if may_compute {
            "Aucun mois n’est encore calculé. Choisissez un mois ci-dessus pour commencer.".to_owned()
        } else {
            "Aucun mois n’est encore calculé.".to_owned()
        },
        actions: Vec::new(),
    });
    let path = visit.url(PATH);
    let years = (years.len() > 1).then(|| Tabs {
        label: "Années".to_owned(),
        tabs: years
            .iter()
            .map(|of| Tab {
                label: of.to_string(),
                url: Query::new().and("year", of.to_string()).url(&path),
                current: Some(*of) == year,
                count: None,
            })
            .collect(),
    });
    let own_url = visit
        .actor
        .personnel
        .map(|id| visit.url(&format!("/personnel/{id}?onglet=bulletins")));
    show(&OverviewPage {
        frame: visit.frame("Paie").note(asked.note.as_deref()),
        simulation: simulation(),
        compute: may_compute.then(|| month_field(&visit)),
        action: path,
        own_url,
        years,
        months,
        empty,
        failures: Failures::load(&visit, None).await?,
    })
}

async fn month_row(visit: &Visit, month: Month) -> Result<MonthRow, Problem> {
    let filter = SlipFilter {
        month: Some(month),
        ..SlipFilter::default()
    };
    let service = &visit.state.services.payroll;
    let (_, totals) = service
        .list(&visit.actor, filter, &PageRequest::total_only())
        .await?;
    Ok(MonthRow {
        url: visit.url(&format!("{PATH}/{month}")),
        label: catalogue::month_title(month),
        slips: catalogue::number(totals.slips),
        base: catalogue::amount(totals.base),
        allowance: catalogue::amount(totals.allowance),
        deduction: catalogue::amount(totals.deduction),
        net: catalogue::francs(totals.net),
        badge: state_badge(&totals),
    })
}

/// The reader's own slips.
async fn own(visit: &Visit, asked: &OverviewQuery) -> Result<Response, Problem> {
    let paging = Paging::read(
        asked.size.as_deref(),
        asked.start.as_deref(),
        asked.cursor.as_deref(),
    );
    let service = &visit.state.services.payroll;
    let (page, _) = service
        .list(&visit.actor, SlipFilter::default(), &paging.request())
        .await?;
    let empty = page.rows.is_empty().then(|| EmptyState {
        icon: "wallet",
        title: "Aucun bulletin".to_owned(),
        text: "Vos bulletins s’afficheront ici dès qu’ils seront calculés.".to_owned(),
        actions: Vec::new(),
    });
    let pager = paging.pager(
        &Query::new(),
        &visit.url(PATH),
        page.rows.len(),
        page.total,
        page.next.as_ref(),
        ("bulletin", "bulletins"),
    );
    show(&OwnPage {
        frame: visit.frame("Mes bulletins de solde").note(asked.note.as_deref()),
        simulation: simulation(),
        rows: page.rows.iter().map(|row| Row::of(visit, row)).collect(),
        pager,
        empty,
    })
}

/// Has the salaries of a month computed, and shows how far that is.
pub(super) async fn start(visit: Visit, fields: FormFields) -> Result<Response, Problem> {
    let month = month_of(&fields)?;
    let service = &visit.state.services.payroll;
    let started = service
        .start(&visit.actor, month)
        .await
        .map_err(catalogue::payroll_problem)?;
    let note = match (started.enqueued, started.waiting) {
        (0, 0) => "salary-nobody",
        (0, _) => "salary-waiting",
        _ => "salary-started",
    };
    Ok(visit.go(&format!("{PATH}/{month}?note={note}")))
}
