//! A month of the absences of a unit, a line an agent.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::response::Response;
use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use mppeep_core::domain::absence::AbsenceType;
use mppeep_core::domain::calendar::{Half, Holiday};
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::domain::organisation::UnitRef;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::ports::absence::{AbsenceFilter, AbsenceRow};
use mppeep_core::ports::page::PageRequest;
use mppeep_core::ports::personnel::{PersonnelFilter, PersonnelSort};
use mppeep_core::services::personnel::ListPersonnel;
use serde::Deserialize;

use crate::catalogue::{self, Label};
use crate::extract::QueryParams;
use crate::pages::frame::Frame;
use crate::pages::office::{unit_choices, unit_of};
use crate::pages::ui::{Field, Query};
use crate::pages::visit::{Visit, show};
use crate::problem::Problem;

/// Agents a page shows at most; a bigger unit is looked at by parts.
const AGENTS: u32 = 100;
/// Absences read for one page.
const ABSENCES: u32 = 1_000;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CalendarQuery {
    month: Option<String>,
    unit: Option<String>,
}

#[derive(Template)]
#[template(path = "absence/calendar.html")]
struct CalendarPage {
    frame: Frame,
    month: String,
    previous: String,
    next: String,
    unit_name: String,
    fields: Vec<Field>,
    days: Vec<Day>,
    lines: Vec<Line>,
    present: Vec<Cell>,
    legend: Vec<(&'static str, String)>,
    cut: Option<String>,
}

struct Day {
    number: i8,
    name: &'static str,
    class: &'static str,
    title: String,
}

struct Line {
    name: String,
    url: String,
    cells: Vec<Cell>,
}

#[derive(Clone, Default)]
struct Cell {
    class: String,
    text: String,
    title: String,
}

/// The absences of one agent by day and half.
type Away = BTreeMap<(Date, Half), AbsenceType>;

pub(super) async fn show_calendar(
    visit: Visit,
    QueryParams(asked): QueryParams<CalendarQuery>,
) -> Result<Response, Problem> {
    let organisation = visit.state.services.organisation.names().await?;
    let scope = visit.actor.scope(Resource::Absence, Action::Read);
    let first = asked
        .month
        .as_deref()
        .and_then(month_of)
        .unwrap_or(visit.today.first_of_month());
    let last = first.last_of_month();
    let choices = unit_choices(&organisation, &scope);
    let own_departments: BTreeSet<_> = scope.departments.iter().copied().collect();
    let unit = unit_of(asked.unit.as_deref(), &organisation).or_else(|| {
        own_departments
            .first()
            .copied()
            .or_else(|| organisation.departments.first().map(|unit| unit.id))
            .map(UnitRef::Department)
    });
    let only_own = !scope.everything && scope.departments.is_empty();
    let holidays = visit.state.services.holidays.between(first, last).await?;

    let list = ListPersonnel {
        filter: PersonnelFilter {
            unit: unit.filter(|_| !only_own),
            ..PersonnelFilter::default()
        },
        sort: PersonnelSort::Name,
        descending: false,
        page: PageRequest::first(AGENTS),
    };
    let (agents, total): (Vec<(PersonnelId, String)>, u64) = if only_own {
        let own = visit
            .actor
            .personnel
            .map(|id| (id, visit.actor.display_name.clone()));
        (own.into_iter().collect(), 1)
    } else {
        let page = visit.state.services.personnel.list(&visit.actor, list).await?;
        let reached = page
            .rows
            .iter()
            .filter(|view| scope.reaches(view.id(), view.department()));
        (
            reached.map(|view| (view.id(), view.full_name())).collect(),
            page.total,
        )
    };
    let filter = AbsenceFilter {
        unit: unit.filter(|_| !only_own),
        from: Some(first),
        to: Some(last),
        ..AbsenceFilter::default()
    };
    let absences = visit
        .state
        .services
        .absences
        .list(&visit.actor, filter, &PageRequest::first(ABSENCES))
        .await?;
    let away = by_agent(&absences.rows, first, last);

    let days = days_of(first, last, &holidays, visit.today, |day| {
        visit.settings.calendar.week.works_on(day)
    });
    let nobody = Away::new();
    let lines: Vec<Line> = agents
        .iter()
        .map(|(id, name)| Line {
            name: name.clone(),
            url: visit.url(&format!("/rh/absences?personnel={id}")),
            cells: days
                .iter()
                .map(|(date, day)| cell(*date, day, away.get(id).unwrap_or(&nobody)))
                .collect(),
        })
        .collect();
    let present = days
        .iter()
        .map(|(date, day)| present_on(*date, day, &agents, &away))
        .collect();

    let address = |month: Date| {
        Query::new()
            .and("month", format!("{:04}-{:02}", month.year(), month.month()))
            .and("unit", unit.map(|unit| unit.to_string()).unwrap_or_default())
            .url(&visit.url("/rh/calendrier"))
    };
    let unit_name = if only_own {
        visit.actor.display_name.clone()
    } else {
        unit.and_then(|unit| organisation.unit(unit))
            .map(|fields| fields.name.clone())
            .unwrap_or_default()
    };
    let mut fields = vec![Field::input("month", "month", "Mois").value(format!(
        "{:04}-{:02}",
        first.year(),
        first.month()
    ))];
    if !choices.is_empty() {
        let value = unit.map(|unit| unit.to_string()).unwrap_or_default();
        fields.insert(0, Field::select("unit", "Unité", None, choices).value(value));
    }
    show(&CalendarPage {
        frame: visit
            .frame("Calendrier")
            .under("Congés et absences", "/rh")
            .here("Calendrier"),
        month: format!("{} {}", catalogue::month(first.month()), first.year()),
        previous: address(first.saturating_sub(1.month())),
        next: address(first.saturating_add(1.month())),
        unit_name,
        fields,
        days: days.into_iter().map(|(_, day)| day).collect(),
        lines,
        present,
        legend: AbsenceType::ALL
            .iter()
            .map(|kind| (catalogue::absence_letters(*kind), kind.label().to_owned()))
            .collect(),
        cut: (total > u64::from(AGENTS)).then(|| {
            format!(
                "Seuls les {AGENTS} premiers agents de l’unité sont montrés, sur {}. Choisissez un service.",
                catalogue::number(total)
            )
        }),
    })
}

/// `2026-11` as its first day.
fn month_of(text: &str) -> Option<Date> {
    let (year, month) = text.split_once('-')?;
    let year: i16 = year.parse().ok().filter(|year| (1950..=2200).contains(year))?;
    Date::new(year, month.parse().ok()?, 1).ok()
}

fn days_of(
    first: Date,
    last: Date,
    holidays: &[Holiday],
    today: Date,
    works: impl Fn(Weekday) -> bool,
) -> Vec<(Date, Day)> {
    first
        .series(1.day())
        .take_while(|date| *date <= last)
        .map(|date| {
            let holiday = holidays.iter().find(|holiday| holiday.date == date);
            let class = match holiday {
                Some(_) => "holiday",
                None if !works(date.weekday()) => "off",
                None if date == today => "today",
                None => "",
            };
            let title = match holiday {
                Some(holiday) => format!("{} : {}", catalogue::date_full(date), holiday.label),
                None => catalogue::date_full(date),
            };
            let name = catalogue::weekday(date.weekday()).get(..1).unwrap_or_default();
            (
                date,
                Day {
                    number: date.day(),
                    name,
                    class,
                    title,
                },
            )
        })
        .collect()
}

fn by_agent(rows: &[AbsenceRow], first: Date, last: Date) -> BTreeMap<PersonnelId, Away> {
    let mut away: BTreeMap<PersonnelId, Away> = BTreeMap::new();
    for row in rows {
        let agent = away.entry(row.absence.personnel).or_default();
        let halves = row
            .absence
            .fields
            .period
            .half_days()
            .filter(|(date, _)| (first..=last).contains(date));
        agent.extend(halves.map(|half| (half, row.absence.fields.kind)));
    }
    away
}

fn cell(date: Date, day: &Day, away: &Away) -> Cell {
    let (morning, afternoon) = (away.get(&(date, Half::Am)), away.get(&(date, Half::Pm)));
    let Some(kind) = morning.or(afternoon).copied() else {
        return Cell {
            class: day.class.to_owned(),
            ..Cell::default()
        };
    };
    let half = match (morning, afternoon) {
        (Some(_), None) => " (matin)",
        (None, Some(_)) => " (après-midi)",
        _ => "",
    };
    let part = if half.is_empty() { "" } else { " half" };
    Cell {
        class: format!("away {}{part} {}", kind.code().replace('_', "-"), day.class),
        text: catalogue::absence_letters(kind).to_owned(),
        title: format!("{}{half}, {}", kind.label(), catalogue::date(date)),
    }
}

/// How many agents are there: those away half the day count for a half.
fn present_on(
    date: Date,
    day: &Day,
    agents: &[(PersonnelId, String)],
    away: &BTreeMap<PersonnelId, Away>,
) -> Cell {
    if matches!(day.class, "off" | "holiday") {
        return Cell {
            class: day.class.to_owned(),
            ..Cell::default()
        };
    }
    let missing: usize = agents
        .iter()
        .filter_map(|(id, _)| away.get(id))
        .map(|away| {
            [Half::Am, Half::Pm]
                .iter()
                .filter(|half| away.contains_key(&(date, **half)))
                .count()
        })
        .sum();
    let halves = (agents.len() * 2).saturating_sub(missing);
    let text = if halves.is_multiple_of(2) {
        (halves / 2).to_string()
    } else {
        format!("{},5", halves / 2)
    };
    Cell {
        class: day.class.to_owned(),
        text,
        title: day.title.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn months_are_read_and_bounded() {
        assert_eq!(month_of("2026-02"), Some(date(2026, 2, 1)));
        for text in ["2026", "2026-13", "99999-01", "x-y", "", "1900-01"] {
            assert_eq!(month_of(text), None, "{text}");
        }
    }

    #[test]
    fn presence_counts_halves_and_skips_days_off() {
        let (first, last) = (date(2026, 11, 1), date(2026, 11, 30));
        let days = days_of(first, last, &[], date(2026, 11, 22), |day| day != Weekday::Sunday);
        assert_eq!(days.len(), 30);
        assert_eq!(days[0].1.class, "off");
        let (one, two) = (
            PersonnelId::from_uuid(uuid::Uuid::from_u128(1)),
            PersonnelId::from_uuid(uuid::Uuid::from_u128(2)),
        );
        let agents = [(one, "A".to_owned()), (two, "B".to_owned())];
        let monday = date(2026, 11, 2);
        let away = BTreeMap::from([(one, Away::from([((monday, Half::Am), AbsenceType::Mission)]))]);
        assert_eq!(present_on(monday, &days[1].1, &agents, &away).text, "1,5");
        assert_eq!(present_on(first, &days[0].1, &agents, &away).text, "");
        let half = cell(monday, &days[1].1, &away[&one]);
        assert_eq!(
            (half.text.as_str(), half.title.as_str()),
            ("MI", "Mission (matin), 02/11/2026")
        );
    }
}
