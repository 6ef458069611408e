//! `task-api user ...`: creates, lists and changes accounts, for an operator. The commands open the database
//! directly, whether the server is running or not.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};

use super::database::{open, open_existing};
use super::os_user::os_user;
use super::password_input::PasswordInput;
use super::terminal::{explain, print, print_to_stderr};
use crate::auth::password_hash::PasswordHasher;
use crate::config::database::DatabaseArgs;
use crate::config::links::LinkArgs;
use crate::config::passwords::PasswordArgs;
use crate::config::server::AddressArgs;
use crate::error::Error;
use crate::logging;
use crate::model::{
    Action, Actor, Email, LinkKind, LinkToken, Password, Role, Timestamp, User, UserPatch,
    UserQuery, Username,
};
use crate::store::{Connection, Store, audit, credentials, password_resets, users};

/// The subcommands of `user`.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Create an account, such as the first admin
    #[command(after_help = CREATE_EXAMPLES)]
    Create(Create),
    /// List accounts
    List(List),
    /// Change an account's role
    SetRole(SetRole),
    /// Approve an account
    Approve(Approve),
    /// Change an account's password, end its sessions and revoke its tokens
    SetPassword(SetPassword),
    /// Print a one-time link with which the owner of an account sets a new password
    ///
    /// The link is the only line on standard output. It is valid once, within LINKS_EXPIRE, and replaces an earlier
    /// link of the account. It begins with PUBLIC_URL, or with the address that HOST and PORT name.
    #[command(after_help = RESET_LINK_EXAMPLES)]
    ResetLink(ResetLink),
}

const RESET_LINK_EXAMPLES: &str = "\
Examples:
  task-api user reset-link ada
  PUBLIC_URL=https://tasks.example task-api user reset-link ada@example.com";

const CREATE_EXAMPLES: &str = "\
Examples:
  task-api user create --username ada --email ada@example.com --role admin --approved
  task-api user create --username ada --email ada@example.com --password-stdin < password.txt";

