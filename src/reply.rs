//! Answers: what a handler returns, and the one place that writes an error.

use std::borrow::Cow;

use rouille::Response;
use serde::Serialize;
use serde_json::{Value, json};

use crate::assets::Asset;
use crate::call::Call;
use crate::error::{Error, Public, whole_seconds};
use crate::etag::ETag;
use crate::metrics::text::{MEDIA_TYPE, Text};
use crate::model::Page;

/// What a handler returns.
pub type Reply = Result<Response, Error>;

/// 200 with JSON.
pub fn ok(body: &impl Serialize) -> Response {
    Response::json(body)
}

/// 200 with an account or a task, and its version in `ETag`.
///
/// # Errors
/// [`Error::Internal`].
pub fn versioned(body: &impl Serialize) -> Reply {
    Ok(with_version(ok(body), &ETag::of(body)?))
}

/// The same to a request that reads. Where its client has that version already: 304, without it (RFC 9110,
/// 15.4.5).
///
/// # Errors
/// [`Error::BadRequest`] and [`Error::PreconditionFailed`], for what the request demands.
pub fn current(call: &Call, body: &impl Serialize) -> Reply {
    unless_known(call, &ETag::of(body)?, || ok(body))
}

/// 200 with a file for a browser, which keeps it and asks each time whether it is still that version: a new
/// binary is never met by an old script.
///
/// # Errors
/// Those of [`current`].
pub fn file(call: &Call, asset: &Asset) -> Reply {
    let from_data = |bytes| Response::from_data(asset.media_type, bytes);
    let response = match call.accepts_gzip() {
        true => unless_known(call, &asset.gzip_version, || {
            from_data(asset.gzip.to_vec()).with_additional_header("Content-Encoding", "gzip")
        })?,
        false => {
            let plain = asset.plain()?;
            unless_known(call, &ETag::of_bytes(&plain)?, || from_data(plain))?
        }
    };
    let response = response
        .with_additional_header("Cache-Control", "no-cache")
        .with_additional_header("Vary", "Accept-Encoding");
    Ok(match asset.policy {
        Some(policy) => response.with_additional_header("Content-Security-Policy", policy),
        None => response,
    })
}

/// The answer with this version, or 304 where the client has it.
fn unless_known(call: &Call, version: &ETag, show: impl FnOnce() -> Response) -> Reply {
    let response = match call.preconditions()?.client_has(version)? {
        true => no_content().with_status_code(304),
        false => show(),
    };
    Ok(with_version(response, version))
}

/// 201 with an account or a task, and its version.
///
/// # Errors
/// [`Error::Internal`].
pub fn created(body: &impl Serialize) -> Reply {
    Ok(versioned(body)?.with_status_code(201))
}

fn with_version(response: Response, version: &ETag) -> Response {
    response.with_additional_header("ETag", version.to_string())
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
    let response =
        Response::json::<Value>(&error_body(error)).with_status_code(error.public().status);
    match error_header(error) {
        Some((name, value)) => response.with_additional_header(name, value),
        None => response,
    }
}

/// The body that tells of an error.
pub fn error_body(error: &Error) -> Value {
    let Public { code, msg, .. } = error.public();
    let mut body = json!({ "msg": msg, "code": code });
    match error {
        Error::Invalid(errors) => body["errors"] = json!(errors),
        // The tutorial's own key for these words, which its front ends read.
        Error::AccountExists => body["message"] = json!(msg),
        _ => {}
    }
    body
}

/// The header that goes with it, if one does.
pub fn error_header(error: &Error) -> Option<(&'static str, Cow<'static, str>)> {
    Some(match error {
        // RFC 6750, 3: no error code where there were no credentials.
        Error::NoCredentials(_) | Error::WrongEmailOrPassword => {
            ("WWW-Authenticate", "Bearer".into())
        }
        Error::InvalidToken(_) => ("WWW-Authenticate", r#"Bearer error="invalid_token""#.into()),
        Error::InsufficientRole => (
            "WWW-Authenticate",
            r#"Bearer error="insufficient_scope""#.into(),
        ),
        Error::MethodNotAllowed(allow) => ("Allow", allow.clone().into()),
        Error::TooManyRequests(wait) => ("Retry-After", whole_seconds(*wait).to_string().into()),
        Error::Busy(_) | Error::Outdated => ("Retry-After", "1".into()),
        _ => return None,
    })
}
