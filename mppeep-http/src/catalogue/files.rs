//! Words of documents, files and photographs.

use jiff::civil::Date;
use mppeep_core::domain::document::{Document, DocumentState, Expiry};
use mppeep_core::domain::shared_file::{SharedFileKind, SharedFileStatus};
use mppeep_core::domain::stored_file::FileType;

use super::format;
use super::labels::Label;
use crate::pages::ui::{Badge, Tone};

/// A space that does not break.
const SPACE: char = '\u{a0}';

impl Label for DocumentState {
    fn label(self) -> &'static str {
        match self {
            Self::ToCheck => "À vérifier",
            Self::Validated => "Validé",
            Self::Rejected => "Rejeté",
        }
    }
}

impl Label for SharedFileKind {
    fn label(self) -> &'static str {
        match self {
            Self::SummarySheet => "Fiche synthétique",
            Self::BudgetData => "Données budgétaires",
            Self::PersonnelSheet => "Fiche personnel",
            Self::ActivityReport => "Rapport d’activité",
            Self::BeneficiaryList => "Liste des bénéficiaires",
            Self::Indicators => "Indicateurs",
            Self::Other => "Autre",
        }
    }
}

impl Label for SharedFileStatus {
    fn label(self) -> &'static str {
        match self {
            Self::Uploaded => "En attente de lecture",
            Self::Processing => "En traitement",
            Self::Processed => "Traité",
            Self::Failed => "Erreur",
            Self::Archived => "Archivé",
        }
    }
}

impl Label for FileType {
    fn label(self) -> &'static str {
        match self {
            Self::Pdf => "PDF",
            Self::Png => "Image PNG",
            Self::Jpeg => "Image JPEG",
            Self::Webp => "Image WebP",
            Self::Docx => "Texte Word",
            Self::Xlsx => "Classeur Excel",
            Self::Odt => "Texte OpenDocument",
            Self::Ods => "Classeur OpenDocument",
            Self::Csv => "Table CSV",
            Self::Txt => "Texte",
        }
    }
}

/// The badge of a document's state.
#[must_use]
pub(crate) fn document_badge(state: DocumentState) -> Badge {
    let tone = match state {
        DocumentState::ToCheck => Tone::Warning,
        DocumentState::Validated => Tone::Success,
        DocumentState::Rejected => Tone::Danger,
    };
    Badge::new(state.label(), tone)
}

/// The badge of a document's last day; none where it has none.
#[must_use]
pub(crate) fn expiry_badge(document: &Document, today: Date, notice_days: u16) -> Option<Badge> {
    let last = format::date(document.fields.expires_on?);
    Some(match document.expiry(today, notice_days) {
        Expiry::Over => Badge::new(format!("Expiré le {last}"), Tone::Danger),
        Expiry::Soon => Badge::new(format!("Expire le {last}"), Tone::Warning),
        Expiry::Far | Expiry::None => Badge::new(format!("Jusqu’au {last}"), Tone::Neutral),
    })
}

/// The badge of a file's state.
#[must_use]
pub(crate) fn file_badge(status: SharedFileStatus) -> Badge {
    let tone = match status {
        SharedFileStatus::Uploaded | SharedFileStatus::Processing => Tone::Info,
        SharedFileStatus::Processed => Tone::Success,
        SharedFileStatus::Failed => Tone::Danger,
        SharedFileStatus::Archived => Tone::Neutral,
    };
    Badge::new(status.label(), tone)
}

/// A number of bytes as « 1,5 Mo ».
#[must_use]
pub(crate) fn size(bytes: u64) -> String {
    let units = [("Go", 1_u64 << 30), ("Mo", 1 << 20), ("Ko", 1 << 10)];
    let fitting = units.into_iter().find(|(_, unit)| bytes >= *unit);
    let Some((name, unit)) = fitting else {
        return format!("{}{SPACE}{}", bytes, format::agree(bytes, "octet", "octets"));
    };
    let tenths = (u128::from(bytes) * 10 + u128::from(unit / 2)) / u128::from(unit);
    let tenths = u64::try_from(tenths).unwrap_or(u64::MAX);
    let whole = format::number(tenths / 10);
    if tenths >= 100 || tenths.is_multiple_of(10) {
        format!("{whole}{SPACE}{name}")
    } else {
        format!("{whole},{}{SPACE}{name}", tenths % 10)
    }
}

/// Ends of names as « .pdf, .png ».
#[must_use]
pub(crate) fn extensions(types: &[FileType]) -> String {
    let dotted: Vec<String> = types
        .iter()
        .flat_map(|kind| kind.extensions())
        .map(|extension| format!(".{extension}"))
        .collect();
    dotted.join(", ")
}

/// Why nothing is done with a document or file in its state, by the code of the refusal; none for a code of something
/// else.
#[must_use]
pub(crate) fn file_refusal(code: &str) -> Option<&'static str> {
    Some(match code {
        "content-missing" => {
            "Le contenu de ce fichier est introuvable sur le serveur. Prévenez l’administrateur ; il est peut-être \
             dans une sauvegarde."
        }
        "document-validated" => "Ce document est validé : il ne change plus.",
        "own-document" => {
            "Un document est vérifié par une autre personne que celle qui l’a déposé ou qu’il concerne."
        }
        "being-read" => "Ce fichier est déjà en cours de lecture.",
        "unreadable-table" => "Ce fichier ne peut pas être lu comme une table.",
        "archived" => "Ce fichier est archivé.",
        "upload-ended" => "Ce dépôt est terminé.",
        _ => return None,
    })
}

/// Said where there is no room for a file.
pub(crate) const STORAGE_FULL: &str =
    "Il n’y a plus de place sur le serveur. Rien n’a été gardé ; prévenez l’administrateur.";

/// Said where the room that the settings give is taken.
pub(crate) const QUOTA_REACHED: &str = "L’espace réservé aux fichiers est plein. Rien n’a été gardé ; supprimez des \
     fichiers ou demandez à l’administrateur d’agrandir l’espace.";

/// Said of a file that is too large.
#[must_use]
pub(crate) fn too_large(limit_bytes: u64) -> String {
    format!(
        "Le fichier dépasse la taille acceptée : {} au plus.",
        size(limit_bytes)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_at_a_glance() {
        for (bytes, text) in [
            (0, "0\u{a0}octet"),
            (1, "1\u{a0}octet"),
            (1023, "1023\u{a0}octets"),
            (1024, "1\u{a0}Ko"),
            (1536, "1,5\u{a0}Ko"),
            (10 * 1024 * 1024, "10\u{a0}Mo"),
            (12_900_000, "12\u{a0}Mo"),
            (20 << 30, "20\u{a0}Go"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn types_are_named_by_their_ends() {
        assert_eq!(extensions(&[FileType::Pdf, FileType::Jpeg]), ".pdf, .jpg, .jpeg");
    }
}
