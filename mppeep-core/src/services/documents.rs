//! Documents of the agents' files: deposit, newer versions, checking, reading, removal.

use std::sync::Arc;

use super::context::{Context, Note, require, require_all};
use super::error::ServiceError;
use super::readings::{Reading, Readings};
use super::uploads::{Content, Contents, Upload};
use crate::domain::activity::{ActivityAction, EntityKind, FieldChange, described_changes};
use crate::domain::document::{
    ACCEPTED_TYPES, Document, DocumentFields, DocumentInput, DocumentState, DocumentVersion,
};
use crate::domain::id::{DocumentId, PersonnelId};
use crate::domain::permission::{Action, Actor, Resource};
use crate::domain::personnel::Personnel;
use crate::domain::stored_file::{FileName, StoredFile};
use crate::domain::text;
use crate::domain::validation::{Rule, Violations};
use crate::ports::document::{DocumentFilter, DocumentRow, MissingDocuments};
use crate::ports::epochs::Namespace;
use crate::ports::page::{Page, PageRequest};
use crate::ports::store::UnitOfWork;

pub(super) const MADE_WRONG: &[Namespace] = &[Namespace::FILES, Namespace::NOTICES];

/// A document with all its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentView {
    /// The document.
    pub document: Document,
    /// Its contents, the latest first.
    pub versions: Vec<DocumentVersion>,
    /// The agent's file.
    pub agent: Personnel,
}

impl DocumentView {
    /// Its present content.
    pub fn current(&self) -> Option<&DocumentVersion> {
        self.version(self.document.current)
    }

    /// Its content of that number.
    pub fn version(&self, number: u32) -> Option<&DocumentVersion> {
        self.versions.iter().find(|version| version.number == number)
    }
}

/// Documents of the agents' files.
pub struct DocumentService {
    pub(super) context: Arc<Context>,
    pub(super) contents: Contents,
    readings: Readings,
}

impl DocumentService {
    /// The service over its context and the place of contents.
    pub fn new(context: Arc<Context>, contents: Contents) -> Self {
        Self {
            context,
            contents,
            readings: Readings::default(),
        }
    }

