-- The whole database: tables first, then indexes.
--
-- This script is also the migration. It runs on an empty file, on the Flask app's file and on a file of an
-- older version, so each statement must be idempotent (IF NOT EXISTS, IF EXISTS): it does nothing if its work
-- is already done. After a change here, raise VERSION in src/store/schema.rs.
--
-- Every DATETIME is text in UTC, as SQLAlchemy writes it: 2026-11-23 04:22:41.136817.

-- The tutorial's tables -------------------------------------------------------------------------
-- Word for word what SQLAlchemy's create_all() generates from the tutorial's models, so that either program
-- can be stopped and the other one started on the same file. The Flask app may store NULL in every nullable
-- column and any text in `role` and `status`, so these tables have no further constraints; this program
-- checks values before it writes them. `user` is quoted because it is a reserved word in other databases.

CREATE TABLE IF NOT EXISTS "user" (
  id            INTEGER      NOT NULL,
  username      VARCHAR(80)  NOT NULL,
  email         VARCHAR(120) NOT NULL,
  password_hash VARCHAR(128) NOT NULL, -- Werkzeug's format: pbkdf2:sha256:ITERATIONS$SALT$HEX
  role          VARCHAR(20),           -- employee, manager, admin
  is_approved   BOOLEAN,               -- NULL means no
  created_at    DATETIME,
  PRIMARY KEY (id),
  UNIQUE (username),
  UNIQUE (email)
);

CREATE TABLE IF NOT EXISTS task (
  id               INTEGER      NOT NULL,
  title            VARCHAR(255) NOT NULL,
  description      TEXT,
  status           VARCHAR(20),        -- pending, in_progress, completed
  deadline         DATETIME,
  created_at       DATETIME,
  assigned_user_id INTEGER,            -- NULL: assigned to no account
  PRIMARY KEY (id),
  FOREIGN KEY (assigned_user_id) REFERENCES "user" (id)
);

-- Accounts ------------------------------------------------------------------------------------
-- From here on the tables are this program's own. They are separate, so that the Flask app's tables stay as
-- they are.

-- The forms of an account's name and e-mail address by which accounts are compared. SQL cannot compute them, and
-- the Flask app does not write this table: `username` and `email` are the texts that the keys were computed from, so a
-- row that differs from "user" is computed again. A version that computes the keys in another way must first delete
-- all rows. Two names look alike if a key of one equals a key of the other.
CREATE TABLE IF NOT EXISTS account_key (
  user_id      INTEGER      NOT NULL,
  username     VARCHAR(80)  NOT NULL,
  email        VARCHAR(120) NOT NULL,
  folded_name  TEXT         NOT NULL,    -- UTS 39 skeleton of the name in lower case
  written_name TEXT         NOT NULL,    -- UTS 39 skeleton of the name as it is written
  email_key    TEXT         NOT NULL,    -- the canonical e-mail address
  PRIMARY KEY (user_id),
  FOREIGN KEY (user_id) REFERENCES "user" (id) ON DELETE CASCADE
);

-- The accounts that have signed up and that no admin has approved yet. PENDING_ACCOUNTS_EXPIRE removes them. An
-- account whose approval is withdrawn, or that the Flask app has created, is not in this table and stays.
CREATE TABLE IF NOT EXISTS pending_account (
  user_id INTEGER  NOT NULL,
  since   DATETIME NOT NULL,             -- when the account was created: differs if the Flask app has reused its id
  PRIMARY KEY (user_id),
  FOREIGN KEY (user_id) REFERENCES "user" (id) ON DELETE CASCADE
);

-- The last id that was given to a row of a table. SQLite would give the id of a deleted row to a new one, and a
-- request about the deleted one would then change the new one.
CREATE TABLE IF NOT EXISTS id_sequence (
  name VARCHAR(40) NOT NULL,             -- of the table
  last INTEGER     NOT NULL,
  PRIMARY KEY (name)
);

-- One row if the Flask app has created this database: when this program took it over. Tokens of the Flask app are
-- accepted for a limited time from then on.
CREATE TABLE IF NOT EXISTS flask_takeover (
  id INTEGER  NOT NULL,
  at DATETIME NOT NULL,
  PRIMARY KEY (id)
);

