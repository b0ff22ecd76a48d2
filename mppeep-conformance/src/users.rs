//! Checks of the repository of login accounts, and of what it does to sessions.

use std::time::Duration;

use mppeep_core::domain::email::Email;
use mppeep_core::domain::id::{SessionHandle, UserId};
use mppeep_core::domain::organisation::UnitRef;
use mppeep_core::domain::session::{LIFETIME, SessionToken};
use mppeep_core::domain::text;
use mppeep_core::domain::user::{Role, User, UserStatus};
use mppeep_core::ports::clock::{Clock, SeededEntropy};
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::page::{Cursor, PageRequest, PageStart};
use mppeep_core::ports::session::{Created, NewSession, Revoke};
use mppeep_core::ports::store::Store;
use mppeep_core::ports::user::UserFilter;

use crate::fixtures::{
    a_personnel, a_user, department_id, next_version, personnel_id, store_personnel, uuid,
};
use crate::harness::StoreHarness;
use crate::ministry::{organisation, store_organisation};
use crate::personnel::conflict_on;
use crate::support::{at, start};

async fn find(store: &dyn Store, id: UserId) -> Option<User> {
    let mut unit = store.begin_read().await.unwrap();
    unit.users().find(id).await.unwrap()
}

async fn add(store: &dyn Store, user: &User, hash: Option<&str>) {
    let mut unit = store.begin().await.unwrap();
    unit.users().insert(user, hash).await.unwrap();
    unit.commit().await.unwrap();
}

async fn hash(store: &dyn Store, id: UserId) -> Option<String> {
    let mut unit = store.begin_read().await.unwrap();
    unit.users()
        .credentials_of(id)
        .await
        .unwrap()
        .unwrap()
        .password_hash
}

/// A session of the account as it is stored now.
async fn log_in(harness: &dyn StoreHarness, id: UserId, number: u64) -> NewSession {
    let user = find(harness.store(0).await.as_ref(), id).await.unwrap();
    let new = NewSession {
        key: SessionToken::generate(id, &SeededEntropy::new(number)).key(),
        handle: SessionHandle::from_uuid(uuid(0xa000 + u128::from(number))),
        user: id,
        user_epoch: user.session_epoch,
        device: "Firefox".to_owned(),
        address: "192.0.2.1".to_owned(),
        country: None,
        lifetime: LIFETIME,
    };
    assert_eq!(
        harness.session_store(0).await.create(new.clone()).await.unwrap(),
        Created::Done
    );
    new
}

async fn lives(harness: &dyn StoreHarness, session: &NewSession) -> bool {
    harness
        .session_store(1)
        .await
        .load(&session.key, None)
        .await
        .unwrap()
        .is_some()
}

/// Every value comes back, with and without what is optional; the hash is given to logins only.
pub async fn an_account_comes_back_as_it_was_stored(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let mut unit = store.begin().await.unwrap();
    store_organisation(unit.as_mut(), &organisation()).await;
    unit.personnel().insert(&a_personnel(1, "AA001")).await.unwrap();
    unit.commit().await.unwrap();
    let mut full = a_user(1);
    full.fields.email = Email::parse("awa.n'guessan+rh@exemple.ci").unwrap();
    full.fields.display_name = "Awa N'Guessan — « RH »".to_owned();
    full.fields.roles = Role::ALL.iter().copied().collect();
    full.fields.status = UserStatus::Suspended;
    full.fields.personnel = Some(personnel_id(1));
    full.fields.perimeter = Some(UnitRef::Department(department_id(1)));
    full.charter_version = u32::MAX >> 1;
    full.session_epoch = 41;
    full.last_login_at = Some(at("2026-11-21T07:08:09.123456Z"));
    let mut least = a_user(2);
    least.fields.roles = [Role::Invite].into();
    least.must_change_password = false;
    least.charter_version = 0;
    add(store.as_ref(), &full, Some("$argon2id$v=19$x")).await;
    add(store.as_ref(), &least, None).await;
    assert_eq!(find(store.as_ref(), full.id).await, Some(full.clone()));
    assert_eq!(find(store.as_ref(), least.id).await, Some(least.clone()));
    assert_eq!(find(store.as_ref(), UserId::from_uuid(uuid(0xdead))).await, None);
    let mut unit = store.begin_read().await.unwrap();
    let credentials = unit
        .users()
        .credentials(&full.fields.email)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (credentials.user, credentials.password_hash.as_deref()),
        (full.clone(), Some("$argon2id$v=19$x"))
    );
    assert_eq!(
        unit.users()
            .credentials_of(least.id)
            .await
            .unwrap()
            .unwrap()
            .password_hash,
        None
    );
    let unknown = Email::parse("personne@exemple.ci").unwrap();
    assert!(unit.users().credentials(&unknown).await.unwrap().is_none());
    assert_eq!(
        unit.users().find_by_personnel(personnel_id(1)).await.unwrap(),
        Some(full)
    );
    assert_eq!(
        unit.users().find_by_personnel(personnel_id(2)).await.unwrap(),
        None
    );
}