#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct Create {
    /// Username, 1 to 80 characters
    #[arg(long)]
    username: Username,
    /// E-mail address to sign in with
    #[arg(long)]
    email: Email,
    /// Role: employee, manager or admin
    #[arg(long, default_value = "employee")]
    role: Role,
    /// Approve the account at once
    #[arg(long)]
    approved: bool,
    #[command(flatten)]
    password: PasswordInput,
    #[command(flatten)]
    hashing: PasswordArgs,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct List {
    /// Only accounts with this role: employee, manager or admin
    #[arg(long)]
    role: Option<Role>,
    /// Only approved accounts (true), or only accounts that await approval (false)
    #[arg(long)]
    approved: Option<bool>,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct SetRole {
    #[command(flatten)]
    account: AccountArg,
    /// New role: employee, manager or admin
    role: Role,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct Approve {
    #[command(flatten)]
    account: AccountArg,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct SetPassword {
    #[command(flatten)]
    account: AccountArg,
    #[command(flatten)]
    password: PasswordInput,
    #[command(flatten)]
    hashing: PasswordArgs,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct ResetLink {
    #[command(flatten)]
    account: AccountArg,
    #[command(flatten)]
    links: LinkArgs,
    #[command(flatten)]
    address: AddressArgs,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Names an account on the command line.
#[derive(Debug, Args)]
struct AccountArg {
    /// Username, or e-mail address if it contains an @
    account: String,
}

impl AccountArg {
    /// Reads the account.
    fn read(&self, store: &Store) -> Result<User, String> {
        self.require(store.read(|db| self.find(db)))
    }

    /// Reads the account and changes it, in one transaction.
    fn change(
        &self,
        store: &Store,
        change: impl Fn(&Connection, User) -> Result<User, Error>,
    ) -> Result<User, String> {
        self.require(store.write(|db| self.find(db)?.map(|user| change(db, user)).transpose()))
    }

    /// An e-mail address is compared with e-mail addresses only: a username may be the e-mail address of
    /// another account.
    fn find(&self, db: &Connection) -> Result<Option<User>, Error> {
        if self.account.contains('@') {
            Ok(users::by_email(db, &self.account)?.map(|(user, _)| user))
        } else {
            users::by_typed_name(db, &self.account)
        }
    }

    /// Turns an account that does not exist into an error.
    fn require(&self, found: Result<Option<User>, Error>) -> Result<User, String> {
        found
            .map_err(explain)?
            .ok_or_else(|| format!("there is no account {}", self.account))
    }
}

/// Runs one of the subcommands.
pub fn run(command: UserCommand) -> Result<(), String> {
    logging::start_for_command()?;
    match command {
        UserCommand::Create(command) => create(&command),
        UserCommand::List(command) => list(&command),
        UserCommand::SetRole(command) => set_role(&command),
        UserCommand::Approve(command) => approve(&command),
        UserCommand::SetPassword(command) => set_password(&command),
        UserCommand::ResetLink(command) => reset_link(&command),
    }
}

fn create(command: &Create) -> Result<(), String> {
    let names = [command.username.as_str(), command.email.as_str()];
    let password = command.password.read(names)?;
    let store = open(&command.database)?;
    let password_hash = hash(&command.hashing, &password)?;
    let row = users::NewRow {
        username: &command.username,
        email: &command.email,
        password_hash: &password_hash,
        role: command.role,
        is_approved: command.approved,
        created_at: Timestamp::now(),
    };
    let os_user = os_user();
    let created = store.write(|db| {
        let user = users::insert(db, &row)?;
        let actor = Actor::operator(&os_user, Timestamp::now());
        audit::record(db, &actor, Action::AccountMade, Some(&user), None)?;
        Ok(user)
    });
    let user = created.map_err(explain)?;
    print(format_args!("created account {}", summary(&user)))
}

fn list(command: &List) -> Result<(), String> {
    let store = open_existing(&command.database)?;
    let filter = UserQuery {
        role: command.role,
        approved: command.approved,
        ..UserQuery::default()
    };
    print_row(
        "ID",
        "ROLE",
        "APPROVED",
        "CREATED (UTC)",
        "USERNAME <E-MAIL>",
    )?;
    let mut after = None;
    loop {
        let page = store
            .read(|db| users::list(db, &filter, after.as_ref()))
            .map_err(explain)?;
        page.items.iter().try_for_each(print_user)?;
        match page.next {
            Some(position) => after = Some(position),
            None => return Ok(()),
        }
    }
}

fn print_user(user: &User) -> Result<(), String> {
    let approved = if user.is_approved { "yes" } else { "no" };
    let created = user.created_at.map(Timestamp::to_stored);
    // Without the fraction of the second.
    let created = created.as_deref().and_then(|text| text.get(..19));
    let names = format!("{} <{}>", user.username, user.email);
    print_row(
        &user.id.to_string(),
        &user.role.to_string(),
        approved,
        created.unwrap_or("-"),
        &names,
    )
}

fn print_row(
    id: &str,
    role: &str,
    approved: &str,
    created: &str,
    names: &str,
) -> Result<(), String> {
    print(format_args!(
        "{id:>6}  {role:8}  {approved:8}  {created:19}  {names}"
    ))
}

fn set_role(command: &SetRole) -> Result<(), String> {
    let patch = UserPatch {
        role: Some(command.role),
        ..UserPatch::default()
    };
    update(&command.database, &command.account, patch)
}

fn approve(command: &Approve) -> Result<(), String> {
    let patch = UserPatch {
        is_approved: Some(true),
        ..UserPatch::default()
    };
    update(&command.database, &command.account, patch)
}

fn update(database: &DatabaseArgs, account: &AccountArg, patch: UserPatch) -> Result<(), String> {
    let (store, os_user) = (open_existing(database)?, os_user());
    let user = account.change(&store, |db, before| {
        let after = users::update(db, before.id, patch)?;
        let actor = Actor::operator(&os_user, Timestamp::now());
        audit::record_changes(db, &actor, &before, &after)?;
        Ok(after)
    })?;
    print(format_args!("changed account {}", summary(&user)))
}

fn set_password(command: &SetPassword) -> Result<(), String> {
    let store = open_existing(&command.database)?;
    let user = command.account.read(&store)?;
    let password = command.password.read([&user.username, &user.email])?;
    let (hash, os_user) = (hash(&command.hashing, &password)?, os_user());
    let user = command.account.change(&store, |db, user| {
        let actor = Actor::operator(&os_user, Timestamp::now());
        credentials::replace_password(db, &user, &hash, &actor, Action::PasswordChanged)?;
        Ok(user)
    })?;
    print(format_args!(
        "changed the password of account {}",
        summary(&user)
    ))
}

fn reset_link(command: &ResetLink) -> Result<(), String> {
    let base = command.links.base(&command.address)?;
    let store = open_existing(&command.database)?;
    let token = LinkToken::random().map_err(explain)?;
    let (os_user, now) = (os_user(), Timestamp::now());
    let expires_at = command.links.expiry(now);
    let user = command.account.change(&store, |db, user| {
        let row = password_resets::NewRow {
            user: &user,
            digest: &token.digest(),
            expires_at,
        };
        password_resets::replace(db, &row, &Actor::operator(&os_user, now))?;
        Ok(user)
    })?;
    print(format_args!("{}", base.link(LinkKind::Reset, &token)))?;
    print_to_stderr(format_args!(
        "the link sets a new password of account {}; it is valid until {}",
        summary(&user),
        String::from(expires_at)
    ));
    Ok(())
}

// ---- what the commands share --------------------------------------------------------------------

fn hash(hashing: &PasswordArgs, password: &Password) -> Result<String, String> {
    PasswordHasher::new(hashing.password_iterations, &BTreeSet::new())
        .and_then(|hasher| hasher.hash(password))
        .map_err(explain)
}

/// One line about an account, such as `1 ada <ada@example.com>: admin, approved`.
fn summary(user: &User) -> String {
    let User {
        id,
        username,
        email,
        role,
        ..
    } = user;
    let approval = if user.is_approved {
        "approved"
    } else {
        "awaiting approval"
    };
    format!("{id} {username} <{email}>: {role}, {approval}")
}
