//! One slip, each of its lines explained.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use mppeep_core::domain::id::SlipId;
use mppeep_core::domain::payroll::{Slip, SlipStatus};
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::ports::payroll::SlipRow;
use mppeep_core::services::ServiceError;
use serde::Deserialize;

use super::{PATH, simulation};
use crate::catalogue;
use crate::extract::{FormFields, PathId, QueryParams};
use crate::pages::frame::Frame;
use crate::pages::ui::{Badge, Fact, Facts, Notice, Tone};
use crate::pages::visit::{Visit, show_with};
use crate::problem::Problem;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SlipQuery {
    note: Option<String>,
}

/// A line of a slip: gains on one side, deductions on the other.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    label: String,
    why: String,
    base: String,
    rate: String,
    gain: String,
    deduction: String,
}

#[derive(Template)]
#[template(path = "payroll/slip.html")]
struct SlipPage {
    frame: Frame,
    simulation: Notice,
    month: String,
    agent: String,
    agent_url: String,
    matricule: String,
    badge: Badge,
    lines: Vec<Line>,
    gains: String,
    deductions: String,
    net: String,
    net_why: String,
    facts: Facts,
    path: String,
    version: i64,
    may_recompute: bool,
    may_validate: bool,
    /// The reader computed it, so somebody else validates it.
    own_work: bool,
    printed: String,
}

/// The lines as they are computed, with the arithmetic in words.
fn lines(slip: &Slip) -> Vec<Line> {
    let (settings, amounts) = (&slip.settings, &slip.amounts);
    let index = catalogue::number(u64::from(slip.index));
    let point = catalogue::thousandths(settings.point_value_millifrancs);
    let rate = catalogue::rate(settings.deduction_basis_points);
    let base = catalogue::francs_short(amounts.base);
    let rounded = |exact: bool| if exact { "" } else { ", arrondi au franc" };
    let base_exact =
        (u64::from(slip.index) * u64::from(settings.point_value_millifrancs)).is_multiple_of(1_000);
    let deduction_exact = (amounts.base * i64::from(settings.deduction_basis_points)) % 10_000 == 0;
    vec![
        Line {
            label: "Solde de base".to_owned(),
            why: format!("indice {index} × {point}\u{a0}F = {base}{}", rounded(base_exact)),
            base: index,
            rate: format!("{point}\u{a0}F"),
            gain: catalogue::amount(amounts.base),
            deduction: String::new(),
        },
        Line {
            label: settings.allowance_label.clone(),
            why: "montant mensuel fixe".to_owned(),
            base: String::new(),
            rate: String::new(),
            gain: catalogue::amount(amounts.allowance),
            deduction: String::new(),
        },
        Line {
            label: settings.deduction_label.clone(),
            why: format!(
                "{rate} de {base} = {}{}",
                catalogue::francs_short(amounts.deduction),
                rounded(deduction_exact)
            ),
            base: catalogue::amount(amounts.base),
            rate,
            gain: String::new(),
            deduction: catalogue::amount(amounts.deduction),
        },
    ]
}

/// « le 05/03/2026 à 10:42 par Awa Koné ».
fn signed(at: jiff::Timestamp, by: Option<String>) -> String {
    match by {
        Some(name) => format!("le {} par {name}", catalogue::instant(at)),
        None => format!("le {}", catalogue::instant(at)),
    }
}

async fn facts(visit: &Visit, slip: &Slip) -> Result<Facts, Problem> {
    let names = visit.state.services.payroll.signatories(slip).await?;
    let validated = slip
        .validated
        .map(|(_, at)| signed(at, names.validated_by))
        .unwrap_or_else(|| "pas encore".to_owned());
    Ok(Facts {
        facts: vec![
            Fact::new("Indice", catalogue::number(u64::from(slip.index))),
            Fact::new(
                "Valeur mensuelle du point",
                format!(
                    "{}\u{a0}F\u{a0}CFA",
                    catalogue::thousandths(slip.settings.point_value_millifrancs)
                ),
            ),
            Fact::new("Calculé", signed(slip.computed_at, names.computed_by)),
            Fact::new("Validé", validated),
        ],
        rows: false,
    })
}

async fn page(visit: &Visit, row: SlipRow, frame: Frame) -> Result<SlipPage, Problem> {
    let slip = &row.slip;
    let amounts = &slip.amounts;
    let draft = slip.status == SlipStatus::Draft;
    let may_validate = draft && visit.may_all(Resource::Payroll, Action::Validate);
    let own_work = may_validate && slip.computed_by.is_some() && slip.computed_by == visit.actor.user;
    let gains = amounts.base + amounts.allowance;
    Ok(SlipPage {
        frame,
        simulation: simulation(),
        month: catalogue::month_year(slip.month),
        agent_url: visit.url(&format!("/personnel/{}", slip.personnel)),
        badge: catalogue::slip_badge(slip.status),
        lines: lines(slip),
        gains: catalogue::amount(gains),
        deductions: catalogue::amount(amounts.deduction),
        net: catalogue::francs(amounts.net),
        net_why: format!(
            "{} − {} = {}",
            catalogue::francs_short(gains),
            catalogue::francs_short(amounts.deduction),
            catalogue::francs_short(amounts.net)
        ),
        facts: facts(visit, slip).await?,
        path: visit.url(&format!("{PATH}/bulletins/{}", slip.id)),
        version: slip.version,
        may_recompute: draft && visit.may_all(Resource::Payroll, Action::Write),
        may_validate: may_validate && !own_work,
        own_work,
        printed: catalogue::instant(visit.now),
        agent: row.name,
        matricule: row.matricule,
    })
}