/// An address, and an agent, has one account, by an insert as by an update.
pub async fn addresses_and_agents_have_one_account(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    store_personnel(store.as_ref(), &[a_personnel(1, "AA001")]).await;
    let (mut first, second) = (a_user(1), a_user(2));
    first.fields.personnel = Some(personnel_id(1));
    add(store.as_ref(), &first, None).await;
    add(store.as_ref(), &second, None).await;
    let mut unit = store.begin().await.unwrap();
    let mut users = unit.users();
    let same_address = User {
        fields: first.fields.clone(),
        ..a_user(3)
    };
    let mut same_agent = a_user(3);
    same_agent.fields.personnel = first.fields.personnel;
    let mut same_address_only = same_address;
    same_address_only.fields.personnel = None;
    conflict_on(users.insert(&same_address_only, None).await, "email");
    conflict_on(users.insert(&same_agent, None).await, "personnel_id");
    let mut taken = next_version(&second);
    taken.fields.email = first.fields.email.clone();
    conflict_on(users.update(&taken, false).await, "email");
    let mut taken = next_version(&second);
    taken.fields.personnel = first.fields.personnel;
    conflict_on(users.update(&taken, true).await, "personnel_id");
    let mut lost = a_user(3);
    lost.fields.personnel = Some(personnel_id(404));
    let outcome = users.insert(&lost, None).await;
    assert!(
        matches!(outcome, Err(StoreError::DanglingReference { .. })),
        "{outcome:?}"
    );
    drop(users);
    unit.commit().await.unwrap();
    assert_eq!(find(store.as_ref(), second.id).await, Some(second));
}

/// An update needs the next version, and leaves password, last login and, unless asked, the epoch alone.
pub async fn an_account_update_keeps_password_and_login(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let user = a_user(1);
    add(store.as_ref(), &user, Some("hash")).await;
    let mut unit = store.begin().await.unwrap();
    unit.users().note_login(user.id, start()).await.unwrap();
    let mut changed = next_version(&user);
    changed.fields.display_name = "Autre".to_owned();
    changed.fields.roles = [Role::Daf, Role::Admin].into();
    changed.last_login_at = None;
    for version in [0, 1, 3] {
        let outcome = unit
            .users()
            .update(
                &User {
                    version,
                    ..changed.clone()
                },
                true,
            )
            .await;
        assert!(
            matches!(outcome, Err(StoreError::StaleVersion)),
            "{version}: {outcome:?}"
        );
    }
    unit.users().update(&changed, false).await.unwrap();
    unit.commit().await.unwrap();
    let stored = find(store.as_ref(), user.id).await.unwrap();
    assert_eq!(stored.fields, changed.fields);
    assert_eq!((stored.version, stored.session_epoch), (2, user.session_epoch));
    assert_eq!(stored.last_login_at, Some(start()));
    assert_eq!(hash(store.as_ref(), user.id).await.as_deref(), Some("hash"));
    let mut unit = store.begin().await.unwrap();
    unit.users().update(&next_version(&stored), true).await.unwrap();
    unit.commit().await.unwrap();
    let ended = find(store.as_ref(), user.id).await.unwrap();
    assert!(ended.session_epoch > stored.session_epoch);
}

/// SES-4: sessions end with the commit of the unit that ends them: not before, and not if it is dropped.
pub async fn sessions_end_with_the_commit_that_ends_them(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let user = a_user(1);
    add(store.as_ref(), &user, None).await;
    let session = log_in(harness, user.id, 1).await;
    // The other instance is open before a unit is: opening may need to write.
    assert!(lives(harness, &session).await);
    let mut unit = store.begin().await.unwrap();
    unit.users().update(&next_version(&user), true).await.unwrap();
    assert!(lives(harness, &session).await);
    drop(unit);
    assert!(lives(harness, &session).await);
    let mut unit = store.begin().await.unwrap();
    unit.users().update(&next_version(&user), true).await.unwrap();
    unit.commit().await.unwrap();
    assert!(!lives(harness, &session).await);
}

