//! Cache entries and fill leases.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use mppeep_core::ports::cache::{Cache, CacheKey, FillLease, Filled, Lookup, Ttl};
use mppeep_core::ports::error::BackendError;
use redis::Value;

use crate::ADAPTER;
use crate::doubt::Uncertain;
use crate::key::EntryKey;
use crate::link::Link;
use crate::script;
use crate::time::{SLACK_MILLIS, micros, now};

/// A cache in Redis, which may lose any of it at any moment.
///
/// An entry is one hash with the value, its ends and the lease to fill it. Each value carries a tag over its key and its
/// content: what was damaged in the server or on the way, or belongs to another key, is [`BackendError::Corrupt`], and is
/// removed.
#[derive(Clone)]
pub struct RedisCache {
    link: Arc<Link>,
}

/// What the script of a look-up found.
enum Found {
    Lookup(Lookup),
    /// The key held something else, which is removed.
    Garbage,
    /// The value is not the one that was stored; this is its tag.
    Forged(Vec<u8>),
}

impl RedisCache {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// Removes an entry that still has that tag, if there is time left.
    async fn forget(&self, key: &EntryKey, tag: &[u8], deadline: Instant) {
        self.link.counters.repairs.add();
        let removed = self
            .link
            .run(&script::FORGET, &key.name, &[tag], deadline, |_| Some(()))
            .await;
        if removed.is_err() {
            tracing::debug!(
                adapter = ADAPTER,
                "an entry that cannot be read was not removed yet"
            );
        }
    }

    /// Tells the server, which answers again, of the leases that nobody holds.
    fn give_back_doubtful(&self) {
        let doubtful = self.link.doubts.to_give_back(Instant::now());
        if doubtful.is_empty() {
            return;
        }
        let link = self.link.clone();
        tokio::spawn(async move {
            for (name, lease) in doubtful {
                let uncertain = Uncertain::new(&link, &name, &lease);
                if give_back(&link, &name, &lease).await.is_ok() {
                    uncertain.settled();
                }
            }
        });
    }

    fn garbage(&self) -> BackendError {
        self.link.counters.repairs.add();
        corrupt()
    }
}

async fn give_back(link: &Link, name: &[u8], lease: &FillLease) -> Result<(), BackendError> {
    let now = now(&link.options.time);
    let lease = lease_text(lease);
    let arguments: [&[u8]; 8] = [
        now.as_bytes(),
        lease.as_bytes(),
        b"0",
        b"",
        b"",
        b"0",
        b"0",
        SLACK_MILLIS.as_bytes(),
    ];
    link.run(&script::FILL, name, &arguments, link.deadline(), |_| Some(()))
        .await
}

fn corrupt() -> BackendError {
    tracing::warn!(adapter = ADAPTER, "a cache entry cannot be read, and is removed");
    BackendError::corrupt(ADAPTER, "a cache entry")
}

#[async_trait]
impl Cache for RedisCache {
    async fn lookup(&self, key: &CacheKey, lease_for: Duration) -> Result<Lookup, BackendError> {
        let deadline = self.link.deadline();
        let entry = EntryKey::new(&self.link.options.prefix, key);
        let lease = new_lease()?;
        let now = now(&self.link.options.time);
        let lease_for = micros(lease_for).to_string();
        let nobodys = self.link.doubts.about(&entry.name, Instant::now());
        let uncertain = Uncertain::new(&self.link, &entry.name, &lease);
        let answered = self
            .link
            .run(
                &script::LOOKUP,
                &entry.name,
                &[
                    now.as_bytes(),
                    lease_text(&lease).as_bytes(),
                    lease_for.as_bytes(),
                    SLACK_MILLIS.as_bytes(),
                    nobodys.as_bytes(),
                ],
                deadline,
                |values| found(&entry, &lease, values),
            )
            .await;
        match answered {
            Ok(Found::Lookup(lookup)) => {
                uncertain.settled();
                self.give_back_doubtful();
                Ok(lookup)
            }
            Ok(Found::Garbage) => {
                uncertain.settled();
                Err(self.garbage())
            }
            // The lease may have been given with what was forged.
            Ok(Found::Forged(tag)) => {
                self.forget(&entry, &tag, deadline).await;
                Err(corrupt())
            }
            Err(error) => {
                if matches!(error, BackendError::Unavailable { .. }) {
                    // It certainly did nothing.
                    uncertain.settled();
                }
                Err(error)
            }
        }
    }

