//! Checks of the dashboard's figures: each is the total of the list that a reader opens from it.

use jiff::civil::{Date, date};
use mppeep_core::domain::codes::{AdministrativePosition, Sex};
use mppeep_core::domain::grade::{Grade, GradeCategory};
use mppeep_core::domain::organisation::UnitRef;
use mppeep_core::domain::permission::Scope;
use mppeep_core::domain::personnel::Personnel;
use mppeep_core::ports::personnel::{ArchiveFilter, DashboardFigures, FiguresQuery, PersonnelFilter, Tally};
use mppeep_core::ports::store::Store;

use crate::fixtures::{TODAY, department_id, personnel_id};
use crate::harness::StoreHarness;
use crate::ministry::Ministry;
use crate::personnel_lists::{everyone, total};
use crate::support::start;

const SCORE_FROM: i16 = 2024;

async fn figures(store: &dyn Store, filter: PersonnelFilter) -> DashboardFigures {
    let mut unit = store.begin_read().await.unwrap();
    let query = FiguresQuery {
        filter,
        on: TODAY,
        score_from_year: SCORE_FROM,
        now: start(),
    };
    unit.personnel().figures(&query).await.unwrap()
}

fn of<T: PartialEq + std::fmt::Debug>(tallies: &[Tally<T>], wanted: &T) -> u64 {
    let found: Vec<u64> = tallies
        .iter()
        .filter(|tally| tally.of == *wanted)
        .map(|tally| tally.count)
        .collect();
    assert!(found.len() <= 1, "{wanted:?} stands twice");
    found.first().copied().unwrap_or(0)
}

fn sum<T>(tallies: &[Tally<T>]) -> u64 {
    tallies.iter().map(|tally| tally.count).sum()
}

/// Every figure equals the total of its list, for everybody and within narrower filters.
pub async fn figures_are_the_totals_of_their_lists(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let ministry = Ministry::new();
    ministry.store(store.as_ref()).await;
    let scope = Scope {
        departments: [department_id(1), department_id(3)].into(),
        own: Some(personnel_id(4)),
        everything: false,
        made_by: None,
    };
    let filters = [
        everyone(),
        PersonnelFilter { scope, ..everyone() },
        PersonnelFilter {
            unit: Some(UnitRef::Programme(ministry.organisation.programmes[0].id)),
            ..everyone()
        },
        PersonnelFilter {
            sex: Some(Sex::Female),
            ..everyone()
        },
        PersonnelFilter {
            scope: Scope::default(),
            ..everyone()
        },
    ];
    for filter in filters {
        let figures = figures(store.as_ref(), filter.clone()).await;
        assert_eq!(figures.made_at, start());
        counts(store.as_ref(), &filter, &figures).await;
        breakdowns(store.as_ref(), &ministry, &filter, &figures).await;
        series(store.as_ref(), &ministry, &filter, &figures).await;
    }
}

async fn counts(store: &dyn Store, filter: &PersonnelFilter, figures: &DashboardFigures) {
    let narrowed = |change: &dyn Fn(&mut PersonnelFilter)| {
        let mut filter = filter.clone();
        change(&mut filter);
        total(store, filter)
    };
    let retiring = |to: Date| {
        let (from, to) = (Some(TODAY), Some(to));
        let filter = PersonnelFilter {
            retires_from: from,
            retires_to: to,
            ..filter.clone()
        };
        total(store, filter)
    };
    assert_eq!(figures.total, narrowed(&|_| ()).await);
    assert_eq!(
        figures.active,
        narrowed(&|filter| filter.position = Some(AdministrativePosition::Active)).await
    );
    assert_eq!(
        figures.absent,
        narrowed(&|filter| filter.absent_on = Some(TODAY)).await
    );
    assert_eq!(
        figures.unassigned,
        narrowed(&|filter| filter.unassigned = true).await
    );
    assert_eq!(
        figures.incomplete,
        narrowed(&|filter| filter.incomplete = true).await
    );
    assert_eq!(figures.retiring_6_months, retiring(date(2027, 5, 22)).await);
    assert_eq!(figures.retiring_12_months, retiring(date(2027, 11, 22)).await);
}

