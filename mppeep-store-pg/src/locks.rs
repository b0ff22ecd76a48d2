//! Locks. Each operation is one statement; the row of a lock stays, so that its fence only grows.

use std::time::Duration;

use async_trait::async_trait;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::locks::{Held, LockLease, Locks, NAME_MAX_BYTES, OwnerId};
use tokio::time::Instant;

use crate::PgStore;
use crate::codec::span_micros;
use crate::error::{self, ADAPTER};

/// Until when a holder may believe in a lease that he asked for at `asked`; a time that does not fit has no end.
fn believed_until(asked: Instant, ttl: Duration) -> Instant {
    // A century is out of reach of any lease, and inside the range of the clock.
    const NEVER: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
    asked.checked_add(ttl.min(NEVER)).unwrap_or(asked)
}

const fn held(rows: u64) -> Held {
    if rows == 0 { Held::Lost } else { Held::Yes }
}

#[async_trait]
impl Locks for PgStore {
    async fn acquire(
        &self,
        name: &str,
        owner: OwnerId,
        ttl: Duration,
    ) -> Result<Option<LockLease>, BackendError> {
        if name.len() > NAME_MAX_BYTES {
            return Err(BackendError::Invalid {
                adapter: ADAPTER,
                what: format!("a name of a lock of {} bytes", name.len()),
            });
        }
        let valid_until = believed_until(Instant::now(), ttl);
        // The clock is read again once the row is locked: a caller who waited for it is judged by the time it is then. It
        // is in the fence, so that this grows even across a database restored from an older copy.
        let fence = sqlx::query_scalar!(
            r#"
                INSERT INTO lock_lease AS l (name, owner, fence, expires_at)
                SELECT $2, $3, greatest((extract(epoch FROM i.now) * 1000000)::bigint, 1),
                       i.now + $4::bigint * interval '1 microsecond'
                FROM (SELECT coalesce($1::timestamptz, clock_timestamp()) AS now OFFSET 0) AS i
                ON CONFLICT (name) DO UPDATE SET
                    owner = excluded.owner, fence = greatest(l.fence + 1, excluded.fence),
                    expires_at = coalesce($1, clock_timestamp()) + $4::bigint * interval '1 microsecond'
                WHERE l.expires_at <= coalesce($1, clock_timestamp())
                RETURNING fence
            "#,
            self.now() as _,
            name.as_bytes(),
            owner.0,
            span_micros(ttl),
        )
        .fetch_optional(self.quick())
        .await
        .map_err(error::write)?;
        Ok(fence
            .filter(|_| Instant::now() < valid_until)
            .map(|fence| LockLease {
                name: name.to_owned(),
                owner,
                fence,
                valid_until,
            }))
    }

    async fn renew(&self, lease: &mut LockLease, ttl: Duration) -> Result<Held, BackendError> {
        let valid_until = believed_until(Instant::now(), ttl);
        let done = sqlx::query!(
            r#"
                UPDATE lock_lease
                SET expires_at = coalesce($1, clock_timestamp()) + $5::bigint * interval '1 microsecond'
                WHERE name = $2 AND owner = $3 AND fence = $4 AND expires_at > coalesce($1, clock_timestamp())
            "#,
            self.now() as _,
            lease.name.as_bytes(),
            lease.owner.0,
            lease.fence,
            span_micros(ttl),
        )
        .execute(self.quick())
        .await
        .map_err(error::write)?;
        if done.rows_affected() == 0 || Instant::now() >= valid_until {
            return Ok(Held::Lost);
        }
        lease.valid_until = valid_until;
        Ok(Held::Yes)
    }

    async fn release(&self, lease: &LockLease) -> Result<Held, BackendError> {
        let done = sqlx::query!(
            r#"
                UPDATE lock_lease SET expires_at = '-infinity'
                WHERE name = $2 AND owner = $3 AND fence = $4 AND expires_at > coalesce($1, clock_timestamp())
            "#,
            self.now() as _,
            lease.name.as_bytes(),
            lease.owner.0,
            lease.fence,
        )
        .execute(self.quick())
        .await
        .map_err(error::write)?;
        Ok(held(done.rows_affected()))
    }
}
