//! A proxy that damages some of what passes, at random, so that much of it still looks like answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// A running proxy; it ends with this value.
pub(crate) struct Toxic {
    pub(crate) address: String,
    damages: Arc<AtomicU64>,
    task: AbortHandle,
}

impl Toxic {
    /// Starts one in front of `upstream`. Of each `rarity` pieces about one is damaged.
    pub(crate) async fn start(upstream: String, seed: u64, rarity: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let damages = Arc::new(AtomicU64::new(0));
        let dice = Arc::new(Dice(AtomicU64::new(seed)));
        let count = damages.clone();
        let accepting = async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (upstream, dice, count) = (upstream.clone(), dice.clone(), count.clone());
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(upstream).await else {
                        return;
                    };
                    let _ = (client.set_nodelay(true), server.set_nodelay(true));
                    let (client_reads, client_writes) = client.into_split();
                    let (server_reads, server_writes) = server.into_split();
                    tokio::select! {
                        () = pump(client_reads, server_writes, &dice, &count, rarity * 4) => {}
                        () = pump(server_reads, client_writes, &dice, &count, rarity) => {}
                    }
                });
            }
        };
        let task = tokio::spawn(accepting).abort_handle();
        Self {
            address,
            damages,
            task,
        }
    }

    /// How many pieces were damaged so far.
    pub(crate) fn damages(&self) -> u64 {
        self.damages.load(Ordering::Relaxed)
    }
}

impl Drop for Toxic {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    dice: &Dice,
    count: &AtomicU64,
    rarity: u64,
) {
    let mut buffer = vec![0u8; 4096];
    let mut kept: Vec<u8> = Vec::new();
    while let Ok(read) = from.read(&mut buffer).await {
        if read == 0 {
            return;
        }
        let mut bytes = buffer[..read].to_vec();
        if dice.below(rarity) == 0 {
            count.fetch_add(1, Ordering::Relaxed);
            let at = dice.below(bytes.len() as u64) as usize;
            match dice.below(9) {
                0 => bytes[at] ^= 1 << dice.below(8),
                // Digits become other digits: lengths and counts that still are numbers.
                1 | 2 => {
                    let digits: Vec<usize> =
                        (0..bytes.len()).filter(|n| bytes[*n].is_ascii_digit()).collect();
                    if let Some(digit) = digits.get(dice.below(digits.len() as u64) as usize) {
                        bytes[*digit] = b'0' + dice.below(10) as u8;
                    }
                }
                // An answer is lost, answered twice, or an old one comes again.
                3 => bytes.clear(),
                4 => bytes.extend_from_within(..),
                5 => bytes = [kept.clone(), bytes].concat(),
                6 => {
                    bytes.remove(at);
                }
                7 => {
                    bytes.truncate(at);
                    let _ = to.write_all(&bytes).await;
                    return;
                }
                _ => tokio::time::sleep(Duration::from_millis(dice.below(80))).await,
            }
        }
        kept = buffer[..read].to_vec();
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Reproducible numbers (SplitMix64).
struct Dice(AtomicU64);

impl Dice {
    fn below(&self, bound: u64) -> u64 {
        let mut z = self
            .0
            .fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
            .wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound.max(1)
    }
}
