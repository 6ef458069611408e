//! The running application: the state that handlers share ([`App`]), and background maintenance
//! ([`maintenance`]).

pub mod maintenance;
mod state;

pub use self::state::{App, Clock};
