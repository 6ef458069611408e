//! The running application: the state that handlers share ([`App`]), sign-outs that are not in the database yet
//! ([`sign_outs`]), and what runs in the background: [`maintenance`], scheduled [`backups`] and the [`storage_watch`].

pub mod backups;
mod clock;
pub mod maintenance;
pub mod pending_accounts;
pub mod sign_outs;
mod state;
pub mod storage_watch;

pub use self::clock::Clock;
pub use self::state::App;
