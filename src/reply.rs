//! Answers: what a handler returns, and the one place that writes an error.

use rouille::Response;
use serde::Serialize;
use serde_json::{Value, json};

use crate::call::Call;
use crate::error::{Error, Public};
use crate::metrics::text::{MEDIA_TYPE, Text};
use crate::model::Page;

/// What a handler returns.
pub type Reply = Result<Response, Error>;

/// 200 with JSON.
pub fn ok(body: &impl Serialize) -> Response {
    Response::json(body)
}

/// 201 with JSON.
pub fn created(body: &impl Serialize) -> Response {
    ok(body).with_status_code(201)
}

/// 204: done, and nothing to say about it.
pub fn no_content() -> Response {
    Response::empty_204()
}

/// 200 with a page of a list: `{"items": [...], "next_cursor": "..." | null}`, and the next page's
/// URL in `Link` (RFC 8288). `next` holds cursor and URL.
pub fn page<T: Serialize>(page: &Page<T>, next: Option<(String, String)>) -> Response {
    #[derive(Serialize)]
    struct Body<'a, T> {
        items: &'a [T],
        next_cursor: Option<String>,
    }

    let (next_cursor, url) = next.unzip();
    let items = &page.items;
    let response = ok(&Body { items, next_cursor });
    match url {
        Some(url) => response.with_additional_header("Link", format!("<{url}>; rel=\"next\"")),
        None => response,
    }
}

/// 200 with metrics.
pub fn metrics(text: Text) -> Response {
    Response::from_data(MEDIA_TYPE, text.into_string())
}

/// An error as JSON, `{"msg": "for people", "code": "for_programs"}`, and in the log what the client
/// is not told.
pub fn error(call: &Call, error: &Error) -> Response {
    match error {
        Error::Internal(cause) => log::error!("request_id={} error={cause:?}", call.request_id),
        Error::Busy(cause) => log::warn!("request_id={} busy={cause:?}", call.request_id),
        _ => {}
    }
    let Public { status, code, msg } = error.public();
    let mut body = json!({ "msg": msg, "code": code });
    match error {
        Error::Invalid(errors) => body["errors"] = json!(errors),
        // The tutorial's own key for these words, which its front ends read.
        Error::AccountExists => body["message"] = json!(msg),
        _ => {}
    }
    let response = Response::json::<Value>(&body).with_status_code(status);
    match error {
        // RFC 6750, 3: no error code where there were no credentials.
        Error::NoCredentials(_) | Error::WrongEmailOrPassword => {
            response.with_additional_header("WWW-Authenticate", "Bearer")
        }
        Error::InvalidToken(_) => {
            response.with_additional_header("WWW-Authenticate", r#"Bearer error="invalid_token""#)
        }
        Error::InsufficientRole => response
            .with_additional_header("WWW-Authenticate", r#"Bearer error="insufficient_scope""#),
        Error::MethodNotAllowed(allow) => response.with_additional_header("Allow", allow.clone()),
        Error::Busy(_) => response.with_additional_header("Retry-After", "1"),
        _ => response,
    }
}
