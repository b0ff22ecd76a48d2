//! What ends a session makes the copies of its user's sessions unreachable, in the same transaction.

use mppeep_core::domain::id::UserId;
use mppeep_core::ports::epochs::Namespace;
use mppeep_core::ports::session::{Created, Revoke, SessionStore};
use mppeep_core::ports::store::Store;
use mppeep_store_sqlite::{SqliteOptions, SqliteStore};
use sqlx::{ConnectOptions, Connection};

use crate::support::{a_session, a_user, token};

async fn epoch(path: &std::path::Path, user: UserId) -> i64 {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut conn = options.connect().await.unwrap();
    let value: Option<i64> = sqlx::query_scalar("SELECT value FROM cache_epoch WHERE namespace = ?1")
        .bind(Namespace::session_of(user).0)
        .fetch_optional(&mut conn)
        .await
        .unwrap();
    conn.close().await.unwrap();
    value.unwrap_or(0)
}

#[tokio::test]
async fn every_revocation_moves_the_epoch_of_the_copies() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("revoked.db");
    let store = SqliteStore::open(&path, SqliteOptions::default()).await.unwrap();
    let user = a_user(1);
    let mut unit = store.begin().await.unwrap();
    unit.users().insert(&user, None).await.unwrap();
    unit.commit().await.unwrap();
    for number in 1..=3 {
        let created = store.create(a_session(number, 1)).await.unwrap();
        assert_eq!(created, Created::Done);
    }
    assert_eq!(epoch(&path, user.id).await, 0, "a login makes no copy wrong");

    let by_key = token(1).key();
    assert_eq!(store.revoke(Revoke::Key(&by_key)).await.unwrap(), 1);
    assert_eq!(epoch(&path, user.id).await, 1);
    assert_eq!(store.revoke(Revoke::Key(&by_key)).await.unwrap(), 0);
    assert_eq!(epoch(&path, user.id).await, 1, "nothing was ended");

    let handle = a_session(2, 1).handle;
    let by_stranger = Revoke::Handle {
        user: a_user(2).id,
        handle,
    };
    assert_eq!(store.revoke(by_stranger).await.unwrap(), 0);
    let by_owner = Revoke::Handle {
        user: user.id,
        handle,
    };
    assert_eq!(store.revoke(by_owner).await.unwrap(), 1);
    assert_eq!(epoch(&path, user.id).await, 2);

    let all = Revoke::User {
        user: user.id,
        except: None,
    };
    assert_eq!(store.revoke(all).await.unwrap(), 1);
    assert_eq!(epoch(&path, user.id).await, 3);
}
