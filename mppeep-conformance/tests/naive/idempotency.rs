//! Naive idempotency keys.

#[path = "idempotency_units.rs"]
mod units;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mppeep_conformance::{IdempotencyHarness, TestClock};
use mppeep_core::domain::id::UserId;
use mppeep_core::ports::clock::Clock;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::idempotency::{
    ANSWER_MAX_BYTES, IdempotencyKeys, IdempotentRequest, KEY_MAX_BYTES, KeptAnswer, Reserved,
};
use mppeep_core::ports::job_queue::Held;
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::store::Store;
use uuid::Uuid;

use crate::{clock, mutants, others_run};

#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    /// Looks whether the key is free, then takes it.
    LooksThenTakes,
    /// Keys are looked up without their user.
    AnyUser,
    /// Keys whatever their case.
    FoldsCase,
    /// What the request says is not compared.
    IgnoresDigest,
    /// What the request does is not compared.
    IgnoresOperation,
    /// A lease ends an instant too late.
    EndsLate,
    /// A key that nothing came of stays for ever.
    ForEver,
    /// A key whose answer is missing is free, whatever was done.
    ForgetsMarks,
    /// The mark is made at once, not with the commit of its unit.
    MarksAtOnce,
    /// Units do not hold the keys they mark.
    NoLock,
    /// A mark is made whoever holds the key, by its name.
    MarksLate,
    /// Who lost a key still answers for it.
    AnswersByKey,
    /// A key that was carried out is given back as well.
    ReleasesAll,
    /// Each answer begins the lifetime anew.
    Slides,
    /// A key that is taken over keeps the end of the former one.
    KeepsTheEnd,
    /// Sweeping takes the keys whose lease has ended.
    SweepsLeases,
    /// Bodies are kept as text.
    BodiesAsText,
}

#[derive(Clone)]
struct Row {
    request: IdempotentRequest,
    leased_until: i64,
    expires_at: i64,
    carried_out: bool,
    answer: Option<KeptAnswer>,
    /// Tokens that held it before.
    former: Vec<Uuid>,
}

type Rows = HashMap<(UserId, String), Row>;

struct Naive {
    flaw: Flaw,
    clock: TestClock,
    rows: Mutex<Rows>,
    writer: Arc<tokio::sync::Mutex<()>>,
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap()
}

fn invalid() -> BackendError {
    BackendError::Invalid {
        adapter: "naive",
        what: "a size".to_owned(),
    }
}

impl Naive {
    fn now(&self) -> i64 {
        self.clock.now().as_microsecond()
    }

    fn name(&self, request: &IdempotentRequest) -> (UserId, String) {
        let user = if self.flaw == Flaw::AnyUser {
            UserId::from_uuid(Uuid::nil())
        } else {
            request.user
        };
        let key = if self.flaw == Flaw::FoldsCase {
            request.key.to_lowercase()
        } else {
            request.key.clone()
        };
        (user, key)
    }

    fn is_leased(&self, row: &Row, now: i64) -> bool {
        row.leased_until > now
            || self.flaw == Flaw::EndsLate && row.leased_until == now
            || self.flaw == Flaw::ForEver
    }

    /// What a key that is not free means to a request.
    fn against(&self, row: &Row, request: &IdempotentRequest) -> Option<Reserved> {
        let now = self.now();
        let marked = row.carried_out && self.flaw != Flaw::ForgetsMarks;
        if row.expires_at <= now || !marked && row.answer.is_none() && !self.is_leased(row, now) {
            return None;
        }
        let same = (self.flaw == Flaw::IgnoresDigest || row.request.digest == request.digest)
            && (self.flaw == Flaw::IgnoresOperation || row.request.operation == request.operation);
        Some(match &row.answer {
            _ if !same => Reserved::Mismatch,
            Some(answer) => Reserved::Answered(answer.clone()),
            None if marked && row.leased_until <= now => Reserved::AnswerLost,
            None => Reserved::UnderWay(Duration::from_micros(
                u64::try_from(row.leased_until - now).unwrap_or_default(),
            )),
        })
    }

    fn mark(&self, rows: &mut Rows, token: Uuid) -> Held {
        let (now, late) = (self.now(), self.flaw == Flaw::MarksLate);
        let row = rows
            .values_mut()
            .find(|row| row.request.token == token || late && row.former.contains(&token));
        match row {
            Some(row) if row.leased_until > now || late => {
                row.carried_out = true;
                Held::Yes
            }
            _ => Held::Lost,
        }
    }
}

#[async_trait]
impl IdempotencyKeys for Naive {
    async fn reserve(
        &self,
        request: &IdempotentRequest,
        lease: Duration,
        lifetime: Duration,
    ) -> Result<Reserved, BackendError> {
        if !(1..=KEY_MAX_BYTES).contains(&request.key.len()) {
            return Err(invalid());
        }
        let name = self.name(request);
        let known = self.rows.lock().unwrap().get(&name).cloned();
        if let Some(reserved) = known.and_then(|row| self.against(&row, request)) {
            return Ok(reserved);
        }
        let _alone = if matches!(self.flaw, Flaw::LooksThenTakes | Flaw::NoLock) {
            others_run().await;
            None
        } else {
            Some(self.writer.clone().lock_owned().await)
        };
        let mut rows = self.rows.lock().unwrap();
        let known = rows.get(&name);
        if self.flaw != Flaw::LooksThenTakes
            && let Some(reserved) = known.and_then(|row| self.against(row, request))
        {
            return Ok(reserved);
        }
        let (now, mut former) = (self.now(), Vec::new());
        let mut expires_at = now + micros(lease.max(lifetime));
        if let Some(row) = known {
            former.clone_from(&row.former);
            former.push(row.request.token);
            if self.flaw == Flaw::KeepsTheEnd && row.expires_at > now - micros(lease) {
                expires_at = row.expires_at.max(now + micros(lease));
            }
        }
        rows.insert(
            name,
            Row {
                request: request.clone(),
                leased_until: now + micros(lease),
                expires_at,
                carried_out: false,
                answer: None,
                former,
            },
        );
        Ok(Reserved::Granted)
    }

