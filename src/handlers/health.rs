//! Health checks for load balancers and containers: liveness (`/healthz`) and readiness (`/readyz`).

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult};

/// Liveness: the process responds.
pub fn alive(_: &App, _: &RequestContext) -> HandlerResult {
    Ok(response::json(&Health::ALIVE))
}

/// Readiness: the database can be read and written too.
pub fn ready(app: &App, _: &RequestContext) -> HandlerResult {
    app.store.check_ready()?;
    Ok(response::json(&Health::READY))
}

/// The state of the program.
#[derive(Serialize, ToSchema)]
pub struct Health {
    status: &'static str,
}

impl Health {
    /// The process responds.
    pub const ALIVE: Health = Health { status: "ok" };
    /// The database can be read and written too.
    pub const READY: Health = Health { status: "ready" };
}
