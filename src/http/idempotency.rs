//! Fingerprints of requests with an idempotency key (draft-ietf-httpapi-idempotency-key-header). The store
//! recognises a retry by them.

use pbkdf2::hmac::Mac;
use serde_json::json;

use crate::crypto::{self, HmacSha256};
use crate::model::User;
use crate::store::idempotency::Fingerprint;

/// Computes the fingerprints of requests that have an `Idempotency-Key`.
///
/// They are HMACs, because the body of a sign-up holds a password: a plain SHA-256 would let an attacker
/// who has the database test guesses offline, and very fast. After a change of the signing key, earlier
/// requests are not recognised any more.
#[derive(Debug)]
pub struct IdempotencyFingerprints {
    mac: HmacSha256,
}

impl IdempotencyFingerprints {
    /// Derives the key from the key that signs tokens.
    pub fn new(signing_key: &[u8]) -> IdempotencyFingerprints {
        let mac = crypto::derive_hmac(signing_key, "task-api: requests that come again");
        IdempotencyFingerprints { mac }
    }

    /// Computes the fingerprint of a request. It depends on route and caller, so two callers, or two
    /// routes, can use the same `key`. The caller counts by id and creation time, since SQLite can reuse
    /// the id of a deleted account.
    pub fn of(&self, key: &str, route: &str, caller: Option<&User>, body: &[u8]) -> Fingerprint {
        let caller = caller.map(|user| (user.id, user.created_at));
        let key = json!([route, caller, key]).to_string();
        let key = self.mac.clone().chain_update(key).finalize().into_bytes();
        let body = self.mac.clone().chain_update(key).chain_update(body);
        Fingerprint {
            key: key.into(),
            body: body.finalize().into_bytes().into(),
        }
    }
}
