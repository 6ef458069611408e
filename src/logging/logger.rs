//! The logger of the process: the filter, the form of a line, and what happens at the start and the end.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use env_logger::{Builder, Logger, Target};
use log::{LevelFilter, Log, Metadata, Record};

use super::failure::FAILURE;
use super::line_queue::{LineQueue, QueueInput};
use super::log_text::one_line;
use super::stderr_writer::{self, Stderr};
use super::{json_format, text_format};
use crate::config::logging::{LogArgs, LogFormat};

/// How long the end of the process waits for the reader of standard error.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The queue of this process. It is global, like the logger of the crate `log`.
pub static QUEUE: LineQueue = LineQueue::new();

/// The form of the lines; unset until [`start`].
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Starts the log, and logs panics from now on.
///
/// # Errors
/// One line for the operator: the system does not allow to start a thread.
pub fn start(settings: &LogArgs) -> Result<(), String> {
    let format = settings.log_format;
    let queue = || Box::new(QueueInput(&QUEUE));
    let logger = FailureBypass {
        filtered: new_logger(settings.rust_log.as_str(), format, queue()),
        failures: new_logger("trace", format, queue()),
    };
    stderr_writer::start(&QUEUE, new_logger("trace", format, Box::new(Stderr)))
        .map_err(|why| format!("cannot start the thread that writes the log: {why}"))?;
    log::set_max_level(logger.filtered.filter().max(LevelFilter::Warn));
    log::set_boxed_logger(Box::new(logger)).map_err(|why| why.to_string())?;
    let _ = FORMAT.set(format);
    std::panic::set_hook(Box::new(|panic| {
        log::error!(target: FAILURE, panic = panic.to_string(); "");
        // The main thread's panic ends the process, and the line with it.
        if thread::current().name() == Some("main") {
            flush();
        }
    }));
    Ok(())
}

/// Starts the log of a command other than the server: warnings and errors.
///
/// # Errors
/// Those of [`start`].
pub fn start_for_command() -> Result<(), String> {
    start(&LogArgs {
        rust_log: "warn".parse()?,
        log_format: LogFormat::Text,
    })
}

/// Writes the queued lines, before the process ends. A reader of standard error that takes nothing delays the end
/// by one second.
pub fn flush() {
    QUEUE.flush(FLUSH_TIMEOUT);
}

/// Writes a line for the operator to standard error, with control characters escaped. Before [`start`] it is
/// written directly, and later through the queue, in the form of the log.
pub fn print(line: &str) {
    let text = one_line(line) + "\n";
    match FORMAT.get() {
        // A failure is ignored, since it cannot be reported anywhere; `eprintln!` would panic.
        None => {
            let _ = io::stderr().write_all(text.as_bytes());
        }
        Some(LogFormat::Text) => QUEUE.push(text.as_bytes()),
        Some(LogFormat::Json) => log::error!(target: FAILURE, "{line}"),
    }
    flush();
}

/// Passes records to env_logger. Those with the target [`FAILURE`] skip the filter of `RUST_LOG`.
struct FailureBypass {
    filtered: Logger,
    failures: Logger,
}

impl FailureBypass {
    fn of(&self, metadata: &Metadata) -> &Logger {
        match metadata.target() {
            FAILURE => &self.failures,
            _ => &self.filtered,
        }
    }
}

impl Log for FailureBypass {
    fn enabled(&self, metadata: &Metadata) -> bool {
        self.of(metadata).enabled(metadata)
    }

    fn log(&self, record: &Record) {
        self.of(record.metadata()).log(record);
    }

    fn flush(&self) {
        flush();
    }
}

/// A logger with the text or JSON form, which writes each line to `output`.
fn new_logger(filter: &str, format: LogFormat, output: Box<dyn Write + Send>) -> Logger {
    let has_colors = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
    let mut builder = Builder::new();
    builder
        .parse_filters(filter)
        .target(Target::Pipe(output))
        .format(move |line, record| {
            let timestamp = line.timestamp_millis();
            match format {
                LogFormat::Text => text_format::write(line, timestamp, has_colors, record),
                LogFormat::Json => json_format::write(line, timestamp, record),
            }
        });
    builder.build()
}