async fn breakdowns(
    store: &dyn Store,
    ministry: &Ministry,
    filter: &PersonnelFilter,
    figures: &DashboardFigures,
) {
    let narrowed = |change: &dyn Fn(&mut PersonnelFilter)| {
        let mut filter = filter.clone();
        change(&mut filter);
        total(store, filter)
    };
    for category in GradeCategory::ALL {
        let expected = narrowed(&|filter| filter.category = Some(category)).await;
        assert_eq!(
            of(&figures.by_category, &Some(category)),
            expected,
            "{category:?}"
        );
    }
    let without_grade = narrowed(&|filter| filter.without_grade = true).await;
    assert_eq!(of(&figures.by_category, &None), without_grade);
    assert_eq!(of(&figures.by_grade, &None), without_grade);
    for grade in Grade::all() {
        let expected = narrowed(&|filter| filter.grade = Some(grade)).await;
        assert_eq!(of(&figures.by_grade, &Some(grade)), expected, "{grade}");
    }
    let within = |unit: UnitRef| {
        total(
            store,
            PersonnelFilter {
                unit: Some(unit),
                ..filter.clone()
            },
        )
    };
    for department in &ministry.organisation.departments {
        let unit = UnitRef::Department(department.id);
        let expected = if overlaps(ministry, filter, unit) {
            within(unit).await
        } else {
            0
        };
        assert_eq!(
            of(&figures.by_department, &Some(department.id)),
            expected,
            "{}",
            department.fields.code
        );
    }
    for directorate in &ministry.organisation.directorates {
        let unit = UnitRef::Directorate(directorate.id);
        let expected = if overlaps(ministry, filter, unit) {
            within(unit).await
        } else {
            0
        };
        assert_eq!(
            of(&figures.by_directorate, &Some(directorate.id)),
            expected,
            "{}",
            directorate.fields.code
        );
    }
    for programme in &ministry.organisation.programmes {
        let unit = UnitRef::Programme(programme.id);
        let expected = if overlaps(ministry, filter, unit) {
            within(unit).await
        } else {
            0
        };
        assert_eq!(
            of(&figures.by_programme, &Some(programme.id)),
            expected,
            "{}",
            programme.fields.code
        );
    }
    let unassigned = figures.unassigned;
    assert_eq!(of(&figures.by_department, &None), unassigned);
    assert_eq!(of(&figures.by_directorate, &None), unassigned);
    assert_eq!(of(&figures.by_programme, &None), unassigned);
    for position in AdministrativePosition::ALL {
        let expected = narrowed(&|filter| filter.position = Some(*position)).await;
        assert_eq!(of(&figures.by_position, position), expected, "{position:?}");
    }
    for sex in Sex::ALL {
        if filter.sex.is_none_or(|wanted| wanted == *sex) {
            let expected = narrowed(&|filter| filter.sex = Some(*sex)).await;
            assert_eq!(of(&figures.by_sex, &Some(*sex)), expected, "{sex:?}");
        }
    }
    let sums = [
        sum(&figures.by_category),
        sum(&figures.by_grade),
        sum(&figures.by_department),
        sum(&figures.by_directorate),
        sum(&figures.by_programme),
        sum(&figures.by_position),
        sum(&figures.by_sex),
    ];
    assert_eq!(sums, [figures.total; 7], "every breakdown has everybody");
}

fn overlaps(ministry: &Ministry, filter: &PersonnelFilter, unit: UnitRef) -> bool {
    filter.unit.is_none_or(|own| {
        let own = ministry.organisation.departments_of(own);
        ministry.organisation.departments_of(unit).is_subset(&own)
    })
}

