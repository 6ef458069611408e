//! `task-api invite`: makes an invitation and prints its link, for an operator.

use clap::Args;

use super::database::open_existing;
use super::os_user::os_user;
use super::terminal::{explain, print, print_to_stderr};
use crate::config::database::DatabaseArgs;
use crate::config::links::LinkArgs;
use crate::config::server::AddressArgs;
use crate::logging;
use crate::model::{Actor, Email, Invitation, LinkKind, LinkToken, Role, Timestamp};
use crate::store::invitations;

/// The examples in the help text.
pub const EXAMPLES: &str = "\
Examples:
  task-api invite --role admin
  task-api invite --role manager --email grace@example.com
  PUBLIC_URL=https://tasks.example task-api invite --role employee";

#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct Invite {
    /// Role of the new account: employee, manager or admin
    #[arg(long)]
    role: Role,
    /// The only e-mail address that may sign up with the link
    #[arg(long)]
    email: Option<Email>,
    #[command(flatten)]
    links: LinkArgs,
    #[command(flatten)]
    address: AddressArgs,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Makes the invitation and prints its link.
pub fn run(command: &Invite) -> Result<(), String> {
    logging::start_for_command()?;
    let base = command.links.base(&command.address)?;
    let store = open_existing(&command.database)?;
    let token = LinkToken::random().map_err(explain)?;
    let (os_user, now) = (os_user(), Timestamp::now());
    let row = invitations::NewRow {
        digest: &token.digest(),
        role: command.role,
        email: command.email.as_ref(),
        first_only: false,
        expires_at: command.links.expiry(now),
    };
    let actor = Actor::operator(&os_user, now);
    let made = store.write(|db| invitations::insert(db, &row, &actor));
    print_link(
        &base.link(LinkKind::Invitation, &token),
        &made.map_err(explain)?,
    )
}

/// Prints the link alone to standard output, so that a script can read it, and what it does to standard error.
fn print_link(link: &str, made: &Invitation) -> Result<(), String> {
    print(format_args!("{link}"))?;
    print_to_stderr(format_args!(
        "the link creates one approved account with the role {}; it is valid until {}",
        made.role,
        String::from(made.expires_at)
    ));
    Ok(())
}
