//! Naive session stores.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use mppeep_conformance::{SessionHarness, TestClock};
use mppeep_core::domain::id::UserId;
use mppeep_core::domain::session::SessionKey;
use mppeep_core::domain::user::{User, UserStatus};
use mppeep_core::ports::clock::Clock;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::session::{Created, NewSession, Revoke, Session, SessionStore, SessionSummary};

use crate::{clock, mutants, others_run};

#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    /// Reads the account, then inserts.
    CheckThenInsert,
    /// Looks for the key, then inserts.
    KeyCheckedFirst,
    /// Reads the session, then writes it back with its last use.
    WritesBack,
    /// Ends sessions without moving the epoch.
    KeepsTheEpoch,
    /// Lives on with each use.
    Slides,
    /// Copies the account into the session.
    CopiesTheAccount,
    /// Ends a session a second after its time.
    EndsLate,
    /// Trusts a handle, whoever names it.
    TrustsHandles,
    /// Sweepers select, then delete, and count what they selected.
    CountsTwice,
    /// Notes every use.
    NotesEveryUse,
    /// Keeps the text of the cookie.
    KeepsTokens,
    /// Lists in the order of creation.
    ListsTheOldestFirst,
    /// Sweeps whatever it finds.
    SweepsTheLiving,
    /// Spares nobody.
    SparesNobody,
}

#[derive(Clone)]
struct Row {
    new: NewSession,
    at: Timestamp,
    used: Timestamp,
    ends: Timestamp,
    account: User,
}

struct Naive {
    flaw: Flaw,
    clock: TestClock,
    users: Mutex<HashMap<UserId, User>>,
    rows: Mutex<HashMap<SessionKey, Row>>,
}

impl Naive {
    fn user(&self, id: UserId) -> Option<User> {
        self.users.lock().unwrap().get(&id).cloned()
    }

    fn live(&self, row: &Row, idle: Option<Duration>) -> Option<User> {
        let now = self.clock.now();
        let slack = if self.flaw == Flaw::EndsLate {
            Duration::from_secs(1)
        } else {
            Duration::ZERO
        };
        let over = idle.is_some_and(|idle| row.used.checked_add(idle).unwrap() <= now);
        if row.ends.checked_add(slack).unwrap() <= now || over {
            return None;
        }
        if self.flaw == Flaw::CopiesTheAccount {
            return Some(row.account.clone());
        }
        self.user(row.new.user).filter(|user| {
            user.session_epoch == row.new.user_epoch && user.fields.status == UserStatus::Active
        })
    }
}

#[async_trait]
impl SessionStore for Naive {
    async fn create(&self, new: NewSession) -> Result<Created, BackendError> {
        let fits =
            |user: &User| user.session_epoch == new.user_epoch && user.fields.status == UserStatus::Active;
        if self.flaw == Flaw::KeyCheckedFirst {
            if self.rows.lock().unwrap().contains_key(&new.key) {
                return Ok(Created::StaleEpoch);
            }
            others_run().await;
        }
        if self.flaw == Flaw::CheckThenInsert && !self.user(new.user).is_some_and(|user| fits(&user)) {
            return Ok(Created::StaleEpoch);
        }
        others_run().await;
        let mut rows = self.rows.lock().unwrap();
        let user = self.user(new.user);
        let Some(account) = user.filter(|user| self.flaw == Flaw::CheckThenInsert || fits(user)) else {
            return Ok(Created::StaleEpoch);
        };
        if self.flaw != Flaw::KeyCheckedFirst && rows.contains_key(&new.key) {
            return Ok(Created::StaleEpoch);
        }
        let now = self.clock.now();
        let mut new = new;
        if self.flaw == Flaw::CheckThenInsert {
            // Stored under the account's present epoch, as a database default would.
            new.user_epoch = account.session_epoch;
        }
        let ends = now.checked_add(new.lifetime).unwrap();
        rows.insert(
            new.key,
            Row {
                new,
                at: now,
                used: now,
                ends,
                account,
            },
        );
        Ok(Created::Done)
    }

