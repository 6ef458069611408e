//! The one error type of requests. Every function on the way from the socket to the database returns it, and
//! [`crate::http::error_response`] maps it to status, code and message.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use strum::{IntoStaticStr, VariantArray};

/// Maps the name of each invalid field to the reason.
#[derive(Debug, Default, Serialize)]
pub struct FieldErrors(BTreeMap<String, String>);

impl FieldErrors {
    /// Adds a field, or replaces its reason.
    pub fn insert(&mut self, field: String, reason: String) {
        self.0.insert(field, reason);
    }

    /// Whether there is no error.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// All errors in one line, for the message of the response.
impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (field, reason)) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{field}: {reason}")?;
        }
        Ok(())
    }
}

/// Why the database cannot be written, or not be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum StorageFault {
    /// Another process keeps the database locked.
    Locked,
    /// The database server cannot be reached.
    Unreachable,
    /// The disk, the quota or the limit of the file's size is full.
    Full,
    /// The disk reports an error.
    Failing,
    /// The file or its file system is read-only.
    ReadOnly,
    /// The open file is no longer the file at the path of the database, or a table of PostgreSQL is gone.
    Replaced,
    /// A newer version of this program has migrated the database.
    Newer,
    /// The content of the database is damaged.
    Damaged,
}

impl StorageFault {
    /// The reason, as a clause for people.
    pub fn reason(self) -> &'static str {
        match self {
            StorageFault::Locked => "another program keeps the database locked",
            StorageFault::Unreachable => "the database server cannot be reached",
            StorageFault::Full => "the disk is full",
            StorageFault::Failing => "the disk reports an error",
            StorageFault::ReadOnly => "the database is read-only",
            StorageFault::Replaced => "the database was moved, removed or replaced",
            StorageFault::Newer => "a newer version of this program has migrated the database",
            StorageFault::Damaged => "the database is damaged",
        }
    }
}

/// A fault of the database, and its cause, for the log.
#[derive(Debug, Clone)]
pub struct StorageError {
    /// The kind of fault.
    pub fault: StorageFault,
    /// The error of the database or of the system.
    pub cause: String,
}

impl StorageError {
    /// An error with this cause.
    pub fn new(fault: StorageFault, cause: impl Into<String>) -> StorageError {
        let cause = cause.into();
        StorageError { fault, cause }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.fault.reason(), self.cause)
    }
}

/// A request above a rate limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimitRefusal {
    /// The name of the limit, as in the metrics.
    pub limit: &'static str,
    /// The time until the next request is permitted, for `Retry-After`.
    pub wait: Duration,
    /// Whether the log names it: it is the first refusal since what is counted was idle, so that a flood of requests
    /// is no flood of lines.
    pub is_logged: bool,
    /// The id of the account, for the log; `None` without an account.
    pub account: Option<i64>,
}

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
    /// 401 at sign-in: e-mail or password is wrong. The response does not say which, since that would reveal
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
    /// 403: the request is signed in with a token for scripts, which does not permit it.
    InsufficientScope,
    /// 403: the request has `Refresh-Cookie`, and no page of this server sends it.
    NotOwnPage,
    /// 403: `SIGNUPS` is closed, and the sign-up has no invitation.
    SignUpsClosed,
    /// 403: `MAX_PENDING_ACCOUNTS` accounts await approval.
    TooManyPendingAccounts,
    /// 404: the resource does not exist, or the caller may not see it.
    NotFound,
    /// 405: the path does not support the method. Holds the methods that it supports, for `Allow`.
    MethodNotAllowed(String),
    /// 408: the rest of the request does not arrive in time.
    Timeout,
    /// 409: another account has the username or the e-mail.
    AccountExists,
    /// 409: the change would leave no approved admin.
    LastAdmin,
    /// 409: the account has the largest number of tokens for scripts. Holds that number.
    TooManyTokens(u32),
    /// 409: the largest number of invitations is open. Holds that number.
    TooManyInvitations(u32),
    /// 410: the one-time link has been used, withdrawn or has expired, or there never was one with this token.
    LinkUsedOrExpired,
    /// 412: the current version does not satisfy `If-Match` or `If-None-Match`.
    PreconditionFailed,
    /// 413: the body is too large. Holds the limit in bytes.
    BodyTooLarge(u64),
    /// 414: the request line is too long. Holds the limit in bytes.
    TargetTooLong(u32),
    /// 415: the `Content-Type` is not `application/json`.
    NotJson,
    /// 415: the body has a `Content-Encoding`. The response header `Accept-Encoding` names the accepted one:
    /// `identity`.
    ContentCoding,
    /// 417: `Expect` is not `100-continue`.
    ExpectationFailed,
    /// 422: the body or the query has invalid values. Holds every invalid field.
    Invalid(FieldErrors),
    /// 429: a rate limit is used up.
    TooManyRequests(Box<RateLimitRefusal>),
    /// 422: the `Idempotency-Key` was used before with another body.
    IdempotencyKeyReused,
    /// 431: the header fields are too large or too many. Holds the limit with its unit.
    HeaderTooLarge(String),
    /// 503, unless the handler retries: another request changed the row between reading and writing
    /// (optimistic concurrency).
    WriteConflict,
    /// 503: the server is overloaded: a wait has timed out, or the memory budget is used up. Holds the cause,
    /// for the log.
    Busy(String),
    /// 503: the request has waited `QUEUE_TIMEOUT` in its queue. Holds the time that the queue takes at its
    /// present speed, for `Retry-After`.
    QueueTimeout(Duration),
    /// 503: the server is stopping.
    Stopping,
    /// 503: the database cannot be written, or not be trusted. The store logs it once, when the fault begins.
    StorageUnavailable(StorageError),
    /// 500: a fault of the server, its database or the system. Holds the cause, for the log.
    Internal(String),
    /// 505: the version is neither HTTP/1.0 nor HTTP/1.1.
    HttpVersion,
}

impl Error {
    /// A 422 about a single field.
    pub fn invalid(field: &str, reason: impl Into<String>) -> Error {
        let mut errors = FieldErrors::default();
        errors.insert(field.to_owned(), reason.into());
        Error::Invalid(errors)
    }

    /// Adds the account to a refusal by a rate limit, for the log.
    pub fn of_account(mut self, id: Option<i64>) -> Error {
        if let Error::TooManyRequests(refusal) = &mut self {
            refusal.account = id;
        }
        self
    }

    /// The error for a token whose session has ended.
    pub fn revoked() -> Error {
        Error::InvalidToken("Token has been revoked".to_owned())
    }
}
