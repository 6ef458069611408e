//! The error type of every request, and the one mapping from an error to the response that the client sees.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use ::http::StatusCode;

/// Maps the name of each invalid field to the reason.
pub type FieldErrors = BTreeMap<String, String>;

/// Why a request fails.
///
/// A variant exists only where a client or a calling function treats the error in a way of its own. Every
/// other cause is [`Error::Internal`], whose text goes to the log and never to a client.
#[derive(Debug)]
pub enum Error {
    /// 400: the body is not JSON, or is incomplete. Holds the reason.
    Malformed(String),
    /// 400: the request is not valid HTTP/1.1, is ambiguous about where it ends (request smuggling), or has a
    /// malformed header field. Holds the reason, as a clause about the request: "it has no Host".
    BadRequest(&'static str),
    /// 401: the request has no credentials. Holds flask-jwt-extended's message.
    NoCredentials(&'static str),
    /// 401: the token is malformed, expired, revoked or of the wrong kind. Holds flask-jwt-extended's
    /// message.
    InvalidToken(String),
    /// 401 at sign-in: e-mail or password is wrong. The response does not say which, since that would tell
    /// whether an account exists.
    WrongEmailOrPassword,
    /// 403: the account is not approved yet.
    AwaitingApproval,
    /// 403: the route requires a higher role.
    InsufficientRole,
    /// 403: an employee tries to change more of a task than its status.
    StatusOnly,
    /// 403: `current_password` is wrong.
    WrongPassword,
    /// 404: the resource does not exist, or the caller may not see it.
    NotFound,
    /// 405. Holds the methods that the path supports, for `Allow`.
    MethodNotAllowed(String),
    /// 408: the rest of the request does not arrive in time.
    Timeout,
    /// 409: another account has the username or the e-mail.
    AccountExists,
    /// 409: the change would leave no approved admin.
    LastAdmin,
    /// 412: the current version does not satisfy `If-Match` or `If-None-Match`.
    PreconditionFailed,
    /// 413. Holds the limit in bytes.
    BodyTooLarge(u64),
    /// 414. Holds the limit in bytes.
    TargetTooLong(u32),
    /// 415: the `Content-Type` is not `application/json`.
    NotJson,
    /// 415: the body has a `Content-Encoding`. The response header `Accept-Encoding` names the accepted one:
    /// `identity`.
    ContentCoding,
    /// 417: `Expect` is not `100-continue`.
    ExpectationFailed,
    /// 422. Holds every invalid field.
    Invalid(FieldErrors),
    /// 429. Holds the time until the next attempt is permitted, for `Retry-After`.
    TooManyRequests(Duration),
    /// 422: the `Idempotency-Key` was used before with another body.
    IdempotencyKeyReused,
    /// 431. Holds the limit with its unit.
    HeaderTooLarge(String),
    /// 503, unless the handler retries: another request changed the row between reading and writing
    /// (optimistic concurrency).
    WriteConflict,
    /// 503: the server is overloaded or stopping: a queue is full, a wait has timed out, or the memory budget
    /// is used up. Holds the cause, for the log.
    Busy(String),
    /// 500. Holds the cause, for the log.
    Internal(String),
    /// 505: the version is neither HTTP/1.0 nor HTTP/1.1.
    HttpVersion,
}

/// The part of an [`Error`] that the client sees.
#[derive(Debug)]
pub struct Public<'a> {
    /// The HTTP status.
    pub status: StatusCode,
    /// The error code for programs. It stays the same when `msg` is reworded.
    pub code: &'static str,
    /// The message for people.
    pub msg: Cow<'a, str>,
}

impl Error {
    /// A 422 about a single field.
    pub fn invalid(field: &str, reason: impl Into<String>) -> Error {
        Error::Invalid(FieldErrors::from([(field.to_owned(), reason.into())]))
    }

    /// The error for a token whose session has ended.
    pub fn revoked() -> Error {
        Error::InvalidToken("Token has been revoked".to_owned())
    }

    /// Returns status, code and message. This is the only place that assigns them.
    pub fn public(&self) -> Public<'_> {
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
                summary(errors).into(),
            ),
            Error::TooManyRequests(wait) => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                format!("Too many requests, try again in {} s", whole_seconds(*wait)).into(),
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
            Error::Busy(_) | Error::WriteConflict => (
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "The server is busy, try again shortly".into(),
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
        Public { status, code, msg }
    }
}

/// Converts a wait to whole seconds, the unit of `Retry-After` (RFC 9110, 10.2.3). Rounds up, so that a
/// client that waits exactly this long is not too early.
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_micros().div_ceil(1_000_000).max(1) as u64
}

fn summary(errors: &FieldErrors) -> String {
    let fields: Vec<_> = errors
        .iter()
        .map(|(field, reason)| format!("{field}: {reason}"))
        .collect();
    format!("Invalid input: {}", fields.join("; "))
}

/// The text for the command line and the log. Unlike [`Error::public`] it shows the cause of
/// [`Error::Internal`] and [`Error::Busy`].
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Internal(cause) | Error::Busy(cause) => f.write_str(cause),
            other => f.write_str(&other.public().msg),
        }
    }
}

impl std::error::Error for Error {}
