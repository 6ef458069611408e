//! Checks at the start that the system grants as many threads as the server needs.

use std::io;
use std::sync::mpsc;
use std::thread;

/// Starts `count` threads and ends them again. Without this check a limit of processes (`ulimit -u`,
/// `pids.max`) would show only when the thread that exceeds it is started, after the first requests have been
/// answered.
///
/// # Errors
/// One line for the operator: how many threads are needed, and how many the system grants.
pub fn check_threads(count: usize) -> Result<(), String> {
    let mut running = Vec::with_capacity(count);
    let (sender, end) = mpsc::channel::<()>();
    let end = std::sync::Arc::new(std::sync::Mutex::new(end));
    let mut result = Ok(());
    for granted in 0..count {
        let end = std::sync::Arc::clone(&end);
        let wait = move || drop(end.lock().map(|end| end.recv()));
        match thread::Builder::new().stack_size(16 << 10).spawn(wait) {
            Ok(thread) => running.push(thread),
            Err(why) => {
                result = Err(too_few(count, granted, &why));
                break;
            }
        }
    }
    drop(sender);
    for thread in running {
        let _ = thread.join();
    }
    result
}

fn too_few(count: usize, granted: usize, why: &io::Error) -> String {
    format!(
        "the server needs {count} more threads, but the system grants only {granted} ({why}): raise the limit of \
         processes (ulimit -u, pids.max, pids_limit)"
    )
}
