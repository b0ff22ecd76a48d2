//! Epochs of a program without a store.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use mppeep_core::ports::epochs::{Epoch, Epochs, Namespace};
use mppeep_core::ports::error::BackendError;

/// Epochs kept by this process. A program that keeps its data elsewhere bumps them **after** it has written, and hands
/// what [`MemoryEpochs::bump`] gives to its `EpochBoard`.
#[derive(Debug, Default)]
pub struct MemoryEpochs(Mutex<BTreeMap<Namespace, i64>>);

impl MemoryEpochs {
    /// No epoch was bumped yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes everything cached in these namespaces unreachable.
    pub fn bump(&self, namespaces: &[Namespace]) -> Vec<Epoch> {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        namespaces
            .iter()
            .map(|namespace| {
                let value = values.entry(*namespace).or_insert(0);
                *value += 1;
                Epoch {
                    namespace: *namespace,
                    value: *value,
                }
            })
            .collect()
    }
}

#[async_trait]
impl Epochs for MemoryEpochs {
    async fn current(&self) -> Result<Vec<Epoch>, BackendError> {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(values
            .iter()
            .map(|(namespace, value)| Epoch {
                namespace: *namespace,
                value: *value,
            })
            .collect())
    }
}
