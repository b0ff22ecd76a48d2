-- Jobs, locks, counters, cache entries, rate limits, salary slips, notices and one-time tokens. Conventions as in the
-- first migration. Names that the core takes from outside (members of counters, names of locks, keys) are bytea, since
-- text refuses a NUL.

-- The queue ------------------------------------------------------------------------------------------------------------

-- A job is done when its row is gone. The lease lives on the job, and its token is drawn anew at each claim. Rows change
-- often and live shortly: they have room for new versions, and what is left of them is taken away early.
CREATE TABLE job (
    job_id uuid NOT NULL PRIMARY KEY,
    queue text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('ready', 'leased', 'dead')),
    payload text COLLATE "C" NOT NULL,
    priority smallint NOT NULL,
    attempts bigint NOT NULL CHECK (attempts >= 0),
    max_attempts bigint NOT NULL CHECK (max_attempts >= 1),
    unique_key text COLLATE "C",
    run_at timestamptz NOT NULL CHECK (isfinite(run_at)),
    lease_token uuid,
    leased_until timestamptz CHECK (isfinite(leased_until)),
    last_error text COLLATE "C",
    created_at timestamptz NOT NULL CHECK (isfinite(created_at)),
    CHECK ((state = 'leased') = (lease_token IS NOT NULL)),
    CHECK ((state = 'leased') = (leased_until IS NOT NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
CREATE INDEX job_ready ON job (queue, priority, run_at, job_id) WHERE state = 'ready';
CREATE INDEX job_leased ON job (leased_until) WHERE state = 'leased';
CREATE UNIQUE INDEX job_unique ON job (queue, unique_key) WHERE unique_key IS NOT NULL AND state IN ('ready', 'leased');
CREATE INDEX job_by_time ON job (created_at, job_id);

-- Locks ----------------------------------------------------------------------------------------------------------------

-- The row of a lock stays when it is given back, which ends it before all time: its fence only grows.
CREATE TABLE lock_lease (
    name bytea NOT NULL PRIMARY KEY,
    owner uuid NOT NULL,
    fence bigint NOT NULL CHECK (fence >= 1),
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Counters -------------------------------------------------------------------------------------------------------------

CREATE TABLE counter_day (
    counter_set text COLLATE "C" NOT NULL,
    day date NOT NULL CHECK (day BETWEEN '0001-01-01' AND '9999-12-31'),
    member bytea NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (counter_set, day, member)
) WITH (fillfactor = 70);
CREATE INDEX counter_day_by_day ON counter_day (day);

-- Batches that were added, so that one that is sent again counts once.
CREATE TABLE counter_batch (
    batch_id uuid NOT NULL PRIMARY KEY,
    added_at timestamptz NOT NULL CHECK (isfinite(added_at))
);
CREATE INDEX counter_batch_by_time ON counter_batch (added_at);

-- What may vanish ------------------------------------------------------------------------------------------------------

-- Neither survives a crash of the server, and neither has to. Keys are digests: no name is too long, and no address is
-- kept.

-- The theoretical arrival time of GCRA, in microseconds since 1970.
CREATE UNLOGGED TABLE rate_limit (
    key bytea NOT NULL PRIMARY KEY CHECK (octet_length(key) = 32),
    arrival_us bigint NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX rate_limit_by_arrival ON rate_limit (arrival_us);

-- An entry has a value, a lease to fill it, or both; nothing of it lives after kept_until.
CREATE UNLOGGED TABLE cache_entry (
    key bytea NOT NULL PRIMARY KEY CHECK (octet_length(key) = 32),
    value bytea,
    soft_until timestamptz,
    hard_until timestamptz,
    lease_token uuid,
    leased_until timestamptz,
    kept_until timestamptz NOT NULL,
    CHECK (num_nulls(value, soft_until, hard_until) IN (0, 3)),
    CHECK (num_nulls(lease_token, leased_until) IN (0, 2))
) WITH (fillfactor = 70);
CREATE INDEX cache_entry_by_end ON cache_entry (kept_until);

-- Salary slips ---------------------------------------------------------------------------------------------------------

-- Amounts are whole francs, and a month is a number, 202611. The settings a slip was computed with are kept with it, as
-- JSON. The fence is that of the lock it was last written under.
CREATE TABLE salary_slip (
    slip_id uuid NOT NULL PRIMARY KEY,
    personnel_id uuid NOT NULL REFERENCES personnel (personnel_id),
    month integer NOT NULL CHECK (month BETWEEN 190001 AND 219912),
    status text COLLATE "C" NOT NULL CHECK (status IN ('draft', 'validated')),
    salary_index integer NOT NULL CHECK (salary_index BETWEEN 0 AND 65535),
    settings text COLLATE "C" NOT NULL,
    base bigint NOT NULL,
    allowance bigint NOT NULL,
    deduction bigint NOT NULL,
    net bigint NOT NULL,
    fence bigint NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    computed_at timestamptz NOT NULL CHECK (isfinite(computed_at)),
    computed_by uuid,
    validated_by uuid,
    validated_at timestamptz CHECK (isfinite(validated_at)),
    CONSTRAINT salary_slip_month UNIQUE (personnel_id, month),
    CHECK ((status = 'validated') = (validated_at IS NOT NULL)),
    CHECK ((validated_at IS NULL) = (validated_by IS NULL))
);
CREATE INDEX salary_slip_by_month ON salary_slip (month, personnel_id);

-- Notices --------------------------------------------------------------------------------------------------------------

CREATE TABLE notice (
    notice_id uuid NOT NULL PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (user_id),
    kind text COLLATE "C" NOT NULL,
    label text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL CHECK (isfinite(created_at)),
    read_at timestamptz CHECK (isfinite(read_at))
);
CREATE INDEX notice_of_user ON notice (user_id, created_at, notice_id);
CREATE INDEX notice_unread ON notice (user_id) WHERE read_at IS NULL;

-- One-time tokens ------------------------------------------------------------------------------------------------------

-- Only the digest of a token is here. An account has one of each purpose: a new one takes the place of the old.
CREATE TABLE account_token (
    digest bytea NOT NULL PRIMARY KEY CHECK (octet_length(digest) = 32),
    user_id uuid NOT NULL REFERENCES users (user_id),
    purpose text COLLATE "C" NOT NULL CHECK (purpose IN ('reset', 'invitation')),
    expires_at timestamptz NOT NULL CHECK (isfinite(expires_at)),
    CONSTRAINT account_token_purpose UNIQUE (user_id, purpose)
);
CREATE INDEX account_token_expiry ON account_token (expires_at);
