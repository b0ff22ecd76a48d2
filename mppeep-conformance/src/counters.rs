//! Checks of the counters (CNT-1 to CNT-4 and COM-1, 7, 13).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::{Date, date};
use mppeep_core::ports::counters::{BatchId, CounterSet, Counters, DayRange, Delta, MEMBER_MAX_BYTES};
use mppeep_core::ports::error::BackendError;

use crate::fixtures::{TODAY, uuid};
use crate::harness::CountersHarness;
use crate::support::{Dice, at_once, awkward_texts, in_time, poll_then_drop};

fn batch(number: u128) -> BatchId {
    BatchId(uuid(0x1_0000 + number))
}

fn views(day: Date, member: &str, by: i64) -> Delta {
    Delta {
        set: CounterSet::PageViews,
        day,
        member: member.to_owned(),
        by,
    }
}

const fn only(day: Date) -> DayRange {
    DayRange {
        first: day,
        last: day,
    }
}

/// Every day that a check uses.
const ALWAYS: DayRange = DayRange {
    first: date(2000, 1, 1),
    last: date(2199, 12, 31),
};

/// What a member counted on a day; nothing when it was not counted.
async fn count(counters: &Arc<dyn Counters>, day: Date, member: &str) -> i64 {
    let series = counters
        .series(CounterSet::PageViews, Some(member), only(day))
        .await
        .unwrap();
    assert!(series.iter().all(|(counted, _)| *counted == day), "{series:?}");
    assert!(series.len() <= 1, "{series:?}");
    series.first().map_or(0, |(_, sum)| *sum)
}

/// CNT-1, CNT-4, COM-13: sixteen writers on two instances, who name their counters in different orders and begin on
/// counters that are not there yet, add up exactly and never wait for each other for ever.
pub async fn sixteen_writers_on_two_instances_sum_exactly(harness: &dyn CountersHarness) {
    const ROUNDS: u128 = 25;
    let instances = [harness.counters_at(0).await, harness.counters_at(1).await];
    at_once((0..16u128).map(|writer| {
        let counters = instances[usize::from(writer % 2 == 1)].clone();
        async move {
            for round in 0..ROUNDS {
                let mut deltas: Vec<Delta> = (0..40)
                    .map(|n| views(TODAY, ["accueil", "agents", "absences", "export"][n % 4], 1))
                    .collect();
                if writer % 4 > 1 {
                    deltas.reverse();
                }
                deltas.push(views(TODAY, "agents", -3));
                counters
                    .add(batch(writer * ROUNDS + round), &deltas)
                    .await
                    .unwrap();
            }
        }
    }))
    .await;
    for counters in &instances {
        assert_eq!(count(counters, TODAY, "accueil").await, 16 * 25 * 10);
        assert_eq!(count(counters, TODAY, "agents").await, 16 * 25 * 7);
        let sum = counters
            .series(CounterSet::PageViews, None, only(TODAY))
            .await
            .unwrap();
        assert_eq!(sum, [(TODAY, 16 * 25 * 37)]);
    }
}

