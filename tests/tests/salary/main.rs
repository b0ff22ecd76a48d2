//! Salaries under the lock of several processes: one slip each, late writes refused, totals to the franc.
//!
//! Two processes compute the salaries of the same agents at once. One of them is stopped (SIGSTOP) between taking the
//! lock of an agent and writing the slip, until its lease is over and the other has written; what it writes when it goes
//! on must be refused by its fence. The same story with locks whose fences say nothing must be seen to go wrong.

mod batches;
mod computer;
mod locks;
mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mppeep_core::domain::payroll::{PayrollSettings, compute};
use mppeep_core::domain::personnel::Personnel;
use mppeep_core::ports::payroll::{SlipRow, SlipTotals};

use computer::{Computer, LOCK_TTL, Word};
use place::{Opened, Place, agent};

/// Agents of many indexes, so that a wrong sum cannot look right.
fn agents(count: u16) -> Vec<Personnel> {
    (1..=count)
        .map(|number| agent(number, Some(300 + number * 7 % 2_711), None))
        .collect()
}

/// One slip of each agent, computed by his index, and sums that agree with them to the franc.
fn check_slips(agents: &[Personnel], rows: &[SlipRow], totals: &SlipTotals) -> Result<(), String> {
    let owners: BTreeSet<_> = rows.iter().map(|row| row.slip.personnel).collect();
    if rows.len() != agents.len() || owners.len() != agents.len() {
        return Err(format!(
            "{} slips of {} agents, where there are {}",
            rows.len(),
            owners.len(),
            agents.len()
        ));
    }
    let settings = PayrollSettings::default();
    let by_agent: BTreeMap<_, _> = rows.iter().map(|row| (row.slip.personnel, &row.slip)).collect();
    let mut expected = SlipTotals {
        slips: agents.len() as u64,
        validated: totals.validated,
        ..SlipTotals::default()
    };
    for agent in agents {
        let amounts = compute(agent.fields.salary_index.expect("an index"), &settings);
        let slip = by_agent
            .get(&agent.id)
            .ok_or(format!("{} has no slip", agent.id))?;
        if slip.amounts != amounts {
            return Err(format!("{}: {:?}, not {amounts:?}", agent.id, slip.amounts));
        }
        expected.base += amounts.base;
        expected.allowance += amounts.allowance;
        expected.deduction += amounts.deduction;
        expected.net += amounts.net;
    }
    if *totals == expected {
        Ok(())
    } else {
        Err(format!("{totals:?}, not {expected:?}"))
    }
}

/// Two processes compute everybody's salary; one is stopped past its lease after taking each of these locks. Says what
/// went wrong.
async fn compete(place: &Place, opened: &Opened, pauses: &[usize], naive: bool) -> Result<(), String> {
    let mut steady = Computer::start(place, 1, &[], naive);
    let mut paused = Computer::start(place, 2, pauses, naive);
    for _ in pauses {
        let (agent, fence) = paused
            .hears(|word| match word {
                Word::Holds(agent, fence) => Some((agent, fence)),
                _ => None,
            })
            .await;
        paused.pause().await;
        tokio::time::sleep(LOCK_TTL + Duration::from_millis(200)).await;
        let before = opened.slip(agent).await.map_or(0, |(_, version)| version);
        steady.tell(&format!("again {agent}")).await;
        let taken_over = steady
            .hears(|word| match word {
                Word::Wrote(of, fence, version) if of == agent && version > before => Some(fence),
                _ => None,
            })
            .await;
        assert!(
            naive || taken_over > fence,
            "fences grow: {fence}, then {taken_over}"
        );
        paused.resume();
        paused.tell("go").await;
        let went_through = paused
            .hears(|word| match word {
                Word::Wrote(of, ..) if of == agent => Some(true),
                Word::Refused(of) if of == agent => Some(false),
                _ => None,
            })
            .await;
        if went_through {
            return Err(format!("the late write of {agent}'s slip went through"));
        }
        let (kept, _) = opened.slip(agent).await.ok_or("the slip is gone")?;
        if kept < taken_over {
            return Err(format!(
                "the slip of {agent} is of fence {kept}, after {taken_over}"
            ));
        }
    }
    let of_steady = steady.ends().await;
    let of_paused = paused.ends().await;
    println!("written, busy, refused: {of_steady:?} by one, {of_paused:?} by the other, which was stopped");
    if of_paused.2 < pauses.len() as u64 {
        return Err(format!(
            "{} refusals for {} late writes",
            of_paused.2,
            pauses.len()
        ));
    }
    Ok(())
}

async fn a_thousand_salaries(place: &Place) {
    let opened = place.open().await;
    let agents = agents(1_000);
    opened.seed(&agents).await;
    compete(place, &opened, &[40, 300, 700], false)
        .await
        .expect("late writes are refused");
    let (rows, totals) = opened.slips().await;
    check_slips(&agents, &rows, &totals).expect("one slip each");
    println!("{} slips, {} francs", totals.slips, totals.net);
}

/// The check above is worth something: it sees writes that nothing but the lock protects.
async fn without_a_fence(place: &Place) {
    let opened = place.open().await;
    opened.seed(&agents(12)).await;
    let wrong = compete(place, &opened, &[2], true)
        .await
        .expect_err("a late write without a fence goes through");
    assert!(wrong.contains("went through"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_sqlite_make_one_slip_each() {
    let folder = tempfile::tempdir().expect("a folder");
    a_thousand_salaries(&Place::Sqlite(folder.path().join("salary.db"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_postgres_make_one_slip_each() {
    a_thousand_salaries(&Place::on_postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_write_without_a_fence_is_seen_on_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    without_a_fence(&Place::Sqlite(folder.path().join("salary.db"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_write_without_a_fence_is_seen_on_postgres() {
    without_a_fence(&Place::on_postgres().await).await;
}

/// The other half of the check: wrong sums, missing and foreign slips are seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slips_that_do_not_agree_are_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place::Sqlite(folder.path().join("salary.db"));
    let opened = place.open().await;
    let agents = agents(3);
    opened.seed(&agents).await;
    let computer = Computer::start(&place, 1, &[], false);
    let (written, ..) = computer.ends().await;
    assert_eq!(written, 3);
    let (rows, totals) = opened.slips().await;
    assert_eq!(check_slips(&agents, &rows, &totals), Ok(()));
    assert!(check_slips(&agents, &rows[1..], &totals).is_err());
    assert!(check_slips(&agents[1..], &rows, &totals).is_err());
    let mut doubled = rows.clone();
    doubled[1] = doubled[0].clone();
    assert!(check_slips(&agents, &doubled, &totals).is_err());
    let mut wrong = rows.clone();
    wrong[2].slip.amounts.net += 1;
    assert!(check_slips(&agents, &wrong, &totals).is_err());
    let off = SlipTotals {
        net: totals.net - 1,
        ..totals
    };
    assert!(check_slips(&agents, &rows, &off).is_err());
}
