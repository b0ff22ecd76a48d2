//! Which readings of contents get a line in the journal: one for each time that somebody begins to read.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::context::{Context, Note};
use super::error::ServiceError;
use crate::domain::id::{StoredFileId, UserId};
use crate::domain::permission::Actor;

/// How long the parts that follow belong to the reading that was begun.
const BELONGS_FOR: Duration = Duration::from_secs(3600);

/// Readings that are remembered. A forgotten one costs a line more in the journal, never one less.
const MOST: usize = 4096;

/// What is about to be read of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// All of it, or its beginning.
    Begun,
    /// A part further on, as a client asks for that fetches it piece by piece.
    Further,
    /// Nothing: who asks has it already, or asks about it only.
    Nothing,
}

/// Who has begun to read what.
#[derive(Debug, Default)]
pub(super) struct Readings(Mutex<HashMap<(UserId, StoredFileId), Timestamp>>);

impl Readings {
    /// Writes the line of a reading, where it is to have one.
    pub(super) async fn note(
        &self,
        context: &Context,
        actor: &Actor,
        file: StoredFileId,
        reading: Reading,
        line: impl FnOnce() -> Note,
    ) -> Result<(), ServiceError> {
        let now = context.now();
        if self.is_new(actor, file, reading, now) {
            context.note(actor, line()).await?;
            self.noted(actor, file, now);
        }
        Ok(())
    }

    /// Whether a reading is to be noted. A part further on is, unless this reader's beginning was noted: who skips the
    /// first byte leaves his line as well.
    fn is_new(&self, actor: &Actor, file: StoredFileId, reading: Reading, now: Timestamp) -> bool {
        match (reading, actor.user) {
            (Reading::Nothing, _) => false,
            (Reading::Further, Some(user)) => !self
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&(user, file))
                .is_some_and(|begun| belongs(*begun, now)),
            (Reading::Begun | Reading::Further, _) => true,
        }
    }

    /// Remembers that a reading was noted.
    fn noted(&self, actor: &Actor, file: StoredFileId, now: Timestamp) {
        let Some(user) = actor.user else { return };
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.len() >= MOST {
            begun.retain(|_, at| belongs(*at, now));
        }
        if begun.len() >= MOST {
            begun.clear();
        }
        begun.insert((user, file), now);
    }
}

fn belongs(begun: Timestamp, now: Timestamp) -> bool {
    now.duration_since(begun).unsigned_abs() < BELONGS_FOR
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn reader(number: u128) -> Actor {
        Actor {
            user: Some(UserId::from_uuid(Uuid::from_u128(number))),
            ..Actor::operator("test")
        }
    }

    fn file(number: u128) -> StoredFileId {
        StoredFileId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn parts_belong_to_the_beginning_that_the_same_reader_left_a_line_of() {
        let readings = Readings::default();
        let now = Timestamp::UNIX_EPOCH;
        let (me, him) = (reader(1), reader(2));
        assert!(
            readings.is_new(&me, file(1), Reading::Further, now),
            "nothing was begun"
        );
        assert!(readings.is_new(&me, file(1), Reading::Begun, now));
        readings.noted(&me, file(1), now);
        assert!(!readings.is_new(&me, file(1), Reading::Further, now));
        assert!(
            readings.is_new(&me, file(1), Reading::Begun, now),
            "once more from the start"
        );
        assert!(readings.is_new(&him, file(1), Reading::Further, now));
        assert!(readings.is_new(&me, file(2), Reading::Further, now));
        assert!(!readings.is_new(&him, file(2), Reading::Nothing, now));
        let later = now + jiff::SignedDuration::from_hours(2);
        assert!(readings.is_new(&me, file(1), Reading::Further, later));
        let nobody = Actor::operator("test");
        readings.noted(&nobody, file(1), now);
        assert!(readings.is_new(&nobody, file(1), Reading::Further, now));
    }

    #[test]
    fn they_are_bounded() {
        let readings = Readings::default();
        let now = Timestamp::UNIX_EPOCH;
        let me = reader(1);
        for number in 0..3 * MOST as u128 {
            readings.noted(&me, file(number), now);
            assert!(!readings.is_new(&me, file(number), Reading::Further, now));
        }
        assert!(readings.0.lock().unwrap().len() <= MOST);
    }
}
