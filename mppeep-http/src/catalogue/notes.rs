//! Messages shown after something was done, by the code that the address of the next page carries (`?note=…`).

use crate::pages::ui::Tone;

/// The message of a code; `None` for a code that is not ours.
#[must_use]
pub(crate) fn note(code: &str) -> Option<(Tone, &'static str)> {
    let text = match code {
        "agent-created" => "La fiche a été créée.",
        "agent-updated" => "Les modifications sont enregistrées.",
        "agent-unchanged" => return Some((Tone::Info, "Aucune modification à enregistrer.")),
        "agent-archived" => "Le départ est enregistré ; la fiche est archivée.",
        "agent-restored" => "La fiche est de nouveau active.",
        "unit-created" => "L’unité a été créée.",
        "unit-updated" => "L’unité a été modifiée.",
        "unit-deleted" => "L’unité a été supprimée.",
        "absence-created" => "L’absence est enregistrée.",
        "absence-updated" => "L’absence a été modifiée.",
        "absence-cancelled" => "L’absence a été annulée.",
        "holiday-saved" => "Le jour férié est enregistré.",
        "holiday-deleted" => "Le jour férié a été supprimé.",
        "evaluation-created" => "L’évaluation est enregistrée.",
        "evaluation-updated" => "L’évaluation a été modifiée.",
        "evaluation-submitted" => "L’évaluation a été transmise à l’agent.",
        "evaluation-validated" => "L’évaluation est validée.",
        "evaluation-contested" => "La contestation est enregistrée.",
        "evaluation-observed" => "Vos observations sont enregistrées.",
        "salary-started" => "Le calcul du mois est lancé.",
        "salary-waiting" => return Some((Tone::Info, "Ce mois est déjà en cours de calcul.")),
        "salary-nobody" => {
            return Some((
                Tone::Info,
                "Aucun agent à payer ce mois-là : les indices ne sont pas renseignés.",
            ));
        }
        "slip-computed" => "Le bulletin est calculé.",
        "slip-validated" => "Le bulletin est validé.",
        "document-deposited" => "Le document est déposé.",
        "document-replaced" => "La nouvelle version est enregistrée.",
        "document-updated" => "Le document a été corrigé.",
        "document-validated" => "Le document est validé.",
        "document-rejected" => "Le document est rejeté ; la personne concernée est avertie.",
        "document-removed" => "Le document a été supprimé.",
        "file-received" => "Le fichier est reçu ; sa lecture commence.",
        "file-again" => "Le fichier va être relu.",
        "file-archived" => "Le fichier est archivé.",
        "file-removed" => "Le fichier a été supprimé.",
        "photo-saved" => "La photographie est enregistrée.",
        "photo-removed" => "La photographie a été retirée.",
        "import-done" => "L’import est terminé.",
        "user-created" => "Le compte a été créé.",
        "user-invited" => {
            "L’invitation est partie : le compte attend que la personne choisisse son mot de passe."
        }
        "user-updated" => "Le compte a été modifié.",
        "user-disabled" => "Le compte a été désactivé.",
        "user-enabled" => "Le compte a été réactivé.",
        "password-chosen" => "Votre mot de passe est enregistré. Vous pouvez vous connecter.",
        "jobs-revived" => "Les travaux sont relancés.",
        "jobs-discarded" => "Les travaux sont supprimés.",
        "jobs-none" => return Some((Tone::Info, "Aucun travail n’a été choisi.")),
        "jobs-unchanged" => return Some((Tone::Info, "Aucun de ces travaux n’était en échec.")),
        "test-mail-queued" => "Un courriel d’essai à votre adresse attend son envoi.",
        "password-changed" => "Le mot de passe a été changé.",
        "session-ended" => "La session a été fermée.",
        "sessions-ended" => "Les sessions ont été fermées.",
        "user-password-reset" => "Le mot de passe a été remplacé.",
        "charter-accepted" => "Merci d’avoir accepté la charte.",
        "notices-read" => "Les avis sont marqués comme lus.",
        "columns-saved" => "Les colonnes sont enregistrées.",
        "theme-saved" => "Votre préférence est enregistrée.",
        "settings-unchanged" => return Some((Tone::Info, "Aucune modification à enregistrer.")),
        "settings-saved" => "Les paramètres sont enregistrés et appliqués.",
        "logged-out" => return Some((Tone::Info, "Vous êtes déconnecté.")),
        _ => return None,
    };
    Some((Tone::Success, text))
}
