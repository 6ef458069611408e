//! Password resets by one-time links: an admin makes a link, and the owner of the account sets a new password with it.
//! So an admin never learns a password.

use super::audit_actor::{actor, anonymous_actor};
use super::concurrent_changes::recheck_permissions;
use crate::app::App;
use crate::http::json_body::parse_json;
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult};
use crate::model::{Action, AdminInSession, Id, LinkToken, MadePasswordReset, PasswordReset};
use crate::store::{credentials, password_resets, users};

/// Makes the link of an account, in place of an earlier one. The response is the only one that shows its token.
pub fn create(
    app: &App,
    context: &RequestContext,
    admin: &AdminInSession,
    id: Id,
) -> HandlerResult {
    let preconditions = context.preconditions()?;
    let token = LinkToken::random()?;
    let made = app.store.write(|db| {
        recheck_permissions(db, admin)?;
        let user = users::by_id(db, id)?;
        preconditions.check_before_write(&user)?;
        let actor = actor(app, context, admin);
        let row = password_resets::NewRow {
            user: &user,
            digest: &token.digest(),
            expires_at: app.config.links.expiry(actor.at),
        };
        password_resets::replace(db, &row, &actor)?;
        let (made_at, expires_at) = (actor.at, row.expires_at);
        Ok(MadePasswordReset::new(
            &user,
            made_at,
            expires_at,
            token.clone(),
        ))
    })?;
    Ok(response::json(&made).with_status_code(201))
}

/// Sets a new password with a link, which is used up. All sessions and tokens of the account end, since another person
/// may know the old password. A link approves nothing: an account that awaits approval goes on waiting.
pub fn reset(app: &App, context: &RequestContext) -> HandlerResult {
    let PasswordReset { token, password } = parse_json(context, PasswordReset::from_fields)?;
    app.rate_limits.check_password_reset(context, app.now())?;
    let digest = token.digest();
    let user = app
        .store
        .read(|db| password_resets::user(db, &digest, app.now()))?;
    let password = password.for_account(&user)?;
    let hash = app.passwords.hash(&password)?;
    app.store.write(|db| {
        let user = password_resets::consume(db, &digest, app.now())?;
        let actor = anonymous_actor(app, context);
        credentials::replace_password(db, &user, &hash, &actor, Action::PasswordReset)
    })?;
    Ok(response::no_content())
}