    async fn load(&self, key: &SessionKey, idle: Option<Duration>) -> Result<Option<Session>, BackendError> {
        let row = self.rows.lock().unwrap().get(key).cloned();
        let Some(mut row) = row else { return Ok(None) };
        let Some(user) = self.live(&row, idle) else {
            return Ok(None);
        };
        let now = self.clock.now();
        let due = row.used.checked_add(Duration::from_secs(60)).unwrap() <= now;
        if due || self.flaw == Flaw::NotesEveryUse {
            row.used = now;
            if self.flaw == Flaw::Slides {
                row.ends = now.checked_add(row.new.lifetime).unwrap();
            }
            if self.flaw == Flaw::WritesBack {
                others_run().await;
                self.rows.lock().unwrap().insert(*key, row.clone());
            } else if let Some(stored) = self.rows.lock().unwrap().get_mut(key) {
                (stored.used, stored.ends) = (row.used, row.ends);
            }
        }
        Ok(Some(Session {
            handle: row.new.handle,
            user: user.id,
            email: user.fields.email.to_string(),
            display_name: user.fields.display_name,
            roles: user.fields.roles,
            personnel: user.fields.personnel,
            perimeter: user.fields.perimeter,
            must_change_password: user.must_change_password,
            charter_version: user.charter_version,
            expires_at: row.ends,
        }))
    }

    async fn revoke(&self, what: Revoke<'_>) -> Result<u64, BackendError> {
        let mut rows = self.rows.lock().unwrap();
        let before = rows.values().filter(|row| self.live(row, None).is_some()).count();
        match what {
            Revoke::Key(key) => {
                rows.remove(key);
            }
            Revoke::Handle { user, handle } => rows.retain(|_, row| {
                let owned = row.new.user == user || self.flaw == Flaw::TrustsHandles;
                !(owned && row.new.handle == handle)
            }),
            Revoke::User { user, except } => {
                rows.retain(|_, row| {
                    let spared = Some(row.new.handle) == except && self.flaw != Flaw::SparesNobody;
                    row.new.user != user || spared
                });
                if self.flaw != Flaw::KeepsTheEpoch
                    && let Some(user) = self.users.lock().unwrap().get_mut(&user)
                {
                    user.session_epoch += 1;
                    for row in rows.values_mut().filter(|row| row.new.user == user.id) {
                        row.new.user_epoch += 1;
                    }
                }
            }
        }
        let after = rows.values().filter(|row| self.live(row, None).is_some()).count();
        Ok(u64::try_from(before - after).unwrap())
    }

    async fn list(&self, user: UserId, idle: Option<Duration>) -> Result<Vec<SessionSummary>, BackendError> {
        let rows = self.rows.lock().unwrap();
        let live = rows
            .values()
            .filter(|row| row.new.user == user && self.live(row, idle).is_some());
        let mut live: Vec<SessionSummary> = live
            .map(|row| SessionSummary {
                handle: row.new.handle,
                device: row.new.device.clone(),
                address: row.new.address.clone(),
                country: row.new.country.clone(),
                created_at: row.at,
                last_used_at: row.used,
                expires_at: row.ends,
            })
            .collect();
        live.sort_by_key(|summary| std::cmp::Reverse(summary.created_at));
        if self.flaw == Flaw::ListsTheOldestFirst {
            live.reverse();
        }
        Ok(live)
    }
}

#[async_trait]
impl Maintain for Naive {
    async fn sweep(&self, limit: u32) -> Result<u64, BackendError> {
        let dead: Vec<SessionKey> = {
            let rows = self.rows.lock().unwrap();
            let sweeps = |row: &Row| self.flaw == Flaw::SweepsTheLiving || self.live(row, None).is_none();
            let dead = rows.iter().filter(|(_, row)| sweeps(row));
            dead.map(|(key, _)| *key)
                .take(usize::try_from(limit).unwrap())
                .collect()
        };
        if self.flaw == Flaw::CountsTwice {
            others_run().await;
        }
        let mut rows = self.rows.lock().unwrap();
        let removed = dead.iter().filter(|key| rows.remove(key).is_some()).count();
        Ok(u64::try_from(if self.flaw == Flaw::CountsTwice {
            dead.len()
        } else {
            removed
        })
        .unwrap())
    }
}

