//! Checks of the session store port (SES-1 to SES-6 and COM-3, 4, 7, 13).

use std::sync::Arc;
use std::time::Duration;

use mppeep_core::domain::id::{SessionHandle, UserId};
use mppeep_core::domain::session::{LIFETIME, SessionToken};
use mppeep_core::domain::user::{Role, User, UserStatus};
use mppeep_core::ports::clock::{Clock, SeededEntropy};
use mppeep_core::ports::session::{Created, NewSession, Revoke, Session, SessionStore};
use uuid::Uuid;

use crate::fixtures::{a_user, next_version};
use crate::harness::SessionHarness;
use crate::support::{at_once, in_time, poll_then_drop, start};

const MICROSECOND: Duration = Duration::from_micros(1);

type Port = Arc<dyn SessionStore>;

/// A token, and the session that it would open.
fn a_session(user: &User, number: u128) -> (SessionToken, NewSession) {
    let seed = u64::try_from(number).unwrap() ^ 0x5e55_0000;
    let token = SessionToken::generate(user.id, &SeededEntropy::new(seed));
    let new = NewSession {
        key: token.key(),
        handle: SessionHandle::from_uuid(Uuid::from_u128(0x7000_8000_0000_0000_0000 + number)),
        user: user.id,
        user_epoch: user.session_epoch,
        device: format!("Firefox sur Linux {number}"),
        address: "192.0.2.1".to_owned(),
        country: Some("CI".to_owned()),
        lifetime: LIFETIME,
    };
    (token, new)
}

async fn log_in(port: &Port, user: &User, number: u128) -> NewSession {
    let (_, new) = a_session(user, number);
    assert_eq!(port.create(new.clone()).await.unwrap(), Created::Done);
    new
}

async fn load(port: &Port, session: &NewSession) -> Option<Session> {
    port.load(&session.key, None).await.unwrap()
}

async fn with_user(harness: &dyn SessionHarness) -> (Port, Port, User) {
    harness.clock().set(start());
    let user = a_user(1);
    harness.add_user(&user).await;
    (
        harness.sessions(0).await,
        harness.sessions(1).await,
        harness.user(user.id).await,
    )
}

/// SES-1: what was created is loaded, on every instance, with the account as it is.
pub async fn a_session_is_loaded_as_it_was_created(harness: &dyn SessionHarness) {
    let (one, two, user) = with_user(harness).await;
    let new = log_in(&one, &user, 1).await;
    let expected = Session {
        handle: new.handle,
        user: user.id,
        email: user.fields.email.to_string(),
        display_name: user.fields.display_name.clone(),
        roles: user.fields.roles.clone(),
        personnel: user.fields.personnel,
        perimeter: user.fields.perimeter,
        must_change_password: user.must_change_password,
        charter_version: user.charter_version,
        expires_at: start().checked_add(LIFETIME).unwrap(),
    };
    for port in [&one, &two] {
        assert_eq!(load(port, &new).await, Some(expected.clone()));
    }
    let (unknown, _) = a_session(&user, 2);
    assert_eq!(one.load(&unknown.key(), None).await.unwrap(), None);
}

/// SES-1: 64 creations at once with one key are one session.
pub async fn one_key_is_never_two_sessions(harness: &dyn SessionHarness) {
    let (one, two, user) = with_user(harness).await;
    let instances = [one, two];
    let (_, new) = a_session(&user, 1);
    let created = at_once((0..64u128).map(|n| {
        let port = instances[(n % 2) as usize].clone();
        let handle = SessionHandle::from_uuid(Uuid::from_u128(0x7000_8000_0000_0001_0000 + n));
        let new = NewSession {
            handle,
            ..new.clone()
        };
        async move { (port.create(new).await.unwrap(), handle) }
    }))
    .await;
    let done: Vec<SessionHandle> = created
        .into_iter()
        .filter(|(created, _)| *created == Created::Done)
        .map(|(_, handle)| handle)
        .collect();
    assert_eq!(done.len(), 1);
    assert_eq!(load(&instances[0], &new).await.unwrap().handle, done[0]);
    assert_eq!(instances[0].list(user.id, None).await.unwrap().len(), 1);
    let again = NewSession {
        handle: SessionHandle::from_uuid(Uuid::from_u128(0x99)),
        ..new.clone()
    };
    assert_eq!(instances[1].create(again).await.unwrap(), Created::StaleEpoch);
    assert_eq!(
        load(&instances[1], &new).await.unwrap().handle,
        done[0],
        "a taken key keeps its session"
    );
}

