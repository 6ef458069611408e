"""The database that the programs start with: accounts and tasks."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import datetime, timedelta

PASSWORD = "correct horse battery"
TASKS = 10_000
# Approved admins, whose tokens the requests use in turn.
MEMBERS = [f"member{number}@example.com" for number in range(100)]
# Approved employees, who sign in while this is measured.
PEOPLE = [f"person{number}@example.com" for number in range(200)]
DESCRIPTION = "Check the report and send it back"
LONG_TASKS = 1_000
# A search text that occurs in no title and no description. In each long description it matches up to its last
# character at every position, so a search that compares at each position takes as long as possible.
NO_MATCH = "zzzz"
NO_MATCH_IN_LONG = "a" * 50 + "b"


def create(binary, path):
    """Creates a database with 300 accounts and 10,000 tasks. All accounts have the same password and hash: task-api
    creates the first one, and the others are copies of its row."""
    first = MEMBERS[0]
    command = [binary, "user", "create", "--username", username(first), "--email", first, "--role", "admin",
               "--approved", "--password-stdin"]
    environment = os.environ | {"DATABASE_URL": f"sqlite:///{path}"}
    subprocess.run(command, env=environment, input=PASSWORD, text=True, check=True, stdout=subprocess.DEVNULL)
    with closing(sqlite3.connect(path)) as db, db:
        accounts = [(username(email), email, "admin") for email in MEMBERS[1:]]
        accounts += [(username(email), email, "employee") for email in PEOPLE]
        db.executemany(
            'INSERT INTO "user" (username, email, password_hash, role, is_approved, created_at)'
            ' SELECT ?, ?, password_hash, ?, is_approved, created_at FROM "user" WHERE id = 1',
            accounts,
        )
        insert_tasks(db, [(f"Task {number}", DESCRIPTION) for number in range(TASKS)])
    write_back(path)


def username(email):
    return email.split("@")[0]


def insert_tasks(db, texts):
    begin = datetime(2026, 1, 1)
    times = (str(begin + timedelta(seconds=number, microseconds=1)) for number in range(len(texts)))
    db.executemany(
        "INSERT INTO task (title, description, status, created_at, assigned_user_id) VALUES (?, ?, 'pending', ?, 1)",
        [(*text, time) for text, time in zip(texts, times)],
    )


def add_long_tasks(path):
    """Adds a thousand tasks with descriptions of 10,000 characters."""
    with closing(sqlite3.connect(path)) as db, db:
        insert_tasks(db, [(f"Long task {number}", "a" * 10_000) for number in range(LONG_TASKS)])
    write_back(path)


def write_back(path):
    """Moves everything from the write-ahead log into the database, so that the file can be copied alone."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def copy(source, target):
    """Copies a database and waits until the copy is on the disk. Otherwise the first commits of the server that is
    measured could wait for it."""
    shutil.copy(source, target)
    with open(target, "rb+") as file:
        os.fsync(file.fileno())


def remove(path):
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
