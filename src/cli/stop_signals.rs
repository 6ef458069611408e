//! The signals SIGTERM, SIGINT (Ctrl-C) and SIGHUP (the terminal is closed), which stop the server.
//!
//! The first signal starts a graceful shutdown; a second one ends the process at once. Before the server is ready,
//! the first signal ends the process: the migration of a large database takes long, and there are no requests to
//! complete. The program handles the signals from the beginning, because the kernel's default action does not
//! apply to process 1 of a container.

use std::ffi::c_int;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use log::warn;
use rustix::process::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::logging;

/// The receiver of the signals: a thread, which sends the first signal over a channel.
pub struct StopSignals {
    is_serving: Arc<AtomicBool>,
    first: Receiver<c_int>,
}

impl StopSignals {
    /// Starts to handle the signals: each ends the process at once until [`StopSignals::defer_first`] is called.
    ///
    /// # Errors
    /// One line for the operator: the system does not allow to handle a signal or to start a thread.
    pub fn catch() -> Result<StopSignals, String> {
        let explain = |why| format!("cannot handle signals: {why}");
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(explain)?;
        let (sender, first) = mpsc::channel();
        let is_serving = Arc::new(AtomicBool::new(false));
        let serving = Arc::clone(&is_serving);
        let receive = move || {
            for signal in signals.forever() {
                // The main thread receives the first signal and stops the server; `swap` makes the next one end
                // the process.
                if !serving.swap(false, Ordering::SeqCst) || sender.send(signal).is_err() {
                    warn!("{}: stopping at once", name(signal));
                    logging::flush();
                    std::process::exit(1);
                }
            }
        };
        // Unlike `thread::spawn`, this does not panic where the system denies a thread.
        let thread = thread::Builder::new().name("signals".to_owned());
        thread.spawn(receive).map_err(explain)?;
        Ok(StopSignals { is_serving, first })
    }

    /// From now on the first signal does not end the process: [`StopSignals::wait`] returns it.
    pub fn defer_first(&self) {
        self.is_serving.store(true, Ordering::SeqCst);
    }

    /// Blocks until the first signal, and returns its name.
    pub fn wait(&self) -> &'static str {
        // The thread never ends, so the channel stays open.
        self.first.recv().map_or("a signal", name)
    }

    /// As [`StopSignals::wait`], but returns `None` after `timeout`.
    pub fn wait_for(&self, timeout: Duration) -> Option<&'static str> {
        match self.first.recv_timeout(timeout) {
            Err(RecvTimeoutError::Timeout) => None,
            received => Some(received.map_or("a signal", name)),
        }
    }
}

/// Handles SIGXFSZ, by which the kernel would end the process at a write beyond its limit of file sizes (`ulimit
/// -f`). Handled, it makes the write fail, as on a full disk.
pub fn survive_file_size_limit() -> io::Result<()> {
    let unused = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(Signal::XFSZ.as_raw(), unused).map(drop)
}

fn name(signal: c_int) -> &'static str {
    signal_hook::low_level::signal_name(signal).unwrap_or("a signal")
}
