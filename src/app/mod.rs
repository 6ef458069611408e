//! The running application: the state that handlers share ([`App`]), and background maintenance
//! ([`maintenance`]).

mod clock;
pub mod maintenance;
mod state;

pub use self::clock::Clock;
pub use self::state::App;
