//! For load balancers and containers.

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::call::Call;
use crate::reply::{self, Reply};

/// The process answers.
pub fn alive(_: &App, _: &Call) -> Reply {
    Ok(reply::ok(&Health::ALIVE))
}

/// The database answers too.
pub fn ready(app: &App, _: &Call) -> Reply {
    app.store.ping()?;
    Ok(reply::ok(&Health::READY))
}

/// How the program is.
#[derive(Serialize, ToSchema)]
pub struct Health {
    status: &'static str,
}

impl Health {
    /// The process answers.
    pub const ALIVE: Health = Health { status: "ok" };
    /// The database answers too.
    pub const READY: Health = Health { status: "ready" };
}
