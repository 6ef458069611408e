//! Handlers, one function for each endpoint: each takes its input, uses the store, and returns a response.
//! This file has the steps that several of them share.

pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod health;
pub(crate) mod hello;
pub(crate) mod me;
pub(crate) mod metrics;
mod pagination;
pub(crate) mod sessions;
pub(crate) mod static_files;
pub(crate) mod tasks;
pub(crate) mod users;

use crate::app::App;
use crate::error::Error;
use crate::http::json_body::JsonBody;
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult};
use crate::model::{Actor, User};
use crate::store::idempotency::{Fingerprint, StoredResponse};
use crate::store::{Connection, users as accounts};

/// Runs the attempt again, once, if another request has changed the row between its read and its write
/// (optimistic concurrency).
fn retry_on_conflict<T>(attempt: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    match attempt() {
        Err(Error::WriteConflict) => attempt(),
        done => done,
    }
}

/// Checks inside the write transaction that the caller still has the rights that the router found. Without
/// this check the role could change between the router's check and the write (time-of-check to time-of-use,
/// OWASP ASVS 5.0, 15.4.2).
fn recheck_permissions(db: &Connection, caller: &User) -> Result<(), Error> {
    match accounts::by_username(db, &caller.username)? {
        Some(user) if user.has_rights_of(caller) => Ok(()),
        _ => Err(Error::InsufficientRole),
    }
}

/// The actor of this request, for the audit log.
fn actor<'a>(app: &App, context: &RequestContext, account: &'a User) -> Actor<'a> {
    Actor {
        account: Some(account),
        ..anonymous_actor(app, context)
    }
}

/// The actor of a request whose caller is not signed in.
fn anonymous_actor(app: &App, context: &RequestContext) -> Actor<'static> {
    Actor {
        account: None,
        address: Some(context.client.address),
        at: app.now(),
    }
}

/// The fingerprint by which a retry of this request is recognised; `None` without an `Idempotency-Key`.
/// `route` names the endpoint, such as `POST /tasks`.
fn fingerprint(
    app: &App,
    context: &RequestContext,
    route: &str,
    caller: Option<&User>,
    body: &JsonBody,
) -> Result<Option<Fingerprint>, Error> {
    let key = context.idempotency_key()?;
    Ok(key.map(|key| app.fingerprints.of(key, route, caller, body.bytes())))
}

/// 201 with the account or task; a retry gets the first response, marked with `Idempotency-Replayed`.
fn created(stored: &StoredResponse) -> HandlerResult {
    let response = response::created(&stored.body)?;
    Ok(if stored.is_replay {
        response.with_additional_header("Idempotency-Replayed", "true")
    } else {
        response
    })
}
