//! The figures of the dashboard, counted under the conditions of the list.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;
use mppeep_core::domain::calendar::Half;
use mppeep_core::domain::codes::{AdministrativePosition, Sex};
use mppeep_core::domain::grade::{Grade, GradeCategory};
use mppeep_core::domain::id::{DepartmentId, DirectorateId, ProgrammeId};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::personnel::{
    AgeBand, ArchiveFilter, DashboardFigures, FiguresQuery, MonthlyAbsences, Tally,
};
use uuid::Uuid;

use crate::codec::{code, number, optional_code, optional_number, slot, stored_date};
use crate::filter::{Builder, push_personnel};
use crate::personnel_list::MEAN;
use crate::personnel_record::grade;
use crate::unit::Handle;

const ENTITY: &str = "personnel";
/// Years of retirements, arrivals and departures shown.
const YEARS: i16 = 6;
/// Months of absences shown.
const MONTHS: i32 = 12;
/// Years of an age band.
const BAND: u16 = 5;

#[derive(sqlx::FromRow)]
struct Totals {
    total: i64,
    active: i64,
    absent: i64,
    unassigned: i64,
    incomplete: i64,
    retiring_6_months: i64,
    retiring_12_months: i64,
    mean: Option<i64>,
}

/// One group of one division of the agents: only the key of its kind is set.
#[derive(sqlx::FromRow)]
struct Group {
    kind: String,
    text: Option<String>,
    unit: Option<Uuid>,
    number: Option<i64>,
    count: i64,
}

/// The filtered files as `f`, with what is counted.
fn filtered(asked: &FiguresQuery, archive: ArchiveFilter) -> Builder {
    let mut query = Builder::new(
        "WITH f AS MATERIALIZED (SELECT p.personnel_id, p.department_id, p.grade, p.position, p.sex, p.birth_date, \
         p.retirement_date, p.service_start_date, p.departure_date, p.completeness_percent FROM personnel AS p WHERE true",
    );
    push_personnel(&mut query, &asked.filter, archive);
    query.push(") ");
    query
}

fn months_after(day: Date, months: i32) -> Date {
    day.checked_add(months.months()).unwrap_or(Date::MAX)
}

fn totals(asked: &FiguresQuery) -> Builder {
    let day = stored_date(asked.on);
    let mut query = filtered(asked, asked.filter.archive);
    query.push(
        "SELECT count(*) AS total, count(*) FILTER (WHERE f.position = 'active') AS active, \
         count(*) FILTER (WHERE f.personnel_id IN (SELECT a.personnel_id FROM absence AS a \
         WHERE a.cancelled_at IS NULL AND a.end_date >= ",
    );
    query.push_bind(day).push(" AND a.start_date <= ").push_bind(day);
    query.push(
        ")) AS absent, count(*) FILTER (WHERE f.department_id IS NULL) AS unassigned, \
         count(*) FILTER (WHERE f.completeness_percent < 100) AS incomplete, \
         count(*) FILTER (WHERE f.retirement_date BETWEEN ",
    );
    query
        .push_bind(day)
        .push(" AND ")
        .push_bind(stored_date(months_after(asked.on, 6)));
    query.push(") AS retiring_6_months, count(*) FILTER (WHERE f.retirement_date BETWEEN ");
    query
        .push_bind(day)
        .push(" AND ")
        .push_bind(stored_date(months_after(asked.on, 12)));
    query.push(") AS retiring_12_months, (SELECT ").push(MEAN);
    query.push(" FROM evaluation AS e WHERE e.personnel_id IN (SELECT personnel_id FROM f) AND e.year >= ");
    query
        .push_bind(i32::from(asked.score_from_year))
        .push(") AS mean FROM f");
    query
}