/// CNT-1: counters and their sums stop at the ends of the range, and come back from there.
pub async fn sums_stop_at_the_ends_of_the_range(harness: &dyn CountersHarness) {
    let counters = harness.counters_at(0).await;
    let mut number = 0;
    let steps = [
        (i64::MAX, i64::MAX),
        (1, i64::MAX),
        (i64::MAX, i64::MAX),
        (-1, i64::MAX - 1),
        (1, i64::MAX),
        (i64::MIN, -1),
        (i64::MIN, i64::MIN),
        (-1, i64::MIN),
        (i64::MAX, -1),
        (4_294_967_296, 4_294_967_295),
        (-4_294_967_296, -1),
    ];
    for (by, sum) in steps {
        number += 1;
        counters
            .add(batch(number), &[views(TODAY, "a", by)])
            .await
            .unwrap();
        assert_eq!(count(&counters, TODAY, "a").await, sum, "after {by}");
    }
    // What one batch adds to one counter is added up without wrapping as well.
    let tomorrow = TODAY.tomorrow().unwrap();
    let twice = [
        views(tomorrow, "b", i64::MAX),
        views(tomorrow, "b", i64::MAX),
        views(tomorrow, "c", i64::MAX),
        views(tomorrow, "d", 7),
    ];
    counters.add(batch(100), &twice).await.unwrap();
    assert_eq!(count(&counters, tomorrow, "b").await, i64::MAX);
    let sum = counters
        .series(CounterSet::PageViews, None, only(tomorrow))
        .await
        .unwrap();
    assert_eq!(sum, [(tomorrow, i64::MAX)]);
    counters
        .add(batch(101), &[views(TODAY, "b", i64::MAX)])
        .await
        .unwrap();
    let top = counters.top(CounterSet::PageViews, ALWAYS, 3).await.unwrap();
    let expected = [("b", i64::MAX), ("c", i64::MAX), ("d", 7)].map(|(member, sum)| (member.to_owned(), sum));
    assert_eq!(top, expected);
    let lowest = [views(TODAY, "low", i64::MIN), views(tomorrow, "low", i64::MIN)];
    counters.add(batch(102), &lowest).await.unwrap();
    let top = counters.top(CounterSet::PageViews, ALWAYS, 9).await.unwrap();
    assert_eq!(top.last(), Some(&("low".to_owned(), i64::MIN)));
}

/// CNT-2: a batch that is sent again counts once, on whichever instance; another batch of the same content counts.
pub async fn a_batch_sent_again_counts_once(harness: &dyn CountersHarness) {
    let (one, two) = (harness.counters_at(0).await, harness.counters_at(1).await);
    let deltas = [views(TODAY, "a", 2), views(TODAY, "b", 3)];
    for counters in [&one, &two, &one] {
        counters.add(batch(1), &deltas).await.unwrap();
    }
    // Its name alone says that it was counted.
    two.add(batch(1), &[views(TODAY, "c", 1)]).await.unwrap();
    assert_eq!(count(&two, TODAY, "a").await, 2);
    assert_eq!(count(&two, TODAY, "c").await, 0);
    two.add(batch(2), &deltas).await.unwrap();
    assert_eq!(count(&one, TODAY, "a").await, 4);
    assert_eq!(count(&one, TODAY, "b").await, 6);
    one.add(batch(3), &[]).await.unwrap();
    assert_eq!(count(&one, TODAY, "a").await, 4);
}

/// CNT-2: however many send one batch at the same time, it counts once.
pub async fn racing_sends_of_one_batch_count_once(harness: &dyn CountersHarness) {
    let instances = [harness.counters_at(0).await, harness.counters_at(1).await];
    for round in 0..5u128 {
        at_once((0..8usize).map(|n| {
            let counters = instances[n % 2].clone();
            async move {
                let deltas = [views(TODAY, "a", 1), views(TODAY, "b", 1)];
                counters.add(batch(round), &deltas).await.unwrap();
            }
        }))
        .await;
        let counted = i64::try_from(round).unwrap() + 1;
        assert_eq!(count(&instances[0], TODAY, "a").await, counted);
        assert_eq!(count(&instances[1], TODAY, "b").await, counted);
    }
}

/// A batch with a member that is too long is refused whole, and is not remembered.
pub async fn a_refused_batch_leaves_nothing(harness: &dyn CountersHarness) {
    let counters = harness.counters_at(0).await;
    let longest = "x".repeat(MEMBER_MAX_BYTES);
    // Counted in bytes: half as many characters of two bytes each, and one more.
    for long in [format!("{longest}x"), "é".repeat(MEMBER_MAX_BYTES / 2 + 1)] {
        let deltas = [views(TODAY, "a", 1), views(TODAY, &long, 1)];
        let refused = counters.add(batch(1), &deltas).await.unwrap_err();
        assert!(matches!(refused, BackendError::Invalid { .. }), "{refused:?}");
        assert_eq!(count(&counters, TODAY, "a").await, 0);
    }
    let deltas = [views(TODAY, "a", 1), views(TODAY, &longest, 1)];
    counters.add(batch(1), &deltas).await.unwrap();
    assert_eq!(count(&counters, TODAY, "a").await, 1);
    assert_eq!(count(&counters, TODAY, &longest).await, 1);
}

