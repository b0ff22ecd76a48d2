//! What a list of agents is asked for, as its address says it: filters, order, page. The dashboard writes the same
//! addresses, so that a number and the list behind it never differ.

use jiff::Span;
use jiff::civil::Date;
use mppeep_core::domain::codes::{AdministrativePosition, AgentStatus, Sex};
use mppeep_core::domain::grade::{Grade, GradeCategory};
use mppeep_core::domain::organisation::{Organisation, UnitRef};
use mppeep_core::domain::parse::civil_date;
use mppeep_core::domain::text;
use mppeep_core::ports::page::{Cursor, PageRequest, PageStart};
use mppeep_core::ports::personnel::{ArchiveFilter, PersonnelFilter, PersonnelSort};
use serde::Deserialize;

use crate::catalogue::{self, Label};
use crate::pages::ui::{Chip, Chips, Query};

/// Page sizes on offer.
pub(crate) const SIZES: [u32; 3] = [25, 50, 100];

/// The query of the list, as text. What cannot be read is left out, and shown nowhere as a filter.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ListParams {
    pub(crate) q: Option<String>,
    pub(crate) programme: Option<String>,
    pub(crate) directorate: Option<String>,
    pub(crate) department: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) grade: Option<String>,
    pub(crate) position: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) sex: Option<String>,
    pub(crate) age_from: Option<String>,
    pub(crate) age_to: Option<String>,
    pub(crate) born_from: Option<String>,
    pub(crate) born_to: Option<String>,
    pub(crate) seniority_from: Option<String>,
    pub(crate) seniority_to: Option<String>,
    pub(crate) since_from: Option<String>,
    pub(crate) since_to: Option<String>,
    pub(crate) retires_from: Option<String>,
    pub(crate) retires_to: Option<String>,
    pub(crate) absent_on: Option<String>,
    pub(crate) without_account: Option<String>,
    pub(crate) incomplete: Option<String>,
    pub(crate) archive: Option<String>,
    pub(crate) sort: Option<String>,
    pub(crate) size: Option<String>,
    pub(crate) cursor: Option<String>,
    pub(crate) start: Option<String>,
    pub(crate) note: Option<String>,
    pub(crate) format: Option<String>,
    pub(crate) all_fields: Option<String>,
    pub(crate) columns_set: Option<String>,
    pub(crate) cols: Vec<String>,
}

/// Which filters a reader may use: those on career data only where he reads careers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowed {
    pub(crate) career: bool,
    pub(crate) private: bool,
    pub(crate) absences: bool,
    pub(crate) evaluations: bool,
    pub(crate) accounts: bool,
}

/// What the list is asked for, understood.
#[derive(Debug, Clone)]
pub(crate) struct ListRequest {
    pub(crate) filter: PersonnelFilter,
    pub(crate) sort: PersonnelSort,
    pub(crate) descending: bool,
    pub(crate) size: u32,
    /// Number of the first row, from 0; a cursor carries it along.
    pub(crate) start: u32,
    cursor: Option<Cursor>,
    /// The filters as an address has them.
    pub(crate) query: Query,
}

fn whole(text: Option<&String>, max: i16) -> Option<i16> {
    text?
        .trim()
        .parse()
        .ok()
        .filter(|number| (0..=max).contains(number))
}

fn day(text: Option<&String>) -> Option<Date> {
    civil_date(text?.trim()).ok()
}

/// The first and the last birthday of those who are `from` to `to` years old on `on`.
pub(crate) fn born_between(on: Date, from: Option<i16>, to: Option<i16>) -> (Option<Date>, Option<Date>) {
    let latest = from.map(|age| on.saturating_sub(Span::new().years(age)));
    let earliest = to.map(|age| {
        let a_year_too_old = on.saturating_sub(Span::new().years(age + 1));
        a_year_too_old.saturating_add(Span::new().days(1))
    });
    (earliest, latest)
}

