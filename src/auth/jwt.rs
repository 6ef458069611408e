//! Signs and verifies JSON Web Tokens (RFC 7519) with HS256 and the claims of flask-jwt-extended.
//!
//! Verification goes in this order: three segments, header (an object with `alg` HS256), signature, then
//! the claims: times, purpose, subject, session. Nothing in the payload is trusted before the signature has
//! been verified. The texts of the errors are those of flask-jwt-extended.

use std::iter;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use jwt_simple::JWTError;
use jwt_simple::algorithms::{HS256Key, MACLike};
use jwt_simple::claims::{Audiences, JWTClaims, NoCustomClaims};
use jwt_simple::common::VerificationOptions;
use jwt_simple::reexports::coarsetime::{Duration, UnixTimeStamp};
use jwt_simple::token::Token;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Builder;

use super::claims::{Claims, TimeClaims};
use super::signing_key::{SigningKey, SigningKeys};
use super::token_cache::TokenCache;
use crate::config::duration::Lifetime;
use crate::crypto::random_bytes;
use crate::error::Error;
use crate::model::{RefreshId, SessionId, Timestamp, User};

/// Signs tokens with the current key, and verifies tokens that the current key or a previous one has signed.
/// Accepts no other algorithm than HS256, whatever the header of a token says (RFC 8725, 3.1).
#[derive(Debug)]
pub struct JwtSigner {
    key: HS256Key,
    /// Key rotation: tokens that one of these has signed stay valid until they expire.
    previous: Vec<HS256Key>,
    verified: TokenCache,
    lifetime: Lifetime,
}

/// The purpose of a token, in flask-jwt-extended's claim `type`. One kind is not accepted in the place of
/// the other (RFC 8725, 3.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// Authenticates requests.
    Access,
    /// Is exchanged for new tokens at `POST /refresh`.
    Refresh,
}

/// The claims that RFC 7519 does not register. `type` and `fresh` are flask-jwt-extended's. `sid` is the
/// session (OpenID Connect Front-Channel Logout 1.0, 3). It also identifies the account: a new account may
/// get the name, and even the id, of a deleted one.
#[derive(Debug, Serialize)]
struct OwnClaims {
    r#type: TokenKind,
    fresh: bool,
    sid: SessionId,
}

impl JwtSigner {
    /// Prepares the keys. Access tokens will be valid for `lifetime`.
    pub fn new(keys: &SigningKeys, lifetime: Lifetime) -> JwtSigner {
        JwtSigner {
            key: hs256(&keys.current),
            previous: keys.previous.iter().map(hs256).collect(),
            verified: TokenCache::default(),
            lifetime,
        }
    }

    /// When an access token that is issued at `now` expires, unless its session ends before.
    pub fn access_expiry(&self, now: Timestamp) -> Timestamp {
        now.plus_seconds(self.lifetime.seconds())
    }

    /// Signs a new access token for a session, valid between two moments.
    ///
    /// # Errors
    /// [`Error::Internal`] if signing fails or the system provides no random bytes.
    pub fn access(
        &self,
        user: &User,
        sid: SessionId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<String, Error> {
        // `Uuid::new_v4` would panic where the system provides no random bytes.
        let id = Builder::from_random_bytes(random_bytes()?)
            .into_uuid()
            .to_string();
        let (from, until) = (from.unix_seconds(), until.unix_seconds());
        self.sign(TokenKind::Access, user, sid, id, from, until)
    }

    /// Signs the refresh token with this id, valid between two moments. The result is deterministic: the same
    /// arguments give the same token, so a repeated refresh can return the first response's token again.
    ///
    /// # Errors
    /// [`Error::Internal`] if signing fails.
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
            audiences: Some(Audiences::AsString(AUDIENCE.to_owned())),
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

    /// Verifies a token and returns its claims. It is valid if one of the keys has signed it, its kind is
    /// `kind`, and its time claims include `now`. Whether a token of a session is valid already depends on the session
    /// too, see [`TimeClaims::check_start`].
    ///
    /// # Errors
    /// [`Error::InvalidToken`]. Every fault in the header or the signature gets the same text (except a missing
    /// segment), so the response to a forged token says nothing about its content.
    pub fn verify(
        &self,
        token: &str,
        kind: TokenKind,
        now: Timestamp,
    ) -> Result<Arc<Claims>, Error> {
        if kind == TokenKind::Refresh {
            return self.verify_signed(token, kind, now).map(Arc::new);
        }
        if let Some(claims) = self.verified.get(token) {
            claims.check_times(now).map_err(refused)?;
            return Ok(claims);
        }
        let claims = Arc::new(self.verify_signed(token, kind, now)?);
        self.verified.insert(token, &claims);
        Ok(claims)
    }

    /// Verifies the signature and the claims of a token.
    fn verify_signed(&self, token: &str, kind: TokenKind, now: Timestamp) -> Result<Claims, Error> {
        let options = || VerificationOptions {
            // Turns off the library's time checks: they have 15 minutes of leeway, accept a token without
            // `exp` and count seconds in 32 bits. `check_times` replaces them.
            accept_future: true,
            artificial_time: Some(UnixTimeStamp::from_secs(0)),
            time_tolerance: Some(Duration::from_secs(0)),
            ..VerificationOptions::default()
        };
        for key in iter::once(&self.key).chain(&self.previous) {
            match key.verify_token::<NoCustomClaims>(token, Some(options())) {
                Ok(_) if !has_json_object_header(token) => return Err(refused(BAD_SIGNATURE)),
                Ok(_) => return verify_claims(token, kind, now).map_err(refused),
                Err(why) if is_wrong_signature(&why) => {}
                Err(why) => return Err(refused(refusal_text(token, kind, now, &why))),
            }
        }
        Err(refused(BAD_SIGNATURE))
    }
}

/// Whether this key has not signed the token. Another key may have.
fn is_wrong_signature(why: &jwt_simple::Error) -> bool {
    matches!(why.downcast_ref(), Some(JWTError::InvalidAuthenticationTag))
}

fn hs256(key: &SigningKey) -> HS256Key {
    // jwt-simple refuses keys under 12 bytes, but the operator can allow a shorter one that the Flask app has
    // used. HMAC pads a short key with zeros itself (RFC 2104, 2), so padding does not change the signature.
    let mut key = key.bytes.clone();
    key.resize(key.len().max(12), 0);
    HS256Key::from_bytes(&key)
}

/// The error text for a token that the library has refused.
fn refusal_text(
    token: &str,
    kind: TokenKind,
    now: Timestamp,
    why: &jwt_simple::Error,
) -> &'static str {
    if let Some(JWTError::CompactEncodingError) = why.downcast_ref() {
        return "Not enough segments";
    }
    // The library parses the header, verifies the signature, then parses the claims. So a JSON error after
    // a valid header means that the signature is valid and a claim has the wrong type.
    let is_about_claims = why.is::<serde_json::Error>()
        && Token::decode_metadata(token).is_ok()
        && has_json_object_header(token);
    if !is_about_claims {
        return BAD_SIGNATURE;
    }
    verify_claims(token, kind, now)
        .err()
        .unwrap_or(INVALID_CLAIM)
}

