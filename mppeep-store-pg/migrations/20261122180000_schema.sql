-- Conventions: identifiers are uuid; instants are timestamptz, judged by clock_timestamp() and never by now(), which
-- stands still within a transaction; civil dates are date, without a zone; enumerations are codes; half-days, hundredths
-- of marks and half-day counts are integers. Columns named *_key hold text folded by the core, and every text compares
-- byte by byte (COLLATE "C"), so that order and equality are the core's whatever the locale of the database. Neither
-- dates nor instants may be infinite: no civil date is.

-- For the constraint that keeps absences apart. It is a trusted extension: who may create objects in the database may
-- create it, without being a superuser.
CREATE EXTENSION IF NOT EXISTS btree_gist;

-- The ministry's units -------------------------------------------------------------------------------------------------

CREATE TABLE programme (
    programme_id uuid NOT NULL PRIMARY KEY,
    code text COLLATE "C" NOT NULL,
    code_key text COLLATE "C" NOT NULL CONSTRAINT programme_code UNIQUE,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    head_id uuid,
    active boolean NOT NULL,
    version bigint NOT NULL CHECK (version >= 1)
);

CREATE TABLE directorate (
    directorate_id uuid NOT NULL PRIMARY KEY,
    programme_id uuid NOT NULL REFERENCES programme (programme_id),
    code text COLLATE "C" NOT NULL,
    code_key text COLLATE "C" NOT NULL CONSTRAINT directorate_code UNIQUE,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    head_id uuid,
    active boolean NOT NULL,
    version bigint NOT NULL CHECK (version >= 1)
);
CREATE INDEX directorate_programme ON directorate (programme_id);

CREATE TABLE department (
    department_id uuid NOT NULL PRIMARY KEY,
    directorate_id uuid NOT NULL REFERENCES directorate (directorate_id),
    code text COLLATE "C" NOT NULL,
    code_key text COLLATE "C" NOT NULL CONSTRAINT department_code UNIQUE,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    head_id uuid,
    active boolean NOT NULL,
    version bigint NOT NULL CHECK (version >= 1)
);
CREATE INDEX department_directorate ON department (directorate_id);

-- Files of agents ------------------------------------------------------------------------------------------------------

CREATE TABLE personnel (
    personnel_id uuid NOT NULL PRIMARY KEY,
    matricule text COLLATE "C" NOT NULL,
    family_name text COLLATE "C" NOT NULL,
    given_names text COLLATE "C" NOT NULL,
    maiden_name text COLLATE "C",
    sex text COLLATE "C" CHECK (sex IN ('female', 'male')),
    birth_date date NOT NULL CHECK (birth_date BETWEEN '0001-01-01' AND '9999-12-31'),
    birth_precision text COLLATE "C" NOT NULL CHECK (birth_precision IN ('day', 'year')),
    birth_place text COLLATE "C",
    nationality text COLLATE "C",
    marital_status text COLLATE "C" CHECK (
        marital_status IN ('single', 'married', 'divorced', 'widowed', 'common_law')
    ),
    children integer CHECK (children BETWEEN 0 AND 255),
    national_id text COLLATE "C",
    passport text COLLATE "C",
    status text COLLATE "C" NOT NULL CHECK (status IN ('civil_servant', 'contractual', 'trainee', 'assigned')),
    position text COLLATE "C" NOT NULL CHECK (position IN (
        'active', 'secondment', 'unpaid_leave_of_absence', 'long_term_leave', 'military_service', 'out_of_cadre',
        'suspension', 'retired'
    )),
    recruitment_date date CHECK (recruitment_date BETWEEN '0001-01-01' AND '9999-12-31'),
    service_start_date date CHECK (service_start_date BETWEEN '0001-01-01' AND '9999-12-31'),
    department_id uuid REFERENCES department (department_id),
    job_title text COLLATE "C",
    grade text COLLATE "C" CHECK (grade ~ '^[A-D][1-7]$'),
    step integer CHECK (step BETWEEN 1 AND 255),
    salary_index integer CHECK (salary_index BETWEEN 1 AND 65535),
    retirement_extension date CHECK (retirement_extension BETWEEN '0001-01-01' AND '9999-12-31'),
    work_phone text COLLATE "C",
    personal_phone text COLLATE "C",
    email text COLLATE "C",
    address text COLLATE "C",
    notes text COLLATE "C",
    departure_date date CHECK (departure_date BETWEEN '0001-01-01' AND '9999-12-31'),
    departure_reason text COLLATE "C" CHECK (departure_reason IN (
        'retirement', 'resignation', 'transfer_out', 'end_of_contract', 'dismissal', 'death', 'other'
    )),
    retirement_date date CHECK (retirement_date BETWEEN '0001-01-01' AND '9999-12-31'),
    version bigint NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL CHECK (isfinite(created_at)),
    updated_at timestamptz NOT NULL CHECK (isfinite(updated_at)),
    -- Derived by the core from the columns above, at each write.
    name_key text COLLATE "C" NOT NULL,
    job_title_key text COLLATE "C",
    search_key text COLLATE "C" NOT NULL,
    private_search_key text COLLATE "C" NOT NULL,
    grade_rank integer NOT NULL CHECK (grade_rank >= 0),
    completeness_percent integer NOT NULL CHECK (completeness_percent BETWEEN 0 AND 100),
    archived boolean NOT NULL GENERATED ALWAYS AS (departure_date IS NOT NULL) STORED,
    CHECK ((departure_date IS NULL) = (departure_reason IS NULL))
);
CREATE INDEX personnel_by_name ON personnel (archived, name_key, personnel_id);
CREATE INDEX personnel_by_matricule ON personnel (archived, matricule, personnel_id);
CREATE INDEX personnel_by_department ON personnel (department_id, archived);
CREATE INDEX personnel_by_retirement ON personnel (archived, retirement_date, personnel_id);
CREATE INDEX personnel_by_update ON personnel (archived, updated_at, personnel_id);
CREATE INDEX personnel_by_identity ON personnel (birth_date, name_key);
CREATE INDEX personnel_by_national_id ON personnel (national_id) WHERE national_id IS NOT NULL;

