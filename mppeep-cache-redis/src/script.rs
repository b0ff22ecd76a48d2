//! The scripts. Each does all of its operation in one step, and answers with the nonce it was given, so that an answer
//! that belongs to another call is never taken for its own.

use std::sync::LazyLock;

/// A script and its name on the server.
pub(crate) struct Script {
    pub(crate) body: &'static str,
    inner: redis::Script,
}

impl Script {
    fn new(body: &'static str) -> Self {
        Self {
            body,
            inner: redis::Script::new(body),
        }
    }

    /// The SHA-1 by which the server knows it.
    pub(crate) fn hash(&self) -> &str {
        self.inner.get_hash()
    }
}

pub(crate) static LOOKUP: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/lookup.lua")));
pub(crate) static FILL: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/fill.lua")));
pub(crate) static FORGET: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/forget.lua")));
pub(crate) static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/take.lua")));
pub(crate) static PUBLISH: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/publish.lua")));
pub(crate) static PING: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/ping.lua")));
pub(crate) static SERVER: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/server.lua")));
