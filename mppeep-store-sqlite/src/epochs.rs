//! Epochs, read outside any unit.

use async_trait::async_trait;
use mppeep_core::ports::epochs::{Epoch, Epochs, Namespace};
use mppeep_core::ports::error::BackendError;

use crate::SqliteStore;
use crate::error;

#[async_trait]
impl Epochs for SqliteStore {
    async fn current(&self) -> Result<Vec<Epoch>, BackendError> {
        let stored = sqlx::query!("SELECT namespace, value FROM cache_epoch")
            .fetch_all(self.quick())
            .await
            .map_err(error::backend)?;
        let value_of = |namespace: Namespace| {
            stored
                .iter()
                .find(|row| row.namespace == namespace.0)
                .map_or(0, |row| row.value)
        };
        Ok(Namespace::ALL
            .into_iter()
            .map(|namespace| Epoch {
                namespace,
                value: value_of(namespace),
            })
            .collect())
    }
}