fn groups(asked: &FiguresQuery) -> Builder {
    let year = i64::from(asked.on.year());
    let month_and_day = i32::from(asked.on.month()) * 100 + i32::from(asked.on.day());
    let mut query = filtered(asked, asked.filter.archive);
    query.push(
        "SELECT 'grade' AS kind, f.grade AS text, NULL::uuid AS unit, NULL::bigint AS number, count(*) AS count FROM f GROUP BY f.grade \
         UNION ALL SELECT 'position', f.position, NULL, NULL, count(*) FROM f GROUP BY f.position \
         UNION ALL SELECT 'sex', f.sex, NULL, NULL, count(*) FROM f GROUP BY f.sex \
         UNION ALL SELECT 'department', NULL, f.department_id, NULL, count(*) FROM f GROUP BY f.department_id \
         UNION ALL SELECT 'directorate', NULL, d.directorate_id, NULL, count(*) FROM f \
         LEFT JOIN department AS d ON d.department_id = f.department_id GROUP BY d.directorate_id \
         UNION ALL SELECT 'programme', NULL, r.programme_id, NULL, count(*) FROM f \
         LEFT JOIN department AS d ON d.department_id = f.department_id \
         LEFT JOIN directorate AS r ON r.directorate_id = d.directorate_id GROUP BY r.programme_id \
         UNION ALL SELECT 'age', f.sex, NULL, ",
    );
    query
        .push_bind(year)
        .push(
            " - extract(year FROM f.birth_date)::bigint - (extract(month FROM f.birth_date) * 100 \
               + extract(day FROM f.birth_date) > ",
        )
        .push_bind(month_and_day);
    query.push(
        ")::integer AS age, count(*) FROM f GROUP BY f.sex, age \
         UNION ALL SELECT 'retirement', NULL, NULL, extract(year FROM f.retirement_date)::bigint AS year, count(*) \
         FROM f WHERE f.retirement_date IS NOT NULL GROUP BY year",
    );
    query
}

fn movements(asked: &FiguresQuery) -> Builder {
    // Who came may have left since: movements are counted over current and archived files.
    let mut query = filtered(asked, ArchiveFilter::Both);
    query.push(
        "SELECT 'arrival' AS kind, NULL AS text, NULL::uuid AS unit, extract(year FROM f.service_start_date)::bigint AS \
         number, count(*) AS count FROM f WHERE f.service_start_date IS NOT NULL GROUP BY number \
         UNION ALL SELECT 'departure', NULL, NULL, extract(year FROM f.departure_date)::bigint AS number, count(*) \
         FROM f WHERE f.departure_date IS NOT NULL GROUP BY number",
    );
    query
}

fn monthly(asked: &FiguresQuery, from: Date, before: Date) -> Builder {
    let mut query = filtered(asked, asked.filter.archive);
    query.push(
        "SELECT to_char(a.start_date, 'YYYY-MM') AS month, count(*) AS count, sum(a.counted_half_days)::bigint AS half_days \
         FROM absence AS a WHERE a.cancelled_at IS NULL AND a.start_slot >= ",
    );
    query
        .push_bind(slot(from, Half::Am))
        .push(" AND a.start_slot < ")
        .push_bind(slot(before, Half::Am));
    query.push(" AND a.personnel_id IN (SELECT personnel_id FROM f) GROUP BY month");
    query
}

fn count(stored: i64) -> Result<u64, BackendError> {
    number(stored, "a count")
}

/// The groups of a kind, read by `of`.
fn tallies<T>(
    groups: &[Group],
    kind: &str,
    of: impl Fn(&Group) -> Result<T, BackendError>,
) -> Result<Vec<Tally<T>>, BackendError> {
    groups
        .iter()
        .filter(|group| group.kind == kind)
        .map(|group| {
            Ok(Tally {
                of: of(group)?,
                count: count(group.count)?,
            })
        })
        .collect()
}

/// The largest groups first; agents without a unit last.
fn by_size<T>(mut tallies: Vec<Tally<Option<T>>>) -> Vec<Tally<Option<T>>> {
    tallies.sort_by_key(|tally| (tally.of.is_none(), std::cmp::Reverse(tally.count)));
    tallies
}

