//! Epochs, read outside any unit.

use async_trait::async_trait;
use mppeep_core::ports::epochs::{Epoch, Epochs, Namespace};
use mppeep_core::ports::error::BackendError;

use crate::SqliteStore;
use crate::error;

#[async_trait]
impl Epochs for SqliteStore {
    async fn current(&self) -> Result<Vec<Epoch>, BackendError> {
        let stored = sqlx::query!("SELECT namespace, value FROM cache_epoch ORDER BY namespace")
            .fetch_all(self.quick())
            .await
            .map_err(error::backend)?;
        let mut epochs: Vec<Epoch> = Namespace::ALL
            .into_iter()
            .map(|namespace| Epoch { namespace, value: 0 })
            .collect();
        for row in stored {
            // A name that this release does not know belongs to another one on the same file.
            let Some(namespace) = Namespace::by_name(&row.namespace) else {
                continue;
            };
            let value = row.value;
            match epochs.iter_mut().find(|epoch| epoch.namespace == namespace) {
                Some(epoch) => epoch.value = value,
                None => epochs.push(Epoch { namespace, value }),
            }
        }
        Ok(epochs)
    }
}
