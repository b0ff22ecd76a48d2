//! French words of jobs, mails and tasks.

use mppeep_core::domain::mail::MailKind;
use mppeep_core::ports::job_queue::{JobState, Queue};

use super::Label;

impl Label for Queue {
    fn label(self) -> &'static str {
        match self {
            Self::Mail => "Courriels",
            Self::Payroll => "Salaires",
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
        other => other,
    }
}

/// Why a job failed, by the reason that its queue keeps; none for a reason without words of its own here.
pub(crate) fn job_failure(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "the mail server cannot take the mail now" => {
            "Le serveur de courriel ne prend pas le message pour le moment."
        }
        "the mail server refuses the mail" => "Le serveur de courriel refuse le message.",
        "the job cannot be read" => "Le travail est illisible.",
        "the job panicked" => "Le traitement s’est arrêté sur une erreur interne.",
        "the lease ended before the worker said what became of the job" => {
            "Le processus qui le traitait s’est arrêté sans répondre."
        }
        _ => return None,
    })
}

/// Said where a mail is asked for and this program writes none.
pub(crate) const NO_MAIL: &str = "L’envoi de courriels n’est pas disponible.";
