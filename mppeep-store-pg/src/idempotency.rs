//! Keys of requests that must have one effect. Each operation is one statement.
//!
//! A key is free when its lease has ended and it was neither carried out nor answered. The row's lock decides between a
//! unit that marks a key and a reservation that takes it over: whoever has it second sees what the first one did.

use std::time::Duration;

use async_trait::async_trait;
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::idempotency::{
    ANSWER_MAX_BYTES, IdempotencyKeys, IdempotentRequest, KEY_MAX_BYTES, KeptAnswer, Reserved,
};
use mppeep_core::ports::job_queue::Held;
use uuid::Uuid;

use crate::PgStore;
use crate::codec::{number, span_micros};
use crate::error::{self, ADAPTER};
use crate::unit::PgUnit;

/// How often a key is reserved anew when it changes hands meanwhile.
const ATTEMPTS: u32 = 4;

const fn held(rows: u64) -> Held {
    if rows == 0 { Held::Lost } else { Held::Yes }
}

/// What is known of a key that is not free.
struct Seen {
    same: bool,
    rest_us: i64,
    status: Option<i32>,
    headers: Option<String>,
    body: Option<Vec<u8>>,
}

impl TryFrom<Seen> for Reserved {
    type Error = BackendError;

    fn try_from(seen: Seen) -> Result<Self, BackendError> {
        if !seen.same {
            return Ok(Self::Mismatch);
        }
        if let (Some(status), Some(headers), Some(body)) = (seen.status, seen.headers, seen.body) {
            let headers = serde_json::from_str(&headers);
            return Ok(Self::Answered(KeptAnswer {
                status: number(status, "idempotency_key.status")?,
                headers: headers.map_err(|_| BackendError::corrupt(ADAPTER, "idempotency_key.headers"))?,
                body,
            }));
        }
        Ok(match u64::try_from(seen.rest_us) {
            Ok(rest @ 1..) => Self::UnderWay(Duration::from_micros(rest)),
            _ => Self::AnswerLost,
        })
    }
}

impl PgStore {
    /// Reserves a key that is unknown, expired or free, or says what is known of it; neither when it changed hands
    /// meanwhile.
    async fn try_reserve(
        &self,
        request: &IdempotentRequest,
        lease: Duration,
        lifetime: Duration,
    ) -> Result<Option<Reserved>, BackendError> {
        // A key that is seen to be taken is not locked: its unit may be at work for a while. Once a row is locked the
        // clock is read again.
        let row = sqlx::query!(
            r#"
                WITH i AS MATERIALIZED (SELECT coalesce($1::timestamptz, clock_timestamp()) AS now),
                seen AS MATERIALIZED (
                    SELECT k.operation = $4 AND k.digest = $5 AS same, k.status, k.headers, k.body,
                           (extract(epoch FROM k.leased_until - i.now) * 1000000)::bigint AS rest_us
                    FROM idempotency_key AS k CROSS JOIN i
                    WHERE k.user_id = $2 AND k.key = $3 AND k.expires_at > i.now
                      AND (k.carried_out OR k.status IS NOT NULL OR k.leased_until > i.now)
                ),
                granted AS (
                    INSERT INTO idempotency_key AS k (user_id, key, operation, digest, token, leased_until, expires_at)
                    SELECT $2, $3, $4, $5, $6, i.now + $7::bigint * interval '1 microsecond',
                           i.now + $8::bigint * interval '1 microsecond'
                    FROM i WHERE NOT EXISTS (SELECT 1 FROM seen)
                    ON CONFLICT (user_id, key) DO UPDATE SET
                        operation = excluded.operation, digest = excluded.digest, token = excluded.token,
                        leased_until = coalesce($1, clock_timestamp()) + $7::bigint * interval '1 microsecond',
                        expires_at = coalesce($1, clock_timestamp()) + $8::bigint * interval '1 microsecond',
                        carried_out = FALSE, status = NULL, headers = NULL, body = NULL
                    WHERE k.expires_at <= coalesce($1, clock_timestamp()) OR (
                        NOT k.carried_out AND k.status IS NULL AND k.leased_until <= coalesce($1, clock_timestamp())
                    )
                    RETURNING k.token
                )
                SELECT EXISTS (SELECT 1 FROM granted) AS "granted!", seen.same AS "same?", seen.status AS "status?",
                       seen.headers AS "headers?", seen.body AS "body?", seen.rest_us AS "rest_us?"
                FROM i LEFT JOIN seen ON TRUE
            "#,
            self.now() as _,
            request.user.as_uuid(),
            request.key.as_bytes(),
            request.operation,
            request.digest.as_slice(),
            request.token,
            span_micros(lease),
            span_micros(lifetime.max(lease)),
        )
        .fetch_one(self.quick())
        .await
        .map_err(error::write)?;
        if row.granted {
            return Ok(Some(Reserved::Granted));
        }
        let (Some(same), Some(rest_us)) = (row.same, row.rest_us) else {
            return Ok(None);
        };
        let seen = Seen {
            same,
            rest_us,
            status: row.status,
            headers: row.headers,
            body: row.body,
        };
        seen.try_into().map(Some)
    }
}