ALTER TABLE programme ADD FOREIGN KEY (head_id) REFERENCES personnel (personnel_id);
ALTER TABLE directorate ADD FOREIGN KEY (head_id) REFERENCES personnel (personnel_id);
ALTER TABLE department ADD FOREIGN KEY (head_id) REFERENCES personnel (personnel_id);

-- Every matricule that a file has or had: taken for ever, whatever its case.
CREATE TABLE personnel_matricule (
    matricule_key text COLLATE "C" NOT NULL PRIMARY KEY,
    personnel_id uuid NOT NULL REFERENCES personnel (personnel_id)
);
CREATE INDEX personnel_matricule_of ON personnel_matricule (personnel_id);

-- Absences and public holidays -----------------------------------------------------------------------------------------

CREATE TABLE absence (
    absence_id uuid NOT NULL PRIMARY KEY,
    personnel_id uuid NOT NULL REFERENCES personnel (personnel_id),
    kind text COLLATE "C" NOT NULL CHECK (kind IN (
        'annual_leave', 'short_leave', 'sick_leave', 'maternity_leave', 'paternity_leave', 'training', 'mission',
        'unjustified', 'other'
    )),
    start_date date NOT NULL CHECK (start_date BETWEEN '0001-01-01' AND '9999-12-31'),
    start_half text COLLATE "C" NOT NULL CHECK (start_half IN ('am', 'pm')),
    end_date date NOT NULL CHECK (end_date BETWEEN '0001-01-01' AND '9999-12-31'),
    end_half text COLLATE "C" NOT NULL CHECK (end_half IN ('am', 'pm')),
    reason text COLLATE "C",
    counted_half_days bigint NOT NULL CHECK (counted_half_days >= 0),
    cancelled_at timestamptz CHECK (isfinite(cancelled_at)),
    version bigint NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL CHECK (isfinite(created_at)),
    updated_at timestamptz NOT NULL CHECK (isfinite(updated_at)),
    -- Half-days since 1970: two a day, the morning's even and the afternoon's odd.
    start_slot integer NOT NULL GENERATED ALWAYS AS (
        (start_date - date '1970-01-01') * 2 + CASE start_half WHEN 'pm' THEN 1 ELSE 0 END
    ) STORED,
    end_slot integer NOT NULL GENERATED ALWAYS AS (
        (end_date - date '1970-01-01') * 2 + CASE end_half WHEN 'pm' THEN 1 ELSE 0 END
    ) STORED,
    CHECK (start_slot <= end_slot),
    -- Two absences of one agent that are not cancelled never share a half-day, whoever writes at the same time. The agent
    -- is written as a number that spreads well, which keeps this tree shallow whatever made the identifiers, and then as
    -- it is, but not as the column: looking up an agent's absences is for the index below.
    CONSTRAINT absence_period EXCLUDE USING gist (
        uuid_hash_extended(personnel_id, 0) WITH =, uuid_send(personnel_id) WITH =,
        int4range(start_slot, end_slot, '[]') WITH &&
    ) WHERE (cancelled_at IS NULL)
);
CREATE INDEX absence_of_personnel ON absence (personnel_id, start_slot, end_slot, cancelled_at);
CREATE INDEX absence_by_start ON absence (start_slot, absence_id)
    INCLUDE (cancelled_at, personnel_id, start_date, counted_half_days);