fn frame(visit: &Visit, row: &SlipRow) -> Frame {
    let month = catalogue::month_year(row.slip.month);
    let frame = visit.frame(format!("Bulletin de solde – {} – {month}", row.name));
    if visit.may_all(Resource::Payroll, Action::Read) {
        frame
            .under("Paie", PATH)
            .under(month, &format!("{PATH}/{}", row.slip.month))
            .here(row.name.clone())
    } else {
        frame.under("Mes bulletins", PATH).here(month)
    }
}

pub(super) async fn show_slip(
    visit: Visit,
    PathId(id): PathId<SlipId>,
    QueryParams(asked): QueryParams<SlipQuery>,
) -> Result<Response, Problem> {
    let row = visit.state.services.payroll.get(&visit.actor, id).await?;
    let frame = frame(&visit, &row).note(asked.note.as_deref());
    show_with(StatusCode::OK, &page(&visit, row, frame).await?)
}

/// Computes the slip again, by the index and the settings of now.
pub(super) async fn recompute(visit: Visit, PathId(id): PathId<SlipId>) -> Result<Response, Problem> {
    let service = &visit.state.services.payroll;
    let row = service.get(&visit.actor, id).await?;
    if row.slip.status == SlipStatus::Validated {
        return again(&visit, id, ServiceError::State("slip-validated")).await;
    }
    match service
        .process(&visit.actor, row.slip.personnel, row.slip.month)
        .await
    {
        Ok(_) => Ok(visit.go(&format!("{PATH}/bulletins/{id}?note=slip-computed"))),
        Err(error) => again(&visit, id, error).await,
    }
}

/// Validates the slip that the reader saw.
pub(super) async fn validate(
    visit: Visit,
    PathId(id): PathId<SlipId>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let version: i64 = fields
        .single("version")?
        .parse()
        .map_err(|_| Problem::unreadable("La version manque."))?;
    let service = &visit.state.services.payroll;
    match service.validate(&visit.actor, id, version).await {
        Ok(_) => Ok(visit.go(&format!("{PATH}/bulletins/{id}?note=slip-validated"))),
        Err(error) => again(&visit, id, error).await,
    }
}

/// The slip as it is now, with why nothing was done.
async fn again(visit: &Visit, id: SlipId, error: ServiceError) -> Result<Response, Problem> {
    let (status, text) = match error {
        ServiceError::Stale => (
            StatusCode::PRECONDITION_FAILED,
            "Ce bulletin a été recalculé entre-temps. Vérifiez les montants avant de le valider.",
        ),
        ServiceError::State(code) => match catalogue::payroll_refusal(code) {
            Some(text) => (StatusCode::CONFLICT, text),
            None => return Err(ServiceError::State(code).into()),
        },
        other => return Err(other.into()),
    };
    let row = visit.state.services.payroll.get(&visit.actor, id).await?;
    let frame = frame(visit, &row).say(Tone::Danger, text);
    show_with(status, &page(visit, row, frame).await?)
}

#[cfg(test)]
mod tests {
    use mppeep_core::domain::id::PersonnelId;
    use mppeep_core::domain::payroll::{Month, PayrollSettings, compute};

    use super::*;

    fn slip(index: u16, settings: PayrollSettings) -> Slip {
        Slip {
            id: SlipId::from_uuid(uuid::Uuid::from_u128(1)),
            personnel: PersonnelId::from_uuid(uuid::Uuid::from_u128(2)),
            month: Month::new(2026, 11).unwrap(),
            status: SlipStatus::Draft,
            index,
            amounts: compute(index, &settings),
            settings,
            fence: 1,
            version: 1,
            computed_at: "2026-11-22T09:00:00Z".parse().unwrap(),
            computed_by: None,
            validated: None,
        }
    }

    #[test]
    fn lines_say_how_they_are_computed() {
        let lines = lines(&slip(1_000, PayrollSettings::default()));
        assert_eq!(
            lines[0].why,
            "indice 1\u{202f}000 × 233,457\u{a0}F = 233\u{202f}457\u{a0}F"
        );
        assert_eq!(
            lines[2].why,
            "8,33\u{a0}% de 233\u{202f}457\u{a0}F = 19\u{202f}447\u{a0}F, arrondi au franc"
        );
        assert_eq!(lines[1].gain, "30\u{202f}000");
        assert_eq!(lines[2].deduction, "19\u{202f}447");
    }

    #[test]
    fn a_rounded_base_is_said_to_be() {
        let lines = lines(&slip(3, PayrollSettings::default()));
        assert!(
            lines[0].why.ends_with("= 700\u{a0}F, arrondi au franc"),
            "{}",
            lines[0].why
        );
    }
}