/// SES-2: loads that race with a revocation bring nothing back.
pub async fn nothing_revives_a_revoked_session(harness: &dyn SessionHarness) {
    let (one, two, user) = with_user(harness).await;
    let instances = [one, two];
    for number in 1..=10 {
        let new = log_in(&instances[0], &user, number).await;
        // Due for a note of its use, so that the loads write.
        harness.clock().advance(Duration::from_secs(120));
        let ended: u64 = at_once((0..24u32).map(|n| {
            let (port, new) = (instances[(n % 2) as usize].clone(), new.clone());
            async move {
                if n == 12 {
                    return port.revoke(Revoke::Key(&new.key)).await.unwrap();
                }
                load(&port, &new).await;
                0
            }
        }))
        .await
        .into_iter()
        .sum();
        assert_eq!(ended, 1);
        for port in &instances {
            assert_eq!(load(port, &new).await, None);
            assert_eq!(port.revoke(Revoke::Key(&new.key)).await.unwrap(), 0);
        }
    }
    assert!(instances[0].list(user.id, None).await.unwrap().is_empty());
}

/// SES-3: a login that read the account before its sessions were ended, by whatever means, creates nothing.
pub async fn a_login_that_read_the_account_before_is_stale(harness: &dyn SessionHarness) {
    let (one, two, before) = with_user(harness).await;
    log_in(&one, &before, 1).await;
    assert_eq!(
        one.revoke(Revoke::User {
            user: before.id,
            except: None
        })
        .await
        .unwrap(),
        1
    );
    let (_, late) = a_session(&before, 2);
    assert_eq!(two.create(late.clone()).await.unwrap(), Created::StaleEpoch);
    assert_eq!(load(&two, &late).await, None);

    let between = harness.user(before.id).await;
    assert!(
        between.session_epoch > before.session_epoch,
        "ending all sessions moves the epoch"
    );
    log_in(&two, &between, 3).await;
    harness.change_user(&next_version(&between), true).await;
    let (_, late) = a_session(&between, 4);
    assert_eq!(one.create(late).await.unwrap(), Created::StaleEpoch);
    let (_, nobody) = a_session(
        &User {
            id: UserId::from_uuid(Uuid::from_u128(0xdead)),
            ..between
        },
        5,
    );
    assert_eq!(one.create(nobody).await.unwrap(), Created::StaleEpoch);
    log_in(&one, &harness.user(before.id).await, 6).await;
}

/// SES-3, SES-4: of logins and a revocation at once, no login that read the account before survives.
pub async fn logins_racing_with_a_revocation_do_not_survive_it(harness: &dyn SessionHarness) {
    let (one, two, user) = with_user(harness).await;
    let instances = [one, two];
    for round in 0..10u128 {
        let user = harness.user(user.id).await;
        at_once((0..24u128).map(|n| {
            let (port, user) = (instances[(n % 2) as usize].clone(), user.clone());
            async move {
                if n == 12 {
                    port.revoke(Revoke::User {
                        user: user.id,
                        except: None,
                    })
                    .await
                    .unwrap();
                } else {
                    port.create(a_session(&user, 100 * (round + 1) + n).1)
                        .await
                        .unwrap();
                }
            }
        }))
        .await;
        assert_eq!(
            instances[0].list(user.id, None).await.unwrap(),
            Vec::new(),
            "round {round}"
        );
    }
}