    /// A page of the documents the actor may see, the latest deposit first.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn list(
        &self,
        actor: &Actor,
        filter: DocumentFilter,
        page: &PageRequest,
    ) -> Result<Page<DocumentRow>, ServiceError> {
        let filter = scoped(actor, filter)?;
        let mut unit = self.context.store().begin_read().await?;
        Ok(unit.documents().list(&filter, page).await?)
    }

    /// A page of the agents whose files lack mandatory documents. It is told to who sees all documents: to others a
    /// confidential one would seem to be missing.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn missing(
        &self,
        actor: &Actor,
        filter: DocumentFilter,
        page: &PageRequest,
    ) -> Result<Page<MissingDocuments>, ServiceError> {
        require_all(actor, Resource::Document, Action::Read)?;
        let filter = scoped(actor, filter)?;
        let mandatory = self.context.settings().await?.files.mandatory();
        let mut unit = self.context.store().begin_read().await?;
        Ok(unit.documents().missing(&mandatory, &filter, page).await?)
    }

    /// One document.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Store`.
    pub async fn get(&self, actor: &Actor, id: DocumentId) -> Result<DocumentView, ServiceError> {
        require(actor, Resource::Document, Action::Read)?;
        let mut unit = self.context.store().begin_read().await?;
        let (document, agent) = find(&mut unit, actor, id).await?;
        let versions = unit.documents().versions(id).await?;
        Ok(DocumentView {
            document,
            versions,
            agent,
        })
    }

    /// Begins the upload of a document for an agent's file.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Invalid`, `QuotaReached`, `StorageFull`, `ReadOnlyMode`, `Store`.
    pub async fn begin_upload(
        &self,
        actor: &Actor,
        personnel: PersonnelId,
        file_name: &str,
    ) -> Result<Upload, ServiceError> {
        require(actor, Resource::Document, Action::Write)?;
        let mut unit = self.context.store().begin_read().await?;
        writable_file(&mut unit, actor, personnel).await?;
        drop(unit);
        self.contents
            .begin(&self.context, file_name, ACCEPTED_TYPES)
            .await
    }

    /// Puts a document into an agent's file. What somebody deposits in his own file is to be checked by another, and is
    /// never confidential; what the staff of human resources deposits in others' files is valid.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Invalid`, `StorageFull`, `ReadOnlyMode`, `Store`. Nothing of the upload is left then.
    pub async fn deposit(
        &self,
        actor: &Actor,
        personnel: PersonnelId,
        input: &DocumentInput,
        upload: Upload,
    ) -> Result<Document, ServiceError> {
        require(actor, Resource::Document, Action::Write)?;
        let name = upload.name().clone();
        let fields = self.fields(actor, input, name.stem())?;
        upload.check()?;
        let file = upload.keep(&self.context).await?;
        let id = file.id;
        let now = self.context.now();
        let validated = checks_for(actor, personnel);
        let document = Document {
            id: DocumentId::new(self.context.clock(), self.context.entropy()),
            personnel,
            fields,
            state: state_of(validated),
            state_reason: None,
            checked_by: actor.user.filter(|_| validated),
            current: 1,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let first = self.version(actor, &document, file, name, None);
        let stored = self.store_new(actor, &document, &first).await;
        self.contents.or_discard(id, stored).await?;
        Ok(document)
    }

    async fn store_new(
        &self,
        actor: &Actor,
        document: &Document,
        first: &DocumentVersion,
    ) -> Result<(), ServiceError> {
        let mut unit = self.context.begin().await?;
        let agent = writable_file(&mut unit, actor, document.personnel).await?;
        let changed = described_changes(&[], &document.fields.describe());
        unit.stored_files().insert(&first.file).await?;
        unit.documents().insert(document, first).await?;
        let line = note(ActivityAction::Created, document, &agent, changed);
        unit.activities()
            .append(&[self.context.activity(actor, line)])
            .await?;
        self.context.commit(unit, MADE_WRONG).await
    }

    /// Begins the upload of a newer content of a document.
    ///
    /// # Errors
    /// As [`Self::begin_upload`], and `State("document-validated")`.
    pub async fn begin_replacement(
        &self,
        actor: &Actor,
        id: DocumentId,
        file_name: &str,
    ) -> Result<Upload, ServiceError> {
        require(actor, Resource::Document, Action::Write)?;
        let mut unit = self.context.store().begin_read().await?;
        writable(&mut unit, actor, id, None).await?;
        drop(unit);
        self.contents
            .begin(&self.context, file_name, ACCEPTED_TYPES)
            .await
    }

    /// Adds a newer content; the earlier ones stay.
    ///
    /// # Errors
    /// As [`Self::deposit`], and `Stale`, `State("document-validated")`.
    pub async fn replace(
        &self,
        actor: &Actor,
        id: DocumentId,
        version: i64,
        note_text: &str,
        upload: Upload,
    ) -> Result<Document, ServiceError> {
        require(actor, Resource::Document, Action::Write)?;
        let note_text = match note_text.trim() {
            "" => None,
            given => Some(text::line(given, 200).map_err(|rule| Violations::one("note", rule))?),
        };
        let name = upload.name().clone();
        upload.check()?;
        let file = upload.keep(&self.context).await?;
        let kept = file.id;
        let stored = async {
            let mut unit = self.context.begin().await?;
            let (before, agent) = writable(&mut unit, actor, id, Some(version)).await?;
            let validated = checks_for(actor, before.personnel);
            let after = Document {
                state: state_of(validated),
                state_reason: None,
                checked_by: actor.user.filter(|_| validated),
                current: before.current + 1,
                version: before.version + 1,
                updated_at: self.context.now(),
                ..before.clone()
            };
            let added = self.version(actor, &after, file, name, note_text);
            unit.stored_files().insert(&added.file).await?;
            unit.documents().update(&after, Some(&added)).await?;
            let number = |document: &Document| Some(document.current.to_string());
            let changed = described_changes(
                &[("current", number(&before)), state_change(&before)],
                &[("current", number(&after)), state_change(&after)],
            );
            let line = note(ActivityAction::Replaced, &after, &agent, changed);
            unit.activities()
                .append(&[self.context.activity(actor, line)])
                .await?;
            self.context.commit(unit, MADE_WRONG).await?;
            Ok(after)
        }
        .await;
        self.contents.or_discard(kept, stored).await
    }

    /// Opens a content of a document, the present one where no number is given. A reading is noted in the journal when it
    /// begins; `reading` says what there will be read of the content.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `State("content-missing")`, `Store`.
    pub async fn open(
        &self,
        actor: &Actor,
        id: DocumentId,
        number: Option<u32>,
        reading: impl FnOnce(&StoredFile) -> Reading + Send,
    ) -> Result<Content, ServiceError> {
        let view = self.get(actor, id).await?;
        let number = number.unwrap_or(view.document.current);
        let version = view
            .version(number)
            .cloned()
            .ok_or(ServiceError::NotFound(EntityKind::Document))?;
        let content = self.contents.open(version.file, version.file_name).await?;
        let line = || {
            let opened = FieldChange {
                field: "current".to_owned(),
                before: None,
                after: Some(number.to_string()),
            };
            note(
                ActivityAction::Downloaded,
                &view.document,
                &view.agent,
                vec![opened],
            )
        };
        let reading = reading(&content.file);
        self.readings
            .note(&self.context, actor, content.file.id, reading, line)
            .await?;
        Ok(content)
    }

    pub(super) fn fields(
        &self,
        actor: &Actor,
        input: &DocumentInput,
        stem: &str,
    ) -> Result<DocumentFields, ServiceError> {
        let fields = DocumentFields::parse(input, stem, self.context.today())?;
        if fields.confidential && !actor.may_all(Resource::Document, Action::Write) {
            return Err(Violations::one("confidential", Rule::NotAllowed).into());
        }
        Ok(fields)
    }

    fn version(
        &self,
        actor: &Actor,
        document: &Document,
        file: StoredFile,
        file_name: FileName,
        note: Option<String>,
    ) -> DocumentVersion {
        DocumentVersion {
            document: document.id,
            number: document.current,
            file,
            file_name,
            note,
            uploaded_by: actor.user,
            uploaded_by_name: actor.display_name.clone(),
            uploaded_at: self.context.now(),
        }
    }
}

