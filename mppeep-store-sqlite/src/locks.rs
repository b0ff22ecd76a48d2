//! Locks. Each operation is one statement; the row of a lock stays, so that its fence only grows.

use std::time::Duration;

use async_trait::async_trait;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::locks::{Held, LockLease, Locks, NAME_MAX_BYTES, OwnerId};
use tokio::time::Instant;

use crate::SqliteStore;
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
impl Locks for SqliteStore {
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
        let (now, ttl) = (self.now(), span_micros(ttl));
        // The clock is in the fence, so that it grows even across a database restored from an older copy.
        let fence = sqlx::query_scalar!(
            r#"
                INSERT INTO lock_lease (name, owner, fence, expires_at)
                SELECT ?2, ?3, max(i.now, 1), i.now + ?4
                FROM (SELECT coalesce(?1, (SELECT now_us FROM clock)) AS now) AS i
                WHERE true
                ON CONFLICT (name) DO UPDATE SET
                    owner = excluded.owner, fence = max(fence + 1, excluded.fence), expires_at = excluded.expires_at
                WHERE expires_at <= excluded.expires_at - ?4
                RETURNING fence AS "fence!: i64"
            "#,
            now,
            name,
            owner.0,
            ttl,
        )
        .fetch_optional(self.writer())
        .await
        .map_err(error::commit)?;
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
        let (now, ttl) = (self.now(), span_micros(ttl));
        let done = sqlx::query!(
            r#"
                WITH instant AS (SELECT coalesce(?1, (SELECT now_us FROM clock)) AS now)
                UPDATE lock_lease SET expires_at = (SELECT now FROM instant) + ?5
                WHERE name = ?2 AND owner = ?3 AND fence = ?4 AND expires_at > (SELECT now FROM instant)
            "#,
            now,
            lease.name,
            lease.owner.0,
            lease.fence,
            ttl,
        )
        .execute(self.writer())
        .await
        .map_err(error::commit)?;
        if done.rows_affected() == 0 || Instant::now() >= valid_until {
            return Ok(Held::Lost);
        }
        lease.valid_until = valid_until;
        Ok(Held::Yes)
    }

    async fn release(&self, lease: &LockLease) -> Result<Held, BackendError> {
        let now = self.now();
        let done = sqlx::query!(
            r#"
                UPDATE lock_lease SET expires_at = 0
                WHERE name = ?2 AND owner = ?3 AND fence = ?4
                  AND expires_at > coalesce(?1, (SELECT now_us FROM clock))
            "#,
            now,
            lease.name,
            lease.owner.0,
            lease.fence,
        )
        .execute(self.writer())
        .await
        .map_err(error::commit)?;
        Ok(held(done.rows_affected()))
    }
}
