//! The clock of the application. It is a function, so that tests can set the time.

use crate::model::Timestamp;

/// Returns the present time.
pub type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;
