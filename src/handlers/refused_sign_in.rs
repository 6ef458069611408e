//! The entry of the audit log for a wrong password.

use super::audit_actor::anonymous_actor;
use crate::app::App;
use crate::error::Error;
use crate::http::request::RequestContext;
use crate::model::{Action, Actor, User};
use crate::store::audit;

/// Writes a refused sign-in to the audit log, or only counts it if there have been many; see
/// [`crate::http::refused_sign_ins`]. `account` is the one that is signed in, and `subject` the one whose password was
/// expected. The entry does not hold the e-mail as typed, since it may be a password in the wrong field.
pub fn record_refused_sign_in(
    app: &App,
    context: &RequestContext,
    account: Option<&User>,
    subject: Option<&User>,
) -> Result<(), Error> {
    if !app.refused_sign_ins.count(context.client.address) {
        return Ok(());
    }
    let written = app.store.write(|db| {
        let actor = Actor {
            account,
            ..anonymous_actor(app, context)
        };
        audit::record(db, &actor, Action::SignInRefused, subject, None)
    });
    if written.is_err() {
        app.refused_sign_ins.take_back(context.client.address);
    }
    written
}
