//! Cursors of keyset pagination: the position after which the next page begins, authenticated with an HMAC,
//! so that the server accepts only cursors that it has issued.

use data_encoding::BASE64URL_NOPAD;
use pbkdf2::hmac::Mac;

use crate::crypto::{self, HmacSha256};
use crate::model::{Id, Position};

/// Bytes of the authentication tag: an HMAC-SHA256 truncated to 128 bits, which cannot be guessed.
const TAG_LENGTH: usize = 16;

/// Encodes and decodes cursors: base64url of authentication tag, id and sort key.
///
/// The tag also covers the list that the cursor belongs to. Without that, a cursor could be used with another
/// filter or sort order, where its position would skip rows without an error.
#[derive(Debug)]
pub struct CursorCodec {
    mac: HmacSha256,
}

impl CursorCodec {
    /// Derives the HMAC key from the signing key of the tokens (domain separation).
    pub fn new(signing_key: &[u8]) -> CursorCodec {
        let mac = crypto::derive_hmac(signing_key, "task-api: cursors of lists");
        CursorCodec { mac }
    }

    /// Returns the cursor for a position in `list`, which is the URL of the list without the parameters
    /// `cursor` and `limit`.
    pub fn encode(&self, list: &str, position: &Position) -> String {
        let mut payload = position.id.get().to_be_bytes().to_vec();
        if let Some(key) = &position.key {
            payload.push(b'=');
            payload.extend(key.as_bytes());
        }
        BASE64URL_NOPAD.encode(&[&self.sign(list, &payload)[..], &payload[..]].concat())
    }

    /// Decodes a cursor that [`CursorCodec::encode`] has returned for the same list; `None` for any other
    /// text.
    pub fn decode(&self, list: &str, cursor: &str) -> Option<Position> {
        let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
        let (tag, payload) = bytes.split_at_checked(TAG_LENGTH)?;
        if !ct_codecs::verify(tag, &self.sign(list, payload)) {
            return None;
        }
        let (id, key) = payload.split_first_chunk()?;
        let key = match key.split_first() {
            None => None,
            Some((_, key)) => Some(String::from_utf8(key.to_vec()).ok()?),
        };
        Some(Position {
            key,
            id: Id::try_from(i64::from_be_bytes(*id)).ok()?,
        })
    }

    /// Computes the authentication tag. The length of `list` comes first, so that the same bytes, divided
    /// differently into list and payload, have another tag.
    fn sign(&self, list: &str, payload: &[u8]) -> [u8; TAG_LENGTH] {
        let length = (list.len() as u64).to_be_bytes();
        let full = self
            .mac
            .clone()
            .chain_update(length)
            .chain_update(list)
            .chain_update(payload)
            .finalize();
        let mut tag = [0; TAG_LENGTH];
        tag.copy_from_slice(&full.into_bytes()[..TAG_LENGTH]);
        tag
    }
}