struct Harness(Arc<Naive>);

fn flawed(flaw: Flaw) -> Harness {
    Harness(Arc::new(Naive {
        flaw,
        clock: clock(),
        users: Mutex::default(),
        rows: Mutex::default(),
    }))
}

#[async_trait]
impl SessionHarness for Harness {
    async fn sessions(&self, _: usize) -> Arc<dyn SessionStore> {
        self.0.clone()
    }

    async fn session_maintenance(&self) -> Arc<dyn Maintain> {
        self.0.clone()
    }

    fn clock(&self) -> TestClock {
        self.0.clock.clone()
    }

    async fn add_user(&self, user: &User) {
        self.0.users.lock().unwrap().insert(user.id, user.clone());
    }

    async fn user(&self, id: UserId) -> User {
        self.0.user(id).unwrap()
    }

    async fn change_user(&self, user: &User, end_sessions: bool) {
        let mut user = user.clone();
        user.session_epoch += i64::from(end_sessions);
        self.0.users.lock().unwrap().insert(user.id, user);
    }

    async fn dump(&self) -> Vec<u8> {
        if self.0.flaw != Flaw::KeepsTokens {
            return Vec::new();
        }
        // What a store that keeps the cookie's text would hold: the first token of the suite, among its rows.
        let rows = self.0.rows.lock().unwrap();
        let mut dump = Vec::new();
        for row in rows.values() {
            let seed = 1 ^ 0x5e55_0000;
            let entropy = mppeep_core::ports::clock::SeededEntropy::new(seed);
            let token = mppeep_core::domain::session::SessionToken::generate(row.new.user, &entropy);
            dump.extend_from_slice(token.expose().as_bytes());
            dump.extend_from_slice(row.new.device.as_bytes());
        }
        dump
    }
}

mutants! {
    a_late_login_survives: flawed(Flaw::CheckThenInsert) => sessions::logins_racing_with_a_revocation_do_not_survive_it;
    a_key_is_two_sessions: flawed(Flaw::KeyCheckedFirst) => sessions::one_key_is_never_two_sessions;
    a_late_touch_revives: flawed(Flaw::WritesBack) => sessions::nothing_revives_a_revoked_session;
    a_stale_login_is_taken: flawed(Flaw::KeepsTheEpoch) => sessions::a_login_that_read_the_account_before_is_stale;
    sessions_slide: flawed(Flaw::Slides) => sessions::a_session_ends_exactly_and_does_not_slide;
    sessions_end_late: flawed(Flaw::EndsLate) => sessions::a_session_ends_exactly_and_does_not_slide;
    closed_accounts_go_on: flawed(Flaw::CopiesTheAccount) => sessions::a_closed_account_has_no_sessions;
    old_roles_go_on: flawed(Flaw::CopiesTheAccount) => sessions::changed_roles_are_seen_by_the_next_load;
    old_names_go_on: flawed(Flaw::CopiesTheAccount) => sessions::other_changes_are_seen_without_ending_sessions;
    strangers_end_sessions: flawed(Flaw::TrustsHandles) => sessions::a_handle_is_revoked_by_its_owner_only;
    sweepers_count_twice: flawed(Flaw::CountsTwice) => sessions::two_sweepers_count_each_row_once;
    every_use_is_written: flawed(Flaw::NotesEveryUse) => sessions::an_idle_session_ends_and_use_is_noted_once_a_minute;
    the_oldest_come_first: flawed(Flaw::ListsTheOldestFirst) => sessions::the_list_shows_live_sessions_newest_first;
    the_living_are_swept: flawed(Flaw::SweepsTheLiving) => sessions::sweeping_removes_only_the_dead;
    nobody_is_spared: flawed(Flaw::SparesNobody) => sessions::revoking_all_but_one_spares_that_one;
    tokens_are_kept: flawed(Flaw::KeepsTokens) => sessions::no_backend_holds_a_token;
}

// Without a flaw the same code passes: what is caught above is the flaw.
mod without_a_flaw {
    use super::*;
    mppeep_conformance::conformance_tests!(sessions, flawed(Flaw::None));
}