CREATE INDEX absence_by_end ON absence (end_date, start_date, personnel_id) WHERE cancelled_at IS NULL;

CREATE TABLE holiday (
    holiday_id uuid NOT NULL PRIMARY KEY,
    date date NOT NULL CONSTRAINT holiday_date UNIQUE CHECK (date BETWEEN '0001-01-01' AND '9999-12-31'),
    label text COLLATE "C" NOT NULL,
    estimated boolean NOT NULL
);

-- Evaluations ----------------------------------------------------------------------------------------------------------

CREATE TABLE evaluation (
    evaluation_id uuid NOT NULL PRIMARY KEY,
    personnel_id uuid NOT NULL REFERENCES personnel (personnel_id),
    year integer NOT NULL,
    technical_competence integer CHECK (technical_competence BETWEEN 0 AND 2000),
    organisation integer CHECK (organisation BETWEEN 0 AND 2000),
    initiative integer CHECK (initiative BETWEEN 0 AND 2000),
    diligence integer CHECK (diligence BETWEEN 0 AND 2000),
    working_relations integer CHECK (working_relations BETWEEN 0 AND 2000),
    observations text COLLATE "C",
    final_mark integer CHECK (final_mark BETWEEN 0 AND 2000),
    version bigint NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL CHECK (isfinite(created_at)),
    updated_at timestamptz NOT NULL CHECK (isfinite(updated_at)),
    CONSTRAINT evaluation_year UNIQUE (personnel_id, year)
);
CREATE INDEX evaluation_mark ON evaluation (personnel_id, year, final_mark);
CREATE INDEX evaluation_by_year ON evaluation (year, personnel_id);

-- Accounts, sessions, login attempts -----------------------------------------------------------------------------------

CREATE TABLE users (
    user_id uuid NOT NULL PRIMARY KEY,
    email text COLLATE "C" NOT NULL,
    email_key text COLLATE "C" NOT NULL CONSTRAINT users_email UNIQUE,
    display_name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    search_key text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL CHECK (status IN ('active', 'inactive', 'suspended', 'pending')),
    personnel_id uuid CONSTRAINT users_personnel UNIQUE REFERENCES personnel (personnel_id),
    perimeter_programme_id uuid REFERENCES programme (programme_id),
    perimeter_directorate_id uuid REFERENCES directorate (directorate_id),
    perimeter_department_id uuid REFERENCES department (department_id),
    password_hash text COLLATE "C",
    must_change_password boolean NOT NULL,
    charter_version bigint NOT NULL CHECK (charter_version >= 0),
    session_epoch bigint NOT NULL,
    last_login_at timestamptz CHECK (isfinite(last_login_at)),
    version bigint NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL CHECK (isfinite(created_at)),
    updated_at timestamptz NOT NULL CHECK (isfinite(updated_at)),
    -- An account answers for one unit at most.
    CHECK (num_nonnulls(perimeter_programme_id, perimeter_directorate_id, perimeter_department_id) <= 1)
);
CREATE INDEX users_by_name ON users (name_key, user_id);

CREATE TABLE user_role (
    user_id uuid NOT NULL REFERENCES users (user_id),
    role text COLLATE "C" NOT NULL CHECK (
        role IN ('admin', 'daf', 'sdrh', 'sdb', 'sdc', 'cs', 'agent', 'invite')
    ),
    PRIMARY KEY (user_id, role)
);
CREATE INDEX user_role_holders ON user_role (role);

