//! Every setting: its name, its default and its check, one file for each topic.
//!
//! Each setting is a flag of `task-api serve` and an environment variable of the same name. A secret is
//! never a flag, since other users of the machine can read a program's arguments: see [`secrets`].

pub mod concurrency;
pub mod cors;
pub mod database;
pub mod duration;
pub mod limits;
pub mod log_filter;
pub mod proxies;
pub mod secrets;
pub mod server;

use clap::Args;

use self::concurrency::Concurrency;
use self::cors::{CorsArgs, CorsOrigins};
use self::database::DatabaseArgs;
use self::duration::Lifetime;
use self::limits::{RateLimitArgs, ServerLimits};
use self::log_filter::LogFilter;
use self::proxies::TrustedProxies;
use self::secrets::{AdminArgs, MetricsArgs, SigningKeyArgs};
use self::server::{AddressArgs, ServerKind};

/// The cost of a password hash.
#[derive(Debug, Clone, Args)]
pub struct PasswordArgs {
    /// Rounds of PBKDF2-HMAC-SHA256 for a new password; OWASP recommends 600000
    #[arg(long, env, hide_env_values = true, default_value_t = 600_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub password_iterations: u32,
}

/// The settings of `task-api serve`.
#[derive(Debug, Clone, Args)]
#[allow(missing_docs)] // a comment above a flattened group would become part of `--help`
pub struct Config {
    #[command(flatten)]
    pub address: AddressArgs,

    /// HTTP server to use; only epoll (Linux) enforces every limit
    #[arg(long, env, hide_env_values = true, default_value_t, value_enum)]
    pub server: ServerKind,

    #[command(flatten)]
    pub database: DatabaseArgs,

    #[command(flatten)]
    pub signing_key: SigningKeyArgs,

    #[command(flatten)]
    pub admin: AdminArgs,

    /// How long an access token is valid: 24h, 15m, or a number of seconds
    #[arg(long, env, hide_env_values = true, default_value = "24h")]
    pub jwt_access_token_expires: Lifetime,

    /// How long a session lasts after its last sign-in or refresh
    #[arg(long, env, hide_env_values = true, default_value = "30d")]
    pub jwt_refresh_token_expires: Lifetime,

    #[command(flatten)]
    pub passwords: PasswordArgs,

    #[command(flatten)]
    pub cors: CorsArgs,

    /// Proxies whose X-Forwarded-For and X-Forwarded-Proto are trusted: a comma-separated list of
    /// addresses and networks, such as 127.0.0.1,10.0.0.0/8; none by default
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub trusted_proxies: TrustedProxies,

    #[command(flatten)]
    pub rate_limiting: RateLimitArgs,

    #[command(flatten)]
    pub limits: ServerLimits,

    #[command(flatten)]
    pub metrics: MetricsArgs,

    /// Log level: error, warn, info, debug or trace, also for each module (env_logger's syntax)
    #[arg(long, env, hide_env_values = true, default_value = "info")]
    pub rust_log: LogFilter,

    /// Computed from the machine's cores; not a setting.
    #[arg(skip)]
    pub concurrency: Concurrency,
}

impl Config {
    /// Checks the rules that concern more than one setting.
    ///
    /// # Errors
    /// One line that names the settings.
    pub fn check(&self) -> Result<(), String> {
        if self.cors.cors_supports_credentials && self.cors.cors_origins == CorsOrigins::Any {
            return Err(
                "CORS_SUPPORTS_CREDENTIALS=true needs a list of origins in CORS_ORIGINS: \
                        with * any website could act for a signed-in user"
                    .to_owned(),
            );
        }
        // A session's row must exist for as long as an access token of that session is valid.
        if self.jwt_refresh_token_expires < self.jwt_access_token_expires {
            return Err("JWT_REFRESH_TOKEN_EXPIRES must not be shorter than \
                        JWT_ACCESS_TOKEN_EXPIRES"
                .to_owned());
        }
        Ok(())
    }
}