/// SES-4: a new password ends all sessions but the one that it was set through, in its own unit.
pub async fn a_new_password_ends_all_sessions_but_one(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let (user, other) = (a_user(1), a_user(2));
    add(store.as_ref(), &user, Some("old")).await;
    add(store.as_ref(), &other, None).await;
    let (kept, ended, dead) = (
        log_in(harness, user.id, 1).await,
        log_in(harness, user.id, 2).await,
        log_in(harness, user.id, 3).await,
    );
    let bystander = log_in(harness, other.id, 4).await;
    harness
        .session_store(0)
        .await
        .revoke(Revoke::Key(&dead.key))
        .await
        .unwrap();
    let before = find(store.as_ref(), user.id).await.unwrap();
    let mut unit = store.begin().await.unwrap();
    unit.users()
        .set_password(user.id, "new", false, Some(kept.handle))
        .await
        .unwrap();
    unit.commit().await.unwrap();
    assert!(lives(harness, &kept).await && lives(harness, &bystander).await);
    assert!(!lives(harness, &ended).await && !lives(harness, &dead).await);
    assert_eq!(hash(store.as_ref(), user.id).await.as_deref(), Some("new"));
    let after = find(store.as_ref(), user.id).await.unwrap();
    assert!(after.session_epoch > before.session_epoch && !after.must_change_password);
    let mut unit = store.begin().await.unwrap();
    // Another's session is not spared by naming it.
    unit.users()
        .set_password(user.id, "newer", true, Some(bystander.handle))
        .await
        .unwrap();
    let unknown = UserId::from_uuid(uuid(0xdead));
    let outcome = unit.users().set_password(unknown, "x", false, None).await;
    assert!(matches!(outcome, Err(StoreError::StaleVersion)), "{outcome:?}");
    unit.commit().await.unwrap();
    assert!(!lives(harness, &kept).await);
    assert!(lives(harness, &bystander).await);
    assert!(find(store.as_ref(), user.id).await.unwrap().must_change_password);
}

/// A rehash replaces the hash that was verified, and never a newer password.
pub async fn a_rehash_replaces_only_the_hash_it_knows(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let user = a_user(1);
    add(store.as_ref(), &user, Some("bcrypt")).await;
    let session = log_in(harness, user.id, 1).await;
    let mut unit = store.begin().await.unwrap();
    unit.users().rehash(user.id, "bcrypt", "argon2").await.unwrap();
    unit.users().rehash(user.id, "bcrypt", "late").await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(hash(store.as_ref(), user.id).await.as_deref(), Some("argon2"));
    assert!(
        lives(harness, &session).await,
        "the password is the same, so sessions go on"
    );
}

/// Logins and accepted charters are noted without ending sessions or counting as a change.
pub async fn logins_and_charters_are_noted(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let user = a_user(1);
    add(store.as_ref(), &user, None).await;
    let session = log_in(harness, user.id, 1).await;
    let mut unit = store.begin().await.unwrap();
    unit.users()
        .note_login(user.id, at("2026-11-22T10:00:00.000001Z"))
        .await
        .unwrap();
    unit.users().accept_charter(user.id, 8).await.unwrap();
    unit.commit().await.unwrap();
    let stored = find(store.as_ref(), user.id).await.unwrap();
    assert_eq!(stored.last_login_at, Some(at("2026-11-22T10:00:00.000001Z")));
    assert_eq!(
        (stored.charter_version, stored.session_epoch),
        (8, user.session_epoch)
    );
    assert!(lives(harness, &session).await);
}

