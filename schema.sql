-- The whole database. Run on a file of an older version, the Flask app's and an empty one among them, so
-- each statement must do nothing where its work is done already. A change here raises the version in
-- src/store/schema.rs.

-- The tutorial's tables -------------------------------------------------------------------------
-- Word for word what SQLAlchemy's create_all() makes of the tutorial's models: the Flask app can be
-- stopped and this program started on the same file, and the other way round. Its rows may hold NULL
-- in every nullable column and any text in `role` and `status`, so nothing is tightened here; what
-- this program writes is checked before it arrives. `user` is quoted since it is a reserved word in
-- other databases.

CREATE TABLE IF NOT EXISTS "user" (
  id            INTEGER      NOT NULL,
  username      VARCHAR(80)  NOT NULL,
  email         VARCHAR(120) NOT NULL,
  password_hash VARCHAR(128) NOT NULL, -- in Werkzeug's form: pbkdf2:sha256:ITERATIONS$SALT$HEX
  role          VARCHAR(20),           -- employee, manager, admin
  is_approved   BOOLEAN,
  created_at    DATETIME,              -- UTC: 2026-11-23 04:22:41.136817
  PRIMARY KEY (id),
  UNIQUE (username),
  UNIQUE (email)
);

CREATE TABLE IF NOT EXISTS task (
  id               INTEGER      NOT NULL,
  title            VARCHAR(255) NOT NULL,
  description      TEXT,
  status           VARCHAR(20),        -- pending, in_progress, completed
  deadline         DATETIME,           -- UTC, as above
  created_at       DATETIME,
  assigned_user_id INTEGER,
  PRIMARY KEY (id),
  FOREIGN KEY (assigned_user_id) REFERENCES "user" (id)
);

-- Sessions ------------------------------------------------------------------------------------
-- What the Flask app knows nothing of: tables of their own, so that its own stay as they are.

-- A sign-in begins a session, and the access tokens that it gives out count as long as the row is there.
-- No token is in it, only the SHA-256 of the refresh token's random id: whoever reads the database cannot
-- sign in with it.
CREATE TABLE IF NOT EXISTS session (
  id              INTEGER      NOT NULL, -- random: the ids of rows that are gone would come back
  user_id         INTEGER      NOT NULL,
  user_created_at DATETIME,              -- SQLite gives an account's id out again, and then this differs
  created_at      DATETIME     NOT NULL,
  last_used_at    DATETIME     NOT NULL,
  refreshed_at    DATETIME     NOT NULL, -- when refresh_digest took the place of previous_digest
  expires_at      DATETIME     NOT NULL,
  refresh_digest  VARCHAR(64)  NOT NULL,
  previous_digest VARCHAR(64),           -- is answered for a few seconds, then it is a theft
  address         VARCHAR(45)  NOT NULL,
  user_agent      VARCHAR(255),
  PRIMARY KEY (id),
  FOREIGN KEY (user_id) REFERENCES "user" (id) ON DELETE CASCADE
);

-- Tokens of the Flask app belong to no session, and can be ended before their time all the same: one by
-- its SHA-256, or all that an account was given until a moment (in seconds since 1970, as tokens have it).
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

-- The record ------------------------------------------------------------------------------------
-- Who did what to which account. Rows are added and never changed; each one's hash covers the one before,
-- so that a row which is changed, removed or inserted later shows (`task-api audit verify`).
CREATE TABLE IF NOT EXISTS audit (
  id         INTEGER     NOT NULL,      -- 1, 2, 3 and so on
  at         DATETIME    NOT NULL,
  action     VARCHAR(40) NOT NULL,
  actor_id   INTEGER,                   -- names and ids as they were: accounts come and go
  actor      VARCHAR(80),
  subject_id INTEGER,
  subject    VARCHAR(80),
  address    VARCHAR(45),
  detail     TEXT,                      -- JSON
  hash       VARCHAR(64) NOT NULL,
  PRIMARY KEY (id)
);

-- One row: how many there are, and the last one's hash. Without it the end could be cut off.
CREATE TABLE IF NOT EXISTS audit_head (
  id    INTEGER     NOT NULL,
  count INTEGER     NOT NULL,
  hash  VARCHAR(64) NOT NULL,
  PRIMARY KEY (id)
);

-- Retries ---------------------------------------------------------------------------------------

