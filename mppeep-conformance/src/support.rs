//! What the checks share.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mppeep_core::ports::clock::{Entropy, SeededEntropy};
use tokio::sync::Barrier;

/// Longest time that a step of a check may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest time that a crowd may take: on a slow disk with one writer they come one after the other.
const PATIENCE_WITH_A_CROWD: Duration = Duration::from_secs(180);

/// Where the clock stands when a check begins: a Sunday noon, on a whole minute.
pub(crate) fn start() -> Timestamp {
    at("2026-11-22T12:00:00Z")
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Runs all tasks at once, and gives what they gave, in their order.
pub(crate) async fn at_once<T, F>(tasks: impl IntoIterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<F> = tasks.into_iter().collect();
    let barrier = Arc::new(Barrier::new(tasks.len()));
    let running: Vec<_> = tasks
        .into_iter()
        .map(|task| {
            let barrier = barrier.clone();
            tokio::spawn(async move {
                barrier.wait().await;
                task.await
            })
        })
        .collect();
    let mut outcomes = Vec::with_capacity(running.len());
    let end = tokio::time::Instant::now() + PATIENCE_WITH_A_CROWD;
    for task in running {
        let ended = tokio::time::timeout_at(end, task).await;
        outcomes.push(ended.expect("a call hangs").unwrap());
    }
    outcomes
}

/// Waits for something that must not hang.
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("the call hangs")
}

/// Polls a future at most `polls` times, each time that it asks for it, then drops it.
pub(crate) async fn poll_then_drop<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = Box::pin(future);
    let mut left = polls;
    in_time(std::future::poll_fn(move |context| {
        if left == 0 {
            return std::task::Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            std::task::Poll::Ready(value) => std::task::Poll::Ready(Some(value)),
            std::task::Poll::Pending if left == 0 => std::task::Poll::Ready(None),
            std::task::Poll::Pending => std::task::Poll::Pending,
        }
    }))
    .await
}

/// Reproducible random numbers.
pub(crate) struct Dice(SeededEntropy);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    /// A number below `bound`.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0u8; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % bound.max(1)
    }
}

/// Texts that careless adapters take for one another, or choke on.
pub(crate) fn awkward_texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "  ",
        "a",
        "A",
        "a ",
        " a",
        "a:b",
        "a::b",
        ":",
        "a\0",
        "a\0b",
        "\0",
        "a\n",
        "\n",
        "\r\n",
        "{}",
        "{a}",
        "*",
        "a*",
        "?",
        "[a]",
        "[",
        "]",
        "\\",
        "\"",
        "'",
        "''",
        "%",
        "_",
        "a_",
        "é",
        "e\u{301}",
        "ﬁ",
        "fi",
        "\u{fffd}",
        "\u{202e}a",
        "𝒂",
        "null",
        "0",
        "00",
        "-1",
        "ß",
        "ss",
        "SS",
        "ı",
        "i",
        "İ",
    ]
    .map(str::to_owned)
    .into();
    texts.push("x".repeat(1 << 20));
    texts.push(format!("{}y", "x".repeat((1 << 20) - 1)));
    texts.push("x".repeat(300));
    texts.push(format!("{}y", "x".repeat(299)));
    texts
}
