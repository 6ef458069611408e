//! Accounts: the caller of a request, and the sign-in.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::response::Response;
use jsonwebtoken::Header;
use rusqlite::{OptionalExtension, Row};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::Error;
use crate::reader::read;
use crate::tasks::rfc3339;
use crate::{App, blocking, json};

/// An unknown account is checked against this hash, so that its response takes as long as that of a wrong
/// password.
const DUMMY_HASH: &str = "pbkdf2:sha256:600000$0123456789abcdef$00";

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    iat: u64,
    nbf: u64,
    exp: u64,
}

/// The account that a valid token names. The database is asked for each request.
pub struct Caller {
    pub id: i64,
    username: String,
    pub is_approved: bool,
    pub is_manager: bool,
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Caller, Error> {
        let value = parts.headers.get(AUTHORIZATION);
        let token = value
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .ok_or(Error::Unauthorized("Missing Authorization Header"))?;
        let claims = jsonwebtoken::decode::<Claims>(token, &app.decoding, &app.validation)
            .map_err(|_| Error::Unauthorized("bad token"))?
            .claims;
        let caller = read(|reader| {
            let row = reader.user_by_name.query_row([&claims.sub], |row| {
                let role = row.get_ref(1)?.as_str_or_null()?;
                Ok((
                    row.get(0)?,
                    row.get::<_, Option<bool>>(2)? == Some(true),
                    matches!(role, Some("manager" | "admin")),
                ))
            });
            Ok(row.optional()?)
        });
        let (id, is_approved, is_manager) = caller?.ok_or(Error::Unauthorized("no such user"))?;
        Ok(Caller {
            id,
            username: claims.sub,
            is_approved,
            is_manager,
        })
    }
}

#[derive(Serialize)]
struct Hello<'a> {
    msg: &'static str,
    user_name: &'a str,
}

pub async fn hello(caller: Caller) -> Result<Response, Error> {
    let hello = Hello {
        msg: "hello world! from axum",
        user_name: &caller.username,
    };
    Ok(json(serde_json::to_vec(&hello).map_err(Error::internal)?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    email: String,
    password: String,
}

#[derive(Serialize)]
struct User {
    id: i64,
    username: String,
    email: String,
    role: Option<String>,
    is_approved: Option<bool>,
    created_at: Option<String>,
    #[serde(skip)]
    password_hash: String,
}

impl User {
    fn from_row(row: &Row) -> rusqlite::Result<User> {
        Ok(User {
            id: row.get(0)?,
            username: row.get(1)?,
            email: row.get(2)?,
            role: row.get(3)?,
            is_approved: row.get(4)?,
            created_at: row
                .get::<_, Option<String>>(5)?
                .map(|stored| rfc3339(&stored)),
            password_hash: row.get(6)?,
        })
    }
}

pub async fn login(
    State(app): State<Arc<App>>,
    Json(given): Json<Credentials>,
) -> Result<Response, Error> {
    let email = given.email.trim().to_lowercase();
    let user = read(|reader| {
        let user = reader.user_by_email.query_row([email], User::from_row);
        Ok(user.optional()?)
    })?;
    let stored = user
        .as_ref()
        .map_or(DUMMY_HASH, |user| &user.password_hash)
        .to_owned();
    let is_right = blocking(&app.hashes, move || {
        verify_password(&given.password, &stored)
    })
    .await?;
    let user = user
        .filter(|_| is_right)
        .ok_or(Error::Unauthorized("email or password incorrect."))?;
    let token = issue_token(&app, &user.username)?;
    let body = json!({ "msg": "successfully logged in", "token": token, "user": user });
    Ok(json(body.to_string().into_bytes()))
}

fn issue_token(app: &App, username: &str) -> Result<String, Error> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(Error::internal)?
        .as_secs();
    let claims = Claims {
        sub: username.to_owned(),
        iat: now,
        nbf: now,
        exp: now + 24 * 3600,
    };
    jsonwebtoken::encode(&Header::default(), &claims, &app.encoding).map_err(Error::internal)
}

/// Compares a password with a stored hash of the form `pbkdf2:sha256:ITERATIONS$SALT$HEX`.
fn verify_password(password: &str, stored: &str) -> bool {
    let mut parts = stored.split('$');
    let iterations = parts
        .next()
        .and_then(|method| method.strip_prefix("pbkdf2:sha256:")?.parse().ok());
    let (Some(iterations), Some(salt), Some(hash)) = (iterations, parts.next(), parts.next())
    else {
        return false;
    };
    let key: [u8; 32] = pbkdf2::pbkdf2_hmac_array::<sha2::Sha256, 32>(
        password.as_bytes(),
        salt.as_bytes(),
        iterations,
    );
    hex::encode(key) == hash
}
