//! Checks of the login attempts port (ATT-1 to ATT-6 and COM-1, 3, 4, 7, 13).

use std::sync::Arc;
use std::time::Duration;

use mppeep_core::ports::login_attempts::{Attempt, AttemptId, AttemptLimits, Begun, LoginAttempts};
use uuid::Uuid;

use crate::harness::LoginAttemptsHarness;
use crate::support::{at_once, awkward_texts, in_time, poll_then_drop};

const MICROSECOND: Duration = Duration::from_micros(1);
const MINUTE: Duration = Duration::from_secs(60);

type Port = Arc<dyn LoginAttempts>;

fn limits() -> AttemptLimits {
    AttemptLimits::default()
}

fn who(address: &str, account: &str) -> Attempt {
    Attempt {
        address: address.to_owned(),
        account: account.to_owned(),
    }
}

async fn begin(port: &Port, who: &Attempt) -> Begun {
    port.begin(who, &limits()).await.unwrap()
}

async fn settle(port: &Port, id: AttemptId, who: &Attempt, success: bool) {
    port.settle(id, who, &limits(), success).await.unwrap();
}

async fn go(port: &Port, who: &Attempt) -> AttemptId {
    match begin(port, who).await {
        Begun::Go { id, .. } => id,
        other => panic!("{who:?} may not try: {other:?}"),
    }
}

async fn fail(port: &Port, who: &Attempt, times: u32) {
    for _ in 0..times {
        let id = go(port, who).await;
        settle(port, id, who, false).await;
    }
}

async fn succeed(port: &Port, who: &Attempt) {
    let id = go(port, who).await;
    settle(port, id, who, true).await;
}

async fn blocked_for(port: &Port, who: &Attempt) -> Duration {
    match begin(port, who).await {
        Begun::Blocked { retry_after } => retry_after,
        other => panic!("{who:?} is not blocked: {other:?}"),
    }
}

/// ATT-1, COM-3: five failures in the window, then `Blocked` with a falling time, exactly until the oldest ends.
pub async fn five_failures_block_until_the_oldest_ends(harness: &dyn LoginAttemptsHarness) {
    let (port, clock, me) = (
        harness.attempts(0).await,
        harness.clock(),
        who("192.0.2.1", "awa@exemple.ci"),
    );
    for left in (0..5).rev() {
        let Begun::Go { id, remaining } = begin(&port, &me).await else {
            panic!("too early")
        };
        assert_eq!(remaining, left);
        settle(&port, id, &me, false).await;
        clock.advance(MINUTE);
    }
    // The first failure was five minutes ago.
    assert_eq!(blocked_for(&port, &me).await, limits().window - 5 * MINUTE);
    clock.advance(MINUTE);
    assert_eq!(blocked_for(&port, &me).await, limits().window - 6 * MINUTE);
    assert_eq!(
        blocked_for(&port, &who("192.0.2.1", "another@exemple.ci")).await,
        limits().window - 6 * MINUTE
    );
    assert!(matches!(
        begin(&port, &who("192.0.2.2", "awa@exemple.ci")).await,
        Begun::Go { .. }
    ));
    clock.advance(limits().window - 6 * MINUTE - MICROSECOND);
    assert_eq!(blocked_for(&port, &me).await, MICROSECOND);
    clock.advance(MICROSECOND);
    let Begun::Go { id, remaining } = begin(&port, &me).await else {
        panic!("still blocked")
    };
    assert_eq!(remaining, 0);
    settle(&port, id, &me, false).await;
    assert_eq!(
        blocked_for(&port, &me).await,
        MINUTE,
        "the second failure ends a minute after the first"
    );
}

/// ATT-1: knocking at a closed door does not keep it closed.
pub async fn blocked_attempts_do_not_lengthen_the_window(harness: &dyn LoginAttemptsHarness) {
    let (port, clock, me) = (
        harness.attempts(0).await,
        harness.clock(),
        who("192.0.2.1", "awa@exemple.ci"),
    );
    fail(&port, &me, 5).await;
    for _ in 0..14 {
        clock.advance(MINUTE);
        blocked_for(&port, &me).await;
    }
    clock.advance(MINUTE);
    fail(&port, &me, 5).await;
}

