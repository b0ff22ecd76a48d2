//! What the operator's commands and the housekeeping ask of the database itself.

use std::path::Path;

use async_trait::async_trait;
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::maintain::Maintain;
use sqlx::ConnectOptions;
use sqlx::Connection;

use crate::SqliteStore;
use crate::error::{self, ADAPTER};
use crate::store::connect_options;

/// How long a batch of counters is remembered.
const BATCH_MEMORY_MICROS: i64 = 24 * 3600 * 1_000_000;
/// How far back counters are kept, as a modifier of dates.
const COUNTERS_KEPT: &str = "-400 days";

#[async_trait]
impl Maintain for SqliteStore {
    async fn sweep(&self, limit: u32) -> Result<u64, BackendError> {
        let (now, limit) = (self.now(), i64::from(limit));
        let mut tx = self.immediate().await.map_err(error::backend)?;
        let mut swept = 0;
        swept += sqlx::query!(
            r#"
                DELETE FROM session WHERE rowid IN (
                    SELECT rowid FROM session WHERE expires_at <= coalesce(?1, (SELECT now_us FROM clock)) LIMIT ?2
                )
            "#,
            now,
            limit,
        )
        .execute(&mut *tx)
        .await
        .map_err(error::backend)?
        .rows_affected();
        swept += sqlx::query!(
            r#"
                DELETE FROM login_attempt WHERE rowid IN (
                    SELECT rowid FROM login_attempt WHERE expires_at <= coalesce(?1, (SELECT now_us FROM clock)) LIMIT ?2
                )
            "#,
            now,
            limit,
        )
        .execute(&mut *tx)
        .await
        .map_err(error::backend)?
        .rows_affected();
        swept += sqlx::query!(
            r#"
                DELETE FROM login_account WHERE rowid IN (
                    SELECT rowid FROM login_account WHERE expires_at <= coalesce(?1, (SELECT now_us FROM clock)) LIMIT ?2
                )
            "#,
            now,
            limit,
        )
        .execute(&mut *tx)
        .await
        .map_err(error::backend)?
        .rows_affected();
        swept += sqlx::query!(
            r#"
                DELETE FROM login_known_address WHERE rowid IN (
                    SELECT rowid FROM login_known_address
                    WHERE expires_at <= coalesce(?1, (SELECT now_us FROM clock)) LIMIT ?2
                )
            "#,
            now,
            limit,
        )
        .execute(&mut *tx)
        .await
        .map_err(error::backend)?
        .rows_affected();
        swept += sqlx::query!(
            r#"
                DELETE FROM account_token WHERE rowid IN (
                    SELECT rowid FROM account_token
                    WHERE expires_at <= coalesce(?1, (SELECT now_us FROM clock)) LIMIT ?2
                )
            "#,
            now,
            limit,
        )
        .execute(&mut *tx)
        .await
        .map_err(error::backend)?
        .rows_affected();
        swept += sqlx::query!(
            r#"
                DELETE FROM idempotency_key WHERE rowid IN (
                    SELECT rowid FROM idempotency_key
                    WHERE expires_at <= coalesce(?1, (SELECT now_us FROM clock)) LIMIT ?2
                )
            "#,
            now,
            limit,
        )
        .execute(&mut *tx)
        .await
        .map_err(error::backend)?
        .rows_affected();
        swept += sqlx::query!(
            r#"
                DELETE FROM counter_batch WHERE batch_id IN (
                    SELECT batch_id FROM counter_batch
                    WHERE added_at <= coalesce(?1, (SELECT now_us FROM clock)) - ?3 LIMIT ?2
                )
            "#,
            now,
            limit,
            BATCH_MEMORY_MICROS,
        )
        .execute(&mut *tx)
        .await
        .map_err(error::backend)?
        .rows_affected();
        swept += sqlx::query!(
            r#"
                DELETE FROM counter_day WHERE (counter_set, day, member) IN (
                    SELECT counter_set, day, member FROM counter_day
                    WHERE day < date(coalesce(?1, (SELECT now_us FROM clock)) / 1000000, 'unixepoch', ?3) LIMIT ?2
                )
            "#,
            now,
            limit,
            COUNTERS_KEPT,
        )
        .execute(&mut *tx)
        .await
        .map_err(error::backend)?
        .rows_affected();
        tx.commit().await.map_err(error::commit)?;
        Ok(swept)
    }
}

impl SqliteStore {
    /// Copies the database, as it is at one instant, into a new file that is whole when it appears. Writers go on.
    ///
    /// # Errors
    /// `Invalid` when there is a file already, `Unavailable` when it cannot be written.
    pub async fn backup(&self, to: impl AsRef<Path>) -> Result<(), StoreError> {
        let to = to.as_ref();
        let unavailable = |err: std::io::Error| error::backend(sqlx::Error::Io(err));
        if to.try_exists().map_err(unavailable)? {
            let what = "the file to write already exists".to_owned();
            return Err(BackendError::Invalid {
                adapter: ADAPTER,
                what,
            }
            .into());
        }
        let mut partial = to.as_os_str().to_owned();
        partial.push(".partial");
        let partial = std::path::PathBuf::from(partial);
        let Some(partial_text) = partial.to_str() else {
            let what = "the name of the file to write is not Unicode".to_owned();
            return Err(BackendError::Invalid {
                adapter: ADAPTER,
                what,
            }
            .into());
        };
        match tokio::fs::remove_file(&partial).await {
            Err(err) if err.kind() != std::io::ErrorKind::NotFound => return Err(unavailable(err).into()),
            _ => {}
        }
        crate::store::create_private(&partial).map_err(unavailable)?;
        let mut conn = connect_options(self.path(), self.busy_timeout())
            .connect()
            .await
            .map_err(error::backend)?;
        sqlx::query("VACUUM INTO ?1")
            .bind(partial_text)
            .execute(&mut conn)
            .await
            .map_err(error::backend)?;
        conn.close().await.map_err(error::backend)?;
        tokio::fs::File::open(&partial)
            .await
            .map_err(unavailable)?
            .sync_all()
            .await
            .map_err(unavailable)?;
        tokio::fs::rename(&partial, to).await.map_err(unavailable)?;
        Ok(())
    }

    /// Reads the whole database and names what is damaged in it; nothing is good news.
    ///
    /// # Errors
    /// `Backend` when it cannot even be read.
    pub async fn check(&self) -> Result<Vec<String>, StoreError> {
        let mut conn = self.quick().acquire().await.map_err(error::backend)?;
        let lines: Vec<String> = sqlx::query_scalar("PRAGMA quick_check")
            .fetch_all(&mut *conn)
            .await
            .map_err(error::backend)?;
        let mut findings: Vec<String> = lines.into_iter().filter(|line| line != "ok").collect();
        let dangling: Vec<(String, Option<i64>, String, i64)> = sqlx::query_as("PRAGMA foreign_key_check")
            .fetch_all(&mut *conn)
            .await
            .map_err(error::backend)?;
        findings.extend(dangling.into_iter().map(|(table, row, parent, _)| {
            let row = row.map_or_else(String::new, |row| format!(" {row}"));
            format!("row{row} of {table} refers to a row of {parent} that does not exist")
        }));
        Ok(findings)
    }
}
