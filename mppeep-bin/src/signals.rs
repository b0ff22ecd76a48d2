//! The signals that ask a process to end, or to read its certificate again.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// SIGTERM and SIGINT, from now on.
#[derive(Clone)]
pub(crate) struct Signals {
    /// How often the process was asked to end.
    asked: watch::Receiver<u32>,
}

impl Signals {
    pub(crate) fn new() -> std::io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (count, asked) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                count.send_modify(|count| *count += 1);
                tracing::info!(signal = name, "asked to end");
            }
        });
        Ok(Self { asked })
    }

    /// Waits until the process is asked to end.
    pub(crate) async fn any(&self) {
        self.times(1).await;
    }

    /// Waits until it is asked a second time, by somebody who does not want to wait for what runs.
    pub(crate) async fn again(&self) {
        self.times(2).await;
    }

    async fn times(&self, least: u32) {
        // Without its sender nobody can ask any more, which is no reason to end.
        if self
            .asked
            .clone()
            .wait_for(|count| *count >= least)
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }
}

/// SIGHUP, from now on; before that it ends the process.
pub(crate) fn hang_up() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}
