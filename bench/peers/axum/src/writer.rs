//! Writes, with group commit: one thread inserts all tasks that wait and commits them in one transaction. Each
//! request gets its response after the commit is on the disk (`synchronous = FULL`).

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rusqlite::{Connection, Statement, params};
use tokio::sync::oneshot;

use crate::error::Error;
use crate::reader::connect;
use crate::tasks::NewTask;

/// The largest number of tasks in one transaction.
const MAX_BATCH: usize = 1000;

/// The four indexes that stay if this program chooses the indexes of the tasks.
const OWN_INDEXES: [&str; 4] = [
    "task_by_created",
    "task_by_assignee_created",
    "task_by_status_created",
    "task_by_deadline",
];

/// A task to insert, and where its id goes.
struct Job {
    task: Arc<NewTask>,
    inserted: oneshot::Sender<Result<i64, Error>>,
}

/// Sends tasks to the thread that writes.
pub struct Writer {
    jobs: Sender<Job>,
}

impl Writer {
    /// Starts the thread. With `own_indexes`, four indexes of `task` remain and the others are dropped.
    pub fn start(path: &str, own_indexes: bool) -> Writer {
        let db = connect(path).expect("the database opens");
        db.execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -32000")
            .expect("the database can be written");
        if own_indexes {
            drop_other_indexes(&db).expect("the indexes can be dropped");
        }
        let (jobs, waiting) = channel();
        thread::spawn(move || write_batches(&db, &waiting));
        Writer { jobs }
    }

    /// Inserts a task and returns its id once it is on the disk.
    pub async fn insert(&self, task: Arc<NewTask>) -> Result<i64, Error> {
        let (inserted, id) = oneshot::channel();
        let job = Job { task, inserted };
        self.jobs.send(job).map_err(Error::internal)?;
        id.await.map_err(Error::internal)?
    }
}

fn drop_other_indexes(db: &Connection) -> rusqlite::Result<()> {
    let mut names = db.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'task' AND sql IS NOT NULL",
    )?;
    let names: Vec<String> = names
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for name in names {
        if !OWN_INDEXES.contains(&name.as_str()) {
            db.execute_batch(&format!("DROP INDEX {name}"))?;
        }
    }
    Ok(())
}

fn write_batches(db: &Connection, waiting: &Receiver<Job>) {
    let mut insert = db
        .prepare(
            "INSERT INTO task (title, description, status, deadline, created_at, assigned_user_id)
             VALUES (?1, ?2, 'pending', ?3, ?4, ?5)",
        )
        .expect("the table exists");
    let mut begin = db
        .prepare("BEGIN IMMEDIATE")
        .expect("the statement is valid");
    let mut commit = db.prepare("COMMIT").expect("the statement is valid");
    while let Ok(first) = waiting.recv() {
        let jobs: Vec<Job> = [first]
            .into_iter()
            .chain(waiting.try_iter().take(MAX_BATCH - 1))
            .collect();
        let result = begin.execute([]).map(|_| {
            let ids: Vec<_> = jobs
                .iter()
                .map(|job| insert_one(db, &mut insert, &job.task))
                .collect();
            commit.execute([]).map(|_| ids)
        });
        let ids = match result.and_then(|ids| ids) {
            Ok(ids) => ids,
            Err(error) => {
                if !db.is_autocommit() {
                    drop(db.execute_batch("ROLLBACK"));
                }
                jobs.iter().map(|_| Err(Error::internal(&error))).collect()
            }
        };
        for (job, id) in jobs.into_iter().zip(ids) {
            drop(job.inserted.send(id));
        }
    }
}

/// Inserts one task. A statement that fails changes nothing, and the others of the transaction are committed.
fn insert_one(db: &Connection, insert: &mut Statement, task: &NewTask) -> Result<i64, Error> {
    insert.execute(params![
        task.title,
        task.description,
        task.deadline,
        task.created_at,
        task.assigned_user_id
    ])?;
    Ok(db.last_insert_rowid())
}
