//! Error responses: [`Error::public`] is the one mapping from an error to its status, code and message, and
//! [`error_response`] is the only function that writes the response. The cause of an error goes to the log.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use ::http::StatusCode;
use rouille::Response;
use serde_json::{Value, json};

use super::request::RequestContext;
use crate::error::{Error, StorageFault};
use crate::logging::FAILURE;

/// The longest `Retry-After` after a queue timeout: the queue may become shorter faster than it looks.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(120);

/// Returns the response for an error: `{"msg": "for people", "code": "for_programs"}`. Logs the cause, which
/// the client must not see.
pub fn error_response(context: &RequestContext, error: &Error) -> Response {
    let request_id = &context.request_id;
    match error {
        Error::Internal(error) => log::error!(target: FAILURE, request_id, error; ""),
        Error::Busy(busy) => log::warn!(target: FAILURE, request_id, busy; ""),
        Error::WriteConflict => log::warn!(target: FAILURE, request_id, busy = "conflict"; ""),
        Error::QueueTimeout(_) => {
            log::warn!(target: FAILURE, request_id, busy = "QUEUE_TIMEOUT has passed"; "");
        }
        Error::Stopping => {
            log::warn!(target: FAILURE, request_id, busy = "the server is stopping"; "")
        }
        Error::TooManyRequests(refusal) if refusal.is_logged => {
            let (limit, account) = (refusal.limit, refusal.account);
            let address = context.client.address;
            log::warn!(request_id, limit, account, address:%; "too many requests");
        }
        _ => {}
    }
    let status = error.public().status.as_u16();
    let response = Response::json::<Value>(&error_body(error)).with_status_code(status);
    match error_header(error) {
        Some((name, value)) => response.with_additional_header(name, value),
        None => response,
    }
}

/// The body of an error response.
pub fn error_body(error: &Error) -> Value {
    let PublicError { code, msg, .. } = error.public();
    let mut body = json!({ "msg": msg, "code": code });
    match error {
        Error::Invalid(errors) => body["errors"] = json!(errors),
        // The tutorial sends the text under this key too, and its front ends read it there.
        Error::AccountExists => body["message"] = json!(msg),
        _ => {}
    }
    body
}

/// The additional header of an error response, if the error has one.
pub fn error_header(error: &Error) -> Option<(&'static str, Cow<'static, str>)> {
    Some(match error {
        // RFC 6750, 3: no error code where the request had no credentials.
        Error::NoCredentials(_) | Error::WrongEmailOrPassword => {
            ("WWW-Authenticate", "Bearer".into())
        }
        Error::InvalidToken(_) => ("WWW-Authenticate", r#"Bearer error="invalid_token""#.into()),
        Error::InsufficientRole | Error::InsufficientScope => (
            "WWW-Authenticate",
            r#"Bearer error="insufficient_scope""#.into(),
        ),
        Error::MethodNotAllowed(allow) => ("Allow", allow.clone().into()),
        // RFC 9110, 12.5.3: the content codings that a request body may have.
        Error::ContentCoding => ("Accept-Encoding", "identity".into()),
        Error::TooManyRequests(refusal) => (
            "Retry-After",
            whole_seconds(refusal.wait).to_string().into(),
        ),
        Error::QueueTimeout(backlog) => {
            let wait = (*backlog).min(MAX_RETRY_AFTER);
            ("Retry-After", whole_seconds(wait).to_string().into())
        }
        Error::Busy(_) | Error::WriteConflict | Error::Stopping => ("Retry-After", "1".into()),
        // A standby takes over within seconds; a full disk takes longer.
        Error::StorageUnavailable(why) if why.fault == StorageFault::Unreachable => {
            ("Retry-After", "2".into())
        }
        Error::StorageUnavailable(_) => ("Retry-After", "10".into()),
        _ => return None,
    })
}

/// The part of an [`Error`] that the client sees.
#[derive(Debug)]
pub struct PublicError<'a> {
    /// The HTTP status.
    pub status: StatusCode,
    /// The error code for programs. It stays the same when `msg` is reworded.
    pub code: &'static str,
    /// The message for people.
    pub msg: Cow<'a, str>,
}

