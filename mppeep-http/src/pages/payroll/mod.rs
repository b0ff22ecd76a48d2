//! Salaries: months, their slips, one slip with its lines explained.

mod agent;
mod export;
mod month;
mod overview;
mod slip;

use mppeep_core::domain::id::PersonnelId;
use mppeep_core::domain::payroll::Month;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::ports::payroll::{SlipRow, SlipTotals};
use mppeep_core::services::ServiceError;

use super::ui::{Badge, Field, Notice, Tone};
use super::visit::Visit;
use crate::catalogue;
use crate::extract::FormFields;
use crate::problem::Problem;
use crate::routes::{RouteTable, get, post};

pub(super) use agent::AgentSlips;

/// The page of all months, below the root.
const PATH: &str = "/paie";

/// Failures whose agents are named on a page.
const FAILURES_SHOWN: usize = 20;

/// Months that forms offer.
const MONTHS_OFFERED: usize = 12;

pub(super) fn routes() -> RouteTable {
    use Action::{Read, Validate, Write};
    use Resource::Payroll;
    RouteTable::pages()
        .route("/paie", get(overview::show_overview).needs(Payroll, Read))
        .route("/paie", post(overview::start).needs(Payroll, Write))
        .route("/paie/{month}", get(month::show_month).needs(Payroll, Read))
        .route("/paie/{month}/fichier", get(export::export).needs(Payroll, Read))
        .route("/paie/bulletins/{id}", get(slip::show_slip).needs(Payroll, Read))
        .route(
            "/paie/bulletins/{id}/recalculer",
            post(slip::recompute).needs(Payroll, Write),
        )
        .route(
            "/paie/bulletins/{id}/valider",
            post(slip::validate).needs(Payroll, Validate),
        )
        .route("/paie/agents/{id}", post(agent::compute).needs(Payroll, Write))
}

/// What these slips are, on top of every page of them.
fn simulation() -> Notice {
    Notice {
        tone: Tone::Info,
        title: "Simulation".to_owned(),
        text: "La solde de l’État est traitée par la Direction de la Solde. Les montants affichés ici sont indicatifs."
            .to_owned(),
        action: None,
    }
}

/// The month that a form names.
fn month_of(fields: &FormFields) -> Result<Month, Problem> {
    fields
        .single("month")?
        .parse()
        .map_err(|rule| Problem::invalid().field("month", "format", catalogue::rule_message(&rule)))
}

/// The choice of a month, the present one at first.
fn month_field(visit: &Visit) -> Field {
    let present = Month::of(visit.today);
    let choices = catalogue::month_choices(present, MONTHS_OFFERED);
    Field::select("month", "Mois", None, choices).value(present.to_string())
}

/// A slip in a list.
struct Row {
    url: String,
    month: String,
    agent: String,
    matricule: String,
    base: String,
    allowance: String,
    deduction: String,
    net: String,
    badge: Badge,
}

impl Row {
    fn of(visit: &Visit, row: &SlipRow) -> Self {
        let slip = &row.slip;
        Self {
            url: visit.url(&format!("{PATH}/bulletins/{}", slip.id)),
            month: catalogue::month_title(slip.month),
            agent: row.name.clone(),
            matricule: row.matricule.clone(),
            base: catalogue::amount(slip.amounts.base),
            allowance: catalogue::amount(slip.amounts.allowance),
            deduction: catalogue::amount(slip.amounts.deduction),
            net: catalogue::amount(slip.amounts.net),
            badge: catalogue::slip_badge(slip.status),
        }
    }
}

/// Sums under a list.
struct Totals {
    label: String,
    base: String,
    allowance: String,
    deduction: String,
    net: String,
}

impl Totals {
    fn of(totals: &SlipTotals) -> Self {
        Self {
            label: format!(
                "Total : {}",
                catalogue::plural(totals.slips, "bulletin", "bulletins")
            ),
            base: catalogue::amount(totals.base),
            allowance: catalogue::amount(totals.allowance),
            deduction: catalogue::amount(totals.deduction),
            net: catalogue::amount(totals.net),
        }
    }
}

/// How many of some slips are validated.
fn state_badge(totals: &SlipTotals) -> Badge {
    match totals.validated {
        0 => Badge::new("À valider", Tone::Warning),
        some if some == totals.slips => Badge::new("Validé", Tone::Success),
        some => Badge::new(
            format!(
                "{} sur {}",
                catalogue::plural(some, "validé", "validés"),
                catalogue::number(totals.slips)
            ),
            Tone::Info,
        ),
    }
}

/// A salary that could not be computed.
struct Failure {
    agent: String,
    agent_url: String,
    month: String,
    cause: &'static str,
}

/// Salaries that could not be computed.
struct Failures {
    shown: Vec<Failure>,
    total: usize,
}

impl Failures {
    /// Those that the reader may know of, of one month or of all.
    async fn load(visit: &Visit, month: Option<Month>) -> Result<Self, Problem> {
        let mut failures = Self {
            shown: Vec::new(),
            total: 0,
        };
        if !visit.may_all(Resource::Payroll, Action::Write) {
            return Ok(failures);
        }
        let all = visit.state.services.payroll.failures(&visit.actor).await?;
        for (agent, of, reason) in all {
            let of: Option<Month> = of.parse().ok();
            if month.is_some() && of != month {
                continue;
            }
            failures.total += 1;
            if failures.shown.len() == FAILURES_SHOWN {
                continue;
            }
            failures.shown.push(Failure {
                agent: name_of(visit, agent).await?,
                agent_url: visit.url(&format!("/personnel/{agent}")),
                month: of.map(catalogue::month_title).unwrap_or_default(),
                cause: catalogue::failure_cause(&reason),
            });
        }
        Ok(failures)
    }
}

/// The name of an agent, also of one whose file is gone.
async fn name_of(visit: &Visit, id: PersonnelId) -> Result<String, Problem> {
    use mppeep_core::services::personnel::Reveal;
    let personnel = &visit.state.services.personnel;
    match personnel.get(&visit.actor, id, Reveal::Hidden).await {
        Ok(view) => Ok(format!("{} · {}", view.full_name(), view.matricule())),
        Err(ServiceError::NotFound(_)) => Ok("Agent inconnu".to_owned()),
        Err(other) => Err(other.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_validated_when_all_its_slips_are() {
        let of = |slips, validated| {
            state_badge(&SlipTotals {
                slips,
                validated,
                ..SlipTotals::default()
            })
        };
        assert_eq!(of(12, 0).label, "À valider");
        assert_eq!(of(12, 1).label, "1 validé sur 12");
        assert_eq!(of(12, 12).label, "Validé");
    }
}
