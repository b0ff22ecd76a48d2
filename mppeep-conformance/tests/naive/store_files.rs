//! What the naive store keeps of contents, documents, files handed in and photographs.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use mppeep_core::domain::document::{Document, DocumentKind, DocumentVersion};
use mppeep_core::domain::id::{DocumentId, PersonnelId, SharedFileId, StoredFileId};
use mppeep_core::domain::photo::{Photo, PhotoOwner, PhotoSubject};
use mppeep_core::domain::shared_file::SharedFile;
use mppeep_core::domain::stored_file::StoredFile;
use mppeep_core::ports::document::{DocumentFilter, DocumentRepository, DocumentRow, MissingDocuments};
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::page::{Page, PageRequest};
use mppeep_core::ports::photo::PhotoRepository;
use mppeep_core::ports::shared_file::{SharedFileFilter, SharedFileRepository};
use mppeep_core::ports::stored_file::StoredFileRepository;

use super::{Flaw, Loan, State, unused};

const DANGLING: StoreError = StoreError::DanglingReference { entity: "file" };

fn is_referred_to(state: &State, id: StoredFileId) -> bool {
    state.versions.iter().any(|version| version.file.id == id)
        || state.shared.values().any(|file| file.file.id == id)
        || state
            .photos
            .values()
            .any(|photo| photo.large == id || photo.small == id)
}

impl Loan<'_> {
    fn is_there(&mut self, id: StoredFileId) -> Result<(), StoreError> {
        if self.0.state().files.contains_key(&id) {
            Ok(())
        } else {
            Err(DANGLING)
        }
    }

    /// Units that only read are those that opened without the writer's turn.
    fn writes(&self) -> Result<(), StoreError> {
        if self.0.reads_only {
            Err(StoreError::ReadOnly)
        } else {
            Ok(())
        }
    }

    fn owner(&self, owner: PhotoOwner) -> PhotoOwner {
        if self.0.store.flaw == Flaw::OneOwner {
            PhotoOwner::of(PhotoSubject::Personnel, owner.id())
        } else {
            owner
        }
    }

    fn add_version(&mut self, version: &DocumentVersion) {
        let (version, alone) = (version.clone(), self.0.store.flaw == Flaw::OneVersion);
        self.0.write(move |state| {
            state
                .versions
                .retain(|other| !alone || other.document != version.document);
            state.versions.push(version.clone());
        });
    }
}

#[async_trait]
impl StoredFileRepository for Loan<'_> {
    async fn insert(&mut self, file: &StoredFile) -> Result<(), StoreError> {
        let file = file.clone();
        self.0.write(move |state| {
            state.files.insert(file.id, file.clone());
        });
        Ok(())
    }

    async fn find(&mut self, id: StoredFileId) -> Result<Option<StoredFile>, StoreError> {
        Ok(self.0.state().files.get(&id).cloned())
    }

    async fn delete(&mut self, ids: &[StoredFileId]) -> Result<u64, StoreError> {
        let keeps = self.0.store.flaw != Flaw::NoReferences;
        let state = self.0.state();
        if keeps && ids.iter().any(|id| is_referred_to(state, *id)) {
            return Err(DANGLING);
        }
        let known = ids.iter().filter(|id| state.files.contains_key(id)).count();
        let ids = ids.to_vec();
        self.0
            .write(move |state| state.files.retain(|id, _| !ids.contains(id)));
        Ok(u64::try_from(known).unwrap())
    }

    async fn total_bytes(&mut self) -> Result<u64, StoreError> {
        Ok(self.0.state().files.values().map(|file| file.size).sum())
    }

    async fn page(&mut self, _: Option<StoredFileId>, _: u32) -> Result<Vec<StoredFile>, StoreError> {
        unused()
    }

    async fn unknown(&mut self, _: &[StoredFileId]) -> Result<Vec<StoredFileId>, StoreError> {
        unused()
    }
}

