//! The first page: who is away today, and the present month by type.

use askama::Template;
use axum::response::Response;
use mppeep_core::domain::absence::AbsenceType;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::ports::absence::AbsenceFilter;
use mppeep_core::ports::page::PageRequest;

use super::Row;
use crate::catalogue::{self, Label};
use crate::pages::charts::{BarList, Datum};
use crate::pages::frame::Frame;
use crate::pages::ui::{Kpi, Query};
use crate::pages::visit::{Visit, show};
use crate::problem::Problem;

/// Absences of today that the page shows; the list shows all of them.
const SHOWN: u32 = 12;

#[derive(Template)]
#[template(path = "absence/overview.html")]
struct Overview {
    frame: Frame,
    lead: String,
    may_write: bool,
    own_only: bool,
    kpis: Vec<Kpi>,
    today: Vec<Row>,
    today_more: Option<(String, String)>,
    by_type: BarList,
    upcoming: Vec<Row>,
    holidays: Vec<(String, String, bool)>,
}

pub(super) async fn show_overview(visit: Visit) -> Result<Response, Problem> {
    let service = &visit.state.services.absences;
    let today = visit.today;
    let month_start = today.first_of_month();
    let month_end = today.last_of_month();
    let touching = |from, to, kind| AbsenceFilter {
        from: Some(from),
        to: Some(to),
        kind,
        ..AbsenceFilter::default()
    };
    let path = visit.url("/rh/absences");
    let day = today.to_string();
    let on_day = Query::new().and("from", day.as_str()).and("to", day.as_str());
    let on_month = Query::new()
        .and("from", month_start.to_string())
        .and("to", month_end.to_string());

    let now = service
        .list(
            &visit.actor,
            touching(today, today, None),
            &PageRequest::first(SHOWN),
        )
        .await?;
    let mut items = Vec::new();
    let mut month_total = 0;
    for kind in AbsenceType::ALL {
        let filter = touching(month_start, month_end, Some(*kind));
        let count = service
            .list(&visit.actor, filter, &PageRequest::total_only())
            .await?
            .total;
        month_total += count;
        if count > 0 {
            let url = on_month.clone().and("kind", kind.code()).url(&path);
            items.push(Datum::new(kind.label(), Some(count), Some(url)));
        }
    }
    items.sort_by_key(|item| std::cmp::Reverse(item.value));
    let tomorrow = today.tomorrow().unwrap_or(today);
    let in_two_weeks = today.saturating_add(jiff::Span::new().days(14));
    let soon = service
        .list(
            &visit.actor,
            touching(tomorrow, in_two_weeks, None),
            &PageRequest::first(100),
        )
        .await?;
    let begins = |row: &&mppeep_core::ports::absence::AbsenceRow| row.absence.fields.period.start() > today;
    let mut upcoming: Vec<_> = soon.rows.iter().filter(begins).collect();
    upcoming.sort_by_key(|row| row.absence.fields.period.start());

    let year_end = today.saturating_add(jiff::Span::new().days(180));
    let holidays = visit.state.services.holidays.between(today, year_end).await?;
    let next = holidays.first().map(|holiday| {
        Kpi::new("Prochain jour férié", catalogue::date(holiday.date)).hint(holiday.label.clone())
    });
    let own_only = !visit.may_all(Resource::Absence, Action::Read) && visit.actor.departments.is_empty();
    let mut kpis = vec![
        Kpi::count("Absents aujourd’hui", now.total).link(on_day.url(&path)),
        Kpi::count(
            format!("Absences en {}", catalogue::month(today.month())),
            month_total,
        )
        .link(on_month.url(&path)),
    ];
    kpis.extend(next);
    let more = now
        .total
        .saturating_sub(u64::try_from(now.rows.len()).unwrap_or(u64::MAX));
    let page = Overview {
        frame: visit.frame("Congés et absences"),
        lead: catalogue::date_full(today),
        may_write: visit.may_all(Resource::Absence, Action::Write),
        own_only,
        kpis,
        today: now.rows.iter().map(|row| Row::of(&visit, row)).collect(),
        today_more: (more > 0).then(|| (catalogue::plural(more, "autre", "autres"), on_day.url(&path))),
        by_type: BarList {
            heading: "Type d’absence".to_owned(),
            items,
            narrow: false,
            colour: "s1",
        },
        upcoming: upcoming
            .into_iter()
            .take(8)
            .map(|row| Row::of(&visit, row))
            .collect(),
        holidays: holidays
            .into_iter()
            .take(5)
            .map(|holiday| {
                (
                    catalogue::date_full(holiday.date),
                    holiday.label,
                    holiday.estimated,
                )
            })
            .collect(),
    };
    show(&page)
}
