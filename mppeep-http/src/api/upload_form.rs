//! What the forms that carry a file have in common: their fields are read as strictly as members of JSON.

use super::answers::wrong;
use crate::extract::{FilePart, FormFields};
use crate::problem::Problem;

/// The fields of a form: names that are not known are refused, as in JSON.
pub(super) fn known_fields(fields: &FormFields, known: &[&str]) -> Result<(), Problem> {
    for (name, _) in fields.iter() {
        if !known.contains(&name) {
            return Err(wrong(name, "unknown-field", "Ce champ est inconnu."));
        }
    }
    for name in known {
        fields.single(name)?;
    }
    Ok(())
}

/// The file of a form, which must be there.
pub(super) fn needed(file: Option<FilePart>) -> Result<FilePart, Problem> {
    file.ok_or_else(|| wrong("file", "required", "Un fichier est nécessaire."))
}

/// A flag of a form.
pub(super) fn flag(fields: &FormFields, name: &str) -> Result<bool, Problem> {
    match fields.single(name)? {
        "" | "false" | "0" => Ok(false),
        "true" | "1" => Ok(true),
        _ => Err(wrong(name, "type", "Cette valeur n’est pas du type attendu.")),
    }
}

/// The number of a version in a form.
pub(super) fn version_in(fields: &FormFields) -> Result<Option<i64>, Problem> {
    match fields.single("version")? {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| wrong("version", "type", "Cette valeur n’est pas du type attendu.")),
    }
}