#[async_trait]
impl IdempotencyKeys for PgStore {
    async fn reserve(
        &self,
        request: &IdempotentRequest,
        lease: Duration,
        lifetime: Duration,
    ) -> Result<Reserved, BackendError> {
        if request.key.is_empty() || request.key.len() > KEY_MAX_BYTES {
            return Err(BackendError::Invalid {
                adapter: ADAPTER,
                what: format!("a key of {} bytes", request.key.len()),
            });
        }
        for _ in 0..ATTEMPTS {
            if let Some(reserved) = self.try_reserve(request, lease, lifetime).await? {
                return Ok(reserved);
            }
        }
        Err(BackendError::Contention {
            adapter: ADAPTER,
            source: None,
        })
    }

    async fn answer(&self, token: Uuid, answer: &KeptAnswer) -> Result<Held, BackendError> {
        if answer.body.len() > ANSWER_MAX_BYTES {
            return Err(BackendError::Invalid {
                adapter: ADAPTER,
                what: format!("an answer of {} bytes", answer.body.len()),
            });
        }
        let headers = serde_json::to_string(&answer.headers).map_err(|err| BackendError::Other {
            adapter: ADAPTER,
            source: Box::new(err),
        })?;
        let done = sqlx::query!(
            r#"
                UPDATE idempotency_key SET status = $3, headers = $4, body = $5
                WHERE token = $2 AND expires_at > coalesce($1, clock_timestamp())
            "#,
            self.now() as _,
            token,
            i32::from(answer.status),
            headers,
            answer.body,
        )
        .execute(self.quick())
        .await
        .map_err(error::write)?;
        Ok(held(done.rows_affected()))
    }

    async fn release(&self, token: Uuid) -> Result<Held, BackendError> {
        let done = sqlx::query!(
            "DELETE FROM idempotency_key WHERE token = $1 AND NOT carried_out AND status IS NULL",
            token,
        )
        .execute(self.quick())
        .await
        .map_err(error::write)?;
        Ok(held(done.rows_affected()))
    }
}

impl PgUnit {
    /// Marks the key that the token holds as carried out in this unit.
    pub(crate) async fn mark_key(&mut self, token: Uuid) -> Result<Held, StoreError> {
        let now = self.now();
        let link = self.batch().await?;
        let done = sqlx::query!(
            r#"
                UPDATE idempotency_key SET carried_out = TRUE
                WHERE token = $2 AND leased_until > coalesce($1, clock_timestamp())
            "#,
            now as _,
            token,
        )
        .execute(link)
        .await;
        Ok(held(self.settle("idempotency_key", done)?.rows_affected()))
    }
}