impl ListParams {
    /// Understands the query; what the reader may not filter by is left out.
    pub(crate) fn understand(&self, today: Date, units: &Organisation, allowed: Allowed) -> ListRequest {
        let mut filter = PersonnelFilter::default();
        let mut query = Query::new();
        let keep = |query: &mut Query, name: &str, text: Option<&String>| {
            *query =
                std::mem::take(query).and(name, text.map(|text| text.trim().to_owned()).unwrap_or_default());
        };
        if let Some(search) = self.q.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            filter.words = text::search_words(search);
            filter.search_private = allowed.private;
            keep(&mut query, "q", self.q.as_ref());
        }
        self.understand_unit(units, &mut filter, &mut query);
        if allowed.career {
            self.understand_career(today, &mut filter, &mut query);
        }
        if allowed.absences
            && let Some(absent) = day(self.absent_on.as_ref())
        {
            filter.absent_on = Some(absent);
            query = query.and("absent_on", absent.to_string());
        }
        if allowed.accounts && self.without_account.is_some() {
            filter.without_account = true;
            query = query.and("without_account", "1");
        }
        if allowed.career && self.incomplete.is_some() {
            filter.incomplete = true;
            query = query.and("incomplete", "1");
        }
        if allowed.career {
            filter.archive = match self.archive.as_deref() {
                Some("archived") => ArchiveFilter::Archived,
                Some("both") => ArchiveFilter::Both,
                _ => ArchiveFilter::Current,
            };
            if filter.archive != ArchiveFilter::Current {
                keep(&mut query, "archive", self.archive.as_ref());
            }
        }
        let (sort, descending) = self.order(allowed);
        let size = whole(self.size.as_ref(), 100)
            .and_then(|size| u32::try_from(size).ok())
            .filter(|size| SIZES.contains(size))
            .unwrap_or(SIZES[0]);
        let start = self
            .start
            .as_deref()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let cursor = self.cursor.as_deref().and_then(Cursor::decode);
        ListRequest {
            filter,
            sort,
            descending,
            size,
            start,
            cursor,
            query,
        }
    }

    fn understand_unit(&self, units: &Organisation, filter: &mut PersonnelFilter, query: &mut Query) {
        if self.department.as_deref() == Some("none") {
            filter.unassigned = true;
            *query = std::mem::take(query).and("department", "none");
            return;
        }
        let named = [
            ("programme", &self.programme),
            ("directorate", &self.directorate),
            ("department", &self.department),
        ];
        for (level, id) in named {
            let unit = id
                .as_deref()
                .and_then(|id| UnitRef::parse(&format!("{level}:{id}")));
            if let Some(unit) = unit.filter(|unit| units.unit(*unit).is_some()) {
                // A directorate of another programme than the one chosen above it is a leftover of an old choice.
                let below = filter.unit.is_none_or(|above| {
                    let above = units.departments_of(above);
                    let here = units.departments_of(unit);
                    here.is_empty() || here.iter().any(|department| above.contains(department))
                });
                if below {
                    filter.unit = Some(unit);
                    *query = std::mem::take(query).and(level, unit.as_uuid().to_string());
                }
            }
        }
    }

    fn understand_career(&self, today: Date, filter: &mut PersonnelFilter, query: &mut Query) {
        let mut kept = std::mem::take(query);
        filter.category = self.category.as_deref().and_then(GradeCategory::by_code);
        kept = kept.and(
            "category",
            filter.category.map(GradeCategory::code).unwrap_or_default(),
        );
        if self.grade.as_deref() == Some("none") {
            filter.without_grade = true;
            kept = kept.and("grade", "none");
        } else {
            filter.grade = self.grade.as_deref().and_then(|text| text.parse::<Grade>().ok());
            kept = kept.and(
                "grade",
                filter.grade.map(|grade| grade.to_string()).unwrap_or_default(),
            );
        }
        filter.position = self.position.as_deref().and_then(AdministrativePosition::by_code);
        kept = kept.and(
            "position",
            filter
                .position
                .map(AdministrativePosition::code)
                .unwrap_or_default(),
        );
        filter.status = self.status.as_deref().and_then(AgentStatus::by_code);
        kept = kept.and("status", filter.status.map(AgentStatus::code).unwrap_or_default());
        filter.sex = self.sex.as_deref().and_then(Sex::by_code);
        kept = kept.and("sex", filter.sex.map(Sex::code).unwrap_or_default());

        let (age_from, age_to) = (
            whole(self.age_from.as_ref(), 120),
            whole(self.age_to.as_ref(), 120),
        );
        let (earliest, latest) = born_between(today, age_from, age_to);
        filter.born_from = day(self.born_from.as_ref()).max(earliest);
        filter.born_to = least(day(self.born_to.as_ref()), latest);
        for (name, age) in [("age_from", age_from), ("age_to", age_to)] {
            kept = kept.and(name, age.map(|age| age.to_string()).unwrap_or_default());
        }
        let (served_from, served_to) = (
            whole(self.seniority_from.as_ref(), 70),
            whole(self.seniority_to.as_ref(), 70),
        );
        let (earliest, latest) = born_between(today, served_from, served_to);
        filter.in_service_from = day(self.since_from.as_ref()).max(earliest);
        filter.in_service_to = least(day(self.since_to.as_ref()), latest);
        for (name, years) in [("seniority_from", served_from), ("seniority_to", served_to)] {
            kept = kept.and(name, years.map(|years| years.to_string()).unwrap_or_default());
        }
        filter.retires_from = day(self.retires_from.as_ref());
        filter.retires_to = day(self.retires_to.as_ref());
        for (name, text) in [
            ("born_from", &self.born_from),
            ("born_to", &self.born_to),
            ("since_from", &self.since_from),
            ("since_to", &self.since_to),
            ("retires_from", &self.retires_from),
            ("retires_to", &self.retires_to),
        ] {
            kept = kept.and(
                name,
                day(text.as_ref())
                    .map(|date| date.to_string())
                    .unwrap_or_default(),
            );
        }
        *query = kept;
    }

    fn order(&self, allowed: Allowed) -> (PersonnelSort, bool) {
        let text = self.sort.as_deref().unwrap_or("name");
        let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        let by_career = |sort: &PersonnelSort| {
            use PersonnelSort as S;
            matches!(
                sort,
                S::Grade | S::Position | S::Seniority | S::Retirement | S::Absences | S::Score
            )
        };
        PersonnelSort::by_code(name)
            .filter(|sort| allowed.career || !by_career(sort))
            .map_or((PersonnelSort::Name, false), |sort| (sort, descending))
    }
}

