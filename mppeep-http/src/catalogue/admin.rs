//! Words of the office and administration pages.

use jiff::civil::Weekday;
use mppeep_core::domain::absence::AbsenceType;
use mppeep_core::domain::calendar::CountingMode;
use mppeep_core::domain::document::DocumentKind;
use mppeep_core::domain::evaluation::Criterion;
use mppeep_core::domain::permission::{Holder, Reach};
use mppeep_core::domain::settings::RetirementMode;
use mppeep_core::domain::user::UserStatus;

use super::fields::field_name;
use super::format;
use super::labels::{Label, role_short};
use crate::pages::ui::{Badge, Tone};

/// The badge of a type of absence.
pub(crate) fn absence_badge(kind: AbsenceType) -> Badge {
    use AbsenceType as T;
    let tone = match kind {
        T::AnnualLeave | T::ShortLeave => Tone::Primary,
        T::SickLeave => Tone::Warning,
        T::MaternityLeave | T::PaternityLeave | T::Training | T::Mission => Tone::Info,
        T::Unjustified => Tone::Danger,
        T::Other => Tone::Neutral,
    };
    Badge::new(kind.label(), tone)
}

/// The two letters of a type of absence in the calendar.
pub(crate) const fn absence_letters(kind: AbsenceType) -> &'static str {
    use AbsenceType as T;
    match kind {
        T::AnnualLeave => "CA",
        T::ShortLeave => "PA",
        T::SickLeave => "CM",
        T::MaternityLeave => "MT",
        T::PaternityLeave => "PT",
        T::Training => "FO",
        T::Mission => "MI",
        T::Unjustified => "NJ",
        T::Other => "AU",
    }
}

/// The badge of an account's status.
pub(crate) fn status_badge(status: UserStatus) -> Badge {
    let tone = match status {
        UserStatus::Active => Tone::Success,
        UserStatus::Pending => Tone::Info,
        UserStatus::Suspended => Tone::Warning,
        UserStatus::Inactive => Tone::Neutral,
    };
    Badge::new(status.label(), tone)
}

/// Who holds a right.
pub(crate) fn holder(holder: Holder) -> &'static str {
    match holder {
        Holder::Role(role) => role_short(role),
        Holder::Director => "Directeur",
    }
}

/// How far a right reaches, in a word.
pub(crate) const fn reach(reach: Reach) -> &'static str {
    match reach {
        Reach::Demonstration => "démonstration",
        Reach::Made => "ses propres dépôts",
        Reach::Own => "soi-même",
        Reach::Units => "son unité",
        Reach::Everything => "tout",
    }
}

/// The name of a leaf of the settings, by its dotted path.
pub(crate) fn setting_field(path: &str) -> String {
    let index = |text: &str| text.parse::<usize>().ok();
    let named = match path.split_once('.') {
        Some(("ages", grade)) => Some(format!("Âge de la retraite, {grade}")),
        Some(("modes", kind)) => AbsenceType::by_code(kind).map(|kind| format!("Décompte, {}", kind.label())),
        Some(("mandatory_documents", kind)) => {
            DocumentKind::by_code(kind).map(|kind| format!("Pièce obligatoire, {}", kind.label()))
        }
        Some(("weights", at)) => index(at)
            .and_then(|at| Criterion::ALL.get(at))
            .map(|criterion| format!("Coefficient, {}", criterion.label())),
        Some(("week", at)) => index(at)
            .and_then(|at| WEEK.get(at))
            .map(|day| format!("Travail le {}", format::weekday(*day))),
        _ => None,
    };
    named.unwrap_or_else(|| field_name(path).to_owned())
}

/// A value of a leaf of the settings as people read it.
pub(crate) fn setting_value(path: &str, value: &str) -> String {
    let said = match (path, value) {
        (_, "true") => Some("oui"),
        (_, "false") => Some("non"),
        ("mode", "end_of_year") => Some(RetirementMode::EndOfYear.label()),
        ("mode", "end_of_month") => Some(RetirementMode::EndOfMonth.label()),
        ("mode", "birthday") => Some(RetirementMode::Birthday.label()),
        _ if path.starts_with("modes.") => CountingMode::by_code(value).map(Label::label),
        _ => None,
    };
    said.unwrap_or(value).to_owned()
}

const WEEK: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

/// Browser and system of a client, as it names itself; empty when it says nothing we know.
pub(crate) fn device(user_agent: &str) -> String {
    let find = |known: &[(&str, &'static str)]| {
        known
            .iter()
            .find(|(mark, _)| user_agent.contains(mark))
            .map(|(_, name)| *name)
    };
    let browser = find(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("HeadlessChrome/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = find(&[
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} · {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_recognised() {
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
        assert_eq!(device(chrome), "Chrome · Windows");
        assert_eq!(device(&format!("{chrome} Edg/131.0.0.0")), "Edge · Windows");
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1";
        assert_eq!(device(phone), "Safari · iPhone");
        assert_eq!(device("curl/8.5.0"), "curl");
        assert_eq!(device("<script>alert(1)</script>"), "");
    }

    #[test]
    fn settings_are_said_in_french() {
        assert_eq!(setting_field("ages.A4"), "Âge de la retraite, A4");
        assert_eq!(setting_field("modes.mission"), "Décompte, Mission");
        assert_eq!(setting_field("week.6"), "Travail le dimanche");
        assert_eq!(setting_field("weights.0"), "Coefficient, Compétence technique");
        assert_eq!(setting_field("banner"), "Bandeau");
        assert_eq!(setting_value("mode", "birthday"), "Jour anniversaire");
        assert_eq!(setting_value("modes.mission", "worked"), "Jours ouvrés");
        assert_eq!(setting_value("week.6", "true"), "oui");
    }

    #[test]
    fn every_type_of_absence_has_letters_of_its_own() {
        let letters: std::collections::BTreeSet<_> = AbsenceType::ALL
            .iter()
            .map(|kind| absence_letters(*kind))
            .collect();
        assert_eq!(letters.len(), AbsenceType::ALL.len());
    }
}
