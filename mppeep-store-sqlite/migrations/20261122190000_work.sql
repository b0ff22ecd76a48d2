-- Jobs, locks, counters, salary slips, notices and one-time tokens. Conventions as in the first migration.

-- The queue ------------------------------------------------------------------------------------------------------------

-- A job is done when its row is gone. The lease lives on the job, and its token is drawn anew at each claim.
CREATE TABLE job (
    job_id BLOB NOT NULL PRIMARY KEY CHECK (length(job_id) = 16),
    queue TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('ready', 'leased', 'dead')),
    payload TEXT NOT NULL,
    priority INTEGER NOT NULL CHECK (priority BETWEEN -32768 AND 32767),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    max_attempts INTEGER NOT NULL CHECK (max_attempts >= 1),
    unique_key TEXT,
    run_at INTEGER NOT NULL,
    lease_token BLOB CHECK (length(lease_token) = 16),
    leased_until INTEGER,
    last_error TEXT,
    created_at INTEGER NOT NULL,
    CHECK ((state = 'leased') = (lease_token IS NOT NULL)),
    CHECK ((state = 'leased') = (leased_until IS NOT NULL))
) STRICT;
CREATE INDEX job_ready ON job (queue, priority, run_at, job_id) WHERE state = 'ready';
CREATE INDEX job_due ON job (run_at) WHERE state = 'ready';
CREATE INDEX job_leased ON job (leased_until) WHERE state = 'leased';
CREATE UNIQUE INDEX job_unique ON job (queue, unique_key) WHERE unique_key IS NOT NULL AND state IN ('ready', 'leased');
CREATE INDEX job_by_time ON job (created_at, job_id);

-- Locks ----------------------------------------------------------------------------------------------------------------

-- The row of a lock stays when it is given back: its fence only grows.
CREATE TABLE lock_lease (
    name TEXT NOT NULL PRIMARY KEY,
    owner BLOB NOT NULL CHECK (length(owner) = 16),
    fence INTEGER NOT NULL CHECK (fence >= 1),
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Counters -------------------------------------------------------------------------------------------------------------

CREATE TABLE counter_day (
    counter_set TEXT NOT NULL,
    day TEXT NOT NULL CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    member TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (counter_set, day, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX counter_day_by_day ON counter_day (day);

-- Batches that were added, so that one that is sent again counts once.
CREATE TABLE counter_batch (
    batch_id BLOB NOT NULL PRIMARY KEY CHECK (length(batch_id) = 16),
    added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX counter_batch_by_time ON counter_batch (added_at);

-- Salary slips ---------------------------------------------------------------------------------------------------------

-- Amounts are whole francs. The settings a slip was computed with are kept with it, as JSON. The fence is that of the
-- lock it was last written under.
CREATE TABLE salary_slip (
    slip_id BLOB NOT NULL PRIMARY KEY CHECK (length(slip_id) = 16),
    personnel_id BLOB NOT NULL REFERENCES personnel (personnel_id),
    month TEXT NOT NULL CHECK (month GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]'),
    status TEXT NOT NULL CHECK (status IN ('draft', 'validated')),
    salary_index INTEGER NOT NULL CHECK (salary_index BETWEEN 0 AND 65535),
    settings TEXT NOT NULL,
    base INTEGER NOT NULL,
    allowance INTEGER NOT NULL,
    deduction INTEGER NOT NULL,
    net INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    computed_at INTEGER NOT NULL,
    computed_by BLOB,
    validated_by BLOB,
    validated_at INTEGER,
    UNIQUE (personnel_id, month),
    CHECK ((status = 'validated') = (validated_at IS NOT NULL)),
    CHECK ((validated_at IS NULL) = (validated_by IS NULL))
) STRICT;
CREATE INDEX salary_slip_by_month ON salary_slip (month, personnel_id);

-- Notices --------------------------------------------------------------------------------------------------------------

CREATE TABLE notice (
    notice_id BLOB NOT NULL PRIMARY KEY CHECK (length(notice_id) = 16),
    user_id BLOB NOT NULL REFERENCES users (user_id),
    kind TEXT NOT NULL,
    label TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    read_at INTEGER
) STRICT;
CREATE INDEX notice_of_user ON notice (user_id, created_at, notice_id);
CREATE INDEX notice_unread ON notice (user_id) WHERE read_at IS NULL;

-- One-time tokens ------------------------------------------------------------------------------------------------------

-- Only the digest of a token is here.
CREATE TABLE account_token (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    user_id BLOB NOT NULL REFERENCES users (user_id),
    purpose TEXT NOT NULL CHECK (purpose IN ('reset', 'invitation')),
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX account_token_of_user ON account_token (user_id, purpose);
CREATE INDEX account_token_expiry ON account_token (expires_at);