/// COM-7: a batch whose sending was dropped at any await is counted wholly or not at all; sent again, it is counted.
pub async fn a_cancelled_batch_sent_again_counts_once(harness: &dyn CountersHarness) {
    let (one, two) = (harness.counters_at(0).await, harness.counters_at(1).await);
    for polls in 0..=20 {
        let day = TODAY.checked_add(i32::try_from(polls).unwrap().days()).unwrap();
        let deltas = [views(day, "a", 1), views(day, "b", 1), views(day, "c", 1)];
        let number = batch(u128::try_from(polls).unwrap());
        let outcome = poll_then_drop(polls, one.add(number, &deltas)).await;
        if let Some(outcome) = outcome {
            outcome.unwrap();
            assert_eq!(count(&two, day, "a").await, 1);
        }
        in_time(two.add(number, &deltas)).await.unwrap();
        for member in ["a", "b", "c"] {
            assert_eq!(count(&one, day, member).await, 1, "{polls} polls, {member}");
        }
    }
}

/// COM-1: members are told apart by their bytes, and sets never mix.
pub async fn members_and_sets_never_alias(harness: &dyn CountersHarness) {
    let counters = harness.counters_at(0).await;
    let members: Vec<String> = awkward_texts()
        .into_iter()
        .filter(|text| text.len() <= MEMBER_MAX_BYTES)
        .collect();
    let by = |index: usize| i64::try_from(index).unwrap() + 1;
    let views: Vec<Delta> = members
        .iter()
        .enumerate()
        .map(|(index, member)| views(TODAY, member, by(index)))
        .collect();
    let actions: Vec<Delta> = views
        .iter()
        .map(|delta| Delta {
            set: CounterSet::Actions,
            by: 1_000 + delta.by,
            ..delta.clone()
        })
        .collect();
    counters.add(batch(1), &views).await.unwrap();
    counters.add(batch(2), &actions).await.unwrap();
    for (index, member) in members.iter().enumerate() {
        assert_eq!(count(&counters, TODAY, member).await, by(index), "{member:?}");
        let series = counters
            .series(CounterSet::Actions, Some(member), only(TODAY))
            .await
            .unwrap();
        assert_eq!(series, [(TODAY, 1_000 + by(index))], "{member:?}");
    }
    let top = counters.top(CounterSet::PageViews, ALWAYS, 1_000).await.unwrap();
    assert_eq!(top.len(), members.len());
}

/// CNT-2: a day is a name. Neither the clock nor any zone moves it.
pub async fn a_day_is_the_day_it_was_given(harness: &dyn CountersHarness) {
    let (one, two) = (harness.counters_at(0).await, harness.counters_at(1).await);
    let days = [
        date(2026, 12, 31),
        date(2027, 1, 1),
        date(2028, 2, 28),
        date(2028, 2, 29),
        date(2028, 3, 1),
        // The nights in which clocks are put back or forward, here or there.
        date(2026, 3, 29),
        date(2026, 10, 25),
        date(2026, 11, 1),
    ];
    for (hours, number) in [(0u64, 1i64), (1, 2), (5, 3), (6, 4), (12, 5)] {
        harness.clock().advance(Duration::from_secs(hours * 3600));
        let deltas: Vec<Delta> = days.iter().map(|day| views(*day, "a", 1)).collect();
        one.add(batch(u128::try_from(number).unwrap()), &deltas)
            .await
            .unwrap();
        let mut expected: Vec<(Date, i64)> = days.iter().map(|day| (*day, number)).collect();
        expected.sort_unstable();
        let series = two.series(CounterSet::PageViews, None, ALWAYS).await.unwrap();
        assert_eq!(series, expected);
    }
}