/// SES-4: revoking all but one counts the others, and spares that one; it still ends when its time comes.
pub async fn revoking_all_but_one_spares_that_one(harness: &dyn SessionHarness) {
    let (one, two, user) = with_user(harness).await;
    let other = a_user(2);
    harness.add_user(&other).await;
    let (kept, second, third) = (
        log_in(&one, &user, 1).await,
        log_in(&two, &user, 2).await,
        log_in(&one, &user, 3).await,
    );
    let bystander = log_in(&one, &other, 4).await;
    one.revoke(Revoke::Key(&third.key)).await.unwrap();
    let revoke = Revoke::User {
        user: user.id,
        except: Some(kept.handle),
    };
    assert_eq!(two.revoke(revoke).await.unwrap(), 1, "one other lived");
    for port in [&one, &two] {
        assert!(load(port, &kept).await.is_some());
        assert_eq!(load(port, &second).await, None);
        assert_eq!(load(port, &third).await, None);
        assert!(load(port, &bystander).await.is_some());
    }
    assert_eq!(two.revoke(revoke).await.unwrap(), 0);
    assert!(
        load(&one, &kept).await.is_some(),
        "a second revocation spares it as well"
    );
    // A session that was dead before must not be spared into life by naming it.
    let dead = Revoke::User {
        user: user.id,
        except: Some(second.handle),
    };
    assert_eq!(one.revoke(dead).await.unwrap(), 1);
    assert_eq!(load(&one, &second).await, None);
    assert_eq!(load(&one, &kept).await, None);
}

/// SES-4: a handle is revoked for its owner only, since owners name handles in requests.
pub async fn a_handle_is_revoked_by_its_owner_only(harness: &dyn SessionHarness) {
    let (one, two, user) = with_user(harness).await;
    let stranger = a_user(2);
    harness.add_user(&stranger).await;
    let session = log_in(&one, &user, 1).await;
    let by_stranger = Revoke::Handle {
        user: stranger.id,
        handle: session.handle,
    };
    assert_eq!(two.revoke(by_stranger).await.unwrap(), 0);
    assert!(load(&one, &session).await.is_some());
    let by_owner = Revoke::Handle {
        user: user.id,
        handle: session.handle,
    };
    assert_eq!(two.revoke(by_owner).await.unwrap(), 1);
    assert_eq!(two.revoke(by_owner).await.unwrap(), 0);
    assert_eq!(load(&one, &session).await, None);
}

/// SES-2, SES-4: closing an account ends its sessions; opening it again does not bring them back.
pub async fn a_closed_account_has_no_sessions(harness: &dyn SessionHarness) {
    let (one, two, mut user) = with_user(harness).await;
    for (number, status) in [UserStatus::Inactive, UserStatus::Suspended, UserStatus::Pending]
        .into_iter()
        .enumerate()
    {
        let number = u128::try_from(number).unwrap() * 10 + 1;
        let session = log_in(&one, &user, number).await;
        let mut closed = next_version(&user);
        closed.fields.status = status;
        harness.change_user(&closed, true).await;
        for port in [&one, &two] {
            assert_eq!(load(port, &session).await, None, "{status:?}");
            assert!(port.list(user.id, None).await.unwrap().is_empty());
        }
        let closed = harness.user(user.id).await;
        assert_eq!(
            one.create(a_session(&closed, number + 1).1).await.unwrap(),
            Created::StaleEpoch,
            "{status:?}"
        );
        let mut reopened = next_version(&closed);
        reopened.fields.status = UserStatus::Active;
        harness.change_user(&reopened, true).await;
        assert_eq!(
            load(&two, &session).await,
            None,
            "an opened account does not bring sessions back"
        );
        user = harness.user(user.id).await;
    }
}

/// SES-4: after a change of roles the old sessions are over, on every instance, with the next load.
pub async fn changed_roles_are_seen_by_the_next_load(harness: &dyn SessionHarness) {
    let (one, two, user) = with_user(harness).await;
    let session = log_in(&one, &user, 1).await;
    assert!(load(&two, &session).await.is_some());
    let mut changed = next_version(&user);
    changed.fields.roles = [Role::Agent].into();
    harness.change_user(&changed, true).await;
    assert_eq!(load(&two, &session).await, None);
    let fresh = log_in(&two, &harness.user(user.id).await, 2).await;
    assert_eq!(load(&one, &fresh).await.unwrap().roles, [Role::Agent].into());
}

/// SES-4: a change that ends no session is seen by the next load all the same.
pub async fn other_changes_are_seen_without_ending_sessions(harness: &dyn SessionHarness) {
    let (one, two, user) = with_user(harness).await;
    let session = log_in(&one, &user, 1).await;
    let mut changed = next_version(&user);
    changed.fields.display_name = "Awa Koné-Touré".to_owned();
    harness.change_user(&changed, false).await;
    assert_eq!(load(&two, &session).await.unwrap().display_name, "Awa Koné-Touré");
}