-- Only the digest of a session's token is here. A revoked session stays as a mark until it would have expired, so that
-- its key opens nothing again. Uses are written in place: no index covers last_used_at.
CREATE TABLE session (
    key_digest bytea NOT NULL PRIMARY KEY CHECK (octet_length(key_digest) = 32),
    handle uuid NOT NULL UNIQUE,
    user_id uuid NOT NULL REFERENCES users (user_id),
    user_epoch bigint NOT NULL,
    device text COLLATE "C" NOT NULL,
    address text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL CHECK (isfinite(created_at)),
    last_used_at timestamptz NOT NULL CHECK (isfinite(last_used_at)),
    expires_at timestamptz NOT NULL CHECK (isfinite(expires_at)),
    revoked_at timestamptz CHECK (isfinite(revoked_at))
) WITH (fillfactor = 80);
CREATE INDEX session_of_user ON session (user_id);
CREATE INDEX session_expiry ON session (expires_at);

-- An attempt in flight lapses at expires_at; a failure counts until then. Addresses and accounts are whatever a client
-- sent: bytes, since text refuses some.
CREATE TABLE login_attempt (
    attempt_id uuid NOT NULL PRIMARY KEY,
    address bytea NOT NULL,
    account bytea NOT NULL,
    failed boolean NOT NULL,
    expires_at timestamptz NOT NULL CHECK (isfinite(expires_at))
);
CREATE INDEX login_attempt_of_address ON login_attempt (address, failed, expires_at);
CREATE INDEX login_attempt_expiry ON login_attempt (expires_at);

-- Failures of an account in a row, across addresses, whether or not the account exists.
CREATE TABLE login_account (
    account bytea NOT NULL PRIMARY KEY,
    failures bigint NOT NULL CHECK (failures >= 0),
    last_attempt_at timestamptz NOT NULL CHECK (isfinite(last_attempt_at)),
    expires_at timestamptz NOT NULL CHECK (isfinite(expires_at))
);
CREATE INDEX login_account_expiry ON login_account (expires_at);

-- Addresses that logged in to an account.
CREATE TABLE login_known_address (
    account bytea NOT NULL,
    address bytea NOT NULL,
    expires_at timestamptz NOT NULL CHECK (isfinite(expires_at)),
    PRIMARY KEY (account, address)
);
CREATE INDEX login_known_address_expiry ON login_known_address (expires_at);

-- Journal, settings, imports, epochs -----------------------------------------------------------------------------------

-- The journal names records and accounts without depending on them.
CREATE TABLE activity (
    activity_id uuid NOT NULL PRIMARY KEY,
    at timestamptz NOT NULL CHECK (isfinite(at)),
    actor_id uuid,
    actor_name text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    entity text COLLATE "C" NOT NULL,
    entity_id uuid,
    subject_id uuid,
    label text COLLATE "C" NOT NULL,
    changes text COLLATE "C" NOT NULL,
    address text COLLATE "C",
    request_id text COLLATE "C",
    search_key text COLLATE "C" NOT NULL
);
CREATE INDEX activity_by_time ON activity (at, activity_id);
CREATE INDEX activity_of_entity ON activity (entity_id, at) WHERE entity_id IS NOT NULL;
CREATE INDEX activity_of_subject ON activity (subject_id, at) WHERE subject_id IS NOT NULL;
CREATE INDEX activity_of_actor ON activity (actor_id, at) WHERE actor_id IS NOT NULL;

CREATE TABLE setting (
    section text COLLATE "C" NOT NULL PRIMARY KEY,
    value text COLLATE "C" NOT NULL,
    version bigint NOT NULL CHECK (version >= 1)
);

-- Facts about the database itself, such as that it holds demonstration data.
CREATE TABLE fact (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    value text COLLATE "C" NOT NULL
);

CREATE TABLE import (
    import_id uuid NOT NULL PRIMARY KEY,
    user_id uuid NOT NULL,
    file_name text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL CHECK (status IN ('uploaded', 'running', 'done', 'failed')),
    mapping text COLLATE "C",
    report text COLLATE "C",
    created_at timestamptz NOT NULL CHECK (isfinite(created_at)),
    bytes bytea NOT NULL
);
CREATE INDEX import_of_user ON import (user_id, created_at);
CREATE INDEX import_by_time ON import (created_at);

-- Rows that many units write: room for new versions beside the old ones.
CREATE TABLE cache_epoch (
    namespace text COLLATE "C" NOT NULL PRIMARY KEY,
    value bigint NOT NULL CHECK (value >= 0)
) WITH (fillfactor = 50);
