-- Conventions: identifiers are 16-byte blobs; instants are integers, microseconds since 1970-01-01 UTC; civil dates are
-- text, AAAA-MM-JJ, so that their order is the order of text; enumerations are codes; half-days, hundredths of marks and
-- half-day counts are integers. Columns named *_key hold text folded by the core.

-- The instant at which a statement runs, for statements that this database's clock judges.
CREATE VIEW clock (now_us) AS
SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) * 1000;

-- The ministry's units -------------------------------------------------------------------------------------------------

CREATE TABLE programme (
    programme_id BLOB NOT NULL PRIMARY KEY CHECK (length(programme_id) = 16),
    code TEXT NOT NULL,
    code_key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    head_id BLOB REFERENCES personnel (personnel_id),
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    version INTEGER NOT NULL CHECK (version >= 1)
) STRICT;

CREATE TABLE directorate (
    directorate_id BLOB NOT NULL PRIMARY KEY CHECK (length(directorate_id) = 16),
    programme_id BLOB NOT NULL REFERENCES programme (programme_id),
    code TEXT NOT NULL,
    code_key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    head_id BLOB REFERENCES personnel (personnel_id),
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    version INTEGER NOT NULL CHECK (version >= 1)
) STRICT;
CREATE INDEX directorate_programme ON directorate (programme_id);

CREATE TABLE department (
    department_id BLOB NOT NULL PRIMARY KEY CHECK (length(department_id) = 16),
    directorate_id BLOB NOT NULL REFERENCES directorate (directorate_id),
    code TEXT NOT NULL,
    code_key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    head_id BLOB REFERENCES personnel (personnel_id),
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    version INTEGER NOT NULL CHECK (version >= 1)
) STRICT;
CREATE INDEX department_directorate ON department (directorate_id);

-- Files of agents ------------------------------------------------------------------------------------------------------

