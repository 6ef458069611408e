//! Accounts: sign-up, how long sessions last, and tokens of the Flask app.

use clap::{Args, ValueEnum};

use super::duration::{Lifetime, Retention};

/// How accounts come into being, and how long they and their credentials last.
#[derive(Debug, Clone, Args)]
pub struct AccountArgs {
    /// Who may sign up: every client, with an account that awaits approval (open), or only clients with an invitation
    /// (closed)
    #[arg(long, env, hide_env_values = true, default_value = "open")]
    pub signups: SignUps,

    /// When an account is removed that has signed up and that no admin has approved, such as 30d
    #[arg(long, env, hide_env_values = true, default_value = "30d")]
    pub pending_accounts_expire: Retention,

    /// Maximum accounts that await approval; further sign-ups are refused until an admin has approved or deleted
    /// some
    #[arg(long, env, hide_env_values = true, default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_pending_accounts: u32,

    /// How long after its sign-in a session ends at the latest, however often it is refreshed
    #[arg(long, env, hide_env_values = true, default_value = "90d")]
    pub session_max_age: Lifetime,

    /// Tokens that the Flask app has issued: accepted for 31 days after its database was taken over (auto), at any time
    /// (on), or never (off). A token that is valid for more than 31 days is refused in every case
    #[arg(long, env, hide_env_values = true, default_value = "auto")]
    pub accept_flask_tokens: AcceptFlaskTokens,
}

/// Who may create an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SignUps {
    /// Every client. The account awaits approval.
    Open,
    /// Only clients with an invitation.
    Closed,
}

/// When tokens of the Flask app, which belong to no session, are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AcceptFlaskTokens {
    /// On a database that was taken over from the Flask app, for a limited time.
    Auto,
    /// At any time and on every database, except a token that is valid for more than 31 days.
    On,
    /// Never.
    Off,
}
