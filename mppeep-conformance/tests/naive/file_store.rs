//! Naive places of contents.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mppeep_conformance::FileStoreHarness;
use mppeep_core::domain::id::StoredFileId;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::file_store::{FileReader, FileStore, FileStoreError, FileWriter, Space};

use crate::{mutants, others_run};

#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    /// Bytes are written where readers look.
    VisibleAtOnce,
    /// A finished content is made visible, then filled.
    TornFinish,
    /// A dropped writer leaves its bytes.
    DropKeeps,
    /// The last to finish wins.
    Overwrites,
    /// Writers share one place for what is unfinished.
    OnePlace,
    /// Readers of a removed content lose it.
    RemovesBytes,
    /// Every reader reads on from where it is, whatever it is told.
    ForgetsSeek,
    /// More bytes than asked for.
    TooMany,
    /// Sweeping takes what is being written.
    SweepsAll,
    /// Sweeping counts what is old, and forgets to remove it.
    SweepsNothing,
    /// Pages begin with the last content of the page before.
    ListsFrom,
    /// Age is not looked at.
    AgeLess,
    /// Bytes beyond a bound are dropped in silence.
    Truncates,
    /// Free room is told in another unit.
    WrongRoom,
}

/// A content, and how old it was made.
#[derive(Clone, Default)]
struct Kept {
    bytes: Arc<Mutex<Vec<u8>>>,
    age: Duration,
}

#[derive(Default)]
struct State {
    contents: BTreeMap<StoredFileId, Kept>,
    unfinished: BTreeMap<u64, Kept>,
    drawn: u64,
}

#[derive(Clone)]
struct Naive {
    flaw: Flaw,
    state: Arc<Mutex<State>>,
}

struct Writer {
    store: Naive,
    id: StoredFileId,
    place: u64,
    finished: bool,
}

struct Reader {
    flaw: Flaw,
    bytes: Arc<Mutex<Vec<u8>>>,
    size: u64,
    position: usize,
}

fn taken() -> FileStoreError {
    FileStoreError::Backend(BackendError::Invalid {
        adapter: "naive",
        what: "an identifier that is taken".to_owned(),
    })
}

#[async_trait]
impl FileStore for Naive {
    async fn create(&self, id: StoredFileId) -> Result<Box<dyn FileWriter>, FileStoreError> {
        let mut state = self.state.lock().unwrap();
        state.drawn += 1;
        let place = if self.flaw == Flaw::OnePlace {
            0
        } else {
            state.drawn
        };
        state.unfinished.insert(place, Kept::default());
        if self.flaw == Flaw::VisibleAtOnce {
            let kept = state.unfinished[&place].clone();
            state.contents.insert(id, kept);
        }
        Ok(Box::new(Writer {
            store: self.clone(),
            id,
            place,
            finished: false,
        }))
    }

    async fn open(&self, id: StoredFileId) -> Result<Option<Box<dyn FileReader>>, FileStoreError> {
        let state = self.state.lock().unwrap();
        let Some(kept) = state.contents.get(&id) else {
            return Ok(None);
        };
        let size = kept.bytes.lock().unwrap().len();
        Ok(Some(Box::new(Reader {
            flaw: self.flaw,
            bytes: kept.bytes.clone(),
            size: u64::try_from(size).unwrap(),
            position: 0,
        })))
    }

    async fn remove(&self, id: StoredFileId) -> Result<bool, FileStoreError> {
        let removed = self.state.lock().unwrap().contents.remove(&id);
        if let Some(kept) = &removed
            && self.flaw == Flaw::RemovesBytes
        {
            kept.bytes.lock().unwrap().clear();
        }
        Ok(removed.is_some())
    }

    async fn list(
        &self,
        age: Duration,
        after: Option<StoredFileId>,
        limit: usize,
    ) -> Result<Vec<StoredFileId>, FileStoreError> {
        let state = self.state.lock().unwrap();
        let from = self.flaw == Flaw::ListsFrom;
        let listed = state
            .contents
            .iter()
            .filter(|(id, _)| after.is_none_or(|after| **id > after || from && **id == after))
            .filter(|(_, kept)| kept.age >= age || self.flaw == Flaw::AgeLess);
        Ok(listed.map(|(id, _)| *id).take(limit).collect())
    }

    async fn sweep_unfinished(&self, age: Duration) -> Result<u64, FileStoreError> {
        let mut state = self.state.lock().unwrap();
        let all = self.flaw == Flaw::SweepsAll;
        let before = state.unfinished.len();
        let old = state.unfinished.values().filter(|kept| kept.age >= age).count();
        if self.flaw == Flaw::SweepsNothing {
            return Ok(u64::try_from(old).unwrap());
        }
        state.unfinished.retain(|_, kept| kept.age < age && !all);
        Ok(u64::try_from(before - state.unfinished.len()).unwrap())
    }

    async fn space(&self) -> Result<Option<Space>, FileStoreError> {
        let free = if self.flaw == Flaw::WrongRoom {
            1_024_000
        } else {
            1_000
        };
        Ok(Some(Space { free, total: 2_000 }))
    }
}