    async fn answer(&self, token: Uuid, answer: &KeptAnswer) -> Result<Held, BackendError> {
        if answer.body.len() > ANSWER_MAX_BYTES {
            return Err(invalid());
        }
        let now = self.now();
        let mut rows = self.rows.lock().unwrap();
        let by_key = self.flaw == Flaw::AnswersByKey;
        let row = rows.values_mut().find(|row| {
            (row.request.token == token || by_key && row.former.contains(&token)) && row.expires_at > now
        });
        let Some(row) = row else {
            return Ok(Held::Lost);
        };
        let mut answer = answer.clone();
        if self.flaw == Flaw::BodiesAsText {
            answer.body = String::from_utf8_lossy(&answer.body).into_owned().into_bytes();
        }
        if self.flaw == Flaw::Slides {
            row.expires_at += micros(Duration::from_secs(30));
        }
        row.answer = Some(answer);
        Ok(Held::Yes)
    }

    async fn release(&self, token: Uuid) -> Result<Held, BackendError> {
        let all = self.flaw == Flaw::ReleasesAll;
        let mut rows = self.rows.lock().unwrap();
        let before = rows.len();
        rows.retain(|_, row| row.request.token != token || !all && (row.carried_out || row.answer.is_some()));
        Ok(if rows.len() < before {
            Held::Yes
        } else {
            Held::Lost
        })
    }
}

#[async_trait]
impl Maintain for Naive {
    async fn sweep(&self, limit: u32) -> Result<u64, BackendError> {
        let (now, mut left) = (self.now(), limit);
        let leases = self.flaw == Flaw::SweepsLeases;
        let mut rows = self.rows.lock().unwrap();
        rows.retain(|_, row| {
            let over = row.expires_at <= now || leases && row.leased_until <= now;
            let goes = over && left > 0;
            left -= u32::from(goes);
            !goes
        });
        Ok(u64::from(limit - left))
    }
}

struct Harness(Arc<Naive>);

fn flawed(flaw: Flaw) -> Harness {
    Harness(Arc::new(Naive {
        flaw,
        clock: clock(),
        rows: Mutex::default(),
        writer: Arc::default(),
    }))
}

#[async_trait]
impl IdempotencyHarness for Harness {
    async fn keys_at(&self, _: usize) -> Arc<dyn IdempotencyKeys> {
        self.0.clone()
    }

    async fn keys_store(&self, _: usize) -> Arc<dyn Store> {
        Arc::new(units::Units(self.0.clone()))
    }

    async fn keys_maintenance(&self) -> Arc<dyn Maintain> {
        self.0.clone()
    }

    fn clock(&self) -> TestClock {
        self.0.clock.clone()
    }
}

mutants! {
    several_may: flawed(Flaw::LooksThenTakes) => idempotency::of_many_at_once_one_may;
    several_may_when_a_lease_ends: flawed(Flaw::LooksThenTakes) => idempotency::of_many_at_the_end_of_a_lease_one_may;
    bodies_are_changed: flawed(Flaw::BodiesAsText) => idempotency::an_answer_is_given_again;
    users_share_keys: flawed(Flaw::AnyUser) => idempotency::a_key_is_of_one_user_and_one_request;
    keys_are_mixed: flawed(Flaw::FoldsCase) => idempotency::a_key_is_of_one_user_and_one_request;
    another_body_is_answered: flawed(Flaw::IgnoresDigest) => idempotency::a_key_is_of_one_user_and_one_request;
    another_operation_is_answered: flawed(Flaw::IgnoresOperation) => idempotency::a_key_is_of_one_user_and_one_request;
    a_lease_lives_too_long: flawed(Flaw::EndsLate) => idempotency::a_key_is_free_again_when_its_lease_ends;
    a_dead_process_holds_for_ever: flawed(Flaw::ForEver) => idempotency::a_cancelled_call_blocks_no_key_for_ever;
    a_late_token_marks: flawed(Flaw::MarksLate) => idempotency::a_key_is_free_again_when_its_lease_ends;
    a_late_token_answers: flawed(Flaw::AnswersByKey) => idempotency::a_key_is_free_again_when_its_lease_ends;
    an_effect_is_given_back: flawed(Flaw::ReleasesAll) => idempotency::a_key_given_back_is_free_at_once;
    an_effect_is_forgotten: flawed(Flaw::ForgetsMarks) => idempotency::what_was_carried_out_is_never_granted_again;
    a_dropped_unit_marks: flawed(Flaw::MarksAtOnce) => idempotency::a_dropped_unit_marks_nothing;
    a_mark_is_overtaken: flawed(Flaw::NoLock) => idempotency::a_mark_that_is_not_committed_yet_holds_the_key;
    lifetimes_slide: flawed(Flaw::Slides) => idempotency::a_key_ends_with_its_lifetime;
    a_key_taken_over_ends_early: flawed(Flaw::KeepsTheEnd) => idempotency::a_key_ends_with_its_lifetime;
    live_keys_are_swept: flawed(Flaw::SweepsLeases) => idempotency::sweeping_removes_keys_that_are_over;
}

// Without a flaw the same code passes: what is caught above is the flaw.
mod without_a_flaw {
    use super::*;
    mppeep_conformance::conformance_tests!(idempotency, flawed(Flaw::None));
}
