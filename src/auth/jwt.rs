//! Signing and checking tokens (JWT, RFC 7519), with flask-jwt-extended's claims.

use std::iter;

use data_encoding::BASE64URL_NOPAD;
use jwt_simple::JWTError;
use jwt_simple::algorithms::{HS256Key, MACLike};
use jwt_simple::claims::{JWTClaims, NoCustomClaims};
use jwt_simple::common::VerificationOptions;
use jwt_simple::reexports::coarsetime::{Duration, UnixTimeStamp};
use jwt_simple::token::Token;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::signing_key::{SigningKey, SigningKeys};
use crate::config::duration::Lifetime;
use crate::error::Error;
use crate::model::{RefreshId, SessionId, Timestamp, User};

/// The one place that makes and accepts tokens: HS256 and nothing else (RFC 8725, 3.1).
#[derive(Debug)]
pub struct JwtSigner {
    key: HS256Key,
    /// Tokens that these signed are good for their time.
    previous: Vec<HS256Key>,
    lifetime: Lifetime,
}

/// What a token is for (RFC 8725, 3.12); the words are flask-jwt-extended's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// Lets requests in.
    Access,
    /// Is exchanged for new tokens.
    Refresh,
}

/// The claims beside the registered ones. `type` and `fresh` are flask-jwt-extended's; `sid` names the
/// session (OpenID Connect Front-Channel Logout 1.0, 3), and so the very account: a name, and even an
/// account's id, can come back with a new one.
#[derive(Debug, Serialize)]
struct OwnClaims {
    r#type: TokenKind,
    fresh: bool,
    sid: SessionId,
}

/// What a token says, once it counts.
#[derive(Debug)]
pub struct Claims {
    /// The account's name.
    pub username: String,
    /// The session that it belongs to; the Flask app's belong to none.
    pub session: Option<SessionId>,
    /// Its own name.
    pub id: Option<String>,
    /// Since when it is about, in seconds since 1970.
    pub issued_at: Option<f64>,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

impl JwtSigner {
    /// The current one of `keys` signs and all of them verify; a token is good for `lifetime`.
    pub fn new(keys: &SigningKeys, lifetime: Lifetime) -> JwtSigner {
        JwtSigner {
            key: hs256(&keys.current),
            previous: keys.previous.iter().map(hs256).collect(),
            lifetime,
        }
    }

    /// How long a new token is good for, in seconds.
    pub fn lifetime_seconds(&self) -> i64 {
        self.lifetime.seconds()
    }

    /// Signs a new access token of a session.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn access(&self, user: &User, sid: SessionId, now: Timestamp) -> Result<String, Error> {
        let id = Uuid::new_v4().to_string();
        let now = now.unix_seconds();
        let until = now + self.lifetime.seconds();
        self.sign(TokenKind::Access, user, sid, id, now, until)
    }

    /// Signs the session's refresh token of this id; the same one, if the moments are the same.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn refresh(
        &self,
        user: &User,
        sid: SessionId,
        id: &RefreshId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<String, Error> {
        let (from, until) = (from.unix_seconds(), until.unix_seconds());
        self.sign(
            TokenKind::Refresh,
            user,
            sid,
            id.as_str().to_owned(),
            from,
            until,
        )
    }

    fn sign(
        &self,
        kind: TokenKind,
        user: &User,
        sid: SessionId,
        id: String,
        from: i64,
        until: i64,
    ) -> Result<String, Error> {
        let claims = JWTClaims {
            issued_at: Some(seconds(from)),
            invalid_before: Some(seconds(from)),
            expires_at: Some(seconds(until)),
            subject: Some(user.username.clone()),
            jwt_id: Some(id),
            issuer: None,
            audiences: None,
            nonce: None,
            custom: OwnClaims {
                r#type: kind,
                fresh: false,
                sid,
            },
        };
        self.key
            .authenticate(claims)
            .map_err(|why| Error::Internal(format!("signing a token: {why}")))
    }

    /// Reads a token of this kind that one of the keys signed and that is good at `now`.
    ///
    /// # Errors
    /// [`Error::InvalidToken`]. Whatever is wrong before the signature is known to be ours gets one
    /// and the same answer.
    pub fn verify(&self, token: &str, kind: TokenKind, now: Timestamp) -> Result<Claims, Error> {
        let options = || VerificationOptions {
            // The library's clock checks are coarser than the contract: 15 minutes of leeway, `exp`
            // optional, seconds of 32 bits. They are passed here and made by `check_times`.
            accept_future: true,
            artificial_time: Some(UnixTimeStamp::from_secs(0)),
            time_tolerance: Some(Duration::from_secs(0)),
            ..VerificationOptions::default()
        };
        for key in iter::once(&self.key).chain(&self.previous) {
            match key.verify_token::<NoCustomClaims>(token, Some(options())) {
                Ok(_) => return read(token, kind, now).map_err(refused),
                Err(why) if is_not_this_keys(&why) => {}
                Err(why) => return Err(refused(complaint(token, kind, now, &why))),
            }
        }
        Err(refused(BAD_SIGNATURE))
    }
}