#[async_trait]
impl DocumentRepository for Loan<'_> {
    async fn insert(&mut self, document: &Document, first: &DocumentVersion) -> Result<(), StoreError> {
        self.is_there(first.file.id)?;
        let document = document.clone();
        self.0
            .write(move |state| drop(state.documents.insert(document.id, document.clone())));
        self.add_version(first);
        Ok(())
    }

    async fn update(
        &mut self,
        document: &Document,
        added: Option<&DocumentVersion>,
    ) -> Result<(), StoreError> {
        let first = self.0.store.flaw == Flaw::AddsFirst;
        if let Some(added) = added
            && first
        {
            self.add_version(added);
        }
        let stored = self.0.state().documents.get(&document.id);
        if stored.map(|stored| stored.version + 1) != Some(document.version) {
            return Err(StoreError::StaleVersion);
        }
        let document = document.clone();
        self.0
            .write(move |state| drop(state.documents.insert(document.id, document.clone())));
        if let Some(added) = added
            && !first
        {
            self.add_version(added);
        }
        Ok(())
    }

    async fn delete(&mut self, id: DocumentId) -> Result<Vec<StoredFileId>, StoreError> {
        let versions = self.0.state().versions.iter();
        let ids = versions
            .filter(|version| version.document == id)
            .map(|version| version.file.id)
            .collect();
        self.0.write(move |state| {
            state.documents.remove(&id);
            state.versions.retain(|version| version.document != id);
        });
        Ok(ids)
    }

    async fn find(&mut self, id: DocumentId) -> Result<Option<Document>, StoreError> {
        Ok(self.0.state().documents.get(&id).cloned())
    }

    async fn versions(&mut self, id: DocumentId) -> Result<Vec<DocumentVersion>, StoreError> {
        let all = self.0.state().versions.iter();
        let mut versions: Vec<DocumentVersion> =
            all.filter(|version| version.document == id).cloned().collect();
        versions.sort_by_key(|version| std::cmp::Reverse(version.number));
        Ok(versions)
    }

    async fn list(&mut self, _: &DocumentFilter, _: &PageRequest) -> Result<Page<DocumentRow>, StoreError> {
        unused()
    }

    async fn missing(
        &mut self,
        _: &BTreeSet<DocumentKind>,
        _: &DocumentFilter,
        _: &PageRequest,
    ) -> Result<Page<MissingDocuments>, StoreError> {
        unused()
    }
}

#[async_trait]
impl SharedFileRepository for Loan<'_> {
    async fn insert(&mut self, file: &SharedFile) -> Result<(), StoreError> {
        self.is_there(file.file.id)?;
        let file = file.clone();
        self.0
            .write(move |state| drop(state.shared.insert(file.id, file.clone())));
        Ok(())
    }

    async fn update(&mut self, file: &SharedFile) -> Result<(), StoreError> {
        let stored = self.0.state().shared.get(&file.id).cloned();
        let stored = stored
            .filter(|stored| stored.version + 1 == file.version)
            .ok_or(StoreError::StaleVersion)?;
        let mut next = file.clone();
        if self.0.store.flaw != Flaw::ReplacesContent {
            next = SharedFile {
                file: stored.file,
                file_name: stored.file_name,
                uploaded_by: stored.uploaded_by,
                uploaded_by_name: stored.uploaded_by_name,
                created_at: stored.created_at,
                ..next
            };
        }
        self.0
            .write(move |state| drop(state.shared.insert(next.id, next.clone())));
        Ok(())
    }

    async fn delete(&mut self, id: SharedFileId) -> Result<Option<StoredFileId>, StoreError> {
        let found = self.0.state().shared.get(&id).map(|file| file.file.id);
        self.0.write(move |state| drop(state.shared.remove(&id)));
        Ok(found)
    }

    async fn find(&mut self, id: SharedFileId) -> Result<Option<SharedFile>, StoreError> {
        Ok(self.0.state().shared.get(&id).cloned())
    }

    async fn list(&mut self, _: &SharedFileFilter, _: &PageRequest) -> Result<Page<SharedFile>, StoreError> {
        unused()
    }

    async fn archived_before(&mut self, _: Timestamp, _: u32) -> Result<Vec<SharedFile>, StoreError> {
        unused()
    }
}

#[async_trait]
impl PhotoRepository for Loan<'_> {
    async fn put(&mut self, photo: &Photo) -> Result<Option<Photo>, StoreError> {
        self.writes()?;
        let owner = self.owner(photo.owner);
        let earlier = self.0.state().photos.get(&owner).cloned();
        let photo = photo.clone();
        self.0.write(move |state| {
            state.photos.insert(owner, photo.clone());
        });
        Ok(earlier.filter(|_| self.0.store.flaw != Flaw::ForgetsEarlier))
    }

    async fn delete(&mut self, owner: PhotoOwner) -> Result<Option<Photo>, StoreError> {
        self.writes()?;
        let owner = self.owner(owner);
        let earlier = self.0.state().photos.get(&owner).cloned();
        self.0.write(move |state| {
            state.photos.remove(&owner);
        });
        Ok(earlier)
    }

    async fn find(&mut self, owner: PhotoOwner) -> Result<Option<Photo>, StoreError> {
        let owner = self.owner(owner);
        Ok(self.0.state().photos.get(&owner).cloned())
    }

    async fn agents_with_photo(&mut self, agents: &[PersonnelId]) -> Result<Vec<Photo>, StoreError> {
        let all = self.0.state().photos.values();
        let is_asked = |photo: &&Photo| match photo.owner {
            PhotoOwner::Personnel(id) => agents.contains(&id),
            PhotoOwner::User(_) => false,
        };
        Ok(all.filter(is_asked).cloned().collect())
    }
}
