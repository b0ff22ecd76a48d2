//! The dashboard: figures of a unit or of the whole ministry on a day.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::civil::Date;
use mppeep_core::domain::codes::Sex;
use mppeep_core::domain::organisation::{Organisation, UnitRef};
use mppeep_core::domain::parse::civil_date;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::services::dashboard::Dashboard;
use serde::Deserialize;

use super::charts::{Band, BarList, Column, Columns, Datum, Donut, Pyramid, share};
use super::frame::Frame;
use super::links::Links;
use super::personnel::filters::{ListParams, born_between};
use super::personnel::list::unit_fields;
use super::ui::{Field, Kpi, Tone};
use super::visit::{Visit, show};
use crate::app::AppState;
use crate::catalogue::{self, Label};
use crate::extract::QueryParams;
use crate::problem::Problem;
use crate::routes::{RouteTable, get};

pub(super) fn routes() -> RouteTable {
    RouteTable::pages().route(
        "/dashboard",
        get(dashboard).needs(Resource::Statistics, Action::Read),
    )
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DashboardParams {
    programme: Option<String>,
    directorate: Option<String>,
    department: Option<String>,
    on: Option<String>,
}

#[derive(Template)]
#[template(path = "dashboard/dashboard.html")]
struct DashboardTemplate {
    frame: Frame,
    lead: String,
    filters: Vec<Field>,
    filtered: bool,
    path: String,
    kpis: Vec<Kpi>,
    categories: Donut,
    sexes: Donut,
    pyramid: Pyramid,
    grades: BarList,
    positions: BarList,
    units: BarList,
    units_title: &'static str,
    retirements: Columns,
    movements: Columns,
    absences: Columns,
    made_at: String,
    refresh: String,
    masked: bool,
}

/// The unit chosen last in the cascade.
fn unit_of(params: &DashboardParams, units: &Organisation) -> Option<UnitRef> {
    let named = [
        ("department", &params.department),
        ("directorate", &params.directorate),
        ("programme", &params.programme),
    ];
    named
        .into_iter()
        .filter_map(|(level, id)| UnitRef::parse(&format!("{level}:{}", id.as_deref()?)))
        .find(|unit| units.unit(*unit).is_some())
}

async fn dashboard(
    visit: Visit,
    State(state): State<AppState>,
    QueryParams(params): QueryParams<DashboardParams>,
) -> Result<Response, Problem> {
    let units = state.services.organisation.names().await?;
    let unit = unit_of(&params, &units);
    let on = params.on.as_deref().and_then(|text| civil_date(text).ok());
    let board = state.services.dashboard.figures(&visit.actor, unit, on).await?;
    let view = View {
        visit: &visit,
        board: &board,
        links: Links::new(visit.urls(), &visit.actor, unit),
    };
    let list_params = ListParams {
        programme: params.programme.clone(),
        directorate: params.directorate.clone(),
        department: params.department.clone(),
        ..ListParams::default()
    };
    let mut filters = unit_fields(&list_params, &units);
    filters.push(Field::date("on", "Situation au").value(board.on.to_string()));
    let name = unit
        .and_then(|unit| units.unit(unit))
        .map_or("Tout le ministère", |unit| &unit.name);
    let path = visit.url("/dashboard");
    let query = super::ui::Query::new()
        .and("programme", params.programme.unwrap_or_default())
        .and("directorate", params.directorate.unwrap_or_default())
        .and("department", params.department.unwrap_or_default())
        .and("on", params.on.clone().unwrap_or_default());
    let (units_title, by_unit) = view.by_unit(unit, &units);
    let template = DashboardTemplate {
        frame: visit
            .frame("Tableau de bord")
            .under("Accueil", "/accueil")
            .here("Tableau de bord"),
        lead: format!("{name}, situation au {}", catalogue::date_long(board.on)),
        filters,
        filtered: unit.is_some() || on.is_some(),
        kpis: view.kpis(),
        categories: view.categories(),
        sexes: view.sexes(),
        pyramid: view.pyramid(),
        grades: view.grades(),
        positions: view.positions(),
        units: by_unit,
        units_title,
        retirements: view.retirements(),
        movements: view.movements(),
        absences: view.absences(),
        made_at: catalogue::instant(board.figures.made_at),
        refresh: query.url(&path),
        masked: board.hides_small,
        path,
    };
    show(&template)
}

/// The figures on the way to a page.
pub(super) struct View<'a> {
    pub(super) visit: &'a Visit,
    pub(super) board: &'a Dashboard,
    pub(super) links: Links,
}

