//! The running application: the state that handlers share ([`App`]), and background maintenance
//! ([`maintenance`],
//! [`storage_watch`]).

mod clock;
pub mod maintenance;
pub mod sign_outs;
mod state;
pub mod storage_watch;

pub use self::clock::Clock;
pub use self::state::App;
