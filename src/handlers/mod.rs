//! What each route does: take the input, use the store, reply.

pub mod health;
pub mod me;
pub mod session;
pub mod tasks;
pub mod users;

use rouille::Response;
use serde::Serialize;

use crate::app::App;
use crate::call::Call;
use crate::error::Error;
use crate::fields::Fields;
use crate::model::{Page, Position};
use crate::reply::{self, Reply};
use crate::store::Store;

/// Answers with a page of a list. `read_filter` takes the list's own parameters from the query,
/// `find` looks up the rows behind a place.
fn paged<F, T: Serialize>(
    app: &App,
    call: &Call,
    read_filter: impl FnOnce(&mut Fields<String>) -> F,
    find: impl FnOnce(&Store, &F, Option<&Position>) -> Result<Page<T>, Error>,
) -> Reply {
    let mut query = call.query()?;
    let cursor: Option<String> = query.parameter("cursor");
    let filter = read_filter(&mut query);
    let filter = query.finish(Some(filter))?;
    let list = call.list_url()?;
    let after = match cursor {
        None => None,
        Some(cursor) => Some(
            app.cursors
                .open(&list, &cursor)
                .ok_or_else(foreign_cursor)?,
        ),
    };
    let page = find(&app.store, &filter, after.as_ref())?;
    next_page(app, call, &list, page)
}

fn foreign_cursor() -> Error {
    Error::invalid(
        "cursor",
        "is not one that this list gave out; begin again without it",
    )
}

fn next_page<T: Serialize>(
    app: &App,
    call: &Call,
    list: &str,
    page: Page<T>,
) -> Result<Response, Error> {
    let next = match &page.next {
        None => None,
        Some(position) => {
            let cursor = app.cursors.seal(list, position);
            let url = call.url_with_cursor(&cursor)?;
            Some((cursor, url))
        }
    };
    Ok(reply::page(&page, next))
}
