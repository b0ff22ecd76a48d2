//! Checks of idempotency keys (IDE-1 to IDE-6, and COM-1 to 4, 7, 13).

use std::sync::Arc;
use std::time::Duration;

use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::idempotency::{
    ANSWER_MAX_BYTES, IdempotencyKeys, IdempotentRequest, KEY_MAX_BYTES, KeptAnswer, Reserved,
};
use mppeep_core::ports::job_queue::Held;
use mppeep_core::ports::store::Store;
use uuid::Uuid;

use crate::fixtures::{a_user, uuid};
use crate::harness::IdempotencyHarness;
use crate::support::{at_once, in_time, poll_then_drop};

const MICROSECOND: Duration = Duration::from_micros(1);
const LEASE: Duration = Duration::from_secs(60);
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

type Port = Arc<dyn IdempotencyKeys>;

fn token(number: u128) -> Uuid {
    uuid(0x9_0000 + number)
}

/// A request that names the key, under the token of that number.
fn a_request(key: &str, number: u128) -> IdempotentRequest {
    IdempotentRequest {
        user: a_user(1).id,
        operation: "POST /personnel".to_owned(),
        key: key.to_owned(),
        digest: [7; 32],
        token: token(number),
    }
}

fn an_answer() -> KeptAnswer {
    KeptAnswer {
        status: 201,
        headers: vec![("location".to_owned(), "/personnel/1".to_owned())],
        body: b"{}".to_vec(),
    }
}

async fn ask(keys: &Port, request: &IdempotentRequest) -> Reserved {
    keys.reserve(request, LEASE, LIFETIME).await.unwrap()
}

async fn reserve(keys: &Port, key: &str, number: u128) -> Reserved {
    ask(keys, &a_request(key, number)).await
}

/// Marks the key in a unit that does nothing else.
async fn mark(store: &Arc<dyn Store>, number: u128) -> Held {
    let mut unit = store.begin().await.unwrap();
    let held = unit.mark_carried_out(token(number)).await.unwrap();
    unit.commit().await.unwrap();
    held
}

async fn instances(harness: &dyn IdempotencyHarness) -> [Port; 2] {
    [harness.keys_at(0).await, harness.keys_at(1).await]
}

/// How many of these were granted; the others must have been told to wait.
fn granted(outcomes: &[Reserved]) -> usize {
    for outcome in outcomes {
        assert!(
            matches!(outcome, Reserved::Granted | Reserved::UnderWay(_)),
            "{outcome:?}"
        );
    }
    let granted = outcomes.iter().filter(|outcome| **outcome == Reserved::Granted);
    granted.count()
}

/// IDE-1, COM-13: of 64 requests at once with one key, on two instances, one may be carried out.
pub async fn of_many_at_once_one_may(harness: &dyn IdempotencyHarness) {
    let keys = instances(harness).await;
    for round in 0..4 {
        let key = format!("key {round}");
        let outcomes = at_once((0..64u128).map(|n| {
            let keys = keys[usize::from(n % 2 == 1)].clone();
            let request = a_request(&key, 100 * round + n);
            async move { ask(&keys, &request).await }
        }))
        .await;
        assert_eq!(granted(&outcomes), 1);
        assert_eq!(
            reserve(&keys[0], &key, 9_000 + round).await,
            Reserved::UnderWay(LEASE),
            "the clock stood still"
        );
    }
}

/// IDE-1, IDE-4: of sixteen who come when a lease has just ended, one may.
pub async fn of_many_at_the_end_of_a_lease_one_may(harness: &dyn IdempotencyHarness) {
    let keys = instances(harness).await;
    assert_eq!(reserve(&keys[0], "key", 1).await, Reserved::Granted);
    for round in 1..=4u128 {
        harness.clock().advance(LEASE);
        let outcomes = at_once((0..16u128).map(|n| {
            let keys = keys[usize::from(n % 2 == 1)].clone();
            async move { reserve(&keys, "key", 100 * round + n).await }
        }))
        .await;
        assert_eq!(granted(&outcomes), 1);
    }
}