fn is_not_this_keys(why: &jwt_simple::Error) -> bool {
    matches!(why.downcast_ref(), Some(JWTError::InvalidAuthenticationTag))
}

fn hs256(key: &SigningKey) -> HS256Key {
    // jwt-simple takes no key under 12 bytes, and the Flask app may have one that operators admit on
    // purpose. Zeros behind a short key leave HMAC as it is (RFC 2104, 2).
    let mut key = key.bytes.clone();
    key.resize(key.len().max(12), 0);
    HS256Key::from_bytes(&key)
}

/// Words for a token that the library has refused.
fn complaint(
    token: &str,
    kind: TokenKind,
    now: Timestamp,
    why: &jwt_simple::Error,
) -> &'static str {
    if let Some(JWTError::CompactEncodingError) = why.downcast_ref() {
        return "Not enough segments";
    }
    // Behind a readable header, JSON that it cannot read is a claim of a wrong type, and it looks at
    // the claims after the signature.
    let odd_claims = why.is::<serde_json::Error>() && Token::decode_metadata(token).is_ok();
    match odd_claims {
        true => read(token, kind, now).err().unwrap_or(INVALID_CLAIM),
        false => BAD_SIGNATURE,
    }
}

/// Reads and checks the claims of a token whose signature is known to be ours.
fn read(token: &str, kind: TokenKind, now: Timestamp) -> Result<Claims, &'static str> {
    let claims = payload(token).ok_or(INVALID_CLAIM)?;
    let expires_at = check_times(&claims, now)?;
    check_purpose(&claims, kind)?;
    let username = match claims.get("sub") {
        Some(Value::String(username)) => username.clone(),
        Some(_) => return Err("Subject must be a string"),
        None => return Err("Missing claim: sub"),
    };
    let session = match claims.get("sid") {
        None => None,
        Some(sid) => Some(
            sid.as_str()
                .and_then(|sid| sid.parse().ok())
                .ok_or(INVALID_CLAIM)?,
        ),
    };
    Ok(Claims {
        username,
        session,
        id: claims.get("jti").and_then(Value::as_str).map(str::to_owned),
        issued_at: claims.get("iat").and_then(Value::as_f64),
        expires_at,
    })
}

const BAD_SIGNATURE: &str = "Signature verification failed";
const INVALID_CLAIM: &str = "Invalid claim format in token";

fn refused(why: &'static str) -> Error {
    Error::InvalidToken(why.to_owned())
}

fn seconds(unix: i64) -> UnixTimeStamp {
    UnixTimeStamp::from_secs(u64::try_from(unix).unwrap_or(0))
}

fn payload(token: &str) -> Option<Map<String, Value>> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?).ok()
}

/// `exp` must be there and still to come, `nbf` and `iat` must not (RFC 7519, 4.1.4 to 4.1.6), to
/// the microsecond and without leeway, as in PyJWT. Returns the moment of `exp`.
fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, &'static str> {
    let now = now.unix_micros() as f64 / 1e6;
    let read = |name: &str, wrong: &'static str| match claims.get(name) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            // Beyond the year 9999 it is no time but an overflow waiting to happen.
            Some(time) if (0.0..253_402_300_800.0).contains(&time) => Ok(Some(time)),
            _ => Err(wrong),
        },
    };
    let expires = read("exp", "Expiration Time claim (exp) must be an integer.")?;
    let not_before = read("nbf", "Not Before claim (nbf) must be an integer.")?;
    let issued = read("iat", "Issued At claim (iat) must be an integer.")?;
    let expires = expires.ok_or("Missing claim: exp")?;
    if expires <= now {
        return Err("Token has expired");
    }
    if issued.is_some_and(|issued| issued > now) {
        return Err("The token is not yet valid (iat)");
    }
    if not_before.is_some_and(|not_before| not_before > now) {
        return Err("The token is not yet valid (nbf)");
    }
    Timestamp::from_unix_seconds(expires.ceil() as i64).ok_or(INVALID_CLAIM)
}

/// A token of another kind, or one that the same key signed for another service, opens nothing
/// (RFC 8725, 3.8 to 3.12). This program's own tokens name neither issuer nor audience.
fn check_purpose(claims: &Map<String, Value>, kind: TokenKind) -> Result<(), &'static str> {
    match (kind, claims.get("type").and_then(Value::as_str)) {
        (TokenKind::Access, Some("access")) | (TokenKind::Refresh, Some("refresh")) => {}
        (TokenKind::Refresh, _) => return Err("Only refresh tokens are allowed"),
        (TokenKind::Access, Some("refresh")) => return Err("Only non-refresh tokens are allowed"),
        (TokenKind::Access, _) => return Err("Only access tokens are allowed"),
    }
    if claims.contains_key("aud") {
        return Err("Audience doesn't match");
    }
    if claims.contains_key("iss") {
        return Err("Invalid issuer");
    }
    Ok(())
}
