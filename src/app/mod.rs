//! The running application: the state that handlers share, and background maintenance.

pub mod maintenance;
mod state;

pub use self::state::{App, Clock};
