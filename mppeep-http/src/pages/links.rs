//! Addresses of the list of agents behind a number, so that number and list never differ.

use jiff::Span;
use jiff::civil::Date;
use mppeep_core::domain::organisation::UnitRef;
use mppeep_core::domain::permission::{Action, Actor, Resource};

use super::ui::Query;
use crate::urls::Urls;

/// Makes links to the list from figures of some files.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    path: String,
    base: Query,
    /// Whether the reader finds in the list, filtered by career, the files that were counted.
    careers: bool,
    /// The same for a filter by absence.
    absences: bool,
}

/// Whether what `actor` reads of `resource` holds every file his statistics count.
fn covers(actor: &Actor, resource: Resource) -> bool {
    let counted = actor.scope(Resource::Statistics, Action::Read);
    let listed = actor.scope(resource, Action::Read);
    listed.everything || (!counted.everything && counted.departments.is_subset(&listed.departments))
}

impl Links {
    /// Links from figures of a unit, or of all files.
    pub(crate) fn new(urls: &Urls, actor: &Actor, unit: Option<UnitRef>) -> Self {
        let base = match unit {
            Some(unit) => Query::new().and(unit.level(), unit.as_uuid().to_string()),
            None => Query::new(),
        };
        Self {
            path: urls.path("/personnel"),
            base,
            careers: covers(actor, Resource::Career),
            absences: covers(actor, Resource::Absence),
        }
    }

    /// The list with one filter of careers more.
    pub(crate) fn career(&self, name: &str, value: impl Into<String>) -> Option<String> {
        self.careers
            .then(|| self.base.clone().and(name, value).url(&self.path))
    }

    /// The list with several filters of careers more.
    pub(crate) fn careers(&self, pairs: &[(&str, String)]) -> Option<String> {
        let query = pairs.iter().fold(self.base.clone(), |query, (name, value)| {
            query.and(name, value.clone())
        });
        self.careers.then(|| query.url(&self.path))
    }

    /// All files that are counted. Somebody with a narrow scope finds more in the directory than he counts, unless
    /// a filter of careers narrows the list to the same files.
    pub(crate) fn all(&self, actor: &Actor) -> Option<String> {
        actor
            .may_all(Resource::Statistics, Action::Read)
            .then(|| self.base.url(&self.path))
            .filter(|_| actor.may_all(Resource::Directory, Action::Read))
    }

    /// Files of another unit. The directory shows a unit whole, so somebody who counts only some departments gets a
    /// link from those departments alone.
    pub(crate) fn unit(&self, unit: UnitRef, actor: &Actor) -> Option<String> {
        let counted = actor.scope(Resource::Statistics, Action::Read);
        let whole = match unit {
            UnitRef::Department(id) => counted.departments.contains(&id),
            UnitRef::Programme(_) | UnitRef::Directorate(_) => false,
        };
        let query = Query::new().and(unit.level(), unit.as_uuid().to_string());
        (counted.everything || whole).then(|| query.url(&self.path))
    }

    /// Files without a department.
    pub(crate) fn unassigned(&self, actor: &Actor) -> Option<String> {
        let everything = actor.may_all(Resource::Statistics, Action::Read);
        everything.then(|| Query::new().and("department", "none").url(&self.path))
    }

    /// Files of agents absent on a day.
    pub(crate) fn absent_on(&self, day: Date) -> Option<String> {
        self.absences.then(|| {
            self.base
                .clone()
                .and("absent_on", day.to_string())
                .url(&self.path)
        })
    }

    /// Files of agents who retire from a day to so many months later.
    pub(crate) fn retiring(&self, from: Date, months: i32) -> Option<String> {
        let to = from.saturating_add(Span::new().months(months));
        self.careers(&[("retires_from", from.to_string()), ("retires_to", to.to_string())])
    }
}

#[cfg(test)]
mod tests {
    use mppeep_core::domain::user::Role;

    use super::*;

    fn links(role: Role) -> (Links, Actor) {
        let actor = Actor {
            roles: [role].into(),
            ..Actor::operator("test")
        };
        (Links::new(&Urls::new("/mppeep"), &actor, None), actor)
    }

    #[test]
    fn only_a_list_of_the_same_files_is_linked() {
        let (sdrh, actor) = links(Role::Sdrh);
        assert_eq!(sdrh.all(&actor).as_deref(), Some("/mppeep/personnel"));
        assert_eq!(
            sdrh.career("grade", "A4").as_deref(),
            Some("/mppeep/personnel?grade=A4")
        );
        assert!(sdrh.absent_on(jiff::civil::date(2026, 11, 22)).is_some());
        let (admin, _) = links(Role::Admin);
        assert!(admin.career("grade", "A4").is_some());
        assert_eq!(admin.absent_on(jiff::civil::date(2026, 11, 22)), None);
    }

    #[test]
    fn retirements_are_counted_from_day_to_day() {
        let (sdrh, _) = links(Role::Sdrh);
        assert_eq!(
            sdrh.retiring(jiff::civil::date(2026, 8, 31), 6).as_deref(),
            Some("/mppeep/personnel?retires_from=2026-08-31&retires_to=2027-02-28")
        );
    }
}
