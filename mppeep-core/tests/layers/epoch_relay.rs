//! Epochs told from process to process: heard, and not believed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mppeep_cache_memory::MemoryPubSub;
use mppeep_core::layered::epoch_board::{CHANNEL, EpochBoard};
use mppeep_core::layered::epoch_relay::{heed, tell};
use mppeep_core::ports::epochs::{Epoch, Epochs, Namespace};
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::pubsub::PubSub;

#[derive(Default)]
struct Source {
    value: AtomicI64,
    reads: AtomicUsize,
}

#[async_trait::async_trait]
impl Epochs for Source {
    async fn current(&self) -> Result<Vec<Epoch>, BackendError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        Ok(vec![Epoch {
            namespace: Namespace::PERSONNEL,
            value: self.value.load(Ordering::SeqCst),
        }])
    }
}

async fn known(board: &EpochBoard, wanted: i64) -> bool {
    for _ in 0..200 {
        if board.known_values(&[Namespace::PERSONNEL]) == [wanted] {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn one_process_tells_and_the_other_reads_for_itself() {
    let source = Arc::new(Source::default());
    let messages: Arc<dyn PubSub> = Arc::new(MemoryPubSub::default());
    let boards = [(); 2].map(|()| Arc::new(EpochBoard::new(source.clone())));
    for board in &boards {
        tokio::spawn(tell(Arc::clone(board), Arc::clone(&messages)));
        tokio::spawn(heed(Arc::clone(board), Arc::clone(&messages)));
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    source.value.store(4, Ordering::SeqCst);
    boards[0].observe(&[Epoch {
        namespace: Namespace::PERSONNEL,
        value: 4,
    }]);
    assert!(known(&boards[1], 4).await);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let reads = source.reads.load(Ordering::SeqCst);
    assert!(reads < 6, "{reads} reads for one change: they echo");
}

#[tokio::test]
async fn a_lie_is_not_believed() {
    let source = Arc::new(Source::default());
    source.value.store(4, Ordering::SeqCst);
    let messages: Arc<dyn PubSub> = Arc::new(MemoryPubSub::default());
    let board = Arc::new(EpochBoard::new(source.clone()));
    tokio::spawn(heed(Arc::clone(&board), Arc::clone(&messages)));
    tokio::time::sleep(Duration::from_millis(50)).await;
    let lie = Bytes::from_static(b"personnel:9000000000000000000,nonsense,users:x");
    messages.publish(CHANNEL, lie).await.unwrap();
    assert!(known(&board, 4).await, "the lie makes it read");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(board.known_values(&[Namespace::PERSONNEL]), [4]);
}
