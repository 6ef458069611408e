//! Static files: those of the board and of the documentation page, and the OpenAPI document.

use crate::app::App;
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult};

/// Serves the file at this path.
pub fn show(app: &App, context: &RequestContext) -> HandlerResult {
    response::static_file(context, app.static_files.get(context.path())?)
}
