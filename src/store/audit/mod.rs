//! The audit log: entries with a hash chain ([`entries`]), the key and the seals that authenticate it ([`key`],
//! [`seal`]), the removal of old entries ([`pruning`]), and [`verification`].

mod entries;
pub mod key;
pub mod pruning;
pub mod seal;
pub mod verification;

pub use self::entries::*;
