//! Which readers have a photograph: asked for on every page, so that it is remembered for a minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mppeep_core::domain::id::UserId;
use mppeep_core::domain::permission::Actor;
use mppeep_core::domain::photo::PhotoOwner;
use mppeep_core::services::ServiceError;

use crate::app::Services;

/// For how long an answer is remembered; another instance knows of a change after this time.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Readers that are remembered at once.
const MOST: usize = 10_000;

/// When the photographs of readers were taken over.
#[derive(Debug, Default)]
pub(crate) struct Portraits(Mutex<HashMap<UserId, (Instant, Option<Timestamp>)>>);

impl Portraits {
    /// When the actor's photograph was taken over; none where there is none.
    pub(crate) async fn of(
        &self,
        services: &Services,
        actor: &Actor,
    ) -> Result<Option<Timestamp>, ServiceError> {
        let Some(user) = actor.user else {
            return Ok(None);
        };
        if let Some(known) = self.known(user) {
            return Ok(known);
        }
        let photo = services.photos.find(actor, PhotoOwner::User(user)).await?;
        let since = photo.map(|photo| photo.updated_at);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(user, (Instant::now(), since));
        Ok(since)
    }

    fn known(&self, user: UserId) -> Option<Option<Timestamp>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, since) = all.get(&user)?;
        (asked.elapsed() < REMEMBERED).then_some(*since)
    }

    /// Asks anew next time: the photograph was changed here.
    pub(crate) fn forget(&self, owner: PhotoOwner) {
        if let PhotoOwner::User(user) = owner {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.remove(&user);
        }
    }
}
