//! What systemd is told, when it started this process (sd_notify(3)).

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::task::JoinHandle;

use super::places::Connections;

/// Least time in which the accept loop is expected to come round.
const LONGEST_ROUND: Duration = Duration::from_secs(3);

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd could not be told how this process is");
    }
}

/// Connections are accepted.
pub(crate) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// The process is about to end.
pub(crate) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Something is read again; [`ready`] tells that it is done.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "no clock to tell systemd the time by"),
    }
}

/// Tells the watchdog, if there is one, that the process lives: the runtime runs this, and the accept loop comes round.
/// Whether the database answers is not asked, since a restart would not mend it.
pub(crate) fn watch(connections: Connections) -> Option<Watch> {
    let patience = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero())?;
    let lately = (patience / 2).max(LONGEST_ROUND);
    tracing::info!(?patience, "the watchdog is told that this process lives");
    Some(Watch(tokio::spawn(async move {
        let mut tick = tokio::time::interval(patience / 3);
        loop {
            tick.tick().await;
            if connections.beats(lately) {
                notify(&[NotifyState::Watchdog]);
            } else {
                tracing::error!("the accept loop does not come round: the watchdog is told nothing");
            }
        }
    })))
}

/// Tells until it is dropped.
pub(crate) struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}
