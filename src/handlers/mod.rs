//! What each route does: take the input, use the store, reply.

pub mod assets;
pub mod audit;
pub mod health;
pub mod me;
pub mod metrics;
pub mod session;
pub mod tasks;
pub mod users;

use serde::Serialize;

use crate::app::App;
use crate::call::{Call, Json};
use crate::error::Error;
use crate::fields::Fields;
use crate::model::{By, Page, Position, User};
use crate::reply::{self, Reply};
use crate::store::idempotency::{Fingerprint, Made};
use crate::store::{Connection, Store, users as accounts};

/// Answers with a page of a list. `read_filter` takes the list's own parameters from the query,
/// `find` looks up the rows behind a place.
fn paged<F, T: Serialize>(
    app: &App,
    call: &Call,
    read_filter: impl FnOnce(&mut Fields<String>) -> F,
    find: impl FnOnce(&Store, &F, Option<&Position>) -> Result<Page<T>, Error>,
) -> Reply {
    let mut parameters = call.parameters()?;
    let mut query = Fields::new(parameters.clone());
    let cursor: Option<String> = query.parameter("cursor");
    let filter = read_filter(&mut query);
    let filter = query.finish(Some(filter))?;
    // A cursor belongs to a list; where in it a page begins, and how long it is, may change.
    let pages = |name: &str| matches!(name, "cursor" | "limit");
    let list = call.url(parameters.iter().filter(|(name, _)| !pages(name)));
    let after = match cursor {
        None => None,
        Some(cursor) => Some(
            app.cursors
                .open(&list, &cursor)
                .ok_or_else(foreign_cursor)?,
        ),
    };
    let page = find(&app.store, &filter, after.as_ref())?;
    let next = page.next.as_ref().map(|position| {
        let cursor = app.cursors.seal(&list, position);
        parameters.insert("cursor".to_owned(), cursor.clone());
        (cursor, call.url(&parameters))
    });
    Ok(reply::page(&page, next))
}

fn foreign_cursor() -> Error {
    Error::invalid(
        "cursor",
        "is not one that this list gave out; begin again without it",
    )
}

/// Does it again where somebody else came between what was read and what is written.
fn once_more<T>(attempt: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    match attempt() {
        Err(Error::Outdated) => attempt(),
        done => done,
    }
}

/// Whether whoever was let in still has the rights that this needs: asked in the transaction, into which
/// nobody comes between (OWASP ASVS 5.0, 15.4.2).
fn still(db: &Connection, caller: &User) -> Result<(), Error> {
    match accounts::by_username(db, &caller.username)? {
        Some(user) if user.has_rights_of(caller) => Ok(()),
        _ => Err(Error::InsufficientRole),
    }
}

/// Who does what this request asks for, for the record.
fn by<'a>(app: &App, call: &Call, account: &'a User) -> By<'a> {
    By {
        account: Some(account),
        ..by_nobody(app, call)
    }
}

/// The same for whoever is not signed in.
fn by_nobody(app: &App, call: &Call) -> By<'static> {
    By {
        account: None,
        address: Some(call.client.address),
        at: app.now(),
    }
}

/// By what this request is known when it comes again, if its client wants that. `route` is a line of the
/// router's table, `body` what was sent.
fn fingerprint(
    app: &App,
    call: &Call,
    route: &str,
    caller: Option<&User>,
    body: &Json,
) -> Result<Option<Fingerprint>, Error> {
    let key = call.idempotency_key()?;
    Ok(key.map(|key| app.fingerprints.of(key, route, caller, body.bytes())))
}

/// Answers with what was made. A retry gets the first answer, and is told that it is one.
fn created(made: &Made) -> Reply {
    let response = reply::created(&made.shown)?;
    Ok(match made.is_replay {
        true => response.with_additional_header("Idempotency-Replayed", "true"),
        false => response,
    })
}
