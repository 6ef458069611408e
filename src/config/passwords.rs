//! `PASSWORD_ITERATIONS`: the cost of a password hash.

use clap::Args;

/// The number of iterations that OWASP recommends for PBKDF2-HMAC-SHA256.
pub const RECOMMENDED_ITERATIONS: u32 = 600_000;

/// How new passwords are hashed; see [`crate::auth::password_hash`].
#[derive(Debug, Clone, Args)]
pub struct PasswordArgs {
    /// PBKDF2-HMAC-SHA256 iterations for the hash of a new password; OWASP recommends 600000
    #[arg(long, env, hide_env_values = true, default_value_t = RECOMMENDED_ITERATIONS)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub password_iterations: u32,
}
