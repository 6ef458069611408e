//! The link for the first admin: a start that finds no approved admin makes an invitation, and logs its link.

use log::warn;

use crate::app::App;
use crate::config::links::PublicUrl;
use crate::error::Error;
#[cfg(feature = "board")]
use crate::model::LinkKind;
use crate::model::{Actor, LinkToken, Role};
use crate::store::{invitations, users};

/// How long the link is valid, in seconds: it is in the log, which other people may read later.
const VALID_SECONDS: i64 = 60 * 60;

/// Makes the invitation, unless there is an approved admin, and logs the one line that shows its token. If the database
/// cannot be written, the server runs all the same: it can still answer reads.
pub fn invite_first_admin(app: &App, base: &PublicUrl) {
    match make_invitation(app) {
        Ok(None) => {}
        Ok(Some(token)) => warn!("{}", instructions(base, &token)),
        Err(why) => warn!("there is no admin yet, and no link for the first one: {why}"),
    }
}

/// The token of a new invitation; `None` if there is an approved admin. Several starts on one database each make one;
/// the first use ends the others.
fn make_invitation(app: &App) -> Result<Option<LinkToken>, Error> {
    if app.store.read(users::has_approved_admin)? {
        return Ok(None);
    }
    let (token, now) = (LinkToken::random()?, app.now());
    let row = invitations::NewRow {
        digest: &token.digest(),
        role: Role::Admin,
        email: None,
        first_only: true,
        expires_at: now.plus_seconds(VALID_SECONDS),
    };
    let actor = Actor::server(now);
    app.store
        .write(|db| invitations::insert(db, &row, &actor))?;
    Ok(Some(token))
}

#[cfg(feature = "board")]
fn instructions(base: &PublicUrl, token: &LinkToken) -> String {
    let link = base.link(LinkKind::Invitation, token);
    format!("there is no admin yet: open {link} within an hour and sign up as the first one")
}

#[cfg(not(feature = "board"))]
fn instructions(base: &PublicUrl, token: &LinkToken) -> String {
    let token = token.as_str();
    format!(
        "there is no admin yet: sign up as the first one within an hour, with POST {base}/signup and the member \
         \"invitation\": \"{token}\" beside username, email and password"
    )
}