CREATE TABLE personnel (
    personnel_id BLOB NOT NULL PRIMARY KEY CHECK (length(personnel_id) = 16),
    matricule TEXT NOT NULL,
    family_name TEXT NOT NULL,
    given_names TEXT NOT NULL,
    maiden_name TEXT,
    sex TEXT CHECK (sex IN ('female', 'male')),
    birth_date TEXT NOT NULL CHECK (birth_date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    birth_precision TEXT NOT NULL CHECK (birth_precision IN ('day', 'year')),
    birth_place TEXT,
    nationality TEXT,
    marital_status TEXT CHECK (marital_status IN ('single', 'married', 'divorced', 'widowed', 'common_law')),
    children INTEGER CHECK (children BETWEEN 0 AND 255),
    national_id TEXT,
    passport TEXT,
    status TEXT NOT NULL CHECK (status IN ('civil_servant', 'contractual', 'trainee', 'assigned')),
    position TEXT NOT NULL CHECK (position IN (
        'active', 'secondment', 'unpaid_leave_of_absence', 'long_term_leave', 'military_service', 'out_of_cadre',
        'suspension', 'retired'
    )),
    recruitment_date TEXT CHECK (recruitment_date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    service_start_date TEXT CHECK (service_start_date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    department_id BLOB REFERENCES department (department_id),
    job_title TEXT,
    grade TEXT CHECK (grade GLOB '[A-D][1-7]'),
    step INTEGER CHECK (step BETWEEN 1 AND 255),
    salary_index INTEGER CHECK (salary_index BETWEEN 1 AND 65535),
    retirement_extension TEXT CHECK (retirement_extension GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    work_phone TEXT,
    personal_phone TEXT,
    email TEXT,
    address TEXT,
    notes TEXT,
    departure_date TEXT CHECK (departure_date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    departure_reason TEXT CHECK (departure_reason IN (
        'retirement', 'resignation', 'transfer_out', 'end_of_contract', 'dismissal', 'death', 'other'
    )),
    retirement_date TEXT CHECK (retirement_date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- Derived by the core from the columns above, at each write.
    name_key TEXT NOT NULL,
    job_title_key TEXT,
    search_key TEXT NOT NULL,
    private_search_key TEXT NOT NULL,
    grade_rank INTEGER NOT NULL CHECK (grade_rank >= 0),
    completeness_percent INTEGER NOT NULL CHECK (completeness_percent BETWEEN 0 AND 100),
    archived INTEGER NOT NULL GENERATED ALWAYS AS (departure_date IS NOT NULL) STORED,
    CHECK ((departure_date IS NULL) = (departure_reason IS NULL))
) STRICT;
CREATE INDEX personnel_by_name ON personnel (archived, name_key, personnel_id);
CREATE INDEX personnel_by_matricule ON personnel (archived, matricule, personnel_id);
CREATE INDEX personnel_by_department ON personnel (department_id, archived);
CREATE INDEX personnel_by_retirement ON personnel (archived, retirement_date, personnel_id);
CREATE INDEX personnel_by_update ON personnel (archived, updated_at, personnel_id);
CREATE INDEX personnel_by_identity ON personnel (birth_date, name_key);
CREATE INDEX personnel_by_national_id ON personnel (national_id) WHERE national_id IS NOT NULL;

-- Every matricule that a file has or had: taken for ever, whatever its case.
CREATE TABLE personnel_matricule (
    matricule_key TEXT NOT NULL PRIMARY KEY,
    personnel_id BLOB NOT NULL REFERENCES personnel (personnel_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX personnel_matricule_of ON personnel_matricule (personnel_id);

-- Absences and public holidays -----------------------------------------------------------------------------------------

CREATE TABLE absence (
    absence_id BLOB NOT NULL PRIMARY KEY CHECK (length(absence_id) = 16),
    personnel_id BLOB NOT NULL REFERENCES personnel (personnel_id),
    kind TEXT NOT NULL CHECK (kind IN (
        'annual_leave', 'short_leave', 'sick_leave', 'maternity_leave', 'paternity_leave', 'training', 'mission',
        'unjustified', 'other'
    )),
    start_date TEXT NOT NULL CHECK (start_date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    start_half TEXT NOT NULL CHECK (start_half IN ('am', 'pm')),
    end_date TEXT NOT NULL CHECK (end_date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    end_half TEXT NOT NULL CHECK (end_half IN ('am', 'pm')),
    reason TEXT,
    counted_half_days INTEGER NOT NULL CHECK (counted_half_days >= 0),
    cancelled_at INTEGER,
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- « 2026-05-11am » comes before « 2026-05-11pm »: the order of half-days is the order of this text.
    start_slot TEXT NOT NULL GENERATED ALWAYS AS (start_date || start_half) STORED,
    end_slot TEXT NOT NULL GENERATED ALWAYS AS (end_date || end_half) STORED,
    CHECK (start_slot <= end_slot)
) STRICT;
CREATE INDEX absence_of_personnel ON absence (personnel_id, start_slot, end_slot, cancelled_at);
CREATE INDEX absence_by_start ON absence (start_slot, absence_id, cancelled_at, personnel_id, counted_half_days);
CREATE INDEX absence_by_end ON absence (end_date, start_date, personnel_id) WHERE cancelled_at IS NULL;

-- Two absences of one agent that are not cancelled never share a half-day. There is one writer at a time, so what these
-- triggers see is all there is.
CREATE TRIGGER absence_overlap_on_insert AFTER INSERT ON absence
WHEN NEW.cancelled_at IS NULL AND EXISTS (
    SELECT 1 FROM absence AS other
    WHERE other.personnel_id = NEW.personnel_id AND other.cancelled_at IS NULL
      AND other.start_slot <= NEW.end_slot AND other.end_slot >= NEW.start_slot
      AND other.absence_id <> NEW.absence_id
)
BEGIN
    SELECT RAISE(ABORT, 'absence.period overlaps');
END;
CREATE TRIGGER absence_overlap_on_update
AFTER UPDATE OF personnel_id, start_date, start_half, end_date, end_half, cancelled_at ON absence
WHEN NEW.cancelled_at IS NULL AND EXISTS (
    SELECT 1 FROM absence AS other
    WHERE other.personnel_id = NEW.personnel_id AND other.cancelled_at IS NULL
      AND other.start_slot <= NEW.end_slot AND other.end_slot >= NEW.start_slot
      AND other.absence_id <> NEW.absence_id
)
BEGIN
    SELECT RAISE(ABORT, 'absence.period overlaps');
END;

CREATE TABLE holiday (
    holiday_id BLOB NOT NULL PRIMARY KEY CHECK (length(holiday_id) = 16),
    date TEXT NOT NULL UNIQUE CHECK (date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    label TEXT NOT NULL,
    estimated INTEGER NOT NULL CHECK (estimated IN (0, 1))
) STRICT;

-- Evaluations ----------------------------------------------------------------------------------------------------------

CREATE TABLE evaluation (
    evaluation_id BLOB NOT NULL PRIMARY KEY CHECK (length(evaluation_id) = 16),
    personnel_id BLOB NOT NULL REFERENCES personnel (personnel_id),
    year INTEGER NOT NULL,
    technical_competence INTEGER CHECK (technical_competence BETWEEN 0 AND 2000),
    organisation INTEGER CHECK (organisation BETWEEN 0 AND 2000),
    initiative INTEGER CHECK (initiative BETWEEN 0 AND 2000),
    diligence INTEGER CHECK (diligence BETWEEN 0 AND 2000),
    working_relations INTEGER CHECK (working_relations BETWEEN 0 AND 2000),
    observations TEXT,
    final_mark INTEGER CHECK (final_mark BETWEEN 0 AND 2000),
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (personnel_id, year)
) STRICT;
CREATE INDEX evaluation_mark ON evaluation (personnel_id, year, final_mark);
CREATE INDEX evaluation_by_year ON evaluation (year, personnel_id);

-- Accounts, sessions, login attempts -----------------------------------------------------------------------------------

CREATE TABLE users (
    user_id BLOB NOT NULL PRIMARY KEY CHECK (length(user_id) = 16),
    email TEXT NOT NULL,
    email_key TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    search_key TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'inactive', 'suspended', 'pending')),
    personnel_id BLOB UNIQUE REFERENCES personnel (personnel_id),
    perimeter_programme_id BLOB REFERENCES programme (programme_id),
    perimeter_directorate_id BLOB REFERENCES directorate (directorate_id),
    perimeter_department_id BLOB REFERENCES department (department_id),
    password_hash TEXT,
    must_change_password INTEGER NOT NULL CHECK (must_change_password IN (0, 1)),
    charter_version INTEGER NOT NULL CHECK (charter_version >= 0),
    session_epoch INTEGER NOT NULL,
    last_login_at INTEGER,
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- An account answers for one unit at most.
    CHECK (
        (perimeter_programme_id IS NOT NULL) + (perimeter_directorate_id IS NOT NULL)
        + (perimeter_department_id IS NOT NULL) <= 1
    )
) STRICT;
CREATE INDEX users_by_name ON users (name_key, user_id);

CREATE TABLE user_role (
    user_id BLOB NOT NULL REFERENCES users (user_id),
    role TEXT NOT NULL CHECK (role IN ('admin', 'daf', 'sdrh', 'sdb', 'sdc', 'cs', 'agent', 'invite')),
    PRIMARY KEY (user_id, role)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_role_holders ON user_role (role);

-- Only the digest of a session's token is here. A revoked session stays as a mark until it would have expired, so that
-- its key opens nothing again.
CREATE TABLE session (
    key_digest BLOB NOT NULL PRIMARY KEY CHECK (length(key_digest) = 32),
    handle BLOB NOT NULL UNIQUE CHECK (length(handle) = 16),
    user_id BLOB NOT NULL REFERENCES users (user_id),
    user_epoch INTEGER NOT NULL,
    device TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX session_of_user ON session (user_id);
CREATE INDEX session_expiry ON session (expires_at);

-- An attempt in flight lapses at expires_at; a failure counts until then.
CREATE TABLE login_attempt (
    attempt_id BLOB NOT NULL PRIMARY KEY CHECK (length(attempt_id) = 16),
    address TEXT NOT NULL,
    account TEXT NOT NULL,
    failed INTEGER NOT NULL CHECK (failed IN (0, 1)),
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX login_attempt_of_address ON login_attempt (address, failed, expires_at);
CREATE INDEX login_attempt_expiry ON login_attempt (expires_at);

-- Failures of an account in a row, across addresses, whether or not the account exists.
CREATE TABLE login_account (
    account TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL CHECK (failures >= 0),
    last_attempt_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX login_account_expiry ON login_account (expires_at);

-- Addresses that logged in to an account.
CREATE TABLE login_known_address (
    account TEXT NOT NULL,
    address TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (account, address)
) STRICT;
CREATE INDEX login_known_address_expiry ON login_known_address (expires_at);

-- Journal, settings, imports, epochs -----------------------------------------------------------------------------------

-- The journal names records and accounts without depending on them.
CREATE TABLE activity (
    activity_id BLOB NOT NULL PRIMARY KEY CHECK (length(activity_id) = 16),
    at INTEGER NOT NULL,
    actor_id BLOB,
    actor_name TEXT NOT NULL,
    action TEXT NOT NULL,
    entity TEXT NOT NULL,
    entity_id BLOB,
    subject_id BLOB,
    label TEXT NOT NULL,
    changes TEXT NOT NULL,
    address TEXT,
    request_id TEXT,
    search_key TEXT NOT NULL
) STRICT;
CREATE INDEX activity_by_time ON activity (at, activity_id);
CREATE INDEX activity_of_entity ON activity (entity_id, at) WHERE entity_id IS NOT NULL;
CREATE INDEX activity_of_subject ON activity (subject_id, at) WHERE subject_id IS NOT NULL;
CREATE INDEX activity_of_actor ON activity (actor_id, at) WHERE actor_id IS NOT NULL;

CREATE TABLE setting (
    section TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1)
) STRICT, WITHOUT ROWID;

-- Facts about the database itself, such as that it holds demonstration data.
CREATE TABLE fact (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The bytes come last: the other columns are read without them.
CREATE TABLE import (
    import_id BLOB NOT NULL PRIMARY KEY CHECK (length(import_id) = 16),
    user_id BLOB NOT NULL,
    file_name TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('uploaded', 'running', 'done', 'failed')),
    mapping TEXT,
    report TEXT,
    created_at INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
CREATE INDEX import_of_user ON import (user_id, created_at);
CREATE INDEX import_by_time ON import (created_at);

CREATE TABLE cache_epoch (
    namespace TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL CHECK (value >= 0)
) STRICT, WITHOUT ROWID;