/// IDE-2, COM-2: an answer is given again, byte for byte, on every instance and after the lease; one that is too large
/// is refused and leaves nothing.
pub async fn an_answer_is_given_again(harness: &dyn IdempotencyHarness) {
    let [one, two] = instances(harness).await;
    let every_byte: Vec<u8> = (0..ANSWER_MAX_BYTES)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect();
    let answers = [
        an_answer(),
        KeptAnswer {
            status: 204,
            headers: Vec::new(),
            body: Vec::new(),
        },
        KeptAnswer {
            status: 422,
            headers: vec![
                ("x-a".to_owned(), "« é » \"𝒂\" \\".to_owned()),
                ("x-a".to_owned(), String::new()),
            ],
            body: (0..=255).collect(),
        },
        KeptAnswer {
            status: 599,
            headers: Vec::new(),
            body: every_byte,
        },
    ];
    for (answer, number) in answers.iter().zip(1u128..) {
        let key = format!("key {number}");
        assert_eq!(reserve(&one, &key, number).await, Reserved::Granted);
        let long = KeptAnswer {
            body: vec![0; ANSWER_MAX_BYTES + 1],
            ..answer.clone()
        };
        let refused = one.answer(token(number), &long).await;
        assert!(
            matches!(refused, Err(BackendError::Invalid { .. })),
            "{refused:?}"
        );
        assert_eq!(reserve(&two, &key, 50 + number).await, Reserved::UnderWay(LEASE));
        if number % 2 == 0 {
            assert_eq!(mark(&harness.keys_store(1).await, number).await, Held::Yes);
        }
        assert_eq!(two.answer(token(number), answer).await.unwrap(), Held::Yes);
    }
    for wait in [Duration::ZERO, LEASE, LEASE * 100] {
        harness.clock().advance(wait);
        for (answer, number) in answers.iter().zip(1u128..) {
            for keys in [&one, &two] {
                let again = reserve(keys, &format!("key {number}"), 90 + number).await;
                assert_eq!(again, Reserved::Answered(answer.clone()), "{number}");
            }
        }
    }
    assert_eq!(one.answer(token(77), &an_answer()).await.unwrap(), Held::Lost);
}