/// The earlier of two dates, where one is known.
fn least(a: Option<Date>, b: Option<Date>) -> Option<Date> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl ListRequest {
    /// The page asked for.
    pub(crate) fn page(&self) -> PageRequest {
        let start = match (&self.cursor, self.start) {
            (Some(cursor), _) => PageStart::After(cursor.clone()),
            (None, 0) => PageStart::First,
            (None, start) => PageStart::Offset(start),
        };
        PageRequest {
            limit: self.size,
            start,
        }
    }

    /// Filters and order, without the place in the list.
    pub(crate) fn whole_query(&self) -> Query {
        let mut query = self.query.clone();
        if (self.sort, self.descending) != (PersonnelSort::Name, false) {
            query = query.and("sort", self.sort_text(self.sort, self.descending));
        }
        if self.size != SIZES[0] {
            query = query.and("size", self.size.to_string());
        }
        query
    }

    fn sort_text(&self, sort: PersonnelSort, descending: bool) -> String {
        format!("{}{}", if descending { "-" } else { "" }, sort.code())
    }

    /// The same list sorted by a column: the other way round when it already is.
    pub(crate) fn sorted_by(&self, sort: PersonnelSort) -> Query {
        let descending = self.sort == sort && !self.descending;
        self.whole_query().set("sort", self.sort_text(sort, descending))
    }

    /// The present order as `aria-sort` says it.
    pub(crate) fn order_of(&self, sort: PersonnelSort) -> &'static str {
        match (self.sort == sort, self.descending) {
            (false, _) => "",
            (true, false) => "ascending",
            (true, true) => "descending",
        }
    }

    /// The active filters, each with the list without it. Text in the search box is not one of them.
    pub(crate) fn chips(&self, units: &Organisation, path: &str) -> Chips {
        let query = self.whole_query();
        let mut chips = Vec::new();
        for (name, value) in self.query.pairs() {
            if let Some(label) = chip_label(name, value, units) {
                chips.push(Chip {
                    label,
                    remove: query.without(name).url(path),
                });
            }
        }
        let mut clear = Query::new();
        for (name, value) in query.pairs() {
            if matches!(name.as_str(), "q" | "sort" | "size") {
                clear = clear.and(name, value.clone());
            }
        }
        Chips {
            chips,
            clear: clear.url(path),
        }
    }
}