/// CNT-3: series and tops over no day, one and many, of one member and of all, agree with sums made by hand; equal
/// members come in the order of their bytes.
pub async fn series_and_tops_agree_with_a_model(harness: &dyn CountersHarness) {
    let (one, two) = (harness.counters_at(0).await, harness.counters_at(1).await);
    let members = [
        "a",
        "ab",
        "B",
        "b",
        "é",
        "e",
        "z",
        "Z",
        "_",
        "\u{ffff}",
        "\u{1f600}",
        "10",
        "9",
    ];
    let dice = Dice::new(7);
    let mut model: BTreeMap<(Date, &str), i64> = BTreeMap::new();
    let start = date(2026, 12, 20);
    for round in 0..40u128 {
        let deltas: Vec<Delta> = (0..dice.below(12))
            .map(|_| {
                let day = start
                    .checked_add(i32::try_from(dice.below(20)).unwrap().days())
                    .unwrap();
                let member = members[usize::try_from(dice.below(13)).unwrap()];
                // Small numbers, so that many are equal; never below nought in sum.
                let by = i64::try_from(dice.below(4)).unwrap() + 1;
                *model.entry((day, member)).or_default() += by;
                views(day, member, by)
            })
            .collect();
        let counters = if round % 2 == 0 { &one } else { &two };
        counters.add(batch(round), &deltas).await.unwrap();
    }
    let range = |from: i32, to: i32| DayRange {
        first: start.checked_add(from.days()).unwrap(),
        last: start.checked_add(to.days()).unwrap(),
    };
    let ranges = [
        range(0, 19),
        range(3, 3),
        range(5, 12),
        range(12, 5),
        range(-9, -1),
        range(18, 40),
        ALWAYS,
    ];
    for range in ranges {
        let within = |day: Date| range.first <= day && day <= range.last;
        for member in std::iter::once(None).chain(members.iter().copied().map(Some)) {
            let mut expected: BTreeMap<Date, i64> = BTreeMap::new();
            for ((day, of), sum) in &model {
                if within(*day) && member.is_none_or(|member| member == *of) {
                    *expected.entry(*day).or_default() += sum;
                }
            }
            let series = one.series(CounterSet::PageViews, member, range).await.unwrap();
            assert_eq!(
                series,
                expected.into_iter().collect::<Vec<_>>(),
                "{range:?} {member:?}"
            );
        }
        let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
        for ((day, member), sum) in &model {
            if within(*day) {
                *sums.entry(member).or_default() += sum;
            }
        }
        // The map is in the order of bytes, and the sort keeps it among equals.
        let mut expected: Vec<(String, i64)> = sums
            .into_iter()
            .map(|(member, sum)| (member.to_owned(), sum))
            .collect();
        expected.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
        for n in [0, 1, 3, 12, 13, 1_000, u32::MAX] {
            let top = two.top(CounterSet::PageViews, range, n).await.unwrap();
            let wanted = expected.iter().take(usize::try_from(n).unwrap());
            assert!(top.iter().eq(wanted), "{range:?} {n}: {top:?}, {expected:?}");
        }
        assert!(one.top(CounterSet::Actions, range, 5).await.unwrap().is_empty());
    }
}

/// Sweeping keeps a year of counters, and every batch that may still be sent again: one that is younger than a day.
pub async fn sweeping_keeps_what_counts(harness: &dyn CountersHarness) {
    let counters = harness.counters_at(0).await;
    let maintenance = harness.counters_maintenance().await;
    let old = TODAY.checked_sub(366.days()).unwrap();
    let deltas = [views(old, "a", 1), views(TODAY, "a", 1)];
    counters.add(batch(1), &deltas).await.unwrap();
    harness.clock().advance(Duration::from_secs(24 * 3600 - 1));
    maintenance.sweep(1_000).await.unwrap();
    counters.add(batch(1), &deltas).await.unwrap();
    assert_eq!(count(&counters, old, "a").await, 1);
    assert_eq!(count(&counters, TODAY, "a").await, 1);
    harness.clock().advance(Duration::from_secs(1));
    assert_eq!(
        maintenance.sweep(1_000).await.unwrap(),
        1,
        "the batch is forgotten"
    );
    assert_eq!(maintenance.sweep(1_000).await.unwrap(), 0);
    assert_eq!(count(&counters, TODAY, "a").await, 1);
}
