//! The running application: the state that handlers share ([`App`]), background maintenance ([`maintenance`]) and
//! scheduled backups ([`backups`]).

pub mod backups;
mod clock;
pub mod maintenance;
mod state;

pub use self::clock::Clock;
pub use self::state::App;
