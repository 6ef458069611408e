//! Proofs of identity: passwords, tokens, and the key that signs them.

pub mod gate;
pub mod password;
pub mod secret;
pub mod token;