/// IDE-3, COM-1: keys of one user are unknown to others, and are told apart whatever is in them; one that was used for
/// something else is told so, whether it is under way, carried out or answered.
pub async fn a_key_is_of_one_user_and_one_request(harness: &dyn IdempotencyHarness) {
    let [one, two] = instances(harness).await;
    let longest = "k".repeat(KEY_MAX_BYTES);
    let longest_but_one = format!("{}x", "k".repeat(KEY_MAX_BYTES - 1));
    let texts = [
        "a",
        "A",
        "a ",
        " a",
        "a:b",
        "a::b",
        ":",
        "%",
        "_",
        "a%",
        "*",
        "'",
        "\"",
        "\\",
        "0",
        "00",
        "null",
        &longest,
        &longest_but_one,
    ];
    for (text, number) in texts.iter().zip(1u128..) {
        assert_eq!(reserve(&one, text, number).await, Reserved::Granted, "{text:?}");
        let of_another = IdempotentRequest {
            user: a_user(2).id,
            ..a_request(text, 100 + number)
        };
        assert_eq!(ask(&two, &of_another).await, Reserved::Granted, "{text:?}");
    }
    for wrong in [String::new(), "k".repeat(KEY_MAX_BYTES + 1)] {
        let refused = one.reserve(&a_request(&wrong, 300), LEASE, LIFETIME).await;
        assert!(
            matches!(refused, Err(BackendError::Invalid { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(mark(&harness.keys_store(0).await, 2).await, Held::Yes);
    assert_eq!(one.answer(token(3), &an_answer()).await.unwrap(), Held::Yes);
    for text in &texts[..3] {
        let other_digest = IdempotentRequest {
            digest: [8; 32],
            ..a_request(text, 301)
        };
        let other_operation = IdempotentRequest {
            operation: "POST /absences".to_owned(),
            ..a_request(text, 302)
        };
        for other in [other_digest, other_operation] {
            assert_eq!(ask(&two, &other).await, Reserved::Mismatch, "{text:?}");
        }
    }
    harness.clock().advance(LEASE);
    let other = IdempotentRequest {
        digest: [8; 32],
        ..a_request("A", 303)
    };
    assert_eq!(ask(&one, &other).await, Reserved::Mismatch, "its effect is there");
}

/// IDE-4, COM-3: a key of which nothing was carried out is free exactly when its lease ends, for whatever request; who
/// held it before changes nothing any more.
pub async fn a_key_is_free_again_when_its_lease_ends(harness: &dyn IdempotencyHarness) {
    let [one, two] = instances(harness).await;
    let store = harness.keys_store(0).await;
    assert_eq!(reserve(&one, "key", 1).await, Reserved::Granted);
    harness.clock().advance(LEASE - MICROSECOND);
    assert_eq!(reserve(&two, "key", 2).await, Reserved::UnderWay(MICROSECOND));
    harness.clock().advance(MICROSECOND);
    assert_eq!(mark(&store, 1).await, Held::Lost, "the lease has ended");
    let other = IdempotentRequest {
        digest: [8; 32],
        ..a_request("key", 3)
    };
    assert_eq!(ask(&two, &other).await, Reserved::Granted);
    assert_eq!(mark(&store, 1).await, Held::Lost);
    assert_eq!(one.answer(token(1), &an_answer()).await.unwrap(), Held::Lost);
    assert_eq!(one.release(token(1)).await.unwrap(), Held::Lost);
    let again = IdempotentRequest {
        token: token(4),
        ..other.clone()
    };
    assert_eq!(ask(&one, &again).await, Reserved::UnderWay(LEASE));
    assert_eq!(
        mark(&store, 3).await,
        Held::Yes,
        "the new holder is not disturbed"
    );
    assert_eq!(mark(&store, 77).await, Held::Lost, "nobody's token");
    let last = KeptAnswer {
        status: 200,
        ..an_answer()
    };
    assert_eq!(two.answer(token(3), &last).await.unwrap(), Held::Yes);
    assert_eq!(ask(&one, &again).await, Reserved::Answered(last));
}

/// A key that is given back is free at once; one whose effect is there, or that was answered, is not given back.
pub async fn a_key_given_back_is_free_at_once(harness: &dyn IdempotencyHarness) {
    let [one, two] = instances(harness).await;
    assert_eq!(reserve(&one, "key", 1).await, Reserved::Granted);
    assert_eq!(reserve(&one, "other", 2).await, Reserved::Granted);
    assert_eq!(two.release(token(1)).await.unwrap(), Held::Yes);
    assert_eq!(two.release(token(1)).await.unwrap(), Held::Lost);
    assert_eq!(mark(&harness.keys_store(0).await, 1).await, Held::Lost);
    assert_eq!(reserve(&one, "other", 3).await, Reserved::UnderWay(LEASE));
    assert_eq!(reserve(&two, "key", 4).await, Reserved::Granted);
    assert_eq!(mark(&harness.keys_store(0).await, 4).await, Held::Yes);
    two.release(token(4)).await.unwrap();
    assert_eq!(reserve(&one, "key", 5).await, Reserved::UnderWay(LEASE));
    assert_eq!(one.answer(token(2), &an_answer()).await.unwrap(), Held::Yes);
    one.release(token(2)).await.unwrap();
    assert_eq!(reserve(&two, "other", 6).await, Reserved::Answered(an_answer()));
}

/// IDE-5: what was carried out is never granted again, whatever became of its process; the answer may still come late.
pub async fn what_was_carried_out_is_never_granted_again(harness: &dyn IdempotencyHarness) {
    let [one, two] = instances(harness).await;
    for key in ["answered late", "never answered"] {
        let number = u128::try_from(key.len()).unwrap();
        assert_eq!(reserve(&one, key, number).await, Reserved::Granted);
        harness.clock().advance(LEASE - MICROSECOND);
        assert_eq!(mark(&harness.keys_store(1).await, number).await, Held::Yes);
        assert_eq!(reserve(&two, key, 50).await, Reserved::UnderWay(MICROSECOND));
        harness.clock().advance(MICROSECOND);
        assert_eq!(reserve(&two, key, 51).await, Reserved::AnswerLost);
        one.release(token(number)).await.unwrap();
        harness.clock().advance(LEASE * 10);
        assert_eq!(reserve(&two, key, 52).await, Reserved::AnswerLost);
    }
    let late = u128::try_from("answered late".len()).unwrap();
    assert_eq!(one.answer(token(late), &an_answer()).await.unwrap(), Held::Yes);
    assert_eq!(
        reserve(&two, "answered late", 53).await,
        Reserved::Answered(an_answer())
    );
    assert_eq!(reserve(&two, "never answered", 54).await, Reserved::AnswerLost);
}

/// IDE-5: a unit that is dropped takes its mark with it: the key is free when its lease ends.
pub async fn a_dropped_unit_marks_nothing(harness: &dyn IdempotencyHarness) {
    let [one, two] = instances(harness).await;
    let store = harness.keys_store(0).await;
    assert_eq!(reserve(&one, "key", 1).await, Reserved::Granted);
    let mut unit = store.begin().await.unwrap();
    assert_eq!(unit.mark_carried_out(token(1)).await.unwrap(), Held::Yes);
    drop(unit);
    harness.clock().advance(LEASE);
    assert_eq!(reserve(&two, "key", 2).await, Reserved::Granted);
    // The same again, with the mark and its unit as they should be.
    assert_eq!(mark(&store, 2).await, Held::Yes);
    harness.clock().advance(LEASE);
    assert_eq!(reserve(&two, "key", 3).await, Reserved::AnswerLost);
}

/// IDE-5: a unit that marked in time and commits after the end of the lease has its effect once: whoever comes in
/// between waits for it, or makes it fail.
pub async fn a_mark_that_is_not_committed_yet_holds_the_key(harness: &dyn IdempotencyHarness) {
    let [one, two] = instances(harness).await;
    let store = harness.keys_store(0).await;
    for commits in [true, false] {
        let key = format!("commits: {commits}");
        let number = u128::from(commits);
        assert_eq!(reserve(&one, &key, number).await, Reserved::Granted);
        let mut unit = store.begin().await.unwrap();
        assert_eq!(unit.mark_carried_out(token(number)).await.unwrap(), Held::Yes);
        harness.clock().advance(LEASE);
        let (keys, request) = (two.clone(), a_request(&key, 50 + number));
        let coming = tokio::spawn(async move { ask(&keys, &request).await });
        // Time to come as far as it can.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let committed = if commits {
            unit.commit().await.is_ok()
        } else {
            drop(unit);
            false
        };
        let came = in_time(coming).await.unwrap();
        let expected = if committed {
            Reserved::AnswerLost
        } else {
            Reserved::Granted
        };
        assert_eq!(came, expected, "committed: {committed}");
    }
}

/// IDE-6, COM-3: a key ends with its lifetime, counted from its reservation, whatever was asked or kept meanwhile.
pub async fn a_key_ends_with_its_lifetime(harness: &dyn IdempotencyHarness) {
    let [one, two] = instances(harness).await;
    let store = harness.keys_store(0).await;
    for (key, number) in [("answered", 1), ("carried out", 2)] {
        assert_eq!(reserve(&one, key, number).await, Reserved::Granted);
    }
    harness.clock().advance(LEASE / 2);
    assert_eq!(mark(&store, 2).await, Held::Yes);
    assert_eq!(one.answer(token(1), &an_answer()).await.unwrap(), Held::Yes);
    harness.clock().advance(LIFETIME - LEASE / 2 - MICROSECOND);
    assert_eq!(
        reserve(&two, "answered", 3).await,
        Reserved::Answered(an_answer())
    );
    assert_eq!(reserve(&two, "carried out", 4).await, Reserved::AnswerLost);
    harness.clock().advance(MICROSECOND);
    assert_eq!(one.answer(token(2), &an_answer()).await.unwrap(), Held::Lost);
    for (key, number) in [("answered", 5), ("carried out", 6)] {
        let other = IdempotentRequest {
            digest: [8; 32],
            ..a_request(key, number)
        };
        assert_eq!(ask(&two, &other).await, Reserved::Granted);
        assert_eq!(
            ask(
                &one,
                &IdempotentRequest {
                    token: token(10 + number),
                    ..other
                }
            )
            .await,
            Reserved::UnderWay(LEASE),
            "nothing of the former one is left"
        );
    }
    // A lease that is longer than the lifetime is kept to.
    let request = a_request("long", 7);
    let long = one.reserve(&request, LEASE, MICROSECOND).await.unwrap();
    assert_eq!(long, Reserved::Granted);
    harness.clock().advance(LEASE - MICROSECOND);
    assert_eq!(reserve(&two, "long", 8).await, Reserved::UnderWay(MICROSECOND));
    // One that was taken over lives anew.
    harness.clock().advance(MICROSECOND);
    assert_eq!(reserve(&two, "long", 9).await, Reserved::Granted);
    assert_eq!(mark(&store, 9).await, Held::Yes);
    harness.clock().advance(LIFETIME - MICROSECOND);
    assert_eq!(reserve(&one, "long", 10).await, Reserved::AnswerLost);
}

/// IDE-6, COM-4: sweeping removes keys that are over, each once, and no other.
pub async fn sweeping_removes_keys_that_are_over(harness: &dyn IdempotencyHarness) {
    let [one, two] = instances(harness).await;
    let store = harness.keys_store(0).await;
    for number in 1..=4u32 {
        let request = a_request(&format!("key {number}"), u128::from(number));
        let lifetime = LIFETIME * number;
        let reserved = one.reserve(&request, LEASE, lifetime).await.unwrap();
        assert_eq!(reserved, Reserved::Granted);
    }
    assert_eq!(mark(&store, 1).await, Held::Yes);
    assert_eq!(mark(&store, 4).await, Held::Yes);
    let maintenance = harness.keys_maintenance().await;
    harness.clock().advance(LIFETIME - MICROSECOND);
    assert_eq!(maintenance.sweep(100).await.unwrap(), 0);
    harness.clock().advance(LIFETIME * 2 + MICROSECOND);
    assert_eq!(maintenance.sweep(1).await.unwrap(), 1);
    assert_eq!(maintenance.sweep(100).await.unwrap(), 2);
    assert_eq!(maintenance.sweep(100).await.unwrap(), 0);
    assert_eq!(reserve(&two, "key 4", 14).await, Reserved::AnswerLost);
    assert_eq!(reserve(&two, "key 1", 11).await, Reserved::Granted);
}

/// IDE-4, COM-7: a call that is dropped anywhere happened or did not; the key is free when the lease has ended, at the
/// latest, or answered.
pub async fn a_cancelled_call_blocks_no_key_for_ever(harness: &dyn IdempotencyHarness) {
    let [one, two] = instances(harness).await;
    for polls in 0..=16usize {
        let number = 10 * u128::try_from(polls).unwrap();
        let key = format!("key {polls}");
        let request = a_request(&key, number);
        let heard = poll_then_drop(polls, one.reserve(&request, LEASE, LIFETIME)).await;
        let again = in_time(reserve(&one, &key, number + 1)).await;
        if heard.is_some() {
            assert_eq!(again, Reserved::UnderWay(LEASE));
        }
        harness.clock().advance(LEASE);
        let next = in_time(reserve(&two, &key, number + 2)).await;
        assert_eq!(next, Reserved::Granted);
        let answer = an_answer();
        let kept = poll_then_drop(polls, two.answer(token(number + 2), &answer)).await;
        let last = in_time(reserve(&one, &key, number + 3)).await;
        let whole = last == Reserved::Answered(answer);
        assert!(
            whole || kept.is_none() && last == Reserved::UnderWay(LEASE),
            "{last:?}"
        );
    }
}