/// A count for each of six years, also of those without any.
fn by_year(groups: &[Group], kind: &str, first: i16) -> Result<Vec<Tally<i16>>, BackendError> {
    let counts: BTreeMap<i64, i64> = groups
        .iter()
        .filter(|group| group.kind == kind)
        .filter_map(|group| Some((group.number?, group.count)))
        .collect();
    (first..first.saturating_add(YEARS))
        .map(|year| {
            Ok(Tally {
                of: year,
                count: count(counts.get(&i64::from(year)).copied().unwrap_or(0))?,
            })
        })
        .collect()
}

fn by_grade(groups: &[Group]) -> Result<Vec<Tally<Option<Grade>>>, BackendError> {
    let mut found = tallies(groups, "grade", |group| grade(group.text.as_deref()))?;
    found.sort_by_key(|tally| {
        tally.of.map_or((true, None, 0), |grade| {
            (false, Some(grade.category()), u8::MAX - grade.number())
        })
    });
    Ok(found)
}

fn by_category(grades: &[Tally<Option<Grade>>]) -> Vec<Tally<Option<GradeCategory>>> {
    let mut found: Vec<Tally<Option<GradeCategory>>> = Vec::new();
    for tally in grades {
        let category = tally.of.map(Grade::category);
        match found.iter_mut().find(|known| known.of == category) {
            Some(known) => known.count += tally.count,
            None => found.push(Tally {
                of: category,
                count: tally.count,
            }),
        }
    }
    found
}

/// Bands from the youngest agent's to the oldest's, without a gap.
fn age_pyramid(groups: &[Group]) -> Result<Vec<AgeBand>, BackendError> {
    let mut bands: BTreeMap<u16, AgeBand> = BTreeMap::new();
    for group in groups.iter().filter(|group| group.kind == "age") {
        let age: u16 = number(group.number.unwrap_or(0).max(0), "personnel.birth_date")?;
        let from_age = age / BAND * BAND;
        let band = bands.entry(from_age).or_insert_with(|| empty_band(from_age));
        let agents = count(group.count)?;
        match optional_code(group.text.as_deref(), Sex::by_code, "personnel.sex")? {
            Some(Sex::Female) => band.women += agents,
            Some(Sex::Male) => band.men += agents,
            None => band.unknown += agents,
        }
    }
    if let (Some(youngest), Some(oldest)) = (bands.keys().next().copied(), bands.keys().next_back().copied())
    {
        for from_age in (youngest..oldest).step_by(usize::from(BAND)) {
            bands.entry(from_age).or_insert_with(|| empty_band(from_age));
        }
    }
    Ok(bands.into_values().collect())
}

const fn empty_band(from_age: u16) -> AgeBand {
    AgeBand {
        from_age,
        to_age: from_age + BAND - 1,
        women: 0,
        men: 0,
        unknown: 0,
    }
}

fn by_month(first: Date, rows: &[(String, i64, i64)]) -> Result<Vec<MonthlyAbsences>, BackendError> {
    (0..MONTHS)
        .map(|index| {
            let month = months_after(first, index);
            let key = month.strftime("%Y-%m").to_string();
            let found = rows.iter().find(|(month, _, _)| *month == key);
            let (absences, half_days) =
                found.map_or((0, 0), |(_, absences, half_days)| (*absences, *half_days));
            Ok(MonthlyAbsences {
                month,
                count: count(absences)?,
                half_days: count(half_days)?,
            })
        })
        .collect()
}