/// SES-5, COM-3: a session ends exactly at its time, before anything sweeps it, and use does not lengthen it.
pub async fn a_session_ends_exactly_and_does_not_slide(harness: &dyn SessionHarness) {
    let (one, two, user) = with_user(harness).await;
    let clock = harness.clock();
    let session = log_in(&one, &user, 1).await;
    let ends = load(&one, &session).await.unwrap().expires_at;
    for _ in 0..6 {
        clock.advance(Duration::from_secs(24 * 3600));
        assert_eq!(load(&two, &session).await.unwrap().expires_at, ends);
    }
    clock.set(ends.checked_sub(MICROSECOND).unwrap());
    assert!(load(&one, &session).await.is_some());
    clock.set(ends);
    for port in [&one, &two] {
        assert_eq!(load(port, &session).await, None);
        assert!(port.list(user.id, None).await.unwrap().is_empty());
    }
    assert_eq!(
        one.revoke(Revoke::Key(&session.key)).await.unwrap(),
        0,
        "it does not live any more"
    );
}

/// SES-5: without use for the idle time a session is over; use is noted, at most once a minute.
pub async fn an_idle_session_ends_and_use_is_noted_once_a_minute(harness: &dyn SessionHarness) {
    let (one, two, user) = with_user(harness).await;
    let (clock, idle) = (harness.clock(), Some(Duration::from_secs(3600)));
    let session = log_in(&one, &user, 1).await;
    let instances = [one, two];
    clock.advance(Duration::from_secs(30));
    instances[0].load(&session.key, idle).await.unwrap().unwrap();
    let noted = || async {
        instances[1]
            .list(user.id, idle)
            .await
            .unwrap()
            .remove(0)
            .last_used_at
    };
    assert_eq!(noted().await, start(), "use within the minute is not noted");
    clock.set(start().checked_add(Duration::from_secs(60)).unwrap());
    let loaded = at_once((0..100usize).map(|n| {
        let (port, key) = (instances[n % 2].clone(), session.key);
        async move { port.load(&key, idle).await.unwrap().is_some() }
    }))
    .await;
    assert!(loaded.iter().all(|loaded| *loaded));
    let used = clock.now();
    assert_eq!(noted().await, used);
    clock.advance(Duration::from_secs(3600) - MICROSECOND);
    assert!(!instances[0].list(user.id, idle).await.unwrap().is_empty());
    clock.advance(MICROSECOND);
    for port in &instances {
        assert_eq!(port.load(&session.key, idle).await.unwrap(), None);
        assert_eq!(
            port.load(&session.key, idle).await.unwrap(),
            None,
            "a refused load is no use"
        );
        assert!(port.list(user.id, idle).await.unwrap().is_empty());
    }
}

/// SES-6: the list shows the account's live sessions, the newest first.
pub async fn the_list_shows_live_sessions_newest_first(harness: &dyn SessionHarness) {
    let (one, two, user) = with_user(harness).await;
    let other = a_user(2);
    harness.add_user(&other).await;
    let mut sessions = Vec::new();
    for number in 1..=4 {
        sessions.push(log_in(&one, &user, number).await);
        harness.clock().advance(Duration::from_secs(1));
    }
    log_in(&one, &other, 9).await;
    two.revoke(Revoke::Key(&sessions[1].key)).await.unwrap();
    let listed = two.list(user.id, None).await.unwrap();
    let handles: Vec<SessionHandle> = listed.iter().map(|summary| summary.handle).collect();
    assert_eq!(
        handles,
        [sessions[3].handle, sessions[2].handle, sessions[0].handle]
    );
    let last = &listed[0];
    assert_eq!(
        (last.device.as_str(), last.address.as_str()),
        ("Firefox sur Linux 4", "192.0.2.1")
    );
    assert_eq!(
        last.created_at,
        start().checked_add(Duration::from_secs(3)).unwrap()
    );
    assert_eq!(last.expires_at, last.created_at.checked_add(LIFETIME).unwrap());
}

