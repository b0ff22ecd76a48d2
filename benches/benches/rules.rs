//! What the rules of the domain cost: they run for every row of a list or of an import.

use std::collections::BTreeSet;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::civil::date;
use mppeep_core::domain::calendar::{Counted, Period, WeekPattern, ivorian_holidays};
use mppeep_core::domain::evaluation::{Criterion as Marked, Mark, Marks, final_mark};
use mppeep_core::domain::permission::{Action, Actor, Resource};
use mppeep_core::domain::settings::Settings;
use mppeep_core::domain::{retirement, text};

fn rules(criterion: &mut Criterion) {
    let settings = Settings::default();
    criterion.bench_function("fold a name for the search", |bench| {
        bench.iter(|| text::fold(black_box("N'GUESSAN-KONÉ Aïcha Élodie")));
    });
    criterion.bench_function("three nearest of fourteen grades", |bench| {
        let grades = [
            "A1", "A2", "A3", "A4", "A5", "A6", "A7", "B1", "B2", "B3", "C1", "C2", "C3", "D1",
        ];
        bench.iter(|| text::nearest(black_box("A44"), grades, 3));
    });
    criterion.bench_function("count a leave of thirty days", |bench| {
        let holidays: BTreeSet<_> = ivorian_holidays(2026)
            .into_iter()
            .map(|holiday| holiday.date)
            .collect();
        let period = Period::days(date(2026, 5, 4), date(2026, 6, 2)).expect("a period");
        let week = WeekPattern::default();
        bench.iter(|| Counted::of(black_box(period), &holidays, &week));
    });
    criterion.bench_function("day of retirement", |bench| {
        bench.iter(|| retirement::derive(black_box(date(1966, 3, 14)), None, None, &settings.retirement));
    });
    criterion.bench_function("final mark", |bench| {
        let marks: Marks = Marked::ALL
            .iter()
            .map(|marked| (*marked, Mark::from_hundredths(1_250).expect("a mark")))
            .collect();
        bench.iter(|| final_mark(black_box(&marks), &settings.evaluations));
    });
    criterion.bench_function("reach of a right", |bench| {
        let actor = Actor::operator("bench");
        bench.iter(|| black_box(&actor).scope(Resource::Career, Action::Read));
    });
}

criterion_group!(benches, rules);
criterion_main!(benches);
