//! Headers to what their columns hold.

use std::collections::{BTreeSet, HashMap};

use super::columns::Target;
use super::words::{normal, synonyms};
use crate::domain::personnel::PersonnelField;
use crate::domain::text::edit_distance;

/// Every known name of a column.
pub(super) struct Names {
    exact: HashMap<String, Target>,
}

impl Names {
    pub(super) fn new() -> Self {
        let mut exact = HashMap::new();
        for target in Target::all() {
            exact.insert(normal(target.label()), target);
            exact.insert(normal(target.code()), target);
            for synonym in synonyms(target) {
                exact.insert((*synonym).to_owned(), target);
            }
        }
        // The code of the department's field is `department_id`; its plain name is as good.
        exact.insert("department".to_owned(), Target::Field(PersonnelField::Department));
        Self { exact }
    }

    /// The target of a header, and whether its name is exact.
    pub(super) fn recognise(&self, header: &str) -> Option<(Target, bool)> {
        if header.is_empty() || header.chars().count() > 80 {
            return None;
        }
        let whole = normal(header);
        let bare = normal(&without_brackets(header));
        for name in [
            whole.as_str(),
            bare.as_str(),
            without_number_sign(&whole),
            without_number_sign(&bare),
        ] {
            if let Some(target) = self.exact.get(name) {
                return Some((*target, true));
            }
        }
        self.nearest(&bare).map(|target| (target, false))
    }

    /// The one target whose name is a slip of the finger away.
    fn nearest(&self, name: &str) -> Option<Target> {
        let length = name.chars().count();
        let allowed = match length {
            0..=5 => return None,
            6..=11 => 1,
            _ => 2,
        };
        let near: BTreeSet<Target> = self
            .exact
            .iter()
            .filter(|(known, _)| known.chars().count().abs_diff(length) <= allowed)
            .filter(|(known, _)| edit_distance(known, name) <= allowed)
            .map(|(_, target)| *target)
            .collect();
        if near.len() == 1 {
            near.into_iter().next()
        } else {
            None
        }
    }
}

fn without_brackets(header: &str) -> String {
    let mut depth = 0_usize;
    let mut kept = String::new();
    for character in header.chars() {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            other if depth == 0 => kept.push(other),
            _ => {}
        }
    }
    kept
}

/// `n matricule`, `numero de cni` → `matricule`, `cni`.
fn without_number_sign(name: &str) -> &str {
    let rest = ["numero ", "num ", "no ", "nr ", "n "]
        .iter()
        .find_map(|sign| name.strip_prefix(sign))
        .unwrap_or(name);
    ["de la ", "du ", "de ", "d "]
        .iter()
        .find_map(|word| rest.strip_prefix(word))
        .filter(|_| rest != name)
        .unwrap_or(rest)
}
