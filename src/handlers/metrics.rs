//! Metrics in Prometheus' text format. Each part of the program writes its own metrics; this handler checks
//! who may read them and joins them.

use rouille::Response;

use crate::app::App;
use crate::error::Error;
use crate::http::request::RequestContext;
use crate::http::response::HandlerResult;
use crate::logging;
use crate::metrics::exposition::{Exposition, MEDIA_TYPE};
use crate::metrics::process;

/// Shows all metrics, to a client that may see them.
pub fn show(app: &App, context: &RequestContext) -> HandlerResult {
    authorize(app, context)?;
    let mut text = Exposition::default();
    app.metrics.requests.write(&mut text);
    app.metrics.connections.write(&mut text);
    app.store.write_metrics(&mut text);
    app.pending_accounts.write_metrics(&app.store, &mut text);
    app.metrics.work.write(&mut text);
    app.rate_limits.write_metrics(&mut text);
    if let Some(backups) = &app.backups {
        backups.write_metrics(app.now(), &mut text);
    }
    logging::write_metrics(&mut text);
    process::write(app.metrics.start, &mut text);
    Ok(Response::from_data(MEDIA_TYPE, text.into_string()))
}

/// Checks that the client may read the metrics. If `METRICS_TOKEN` is set, the client must send it. Otherwise
/// the request must come from this machine or from a trusted proxy itself; any other client gets 404.
fn authorize(app: &App, context: &RequestContext) -> Result<(), Error> {
    match &app.metrics_token {
        Some(token) if token.matches(context.bearer_token()?) => Ok(()),
        Some(_) => Err(Error::InvalidToken("Wrong token".to_owned())),
        None if context.is_local(&app.config.trusted_proxies) => Ok(()),
        None => Err(Error::NotFound),
    }
}
