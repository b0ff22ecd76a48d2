//! Checks of the locks (LCK-1 to LCK-3, LCK-5, LCK-7 and COM-1, 7, 13). LCK-4 is among those of salary slips, where the
//! fence is compared.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::locks::{Held, LockLease, Locks, NAME_MAX_BYTES, OwnerId};
use tokio::time::Instant;

use crate::fixtures::uuid;
use crate::harness::LocksHarness;
use crate::support::{at_once, awkward_texts, in_time, poll_then_drop};

const MICROSECOND: Duration = Duration::from_micros(1);
const TTL: Duration = Duration::from_secs(60);

fn owner(number: u128) -> OwnerId {
    OwnerId(uuid(0x2_0000 + number))
}

async fn take(locks: &Arc<dyn Locks>, name: &str, number: u128) -> Option<LockLease> {
    let lease = locks.acquire(name, owner(number), TTL).await.unwrap();
    if let Some(lease) = &lease {
        assert_eq!((lease.name.as_str(), lease.owner), (name, owner(number)));
        assert!(lease.fence > 0, "{lease:?}");
    }
    lease
}

/// LCK-1, LCK-2, COM-13: twelve contenders on two instances are never two inside, and fences grow in the order in which
/// they were inside.
pub async fn one_holder_at_a_time_and_fences_grow(harness: &dyn LocksHarness) {
    const SECTIONS: u32 = 5;
    let instances = [harness.locks_at(0).await, harness.locks_at(1).await];
    let (inside, fences) = (Arc::new(AtomicU32::new(0)), Arc::new(Mutex::new(Vec::new())));
    at_once((0..12u128).map(|n| {
        let locks = instances[usize::from(n % 2 == 1)].clone();
        let (inside, fences) = (inside.clone(), fences.clone());
        async move {
            let mut done = 0;
            let mut attempt = 0;
            while done < SECTIONS {
                attempt += 1;
                let Some(lease) = take(&locks, "section", 100 * attempt + n).await else {
                    tokio::task::yield_now().await;
                    continue;
                };
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two are inside");
                fences.lock().unwrap().push(lease.fence);
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1, "two were inside");
                assert_eq!(locks.release(&lease).await.unwrap(), Held::Yes);
                done += 1;
            }
        }
    }))
    .await;
    let fences = fences.lock().unwrap();
    assert_eq!(fences.len(), 60);
    assert!(
        fences.is_sorted_by(|earlier, later| earlier < later),
        "{fences:?}"
    );
}

/// LCK-1: of sixteen who ask at once for a lock that never was, one gets it.
pub async fn of_many_at_once_one_gets_the_lock(harness: &dyn LocksHarness) {
    let instances = [harness.locks_at(0).await, harness.locks_at(1).await];
    for round in 0..5 {
        let leases = at_once((0..16u128).map(|n| {
            let locks = instances[usize::from(n % 2 == 1)].clone();
            async move { take(&locks, &format!("new {round}"), n).await }
        }))
        .await;
        assert_eq!(leases.iter().flatten().count(), 1, "{leases:?}");
    }
}

/// LCK-1, LCK-2: of sixteen who ask at once when a lease has ended, one gets the lock, with a greater fence.
pub async fn of_many_at_the_end_of_a_lease_one_gets_the_lock(harness: &dyn LocksHarness) {
    let instances = [harness.locks_at(0).await, harness.locks_at(1).await];
    let mut last = take(&instances[0], "ended", 1).await.unwrap().fence;
    for _ in 0..5 {
        harness.clock().advance(TTL);
        let leases = at_once((0..16u128).map(|n| {
            let locks = instances[usize::from(n % 2 == 1)].clone();
            async move { take(&locks, "ended", n).await }
        }))
        .await;
        let got: Vec<&LockLease> = leases.iter().flatten().collect();
        assert_eq!(got.len(), 1, "{leases:?}");
        assert!(got[0].fence > last);
        last = got[0].fence;
    }
}

