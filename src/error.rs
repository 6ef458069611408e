//! Everything that can go wrong with a request, and what the client is told about it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use ::http::StatusCode;

/// Field name → why it was refused.
pub type FieldErrors = BTreeMap<String, String>;

/// Why a request is not answered with success.
///
/// A variant exists only where a client or a caller acts on it; every other cause is
/// [`Error::Internal`], whose text goes to the log and never to a client.
#[derive(Debug)]
pub enum Error {
    /// 400: the body is not JSON, or ended early. Holds why.
    Malformed(String),
    /// 400: what came is no HTTP/1.1 request, could be taken for two, or has a header field that makes no
    /// sense. Holds what is wrong with it.
    BadRequest(&'static str),
    /// 401 without credentials in the request. Holds flask-jwt-extended's words.
    NoCredentials(&'static str),
    /// 401 with a token that does not count. Holds flask-jwt-extended's words.
    InvalidToken(String),
    /// 401 at sign-in: e-mail or password are wrong, and which of them stays unsaid.
    WrongEmailOrPassword,
    /// 403: an administrator has yet to approve the account.
    AwaitingApproval,
    /// 403: the route needs a higher role.
    InsufficientRole,
    /// 403: an employee may change the status of their task and nothing else of it.
    StatusOnly,
    /// 403: `current_password` is wrong.
    WrongPassword,
    /// 404: also for what exists but is not the caller's to see.
    NotFound,
    /// 405. Holds the methods that the path does have, for `Allow`.
    MethodNotAllowed(String),
    /// 408: the rest of the request did not come in time.
    Timeout,
    /// 409: the username or the e-mail is another account's.
    AccountExists,
    /// 409: no approved admin would be left.
    LastAdmin,
    /// 412: not the version that the request demands.
    PreconditionFailed,
    /// 413. Holds the limit in bytes.
    BodyTooLarge(u64),
    /// 414. Holds the limit in bytes.
    TargetTooLong(u32),
    /// 415: the body is not declared as `application/json`.
    NotJson,
    /// 415: the body has a `Content-Encoding`.
    ContentCoding,
    /// 417: nothing but `100-continue` can be expected.
    ExpectationFailed,
    /// 422. Holds every field that was refused.
    Invalid(FieldErrors),
    /// 429. Holds how long to wait.
    TooManyRequests(Duration),
    /// 422: the `Idempotency-Key` is that of a request with another body.
    IdempotencyKeyReused,
    /// 431. Holds the limit.
    HeaderTooLarge(String),
    /// 503, if it is not tried again: what was read has been changed by somebody else before the writing.
    WriteConflict,
    /// 503: not at the moment. Holds the cause, for the log.
    Busy(String),
    /// 500. Holds the cause, for the log.
    Internal(String),
    /// 505: neither HTTP/1.0 nor HTTP/1.1.
    HttpVersion,
}

/// What a client sees of an [`Error`].
#[derive(Debug)]
pub struct Public<'a> {
    /// The HTTP status.
    pub status: StatusCode,
    /// For programs: stays the same when `msg` is reworded.
    pub code: &'static str,
    /// For people.
    pub msg: Cow<'a, str>,
}

impl Error {
    /// A 422 about a single field.
    pub fn invalid(field: &str, why: impl Into<String>) -> Error {
        Error::Invalid(FieldErrors::from([(field.to_owned(), why.into())]))
    }

    /// For a token whose session has ended.
    pub fn revoked() -> Error {
        Error::InvalidToken("Token has been revoked".to_owned())
    }

    /// The one place that gives each error its status, its code and its words.
    pub fn public(&self) -> Public<'_> {
        let (status, code, msg): (StatusCode, &'static str, Cow<str>) = match self {
            Error::Malformed(why) => (
                StatusCode::BAD_REQUEST,
                "malformed_json",
                format!("The body is not usable JSON: {why}").into(),
            ),
            Error::BadRequest(why) => (
                StatusCode::BAD_REQUEST,
                "bad_request",
                format!("The request cannot be understood: {why}").into(),
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
                "An administrator has yet to approve this account".into(),
            ),
            Error::InsufficientRole => (
                StatusCode::FORBIDDEN,
                "insufficient_role",
                "Your role does not permit this".into(),
            ),
            Error::StatusOnly => (
                StatusCode::FORBIDDEN,
                "status_only",
                "You may change the status of this task and nothing else".into(),
            ),
            Error::WrongPassword => (
                StatusCode::FORBIDDEN,
                "wrong_password",
                "The current password is wrong".into(),
            ),
            Error::NotFound => (
                StatusCode::NOT_FOUND,
                "not_found",
                "There is nothing here".into(),
            ),
            Error::MethodNotAllowed(allow) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                format!("This path answers {allow}").into(),
            ),
            Error::Timeout => (
                StatusCode::REQUEST_TIMEOUT,
                "request_timeout",
                "The rest of the request did not come in time".into(),
            ),
            Error::AccountExists => (
                StatusCode::CONFLICT,
                "account_exists",
                "Username or Email already exists".into(),
            ),
            Error::LastAdmin => (
                StatusCode::CONFLICT,
                "last_admin",
                "No approved admin would be left".into(),
            ),
            Error::PreconditionFailed => (
                StatusCode::PRECONDITION_FAILED,
                "precondition_failed",
                "This is not the version that the request demands; read it again".into(),
            ),
            Error::BodyTooLarge(limit) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                format!("The body is larger than {limit} bytes").into(),
            ),
            Error::TargetTooLong(limit) => (
                StatusCode::URI_TOO_LONG,
                "uri_too_long",
                format!("The request line is longer than {limit} bytes").into(),
            ),
            Error::NotJson => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Send the body as Content-Type: application/json".into(),
            ),
            Error::ContentCoding => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_content_encoding",
                "Send the body without Content-Encoding".into(),
            ),
            Error::ExpectationFailed => (
                StatusCode::EXPECTATION_FAILED,
                "expectation_failed",
                "Nothing but 100-continue can be expected here".into(),
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
                "This Idempotency-Key came with another body before".into(),
            ),
            Error::HeaderTooLarge(limit) => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "header_too_large",
                format!("The header of a request has {limit} at most").into(),
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
                "This server speaks HTTP/1.1".into(),
            ),
        };
        Public { status, code, msg }
    }
}

/// A wait in the unit of `Retry-After` (RFC 9110, 10.2.3), rounded up.
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_micros().div_ceil(1_000_000).max(1) as u64
}

fn summary(errors: &FieldErrors) -> String {
    let fields: Vec<_> = errors
        .iter()
        .map(|(field, why)| format!("{field}: {why}"))
        .collect();
    format!("Refused: {}", fields.join("; "))
}

/// For the command line, which shows its operator the cause as well.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Internal(cause) | Error::Busy(cause) => f.write_str(cause),
            other => f.write_str(&other.public().msg),
        }
    }
}

impl std::error::Error for Error {}