fn assemble(
    asked: &FiguresQuery,
    totals: &Totals,
    groups: &[Group],
    movements: &[Group],
    absences: Vec<MonthlyAbsences>,
) -> Result<DashboardFigures, BackendError> {
    let year = asked.on.year();
    let six_years_back = year.saturating_sub(YEARS - 1);
    let by_grade = by_grade(groups)?;
    let position = |group: &Group| {
        let text = group.text.as_deref().unwrap_or_default();
        code(text, AdministrativePosition::by_code, "personnel.position")
    };
    let mut by_position = tallies(groups, "position", position)?;
    by_position.sort_by_key(|tally| tally.of);
    let mut by_sex = tallies(groups, "sex", |group| {
        optional_code(group.text.as_deref(), Sex::by_code, "personnel.sex")
    })?;
    by_sex.sort_by_key(|tally| (tally.of.is_none(), tally.of));
    Ok(DashboardFigures {
        total: count(totals.total)?,
        active: count(totals.active)?,
        absent: count(totals.absent)?,
        unassigned: count(totals.unassigned)?,
        incomplete: count(totals.incomplete)?,
        retiring_6_months: count(totals.retiring_6_months)?,
        retiring_12_months: count(totals.retiring_12_months)?,
        average_mark_hundredths: optional_number(totals.mean, "mean mark")?,
        by_category: by_category(&by_grade),
        by_grade,
        by_department: by_size(tallies(groups, "department", |g| {
            Ok(g.unit.map(DepartmentId::from_uuid))
        })?),
        by_directorate: by_size(tallies(groups, "directorate", |g| {
            Ok(g.unit.map(DirectorateId::from_uuid))
        })?),
        by_programme: by_size(tallies(groups, "programme", |g| {
            Ok(g.unit.map(ProgrammeId::from_uuid))
        })?),
        by_position,
        by_sex,
        age_pyramid: age_pyramid(groups)?,
        retirements: by_year(groups, "retirement", year)?,
        absences,
        arrivals: by_year(movements, "arrival", six_years_back)?,
        departures: by_year(movements, "departure", six_years_back)?,
        made_at: asked.now,
    })
}

impl Handle<'_> {
    pub(crate) async fn dashboard_figures(
        &mut self,
        asked: &FiguresQuery,
    ) -> Result<DashboardFigures, StoreError> {
        let link = self.0.reading().await?;
        let totals = totals(asked).build_query_as::<Totals>().fetch_one(link).await;
        let totals = self.0.settle(ENTITY, totals)?;
        let link = self.0.reading().await?;
        let groups = groups(asked).build_query_as::<Group>().fetch_all(link).await;
        let groups = self.0.settle(ENTITY, groups)?;
        let link = self.0.reading().await?;
        let movements = movements(asked).build_query_as::<Group>().fetch_all(link).await;
        let movements = self.0.settle(ENTITY, movements)?;
        let this_month = asked.on.first_of_month();
        let first_month = months_after(this_month, 1 - MONTHS);
        let link = self.0.reading().await?;
        let months = monthly(asked, first_month, months_after(this_month, 1))
            .build_query_as::<(String, i64, i64)>()
            .fetch_all(link)
            .await;
        let months = self.0.settle(ENTITY, months)?;
        let absences = self.0.decoded(by_month(first_month, &months))?;
        self.0
            .decoded(assemble(asked, &totals, &groups, &movements, absences))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_key_is_said_to_be_corrupt() {
        let group = Group {
            kind: "grade".into(),
            text: Some("Z9".into()),
            unit: None,
            number: None,
            count: 1,
        };
        let refused = by_grade(&[group]);
        assert!(
            matches!(
                refused,
                Err(BackendError::Corrupt {
                    adapter: "postgres",
                    ..
                })
            ),
            "{refused:?}"
        );
    }

    #[test]
    fn bands_leave_no_gap() {
        let age = |number, text: Option<&str>| Group {
            kind: "age".into(),
            text: text.map(str::to_owned),
            unit: None,
            number: Some(number),
            count: 2,
        };
        let bands = age_pyramid(&[age(24, Some("female")), age(41, None)]).unwrap();
        let ages: Vec<(u16, u16, u64)> = bands
            .iter()
            .map(|band| (band.from_age, band.to_age, band.women))
            .collect();
        assert_eq!(
            ages,
            [(20, 24, 2), (25, 29, 0), (30, 34, 0), (35, 39, 0), (40, 44, 0)]
        );
    }
}