-- What POST /tasks and POST /signup have made for requests with an Idempotency-Key, so that a retry makes
-- nothing twice and gets the same answer. `key` and `body` are HMACs: the body of a sign-up holds a
-- password. A row is written together with the one that it tells of, but does not refer to it: the
-- answer stays the same when the task is changed or gone.
CREATE TABLE IF NOT EXISTS idempotency (
  key        BLOB    NOT NULL,         -- of the header, the route and the caller
  body       BLOB    NOT NULL,         -- of these and what was sent
  shown      TEXT    NOT NULL,         -- the account or task as it was answered, JSON
  expires_at INTEGER NOT NULL,         -- in seconds since 1970; a row counts no more from then on
  PRIMARY KEY (key)
);

-- Indexes ---------------------------------------------------------------------------------------

-- Sign-in finds an account by its e-mail in any case. Not UNIQUE: the Flask app may have stored two
-- spellings of one address already, and its file must still open. SQLite's lower() knows ASCII only,
-- and both programs must compute an index alike; this program stores addresses in lower case, so only
-- a row of the Flask app's with capitals beyond ASCII has to be spelled as it was.
CREATE INDEX IF NOT EXISTS user_by_email ON "user" (lower(email));

-- An account's sessions, and what has expired.
CREATE INDEX IF NOT EXISTS session_by_user       ON session (user_id);
CREATE INDEX IF NOT EXISTS session_by_expiry     ON session (expires_at);
CREATE INDEX IF NOT EXISTS ended_token_by_expiry ON ended_token (expires_at);

-- GET /audit runs in the order of `id`; a moment is looked up first.
CREATE INDEX IF NOT EXISTS audit_by_action  ON audit (action, id);
CREATE INDEX IF NOT EXISTS audit_by_actor   ON audit (actor_id, id);
CREATE INDEX IF NOT EXISTS audit_by_subject ON audit (subject_id, id);
CREATE INDEX IF NOT EXISTS audit_by_time    ON audit (at, id);

-- GET /users runs in the order of `id`; one index for each set of filters. The Flask app may leave
-- `is_approved` NULL, which means no.
CREATE INDEX IF NOT EXISTS user_by_role          ON "user" (role, id);
CREATE INDEX IF NOT EXISTS user_by_approval      ON "user" (coalesce(is_approved, FALSE), id);
CREATE INDEX IF NOT EXISTS user_by_role_approval ON "user" (role, coalesce(is_approved, FALSE), id);

-- GET /tasks: three sort keys, each under every set of the two exact filters, so that the first row
-- of any page is one search away and the rest follow in order. `id` decides between equal keys. The
-- indexes that begin with `assigned_user_id` also find the tasks of an account that is deleted.
-- Where SQLite reckons that two indexes cost the same it takes the one made first: the narrower
-- searches, with two filters, come before those with one.
CREATE INDEX IF NOT EXISTS task_by_assignee_status_created  ON task (assigned_user_id, status, created_at, id);
CREATE INDEX IF NOT EXISTS task_by_assignee_status_deadline ON task (assigned_user_id, status, deadline, id);
CREATE INDEX IF NOT EXISTS task_by_assignee_status_title    ON task (assigned_user_id, status, title, id);
CREATE INDEX IF NOT EXISTS task_by_assignee_created         ON task (assigned_user_id, created_at, id);
CREATE INDEX IF NOT EXISTS task_by_assignee_deadline        ON task (assigned_user_id, deadline, id);
CREATE INDEX IF NOT EXISTS task_by_assignee_title           ON task (assigned_user_id, title, id);
CREATE INDEX IF NOT EXISTS task_by_status_created           ON task (status, created_at, id);
CREATE INDEX IF NOT EXISTS task_by_status_deadline          ON task (status, deadline, id);
CREATE INDEX IF NOT EXISTS task_by_status_title             ON task (status, title, id);
CREATE INDEX IF NOT EXISTS task_by_created                  ON task (created_at, id);
CREATE INDEX IF NOT EXISTS task_by_deadline                 ON task (deadline, id);
CREATE INDEX IF NOT EXISTS task_by_title                    ON task (title, id);

-- What has expired is found and removed a few rows at a time.
CREATE INDEX IF NOT EXISTS idempotency_by_expiry ON idempotency (expires_at);