/// ATT-2, COM-13: of 30 attempts at once from one address, with the wrong password, five are evaluated.
pub async fn thirty_wrong_passwords_at_once_are_five(harness: &dyn LoginAttemptsHarness) {
    let instances = [harness.attempts(0).await, harness.attempts(1).await];
    for round in 0..3 {
        let address = format!("192.0.2.{round}");
        let begun = at_once((0..30).map(|n| {
            let (port, me) = (
                instances[n % 2].clone(),
                who(&address, &format!("account{n}@exemple.ci")),
            );
            async move {
                let begun = begin(&port, &me).await;
                if let Begun::Go { id, .. } = &begun {
                    tokio::task::yield_now().await;
                    settle(&port, *id, &me, false).await;
                }
                begun
            }
        }))
        .await;
        let evaluated = begun
            .iter()
            .filter(|begun| matches!(begun, Begun::Go { .. }))
            .count();
        assert_eq!(evaluated, 5);
        blocked_for(&instances[0], &who(&address, "next@exemple.ci")).await;
    }
}

/// ATT-2: right passwords in flight are never refused because of each other; those above the free slots wait.
pub async fn twelve_right_passwords_at_once_all_pass(harness: &dyn LoginAttemptsHarness) {
    let instances = [harness.attempts(0).await, harness.attempts(1).await];
    let waits = at_once((0..12).map(|n| {
        let (port, me) = (
            instances[n % 2].clone(),
            who("192.0.2.1", &format!("account{n}@exemple.ci")),
        );
        async move {
            let mut waits = 0u32;
            loop {
                match begin(&port, &me).await {
                    Begun::Go { id, .. } => {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        settle(&port, id, &me, true).await;
                        return waits;
                    }
                    Begun::Wait => {
                        waits += 1;
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                    Begun::Blocked { .. } => panic!("a right password is refused because of others"),
                }
            }
        }
    }))
    .await;
    assert!(
        waits.iter().any(|waits| *waits > 0),
        "more than five were evaluated at once"
    );
}

/// ATT-3: four wrong, right, five wrong, then blocked.
pub async fn a_success_gives_back_only_its_own_failures(harness: &dyn LoginAttemptsHarness) {
    let (port, me) = (harness.attempts(0).await, who("192.0.2.1", "awa@exemple.ci"));
    fail(&port, &me, 4).await;
    succeed(&port, &me).await;
    fail(&port, &me, 5).await;
    blocked_for(&port, &me).await;
    // A success of the same account elsewhere gives nothing back here.
    succeed(&port, &who("192.0.2.2", "awa@exemple.ci")).await;
    blocked_for(&port, &me).await;
}

/// ATT-3: logging in to one's own account every few tries never helps to guess another.
pub async fn own_logins_never_help_guessing_another_account(harness: &dyn LoginAttemptsHarness) {
    let port = harness.attempts(0).await;
    let (own, other) = (
        who("192.0.2.1", "own@exemple.ci"),
        who("192.0.2.1", "victim@exemple.ci"),
    );
    fail(&port, &other, 2).await;
    fail(&port, &own, 1).await;
    succeed(&port, &own).await;
    fail(&port, &other, 2).await;
    succeed(&port, &own).await;
    let Begun::Go { id, remaining } = begin(&port, &other).await else {
        panic!("too early")
    };
    assert_eq!(remaining, 0);
    settle(&port, id, &other, false).await;
    blocked_for(&port, &other).await;
}

async fn hammer(port: &Port, account: &str) {
    for n in 0..limits().account_threshold {
        fail(port, &who(&format!("198.51.100.{n}"), account), 1).await;
    }
}

/// ATT-4: after 20 failures in a row from anywhere, attempts on the account are spaced by ten seconds, no more; the
/// same for accounts that do not exist, since this port knows none.
pub async fn a_hammered_account_is_spaced_out_not_locked(harness: &dyn LoginAttemptsHarness) {
    let (port, clock) = (harness.attempts(0).await, harness.clock());
    let threshold = limits().account_threshold;
    for n in 0..threshold - 1 {
        fail(&port, &who(&format!("198.51.100.{n}"), "victim@exemple.ci"), 1).await;
    }
    fail(&port, &who("198.51.100.200", "victim@exemple.ci"), 1).await;
    for n in 0..8 {
        let me = who(&format!("203.0.113.{n}"), "victim@exemple.ci");
        let wait = blocked_for(&port, &me).await;
        assert!(
            wait > Duration::ZERO && wait <= limits().account_delay,
            "{wait:?}"
        );
        assert!(matches!(
            begin(&port, &who(&me.address, "other@exemple.ci")).await,
            Begun::Go { .. }
        ));
        clock.advance(wait - MICROSECOND);
        assert_eq!(blocked_for(&port, &me).await, MICROSECOND);
        clock.advance(MICROSECOND);
        fail(&port, &me, 1).await;
    }
    clock.advance(limits().account_delay);
    succeed(&port, &who("203.0.113.100", "victim@exemple.ci")).await;
    // The row of failures is broken.
    for n in 0..threshold - 1 {
        fail(
            &port,
            &who(&format!("203.0.113.{}", 101 + n), "victim@exemple.ci"),
            1,
        )
        .await;
    }
}

/// ATT-4: of many attempts at once on a spaced account, from many addresses, one goes through.
pub async fn a_spaced_account_lets_one_attempt_through_at_a_time(harness: &dyn LoginAttemptsHarness) {
    let instances = [harness.attempts(0).await, harness.attempts(1).await];
    hammer(&instances[0], "victim@exemple.ci").await;
    for _ in 0..3 {
        harness.clock().advance(limits().account_delay);
        let begun = at_once((0..40).map(|n| {
            let (port, me) = (
                instances[n % 2].clone(),
                who(&format!("203.0.113.{n}"), "victim@exemple.ci"),
            );
            async move { begin(&port, &me).await }
        }))
        .await;
        assert_eq!(
            begun
                .iter()
                .filter(|begun| matches!(begun, Begun::Go { .. }))
                .count(),
            1
        );
    }
}

/// ATT-4: whoever guesses an account does not slow its owner down, who logged in from his address within 30 days.
pub async fn a_known_address_is_exempt_from_the_spacing(harness: &dyn LoginAttemptsHarness) {
    let (port, clock) = (harness.attempts(0).await, harness.clock());
    let owner = who("192.0.2.1", "victim@exemple.ci");
    succeed(&port, &owner).await;
    clock.advance(limits().known_for - MINUTE);
    hammer(&port, "victim@exemple.ci").await;
    blocked_for(&port, &who("203.0.113.1", "victim@exemple.ci")).await;
    let id = go(&port, &owner).await;
    settle(&port, id, &owner, false).await;
    go(&port, &owner).await;
    clock.advance(MINUTE);
    go(&port, &who("203.0.113.1", "victim@exemple.ci")).await;
    let wait = blocked_for(&port, &owner).await;
    assert!(
        wait <= limits().account_delay,
        "30 days later the address is like any other"
    );
}

/// ATT-5: an attempt whose process died holds its slot for 30 seconds exactly, and counts as no failure.
pub async fn an_attempt_that_never_settles_frees_its_slot(harness: &dyn LoginAttemptsHarness) {
    let (port, clock, me) = (
        harness.attempts(0).await,
        harness.clock(),
        who("192.0.2.1", "awa@exemple.ci"),
    );
    for left in (0..5).rev() {
        let Begun::Go { remaining, .. } = begin(&port, &me).await else {
            panic!("too early")
        };
        assert_eq!(remaining, left);
    }
    assert_eq!(begin(&port, &me).await, Begun::Wait);
    clock.advance(limits().in_flight - MICROSECOND);
    assert_eq!(begin(&port, &me).await, Begun::Wait);
    clock.advance(MICROSECOND);
    let Begun::Go { remaining, .. } = begin(&port, &me).await else {
        panic!("the slots are not freed")
    };
    assert_eq!(remaining, 4);
}

/// ATT-5: a failure settled late, or twice, or for an attempt that nobody knows, counts once.
pub async fn a_late_failure_counts_once(harness: &dyn LoginAttemptsHarness) {
    let (port, clock, me) = (
        harness.attempts(0).await,
        harness.clock(),
        who("192.0.2.1", "awa@exemple.ci"),
    );
    let late = go(&port, &me).await;
    clock.advance(2 * limits().in_flight);
    settle(&port, late, &me, false).await;
    settle(&port, late, &me, false).await;
    let unknown = AttemptId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001));
    settle(&port, unknown, &me, false).await;
    let Begun::Go { id, remaining } = begin(&port, &me).await else {
        panic!("too many were counted")
    };
    assert_eq!(remaining, 2);
    settle(&port, id, &me, true).await;
    let Begun::Go { remaining, .. } = begin(&port, &me).await else {
        panic!("nothing was given back")
    };
    assert_eq!(remaining, 4);
}

