//! How the caller of a copy observes it and stops it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::cell::Fault;
use crate::error::Error;

/// What happens.
#[derive(Debug)]
pub enum Step<'a> {
    /// A pass over this many rows begins.
    Begin(&'static str, u64),
    /// So many more rows are done.
    Rows(u64),
    /// A value that the target cannot hold.
    Fault(&'a Fault),
    /// A pass is done: one line for the operator.
    Done(String),
}

/// A flag that stops the copy, and a function that is told what happens.
pub struct Observer {
    stop: Arc<AtomicBool>,
    report: Box<dyn Fn(Step)>,
}

impl Observer {
    /// The copy stops with an error soon after `stop` is set.
    pub fn new(stop: Arc<AtomicBool>, report: impl Fn(Step) + 'static) -> Observer {
        let report = Box::new(report);
        Observer { stop, report }
    }

    /// Reports a step.
    ///
    /// # Errors
    /// [`Error::Internal`] if the copy has to stop.
    pub(super) fn report(&self, step: Step) -> Result<(), Error> {
        (self.report)(step);
        match self.stop.load(Ordering::Relaxed) {
            true => Err(Error::Internal("it was stopped".to_owned())),
            false => Ok(()),
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}
