//! The one place that turns an [`Error`] into a response.

use std::borrow::Cow;

use rouille::Response;
use serde_json::{Value, json};

use super::request::RequestContext;
use crate::error::{Error, Public, whole_seconds};

/// The response for an error: `{"msg": "for people", "code": "for_programs"}`. The cause, which the client
/// must not see, goes to the log.
pub fn error_response(context: &RequestContext, error: &Error) -> Response {
    let request_id = &context.request_id;
    match error {
        Error::Internal(cause) => log::error!("request_id={request_id} error={cause:?}"),
        Error::Busy(cause) => log::warn!("request_id={request_id} busy={cause:?}"),
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
    let Public { code, msg, .. } = error.public();
    let mut body = json!({ "msg": msg, "code": code });
    match error {
        Error::Invalid(errors) => body["errors"] = json!(errors),
        // The tutorial's own key for this text, which its front ends read.
        Error::AccountExists => body["message"] = json!(msg),
        _ => {}
    }
    body
}

/// The header that an error response has, if any.
pub fn error_header(error: &Error) -> Option<(&'static str, Cow<'static, str>)> {
    Some(match error {
        // RFC 6750, 3: no error code where the request had no credentials.
        Error::NoCredentials(_) | Error::WrongEmailOrPassword => {
            ("WWW-Authenticate", "Bearer".into())
        }
        Error::InvalidToken(_) => ("WWW-Authenticate", r#"Bearer error="invalid_token""#.into()),
        Error::InsufficientRole => (
            "WWW-Authenticate",
            r#"Bearer error="insufficient_scope""#.into(),
        ),
        Error::MethodNotAllowed(allow) => ("Allow", allow.clone().into()),
        // RFC 9110, 12.5.3: the content codings that a request body may have.
        Error::ContentCoding => ("Accept-Encoding", "identity".into()),
        Error::TooManyRequests(wait) => ("Retry-After", whole_seconds(*wait).to_string().into()),
        Error::Busy(_) | Error::WriteConflict => ("Retry-After", "1".into()),
        _ => return None,
    })
}