/// COM-1: no address, and no account, is taken for another.
pub async fn addresses_and_accounts_never_alias(harness: &dyn LoginAttemptsHarness) {
    let port = harness.attempts(0).await;
    let texts: Vec<String> = awkward_texts()
        .into_iter()
        .filter(|text| text.len() < 1_000)
        .collect();
    for text in &texts {
        let me = who(text, "one@exemple.ci");
        let Begun::Go { remaining, .. } = begin(&port, &me).await else {
            panic!("{text:?} met another address")
        };
        assert_eq!(remaining, 4, "{text:?} met another address");
    }
    let from = |n: usize| format!("2001:db8:{n:x}::");
    for (n, text) in texts.iter().enumerate() {
        fail(&port, &who(&from(n), text), 1).await;
        fail(&port, &who(&from(n), &format!("sentinel {n}")), 1).await;
        succeed(&port, &who(&from(n), &format!("{text}.other"))).await;
        succeed(&port, &who(&from(n), text)).await;
        let Begun::Go { remaining, .. } = begin(&port, &who(&from(n), text)).await else {
            panic!("{text:?}")
        };
        assert_eq!(
            remaining, 3,
            "a success of {text:?} gave back another account's failure"
        );
    }
}

/// ATT-6: two instances count together, and one opened later knows it all.
pub async fn two_instances_count_together(harness: &dyn LoginAttemptsHarness) {
    let (one, two, me) = (
        harness.attempts(0).await,
        harness.attempts(1).await,
        who("192.0.2.1", "awa@exemple.ci"),
    );
    fail(&one, &me, 2).await;
    let begun_here = go(&one, &me).await;
    settle(&two, begun_here, &me, false).await;
    fail(&two, &me, 2).await;
    drop((one, two));
    let later = harness.attempts(2).await;
    assert_eq!(blocked_for(&later, &me).await, limits().window);
}