/// Accounts are listed by folded name, with the number of their live sessions and the name of their agent.
pub async fn accounts_are_listed_with_their_live_sessions(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    store_personnel(store.as_ref(), &[a_personnel(1, "AA001")]).await;
    let names = [
        "Zoé Aka",
        "Éric Bamba",
        "eric bamba",
        "Awa Zadi",
        "Ève Toure",
        "Ève Touré",
    ];
    let mut users: Vec<User> = (1..=6).map(a_user).collect();
    for (user, name) in users.iter_mut().zip(names) {
        user.fields.display_name = name.to_owned();
    }
    users[0].fields.roles = [Role::Admin].into();
    users[1].fields.status = UserStatus::Inactive;
    users[2].fields.personnel = Some(personnel_id(1));
    for user in &users {
        add(store.as_ref(), user, None).await;
    }
    let revoked = log_in(harness, users[0].id, 1).await;
    log_in(harness, users[0].id, 2).await;
    log_in(harness, users[2].id, 3).await;
    harness
        .session_store(0)
        .await
        .revoke(Revoke::Key(&revoked.key))
        .await
        .unwrap();
    let clock = harness.test_clock();
    clock.advance(LIFETIME - Duration::from_secs(1));
    log_in(harness, users[0].id, 4).await;
    clock.advance(Duration::from_secs(1));
    let now = clock.now();
    let mut unit = store.begin_read().await.unwrap();
    let all = unit
        .users()
        .list(&UserFilter::default(), now, &PageRequest::first(50))
        .await
        .unwrap();
    let keys: Vec<String> = all
        .rows
        .iter()
        .map(|row| text::fold(&row.user.fields.display_name))
        .collect();
    assert!(keys.is_sorted(), "{keys:?}");
    assert_eq!((all.rows.len(), all.total, all.next.clone()), (6, 6, None));
    for row in &all.rows {
        let expected = users.iter().find(|user| user.id == row.user.id).unwrap();
        assert_eq!(row.user, *expected);
        assert_eq!(
            row.session_count,
            u32::from(row.user.id == users[0].id),
            "{}",
            expected.fields.display_name
        );
        let agent = (row.user.id == users[2].id).then(|| a_personnel(1, "AA001").fields.full_name());
        assert_eq!(row.personnel_name, agent);
    }
    for limit in [1, 2, 5, 6] {
        let (mut seen, mut start) = (Vec::new(), PageStart::First);
        loop {
            let page = unit
                .users()
                .list(&UserFilter::default(), now, &PageRequest { limit, start })
                .await
                .unwrap();
            seen.extend(page.rows);
            assert!(seen.len() <= 6);
            let Some(next) = page.next else { break };
            start = PageStart::After(Cursor::decode(&next.encode()).unwrap());
        }
        assert_eq!(seen, all.rows, "{limit} a page");
    }
    let filters = [
        (
            UserFilter {
                words: text::search_words("éric"),
                ..UserFilter::default()
            },
            2,
        ),
        (
            UserFilter {
                words: text::search_words("compte3"),
                ..UserFilter::default()
            },
            1,
        ),
        (
            UserFilter {
                words: text::search_words("bamba compte2"),
                ..UserFilter::default()
            },
            1,
        ),
        (
            UserFilter {
                words: vec!["%".to_owned()],
                ..UserFilter::default()
            },
            0,
        ),
        (
            UserFilter {
                role: Some(Role::Admin),
                ..UserFilter::default()
            },
            1,
        ),
        (
            UserFilter {
                role: Some(Role::Agent),
                ..UserFilter::default()
            },
            5,
        ),
        (
            UserFilter {
                role: Some(Role::Sdrh),
                status: Some(UserStatus::Inactive),
                ..UserFilter::default()
            },
            1,
        ),
        (
            UserFilter {
                status: Some(UserStatus::Active),
                ..UserFilter::default()
            },
            5,
        ),
        (
            UserFilter {
                role: Some(Role::Sdb),
                ..UserFilter::default()
            },
            0,
        ),
    ];
    for (filter, expected) in filters {
        let page = unit
            .users()
            .list(&filter, now, &PageRequest::first(50))
            .await
            .unwrap();
        assert_eq!(
            (page.total, page.rows.len()),
            (expected, usize::try_from(expected).unwrap()),
            "{filter:?}"
        );
    }
}

/// Accounts are counted, all of them, and the active ones of a role.
pub async fn accounts_are_counted(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let mut users: Vec<User> = (1..=4).map(a_user).collect();
    users[0].fields.roles = [Role::Admin].into();
    users[1].fields.roles = [Role::Admin, Role::Sdrh].into();
    users[2].fields.roles = [Role::Admin].into();
    users[2].fields.status = UserStatus::Suspended;
    let mut unit = store.begin().await.unwrap();
    assert_eq!(unit.users().count().await.unwrap(), 0);
    for user in &users {
        unit.users().insert(user, None).await.unwrap();
    }
    assert_eq!(unit.users().count().await.unwrap(), 4);
    assert_eq!(unit.users().count_active_with_role(Role::Admin).await.unwrap(), 2);
    assert_eq!(unit.users().count_active_with_role(Role::Sdrh).await.unwrap(), 2);
    assert_eq!(
        unit.users().count_active_with_role(Role::Invite).await.unwrap(),
        0
    );
}
