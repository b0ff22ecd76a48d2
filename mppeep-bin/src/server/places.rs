//! The places for connections: how many there are, who has them, and who gives his up when they are short.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mppeep_http::Network;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::activity::Activity;

/// What others may know of the connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connections(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    open: AtomicU64,
    refused: AtomicU64,
    /// When the accept loop last came round.
    beat: Mutex<Option<Instant>>,
}

impl Connections {
    /// How many are open.
    pub(crate) fn open(&self) -> u64 {
        self.0.open.load(Ordering::Relaxed)
    }

    /// How many were refused since the start, because their address had all the places it may have.
    pub(crate) fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// The accept loop comes round.
    pub(super) fn beat(&self) {
        *self.0.beat.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// The accept loop has ended, and is not expected to come round any more.
    pub(super) fn rest(&self) {
        *self.0.beat.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether the accept loop came round lately, or has ended on purpose.
    pub(crate) fn beats(&self, lately: Duration) -> bool {
        let beat = *self.0.beat.lock().unwrap_or_else(PoisonError::into_inner);
        beat.is_none_or(|beat| beat.elapsed() < lately)
    }
}

#[derive(Default)]
struct Table {
    next: u64,
    open: HashMap<u64, (Option<IpAddr>, Arc<Activity>)>,
    /// How many each address has, of those that are counted.
    of_address: HashMap<IpAddr, usize>,
}

/// All places of one listener.
pub(super) struct Places {
    table: Mutex<Table>,
    free: Arc<Semaphore>,
    /// How many one address may have, unless it is a trusted proxy.
    most_of_an_address: usize,
    trusted: Vec<Network>,
    counts: Connections,
}

impl Places {
    pub(super) fn new(
        all: usize,
        most_of_an_address: usize,
        trusted: Vec<Network>,
        counts: Connections,
    ) -> Self {
        Self {
            table: Mutex::default(),
            free: Arc::new(Semaphore::new(all)),
            most_of_an_address,
            trusted,
            counts,
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A free place; when all are taken, the connection that has been waiting longest gives up its own.
    pub(super) async fn free(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            self.counts.beat();
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                return Some(permit);
            }
            self.end_the_most_idle();
            let freed = Arc::clone(&self.free).acquire_owned();
            if let Ok(permit) = tokio::time::timeout(Duration::from_millis(200), freed).await {
                return permit.ok();
            }
        }
    }

    /// Makes the connection that has been waiting longest give up its place.
    pub(super) fn end_the_most_idle(&self) {
        end_one(self.table().open.values().map(|(_, activity)| activity));
    }

    /// Tells every connection that the server ends.
    pub(super) fn close_all(&self) {
        for (_, activity) in self.table().open.values() {
            activity.close();
        }
    }

    /// Gives a place to a connection of this address; none when the address has all it may have, and works on each.
    pub(super) fn take(
        self: &Arc<Self>,
        peer: IpAddr,
        activity: &Arc<Activity>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Option<Place> {
        let address = counted(peer, &self.trusted);
        let mut table = self.table();
        if let Some(address) = address
            && table.of_address.get(&address).copied().unwrap_or_default() >= self.most_of_an_address
        {
            let own = table.open.values().filter(|(other, _)| *other == Some(address));
            if !end_one(own.map(|(_, activity)| activity)) {
                drop(table);
                self.counts.0.refused.fetch_add(1, Ordering::Relaxed);
                return None;
            }
        }
        if let Some(address) = address {
            *table.of_address.entry(address).or_default() += 1;
        }
        let id = table.next;
        table.next = id.wrapping_add(1);
        table.open.insert(id, (address, Arc::clone(activity)));
        drop(table);
        self.counts.0.open.fetch_add(1, Ordering::Relaxed);
        Some(Place {
            places: Arc::clone(self),
            id,
            _permit: permit,
        })
    }
}

/// Ends the one of these connections that has been waiting longest. Tells whether there was one.
fn end_one<'a>(connections: impl Iterator<Item = &'a Arc<Activity>>) -> bool {
    let waiting = connections.filter_map(|activity| Some((activity.waiting()?, activity)));
    match waiting.max_by_key(|(time, _)| *time) {
        Some((_, activity)) => {
            activity.end();
            true
        }
        None => false,
    }
}

/// The address whose connections are counted: an IPv6 customer is a /64, and a trusted proxy speaks for many.
fn counted(peer: IpAddr, trusted: &[Network]) -> Option<IpAddr> {
    let peer = peer.to_canonical();
    if trusted.iter().any(|network| network.contains(peer)) {
        return None;
    }
    Some(match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    })
}

/// The place of one connection, given back when it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.places.table();
        if let Some((Some(address), _)) = table.open.remove(&self.id)
            && let Some(count) = table.of_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                table.of_address.remove(&address);
            }
        }
        drop(table);
        self.places.counts.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::activity::{Answering, Phase};
    use super::*;

    fn places(most: usize) -> (Arc<Places>, Connections) {
        let counts = Connections::default();
        let trusted = vec!["127.0.0.1/32".parse().unwrap(), "::1/128".parse().unwrap()];
        (Arc::new(Places::new(100, most, trusted, counts.clone())), counts)
    }

    fn take(places: &Arc<Places>, peer: &str) -> (Option<Place>, Arc<Activity>) {
        let activity = Arc::new(Activity::new());
        (places.take(peer.parse().unwrap(), &activity, None), activity)
    }

    #[test]
    fn an_address_that_has_its_share_gives_up_its_own_first() {
        let (places, counts) = places(2);
        let (first, oldest) = take(&places, "192.0.2.1");
        // Each one's wait is read in its turn, so that they must differ by more than the reading takes.
        std::thread::sleep(Duration::from_millis(100));
        let (second, _) = take(&places, "192.0.2.1");
        let (other, _) = take(&places, "192.0.2.2");
        assert!(first.is_some() && second.is_some() && other.is_some());
        let (third, _) = take(&places, "192.0.2.1");
        assert!(third.is_some(), "one that waits makes room");
        assert!(
            oldest.waiting().is_none(),
            "the one that waited longest was told to end"
        );
        assert_eq!((counts.open(), counts.refused()), (4, 0));
    }

    #[test]
    fn an_address_that_works_on_all_it_may_have_gets_no_more() {
        let (places, counts) = places(2);
        let (first, one) = take(&places, "2001:db8::1");
        let (second, two) = take(&places, "2001:db8::ffff");
        let working = [Answering::new(one.clone()), Answering::new(two)];
        assert_eq!(one.phase(), Phase::Busy);
        assert!(take(&places, "2001:db8::2").0.is_none(), "the same /64");
        assert!(take(&places, "2001:db8:0:1::2").0.is_some(), "another one");
        assert_eq!(counts.refused(), 1);
        drop((working, first));
        assert!(take(&places, "2001:db8::2").0.is_some(), "a place was given back");
        drop(second);
        assert_eq!(counts.open(), 0);
        assert!(places.table().of_address.is_empty(), "nothing is remembered");
    }

    #[test]
    fn a_trusted_proxy_is_not_counted() {
        let (places, counts) = places(2);
        let kept: Vec<Option<Place>> = ["127.0.0.1", "::1", "::ffff:127.0.0.1"]
            .iter()
            .cycle()
            .take(30)
            .map(|peer| {
                let (place, activity) = take(&places, peer);
                std::mem::forget(Answering::new(activity));
                place
            })
            .collect();
        assert!(kept.iter().all(Option::is_some));
        assert_eq!((counts.open(), counts.refused()), (30, 0));
    }
}
