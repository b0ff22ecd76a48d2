//! Words and amounts of salary slips.

use mppeep_core::domain::payroll::{Month, SlipStatus};
use mppeep_core::services::ServiceError;

use super::format;
use super::labels::Label;
use crate::pages::ui::{Badge, Choice, Tone};
use crate::problem::Problem;

/// A space that does not break.
const SPACE: char = '\u{a0}';

/// How a service says that a state does not allow something; jobs keep it as their reason.
const STATE: &str = "not possible in this state: ";

/// An amount with its thousands apart, without its currency.
#[must_use]
pub(crate) fn amount(value: i64) -> String {
    let sign = if value < 0 { "−" } else { "" };
    format!("{sign}{}", format::number(value.unsigned_abs()))
}

/// An amount as « 1 234 567 F ».
#[must_use]
pub(crate) fn francs_short(value: i64) -> String {
    format!("{}{SPACE}F", amount(value))
}

/// An amount as « 1 234 567 F CFA ».
#[must_use]
pub(crate) fn francs(value: i64) -> String {
    format!("{}{SPACE}F{SPACE}CFA", amount(value))
}

/// Thousandths of a franc as `233,457`, without zeros at the end.
#[must_use]
pub(crate) fn thousandths(value: u32) -> String {
    let whole = format::number(u64::from(value / 1_000));
    let text = format!("{whole},{:03}", value % 1_000);
    text.trim_end_matches('0').trim_end_matches(',').to_owned()
}

/// Hundredths of a per cent as « 8,33 % ».
#[must_use]
pub(crate) fn rate(basis_points: u16) -> String {
    format!("{}{SPACE}%", format::hundredths_short(i64::from(basis_points)))
}

/// A month as « novembre 2026 ».
#[must_use]
pub(crate) fn month_year(month: Month) -> String {
    format!("{} {}", format::month(month.month()), month.year())
}

/// A month as « Novembre 2026 », where it stands alone.
#[must_use]
pub(crate) fn month_title(month: Month) -> String {
    let text = month_year(month);
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// `count` months to choose from, the latest first.
#[must_use]
pub(crate) fn month_choices(latest: Month, count: usize) -> Vec<Choice> {
    let before = |month: &Month| {
        if month.month() == 1 {
            Month::new(month.year() - 1, 12)
        } else {
            Month::new(month.year(), month.month() - 1)
        }
    };
    std::iter::successors(Some(latest), before)
        .take(count)
        .map(|month| Choice::new(month.to_string(), month_year(month)))
        .collect()
}

/// The badge of a slip's state.
pub(crate) fn slip_badge(status: SlipStatus) -> Badge {
    let tone = match status {
        SlipStatus::Draft => Tone::Warning,
        SlipStatus::Validated => Tone::Success,
    };
    Badge::new(status.label(), tone)
}

/// Why a slip is not computed or validated, by the code of the refusal; none for a code of something else.
#[must_use]
pub(crate) fn payroll_refusal(code: &str) -> Option<&'static str> {
    Some(match code {
        "salary-busy" => "Un autre processus traite déjà ce salaire.",
        "salary-lock-lost" => "Un autre processus a repris ce salaire ; rien n’a été écrit.",
        "no-salary-index" => "L’indice de cet agent n’est pas renseigné.",
        "archived" => "Cet agent avait quitté le ministère avant ce mois.",
        "same-person" => "Un bulletin ne peut pas être validé par la personne qui l’a calculé.",
        "slip-validated" => "Ce bulletin est déjà validé.",
        _ => return None,
    })
}

/// A refusal of the payroll service as a problem, in words where it is one of its own.
pub(crate) fn payroll_problem(error: ServiceError) -> Problem {
    match error {
        ServiceError::State(code) => match payroll_refusal(code) {
            Some(text) => Problem::conflict(code).detail(text),
            None => ServiceError::State(code).into(),
        },
        other => other.into(),
    }
}

/// The code of the refusal in the reason that a computation keeps for its failure.
#[must_use]
pub(crate) fn failure_code(reason: &str) -> Option<&str> {
    reason.strip_prefix(STATE)
}

/// Why a computation of the batch failed, from the reason that its job keeps.
#[must_use]
pub(crate) fn failure_cause(reason: &str) -> &'static str {
    let by_code = failure_code(reason).and_then(payroll_refusal);
    by_code.unwrap_or(match reason {
        "no such personnel" => "La fiche de cet agent n’existe plus.",
        "the site is in read-only mode" => "Le site était en lecture seule.",
        _ => "Le calcul n’a pas abouti après plusieurs essais.",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_whole_francs() {
        assert_eq!(francs(1_234_567), "1\u{202f}234\u{202f}567\u{a0}F\u{a0}CFA");
        assert_eq!(francs(0), "0\u{a0}F\u{a0}CFA");
        assert_eq!(amount(-1_500), "−1\u{202f}500");
        assert_eq!(thousandths(233_457), "233,457");
        assert_eq!(thousandths(250_000), "250");
        assert_eq!(thousandths(1_234_050), "1\u{202f}234,05");
        assert_eq!(rate(833), "8,33\u{a0}%");
        assert_eq!(rate(10_000), "100\u{a0}%");
    }

    #[test]
    fn months_go_back_over_the_year() {
        let january = Month::new(2026, 1).unwrap();
        let choices = month_choices(january, 3);
        let values: Vec<_> = choices.iter().map(|choice| choice.value.as_str()).collect();
        assert_eq!(values, ["2026-01", "2025-12", "2025-11"]);
        assert_eq!(choices[1].label, "décembre 2025");
        let august = Month::new(2026, 8).unwrap();
        assert_eq!(month_title(august), "Août 2026");
    }

    #[test]
    fn refusals_are_conflicts_with_words() {
        for code in [
            "salary-busy",
            "salary-lock-lost",
            "no-salary-index",
            "archived",
            "same-person",
            "slip-validated",
        ] {
            let problem = payroll_problem(ServiceError::State(code));
            assert_eq!((problem.status().as_u16(), problem.code()), (409, code));
            assert!(
                problem.body().detail.is_some_and(|text| text.ends_with('.')),
                "{code}"
            );
        }
    }

    #[test]
    fn a_failure_says_what_the_service_said() {
        use mppeep_core::domain::activity::EntityKind;
        let said = |error: ServiceError| failure_cause(&error.to_string());
        for code in ["salary-busy", "salary-lock-lost", "no-salary-index", "archived"] {
            assert_eq!(
                Some(said(ServiceError::State(code))),
                payroll_refusal(code),
                "{code}"
            );
        }
        let gone = said(ServiceError::NotFound(EntityKind::Personnel));
        assert!(gone.contains("n’existe plus"), "{gone}");
        assert!(said(ServiceError::ReadOnlyMode).contains("lecture seule"));
        assert!(failure_cause("lease ended").contains("plusieurs essais"));
    }
}
