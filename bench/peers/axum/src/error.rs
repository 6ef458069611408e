//! The errors of requests, and their responses.

use std::fmt::Display;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

pub enum Error {
    Unauthorized(&'static str),
    Forbidden,
    Invalid(&'static str),
    Internal(String),
}

impl Error {
    pub fn internal(cause: impl Display) -> Error {
        Error::Internal(cause.to_string())
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        Error::internal(error)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, msg) = match self {
            Error::Unauthorized(msg) => (StatusCode::UNAUTHORIZED, msg),
            Error::Forbidden => (StatusCode::FORBIDDEN, "not permitted"),
            Error::Invalid(msg) => (StatusCode::UNPROCESSABLE_ENTITY, msg),
            Error::Internal(cause) => {
                eprintln!("error: {cause}");
                (StatusCode::INTERNAL_SERVER_ERROR, "internal error")
            }
        };
        (status, axum::Json(serde_json::json!({ "msg": msg }))).into_response()
    }
}