impl View<'_> {
    fn datum(&self, label: impl Into<String>, count: u64, url: Option<String>) -> Datum {
        Datum::new(label, self.board.shown(count), url)
    }

    fn kpi(&self, label: &str, count: u64, url: Option<String>) -> Kpi {
        let value = self
            .board
            .shown(count)
            .map_or_else(|| "< 5".to_owned(), catalogue::number);
        let kpi = Kpi::new(label, value);
        match url {
            Some(url) => kpi.link(url),
            None => kpi,
        }
    }

    pub(super) fn retirement_kpi(&self) -> Kpi {
        let figures = &self.board.figures;
        let soon = self
            .board
            .shown(figures.retiring_6_months)
            .map_or_else(|| "< 5".to_owned(), catalogue::number);
        let kpi = self
            .kpi(
                "Retraites sous 12 mois",
                figures.retiring_12_months,
                self.links.retiring(self.board.on, 12),
            )
            .hint(format!("dont {soon} sous 6 mois"));
        if figures.retiring_12_months > 0 {
            kpi.tone(Tone::Warning)
        } else {
            kpi
        }
    }

    pub(super) fn headcount_kpis(&self) -> Vec<Kpi> {
        let figures = &self.board.figures;
        let active = self.links.career("position", "active");
        vec![
            self.kpi("Effectif", figures.total, self.links.all(&self.visit.actor))
                .hint("agents en service"),
            self.kpi("En activité", figures.active, active)
                .hint(format!("{} de l’effectif", share(figures.active, figures.total))),
            self.kpi(
                "Absents ce jour",
                figures.absent,
                self.links.absent_on(self.board.on),
            )
            .hint(format!("{} de l’effectif", share(figures.absent, figures.total))),
        ]
    }

    pub(super) fn file_kpis(&self) -> Vec<Kpi> {
        let figures = &self.board.figures;
        let incomplete = self.links.career("incomplete", "1");
        let mut kpis = vec![self.kpi("Dossiers incomplets", figures.incomplete, incomplete)];
        if figures.unassigned > 0 {
            let url = self.links.unassigned(&self.visit.actor);
            kpis.push(
                self.kpi("Sans affectation", figures.unassigned, url)
                    .tone(Tone::Warning),
            );
        }
        kpis
    }

    fn kpis(&self) -> Vec<Kpi> {
        let mut kpis = self.headcount_kpis();
        kpis.push(self.retirement_kpi());
        kpis.extend(self.file_kpis());
        if let Some(mark) = self.board.figures.average_mark_hundredths {
            kpis.push(
                Kpi::new("Note moyenne", catalogue::hundredths(i64::from(mark)))
                    .unit("/ 20")
                    .hint("sur trois ans"),
            );
        }
        kpis
    }

    fn categories(&self) -> Donut {
        let items = self
            .board
            .figures
            .by_category
            .iter()
            .map(|tally| match tally.of {
                Some(category) => self.datum(
                    catalogue::category(category),
                    tally.count,
                    self.links.career("category", category.code()),
                ),
                None => self.datum("Sans grade", tally.count, self.links.career("grade", "none")),
            })
            .collect();
        Donut {
            heading: "Catégorie".to_owned(),
            unit: "agents".to_owned(),
            items,
            palette: &[],
        }
    }

    fn sexes(&self) -> Donut {
        let items = self
            .board
            .figures
            .by_sex
            .iter()
            .map(|tally| match tally.of {
                Some(sex) => {
                    let label = if sex == Sex::Female { "Femmes" } else { "Hommes" };
                    self.datum(label, tally.count, self.links.career("sex", sex.code()))
                }
                None => self.datum("Non renseigné", tally.count, None),
            })
            .collect();
        // The colours of the pyramid: women first, then men, then those whose sex is not recorded.
        Donut {
            heading: "Sexe".to_owned(),
            unit: "agents".to_owned(),
            items,
            palette: &["s2", "s3", "s7"],
        }
    }

    fn pyramid(&self) -> Pyramid {
        let bands = self
            .board
            .figures
            .age_pyramid
            .iter()
            .rev()
            .map(|band| {
                let ages = (i16::try_from(band.from_age).ok(), i16::try_from(band.to_age).ok());
                let (earliest, latest) = born_between(self.board.on, ages.0, ages.1.filter(|age| *age < 120));
                let url = |sex: Sex| {
                    self.links.careers(&[
                        ("sex", sex.code().to_owned()),
                        (
                            "born_from",
                            earliest.map(|date| date.to_string()).unwrap_or_default(),
                        ),
                        ("born_to", latest.map(|date| date.to_string()).unwrap_or_default()),
                    ])
                };
                let label = if band.to_age >= 100 {
                    format!("{} et +", band.from_age)
                } else if band.from_age == 0 {
                    format!("≤ {}", band.to_age)
                } else {
                    format!("{}–{}", band.from_age, band.to_age)
                };
                Band {
                    left: self.datum(label.clone(), band.men, url(Sex::Male)),
                    right: self.datum(label.clone(), band.women, url(Sex::Female)),
                    label,
                }
            })
            .collect();
        Pyramid {
            bands,
            left: "Hommes".to_owned(),
            right: "Femmes".to_owned(),
        }
    }

    fn grades(&self) -> BarList {
        let items = self
            .board
            .figures
            .by_grade
            .iter()
            .map(|tally| match tally.of {
                Some(grade) => {
                    let grade = grade.to_string();
                    self.datum(grade.clone(), tally.count, self.links.career("grade", grade))
                }
                None => self.datum("Sans", tally.count, self.links.career("grade", "none")),
            })
            .collect();
        BarList {
            heading: "Grade".to_owned(),
            items,
            narrow: true,
            colour: "s1",
        }
    }

    fn positions(&self) -> BarList {
        let items = self
            .board
            .figures
            .by_position
            .iter()
            .map(|tally| {
                self.datum(
                    tally.of.label(),
                    tally.count,
                    self.links.career("position", tally.of.code()),
                )
            })
            .collect();
        BarList {
            heading: "Position".to_owned(),
            items,
            narrow: false,
            colour: "s3",
        }
    }

    /// The level below the one that is looked at.
    fn by_unit(&self, unit: Option<UnitRef>, units: &Organisation) -> (&'static str, BarList) {
        let figures = &self.board.figures;
        let actor = &self.visit.actor;
        let name = |unit: UnitRef| units.unit(unit).map(|unit| unit.name.clone()).unwrap_or_default();
        let bar = |unit: Option<UnitRef>, count| match unit {
            Some(unit) => self.datum(name(unit), count, self.links.unit(unit, actor)),
            None => self.datum("Sans affectation", count, self.links.unassigned(actor)),
        };
        let (title, mut items): (_, Vec<Datum>) = match unit {
            None => (
                "Agents par direction",
                figures
                    .by_directorate
                    .iter()
                    .map(|tally| bar(tally.of.map(UnitRef::Directorate), tally.count))
                    .collect(),
            ),
            Some(UnitRef::Programme(_)) => (
                "Agents par direction",
                figures
                    .by_directorate
                    .iter()
                    .map(|tally| bar(tally.of.map(UnitRef::Directorate), tally.count))
                    .collect(),
            ),
            Some(UnitRef::Directorate(_) | UnitRef::Department(_)) => (
                "Agents par service",
                figures
                    .by_department
                    .iter()
                    .map(|tally| bar(tally.of.map(UnitRef::Department), tally.count))
                    .collect(),
            ),
        };
        items.sort_by_key(|item| std::cmp::Reverse(item.value));
        (
            title,
            BarList {
                heading: "Unité".to_owned(),
                items,
                narrow: false,
                colour: "s1",
            },
        )
    }

    fn retirements(&self) -> Columns {
        let on = self.board.on;
        let columns = self
            .board
            .figures
            .retirements
            .iter()
            .map(|tally| {
                let first = Date::new(tally.of, 1, 1).unwrap_or(on);
                let last = Date::new(tally.of, 12, 31).unwrap_or(on);
                Column {
                    label: tally.of.to_string(),
                    title: tally.of.to_string(),
                    values: vec![tally.count],
                    url: self.links.careers(&[
                        ("retires_from", first.to_string()),
                        ("retires_to", last.to_string()),
                    ]),
                }
            })
            .collect();
        Columns {
            heading: "Année".to_owned(),
            series: vec!["Départs prévus".to_owned()],
            columns,
            grouped: false,
        }
    }

    fn movements(&self) -> Columns {
        let figures = &self.board.figures;
        let mut years: Vec<i16> = figures
            .arrivals
            .iter()
            .chain(&figures.departures)
            .map(|tally| tally.of)
            .collect();
        years.sort_unstable();
        years.dedup();
        let of = |tallies: &[mppeep_core::ports::personnel::Tally<i16>], year| {
            tallies
                .iter()
                .find(|tally| tally.of == year)
                .map_or(0, |tally| tally.count)
        };
        let columns = years
            .into_iter()
            .map(|year| Column {
                label: year.to_string(),
                title: year.to_string(),
                values: vec![of(&figures.arrivals, year), of(&figures.departures, year)],
                url: None,
            })
            .collect();
        Columns {
            heading: "Année".to_owned(),
            series: vec!["Entrées".to_owned(), "Départs".to_owned()],
            columns,
            grouped: true,
        }
    }

    fn absences(&self) -> Columns {
        let columns = self
            .board
            .figures
            .absences
            .iter()
            .map(|month| Column {
                label: catalogue::month_short(month.month.month()).to_owned(),
                title: format!("{} {}", catalogue::month(month.month.month()), month.month.year()),
                values: vec![month.count],
                url: None,
            })
            .collect();
        Columns {
            heading: "Mois".to_owned(),
            series: vec!["Absences commencées".to_owned()],
            columns,
            grouped: false,
        }
    }
}
