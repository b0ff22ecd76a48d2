//! The imports that this process carries out, or has lately: how far they are, and how they ended.
//!
//! The database says only that an import is done. What happens meanwhile is known where it happens; on another
//! instance, the page of the import shows its last known state.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mppeep_core::domain::id::ImportId;
use mppeep_core::domain::import::ImportReport;
use mppeep_core::services::personnel_import::ImportProgress;

/// Ended imports that are remembered.
const REMEMBERED: usize = 100;

/// Where an import is.
#[derive(Debug, Clone)]
pub(super) enum Run {
    /// Begun; nothing to tell yet.
    Begun,
    /// On its way.
    Going(ImportProgress),
    /// Written, or refused with its reasons.
    Ended(ImportReport),
    /// Broken off; nothing was written. The text is for the reader.
    Failed(String),
}

impl Run {
    fn is_going(&self) -> bool {
        matches!(self, Self::Begun | Self::Going(_))
    }
}

/// Identifiers are unique across databases, so one table serves every application in the process.
static RUNS: Mutex<BTreeMap<ImportId, Run>> = Mutex::new(BTreeMap::new());

fn runs() -> MutexGuard<'static, BTreeMap<ImportId, Run>> {
    RUNS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the import; `false` when it is going already.
pub(super) fn begin(id: ImportId) -> bool {
    let mut runs = runs();
    if runs.get(&id).is_some_and(Run::is_going) {
        return false;
    }
    let ended: Vec<ImportId> = runs
        .iter()
        .filter(|(_, run)| !run.is_going())
        .map(|(id, _)| *id)
        .collect();
    // Identifiers grow with time: the first ones are the oldest.
    for old in ended.iter().take(ended.len().saturating_sub(REMEMBERED)) {
        runs.remove(old);
    }
    runs.insert(id, Run::Begun);
    true
}

/// Notes how far the import is.
pub(super) fn advance(id: ImportId, progress: ImportProgress) {
    let mut runs = runs();
    if let Some(run) = runs.get_mut(&id).filter(|run| run.is_going()) {
        *run = Run::Going(progress);
    }
}

/// Notes how the import ended.
pub(super) fn end(id: ImportId, run: Run) {
    runs().insert(id, run);
}

/// Where the import is, if it is or was carried out here.
pub(super) fn state(id: ImportId) -> Option<Run> {
    runs().get(&id).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mppeep_core::services::personnel_import::ImportPhase;

    #[test]
    fn an_import_runs_once_at_a_time_and_keeps_its_end() {
        let id = ImportId::from_uuid(uuid::Uuid::from_u128(0xA11CE));
        assert!(state(id).is_none());
        assert!(begin(id));
        assert!(!begin(id));
        advance(
            id,
            ImportProgress {
                phase: ImportPhase::Checking,
                done: 3,
                total: 9,
            },
        );
        assert!(matches!(state(id), Some(Run::Going(progress)) if progress.done == 3));
        end(id, Run::Failed("panne".to_owned()));
        advance(
            id,
            ImportProgress {
                phase: ImportPhase::Writing,
                done: 9,
                total: 9,
            },
        );
        assert!(matches!(state(id), Some(Run::Failed(_))));
        assert!(begin(id));
    }
}
