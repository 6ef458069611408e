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

-- This program's own ----------------------------------------------------------------------------

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