/// SES-6: nothing that the backend keeps opens a session.
pub async fn no_backend_holds_a_token(harness: &dyn SessionHarness) {
    let (one, _, user) = with_user(harness).await;
    let (token, new) = a_session(&user, 1);
    assert_eq!(one.create(new.clone()).await.unwrap(), Created::Done);
    load(&one, &new).await.unwrap();
    let dump = harness.dump().await;
    let secret = token.expose().rsplit('_').next().unwrap().as_bytes();
    let holds = |what: &[u8]| dump.windows(what.len()).any(|window| window == what);
    assert!(!holds(secret), "the backend holds the token");
    assert!(
        dump.is_empty() || holds(b"Firefox sur Linux 1"),
        "the dump does not show what was stored"
    );
}

/// COM-4: sweeping removes the dead and nothing else, at most so many at a time.
pub async fn sweeping_removes_only_the_dead(harness: &dyn SessionHarness) {
    let (one, _, user) = with_user(harness).await;
    let maintenance = harness.session_maintenance().await;
    for number in 1..=5 {
        log_in(&one, &user, number).await;
    }
    harness.clock().advance(LIFETIME - Duration::from_secs(10));
    let alive = log_in(&one, &user, 6).await;
    assert_eq!(maintenance.sweep(100).await.unwrap(), 0);
    harness.clock().advance(Duration::from_secs(3600));
    assert_eq!(one.list(user.id, None).await.unwrap().len(), 1);
    assert_eq!(maintenance.sweep(2).await.unwrap(), 2);
    assert_eq!(maintenance.sweep(100).await.unwrap(), 3);
    assert_eq!(maintenance.sweep(100).await.unwrap(), 0);
    assert!(load(&one, &alive).await.is_some());
}

/// COM-4: sweepers at once neither fail nor count a row twice.
pub async fn two_sweepers_count_each_row_once(harness: &dyn SessionHarness) {
    let (one, _, user) = with_user(harness).await;
    for number in 1..=60 {
        log_in(&one, &user, number).await;
    }
    harness.clock().advance(LIFETIME);
    let mut sweepers = Vec::new();
    for _ in 0..4 {
        let maintenance = harness.session_maintenance().await;
        sweepers.push(async move {
            let mut swept = 0;
            for _ in 0..10 {
                swept += maintenance.sweep(10).await.unwrap();
            }
            swept
        });
    }
    assert_eq!(at_once(sweepers).await.into_iter().sum::<u64>(), 60);
}

/// COM-7: a login dropped at any await created its session or did not, and the next calls work.
pub async fn a_cancelled_login_is_whole_or_nothing(harness: &dyn SessionHarness) {
    let (one, two, user) = with_user(harness).await;
    for polls in 0..=20u128 {
        let (_, new) = a_session(&user, polls + 1);
        let created = poll_then_drop(usize::try_from(polls).unwrap(), one.create(new.clone())).await;
        let seen = in_time(load(&two, &new)).await.is_some();
        let listed = two
            .list(user.id, None)
            .await
            .unwrap()
            .iter()
            .any(|summary| summary.handle == new.handle);
        // A dropped call may still be under way in the backend; it must end on one side.
        assert!(seen || created.is_none());
        assert!(listed || created.is_none());
        poll_then_drop(usize::try_from(polls).unwrap(), one.revoke(Revoke::Key(&new.key))).await;
        in_time(two.revoke(Revoke::Key(&new.key))).await.unwrap();
        assert!(created.is_none() || load(&one, &new).await.is_none());
        for n in 0..100 {
            let (unknown, _) = a_session(&user, 1_000 + n);
            assert_eq!(in_time(one.load(&unknown.key(), None)).await.unwrap(), None);
        }
    }
    in_time(log_in(&one, &harness.user(user.id).await, 9_999)).await;
}

/// The list tells the country that the edge told at login, if it told one.
pub async fn a_session_remembers_where_it_began(harness: &dyn SessionHarness) {
    let (one, two, user) = with_user(harness).await;
    let countries = [Some("CI"), None, Some("FR"), Some("T1")];
    for (country, number) in countries.iter().zip(1..) {
        harness.clock().advance(MICROSECOND);
        let (_, new) = a_session(&user, number);
        let new = NewSession {
            country: country.map(str::to_owned),
            ..new
        };
        assert_eq!(one.create(new).await.unwrap(), Created::Done);
    }
    let listed = two.list(user.id, None).await.unwrap();
    let told: Vec<Option<&str>> = listed
        .iter()
        .rev()
        .map(|session| session.country.as_deref())
        .collect();
    assert_eq!(told, countries);
}