/// LCK-2: fences grow across release, the end of a lease, sweeping, a clock set back, and instances opened later.
pub async fn fences_grow_across_release_expiry_and_sweeping(harness: &dyn LocksHarness) {
    let locks = harness.locks_at(0).await;
    let maintenance = harness.locks_maintenance().await;
    let mut fences = Vec::new();
    let first = take(&locks, "payroll", 1).await.unwrap();
    fences.push(first.fence);
    assert_eq!(locks.release(&first).await.unwrap(), Held::Yes);
    let second = take(&locks, "payroll", 2).await.unwrap();
    fences.push(second.fence);
    harness.clock().advance(TTL);
    let third = take(&locks, "payroll", 3).await.unwrap();
    fences.push(third.fence);
    locks.release(&third).await.unwrap();
    for days in [1, 400] {
        harness.clock().advance(Duration::from_secs(days * 24 * 3600));
        maintenance.sweep(1_000).await.unwrap();
        let later = harness.locks_at(2).await;
        let lease = take(&later, "payroll", 4).await.unwrap();
        fences.push(lease.fence);
        later.release(&lease).await.unwrap();
    }
    harness.clock().set(crate::support::start());
    fences.push(take(&locks, "payroll", 5).await.unwrap().fence);
    assert!(
        fences.is_sorted_by(|earlier, later| earlier < later),
        "{fences:?}"
    );
    assert!(
        take(&locks, "other", 6).await.is_some(),
        "another lock is another lock"
    );
}

/// LCK-6, COM-3: a lock whose holder says nothing more is free exactly when his lease ends, and not before.
pub async fn a_lock_is_free_exactly_when_its_lease_ends(harness: &dyn LocksHarness) {
    let (one, two) = (harness.locks_at(0).await, harness.locks_at(1).await);
    take(&one, "held", 1).await.unwrap();
    assert!(take(&two, "held", 2).await.is_none());
    harness.clock().advance(TTL - MICROSECOND);
    assert!(take(&two, "held", 2).await.is_none());
    harness.clock().advance(MICROSECOND);
    assert!(take(&two, "held", 2).await.is_some());
}

/// LCK-3: who lost a lock, in whatever way, neither gives it back nor prolongs it; the new holder is not disturbed.
pub async fn an_old_holder_changes_nothing(harness: &dyn LocksHarness) {
    let (one, two) = (harness.locks_at(0).await, harness.locks_at(1).await);
    let mut old = take(&one, "held", 1).await.unwrap();
    harness.clock().advance(TTL);
    assert_eq!(
        one.renew(&mut old, TTL).await.unwrap(),
        Held::Lost,
        "at the very instant it is over"
    );
    assert_eq!(one.release(&old).await.unwrap(), Held::Lost);
    let new = take(&two, "held", 2).await.unwrap();
    assert_eq!(one.renew(&mut old, TTL * 10).await.unwrap(), Held::Lost);
    assert_eq!(one.release(&old).await.unwrap(), Held::Lost);
    assert!(
        take(&one, "held", 3).await.is_none(),
        "the new holder still holds it"
    );
    harness.clock().advance(TTL - MICROSECOND);
    assert!(take(&one, "held", 3).await.is_none());
    assert_eq!(two.release(&new).await.unwrap(), Held::Yes);
    assert_eq!(two.release(&new).await.unwrap(), Held::Lost, "given back once");
    // The same owner later is another holder: his fence tells them apart.
    let again = take(&one, "held", 1).await.unwrap();
    assert_eq!(one.renew(&mut old, TTL).await.unwrap(), Held::Lost);
    assert_eq!(one.release(&old).await.unwrap(), Held::Lost);
    assert_eq!(one.release(&again).await.unwrap(), Held::Yes);
    let mut never = LockLease {
        name: "never".to_owned(),
        ..again
    };
    assert_eq!(one.renew(&mut never, TTL).await.unwrap(), Held::Lost);
    assert_eq!(one.release(&never).await.unwrap(), Held::Lost);
    assert!(take(&one, "never", 1).await.is_some());
}

/// LCK-3: whoever holds a lock and asks for it again does not get it, nor does he lose it.
pub async fn a_lock_is_not_re_entrant(harness: &dyn LocksHarness) {
    let locks = harness.locks_at(0).await;
    let lease = take(&locks, "held", 1).await.unwrap();
    assert!(take(&locks, "held", 1).await.is_none());
    assert_eq!(locks.release(&lease).await.unwrap(), Held::Yes);
    assert!(take(&locks, "held", 1).await.is_some());
}

