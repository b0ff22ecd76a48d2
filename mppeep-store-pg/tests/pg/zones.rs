//! The same results whatever time zone the database and its roles are set to (COM-6).

use std::time::Duration;

use jiff::civil::date;
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::session::{Created, NewSession, SessionStore};
use mppeep_core::ports::store::Store;
use mppeep_store_pg::PgStore;
use mppeep_testbed::database_of;

use crate::support::{a_personnel, a_session, a_user, fresh, personnel_id, token, unhurried};

/// Sessions of this many hours are judged: more than any zone is away from UTC, and less.
const HOURS: [u64; 4] = [1, 3, 8, 20];

#[tokio::test]
async fn zones_of_the_database_and_of_roles_change_nothing() {
    for zone in ["UTC", "Europe/Paris", "America/New_York", "Pacific/Kiritimati"] {
        let (cluster, url) = fresh().await;
        let database = database_of(&url);
        let role = format!("zoned_{database}");
        cluster
            .sql(
                "postgres",
                &format!(
                    "ALTER DATABASE \"{database}\" SET TimeZone = '{zone}'; CREATE ROLE \"{role}\" LOGIN SUPERUSER; \
                     ALTER ROLE \"{role}\" SET TimeZone = '{zone}'"
                ),
            )
            .await;
        // One start makes the schema in that zone, as an operator's tool may.
        let address = format!(
            "postgres://{role}@{}/{database}?options=-c%20TimeZone%3D{zone}",
            cluster.address()
        );
        let store = PgStore::open(&address, unhurried()).await.unwrap();

        let file = {
            let mut file = a_personnel(1);
            file.fields.birth_date = date(1980, 1, 1);
            file.retirement_date = Some(date(2040, 12, 31));
            file.created_at = "2026-03-29T00:59:59.999999Z".parse().unwrap();
            file.updated_at = "2026-10-25T01:00:00.000001Z".parse().unwrap();
            file
        };
        let mut unit = store.begin().await.unwrap();
        unit.personnel().insert(&file).await.unwrap();
        unit.users().insert(&a_user(1), None).await.unwrap();
        unit.commit().await.unwrap();
        let mut unit = store.begin_read().await.unwrap();
        assert_eq!(unit.personnel().find(personnel_id(1)).await.unwrap(), Some(file));
        drop(unit);
        // What a tool in that zone reads is the same day and the same instant.
        let told = cluster
            .sql(
                database,
                "SELECT birth_date, extract(epoch FROM updated_at)::numeric FROM personnel",
            )
            .await;
        assert_eq!(told, "1980-01-01|1792890000.000001", "{zone}");

        for (number, hours) in (1..).zip(HOURS) {
            let session = NewSession {
                lifetime: Duration::from_secs(hours * 3_600),
                ..a_session(number, 1)
            };
            assert_eq!(store.create(session).await.unwrap(), Created::Done);
        }
        let brief = NewSession {
            lifetime: Duration::from_millis(1),
            ..a_session(9, 1)
        };
        assert_eq!(store.create(brief).await.unwrap(), Created::Done);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(
            store.load(&token(9).key(), None).await.unwrap().is_none(),
            "{zone}"
        );
        assert_eq!(store.sweep(100).await.unwrap(), 1, "{zone}");
        for (number, _) in (1..).zip(HOURS) {
            assert!(
                store.load(&token(number).key(), None).await.unwrap().is_some(),
                "{zone}"
            );
        }
        store.close().await;
    }
}
