//! The record of what was done to accounts.

use crate::app::App;
use crate::call::Call;
use crate::model::{Admin, AuditFilter};
use crate::reply::Reply;
use crate::store::audit;

/// Lists the record, the newest rows first.
pub fn list(app: &App, call: &Call, _: &Admin) -> Reply {
    super::paged(
        app,
        call,
        AuditFilter::from_query,
        |store, filter, after| store.read(|db| audit::list(db, filter, after)),
    )
}