/// Whether the header is a JSON object (RFC 7515, 4). The library reads a header into a struct, and serde
/// accepts an array such as `["HS256"]` for a struct too.
fn has_json_object_header(token: &str) -> bool {
    decode_segment::<Map<String, Value>>(token, 0).is_some()
}

/// Checks the claims of a token whose signature has been verified.
fn verify_claims(token: &str, kind: TokenKind, now: Timestamp) -> Result<Claims, &'static str> {
    let claims = decode_segment(token, 1).ok_or(INVALID_CLAIM)?;
    let times = TimeClaims::read(&claims)?;
    times.check_expiry(now)?;
    let expires_at =
        Timestamp::from_unix_seconds(times.expires.ceil() as i64).ok_or(INVALID_CLAIM)?;
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
    let claims = Claims {
        username,
        session,
        id: claims.get("jti").and_then(Value::as_str).map(str::to_owned),
        issued_at: times.issued,
        expires_at,
        times,
    };
    claims.check_times(now)?;
    Ok(claims)
}

const BAD_SIGNATURE: &str = "Signature verification failed";
const INVALID_CLAIM: &str = "Invalid claim format in token";

fn refused(why: &'static str) -> Error {
    Error::InvalidToken(why.to_owned())
}

/// Converts a time claim, in seconds since 1970. Earlier times count as 1970.
fn seconds(unix: i64) -> UnixTimeStamp {
    UnixTimeStamp::from_secs(u64::try_from(unix).unwrap_or(0))
}

/// Decodes the JSON of the header (0) or the payload (1).
fn decode_segment<T: DeserializeOwned>(token: &str, index: usize) -> Option<T> {
    let segment = token.split('.').nth(index)?;
    serde_json::from_slice(&BASE64URL_NOPAD.decode(segment.as_bytes()).ok()?).ok()
}

/// The audience of this program's tokens (RFC 7519, 4.1.3).
const AUDIENCE: &str = "task-api";

/// Checks the purpose of a token: its kind, and that it was not issued for another service with the same
/// key (RFC 8725, 3.8 to 3.12). Tokens of earlier versions of this program and of the Flask app have no `aud`, and
/// none has `iss`.
fn check_purpose(claims: &Map<String, Value>, kind: TokenKind) -> Result<(), &'static str> {
    match (kind, claims.get("type").and_then(Value::as_str)) {
        (TokenKind::Access, Some("access")) | (TokenKind::Refresh, Some("refresh")) => {}
        (TokenKind::Refresh, _) => return Err("Only refresh tokens are allowed"),
        (TokenKind::Access, Some("refresh")) => return Err("Only non-refresh tokens are allowed"),
        (TokenKind::Access, _) => return Err("Only access tokens are allowed"),
    }
    if claims.get("aud").is_some_and(|aud| aud != AUDIENCE) {
        return Err("Audience doesn't match");
    }
    if claims.contains_key("iss") {
        return Err("Invalid issuer");
    }
    Ok(())
}
