//! The audit log, for admins. It is read-only over HTTP; the store writes its entries.

use super::pagination::paginate;
use crate::app::App;
use crate::http::request::RequestContext;
use crate::http::response::HandlerResult;
use crate::model::{Admin, AuditQuery};
use crate::store::audit;

/// Lists the entries of the audit log, the newest first.
pub fn list(app: &App, context: &RequestContext, _: &Admin) -> HandlerResult {
    paginate(
        app,
        context,
        AuditQuery::from_query,
        |store, filter, after| store.read_one(|db| audit::list(db, filter, after)),
    )
}
