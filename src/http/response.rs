//! Successful responses: JSON, entity tags, pages of lists, static files.

use rouille::{Response, ResponseBody};
use serde::Serialize;

use super::embedded_files::{FileForm, StaticFile};
use super::etag::ETag;
use super::request::RequestContext;
use crate::error::Error;
use crate::model::Page;

/// What a handler returns.
pub type HandlerResult = Result<Response, Error>;

/// 200 with JSON.
pub fn json(body: &impl Serialize) -> Response {
    Response::json(body)
}

/// 200 with an account or a task, and the entity tag of its version in `ETag`.
///
/// # Errors
/// Those of [`ETag::of`].
pub fn json_with_etag(body: &impl Serialize) -> HandlerResult {
    Ok(with_etag(json(body), &ETag::of(body)?))
}

/// The response to a conditional GET (RFC 9110, 13): as [`json_with_etag`], but 304 without a body if
/// `If-None-Match` names the current version.
///
/// # Errors
/// [`Error::BadRequest`] for a malformed precondition, [`Error::PreconditionFailed`] if `If-Match` does not
/// name the current version.
pub fn json_or_304(context: &RequestContext, body: &impl Serialize) -> HandlerResult {
    full_or_304(context, &ETag::of(body)?, || json(body))
}

/// 200 with a static file, or 304. The browser caches the file and revalidates it each time (`no-cache`), so
/// that a page of a new binary never runs a script of an old one.
///
/// # Errors
/// Those of [`json_or_304`].
pub fn static_file(context: &RequestContext, file: &StaticFile) -> HandlerResult {
    let response = if context.accepts_gzip() {
        let form = file.gzip()?;
        full_or_304(context, &form.etag, || {
            from_form(file, form).with_additional_header("Content-Encoding", "gzip")
        })?
    } else {
        let form = file.plain()?;
        full_or_304(context, &form.etag, || from_form(file, form))?
    };
    let response = response
        .with_additional_header("Cache-Control", "no-cache")
        .with_additional_header("Vary", "Accept-Encoding");
    Ok(match file.security_policy {
        Some(policy) => response.with_additional_header("Content-Security-Policy", policy),
        None => response,
    })
}

/// 200 with a form of a static file, which is read where it is.
fn from_form(file: &StaticFile, form: &FileForm) -> Response {
    let (reader, size) = form.reader();
    Response {
        data: ResponseBody::from_reader_and_size(reader, size),
        ..Response::from_data(file.media_type, "")
    }
}

/// The response of `full`, or 304 if `If-None-Match` names this version; both with `ETag`.
fn full_or_304(
    context: &RequestContext,
    etag: &ETag,
    full: impl FnOnce() -> Response,
) -> HandlerResult {
    if context.preconditions()?.is_not_modified(etag)? {
        Ok(not_modified(etag))
    } else {
        Ok(with_etag(full(), etag))
    }
}

/// 304: the client has this version.
pub fn not_modified(etag: &ETag) -> Response {
    with_etag(no_content().with_status_code(304), etag)
}

/// 201 with an account or a task, and the entity tag of its version in `ETag`.
///
/// # Errors
/// Those of [`ETag::of`].
pub fn created(body: &impl Serialize) -> HandlerResult {
    Ok(json_with_etag(body)?.with_status_code(201))
}

/// Adds a `Set-Cookie` for each of these cookies.
pub fn with_cookies(response: Response, cookies: impl IntoIterator<Item = String>) -> Response {
    cookies.into_iter().fold(response, |response, cookie| {
        response.with_additional_header("Set-Cookie", cookie)
    })
}

/// Adds `ETag`.
pub fn with_etag(response: Response, etag: &ETag) -> Response {
    response.with_additional_header("ETag", etag.to_string())
}

/// 204: success without a body.
pub fn no_content() -> Response {
    Response::empty_204()
}

/// 200 with a page of a list: `{"items": [...], "next_cursor": "..." | null}`, and the URL of the next page
/// in `Link` (RFC 8288). `next` is the cursor and the URL of the next page; `None` on the last page.
pub fn page<T: Serialize>(page: &Page<T>, next: Option<(String, String)>) -> Response {
    #[derive(Serialize)]
    struct Body<'a, T> {
        items: &'a [T],
        next_cursor: Option<String>,
    }

    let (next_cursor, url) = next.unzip();
    let items = &page.items;
    let response = json(&Body { items, next_cursor });
    match url {
        Some(url) => response.with_additional_header("Link", format!("<{url}>; rel=\"next\"")),
        None => response,
    }
}
