//! Idempotent requests that create something: recognises a retry by its `Idempotency-Key`, and answers it with the
//! first response.

use crate::app::App;
use crate::error::Error;
use crate::http::json_body::JsonBody;
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult};
use crate::model::User;
use crate::store::idempotency::{Fingerprint, StoredResponse};

/// The fingerprint by which a retry of this request is recognised; `None` without an `Idempotency-Key`.
/// `route` names the endpoint, such as `POST /tasks`.
pub fn fingerprint(
    app: &App,
    context: &RequestContext,
    route: &str,
    caller: Option<&User>,
    body: &JsonBody,
) -> Result<Option<Fingerprint>, Error> {
    let key = context.idempotency_key()?;
    Ok(key.map(|key| app.fingerprints.of(key, route, caller, body.bytes())))
}

/// 201 with the account or task; a retry gets the first response, marked with `Idempotency-Replayed`.
pub fn created(stored: &StoredResponse) -> HandlerResult {
    let response = response::created(&stored.body)?;
    Ok(if stored.is_replay {
        response.with_additional_header("Idempotency-Replayed", "true")
    } else {
        response
    })
}
