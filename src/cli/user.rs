//! `task-api user ...`: what an operator does to accounts, beside the running server or without it.

use std::io::{IsTerminal, Read, stdin};

use clap::{Args, Subcommand};

use super::terminal::{explain, print};
use crate::auth::password_hash::PasswordHasher;
use crate::config::passwords::PasswordArgs;
use crate::config::concurrency::Concurrency;
use crate::config::database::DatabaseArgs;
use crate::error::Error;
use crate::model::{
    Action, Actor, Email, Password, Role, Timestamp, User, UserFilter, UserPatch, Username,
};
use crate::store::{Connection, Store, audit, sessions, users};

/// The commands about accounts.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make an account; the first admin of a new database is made so
    #[command(after_help = CREATE_EXAMPLES)]
    Create(Create),
    /// List accounts
    List(List),
    /// Change an account's role
    SetRole(SetRole),
    /// Let an account in
    Approve(Approve),
    /// Change an account's password
    SetPassword(SetPassword),
}

const CREATE_EXAMPLES: &str = "\
Examples:
  task-api user create --username ada --email ada@example.com --role admin --approved
  task-api user create --username ada --email ada@example.com --password-stdin < password.txt";

#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct Create {
    /// 1 to 80 characters
    #[arg(long)]
    username: Username,
    /// The address to sign in with
    #[arg(long)]
    email: Email,
    /// employee, manager or admin
    #[arg(long, default_value = "employee")]
    role: Role,
    /// Let the account in at once
    #[arg(long)]
    approved: bool,
    #[command(flatten)]
    password: PasswordSource,
    #[command(flatten)]
    hashing: PasswordArgs,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct List {
    /// Only those with this role: employee, manager or admin
    #[arg(long)]
    role: Option<Role>,
    /// Only those that are approved (true) or wait for it (false)
    #[arg(long)]
    approved: Option<bool>,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct SetRole {
    #[command(flatten)]
    account: Account,
    /// employee, manager or admin
    role: Role,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct Approve {
    #[command(flatten)]
    account: Account,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct SetPassword {
    #[command(flatten)]
    account: Account,
    #[command(flatten)]
    password: PasswordSource,
    #[command(flatten)]
    hashing: PasswordArgs,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Which account.
#[derive(Debug, Args)]
struct Account {
    /// Username, or e-mail address if there is an @ in it
    account: String,
}

impl Account {
    /// An address is looked for among addresses alone: anybody could sign up with somebody's address
    /// as their name.
    fn find(&self, db: &Connection) -> Result<Option<User>, Error> {
        match self.account.contains('@') {
            true => Ok(users::by_email(db, &self.account)?.map(|(user, _)| user)),
            false => users::by_username(db, &self.account),
        }
    }

    /// The account as it is.
    fn read(&self, store: &Store) -> Result<User, String> {
        self.or_unknown(store.read(|db| self.find(db)))
    }

    /// Finds the account and does something to it, in one transaction.
    fn change(
        &self,
        store: &Store,
        change: impl FnOnce(&Connection, User) -> Result<User, Error>,
    ) -> Result<User, String> {
        self.or_unknown(store.write(|db| self.find(db)?.map(|user| change(db, user)).transpose()))
    }

    fn or_unknown(&self, found: Result<Option<User>, Error>) -> Result<User, String> {
        found
            .map_err(explain)?
            .ok_or_else(|| format!("there is no account {}", self.account))
    }
}

/// Where the password comes from. Never an argument: other users of the machine could read it.
#[derive(Debug, Args)]
struct PasswordSource {
    /// Read the password from standard input instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordSource {
    /// A password for the account that goes by these names.
    fn read(&self, names: [&str; 2]) -> Result<Password, String> {
        let text = match self.password_stdin {
            true => from_standard_input()?,
            false if stdin().is_terminal() => from_prompt()?,
            false => {
                return Err(
                    "there is no terminal to ask for the password: add --password-stdin".to_owned(),
                );
            }
        };
        Password::for_account(&text, names).map_err(|why| format!("the password {why}"))
    }
}

fn from_standard_input() -> Result<String, String> {
    let mut text = String::new();
    stdin()
        .read_to_string(&mut text)
        .map_err(|why| format!("cannot read the password: {why}"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn from_prompt() -> Result<String, String> {
    let ask = |prompt| {
        rpassword::prompt_password(prompt)
            .map_err(|why| format!("cannot ask for the password: {why}"))
    };
    let password = ask("Password: ")?;
    if ask("Again: ")? != password {
        return Err("the two passwords differ".to_owned());
    }
    Ok(password)
}

/// Runs one of the commands.
pub fn run(command: UserCommand) -> Result<(), String> {
    match command {
        UserCommand::Create(command) => create(&command),
        UserCommand::List(command) => list(command),
        UserCommand::SetRole(SetRole {
            account,
            role,
            database,
        }) => update(
            &database,
            &account,
            UserPatch {
                role: Some(role),
                ..UserPatch::default()
            },
        ),
        UserCommand::Approve(Approve { account, database }) => update(
            &database,
            &account,
            UserPatch {
                is_approved: Some(true),
                ..UserPatch::default()
            },
        ),
        UserCommand::SetPassword(command) => set_password(&command),
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
    let made = store.write(|db| {
        let user = users::insert(db, &row)?;
        let by = Actor::operator(Timestamp::now());
        audit::record(db, &by, Action::AccountMade, Some(&user), None)?;
        Ok(user)
    });
    let user = made.map_err(explain)?;
    print(format_args!("made account {}", describe(&user)))
}

fn list(command: List) -> Result<(), String> {
    let store = open_existing(&command.database)?;
    let filter = UserFilter {
        role: command.role,
        approved: command.approved,
        ..UserFilter::default()
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
    let created = created
        .as_deref()
        .and_then(|text| text.get(..19))
        .unwrap_or("-");
    let who = format!("{} <{}>", user.username, user.email);
    print_row(
        &user.id.to_string(),
        &user.role.to_string(),
        approved,
        created,
        &who,
    )
}

fn print_row(id: &str, role: &str, approved: &str, created: &str, who: &str) -> Result<(), String> {
    print(format_args!(
        "{id:>6}  {role:8}  {approved:8}  {created:19}  {who}"
    ))
}

fn update(database: &DatabaseArgs, account: &Account, patch: UserPatch) -> Result<(), String> {
    let store = open_existing(database)?;
    let user = account.change(&store, |db, before| {
        let after = users::update(db, before.id, patch)?;
        let by = Actor::operator(Timestamp::now());
        audit::record_changes(db, &by, &before, &after)?;
        Ok(after)
    })?;
    print(format_args!("changed account {}", describe(&user)))
}

fn set_password(command: &SetPassword) -> Result<(), String> {
    let store = open_existing(&command.database)?;
    let user = command.account.read(&store)?;
    let password = command.password.read([&user.username, &user.email])?;
    let hash = hash(&command.hashing, &password)?;
    let user = command.account.change(&store, |db, user| {
        users::set_password_hash(db, user.id, &hash)?;
        let by = Actor::operator(Timestamp::now());
        sessions::end_all(db, user.id, None, by.at)?;
        audit::record(db, &by, Action::PasswordChanged, Some(&user), None)?;
        Ok(user)
    })?;
    print(format_args!(
        "changed the password of account {}",
        describe(&user)
    ))
}

fn open(database: &DatabaseArgs) -> Result<Store, String> {
    Store::open(database.database_url.path(), &Concurrency::for_cores(1))
}

/// For commands that only make sense on a database that is there: a mistyped path makes no new one.
pub fn open_existing(database: &DatabaseArgs) -> Result<Store, String> {
    match database.database_url.path() {
        path if path.exists() => open(database),
        path => Err(format!("there is no database {}", path.display())),
    }
}

fn hash(hashing: &PasswordArgs, password: &Password) -> Result<String, String> {
    PasswordHasher::new(
        hashing.password_iterations,
        Concurrency::for_cores(1).hashes,
    )
    .and_then(|hasher| hasher.hash(password))
    .map_err(explain)
}

fn describe(
    User {
        id,
        username,
        email,
        role,
        is_approved,
        ..
    }: &User,
) -> String {
    let approved = if *is_approved {
        "approved"
    } else {
        "awaiting approval"
    };
    format!("{id} {username} <{email}>: {role}, {approved}")
}
