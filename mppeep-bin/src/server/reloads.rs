//! Certificates are renewed while the server runs.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::systemd;
use super::tls::Certificates;
use crate::signals;

/// How often it is looked whether the files were written.
const LOOK: Duration = Duration::from_secs(30);

/// Reads the certificate again on SIGHUP, and when its files are written, until it is dropped.
pub(crate) struct Reloads(JoinHandle<()>);

impl Reloads {
    /// Without a certificate, SIGHUP is only noted, so that whoever reloads all services ends none; but it ends a server
    /// whose terminal is closed.
    pub(crate) fn start(certificates: Option<&Arc<Certificates>>) -> std::io::Result<Option<Self>> {
        match certificates {
            Some(certificates) => Self::follow(Arc::clone(certificates)).map(Some),
            None if std::io::stdin().is_terminal() => Ok(None),
            None => Self::note().map(Some),
        }
    }

    fn note() -> std::io::Result<Self> {
        let mut hang_up = signals::hang_up()?;
        Ok(Self(tokio::spawn(async move {
            while hang_up.recv().await.is_some() {
                tracing::info!("asked to read the certificate again, and there is none");
                systemd::reloading();
                systemd::ready();
            }
        })))
    }

    fn follow(certificates: Arc<Certificates>) -> std::io::Result<Self> {
        let mut hang_up = signals::hang_up()?;
        Ok(Self(tokio::spawn(async move {
            loop {
                let asked = tokio::select! {
                    signal = hang_up.recv() => signal.is_some(),
                    () = tokio::time::sleep(LOOK) => false,
                };
                let certificates = Arc::clone(&certificates);
                // Files may be on a disk that takes its time.
                let _read = tokio::task::spawn_blocking(move || look(&certificates, asked)).await;
            }
        })))
    }
}

impl Drop for Reloads {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn look(certificates: &Certificates, asked: bool) {
    if !asked && !certificates.is_out_of_date() {
        return;
    }
    systemd::reloading();
    match certificates.reload() {
        Ok(()) => tracing::info!("the certificate was read again, and is used for new connections"),
        Err(error) => {
            tracing::error!(
                error = format!("{error:#}"),
                "the new certificate is no good; the old one stays"
            );
        }
    }
    systemd::ready();
}
