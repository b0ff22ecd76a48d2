//! A TCP proxy that does harm on demand.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::background::Background;
use crate::ports::KeptPort;

/// What a [`FaultProxy`] does to what passes through it.
///
/// A change reaches open connections with the next bytes, but for the two that are about new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    Pass,
    /// Nobody listens: new connections are refused. Open ones go on.
    Refuse,
    /// New connections are accepted and reset at once. Open ones go on.
    Reset,
    /// Bytes are taken and go nowhere, in both directions, until this ends; then those that waited arrive.
    BlackHole,
    /// Every piece of a reply arrives this much later.
    Delay(Duration),
    /// A connection is reset after this many bytes of replies, counted from the moment when this is set.
    CutAfter(u64),
    /// One bit is flipped in every seventh byte of the replies, beginning with the first.
    Corrupt,
}

#[derive(Clone, Copy)]
struct Plan {
    fault: Fault,
    /// Counts what was set, so that setting the same again begins anew.
    change: u64,
    /// Connections older than this generation are to be reset.
    generation: u64,
}

#[derive(Default)]
struct Counters {
    accepted: AtomicUsize,
    open: AtomicUsize,
}

/// A proxy between clients and a server that listens at a fixed address, whether it runs or not.
///
/// It works on a thread of its own, so a test may wait for a process that connects through it.
pub struct FaultProxy {
    address: SocketAddr,
    plan: watch::Sender<Plan>,
    counters: Arc<Counters>,
    listening: watch::Receiver<bool>,
    _background: Background,
    /// While it refuses connections, nobody else may come by its port.
    _port: KeptPort,
}

impl FaultProxy {
    /// Starts one in front of `upstream` (`host:port`). It lets everything pass.
    ///
    /// # Panics
    ///
    /// When the machine has no free port.
    #[must_use]
    pub fn start(upstream: &str) -> Self {
        let upstream = upstream.to_owned();
        let port = KeptPort::take();
        let listener =
            std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).expect("a kept port");
        listener.set_nonblocking(true).expect("a socket can be set up");
        let address = listener.local_addr().expect("a bound address");
        let (plan, planned) = watch::channel(Plan {
            fault: Fault::Pass,
            change: 0,
            generation: 0,
        });
        let counters = Arc::new(Counters::default());
        let (listens, listening) = watch::channel(true);
        let shared = Arc::clone(&counters);
        let background = Background::start(move || async move {
            let listener = TcpListener::from_std(listener).expect("within a runtime");
            accept(listener, address, upstream, planned, shared, listens).await;
        });
        Self {
            address,
            plan,
            counters,
            listening,
            _background: background,
            _port: port,
        }
    }

    /// Where it listens, as `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Changes what it does, and waits until new connections feel it.
    pub async fn set(&self, fault: Fault) {
        self.plan.send_modify(|plan| {
            plan.fault = fault;
            plan.change += 1;
        });
        let wanted = fault != Fault::Refuse;
        let mut listening = self.listening.clone();
        let _gone = listening.wait_for(|listens| *listens == wanted).await;
    }

    /// Resets all connections that are open now.
    pub fn reset_connections(&self) {
        self.plan.send_modify(|plan| plan.generation += 1);
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.counters.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.counters.open.load(Ordering::SeqCst)
    }
}