    async fn fill(
        &self,
        key: &CacheKey,
        lease: FillLease,
        value: Option<Bytes>,
        ttl: Ttl,
    ) -> Result<Filled, BackendError> {
        let limit = self.link.options.value_limit_bytes;
        if let Some(bytes) = &value
            && bytes.len() > limit
        {
            return Err(BackendError::Invalid {
                adapter: ADAPTER,
                what: format!("a value of {} bytes, over {limit}", bytes.len()),
            });
        }
        let entry = EntryKey::new(&self.link.options.prefix, key);
        let now = now(&self.link.options.time);
        let (given, bytes): (&[u8], &[u8]) = match &value {
            Some(bytes) => (b"1", bytes),
            None => (b"0", b""),
        };
        let soft = micros(ttl.soft.min(ttl.hard)).to_string();
        let hard = micros(ttl.hard).to_string();
        // Who could not fill still holds the lease, and gives it back. Who gives it back is gone.
        let uncertain = value
            .is_none()
            .then(|| Uncertain::new(&self.link, &entry.name, &lease));
        let filled = self
            .link
            .run(
                &script::FILL,
                &entry.name,
                &[
                    now.as_bytes(),
                    lease_text(&lease).as_bytes(),
                    given,
                    bytes,
                    &entry.tag(bytes),
                    soft.as_bytes(),
                    hard.as_bytes(),
                    SLACK_MILLIS.as_bytes(),
                ],
                self.link.deadline(),
                |values| match single(values)?.as_slice() {
                    b"D" => Some(Some(Filled::Done)),
                    b"N" => Some(Some(Filled::Refused)),
                    b"X" => Some(None),
                    _ => None,
                },
            )
            .await?;
        if let Some(uncertain) = uncertain {
            uncertain.settled();
        }
        filled.ok_or_else(|| self.garbage())
    }
}

fn found(entry: &EntryKey, lease: &FillLease, values: Vec<Value>) -> Option<Found> {
    let mut parts = Vec::with_capacity(3);
    for value in values {
        let Value::BulkString(bytes) = value else {
            return None;
        };
        parts.push(bytes);
    }
    let mut parts = parts.into_iter();
    let (kind, value, tag) = (parts.next()?, parts.next(), parts.next());
    let lookup = match (kind.as_slice(), value, tag, parts.next()) {
        (b"M", None, None, None) => Lookup::Miss(lease.clone()),
        (b"B", None, None, None) => Lookup::Busy,
        (b"X", None, None, None) => return Some(Found::Garbage),
        (kind, Some(value), Some(tag), None) => {
            if entry.tag(&value) != tag.as_slice() {
                return Some(Found::Forged(tag));
            }
            let value = Bytes::from(value);
            match kind {
                b"F" => Lookup::Fresh(value),
                b"S" => Lookup::Stale(value, None),
                b"R" => Lookup::Stale(value, Some(lease.clone())),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(Found::Lookup(lookup))
}

fn single(values: Vec<Value>) -> Option<Vec<u8>> {
    match <[Value; 1]>::try_from(values) {
        Ok([Value::BulkString(bytes)]) => Some(bytes),
        _ => None,
    }
}

fn new_lease() -> Result<FillLease, BackendError> {
    let mut random = [0u8; 16];
    getrandom::fill(&mut random).map_err(|error| BackendError::Other {
        adapter: ADAPTER,
        source: error.into(),
    })?;
    Ok(FillLease(u128::from_le_bytes(random)))
}

pub(crate) fn lease_text(lease: &FillLease) -> String {
    format!("{:032x}", lease.0)
}
