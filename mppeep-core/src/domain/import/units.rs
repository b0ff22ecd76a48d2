//! Departments by the names and codes that people write.

use std::collections::HashMap;

use super::findings::Problem;
use super::words::normal;
use crate::domain::id::{DepartmentId, DirectorateId};
use crate::domain::organisation::Organisation;
use crate::domain::text::{fold, nearest};

/// Suggestions for an unknown name.
const SUGGESTIONS: usize = 3;

/// Units by folded code and name.
pub(super) struct UnitIndex<'a> {
    organisation: &'a Organisation,
    codes: HashMap<String, DepartmentId>,
    names: HashMap<String, Vec<DepartmentId>>,
    loose: HashMap<String, Vec<DepartmentId>>,
    directorates: HashMap<String, Vec<DirectorateId>>,
}

impl<'a> UnitIndex<'a> {
    pub(super) fn new(organisation: &'a Organisation) -> Self {
        let mut index = Self {
            organisation,
            codes: HashMap::new(),
            names: HashMap::new(),
            loose: HashMap::new(),
            directorates: HashMap::new(),
        };
        for department in &organisation.departments {
            let fields = &department.fields;
            index.codes.insert(fold(&fields.code), department.id);
            index
                .names
                .entry(fold(&fields.name))
                .or_default()
                .push(department.id);
            let loose = [normal(&fields.code), normal(&fields.name)];
            for key in loose.into_iter().filter(|key| !key.is_empty()) {
                let ids = index.loose.entry(key).or_default();
                if !ids.contains(&department.id) {
                    ids.push(department.id);
                }
            }
        }
        for directorate in &organisation.directorates {
            for key in [normal(&directorate.fields.code), normal(&directorate.fields.name)] {
                let ids = index.directorates.entry(key).or_default();
                if !ids.contains(&directorate.id) {
                    ids.push(directorate.id);
                }
            }
        }
        index
    }

    /// The directorate of a name or code.
    pub(super) fn directorate(&self, given: &str) -> Result<DirectorateId, Problem> {
        match self.directorates.get(&normal(given)).map(Vec::as_slice) {
            Some([only]) => Ok(*only),
            _ => Err(Problem::UnknownDirectorate {
                nearest: nearest(
                    given,
                    self.organisation
                        .directorates
                        .iter()
                        .map(|unit| unit.fields.name.as_str()),
                    SUGGESTIONS,
                ),
            }),
        }
    }

    /// The department of a code or name; `within` chooses among several of one name.
    pub(super) fn department(
        &self,
        given: &str,
        within: Option<DirectorateId>,
    ) -> Result<DepartmentId, Problem> {
        let folded = fold(given);
        if let Some(id) = self.codes.get(&folded) {
            return Ok(*id);
        }
        let found = self.names.get(&folded).or_else(|| self.loose.get(&normal(given)));
        let Some(found) = found else {
            return Err(Problem::UnknownDepartment {
                nearest: self.suggestions(given),
            });
        };
        match found.as_slice() {
            [only] => Ok(*only),
            several => {
                let mut inside = several
                    .iter()
                    .filter(|id| within.is_some() && self.directorate_of(**id) == within);
                match (inside.next(), inside.next()) {
                    (Some(id), None) => Ok(*id),
                    _ => Err(Problem::AmbiguousDepartment {
                        candidates: self.candidates(several),
                    }),
                }
            }
        }
    }

    /// The directorate of a department.
    pub(super) fn directorate_of(&self, id: DepartmentId) -> Option<DirectorateId> {
        self.organisation.department(id).map(|unit| unit.directorate)
    }

    /// Name of a directorate.
    pub(super) fn directorate_name(&self, id: DirectorateId) -> String {
        self.organisation
            .directorate(id)
            .map(|unit| unit.fields.name.clone())
            .unwrap_or_default()
    }

    /// Whether agents may be assigned to it.
    pub(super) fn is_open(&self, id: DepartmentId) -> bool {
        self.organisation
            .lineage(id)
            .is_some_and(|(department, directorate, programme)| {
                department.fields.active && directorate.fields.active && programme.fields.active
            })
    }

    /// A text that [`UnitIndex::department`] reads back: the name, or the code where the name is not enough.
    pub(super) fn text_of(&self, id: DepartmentId) -> Option<String> {
        let fields = &self.organisation.department(id)?.fields;
        [&fields.name, &fields.code]
            .into_iter()
            .find(|text| self.department(text, None) == Ok(id))
            .cloned()
    }

    fn suggestions(&self, given: &str) -> Vec<String> {
        nearest(
            given,
            self.organisation
                .departments
                .iter()
                .map(|unit| unit.fields.name.as_str()),
            SUGGESTIONS,
        )
    }

    fn candidates(&self, ids: &[DepartmentId]) -> Vec<String> {
        ids.iter()
            .filter_map(|id| self.organisation.lineage(*id))
            .map(|(department, directorate, _)| {
                format!("{} ({})", department.fields.code, directorate.fields.name)
            })
            .take(6)
            .collect()
    }
}
