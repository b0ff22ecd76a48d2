//! A thread with a runtime of its own.
//!
//! What a test puts between processes must go on while the test itself waits for one of them without giving way.

use std::future::Future;
use std::thread::JoinHandle;

use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// Work on a thread of its own, which ends with this value.
pub(crate) struct Background {
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Runs `work` until it ends or this value is dropped.
    pub(crate) fn start<F: Future>(work: impl FnOnce() -> F + Send + 'static) -> Self {
        let (end, ended) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime can be made");
            runtime.block_on(async {
                tokio::select! {
                    _ = work() => {}
                    _ = ended => {}
                }
            });
            // Connections still open are dropped here, with the runtime.
        });
        Self {
            end: Some(end),
            thread: Some(thread),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}