#[async_trait]
impl FileWriter for Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<(), FileStoreError> {
        let kept = self
            .store
            .state
            .lock()
            .unwrap()
            .unfinished
            .get(&self.place)
            .cloned();
        let kept = kept.ok_or_else(taken)?;
        others_run().await;
        let mut written = kept.bytes.lock().unwrap();
        written.extend_from_slice(&bytes);
        if self.store.flaw == Flaw::Truncates {
            written.truncate(4 << 20);
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), FileStoreError> {
        let flaw = self.store.flaw;
        others_run().await;
        let whole = {
            let mut state = self.store.state.lock().unwrap();
            let kept = state.unfinished.get(&self.place).cloned().ok_or_else(taken)?;
            if state.contents.contains_key(&self.id)
                && !matches!(flaw, Flaw::Overwrites | Flaw::VisibleAtOnce)
            {
                return Err(taken());
            }
            self.finished = true;
            state.unfinished.remove(&self.place);
            if flaw != Flaw::TornFinish {
                state.contents.insert(self.id, kept);
                return Ok(());
            }
            state.contents.insert(self.id, Kept::default());
            kept.bytes.lock().unwrap().clone()
        };
        for piece in whole.chunks(10_000) {
            others_run().await;
            let state = self.store.state.lock().unwrap();
            let Some(kept) = state.contents.get(&self.id) else {
                break;
            };
            kept.bytes.lock().unwrap().extend_from_slice(piece);
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.finished && self.store.flaw != Flaw::DropKeeps {
            self.store.state.lock().unwrap().unfinished.remove(&self.place);
        }
    }
}

#[async_trait]
impl FileReader for Reader {
    fn size(&self) -> u64 {
        self.size
    }

    async fn seek(&mut self, position: u64) -> Result<(), FileStoreError> {
        if self.flaw != Flaw::ForgetsSeek {
            self.position = usize::try_from(position).unwrap();
        }
        Ok(())
    }

    async fn read(&mut self, most: usize) -> Result<Bytes, FileStoreError> {
        others_run().await;
        let bytes = self.bytes.lock().unwrap();
        let most = if self.flaw == Flaw::TooMany {
            most + 1
        } else {
            most
        };
        let from = self.position.min(bytes.len());
        let to = from.saturating_add(most).min(bytes.len());
        self.position = to;
        Ok(Bytes::copy_from_slice(&bytes[from..to]))
    }
}

struct Harness(Naive);

fn flawed(flaw: Flaw) -> Harness {
    Harness(Naive {
        flaw,
        state: Arc::default(),
    })
}

#[async_trait]
impl FileStoreHarness for Harness {
    async fn files(&self, _: usize) -> Arc<dyn FileStore> {
        Arc::new(self.0.clone())
    }

    async fn unfinished(&self) -> usize {
        self.0.state.lock().unwrap().unfinished.len()
    }

    async fn leave_unfinished(&self) {
        let mut state = self.0.state.lock().unwrap();
        state.drawn += 1;
        let place = state.drawn;
        state.unfinished.insert(place, Kept::default());
    }

    async fn grow_older(&self, by: Duration) {
        let mut state = self.0.state.lock().unwrap();
        for kept in state.contents.values_mut() {
            kept.age += by;
        }
        for kept in state.unfinished.values_mut() {
            kept.age += by;
        }
    }
}

mutants! {
    a_content_is_seen_too_early: flawed(Flaw::VisibleAtOnce) => file_store::a_content_is_there_whole_or_not_at_all;
    a_content_is_seen_in_part: flawed(Flaw::TornFinish) => file_store::a_content_is_there_whole_or_not_at_all;
    a_dropped_finish_leaves_a_part: flawed(Flaw::TornFinish) => file_store::a_cancelled_write_leaves_nothing_half;
    a_dropped_writer_leaves_bytes: flawed(Flaw::DropKeeps) => file_store::a_dropped_writer_leaves_nothing;
    a_content_is_overwritten: flawed(Flaw::Overwrites) => file_store::a_content_never_changes;
    writers_mix_their_bytes: flawed(Flaw::OnePlace) => file_store::writers_at_once_are_kept_apart;
    a_reader_loses_what_is_removed: flawed(Flaw::RemovesBytes) => file_store::a_removed_content_is_read_to_its_end;
    a_reader_goes_nowhere: flawed(Flaw::ForgetsSeek) => file_store::reading_goes_on_where_it_is_told;
    a_reader_gives_too_much: flawed(Flaw::TooMany) => file_store::reading_goes_on_where_it_is_told;
    a_content_is_cut: flawed(Flaw::Truncates) => file_store::contents_come_back_byte_for_byte;
    what_is_being_written_is_swept: flawed(Flaw::SweepsAll) => file_store::sweeping_removes_what_the_dead_left;
    nothing_is_swept: flawed(Flaw::SweepsNothing) => file_store::sweeping_removes_what_the_dead_left;
    pages_overlap: flawed(Flaw::ListsFrom) => file_store::contents_are_listed_by_age_in_order;
    age_is_not_looked_at: flawed(Flaw::AgeLess) => file_store::contents_are_listed_by_age_in_order;
    room_is_told_wrong: flawed(Flaw::WrongRoom) => file_store::room_is_told_where_it_can_be;
}

// Without a flaw the same code passes: what is caught above is the flaw.
mod without_a_flaw {
    use super::*;
    mppeep_conformance::conformance_tests!(file_store, flawed(Flaw::None));
}
