//! Leases that the server may have given although nobody heard of it: the answer was lost or came too late, the caller
//! went away, or a server that hung does at last what was asked of it long ago.
//!
//! Nobody fills under such a lease, and everybody would wait for its end. So the adapter remembers them: its own look-ups
//! pass over them, and once the server answers again they are given back for the sake of others.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mppeep_core::ports::cache::FillLease;

use crate::cache::lease_text;
use crate::link::{Link, locked};

/// For how long a doubt lasts. A server that hangs for longer may still keep somebody waiting, for the time of a lease.
const LASTS: Duration = Duration::from_secs(600);

/// Entries about whose leases there may be doubt at once. While calls are held back, only few are lost.
const MOST_ENTRIES: usize = 1024;

/// Leases of one entry that are remembered, the latest ones.
const MOST_LEASES: usize = 8;

/// What is in doubt.
#[derive(Default)]
pub(crate) struct Doubts {
    entries: Mutex<HashMap<Vec<u8>, Doubt>>,
    /// Whether there is one that the server was not told of: each look-up asks.
    untold: AtomicBool,
}

struct Doubt {
    leases: Vec<FillLease>,
    until: Instant,
    /// Whether the server was told that nobody holds them.
    given_back: bool,
}

impl Doubts {
    /// Remembers a lease of the entry of this name.
    fn add(&self, name: &[u8], lease: FillLease, now: Instant) {
        let mut doubts = locked(&self.entries);
        if doubts.len() >= MOST_ENTRIES && !doubts.contains_key(name) {
            doubts.retain(|_, doubt| doubt.until > now);
            if doubts.len() >= MOST_ENTRIES {
                return;
            }
        }
        let doubt = doubts.entry(name.to_vec()).or_insert_with(|| Doubt {
            leases: Vec::new(),
            until: now,
            given_back: false,
        });
        doubt.until = now + LASTS;
        doubt.given_back = false;
        if !doubt.leases.contains(&lease) {
            if doubt.leases.len() == MOST_LEASES {
                doubt.leases.remove(0);
            }
            doubt.leases.push(lease);
        }
        self.untold.store(true, Ordering::Release);
    }

    /// The leases of an entry that nobody holds, as its script reads them.
    pub(crate) fn about(&self, name: &[u8], now: Instant) -> String {
        let doubts = locked(&self.entries);
        let leases = doubts
            .get(name)
            .filter(|doubt| doubt.until > now)
            .map(|doubt| doubt.leases.iter().map(lease_text).collect::<Vec<_>>());
        leases.unwrap_or_default().join(" ")
    }

    /// Takes those that the server was not told of yet.
    pub(crate) fn to_give_back(&self, now: Instant) -> Vec<(Vec<u8>, FillLease)> {
        // Looked at before it is written: nearly always there is none.
        if !self.untold.load(Ordering::Acquire) || !self.untold.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        let mut doubts = locked(&self.entries);
        doubts.retain(|_, doubt| doubt.until > now);
        let untold = doubts.iter_mut().filter(|(_, doubt)| !doubt.given_back);
        untold
            .flat_map(|(name, doubt)| {
                doubt.given_back = true;
                doubt.leases.iter().map(|lease| (name.clone(), lease.clone()))
            })
            .collect()
    }
}

/// A lease that is asked for or given back in a call. Unless the outcome is known when this goes, there is doubt about it.
pub(crate) struct Uncertain<'a> {
    link: &'a Link,
    name: &'a [u8],
    lease: &'a FillLease,
    certain: bool,
}

impl<'a> Uncertain<'a> {
    pub(crate) fn new(link: &'a Link, name: &'a [u8], lease: &'a FillLease) -> Self {
        Self {
            link,
            name,
            lease,
            certain: false,
        }
    }

    /// The outcome is known.
    pub(crate) fn settled(mut self) {
        self.certain = true;
    }
}

impl Drop for Uncertain<'_> {
    fn drop(&mut self) {
        if !self.certain {
            self.link
                .doubts
                .add(self.name, self.lease.clone(), Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_leases_of_an_entry_are_remembered_for_a_while() {
        let (doubts, now) = (Doubts::default(), Instant::now());
        for number in 0..20 {
            doubts.add(b"k", FillLease(number), now);
            doubts.add(b"k", FillLease(number), now);
        }
        let about = doubts.about(b"k", now);
        let last: Vec<String> = (12..20).map(|number| lease_text(&FillLease(number))).collect();
        assert_eq!(about, last.join(" "));
        assert_eq!(doubts.about(b"other", now), "");
        assert_eq!(doubts.about(b"k", now + LASTS), "");
    }

    #[test]
    fn each_is_given_back_once() {
        let (doubts, now) = (Doubts::default(), Instant::now());
        doubts.add(b"k", FillLease(1), now);
        assert_eq!(doubts.to_give_back(now), [(b"k".to_vec(), FillLease(1))]);
        assert!(doubts.to_give_back(now).is_empty());
        assert_eq!(
            doubts.about(b"k", now),
            lease_text(&FillLease(1)),
            "still passed over"
        );
        doubts.add(b"k", FillLease(2), now);
        assert_eq!(doubts.to_give_back(now).len(), 2);
        doubts.add(b"k", FillLease(3), now);
        assert!(
            doubts.to_give_back(now + LASTS).is_empty(),
            "they have long ended"
        );
    }

    #[test]
    fn they_take_no_more_than_so_much_memory() {
        let (doubts, now) = (Doubts::default(), Instant::now());
        for number in 0..2000_u128 {
            doubts.add(&number.to_le_bytes(), FillLease(number), now);
        }
        assert_eq!(locked(&doubts.entries).len(), MOST_ENTRIES);
        doubts.add(b"k", FillLease(1), now + LASTS);
        assert_eq!(locked(&doubts.entries).len(), 1, "old ones make room");
    }
}