/// A renewed lease counts from the renewal, also when it is made shorter by it.
pub async fn a_renewed_lease_counts_from_now(harness: &dyn LocksHarness) {
    let (one, two) = (harness.locks_at(0).await, harness.locks_at(1).await);
    let mut lease = take(&one, "held", 1).await.unwrap();
    let fence = lease.fence;
    for _ in 0..10 {
        harness.clock().advance(TTL / 2);
        let asked = Instant::now();
        assert_eq!(one.renew(&mut lease, TTL).await.unwrap(), Held::Yes);
        assert!(lease.valid_until >= asked + TTL);
        assert!(take(&two, "held", 2).await.is_none());
    }
    assert_eq!(lease.fence, fence);
    assert_eq!(one.renew(&mut lease, TTL / 4).await.unwrap(), Held::Yes);
    harness.clock().advance(TTL / 4 - MICROSECOND);
    assert!(take(&two, "held", 2).await.is_none());
    harness.clock().advance(MICROSECOND);
    assert!(take(&two, "held", 2).await.unwrap().fence > fence);
}

/// LCK-5: a holder believes in his lease no longer than it was granted, counted from before he asked; an answer that
/// takes longer than the lease is no lock.
pub async fn a_lease_is_believed_no_longer_than_granted(harness: &dyn LocksHarness) {
    let locks = harness.locks_at(0).await;
    let mut from_before = (0, 0);
    for number in 0..20u128 {
        let asked = Instant::now();
        let mut lease = take(&locks, &format!("lock {number}"), number).await.unwrap();
        let answered = Instant::now();
        let counted_from = lease.valid_until - TTL;
        assert!(asked <= counted_from && counted_from <= answered);
        from_before.0 += u32::from(counted_from - asked <= answered - counted_from);
        let asked = Instant::now();
        assert_eq!(locks.renew(&mut lease, 2 * TTL).await.unwrap(), Held::Yes);
        let answered = Instant::now();
        let counted_from = lease.valid_until - 2 * TTL;
        assert!(asked <= counted_from && counted_from <= answered);
        from_before.1 += u32::from(counted_from - asked <= answered - counted_from);
    }
    // An adapter that counts from the answer is always nearer to it; one that counts from the request is so only when it
    // was put to sleep just then, which does not happen twenty times.
    assert!(from_before.0 > 0 && from_before.1 > 0, "counted from the answer");
    for ttl in [Duration::ZERO, Duration::from_nanos(1)] {
        let lease = locks.acquire("too short", owner(1), ttl).await.unwrap();
        assert_eq!(lease, None, "it was over before the answer came");
    }
    let for_ever = locks.acquire("long", owner(1), Duration::MAX).await.unwrap();
    assert!(for_ever.is_some(), "a time that does not fit is a long one");
}

/// COM-1: names are told apart by their bytes; one that is too long is refused.
pub async fn names_never_alias(harness: &dyn LocksHarness) {
    let locks = harness.locks_at(0).await;
    for name in awkward_texts() {
        let asked = locks.acquire(&name, owner(1), TTL).await;
        if name.len() <= NAME_MAX_BYTES {
            let lease = asked.unwrap();
            assert_eq!(lease.map(|lease| lease.name), Some(name));
        } else {
            assert!(
                matches!(asked, Err(BackendError::Invalid { .. })),
                "{} bytes",
                name.len()
            );
        }
    }
    let longest = "é".repeat(NAME_MAX_BYTES / 2);
    assert!(take(&locks, &longest, 1).await.is_some());
    assert!(take(&locks, &longest, 2).await.is_none());
}

/// LCK-7, COM-7: an acquisition whose answer was never heard holds the lock until its lease ends, at most.
pub async fn a_cancelled_acquisition_ends_with_its_lease(harness: &dyn LocksHarness) {
    let (one, two) = (harness.locks_at(0).await, harness.locks_at(1).await);
    for polls in 0..=20usize {
        let name = format!("lock {polls}");
        let heard = poll_then_drop(polls, one.acquire(&name, owner(1), TTL)).await;
        // The same owner asks again and gets an answer, whichever it is.
        let again = in_time(take(&one, &name, 1)).await;
        assert!(heard.is_none() || again.is_none(), "two leases of one lock");
        harness.clock().advance(TTL);
        let lease = in_time(take(&two, &name, 2))
            .await
            .expect("free when the lease has ended");
        let released = poll_then_drop(polls, two.release(&lease)).await;
        let next = in_time(take(&one, &name, 3)).await;
        assert!(released.is_none() || next.is_some());
        for n in 0..20u128 {
            let other = take(&one, &format!("{name} {n}"), n).await.unwrap();
            assert_eq!(one.release(&other).await.unwrap(), Held::Yes);
        }
    }
}
