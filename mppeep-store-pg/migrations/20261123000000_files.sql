-- Contents of files, documents, files that services hand in, photographs, keys of repeated requests, and the country of
-- sessions. Conventions as in the first migration. It only adds: what an older instance writes meanwhile stays valid.

-- Where the client of a session was at login, as the edge told.
ALTER TABLE session ADD COLUMN country text COLLATE "C";

-- Contents -------------------------------------------------------------------------------------------------------------

-- The contents themselves are outside the database, under these identifiers. Whatever names one holds its row back.
CREATE TABLE stored_file (
    stored_file_id uuid NOT NULL PRIMARY KEY,
    size bigint NOT NULL CHECK (size >= 0),
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    kind text COLLATE "C" NOT NULL CHECK (
        kind IN ('pdf', 'png', 'jpeg', 'webp', 'docx', 'xlsx', 'odt', 'ods', 'csv', 'txt')
    ),
    created_at timestamptz NOT NULL CHECK (isfinite(created_at))
);

-- Documents of agents --------------------------------------------------------------------------------------------------

CREATE TABLE document (
    document_id uuid NOT NULL PRIMARY KEY,
    personnel_id uuid NOT NULL REFERENCES personnel (personnel_id),
    kind text COLLATE "C" NOT NULL CHECK (kind IN (
        'identity_card', 'passport', 'birth_certificate', 'diploma', 'certificate', 'contract', 'appointment_order',
        'advancement_decision', 'appraisal_sheet', 'medical_certificate', 'employment_certificate', 'other'
    )),
    title text COLLATE "C" NOT NULL,
    title_key text COLLATE "C" NOT NULL,
    reference text COLLATE "C",
    issued_on date CHECK (issued_on BETWEEN '0001-01-01' AND '9999-12-31'),
    expires_on date CHECK (expires_on BETWEEN '0001-01-01' AND '9999-12-31'),
    confidential boolean NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('to_check', 'validated', 'rejected')),
    state_reason text COLLATE "C",
    checked_by uuid,
    current bigint NOT NULL CHECK (current >= 1),
    version bigint NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL CHECK (isfinite(created_at)),
    updated_at timestamptz NOT NULL CHECK (isfinite(updated_at))
);
CREATE INDEX document_of_personnel ON document (personnel_id, created_at, document_id);
CREATE INDEX document_by_time ON document (created_at, document_id);
CREATE INDEX document_by_expiry ON document (expires_on) WHERE expires_on IS NOT NULL;

CREATE TABLE document_version (
    document_id uuid NOT NULL REFERENCES document (document_id),
    number bigint NOT NULL CHECK (number >= 1),
    stored_file_id uuid NOT NULL REFERENCES stored_file (stored_file_id),
    file_name text COLLATE "C" NOT NULL,
    note text COLLATE "C",
    uploaded_by uuid,
    uploaded_by_name text COLLATE "C" NOT NULL,
    uploaded_at timestamptz NOT NULL CHECK (isfinite(uploaded_at)),
    PRIMARY KEY (document_id, number)
);
CREATE INDEX document_version_content ON document_version (stored_file_id);

-- Files that services hand in ------------------------------------------------------------------------------------------

-- What reading a file found is JSON.
CREATE TABLE shared_file (
    shared_file_id uuid NOT NULL PRIMARY KEY,
    kind text COLLATE "C" NOT NULL CHECK (kind IN (
        'summary_sheet', 'budget_data', 'personnel_sheet', 'activity_report', 'beneficiary_list', 'indicators', 'other'
    )),
    period text COLLATE "C",
    note text COLLATE "C",
    stored_file_id uuid NOT NULL REFERENCES stored_file (stored_file_id),
    file_name text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL CHECK (status IN ('uploaded', 'processing', 'processed', 'failed', 'archived')),
    reading text COLLATE "C",
    uploaded_by uuid,
    uploaded_by_name text COLLATE "C" NOT NULL,
    archived_at timestamptz CHECK (isfinite(archived_at)),
    search_key text COLLATE "C" NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL CHECK (isfinite(created_at)),
    updated_at timestamptz NOT NULL CHECK (isfinite(updated_at))
);
CREATE INDEX shared_file_by_time ON shared_file (created_at, shared_file_id);
CREATE INDEX shared_file_content ON shared_file (stored_file_id);
CREATE INDEX shared_file_archived ON shared_file (archived_at, shared_file_id) WHERE status = 'archived';

-- Photographs ----------------------------------------------------------------------------------------------------------

CREATE TABLE photo (
    personnel_id uuid CONSTRAINT photo_personnel UNIQUE REFERENCES personnel (personnel_id),
    user_id uuid CONSTRAINT photo_user UNIQUE REFERENCES users (user_id),
    large_id uuid NOT NULL REFERENCES stored_file (stored_file_id),
    small_id uuid NOT NULL REFERENCES stored_file (stored_file_id),
    updated_at timestamptz NOT NULL CHECK (isfinite(updated_at)),
    CHECK (num_nonnulls(personnel_id, user_id) = 1)
);
CREATE INDEX photo_large ON photo (large_id);
CREATE INDEX photo_small ON photo (small_id);

-- Keys of repeated requests --------------------------------------------------------------------------------------------

-- A key is reserved by a token until its lease ends, carried out, or answered; nothing of it counts after expires_at.
CREATE TABLE idempotency_key (
    user_id uuid NOT NULL,
    key bytea NOT NULL,
    operation text COLLATE "C" NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    token uuid NOT NULL CONSTRAINT idempotency_key_token UNIQUE,
    leased_until timestamptz NOT NULL,
    carried_out boolean NOT NULL DEFAULT FALSE,
    status integer CHECK (status BETWEEN 0 AND 65535),
    headers text COLLATE "C",
    body bytea,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, key),
    CHECK (num_nulls(status, headers, body) IN (0, 3))
) WITH (fillfactor = 70);
CREATE INDEX idempotency_key_by_end ON idempotency_key (expires_at);
