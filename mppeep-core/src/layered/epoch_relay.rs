//! Epochs told from process to process, through messages that are not the database's own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::epoch_board::{CHANNEL, EpochBoard, parse, push_payload};
use crate::domain::session::SHARDS;
use crate::ports::epochs::{Epoch, Namespace};
use crate::ports::pubsub::{Event, PubSub};

/// Pauses between two readings of the epochs that others caused, and before a lost subscription is made again.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
const RESUBSCRIBE_PAUSE: Duration = Duration::from_secs(1);

/// Tells others of epochs as this process learns of them, for ever. Whoever hears of nothing new tells nothing, so it ends
/// by itself.
pub async fn tell(board: Arc<EpochBoard>, messages: Arc<dyn PubSub>) {
    let sessions = (0..SHARDS).map(Namespace::session_shard);
    let namespaces: Vec<Namespace> = Namespace::ALL.into_iter().chain(sessions).collect();
    let mut changes = board.changes();
    let mut told: BTreeMap<Namespace, i64> = BTreeMap::new();
    while changes.changed().await.is_ok() {
        let known = namespaces.iter().copied().zip(board.known_values(&namespaces));
        let new: Vec<Epoch> = known
            .filter(|(namespace, value)| told.get(namespace).copied().unwrap_or(0) < *value)
            .map(|(namespace, value)| Epoch { namespace, value })
            .collect();
        if new.is_empty() {
            continue;
        }
        let payload = Bytes::from(push_payload(&new));
        told.extend(new.iter().map(|epoch| (epoch.namespace, epoch.value)));
        // What is not heard now is polled within a second.
        if let Err(error) = messages.publish(CHANNEL, payload).await {
            tracing::debug!(%error, "epochs could not be told");
        }
    }
}

/// Reads the epochs when somebody tells of newer ones, for ever. What he tells is not believed, unlike what
/// [`EpochBoard::listen`] hears of the database: these messages come from a place that may hold anything, and an epoch that
/// is too high would never move again.
pub async fn heed(board: Arc<EpochBoard>, messages: Arc<dyn PubSub>) {
    loop {
        if let Ok(mut subscription) = messages.subscribe(&[CHANNEL]).await {
            while let Some(event) = subscription.next().await {
                let worth_a_look = match event {
                    Event::Message { payload, .. } => is_news(&board, &payload),
                    Event::Gap => true,
                };
                if worth_a_look {
                    // What cannot be read now is polled soon.
                    let _polled_soon = board.refresh().await;
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                }
            }
        }
        tokio::time::sleep(RESUBSCRIBE_PAUSE).await;
    }
}

fn is_news(board: &EpochBoard, payload: &[u8]) -> bool {
    parse(payload).into_iter().any(|told| {
        let known = board.known_values(&[told.namespace]);
        known.iter().all(|known| *known < told.value)
    })
}