/// COM-3, COM-4, ATT-5: sweeping removes only what has ended, at most so much at a time; after everything has ended
/// nothing is left to sweep.
pub async fn sweeping_changes_no_answer_and_leaves_nothing_for_ever(harness: &dyn LoginAttemptsHarness) {
    let (port, clock, me) = (
        harness.attempts(0).await,
        harness.clock(),
        who("192.0.2.1", "awa@exemple.ci"),
    );
    let maintenance = harness.attempts_maintenance().await;
    fail(&port, &me, 5).await;
    hammer(&port, "victim@exemple.ci").await;
    succeed(&port, &who("192.0.2.9", "known@exemple.ci")).await;
    go(&port, &who("192.0.2.10", "flying@exemple.ci")).await;
    maintenance.sweep(1_000).await.unwrap();
    assert_eq!(blocked_for(&port, &me).await, limits().window);
    blocked_for(&port, &who("203.0.113.1", "victim@exemple.ci")).await;
    clock.advance(limits().window + limits().known_for + 60 * MINUTE);
    let mut swept = 0;
    for _ in 0..1_000 {
        match maintenance.sweep(1).await.unwrap() {
            0 => break,
            some => swept += some,
        }
    }
    assert!(
        swept >= 22,
        "{swept} rows swept: of 22 addresses that failed, and one that succeeded"
    );
    assert_eq!(maintenance.sweep(1_000).await.unwrap(), 0);
    let Begun::Go { remaining, .. } = begin(&port, &me).await else {
        panic!("still blocked")
    };
    assert_eq!(remaining, 4);
}

/// COM-7: a call dropped at any await counted or did not; nothing stays locked.
pub async fn a_cancelled_call_leaves_the_count_right(harness: &dyn LoginAttemptsHarness) {
    let (port, clock) = (harness.attempts(0).await, harness.clock());
    for polls in 0..=20 {
        let me = who(&format!("198.51.100.{polls}"), "awa@exemple.ci");
        let limits = limits();
        let begun = poll_then_drop(polls, port.begin(&me, &limits)).await;
        let Begun::Go { id, remaining } = in_time(begin(&port, &me)).await else {
            panic!("{polls}")
        };
        assert!(
            remaining == 3 || begun.is_none() && remaining == 4,
            "{polls} polls: {remaining} left"
        );
        let settled = poll_then_drop(polls, port.settle(id, &me, &limits, false)).await;
        clock.advance(limits.in_flight);
        let Begun::Go { remaining, .. } = in_time(begin(&port, &me)).await else {
            panic!("{polls}")
        };
        assert!(
            remaining == 3 || settled.is_none() && remaining == 4,
            "{polls} polls: {remaining} left"
        );
        succeed(&port, &me).await;
        for n in 0..100 {
            let other = who(&format!("203.0.113.{polls}.{n}"), "other@exemple.ci");
            assert!(matches!(in_time(begin(&port, &other)).await, Begun::Go { .. }));
        }
    }
}
