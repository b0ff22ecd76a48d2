//! French words of jobs, mails and tasks.

use mppeep_core::domain::mail::MailKind;
use mppeep_core::ports::job_queue::{JobState, Queue};

use super::Label;

impl Label for Queue {
    fn label(self) -> &'static str {
        match self {
            Self::Mail => "Courriels",
            Self::Payroll => "Salaires",
            Self::Files => "Lecture de fichiers",
        }
    }
}

impl Label for JobState {
    fn label(self) -> &'static str {
        match self {
            Self::Ready => "En attente",
            Self::Leased => "En cours",
            Self::Dead => "En échec",
        }
    }
}

impl Label for MailKind {
    fn label(self) -> &'static str {
        match self {
            Self::PasswordReset => "Mot de passe oublié",
            Self::Invitation => "Invitation",
            Self::Security => "Avertissement de sécurité",
            Self::Test => "Courriel d’essai",
        }
    }
}

/// What a task does, by its name; the name itself for one that is not known here.
pub(crate) fn task(name: &'static str) -> &'static str {
    match name {
        "sweep" => "Retirer ce qui a expiré",
        "forget_imports" => "Oublier les fichiers d’import inachevés",
        "dead_jobs" => "Rappeler les travaux en échec aux administrateurs",
        "orphan_files" => "Retirer les contenus que rien ne nomme plus",
        "retain_files" => "Supprimer les fichiers archivés dont le temps est passé",
        other => other,
    }
}

/// Why a job failed, by the reason that its queue keeps; none for a reason without words of its own here.
pub(crate) fn job_failure(reason: &str) -> Option<String> {
    let known = match reason {
        "the job cannot be read" => "Le travail est illisible.",
        "the job panicked" => "Le traitement s’est arrêté sur une erreur interne.",
        "the lease ended before the worker said what became of the job" => {
            "Le processus qui le traitait s’est arrêté sans répondre."
        }
        _ => return mail_failure(reason),
    };
    Some(known.to_owned())
}

/// Why a mail was not sent: what the server did, then where it stopped and with which answer.
fn mail_failure(reason: &str) -> Option<String> {
    const TEMPORARY: &str = "the mail server cannot take the mail now";
    const PERMANENT: &str = "the mail server refuses the mail";
    let (words, rest) = match reason.strip_prefix(TEMPORARY) {
        Some(rest) => (
            "Le serveur de courriel ne prend pas le message pour le moment",
            rest,
        ),
        None => (
            "Le serveur de courriel refuse le message",
            reason.strip_prefix(PERMANENT)?,
        ),
    };
    let Some((stage, what)) = rest.strip_prefix(": ").and_then(|rest| rest.split_once(": ")) else {
        return Some(format!("{words}."));
    };
    let stage = match stage {
        "connecting" => "connexion",
        "encrypting" => "chiffrement",
        "logging in" => "identification",
        "naming the sender" => "expéditeur",
        "naming the recipient" => "destinataire",
        "handing over the message" => "remise du message",
        other => other,
    };
    let what = match what.strip_prefix("the mail server answered ") {
        Some(code) => format!("réponse {code}"),
        None => match what {
            "the connection ended, or the answer is not one" => "connexion interrompue",
            "the encrypted connection failed" => "la connexion chiffrée a échoué",
            "the mail server lacks what this needs" => "le serveur ne sait pas le faire",
            "the connection failed" => "la connexion a échoué",
            "the mail server does not answer" | "no answer in time" => "pas de réponse",
            other => other,
        }
        .to_owned(),
    };
    Some(format!("{words} ({stage} : {what})."))
}

/// Said where a mail is asked for and this program writes none.
pub(crate) const NO_MAIL: &str = "L’envoi de courriels n’est pas disponible.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_mail_is_explained_in_french() {
        let say = |reason| job_failure(reason).unwrap();
        assert_eq!(
            say("the mail server refuses the mail: naming the recipient: the mail server answered 550"),
            "Le serveur de courriel refuse le message (destinataire : réponse 550)."
        );
        assert_eq!(
            say("the mail server cannot take the mail now: connecting: the connection failed"),
            "Le serveur de courriel ne prend pas le message pour le moment (connexion : la connexion a échoué)."
        );
        assert_eq!(
            say("the mail server refuses the mail"),
            "Le serveur de courriel refuse le message."
        );
        assert_eq!(job_failure("something else"), None);
    }
}