fn chip_label(name: &str, value: &str, units: &Organisation) -> Option<String> {
    let date = || value.parse::<Date>().map(catalogue::date).unwrap_or_default();
    let unit = || {
        UnitRef::parse(&format!("{name}:{value}"))
            .and_then(|unit| units.unit(unit))
            .map(|unit| unit.name.clone())
            .unwrap_or_default()
    };
    Some(match name {
        "programme" => format!("Programme : {}", unit()),
        "directorate" => format!("Direction : {}", unit()),
        "department" if value == "none" => "Sans affectation".to_owned(),
        "department" => format!("Service : {}", unit()),
        "category" => format!("Catégorie {value}"),
        "grade" if value == "none" => "Sans grade".to_owned(),
        "grade" => format!("Grade {value}"),
        "position" => AdministrativePosition::by_code(value)?.label().to_owned(),
        "status" => AgentStatus::by_code(value)?.label().to_owned(),
        "sex" => format!("Sexe {}", Sex::by_code(value)?.label().to_lowercase()),
        "age_from" => format!("{value} ans et plus"),
        "age_to" => format!("{value} ans au plus"),
        "born_from" => format!("Né à partir du {}", date()),
        "born_to" => format!("Né jusqu’au {}", date()),
        "seniority_from" => format!("Ancienneté : {value} ans et plus"),
        "seniority_to" => format!("Ancienneté : {value} ans au plus"),
        "since_from" => format!("En service depuis le {} ou après", date()),
        "since_to" => format!("En service depuis le {} ou avant", date()),
        "retires_from" => format!("Retraite à partir du {}", date()),
        "retires_to" => format!("Retraite jusqu’au {}", date()),
        "absent_on" => format!("Absent le {}", date()),
        "without_account" => "Sans compte".to_owned(),
        "incomplete" => "Dossier incomplet".to_owned(),
        "archive" if value == "archived" => "Archivés".to_owned(),
        "archive" => "Actifs et archivés".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const ALL: Allowed = Allowed {
        career: true,
        private: true,
        absences: true,
        evaluations: true,
        accounts: true,
    };

    fn params(pairs: &[(&str, &str)]) -> ListParams {
        let mut map = serde_json::Map::new();
        for (name, value) in pairs {
            map.insert((*name).to_owned(), serde_json::Value::from(*value));
        }
        serde_json::from_value(map.into()).unwrap()
    }

    #[test]
    fn ages_become_birthdays() {
        let today = date(2026, 11, 22);
        let (earliest, latest) = born_between(today, Some(30), Some(34));
        assert_eq!(latest, Some(date(1996, 11, 22)));
        assert_eq!(earliest, Some(date(1991, 11, 23)));
    }

    #[test]
    fn an_address_says_what_was_understood_and_nothing_else() {
        let asked = params(&[
            ("q", " Koné "),
            ("grade", "a4"),
            ("sex", "other"),
            ("age_from", "50"),
        ]);
        let list = asked.understand(date(2026, 11, 22), &Organisation::default(), ALL);
        assert_eq!(
            list.whole_query().url("/p"),
            "/p?q=Kon%C3%A9&grade=A4&age_from=50"
        );
        assert_eq!(list.filter.words, ["kone"]);
        assert_eq!(list.filter.born_to, Some(date(1976, 11, 22)));
        let chips = list.chips(&Organisation::default(), "/p");
        let labels: Vec<&str> = chips.chips.iter().map(|chip| chip.label.as_str()).collect();
        assert_eq!(labels, ["Grade A4", "50 ans et plus"]);
        assert_eq!(chips.clear, "/p?q=Kon%C3%A9");
    }

    #[test]
    fn a_reader_of_the_directory_cannot_filter_by_career() {
        let asked = params(&[
            ("grade", "A4"),
            ("archive", "both"),
            ("sort", "-retirement"),
            ("absent_on", "2026-01-02"),
        ]);
        let allowed = Allowed {
            career: false,
            private: false,
            absences: false,
            evaluations: false,
            accounts: false,
        };
        let list = asked.understand(date(2026, 11, 22), &Organisation::default(), allowed);
        assert_eq!(list.filter, PersonnelFilter::default());
        assert_eq!((list.sort, list.descending), (PersonnelSort::Name, false));
    }

    #[test]
    fn a_column_sorts_both_ways() {
        let list = params(&[]).understand(date(2026, 11, 22), &Organisation::default(), ALL);
        assert_eq!(list.sorted_by(PersonnelSort::Name).url("/p"), "/p?sort=-name");
        assert_eq!(list.sorted_by(PersonnelSort::Grade).url("/p"), "/p?sort=grade");
        assert_eq!(list.order_of(PersonnelSort::Name), "ascending");
    }
}
