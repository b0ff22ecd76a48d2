-- Contents of files, documents, files handed in, photographs and idempotency keys. Conventions as in the first migration.

-- Contents -------------------------------------------------------------------------------------------------------------

-- What is known of a content that is kept outside the database. The row is there as long as something refers to it.
CREATE TABLE stored_file (
    file_id BLOB NOT NULL PRIMARY KEY CHECK (length(file_id) = 16),
    size INTEGER NOT NULL CHECK (size >= 0),
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    kind TEXT NOT NULL CHECK (kind IN (
        'pdf', 'png', 'jpeg', 'webp', 'docx', 'xlsx', 'odt', 'ods', 'csv', 'txt'
    )),
    created_at INTEGER NOT NULL
) STRICT;

-- Documents of agents --------------------------------------------------------------------------------------------------

CREATE TABLE document (
    document_id BLOB NOT NULL PRIMARY KEY CHECK (length(document_id) = 16),
    personnel_id BLOB NOT NULL REFERENCES personnel (personnel_id),
    kind TEXT NOT NULL CHECK (kind IN (
        'identity_card', 'passport', 'birth_certificate', 'diploma', 'certificate', 'contract', 'appointment_order',
        'advancement_decision', 'appraisal_sheet', 'medical_certificate', 'employment_certificate', 'other'
    )),
    title TEXT NOT NULL,
    title_key TEXT NOT NULL,
    reference TEXT,
    issued_on TEXT CHECK (issued_on GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    expires_on TEXT CHECK (expires_on GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    confidential INTEGER NOT NULL CHECK (confidential IN (0, 1)),
    state TEXT NOT NULL CHECK (state IN ('to_check', 'validated', 'rejected')),
    state_reason TEXT,
    checked_by BLOB,
    current INTEGER NOT NULL CHECK (current >= 1),
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX document_by_time ON document (created_at, document_id);
CREATE INDEX document_of_personnel ON document (personnel_id, kind, state);
CREATE INDEX document_by_end ON document (expires_on) WHERE expires_on IS NOT NULL;

-- The contents of a document, the earlier ones beside the present one.
CREATE TABLE document_version (
    document_id BLOB NOT NULL REFERENCES document (document_id),
    number INTEGER NOT NULL CHECK (number >= 1),
    file_id BLOB NOT NULL REFERENCES stored_file (file_id),
    file_name TEXT NOT NULL,
    note TEXT,
    uploaded_by BLOB,
    uploaded_by_name TEXT NOT NULL,
    uploaded_at INTEGER NOT NULL,
    PRIMARY KEY (document_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX document_version_of_file ON document_version (file_id);

-- Files that services hand in ------------------------------------------------------------------------------------------

-- What reading the file found is kept as JSON.
CREATE TABLE shared_file (
    shared_file_id BLOB NOT NULL PRIMARY KEY CHECK (length(shared_file_id) = 16),
    kind TEXT NOT NULL CHECK (kind IN (
        'summary_sheet', 'budget_data', 'personnel_sheet', 'activity_report', 'beneficiary_list', 'indicators', 'other'
    )),
    period TEXT CHECK (period GLOB '[12][0-9][0-9][0-9]*'),
    note TEXT,
    file_id BLOB NOT NULL REFERENCES stored_file (file_id),
    file_name TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('uploaded', 'processing', 'processed', 'failed', 'archived')),
    reading TEXT,
    uploaded_by BLOB,
    uploaded_by_name TEXT NOT NULL,
    archived_at INTEGER,
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    search_key TEXT NOT NULL,
    CHECK (status <> 'archived' OR archived_at IS NOT NULL)
) STRICT;
CREATE INDEX shared_file_by_time ON shared_file (created_at, shared_file_id);
CREATE INDEX shared_file_of_user ON shared_file (uploaded_by, created_at);
CREATE INDEX shared_file_of_file ON shared_file (file_id);
CREATE INDEX shared_file_archived ON shared_file (archived_at, shared_file_id) WHERE status = 'archived';

-- Photographs ----------------------------------------------------------------------------------------------------------

-- One of an agent, and one of the holder of an account.
CREATE TABLE photo (
    personnel_id BLOB UNIQUE REFERENCES personnel (personnel_id),
    user_id BLOB UNIQUE REFERENCES users (user_id),
    large_id BLOB NOT NULL REFERENCES stored_file (file_id),
    small_id BLOB NOT NULL REFERENCES stored_file (file_id),
    updated_at INTEGER NOT NULL,
    CHECK ((personnel_id IS NULL) <> (user_id IS NULL))
) STRICT;
CREATE INDEX photo_of_large_file ON photo (large_id);
CREATE INDEX photo_of_small_file ON photo (small_id);

-- Idempotency keys -----------------------------------------------------------------------------------------------------

-- A key is reserved under a token until its lease ends, then marked in the unit of the effect, then answered. A key that
-- is neither marked nor answered is free again when its lease has ended.
CREATE TABLE idempotency_key (
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    key TEXT NOT NULL,
    operation TEXT NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    token BLOB NOT NULL UNIQUE CHECK (length(token) = 16),
    leased_until INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    carried_out INTEGER NOT NULL CHECK (carried_out IN (0, 1)),
    status INTEGER CHECK (status BETWEEN 100 AND 999),
    headers TEXT,
    body BLOB,
    PRIMARY KEY (user_id, key),
    CHECK ((status IS NULL) = (headers IS NULL)),
    CHECK ((status IS NULL) = (body IS NULL))
) STRICT;
CREATE INDEX idempotency_key_expiry ON idempotency_key (expires_at);

-- Sessions -------------------------------------------------------------------------------------------------------------

-- Two letters, where the edge tells where a client is.
ALTER TABLE session ADD COLUMN country TEXT;
