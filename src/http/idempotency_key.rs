//! Fingerprints of requests with an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).
//! [`crate::store::idempotency`] stores the fingerprint with the response and recognises a retry by it.

use pbkdf2::hmac::Mac;
use serde_json::json;

use crate::crypto::{self, HmacSha256};
use crate::model::User;
use crate::store::idempotency::Fingerprint;

/// Computes the fingerprints of requests that have an `Idempotency-Key`.
///
/// They are HMACs, because the body of a sign-up holds a password: with plain SHA-256, an attacker who has
/// the database could test guesses offline and very fast. After a change of the signing key, retries of
/// earlier requests are no longer recognised.
#[derive(Debug)]
pub struct IdempotencyFingerprints {
    mac: HmacSha256,
}

impl IdempotencyFingerprints {
    /// Derives the HMAC key from the signing key of the tokens (domain separation).
    pub fn new(signing_key: &[u8]) -> IdempotencyFingerprints {
        let mac = crypto::derive_hmac(signing_key, "task-api: requests that come again");
        IdempotencyFingerprints { mac }
    }

    /// Computes the fingerprint of a request. It depends on the route and the caller, so that two callers or
    /// two routes can use the same `key`. The caller is identified by id and creation time, since the
    /// Flask app reuses the id of a deleted account.
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
