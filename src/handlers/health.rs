//! For load balancers and containers.

use serde_json::json;

use crate::app::App;
use crate::call::Call;
use crate::reply::{self, Reply};

/// The process answers.
pub fn alive(_: &App, _: &Call) -> Reply {
    Ok(reply::ok(&json!({ "status": "ok" })))
}

/// The database answers too.
pub fn ready(app: &App, _: &Call) -> Reply {
    app.store.ping()?;
    Ok(reply::ok(&json!({ "status": "ready" })))
}
