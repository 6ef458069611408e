//! By what a request is known when it comes again (draft-ietf-httpapi-idempotency-key-header).

use pbkdf2::hmac::Mac;
use serde_json::json;

use crate::crypto::{self, HmacSha256};
use crate::model::User;
use crate::store::idempotency::Fingerprint;

/// Makes the fingerprints of requests that have an `Idempotency-Key`.
///
/// They are HMACs: the body of a sign-up holds a password, and whoever has the database alone could try
/// guesses on a plain hash of it at the speed of SHA-256. Another signing key knows none of them.
#[derive(Debug)]
pub struct IdempotencyFingerprints {
    mac: HmacSha256,
}

impl IdempotencyFingerprints {
    /// Derives the key from the one that signs tokens.
    pub fn new(signing_key: &[u8]) -> IdempotencyFingerprints {
        let mac = crypto::derive_hmac(signing_key, "task-api: requests that come again");
        IdempotencyFingerprints { mac }
    }

    /// The fingerprint of one request. The same `key` of another route or another caller is another one;
    /// an account is its id and its age, since SQLite gives the id of a deleted one again.
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