-- Task history ----------------------------------------------------------------------------------
-- Who did what to a task, and when: one row for each change, in the transaction of the change. A row names the fields
-- that have changed and holds the new status and assignee only, so no old text is kept. HISTORY_KEEP removes old rows.
-- The deletion of a task removes its rows and leaves one. The highest id is the version of all tasks (see
-- src/store/task_history.rs), so each change of a task must add a row.
CREATE TABLE IF NOT EXISTS task_history (
  id              INTEGER     NOT NULL,  -- in the order of writing
  task_id         INTEGER     NOT NULL,
  task_created_at DATETIME,              -- of the task: differs if its id has been reused
  at              DATETIME    NOT NULL,
  action          VARCHAR(20) NOT NULL,  -- created, changed, deleted
  changed         VARCHAR(80),           -- the names of the changed fields, separated by commas
  status          VARCHAR(20),           -- the first one (created), or the new one if `changed` names it
  assignee_id     INTEGER,               -- likewise; no foreign keys: accounts are deleted
  assignee        VARCHAR(80),
  actor_id        INTEGER,               -- NULL: the server, or the command line
  actor           VARCHAR(80),
  actor_role      VARCHAR(20),
  PRIMARY KEY (id)
);

-- One-time links ------------------------------------------------------------------------------
-- The random token of a link is stored as its SHA-256 only. A row is deleted when its link is used, withdrawn or
-- expired. A link is valid only while the admin who made it is an approved admin; `made_by` is NULL for a link that the
-- command line or a start has made. `maker_created_at` differs from the account's if the Flask app has reused its id.
CREATE TABLE IF NOT EXISTS invitation (
  id               INTEGER      NOT NULL,
  digest           VARCHAR(64)  NOT NULL,
  role             VARCHAR(20)  NOT NULL, -- of the new account
  email            VARCHAR(120),          -- the only e-mail address that may use it; NULL: any
  first_only       BOOLEAN      NOT NULL, -- valid only while no approved admin exists
  made_by          INTEGER,
  maker_created_at DATETIME,
  created_at       DATETIME     NOT NULL,
  expires_at       DATETIME     NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (digest),
  FOREIGN KEY (made_by) REFERENCES "user" (id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS password_reset (
  user_id          INTEGER     NOT NULL,  -- one for each account: a new link replaces the old one
  user_created_at  DATETIME,              -- of the account: differs if the Flask app has reused its id
  digest           VARCHAR(64) NOT NULL,
  made_by          INTEGER,
  maker_created_at DATETIME,
  created_at       DATETIME    NOT NULL,
  expires_at       DATETIME    NOT NULL,
  PRIMARY KEY (user_id),
  UNIQUE (digest),
  FOREIGN KEY (user_id) REFERENCES "user" (id) ON DELETE CASCADE,
  FOREIGN KEY (made_by) REFERENCES "user" (id) ON DELETE CASCADE
);

-- Tokens for scripts --------------------------------------------------------------------------
-- Personal access tokens. Only the SHA-256 of a token is stored.
CREATE TABLE IF NOT EXISTS api_token (
  id              INTEGER     NOT NULL,
  user_id         INTEGER     NOT NULL,
  user_created_at DATETIME,              -- of the account: differs if the Flask app has reused its id
  name            VARCHAR(80) NOT NULL,
  scope           VARCHAR(20) NOT NULL,  -- read, full
  digest          VARCHAR(64) NOT NULL,
  created_at      DATETIME    NOT NULL,
  expires_at      DATETIME,              -- NULL: never
  last_used_at    DATETIME,              -- NULL: not yet
  PRIMARY KEY (id),
  UNIQUE (digest),
  FOREIGN KEY (user_id) REFERENCES "user" (id) ON DELETE CASCADE
);

-- Sessions ------------------------------------------------------------------------------------
-- A sign-in starts a session. Its access tokens are valid as long as this row exists; a sign-out deletes the
-- row. The row holds no token, only the SHA-256 of the refresh token's random id, so a reader of the database
-- cannot sign in with it.
--
-- Refresh token rotation: the use of a refresh token replaces it, but not while that of a browser is younger
-- than 120 seconds (src/auth/refresh_token_rotation.rs). `previous_digest` detects the reuse of a
-- token that has been replaced already, which means that it has been stolen; the session ends then. It is
-- still accepted for a short time, for retries and for two tabs of one browser.
CREATE TABLE IF NOT EXISTS session (
  id              INTEGER      NOT NULL, -- random
  user_id         INTEGER      NOT NULL,
  user_created_at DATETIME,              -- of the account: differs if the Flask app has reused its id
  created_at      DATETIME     NOT NULL,
  last_used_at    DATETIME     NOT NULL,
  refreshed_at    DATETIME     NOT NULL, -- when refresh_digest replaced previous_digest
  expires_at      DATETIME     NOT NULL,
  refresh_digest  VARCHAR(64)  NOT NULL,
  previous_digest VARCHAR(64),
  address         VARCHAR(45)  NOT NULL, -- of the client that signed in
  user_agent      VARCHAR(255),
  PRIMARY KEY (id),
  FOREIGN KEY (user_id) REFERENCES "user" (id) ON DELETE CASCADE
);

-- Revocation of tokens that the Flask app has issued. They belong to no session, so these tables end them
-- before they expire: one token by its SHA-256, or all tokens of an account that were issued at or before
-- `issued_before` (in seconds since 1970, as the claim `iat` has it).
CREATE TABLE IF NOT EXISTS ended_token (
  digest     VARCHAR(64) NOT NULL,
  expires_at DATETIME    NOT NULL,
  PRIMARY KEY (digest)
);

CREATE TABLE IF NOT EXISTS token_cutoff (
  user_id       INTEGER NOT NULL,
  issued_before INTEGER NOT NULL,
  PRIMARY KEY (user_id),
  FOREIGN KEY (user_id) REFERENCES "user" (id) ON DELETE CASCADE
);

-- Audit log -------------------------------------------------------------------------------------
-- Security-relevant actions: the acting account, the affected account, time and client address. Append-only:
-- rows are never changed; AUDIT_KEEP removes them from the old end. Each row's hash covers the hash of the row
-- before it (hash chain), so `task-api audit verify` detects a row that is changed, removed or inserted later.
CREATE TABLE IF NOT EXISTS audit (
  id         INTEGER     NOT NULL,      -- 1, 2, 3 and so on, in the order of writing, without gaps
  at         DATETIME    NOT NULL,      -- by the server's clock
  action     VARCHAR(40) NOT NULL,
  actor_id   INTEGER,                   -- names and ids at that time; no foreign key: accounts are deleted
  actor      VARCHAR(80),
  subject_id INTEGER,
  subject    VARCHAR(80),
  address    VARCHAR(45),
  detail     TEXT,                      -- JSON
  hash       VARCHAR(64) NOT NULL,
  request_id VARCHAR(128),              -- of the request, as in the log; NULL on the command line
  os_user    VARCHAR(64),               -- on the command line: the user of the operating system
  latest_at  DATETIME,                  -- if the clock has been set back: the latest time of an earlier row
  PRIMARY KEY (id)
);

-- The ids of accounts that were deleted before this version are not given out again either, as far as they are known.
INSERT INTO id_sequence (name, last)
  SELECT 'user', coalesce(max(CASE WHEN actor_id > coalesce(subject_id, 0) THEN actor_id ELSE subject_id END), 0)
  FROM audit WHERE TRUE
  ON CONFLICT (name) DO NOTHING;

-- The head of the hash chain, one row: the number of rows in `audit`, and the last row's hash. Without it the
-- last rows could be removed unnoticed.
CREATE TABLE IF NOT EXISTS audit_head (
  id    INTEGER     NOT NULL,
  count INTEGER     NOT NULL,
  hash  VARCHAR(64) NOT NULL,
  PRIMARY KEY (id)
);

-- Seals of the hash chain: HMACs of its head, with a key in a file beside the database. Each epoch has a seal, which
-- every commit with new rows renews. At the end of an epoch the key is replaced by its hash (forward security), so
-- the seal of a past epoch cannot be made again, and a copy of an old key verifies all later seals.
CREATE TABLE IF NOT EXISTS audit_seal (
  epoch    INTEGER     NOT NULL,         -- 1, 2, 3 and so on
  began_at DATETIME    NOT NULL,         -- of the epoch
  count    INTEGER     NOT NULL,         -- of the head
  hash     VARCHAR(64) NOT NULL,         -- of the head; empty if the log was
  mac      VARCHAR(64) NOT NULL,         -- HMAC of the other columns
  PRIMARY KEY (epoch)
);

-- The start of the hash chain after old rows were removed (AUDIT_KEEP), one row: the number of removed rows, and
-- the hash of the last of them. A later row of `audit` says the same.
CREATE TABLE IF NOT EXISTS audit_start (
  id    INTEGER     NOT NULL,
  count INTEGER     NOT NULL,
  hash  VARCHAR(64) NOT NULL,
  PRIMARY KEY (id)
);

-- Idempotency -----------------------------------------------------------------------------------
-- The first responses of POST /tasks and POST /signup to requests with an Idempotency-Key: a retry creates
-- nothing a second time and gets the same response. `key` and `body` are HMACs and not plain text, since the
-- body of a sign-up holds a password. A row is written in one transaction with the task or account that it
-- describes. It does not refer to that row, so the response stays the same after the task is changed or deleted.
CREATE TABLE IF NOT EXISTS idempotency (
  key        BLOB    NOT NULL,         -- HMAC of the header, the route and the caller
  body       BLOB    NOT NULL,         -- HMAC of these and the request body
  shown      TEXT    NOT NULL,         -- the account or task in the first response, JSON
  expires_at INTEGER NOT NULL,         -- in seconds since 1970; from then on the row is ignored
  PRIMARY KEY (key)
);

-- Storage -----------------------------------------------------------------------------------------
-- One row, which the server changes at the first write after each checkpoint, and to test whether it can write.
-- `number` counts these changes. `in_file` was the number in the database file alone, without the write-ahead log,
-- at that time. A database file whose own number is lower is an older copy, to which the log does not belong.
CREATE TABLE IF NOT EXISTS storage_mark (
  id      INTEGER NOT NULL,
  number  INTEGER NOT NULL,
  in_file INTEGER NOT NULL,
  PRIMARY KEY (id)
);

-- Indexes ---------------------------------------------------------------------------------------

-- Accounts by their keys, none of which is UNIQUE: the Flask app may have stored rows with equal keys, and its file
-- must still open.
CREATE INDEX IF NOT EXISTS account_key_by_folded_name  ON account_key (folded_name);
CREATE INDEX IF NOT EXISTS account_key_by_written_name ON account_key (written_name);
CREATE INDEX IF NOT EXISTS account_key_by_email        ON account_key (email_key);

-- The accounts that have awaited approval for the longest time.
CREATE INDEX IF NOT EXISTS pending_account_by_time ON pending_account (since);

-- Links and tokens: those of an account; the expired ones, which maintenance deletes.
CREATE INDEX IF NOT EXISTS invitation_by_maker      ON invitation (made_by);
CREATE INDEX IF NOT EXISTS invitation_by_expiry     ON invitation (expires_at);
CREATE INDEX IF NOT EXISTS password_reset_by_maker  ON password_reset (made_by);
CREATE INDEX IF NOT EXISTS password_reset_by_expiry ON password_reset (expires_at);
CREATE INDEX IF NOT EXISTS api_token_by_user        ON api_token (user_id, id);
CREATE INDEX IF NOT EXISTS api_token_by_expiry      ON api_token (expires_at);

-- The sessions of an account; the expired rows, which maintenance deletes.
CREATE INDEX IF NOT EXISTS session_by_user       ON session (user_id);
CREATE INDEX IF NOT EXISTS session_by_expiry     ON session (expires_at);
CREATE INDEX IF NOT EXISTS ended_token_by_expiry ON ended_token (expires_at);

-- GET /audit lists in the order of `id`, with an optional filter. `audit_by_latest_time` turns the filters `since`
-- and `before` into an id: the latest time until a row grows with `id`, also if the clock has been set back. The rows
-- written after that, before the clock has caught up, are in `audit_late`.
CREATE INDEX IF NOT EXISTS audit_by_action  ON audit (action, id);
CREATE INDEX IF NOT EXISTS audit_by_actor   ON audit (actor_id, id);
CREATE INDEX IF NOT EXISTS audit_by_subject ON audit (subject_id, id);
CREATE INDEX IF NOT EXISTS audit_by_latest_time ON audit (coalesce(latest_at, at), id);
CREATE INDEX IF NOT EXISTS audit_late           ON audit (id) WHERE latest_at IS NOT NULL;

-- GET /users lists in the order of `id`: one index for each combination of the exact filters. coalesce(),
-- because the Flask app may leave `is_approved` NULL, which means no.
CREATE INDEX IF NOT EXISTS user_by_role          ON "user" (role, id);
CREATE INDEX IF NOT EXISTS user_by_approval      ON "user" (coalesce(is_approved, FALSE), id);
CREATE INDEX IF NOT EXISTS user_by_role_approval ON "user" (role, coalesce(is_approved, FALSE), id);

-- GET /tasks: 3 sort keys, each for all tasks, for those of an account and for those with a status: 9 indexes.
-- The column of the filter comes first, then the sort key, then `id`, which orders rows with equal keys. So
-- SQLite finds the first row of any page with one search and reads the rest in index order, without sorting
-- (keyset pagination, see src/store/tasks.rs). A page tests all other filters on the rows that it reads. The
-- indexes that begin with `assigned_user_id` also find the tasks of a deleted account.
CREATE INDEX IF NOT EXISTS task_by_assignee_created  ON task (assigned_user_id, created_at, id);
CREATE INDEX IF NOT EXISTS task_by_assignee_deadline ON task (assigned_user_id, deadline, id);
CREATE INDEX IF NOT EXISTS task_by_assignee_title    ON task (assigned_user_id, title, id);
CREATE INDEX IF NOT EXISTS task_by_status_created    ON task (status, created_at, id);
CREATE INDEX IF NOT EXISTS task_by_status_deadline   ON task (status, deadline, id);
CREATE INDEX IF NOT EXISTS task_by_status_title      ON task (status, title, id);
CREATE INDEX IF NOT EXISTS task_by_created           ON task (created_at, id);
CREATE INDEX IF NOT EXISTS task_by_deadline          ON task (deadline, id);
CREATE INDEX IF NOT EXISTS task_by_title             ON task (title, id);

-- The same for the tasks whose status is none of this program's: rows of the Flask app, usually none.
CREATE INDEX IF NOT EXISTS task_unknown_status_created  ON task (created_at, id)
  WHERE coalesce(status, '') NOT IN ('pending', 'in_progress', 'completed');
CREATE INDEX IF NOT EXISTS task_unknown_status_deadline ON task (deadline, id)
  WHERE coalesce(status, '') NOT IN ('pending', 'in_progress', 'completed');
CREATE INDEX IF NOT EXISTS task_unknown_status_title    ON task (title, id)
  WHERE coalesce(status, '') NOT IN ('pending', 'in_progress', 'completed');

-- The history of a task.
CREATE INDEX IF NOT EXISTS task_history_by_task ON task_history (task_id, id);

-- Indexes of earlier versions.
DROP INDEX IF EXISTS audit_by_time;
DROP INDEX IF EXISTS user_by_email;
DROP INDEX IF EXISTS task_by_assignee_status_created;
DROP INDEX IF EXISTS task_by_assignee_status_deadline;
DROP INDEX IF EXISTS task_by_assignee_status_title;

-- The expired rows, which maintenance deletes a few at a time.
CREATE INDEX IF NOT EXISTS idempotency_by_expiry ON idempotency (expires_at);
