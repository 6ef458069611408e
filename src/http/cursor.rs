//! Cursors: the place where a page ended, sealed so that it comes back unchanged or not at all.

use data_encoding::BASE64URL_NOPAD;
use pbkdf2::hmac::Mac;

use crate::crypto::{self, HmacSha256};
use crate::model::{Id, Position};

/// Bytes of the seal: 128 bits, far beyond guessing.
const SEAL: usize = 16;

/// Seals and opens cursors: base64url of seal, id and key.
///
/// The seal covers the list that the cursor belongs to: with another filter or order it would point
/// to nowhere, and the client would miss rows without a word.
#[derive(Debug)]
pub struct CursorCodec {
    mac: HmacSha256,
}

impl CursorCodec {
    /// Derives the key from the one that signs tokens.
    pub fn new(signing_key: &[u8]) -> CursorCodec {
        let mac = crypto::derive_hmac(signing_key, "task-api: cursors of lists");
        CursorCodec { mac }
    }

    /// Makes the cursor for a place in `list`, a URL without the parameters that page through it.
    pub fn seal(&self, list: &str, position: &Position) -> String {
        let mut place = position.id.get().to_be_bytes().to_vec();
        if let Some(key) = &position.key {
            place.push(b'=');
            place.extend(key.as_bytes());
        }
        BASE64URL_NOPAD.encode(&[&self.seal_of(list, &place)[..], &place[..]].concat())
    }

    /// Reads a cursor that [`CursorCodec::seal`] made for the same list; `None` for anything else.
    pub fn open(&self, list: &str, cursor: &str) -> Option<Position> {
        let sealed = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
        let (seal, place) = sealed.split_at_checked(SEAL)?;
        if !ct_codecs::verify(seal, &self.seal_of(list, place)) {
            return None;
        }
        let (id, key) = place.split_first_chunk()?;
        let key = match key.split_first() {
            None => None,
            Some((_, key)) => Some(String::from_utf8(key.to_vec()).ok()?),
        };
        Some(Position {
            key,
            id: Id::try_from(i64::from_be_bytes(*id)).ok()?,
        })
    }

    fn seal_of(&self, list: &str, place: &[u8]) -> [u8; SEAL] {
        let length = (list.len() as u64).to_be_bytes();
        let full = self
            .mac
            .clone()
            .chain_update(length)
            .chain_update(list)
            .chain_update(place)
            .finalize();
        let mut seal = [0; SEAL];
        seal.copy_from_slice(&full.into_bytes()[..SEAL]);
        seal
    }
}
