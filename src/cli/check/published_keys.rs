//! Signing keys that are no secret.

use crate::auth::signing_key::SigningKey;

/// Keys in tutorials, documentation and examples, which many copy: the tutorial's, and those of flask-jwt-extended,
/// jwt.io, Flask and FastAPI.
const PUBLISHED_KEYS: [&str; 17] = [
    "aStrongSecretKey",
    "super-secret",
    "super-secret-key",
    "secret",
    "secret-key",
    "secretkey",
    "dev",
    "change-me",
    "changeme",
    "jwt-secret-string",
    "your-secret-key",
    "your-256-bit-secret",
    "a-string-secret-at-least-256-bits-long",
    "a-valid-string-secret-that-is-at-least-384-bits-long",
    "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
];

/// Whether the key is one of them.
pub fn is_published(key: &SigningKey) -> bool {
    PUBLISHED_KEYS
        .iter()
        .any(|known| known.as_bytes() == key.bytes)
}
