//! Cache entries and fill leases, in a table that a crash of the server may empty.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mppeep_core::ports::cache::{Cache, CacheKey, FillLease, Filled, Lookup, Ttl};
use mppeep_core::ports::error::BackendError;
use uuid::Uuid;

use crate::PgStore;
use crate::codec::span_micros;
use crate::error::{self, ADAPTER};
use crate::store::read_twice;

/// How often a look-up asks again that found an entry changing under its hands.
const ATTEMPTS: u32 = 3;

/// A key as bytes. The length of the namespace and the fixed width of the numbers keep the parts apart.
fn name_of(key: &CacheKey) -> Vec<u8> {
    let length = u64::try_from(key.namespace.len()).unwrap_or(u64::MAX);
    let mut name = length.to_le_bytes().to_vec();
    name.extend_from_slice(key.namespace.as_bytes());
    name.extend_from_slice(&key.schema.to_le_bytes());
    name.extend_from_slice(&key.epoch.to_le_bytes());
    name.extend_from_slice(key.key.as_bytes());
    name
}

impl PgStore {
    /// Size of the largest value that the cache takes, in bytes.
    pub const CACHE_VALUE_LIMIT_BYTES: usize = 4 << 20;

    /// What may be answered without a lease: a fresh value, or that somebody else has the lease.
    async fn seen(&self, name: &[u8]) -> Result<Option<Lookup>, BackendError> {
        let now = self.now();
        let found = read_twice(|| {
            sqlx::query!(
                r#"
                    WITH i AS MATERIALIZED (SELECT coalesce($2, clock_timestamp()) AS now)
                    SELECT CASE WHEN c.hard_until > i.now THEN c.value END AS value,
                           coalesce(c.soft_until > i.now, FALSE) AS "fresh!",
                           coalesce(c.leased_until > i.now, FALSE) AS "leased!"
                    FROM i CROSS JOIN cache_entry AS c WHERE c.key = sha256($1)
                "#,
                name,
                now as _,
            )
            .fetch_optional(self.quick())
        })
        .await
        .map_err(error::backend)?;
        Ok(found.and_then(|row| match (row.value, row.fresh, row.leased) {
            (Some(value), true, _) => Some(Lookup::Fresh(value.into())),
            (Some(value), false, true) => Some(Lookup::Stale(value.into(), None)),
            (None, _, true) => Some(Lookup::Busy),
            (_, _, false) => None,
        }))
    }

    /// Takes the lease, unless the value is fresh or somebody else has it.
    async fn lease(&self, name: &[u8], lease_for: Duration) -> Result<Option<Lookup>, BackendError> {
        let leased = sqlx::query!(
            r#"
                WITH i AS MATERIALIZED (SELECT coalesce($2::timestamptz, clock_timestamp()) AS now)
                INSERT INTO cache_entry AS c (key, lease_token, leased_until, kept_until)
                SELECT sha256($1), gen_random_uuid(), i.now + $3::bigint * interval '1 microsecond',
                       i.now + $3::bigint * interval '1 microsecond'
                FROM i
                ON CONFLICT (key) DO UPDATE SET
                    lease_token = excluded.lease_token, leased_until = excluded.leased_until,
                    kept_until = greatest(c.kept_until, excluded.kept_until)
                WHERE coalesce(c.leased_until <= coalesce($2, clock_timestamp()), TRUE)
                  AND coalesce(least(c.soft_until, c.hard_until) <= coalesce($2, clock_timestamp()), TRUE)
                RETURNING lease_token AS "token!",
                          CASE WHEN c.hard_until > coalesce($2, clock_timestamp()) THEN c.value END AS value
            "#,
            name,
            self.now() as _,
            span_micros(lease_for),
        )
        .fetch_optional(self.quick())
        .await
        .map_err(error::write)?;
        Ok(leased.map(|row| {
            let lease = FillLease(row.token.as_u128());
            match row.value {
                Some(value) => Lookup::Stale(value.into(), Some(lease)),
                None => Lookup::Miss(lease),
            }
        }))
    }
}

#[async_trait]
impl Cache for PgStore {
    async fn lookup(&self, key: &CacheKey, lease_for: Duration) -> Result<Lookup, BackendError> {
        let name = name_of(key);
        for _ in 0..ATTEMPTS {
            if let Some(found) = self.seen(&name).await? {
                return Ok(found);
            }
            if let Some(leased) = self.lease(&name, lease_for).await? {
                return Ok(leased);
            }
        }
        Ok(Lookup::Busy)
    }

    async fn fill(
        &self,
        key: &CacheKey,
        lease: FillLease,
        value: Option<Bytes>,
        ttl: Ttl,
    ) -> Result<Filled, BackendError> {
        if let Some(value) = &value
            && value.len() > Self::CACHE_VALUE_LIMIT_BYTES
        {
            return Err(BackendError::Invalid {
                adapter: ADAPTER,
                what: format!("a value of {} bytes", value.len()),
            });
        }
        let (name, token) = (name_of(key), Uuid::from_u128(lease.0));
        let done = match value {
            Some(value) => {
                sqlx::query!(
                    r#"
                        WITH i AS MATERIALIZED (SELECT coalesce($2, clock_timestamp()) AS now)
                        UPDATE cache_entry AS c SET
                            value = $4, soft_until = i.now + $5::bigint * interval '1 microsecond',
                            hard_until = i.now + $6::bigint * interval '1 microsecond',
                            kept_until = i.now + $6::bigint * interval '1 microsecond',
                            lease_token = NULL, leased_until = NULL
                        FROM i WHERE c.key = sha256($1) AND c.lease_token = $3 AND c.leased_until > i.now
                    "#,
                    name,
                    self.now() as _,
                    token,
                    &value[..],
                    span_micros(ttl.soft.min(ttl.hard)),
                    span_micros(ttl.hard),
                )
                .execute(self.quick())
                .await
            }
            None => {
                sqlx::query!(
                    r#"
                        WITH i AS MATERIALIZED (SELECT coalesce($2, clock_timestamp()) AS now)
                        UPDATE cache_entry AS c SET lease_token = NULL, leased_until = NULL
                        FROM i WHERE c.key = sha256($1) AND c.lease_token = $3 AND c.leased_until > i.now
                    "#,
                    name,
                    self.now() as _,
                    token,
                )
                .execute(self.quick())
                .await
            }
        };
        let done = done.map_err(error::write)?;
        Ok(if done.rows_affected() == 1 {
            Filled::Done
        } else {
            Filled::Refused
        })
    }
}
