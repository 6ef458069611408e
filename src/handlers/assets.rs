//! Files for browsers.

use crate::app::App;
use crate::call::Call;
use crate::reply::{self, Reply};

/// Shows the file of this path.
pub fn show(app: &App, call: &Call) -> Reply {
    reply::file(call, app.assets.get(call.path())?)
}
