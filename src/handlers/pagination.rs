//! Keyset pagination over HTTP: reads the filters and the cursor from the query, and responds with a page and
//! the cursor of the next page.

use serde::Serialize;

use crate::app::App;
use crate::error::Error;
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult};
use crate::model::json_fields::Fields;
use crate::model::{Page, Position};
use crate::store::Store;

/// Responds with a page of a list. `read_filter` reads the parameters of this list from the query, `find`
/// reads the rows after a position from the store.
///
/// # Errors
/// [`Error::Invalid`] for an invalid parameter or a cursor of another list, and those of `find`.
pub fn paginate<F, T: Serialize>(
    app: &App,
    context: &RequestContext,
    read_filter: impl FnOnce(&mut Fields<String>) -> F,
    find: impl FnOnce(&Store, &F, Option<&Position>) -> Result<Page<T>, Error>,
) -> HandlerResult {
    let mut parameters = context.query_parameters()?;
    let mut query = Fields::new(parameters.clone());
    let cursor: Option<String> = query.parameter("cursor");
    let filter = read_filter(&mut query);
    let filter = query.finish(Some(filter))?;
    parameters.retain(|_, value| !value.trim().is_empty());
    // A cursor is valid for one list, that is for the same filters and the same sort order. Only the page
    // size may change.
    let is_paging = |name: &str| matches!(name, "cursor" | "limit");
    let list = context.url(parameters.iter().filter(|(name, _)| !is_paging(name)));
    let after = match cursor {
        None => None,
        Some(cursor) => {
            let position = app.cursors.decode(&list, &cursor);
            Some(position.ok_or_else(invalid_cursor)?)
        }
    };
    let page = find(&app.store, &filter, after.as_ref())?;
    let next = page.next.as_ref().map(|position| {
        let cursor = app.cursors.encode(&list, position);
        parameters.insert("cursor".to_owned(), cursor.clone());
        (cursor, context.url(&parameters))
    });
    Ok(response::page(&page, next))
}

fn invalid_cursor() -> Error {
    Error::invalid("cursor", "is not a cursor of this list; start without one")
}
