//! Idempotency keys. Whoever asks for a key that is not free takes no lock; a reservation is one unit that holds the
//! write lock from its start.

use std::time::Duration;

use async_trait::async_trait;
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::idempotency::{
    ANSWER_MAX_BYTES, IdempotencyKeys, IdempotentRequest, KEY_MAX_BYTES, KeptAnswer, Reserved,
};
use mppeep_core::ports::job_queue::Held;
use sqlx::{Executor, Sqlite};
use uuid::Uuid;

use crate::SqliteStore;
use crate::codec::{number, span_micros};
use crate::error::{self, ADAPTER};
use crate::unit::SqliteUnit;

/// What is known of a key that is not free.
struct KeyRecord {
    now: i64,
    operation: String,
    digest: Vec<u8>,
    leased_until: i64,
    carried_out: bool,
    status: Option<i64>,
    headers: Option<String>,
    body: Option<Vec<u8>>,
}

impl KeyRecord {
    /// What it means to that request.
    fn against(self, request: &IdempotentRequest) -> Result<Reserved, BackendError> {
        if self.operation != request.operation || self.digest != request.digest {
            return Ok(Reserved::Mismatch);
        }
        if let (Some(status), Some(headers), Some(body)) = (self.status, self.headers, self.body) {
            let headers = serde_json::from_str(&headers);
            return Ok(Reserved::Answered(KeptAnswer {
                status: number(status, "idempotency_key.status")?,
                headers: headers.map_err(|_| BackendError::corrupt(ADAPTER, "idempotency_key.headers"))?,
                body,
            }));
        }
        if self.carried_out && self.leased_until <= self.now {
            return Ok(Reserved::AnswerLost);
        }
        let rest = u64::try_from(self.leased_until - self.now).unwrap_or_default();
        Ok(Reserved::UnderWay(Duration::from_micros(rest)))
    }
}

/// The key, unless it is free.
async fn taken<'e>(
    executor: impl Executor<'e, Database = Sqlite>,
    now: Option<i64>,
    request: &IdempotentRequest,
) -> Result<Option<KeyRecord>, BackendError> {
    sqlx::query_as!(
        KeyRecord,
        r#"
            SELECT i.now AS "now!: i64", k.operation, k.digest, k.leased_until, k.carried_out AS "carried_out: bool",
                   k.status, k.headers, k.body
            FROM idempotency_key AS k
            CROSS JOIN (SELECT coalesce(?1, (SELECT now_us FROM clock)) AS now) AS i
            WHERE k.user_id = ?2 AND k.key = ?3 AND k.expires_at > i.now
              AND (k.carried_out OR k.status IS NOT NULL OR k.leased_until > i.now)
        "#,
        now,
        request.user.as_uuid(),
        request.key,
    )
    .fetch_optional(executor)
    .await
    .map_err(error::backend)
}

const fn held(rows: u64) -> Held {
    if rows == 0 { Held::Lost } else { Held::Yes }
}

fn invalid(what: String) -> BackendError {
    BackendError::Invalid {
        adapter: ADAPTER,
        what,
    }
}

#[async_trait]
impl IdempotencyKeys for SqliteStore {
    async fn reserve(
        &self,
        request: &IdempotentRequest,
        lease: Duration,
        lifetime: Duration,
    ) -> Result<Reserved, BackendError> {
        if !(1..=KEY_MAX_BYTES).contains(&request.key.len()) {
            return Err(invalid(format!("a key of {} bytes", request.key.len())));
        }
        let now = self.now();
        if let Some(record) = taken(self.quick(), now, request).await? {
            return record.against(request);
        }
        let mut tx = self.immediate().await.map_err(error::backend)?;
        // Another may have come first. The lock is held: what is free now stays so.
        if let Some(record) = taken(&mut *tx, now, request).await? {
            return record.against(request);
        }
        sqlx::query!(
            r#"
                INSERT INTO idempotency_key (
                    user_id, key, operation, digest, token, leased_until, expires_at, carried_out
                )
                SELECT ?2, ?3, ?4, ?5, ?6, i.now + ?7, i.now + max(?7, ?8), 0
                FROM (SELECT coalesce(?1, (SELECT now_us FROM clock)) AS now) AS i
                WHERE true
                ON CONFLICT (user_id, key) DO UPDATE SET
                    operation = excluded.operation, digest = excluded.digest, token = excluded.token,
                    leased_until = excluded.leased_until, expires_at = excluded.expires_at, carried_out = 0,
                    status = NULL, headers = NULL, body = NULL
            "#,
            now,
            request.user.as_uuid(),
            request.key,
            request.operation,
            request.digest.as_slice(),
            request.token,
            span_micros(lease),
            span_micros(lifetime),
        )
        .execute(&mut *tx)
        .await
        .map_err(error::backend)?;
        tx.commit().await.map_err(error::commit)?;
        Ok(Reserved::Granted)
    }

    async fn answer(&self, token: Uuid, answer: &KeptAnswer) -> Result<Held, BackendError> {
        if answer.body.len() > ANSWER_MAX_BYTES {
            return Err(invalid(format!("an answer of {} bytes", answer.body.len())));
        }
        let headers = serde_json::to_string(&answer.headers).map_err(|err| BackendError::Other {
            adapter: ADAPTER,
            source: Box::new(err),
        })?;
        let now = self.now();
        let done = sqlx::query!(
            r#"
                UPDATE idempotency_key SET status = ?3, headers = ?4, body = ?5
                WHERE token = ?2 AND expires_at > coalesce(?1, (SELECT now_us FROM clock))
            "#,
            now,
            token,
            answer.status,
            headers,
            answer.body,
        )
        .execute(self.writer())
        .await
        .map_err(error::commit)?;
        Ok(held(done.rows_affected()))
    }

    async fn release(&self, token: Uuid) -> Result<Held, BackendError> {
        let done = sqlx::query!(
            "DELETE FROM idempotency_key WHERE token = ?1 AND NOT carried_out AND status IS NULL",
            token,
        )
        .execute(self.writer())
        .await
        .map_err(error::commit)?;
        Ok(held(done.rows_affected()))
    }
}

impl SqliteUnit {
    /// Marks the key that the token holds as carried out, as part of this unit.
    pub(crate) async fn mark_key(&mut self, token: Uuid) -> Result<Held, StoreError> {
        let now = self.now();
        let conn = self.writing()?;
        let done = sqlx::query!(
            r#"
                UPDATE idempotency_key SET carried_out = 1
                WHERE token = ?2 AND leased_until > coalesce(?1, (SELECT now_us FROM clock))
            "#,
            now,
            token,
        )
        .execute(conn)
        .await;
        Ok(held(self.settle("idempotency_key", done)?.rows_affected()))
    }
}
