-- The same tables and indexes as in schema.sql, which explains them, in the types of PostgreSQL. A test holds the two
-- against each other.
--
-- The tutorial's tables are as SQLAlchemy creates them there, with two exceptions: `password_hash` has room for the 162
-- characters of Werkzeug's scrypt hash, and titles are ordered by their bytes, as in SQLite.

-- The tutorial's tables -------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS "user" (
  id            SERIAL       NOT NULL,
  username      VARCHAR(80)  NOT NULL,
  email         VARCHAR(120) NOT NULL,
  password_hash VARCHAR(255) NOT NULL,
  role          VARCHAR(20),
  is_approved   BOOLEAN,
  created_at    TIMESTAMP,
  PRIMARY KEY (id),
  UNIQUE (username),
  UNIQUE (email)
);

CREATE TABLE IF NOT EXISTS task (
  id               SERIAL       NOT NULL,
  title            VARCHAR(255) COLLATE "C" NOT NULL,
  description      TEXT,
  status           VARCHAR(20),
  deadline         TIMESTAMP,
  created_at       TIMESTAMP,
  assigned_user_id INTEGER,
  PRIMARY KEY (id),
  FOREIGN KEY (assigned_user_id) REFERENCES "user" (id)
);

-- Accounts ------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS account_key (
  user_id      BIGINT       NOT NULL,
  username     VARCHAR(80)  NOT NULL,
  email        VARCHAR(120) NOT NULL,
  folded_name  TEXT         NOT NULL,
  written_name TEXT         NOT NULL,
  email_key    TEXT         NOT NULL,
  PRIMARY KEY (user_id),
  FOREIGN KEY (user_id) REFERENCES "user" (id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS pending_account (
  user_id BIGINT   NOT NULL,
  since   TIMESTAMP NOT NULL,
  PRIMARY KEY (user_id),
  FOREIGN KEY (user_id) REFERENCES "user" (id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS id_sequence (
  name VARCHAR(40) NOT NULL,
  last BIGINT      NOT NULL,
  PRIMARY KEY (name)
);

CREATE TABLE IF NOT EXISTS flask_takeover (
  id BIGINT   NOT NULL,
  at TIMESTAMP NOT NULL,
  PRIMARY KEY (id)
);

-- Task history ----------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS task_history (
  id              BIGSERIAL   NOT NULL,
  task_id         BIGINT      NOT NULL,
  task_created_at TIMESTAMP,
  at              TIMESTAMP   NOT NULL,
  action          VARCHAR(20) NOT NULL,
  changed         VARCHAR(80),
  status          VARCHAR(20),
  assignee_id     BIGINT,
  assignee        VARCHAR(80),
  actor_id        BIGINT,
  actor           VARCHAR(80),
  actor_role      VARCHAR(20),
  PRIMARY KEY (id)
);

-- One-time links ------------------------------------------------------------------------------
CREATE TABLE IF NOT EXISTS invitation (
  id               BIGINT       NOT NULL,
  digest           VARCHAR(64)  NOT NULL,
  role             VARCHAR(20)  NOT NULL,
  email            VARCHAR(120),
  first_only       BOOLEAN      NOT NULL,
  made_by          BIGINT,
  maker_created_at TIMESTAMP,
  created_at       TIMESTAMP    NOT NULL,
  expires_at       TIMESTAMP    NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (digest),
  FOREIGN KEY (made_by) REFERENCES "user" (id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS password_reset (
  user_id          BIGINT      NOT NULL,
  user_created_at  TIMESTAMP,
  digest           VARCHAR(64) NOT NULL,
  made_by          BIGINT,
  maker_created_at TIMESTAMP,
  created_at       TIMESTAMP   NOT NULL,
  expires_at       TIMESTAMP   NOT NULL,
  PRIMARY KEY (user_id),
  UNIQUE (digest),
  FOREIGN KEY (user_id) REFERENCES "user" (id) ON DELETE CASCADE,
  FOREIGN KEY (made_by) REFERENCES "user" (id) ON DELETE CASCADE
);

-- Tokens for scripts --------------------------------------------------------------------------
CREATE TABLE IF NOT EXISTS api_token (
  id              BIGINT      NOT NULL,
  user_id         BIGINT      NOT NULL,
  user_created_at TIMESTAMP,
  name            VARCHAR(80) NOT NULL,
  scope           VARCHAR(20) NOT NULL,
  digest          VARCHAR(64) NOT NULL,
  created_at      TIMESTAMP   NOT NULL,
  expires_at      TIMESTAMP,
  last_used_at    TIMESTAMP,
  PRIMARY KEY (id),
  UNIQUE (digest),
  FOREIGN KEY (user_id) REFERENCES "user" (id) ON DELETE CASCADE
);

-- Sessions ------------------------------------------------------------------------------------
CREATE TABLE IF NOT EXISTS session (
  id              BIGINT       NOT NULL,
  user_id         BIGINT       NOT NULL,
  user_created_at TIMESTAMP,
  created_at      TIMESTAMP    NOT NULL,
  last_used_at    TIMESTAMP    NOT NULL,
  refreshed_at    TIMESTAMP    NOT NULL,
  expires_at      TIMESTAMP    NOT NULL,
  refresh_digest  VARCHAR(64)  NOT NULL,
  previous_digest VARCHAR(64),
  address         VARCHAR(45)  NOT NULL,
  user_agent      VARCHAR(255),
  PRIMARY KEY (id),
  FOREIGN KEY (user_id) REFERENCES "user" (id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS ended_token (
  digest     VARCHAR(64) NOT NULL,
  expires_at TIMESTAMP   NOT NULL,
  PRIMARY KEY (digest)
);

CREATE TABLE IF NOT EXISTS token_cutoff (
  user_id       BIGINT  NOT NULL,
  issued_before BIGINT  NOT NULL,
  PRIMARY KEY (user_id),
  FOREIGN KEY (user_id) REFERENCES "user" (id) ON DELETE CASCADE
);

-- Audit log -------------------------------------------------------------------------------------
CREATE TABLE IF NOT EXISTS audit (
  id         BIGINT      NOT NULL,
  at         TIMESTAMP   NOT NULL,
  action     VARCHAR(40) NOT NULL,
  actor_id   BIGINT,
  actor      VARCHAR(80),
  subject_id BIGINT,
  subject    VARCHAR(80),
  address    VARCHAR(45),
  detail     TEXT,
  hash       VARCHAR(64) NOT NULL,
  request_id VARCHAR(128),
  os_user    VARCHAR(64),
  latest_at  TIMESTAMP,
  PRIMARY KEY (id)
);

INSERT INTO id_sequence (name, last)
  SELECT 'user', coalesce(max(CASE WHEN actor_id > coalesce(subject_id, 0) THEN actor_id ELSE subject_id END), 0)
  FROM audit WHERE TRUE
  ON CONFLICT (name) DO NOTHING;

CREATE TABLE IF NOT EXISTS audit_head (
  id    BIGINT      NOT NULL,
  count BIGINT      NOT NULL,
  hash  VARCHAR(64) NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE IF NOT EXISTS audit_seal (
  epoch    BIGINT      NOT NULL,
  began_at TIMESTAMP   NOT NULL,
  count    BIGINT      NOT NULL,
  hash     VARCHAR(64) NOT NULL,
  mac      VARCHAR(64) NOT NULL,
  PRIMARY KEY (epoch)
);

CREATE TABLE IF NOT EXISTS audit_start (
  id    BIGINT      NOT NULL,
  count BIGINT      NOT NULL,
  hash  VARCHAR(64) NOT NULL,
  PRIMARY KEY (id)
);

-- Idempotency -----------------------------------------------------------------------------------
CREATE TABLE IF NOT EXISTS idempotency (
  key        BYTEA   NOT NULL,
  body       BYTEA   NOT NULL,
  shown      TEXT    NOT NULL,
  expires_at BIGINT  NOT NULL,
  PRIMARY KEY (key)
);

-- Storage -----------------------------------------------------------------------------------------
CREATE TABLE IF NOT EXISTS storage_mark (
  id      BIGINT  NOT NULL,
  number  BIGINT  NOT NULL,
  in_file BIGINT  NOT NULL,
  PRIMARY KEY (id)
);

-- Indexes ---------------------------------------------------------------------------------------

CREATE INDEX IF NOT EXISTS account_key_by_folded_name  ON account_key (folded_name);
CREATE INDEX IF NOT EXISTS account_key_by_written_name ON account_key (written_name);
CREATE INDEX IF NOT EXISTS account_key_by_email        ON account_key (email_key);

CREATE INDEX IF NOT EXISTS pending_account_by_time ON pending_account (since);

CREATE INDEX IF NOT EXISTS invitation_by_maker      ON invitation (made_by);
CREATE INDEX IF NOT EXISTS invitation_by_expiry     ON invitation (expires_at);
CREATE INDEX IF NOT EXISTS password_reset_by_maker  ON password_reset (made_by);
CREATE INDEX IF NOT EXISTS password_reset_by_expiry ON password_reset (expires_at);
CREATE INDEX IF NOT EXISTS api_token_by_user        ON api_token (user_id, id);
CREATE INDEX IF NOT EXISTS api_token_by_expiry      ON api_token (expires_at);

CREATE INDEX IF NOT EXISTS session_by_user       ON session (user_id);
CREATE INDEX IF NOT EXISTS session_by_expiry     ON session (expires_at);
CREATE INDEX IF NOT EXISTS ended_token_by_expiry ON ended_token (expires_at);

CREATE INDEX IF NOT EXISTS audit_by_action  ON audit (action, id);
CREATE INDEX IF NOT EXISTS audit_by_actor   ON audit (actor_id, id);
CREATE INDEX IF NOT EXISTS audit_by_subject ON audit (subject_id, id);
CREATE INDEX IF NOT EXISTS audit_by_latest_time ON audit (coalesce(latest_at, at), id);
CREATE INDEX IF NOT EXISTS audit_late           ON audit (id) WHERE latest_at IS NOT NULL;

CREATE INDEX IF NOT EXISTS user_by_role          ON "user" (role, id);
CREATE INDEX IF NOT EXISTS user_by_approval      ON "user" (coalesce(is_approved, FALSE), id);
CREATE INDEX IF NOT EXISTS user_by_role_approval ON "user" (role, coalesce(is_approved, FALSE), id);

CREATE INDEX IF NOT EXISTS task_by_assignee_created  ON task (assigned_user_id, created_at, id);
CREATE INDEX IF NOT EXISTS task_by_assignee_deadline ON task (assigned_user_id, deadline, id);
CREATE INDEX IF NOT EXISTS task_by_assignee_title    ON task (assigned_user_id, title, id);
CREATE INDEX IF NOT EXISTS task_by_status_created    ON task (status, created_at, id);
CREATE INDEX IF NOT EXISTS task_by_status_deadline   ON task (status, deadline, id);
CREATE INDEX IF NOT EXISTS task_by_status_title      ON task (status, title, id);
CREATE INDEX IF NOT EXISTS task_by_created           ON task (created_at, id);
CREATE INDEX IF NOT EXISTS task_by_deadline          ON task (deadline, id);
CREATE INDEX IF NOT EXISTS task_by_title             ON task (title, id);

CREATE INDEX IF NOT EXISTS task_unknown_status_created  ON task (created_at, id)
  WHERE coalesce(status, '') NOT IN ('pending', 'in_progress', 'completed');
CREATE INDEX IF NOT EXISTS task_unknown_status_deadline ON task (deadline, id)
  WHERE coalesce(status, '') NOT IN ('pending', 'in_progress', 'completed');
CREATE INDEX IF NOT EXISTS task_unknown_status_title    ON task (title, id)
  WHERE coalesce(status, '') NOT IN ('pending', 'in_progress', 'completed');

CREATE INDEX IF NOT EXISTS task_history_by_task ON task_history (task_id, id);

DROP INDEX IF EXISTS audit_by_time;
DROP INDEX IF EXISTS user_by_email;
DROP INDEX IF EXISTS task_by_assignee_status_created;
DROP INDEX IF EXISTS task_by_assignee_status_deadline;
DROP INDEX IF EXISTS task_by_assignee_status_title;

CREATE INDEX IF NOT EXISTS idempotency_by_expiry ON idempotency (expires_at);