async fn accept(
    first: TcpListener,
    address: SocketAddr,
    upstream: String,
    mut plan: watch::Receiver<Plan>,
    counters: Arc<Counters>,
    listens: watch::Sender<bool>,
) {
    let mut listener = Some(first);
    loop {
        let fault = plan.borrow_and_update().fault;
        if fault == Fault::Refuse {
            listener = None;
            listens.send_replace(false);
            if plan.changed().await.is_err() {
                return;
            }
            continue;
        }
        let open = match &mut listener {
            Some(open) => open,
            closed => closed.insert(TcpListener::bind(address).await.expect("a kept port")),
        };
        listens.send_replace(true);
        tokio::select! {
            changed = plan.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            accepted = open.accept() => {
                let Ok((client, _)) = accepted else { continue };
                counters.accepted.fetch_add(1, Ordering::SeqCst);
                if plan.borrow().fault == Fault::Reset {
                    reset(client);
                    continue;
                }
                let (upstream, plan, counters) = (upstream.clone(), plan.clone(), Arc::clone(&counters));
                tokio::spawn(async move {
                    counters.open.fetch_add(1, Ordering::SeqCst);
                    carry(client, &upstream, plan).await;
                    counters.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        }
    }
}

/// Closes a connection so that the other side gets an error instead of an end.
fn reset(connection: TcpStream) {
    let _closed = connection.set_zero_linger();
}

/// How one direction of a connection came to its end.
enum End {
    /// The sender has said all it had to say; the other direction goes on.
    Said,
    /// The connection is to be reset.
    Broken,
}

async fn carry(mut client: TcpStream, upstream: &str, mut plan: watch::Receiver<Plan>) {
    let generation = plan.borrow().generation;
    if passing(&mut plan, generation).await.is_none() {
        return reset(client);
    }
    let Ok(mut server) = TcpStream::connect(upstream).await else {
        return reset(client);
    };
    let _quick = (client.set_nodelay(true), server.set_nodelay(true));
    let broken = {
        // Halves that borrow: those that own say goodbye when they go, and a reset must come without.
        let (client_reads, client_writes) = client.split();
        let (server_reads, server_writes) = server.split();
        let requests = pump(client_reads, server_writes, plan.clone(), generation, false);
        let replies = pump(server_reads, client_writes, plan, generation, true);
        tokio::pin!(requests, replies);
        let (mut asking, mut answering) = (true, true);
        let mut broken = false;
        while (asking || answering) && !broken {
            let end = tokio::select! {
                end = &mut requests, if asking => { asking = false; end }
                end = &mut replies, if answering => { answering = false; end }
            };
            broken = matches!(end, End::Broken);
        }
        broken
    };
    if broken {
        reset(client);
        reset(server);
    }
}

/// Waits while bytes go nowhere. `None`: the connection is to be reset.
async fn passing(plan: &mut watch::Receiver<Plan>, generation: u64) -> Option<Plan> {
    let now = plan
        .wait_for(|plan| plan.fault != Fault::BlackHole || plan.generation != generation)
        .await
        .ok()?;
    (now.generation == generation).then_some(*now)
}

async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut plan: watch::Receiver<Plan>,
    generation: u64,
    replies: bool,
) -> End {
    let mut buffer = vec![0; 16 * 1024];
    let mut counted = (plan.borrow().change, 0);
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            _ = plan.wait_for(|plan| plan.generation != generation) => break End::Broken,
        };
        let Ok(read) = read else { break End::Broken };
        let Some(now) = passing(&mut plan, generation).await else {
            break End::Broken;
        };
        if read == 0 {
            let _told = to.shutdown().await;
            break End::Said;
        }
        if now.change != counted.0 {
            counted = (now.change, 0);
        }
        let mut bytes = &mut buffer[..read];
        let mut last = false;
        if replies {
            match now.fault {
                Fault::Delay(time) => tokio::time::sleep(time).await,
                Fault::CutAfter(limit) => {
                    let left = usize::try_from(limit.saturating_sub(counted.1)).unwrap_or(usize::MAX);
                    last = bytes.len() >= left;
                    let kept = bytes.len().min(left);
                    bytes = &mut bytes[..kept];
                }
                Fault::Corrupt => {
                    for byte in bytes.iter_mut().step_by(7) {
                        *byte ^= 1;
                    }
                }
                Fault::Pass | Fault::Refuse | Fault::Reset | Fault::BlackHole => {}
            }
        }
        counted.1 += bytes.len() as u64;
        if to.write_all(bytes).await.is_err() {
            break End::Broken;
        }
        if last {
            // A reset makes the other side forget what it has not read yet: let the last bytes arrive.
            tokio::time::sleep(Duration::from_millis(20)).await;
            break End::Broken;
        }
    }
}
