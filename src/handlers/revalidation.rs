//! Conditional requests for what is computed from many tasks: lists and counts. Their entity tag is made from the version
//! of all tasks (see `store/task_history.rs`), so 304 costs a search in an index instead of the list.

use crate::app::App;
use crate::error::Error;
use crate::http::etag::ETag;
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult};
use crate::model::{Timestamp, User};
use crate::store::task_history;

/// A tag is valid for at least this many seconds, and at most twice as many. The version does not cover everything: the
/// Flask app writes no history, and what is overdue depends on the time.
const PERIOD_SECONDS: i64 = 30;

/// Responds with the result of `respond` and a weak entity tag, or with 304 if `If-None-Match` has a valid tag of the
/// current version. The version is read first, so it is not newer than the response.
///
/// # Errors
/// [`Error::BadRequest`] for a malformed precondition, [`Error::PreconditionFailed`] if `If-Match` has no valid tag, and
/// those of `respond`.
pub fn tagged_or_304(
    app: &App,
    context: &RequestContext,
    user: &User,
    respond: impl FnOnce() -> HandlerResult,
) -> HandlerResult {
    let preconditions = context.preconditions()?;
    if preconditions.is_empty() {
        return tagged(app, context, user, respond);
    }
    let version = app.store.read_one(task_history::version)?;
    let period = period(app.now());
    let tag_of = |period| tag(app, context, user, &version, period);
    let current = tag_of(period)?;
    let with_current = preconditions.is_not_modified(&current);
    if let Ok(true) = with_current {
        return Ok(response::not_modified(&current));
    }
    let previous = tag_of(period - 1)?;
    match preconditions.is_not_modified(&previous) {
        Ok(true) => Ok(response::not_modified(&previous)),
        // `If-Match` names neither of the two.
        Err(why) if with_current.is_err() => Err(why),
        _ => Ok(response::with_etag(respond()?, &current)),
    }
}

/// The response with its tag. With PostgreSQL the first query of `respond` returns the version, so the request needs no
/// further round trip.
fn tagged(
    app: &App,
    context: &RequestContext,
    user: &User,
    respond: impl FnOnce() -> HandlerResult,
) -> HandlerResult {
    let read_version = || app.store.read_one(task_history::version);
    let (response, version) = if app.store.is_remote() {
        let sql = task_history::version_sql(true);
        let (response, version) = app.store.with_piggybacked_value(sql, respond)?;
        // A response without a query depends on no task.
        (response, version.map_or_else(read_version, Ok)?)
    } else {
        let version = read_version()?;
        (respond()?, version)
    };
    let tag = tag(app, context, user, &version, period(app.now()))?;
    Ok(response::with_etag(response, &tag))
}

fn period(now: Timestamp) -> i64 {
    now.unix_seconds().div_euclid(PERIOD_SECONDS)
}

/// The tag of a URL for an account with its present role. With SQLite it ends with the process: before the next start,
/// the file may have been replaced by a backup. The servers of a PostgreSQL database share their tags.
fn tag(
    app: &App,
    context: &RequestContext,
    user: &User,
    version: &str,
    period: i64,
) -> Result<ETag, Error> {
    let (path, query) = (context.path(), context.raw_query());
    let process = (!app.store.is_remote()).then_some(app.process_id);
    ETag::weak(&(version, process, period, user.id, user.role(), path, query))
}
