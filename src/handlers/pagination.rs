//! Keyset pagination over HTTP: reads the filters and the cursor from the query, and responds with a page and
//! the cursor of the next page.

use std::collections::BTreeMap;

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
/// Those of [`PageRequest::read`] and of `find`.
pub fn paginate<F, T: Serialize>(
    app: &App,
    context: &RequestContext,
    read_filter: impl FnOnce(&mut Fields<String>) -> F,
    find: impl FnOnce(&Store, &F, Option<&Position>) -> Result<Page<T>, Error>,
) -> HandlerResult {
    PageRequest::read(app, context, read_filter)?.respond(app, context, find)
}

/// The valid query of a list.
pub struct PageRequest<F> {
    filter: F,
    after: Option<Position>,
    /// The URL of the list without the parameters of paging. A cursor is valid for one list, that is for the same filters
    /// and the same sort order; only the page size may change.
    list: String,
    parameters: BTreeMap<String, String>,
}

impl<F> PageRequest<F> {
    /// Reads the query.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an invalid parameter or a cursor of another list.
    pub fn read(
        app: &App,
        context: &RequestContext,
        read_filter: impl FnOnce(&mut Fields<String>) -> F,
    ) -> Result<PageRequest<F>, Error> {
        let mut parameters = context.query_parameters()?;
        let mut query = Fields::new(parameters.clone());
        let cursor: Option<String> = query.parameter("cursor");
        let filter = read_filter(&mut query);
        let filter = query.finish(Some(filter))?;
        parameters.retain(|_, value| !value.trim().is_empty());
        let is_paging = |name: &str| matches!(name, "cursor" | "limit");
        let list = context.url(parameters.iter().filter(|(name, _)| !is_paging(name)));
        let after = match cursor {
            None => None,
            Some(cursor) => {
                let position = app.cursors.decode(&list, &cursor);
                Some(position.ok_or_else(invalid_cursor)?)
            }
        };
        Ok(PageRequest {
            filter,
            after,
            list,
            parameters,
        })
    }

    /// Responds with the page that `find` reads.
    ///
    /// # Errors
    /// Those of `find`.
    pub fn respond<T: Serialize>(
        mut self,
        app: &App,
        context: &RequestContext,
        find: impl FnOnce(&Store, &F, Option<&Position>) -> Result<Page<T>, Error>,
    ) -> HandlerResult {
        let page = find(&app.store, &self.filter, self.after.as_ref())?;
        let next = page.next.as_ref().map(|position| {
            let cursor = app.cursors.encode(&self.list, position);
            self.parameters.insert("cursor".to_owned(), cursor.clone());
            let prefix = app.config.links.address.path_prefix();
            (cursor, format!("{prefix}{}", context.url(&self.parameters)))
        });
        Ok(response::page(&page, next))
    }
}

fn invalid_cursor() -> Error {
    Error::invalid("cursor", "is not a cursor of this list; start without one")
}