async fn series(
    store: &dyn Store,
    ministry: &Ministry,
    filter: &PersonnelFilter,
    figures: &DashboardFigures,
) {
    let current: Vec<&Personnel> = ministry
        .personnel
        .iter()
        .filter(|file| ministry.matches(filter, file))
        .collect();
    assert_eq!(
        figures.average_mark_hundredths,
        ministry.mean_mark(&current, SCORE_FROM).0
    );
    let pyramid = &figures.age_pyramid;
    let people: u64 = pyramid
        .iter()
        .map(|band| band.women + band.men + band.unknown)
        .sum();
    assert_eq!(people, figures.total, "the pyramid has everybody");
    for band in pyramid {
        let (sexes, ages) = (
            [Some(Sex::Female), Some(Sex::Male), None],
            band.from_age..=band.to_age,
        );
        assert_eq!(band.to_age - band.from_age, 4);
        let count = |sex: Option<Sex>| {
            let files = current
                .iter()
                .filter(|file| file.fields.sex == sex && ages.contains(&age(file)));
            u64::try_from(files.count()).unwrap()
        };
        assert_eq!([band.women, band.men, band.unknown], sexes.map(count), "{ages:?}");
    }
    let years: Vec<i16> = figures.retirements.iter().map(|tally| tally.of).collect();
    assert_eq!(years, [2026, 2027, 2028, 2029, 2030, 2031]);
    for tally in &figures.retirements {
        let (from, to) = (Some(date(tally.of, 1, 1)), Some(date(tally.of, 12, 31)));
        let filter = PersonnelFilter {
            retires_from: from,
            retires_to: to,
            ..filter.clone()
        };
        assert_eq!(
            tally.count,
            total(store, filter).await,
            "retirements of {}",
            tally.of
        );
    }
    months(ministry, &current, figures);
    let departed = PersonnelFilter {
        archive: ArchiveFilter::Both,
        ..filter.clone()
    };
    let departed: Vec<&Personnel> = ministry
        .personnel
        .iter()
        .filter(|file| ministry.matches(&departed, file))
        .collect();
    let years = [2021, 2022, 2023, 2024, 2025, 2026];
    assert_eq!(
        figures.arrivals.iter().map(|tally| tally.of).collect::<Vec<_>>(),
        years
    );
    assert_eq!(
        figures
            .departures
            .iter()
            .map(|tally| tally.of)
            .collect::<Vec<_>>(),
        years
    );
    for (arrivals, departures) in figures.arrivals.iter().zip(&figures.departures) {
        let year = arrivals.of;
        let came = current.iter().filter(|file| {
            file.fields
                .service_start_date
                .is_some_and(|day| day.year() == year)
        });
        let left = departed.iter().filter(|file| {
            file.departure
                .as_ref()
                .is_some_and(|left| left.date.year() == year)
        });
        assert_eq!(
            arrivals.count,
            u64::try_from(came.count()).unwrap(),
            "arrivals of {year}"
        );
        assert_eq!(
            departures.count,
            u64::try_from(left.count()).unwrap(),
            "departures of {year}"
        );
    }
}

fn months(ministry: &Ministry, current: &[&Personnel], figures: &DashboardFigures) {
    let months: Vec<Date> = figures.absences.iter().map(|month| month.month).collect();
    let mut expected: Vec<Date> = (1..=11).map(|month| date(2026, month, 1)).collect();
    expected.insert(0, date(2025, 12, 1));
    assert_eq!(months, expected);
    for month in &figures.absences {
        let begun: Vec<u32> = current
            .iter()
            .flat_map(|file| ministry.absences_of(file))
            .filter(|absence| absence.fields.period.start().first_of_month() == month.month)
            .map(|absence| absence.counted_half_days)
            .collect();
        assert_eq!(
            month.count,
            u64::try_from(begun.len()).unwrap(),
            "{}",
            month.month
        );
        assert_eq!(
            month.half_days,
            u64::from(begun.iter().sum::<u32>()),
            "{}",
            month.month
        );
    }
}

/// Whole years on the day of the figures.
fn age(file: &Personnel) -> u16 {
    let birth = file.fields.birth_date;
    let birthday_to_come = (TODAY.month(), TODAY.day()) < (birth.month(), birth.day());
    u16::try_from(TODAY.year() - birth.year() - i16::from(birthday_to_come)).unwrap()
}

/// Without files every figure is zero or absent, and the years and months are there.
pub async fn figures_of_an_empty_ministry_are_zero(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let figures = figures(store.as_ref(), everyone()).await;
    let counts = [
        figures.total,
        figures.active,
        figures.absent,
        figures.unassigned,
        figures.incomplete,
        figures.retiring_6_months,
        figures.retiring_12_months,
        sum(&figures.by_category),
        sum(&figures.by_department),
        sum(&figures.by_position),
        sum(&figures.retirements),
        sum(&figures.arrivals),
        sum(&figures.departures),
    ];
    assert_eq!(counts, [0; 13]);
    assert_eq!(figures.average_mark_hundredths, None);
    assert_eq!(
        (
            figures.retirements.len(),
            figures.absences.len(),
            figures.arrivals.len()
        ),
        (6, 12, 6)
    );
}
