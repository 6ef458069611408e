//! Device tokens (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"). A sign-in returns one, and the
//! client sends it with the next sign-in to the same account. A sign-in with a valid device token has its own rate
//! limit, so guesses from the same network do not use it up. A device token does not sign in: the password is verified
//! all the same.

use data_encoding::BASE64URL_NOPAD;
use pbkdf2::hmac::Mac;

use crate::crypto::{self, HmacSha256, random_bytes};
use crate::error::Error;
use crate::model::Timestamp;

/// The first byte of a token. Another form of the token gets another number.
const VERSION: u8 = 1;

/// How long a token is valid: one year. Each sign-in renews it.
const VALIDITY_SECONDS: i64 = 365 * 24 * 60 * 60;

/// Bytes of the authentication tag: an HMAC-SHA256.
const TAG_LENGTH: usize = 32;

/// Bytes of version, device id and time.
const PAYLOAD_LENGTH: usize = 1 + 16 + 8;

/// A device that has signed in before: a random number, the same in all of its tokens for an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceId([u8; 16]);

impl DeviceId {
    /// The id of a new device.
    ///
    /// # Errors
    /// [`Error::Internal`] if the operating system has no random numbers.
    pub fn random() -> Result<DeviceId, Error> {
        random_bytes().map(DeviceId)
    }
}

/// Issues and verifies device tokens: base64url of version, device id, time of issue and authentication tag.
///
/// The tag also covers the e-mail address of the account, so a token is verified without a read of the database and
/// is worth nothing for another account. Tokens of a previous signing key are not valid.
#[derive(Debug)]
pub struct DeviceTokens {
    mac: HmacSha256,
}

impl DeviceTokens {
    /// Derives the HMAC key from the signing key of the tokens (domain separation).
    pub fn new(signing_key: &[u8]) -> DeviceTokens {
        let mac = crypto::derive_hmac(signing_key, "task-api: devices that have signed in");
        DeviceTokens { mac }
    }

    /// Issues a token for the device and the account with this e-mail key.
    pub fn issue(&self, DeviceId(device): DeviceId, email_key: &str, now: Timestamp) -> String {
        let seconds = now.unix_seconds().to_be_bytes();
        let payload = [&[VERSION][..], &device, &seconds].concat();
        let tag = self.sign(&payload, email_key);
        BASE64URL_NOPAD.encode(&[&payload[..], &tag].concat())
    }

    /// Returns the device of a token that [`DeviceTokens::issue`] has returned for the same account less than a year
    /// ago; `None` for any other text.
    pub fn verify(&self, token: &str, email_key: &str, now: Timestamp) -> Option<DeviceId> {
        let is_complete = token.len() == BASE64URL_NOPAD.encode_len(PAYLOAD_LENGTH + TAG_LENGTH);
        let bytes = is_complete.then(|| BASE64URL_NOPAD.decode(token.as_bytes()).ok())??;
        let (payload, tag) = bytes.split_at_checked(PAYLOAD_LENGTH)?;
        if !ct_codecs::verify(tag, &self.sign(payload, email_key)) {
            return None;
        }
        let (version, payload) = payload.split_first()?;
        let (device, seconds) = payload.split_first_chunk()?;
        let issued_at = i64::from_be_bytes(seconds.try_into().ok()?);
        let age = now.unix_seconds().abs_diff(issued_at);
        let is_valid = *version == VERSION && age < VALIDITY_SECONDS.unsigned_abs();
        is_valid.then_some(DeviceId(*device))
    }

    fn sign(&self, payload: &[u8], email_key: &str) -> [u8; TAG_LENGTH] {
        let mac = self.mac.clone().chain_update(payload);
        mac.chain_update(email_key).finalize().into_bytes().into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const EMAIL: &str = "anna@example.com";

    fn second(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_token_is_valid_for_its_account_its_key_and_one_year() {
        let (tokens, device) = (DeviceTokens::new(b"a key"), DeviceId::random().unwrap());
        let token = tokens.issue(device, EMAIL, second(0));
        let verify = |email, at| tokens.verify(&token, email, second(at));
        assert_eq!(verify(EMAIL, VALIDITY_SECONDS - 1), Some(device));
        // A clock that was set back.
        assert_eq!(verify(EMAIL, -1000), Some(device));
        assert_eq!(verify(EMAIL, VALIDITY_SECONDS), None);
        assert_eq!(verify("ben@example.com", 0), None);
        let other_key = DeviceTokens::new(b"another key");
        assert_eq!(other_key.verify(&token, EMAIL, second(0)), None);
    }

    #[test]
    fn a_token_that_was_changed_in_any_byte_is_none() {
        let (tokens, device) = (DeviceTokens::new(b"a key"), DeviceId::random().unwrap());
        let token = tokens.issue(device, EMAIL, second(0));
        let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let changed = BASE64URL_NOPAD.encode(&changed);
            assert_eq!(tokens.verify(&changed, EMAIL, second(0)), None, "{at}");
        }
        let long = "A".repeat(100_000);
        for text in [
            "",
            "é",
            &token[1..],
            &format!("{token}A"),
            &token.to_uppercase(),
            &long,
        ] {
            assert_eq!(tokens.verify(text, EMAIL, second(0)), None);
        }
    }
}
