//! Epochs: bumped within units, read outside any.

use async_trait::async_trait;
use mppeep_core::ports::epochs::{Epoch, Epochs, Namespace};
use mppeep_core::ports::error::BackendError;

use crate::PgStore;
use crate::error;
use crate::link::Link;
use crate::store::read_twice;

/// The channel on which a commit says which epochs it bumped, as `namespace:value` separated by commas.
pub(crate) const CHANNEL: &str = "mppeep_epochs";

/// Bumps epochs, always in the same order so that two units never wait for each other, and says so on the channel when
/// the transaction commits.
pub(crate) async fn bump(link: Link<'_>, namespaces: &[Namespace]) -> Result<Vec<Epoch>, sqlx::Error> {
    let mut names: Vec<String> = namespaces
        .iter()
        .map(|namespace| namespace.0.to_owned())
        .collect();
    names.sort_unstable();
    names.dedup();
    let rows = sqlx::query!(
        r#"
            WITH bumped AS (
                INSERT INTO cache_epoch (namespace, value)
                SELECT name, 1 FROM unnest($1::text[]) WITH ORDINALITY AS n (name, place) ORDER BY place
                ON CONFLICT (namespace) DO UPDATE SET value = cache_epoch.value + 1
                RETURNING namespace, value
            )
            SELECT namespace AS "namespace!", value AS "value!",
                   (SELECT pg_notify($2, string_agg(b.namespace || ':' || b.value, ',')) FROM bumped AS b)::text AS told
            FROM bumped
        "#,
        &names,
        CHANNEL,
    )
    .fetch_all(link)
    .await?;
    let epochs = rows.into_iter().filter_map(|row| {
        let namespace = namespaces.iter().find(|known| known.0 == row.namespace)?;
        Some(Epoch {
            namespace: *namespace,
            value: row.value,
        })
    });
    Ok(epochs.collect())
}

#[async_trait]
impl Epochs for PgStore {
    async fn current(&self) -> Result<Vec<Epoch>, BackendError> {
        let stored =
            read_twice(|| sqlx::query!("SELECT namespace, value FROM cache_epoch").fetch_all(self.quick()))
                .await
                .map_err(error::backend)?;
        let mut epochs: Vec<Epoch> = stored
            .iter()
            .filter_map(|row| {
                Some(Epoch {
                    namespace: Namespace::by_name(&row.namespace)?,
                    value: row.value,
                })
            })
            .collect();
        for namespace in Namespace::ALL {
            if epochs.iter().all(|epoch| epoch.namespace != namespace) {
                epochs.push(Epoch { namespace, value: 0 });
            }
        }
        Ok(epochs)
    }
}
