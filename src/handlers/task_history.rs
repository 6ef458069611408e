//! The history of a task.

use super::pagination::paginate;
use crate::app::App;
use crate::error::Error;
use crate::http::request::RequestContext;
use crate::http::response::HandlerResult;
use crate::model::{Approved, HistoryQuery, Id, Page};
use crate::store::{task_history, tasks};

/// Lists who did what to a task, the newest entry first. Accounts that may see the task may see it.
pub fn list(app: &App, context: &RequestContext, user: &Approved, id: Id) -> HandlerResult {
    paginate(
        app,
        context,
        HistoryQuery::from_query,
        |store, query, after| {
            let page = store.read(|db| {
                let task = tasks::by_id(db, id)?;
                if !task.visible_to(user) {
                    return Err(Error::NotFound);
                }
                task_history::list(db, &task, query, after)
            })?;
            Ok(Page {
                items: page
                    .items
                    .into_iter()
                    .map(|entry| entry.shown_to(user))
                    .collect(),
                next: page.next,
            })
        },
    )
}
