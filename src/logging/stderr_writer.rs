//! The thread that writes the queued lines to standard error.

use std::io::{self, ErrorKind, Write};
use std::thread;
use std::time::Duration;

use log::{Level, Log, Record};
use memchr::{memchr, memchr_iter, memrchr};

use super::failure::FAILURE;
use super::line_queue::LineQueue;

/// The most bytes of one write: `PIPE_BUF` of Linux. A pipe takes a write of at most this size as a whole, so that
/// lines of two processes with the same pipe do not mix (POSIX, `write`).
const PIPE_BUF: usize = 4096;

/// The pause after each batch. Without it, the thread would wake up for nearly every line of a busy server.
const BATCH_PAUSE: Duration = Duration::from_millis(2);

/// The pause before the next try, if standard error is in non-blocking mode and takes nothing now.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Starts the thread. `notices` writes to [`Stderr`]: the thread logs with it how many lines were dropped.
///
/// # Errors
/// The system does not allow to start a thread.
pub fn start(queue: &'static LineQueue, notices: impl Log + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name("log".to_owned());
    thread.spawn(move || run(queue, &notices)).map(|_| ())
}

fn run(queue: &LineQueue, notices: &impl Log) {
    let mut batch = Vec::new();
    let mut dropped = 0;
    loop {
        dropped += queue.take(&mut batch);
        let unwritten = write_batch(&batch);
        if unwritten > 0 {
            queue.dropped.add(unwritten);
            dropped += unwritten;
        } else if dropped > 0 {
            report_dropped(notices, dropped);
            dropped = 0;
        }
        batch.clear();
        thread::sleep(BATCH_PAUSE);
    }
}

/// Writes lines, and returns how many could not be written: the disk is full, or the reader of the pipe has closed
/// it.
fn write_batch(batch: &[u8]) -> u64 {
    chunks(batch)
        .filter(|chunk| Stderr.write_all(chunk).is_err())
        .map(|chunk| memchr_iter(b'\n', chunk).count() as u64)
        .sum()
}

fn report_dropped(notices: &impl Log, dropped: u64) {
    let mut record = Record::builder();
    record.level(Level::Error).target(FAILURE);
    let message = "standard error took the log too slowly or not at all: lines are missing here";
    let dropped = [("dropped", dropped)];
    record.key_values(&dropped);
    notices.log(&record.args(format_args!("{message}")).build());
}

/// Splits lines into chunks of whole lines with at most [`PIPE_BUF`] bytes. A longer line is a chunk of its own.
fn chunks(mut lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let within = &lines[..lines.len().min(PIPE_BUF)];
        let end = memrchr(b'\n', within).or_else(|| memchr(b'\n', lines))?;
        let (chunk, rest) = lines.split_at(end + 1);
        lines = rest;
        Some(chunk)
    })
}

/// Standard error, as a blocking writer even if another process has put the open file in non-blocking mode.
#[derive(Debug)]
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match io::stderr().write(bytes) {
                Err(why) if why.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY_PAUSE),
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
