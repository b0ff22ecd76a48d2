//! Sweeping of what has expired. Two sweepers pass over the rows that the other one has in hand.

use async_trait::async_trait;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::maintain::Maintain;

use crate::PgStore;
use crate::error;

/// Deletes at most `$2` rows of a table that have expired at `$1`, those that expired first.
macro_rules! sweep {
    ($store:expr, $limit:expr, $statement:tt) => {
        sqlx::query!($statement, $store.now() as _, $limit)
            .execute($store.quick())
            .await
            .map_err(error::write)?
            .rows_affected()
    };
}

#[async_trait]
impl Maintain for PgStore {
    async fn sweep(&self, limit: u32) -> Result<u64, BackendError> {
        let limit = i64::from(limit);
        let mut swept = 0;
        swept += sweep!(
            self,
            limit,
            r#"
                WITH dead AS MATERIALIZED (
                    SELECT key_digest FROM session WHERE expires_at <= (SELECT coalesce($1, clock_timestamp()))
                    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
                )
                DELETE FROM session AS s USING dead WHERE s.key_digest = dead.key_digest
            "#
        );
        swept += sweep!(
            self,
            limit,
            r#"
                WITH dead AS MATERIALIZED (
                    SELECT attempt_id FROM login_attempt WHERE expires_at <= (SELECT coalesce($1, clock_timestamp()))
                    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
                )
                DELETE FROM login_attempt AS a USING dead WHERE a.attempt_id = dead.attempt_id
            "#
        );
        swept += sweep!(
            self,
            limit,
            r#"
                WITH dead AS MATERIALIZED (
                    SELECT account FROM login_account WHERE expires_at <= (SELECT coalesce($1, clock_timestamp()))
                    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
                )
                DELETE FROM login_account AS a USING dead WHERE a.account = dead.account
            "#
        );
        swept += sweep!(
            self,
            limit,
            r#"
                WITH dead AS MATERIALIZED (
                    SELECT account, address FROM login_known_address WHERE expires_at <= (SELECT coalesce($1, clock_timestamp()))
                    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
                )
                DELETE FROM login_known_address AS k USING dead
                WHERE k.account = dead.account AND k.address = dead.address
            "#
        );
        swept += sweep!(
            self,
            limit,
            r#"
                WITH dead AS MATERIALIZED (
                    SELECT digest FROM account_token WHERE expires_at <= (SELECT coalesce($1, clock_timestamp()))
                    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
                )
                DELETE FROM account_token AS t USING dead WHERE t.digest = dead.digest
            "#
        );
        // Batches are remembered for a day, and days for 400 days.
        swept += sweep!(
            self,
            limit,
            r#"
                WITH dead AS MATERIALIZED (
                    SELECT batch_id FROM counter_batch
                    WHERE added_at <= (SELECT coalesce($1, clock_timestamp()) - interval '24 hours')
                    ORDER BY added_at LIMIT $2 FOR UPDATE SKIP LOCKED
                )
                DELETE FROM counter_batch AS b USING dead WHERE b.batch_id = dead.batch_id
            "#
        );
        swept += sweep!(
            self,
            limit,
            r#"
                WITH dead AS MATERIALIZED (
                    SELECT counter_set, day, member FROM counter_day
                    WHERE day < (SELECT (coalesce($1, clock_timestamp()) AT TIME ZONE 'UTC')::date - 400)
                    ORDER BY day LIMIT $2 FOR UPDATE SKIP LOCKED
                )
                DELETE FROM counter_day AS c USING dead
                WHERE c.counter_set = dead.counter_set AND c.day = dead.day AND c.member = dead.member
            "#
        );
        swept += sweep!(
            self,
            limit,
            r#"
                WITH dead AS MATERIALIZED (
                    SELECT key FROM cache_entry WHERE kept_until <= (SELECT coalesce($1, clock_timestamp()))
                    ORDER BY kept_until LIMIT $2 FOR UPDATE SKIP LOCKED
                )
                DELETE FROM cache_entry AS c USING dead WHERE c.key = dead.key
            "#
        );
        // A key's state outlives its meaning by a minute, so that a clock set back a little unlocks nobody.
        swept += sweep!(
            self,
            limit,
            r#"
                WITH dead AS MATERIALIZED (
                    SELECT key FROM rate_limit WHERE arrival_us <= (
                        SELECT (extract(epoch FROM coalesce($1, clock_timestamp())) * 1000000)::bigint - 60000000
                    )
                    ORDER BY arrival_us LIMIT $2 FOR UPDATE SKIP LOCKED
                )
                DELETE FROM rate_limit AS r USING dead WHERE r.key = dead.key
            "#
        );
        swept += sweep!(
            self,
            limit,
            r#"
                WITH dead AS MATERIALIZED (
                    SELECT user_id, key FROM idempotency_key WHERE expires_at <= (SELECT coalesce($1, clock_timestamp()))
                    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
                )
                DELETE FROM idempotency_key AS k USING dead WHERE k.user_id = dead.user_id AND k.key = dead.key
            "#
        );
        Ok(swept)
    }
}