impl Error {
    /// Returns status, code and message. This is the only place that assigns them.
    pub fn public(&self) -> PublicError<'_> {
        let (status, code, msg): (StatusCode, &'static str, Cow<str>) = match self {
            Error::Malformed(why) => (
                StatusCode::BAD_REQUEST,
                "malformed_json",
                format!("The request body cannot be parsed as JSON: {why}").into(),
            ),
            Error::BadRequest(why) => (
                StatusCode::BAD_REQUEST,
                "bad_request",
                format!("The request is malformed: {why}").into(),
            ),
            Error::NoCredentials(msg) => (StatusCode::UNAUTHORIZED, "unauthorized", (*msg).into()),
            Error::InvalidToken(msg) => (StatusCode::UNAUTHORIZED, "invalid_token", msg.into()),
            Error::WrongEmailOrPassword => (
                StatusCode::UNAUTHORIZED,
                "wrong_email_or_password",
                "email or password incorrect.".into(),
            ),
            Error::AwaitingApproval => (
                StatusCode::FORBIDDEN,
                "awaiting_approval",
                "This account is waiting for approval by an administrator".into(),
            ),
            Error::InsufficientRole => (
                StatusCode::FORBIDDEN,
                "insufficient_role",
                "Your role does not permit this".into(),
            ),
            Error::StatusOnly => (
                StatusCode::FORBIDDEN,
                "status_only",
                "You may change only the status of this task".into(),
            ),
            Error::WrongPassword => (
                StatusCode::FORBIDDEN,
                "wrong_password",
                "The current password is wrong".into(),
            ),
            Error::InsufficientScope => (
                StatusCode::FORBIDDEN,
                "insufficient_scope",
                "This token does not permit the request; sign in instead".into(),
            ),
            Error::NotOwnPage => (
                StatusCode::FORBIDDEN,
                "not_own_page",
                "Only a page of this server may use the refresh cookie: send no Refresh-Cookie, and the token in \
                 Authorization"
                    .into(),
            ),
            Error::SignUpsClosed => (
                StatusCode::FORBIDDEN,
                "sign_ups_closed",
                "Sign-up needs an invitation; ask an administrator for one".into(),
            ),
            Error::TooManyPendingAccounts => (
                StatusCode::FORBIDDEN,
                "too_many_pending_accounts",
                "Too many accounts are waiting for approval; ask an administrator for an invitation".into(),
            ),
            Error::NotFound => (
                StatusCode::NOT_FOUND,
                "not_found",
                "The requested resource does not exist".into(),
            ),
            Error::MethodNotAllowed(allow) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                format!("This URL supports only the methods {allow}").into(),
            ),
            Error::Timeout => (
                StatusCode::REQUEST_TIMEOUT,
                "request_timeout",
                "The rest of the request did not arrive in time".into(),
            ),
            Error::AccountExists => (
                StatusCode::CONFLICT,
                "account_exists",
                "Username or Email already exists".into(),
            ),
            Error::LastAdmin => (
                StatusCode::CONFLICT,
                "last_admin",
                "At least one approved admin must remain".into(),
            ),
            Error::TooManyTokens(limit) => (
                StatusCode::CONFLICT,
                "too_many_tokens",
                format!("The account has {limit} tokens already; revoke one first").into(),
            ),
            Error::TooManyInvitations(limit) => (
                StatusCode::CONFLICT,
                "too_many_invitations",
                format!("{limit} invitations are open already; withdraw one first").into(),
            ),
            Error::LinkUsedOrExpired => (
                StatusCode::GONE,
                "link_used_or_expired",
                "This link has been used, withdrawn or has expired; ask an administrator for a new one".into(),
            ),
            Error::PreconditionFailed => (
                StatusCode::PRECONDITION_FAILED,
                "precondition_failed",
                "The current version does not satisfy If-Match or If-None-Match; read the resource again".into(),
            ),
            Error::BodyTooLarge(limit) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                format!("The request body is larger than {limit} bytes").into(),
            ),
            Error::TargetTooLong(limit) => (
                StatusCode::URI_TOO_LONG,
                "uri_too_long",
                format!("The request line is longer than {limit} bytes").into(),
            ),
            Error::NotJson => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Send the request body with Content-Type: application/json".into(),
            ),
            Error::ContentCoding => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_content_encoding",
                "Send the request body without Content-Encoding".into(),
            ),
            Error::ExpectationFailed => (
                StatusCode::EXPECTATION_FAILED,
                "expectation_failed",
                "The only supported value of Expect is 100-continue".into(),
            ),
            Error::Invalid(errors) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                format!("Invalid input: {errors}").into(),
            ),
            Error::TooManyRequests(refusal) => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                format!(
                    "Too many requests, try again in {} s",
                    whole_seconds(refusal.wait)
                )
                .into(),
            ),
            Error::IdempotencyKeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "This Idempotency-Key was already used with a different request body".into(),
            ),
            Error::HeaderTooLarge(limit) => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "header_too_large",
                format!("The request header is larger than the limit of {limit}").into(),
            ),
            Error::Busy(_) | Error::WriteConflict | Error::QueueTimeout(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "The server is busy, try again shortly".into(),
            ),
            Error::Stopping => (
                StatusCode::SERVICE_UNAVAILABLE,
                "stopping",
                "The server is stopping, try again shortly".into(),
            ),
            Error::StorageUnavailable(why) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "storage_unavailable",
                format!(
                    "The server cannot store data at the moment: {}",
                    why.fault.reason()
                )
                .into(),
            ),
            Error::Internal(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_error",
                "Internal Server Error".into(),
            ),
            Error::HttpVersion => (
                StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                "http_version_not_supported",
                "This server supports only HTTP/1.0 and HTTP/1.1".into(),
            ),
        };
        PublicError { status, code, msg }
    }
}

/// Converts a wait to whole seconds, the unit of `Retry-After` (RFC 9110, 10.2.3). Rounds up to at least 1,
/// so that a client that waits exactly this long is not too early.
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_micros().div_ceil(1_000_000).max(1) as u64
}

/// The text for the command line and the log. Unlike [`Error::public`] it shows the cause of
/// [`Error::Internal`], [`Error::StorageUnavailable`] and [`Error::Busy`].
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Internal(cause) | Error::Busy(cause) => f.write_str(cause),
            Error::StorageUnavailable(why) => why.fmt(f),
            other => f.write_str(&other.public().msg),
        }
    }
}

impl std::error::Error for Error {}
