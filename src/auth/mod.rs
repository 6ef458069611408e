//! Proofs of identity: passwords, tokens, and the key that signs them.

pub mod password;
pub mod refresh;
pub mod signing_key;
pub mod token;
