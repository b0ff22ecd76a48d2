//! The repository of documents.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::civil::Date;

use super::error::StoreError;
use super::page::{Page, PageRequest};
use crate::domain::document::{Document, DocumentKind, DocumentState, DocumentVersion};
use crate::domain::id::{DocumentId, PersonnelId, StoredFileId};
use crate::domain::organisation::UnitRef;
use crate::domain::permission::Scope;

/// Conditions on documents; all of them hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentFilter {
    /// Agents whose documents the reader may see.
    pub scope: Scope,
    /// Whether he sees confidential ones.
    pub with_confidential: bool,
    /// One agent's.
    pub personnel: Option<PersonnelId>,
    /// Of agents of this unit and below it.
    pub unit: Option<UnitRef>,
    /// Of this kind.
    pub kind: Option<DocumentKind>,
    /// In this state.
    pub state: Option<DocumentState>,
    /// Whose last day is this one or earlier.
    pub expires_until: Option<Date>,
    /// Folded words, each of which occurs in the agent's search key or in the folded title.
    pub words: Vec<String>,
}

/// A document in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRow {
    /// The document.
    pub document: Document,
    /// Its present content.
    pub current: DocumentVersion,
    /// The agent's matricule.
    pub matricule: String,
    /// The agent's « NOM Prénoms ».
    pub full_name: String,
    /// The agent's department.
    pub department_name: Option<String>,
}

/// An agent whose file lacks mandatory documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingDocuments {
    /// The agent.
    pub personnel: PersonnelId,
    /// His matricule.
    pub matricule: String,
    /// His « NOM Prénoms ».
    pub full_name: String,
    /// His department.
    pub department_name: Option<String>,
    /// Kinds of which the file holds no document, not counting rejected ones.
    pub missing: BTreeSet<DocumentKind>,
}

/// Stores documents and their versions. The rows of their contents are stored before ([`super::stored_file`]).
#[async_trait]
pub trait DocumentRepository: Send {
    /// Stores a new document with its first version.
    ///
    /// # Errors
    /// `DanglingReference`.
    async fn insert(&mut self, document: &Document, first: &DocumentVersion) -> Result<(), StoreError>;

    /// Replaces a document whose stored version is one less, and adds a content if one is given.
    ///
    /// # Errors
    /// `StaleVersion`, `DanglingReference`.
    async fn update(
        &mut self,
        document: &Document,
        added: Option<&DocumentVersion>,
    ) -> Result<(), StoreError>;

    /// Removes a document and its versions; gives the contents that they named, whose rows stay.
    ///
    /// # Errors
    /// `Backend` only.
    async fn delete(&mut self, id: DocumentId) -> Result<Vec<StoredFileId>, StoreError>;

    /// The document of that identifier.
    ///
    /// # Errors
    /// `Backend` only.
    async fn find(&mut self, id: DocumentId) -> Result<Option<Document>, StoreError>;

    /// The versions of a document, the latest first.
    ///
    /// # Errors
    /// `Backend` only.
    async fn versions(&mut self, id: DocumentId) -> Result<Vec<DocumentVersion>, StoreError>;

    /// A page of the list, the latest deposit first (sort value: the instant in microseconds).
    ///
    /// # Errors
    /// `Backend` only.
    async fn list(
        &mut self,
        filter: &DocumentFilter,
        page: &PageRequest,
    ) -> Result<Page<DocumentRow>, StoreError>;

    /// A page of the agents in service, by sort name, whose files lack documents of `mandatory` kinds. Of the filter,
    /// only scope, personnel, unit and words (in the agent's search key) count.
    ///
    /// # Errors
    /// `Backend` only.
    async fn missing(
        &mut self,
        mandatory: &BTreeSet<DocumentKind>,
        filter: &DocumentFilter,
        page: &PageRequest,
    ) -> Result<Page<MissingDocuments>, StoreError>;
}