/// The filter, cut to what the actor may see.
fn scoped(actor: &Actor, filter: DocumentFilter) -> Result<DocumentFilter, ServiceError> {
    require(actor, Resource::Document, Action::Read)?;
    Ok(DocumentFilter {
        scope: actor.scope(Resource::Document, Action::Read),
        with_confidential: actor.may_all(Resource::Document, Action::Read),
        ..filter
    })
}

/// Whether what the actor deposits in that file needs nobody else's look.
fn checks_for(actor: &Actor, personnel: PersonnelId) -> bool {
    actor.may_all(Resource::Document, Action::Validate) && actor.personnel != Some(personnel)
}

const fn state_of(validated: bool) -> DocumentState {
    if validated {
        DocumentState::Validated
    } else {
        DocumentState::ToCheck
    }
}

pub(super) fn state_change(document: &Document) -> (&'static str, Option<String>) {
    ("state", Some(document.state.code().to_owned()))
}

/// The document, if the actor may see it.
pub(super) async fn find(
    unit: &mut Box<dyn UnitOfWork>,
    actor: &Actor,
    id: DocumentId,
) -> Result<(Document, Personnel), ServiceError> {
    let not_found = || ServiceError::NotFound(EntityKind::Document);
    let document = unit.documents().find(id).await?.ok_or_else(not_found)?;
    let agent = unit
        .personnel()
        .find(document.personnel)
        .await?
        .ok_or_else(not_found)?;
    let reached = actor.may_on(
        Resource::Document,
        Action::Read,
        agent.id,
        agent.fields.department,
    );
    let hidden = document.fields.confidential && !actor.may_all(Resource::Document, Action::Read);
    if reached && !hidden {
        Ok((document, agent))
    } else {
        Err(not_found())
    }
}

/// The document, if the actor may change it: who may write all documents, any; an agent, his own until it is validated.
pub(super) async fn writable(
    unit: &mut Box<dyn UnitOfWork>,
    actor: &Actor,
    id: DocumentId,
    version: Option<i64>,
) -> Result<(Document, Personnel), ServiceError> {
    let (document, agent) = find(unit, actor, id).await?;
    if !actor.may_on(
        Resource::Document,
        Action::Write,
        agent.id,
        agent.fields.department,
    ) {
        return Err(ServiceError::Forbidden {
            resource: Resource::Document,
            action: Action::Write,
        });
    }
    if version.is_some_and(|version| version != document.version) {
        return Err(ServiceError::Stale);
    }
    let validated = document.state == DocumentState::Validated;
    if validated && !actor.may_all(Resource::Document, Action::Write) {
        return Err(ServiceError::State("document-validated"));
    }
    Ok((document, agent))
}

/// The agent's file, if the actor may put documents into it.
async fn writable_file(
    unit: &mut Box<dyn UnitOfWork>,
    actor: &Actor,
    personnel: PersonnelId,
) -> Result<Personnel, ServiceError> {
    let not_found = || ServiceError::NotFound(EntityKind::Personnel);
    let agent = unit.personnel().find(personnel).await?.ok_or_else(not_found)?;
    if actor.may_on(
        Resource::Document,
        Action::Write,
        agent.id,
        agent.fields.department,
    ) {
        Ok(agent)
    } else {
        Err(ServiceError::Forbidden {
            resource: Resource::Document,
            action: Action::Write,
        })
    }
}

pub(super) fn note(
    action: ActivityAction,
    document: &Document,
    agent: &Personnel,
    changes: Vec<FieldChange>,
) -> Note {
    Note {
        action,
        entity: EntityKind::Document,
        entity_id: Some(document.id.as_uuid()),
        subject: Some(agent.id),
        label: format!("{} · {}", agent.fields.matricule, document.fields.title),
        changes,
    }
}
