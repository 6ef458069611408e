//! All settings of the server together, and the validation of combinations.

use clap::Args;

use super::accounts::AccountArgs;
use super::audit::AuditArgs;
use super::backups::BackupArgs;
use super::concurrency::Concurrency;
use super::cors::{CorsArgs, CorsOrigins};
use super::database::DatabaseArgs;
#[cfg(feature = "postgres")]
use super::database::DatabaseUrl;
use super::duration::{Lifetime, Retention};
use super::links::LinkArgs;
use super::logging::LogArgs;
use super::passwords::PasswordArgs;
use super::proxies::TrustedProxies;
use super::rate_limits::RateLimitArgs;
use super::secrets::{AdminArgs, MetricsArgs, SigningKeyArgs};
use super::server::{AddressArgs, ServerKind};
use super::server_limits::ServerLimits;

/// The settings of `task-api serve`.
#[derive(Debug, Clone, Args)]
#[allow(missing_docs)] // clap would show the comment on a flattened group in `--help`
pub struct Config {
    #[command(flatten)]
    pub address: AddressArgs,

    /// HTTP server to use; only event-loop enforces all limits
    #[arg(long, env, hide_env_values = true, default_value_t, value_enum)]
    pub server: ServerKind,

    #[command(flatten)]
    pub database: DatabaseArgs,

    #[command(flatten)]
    pub backups: BackupArgs,

    #[command(flatten)]
    pub audit: AuditArgs,

    /// How long the history of tasks is kept, such as 90d
    #[arg(long, env, hide_env_values = true, default_value = "365d")]
    pub history_keep: Retention,

    #[command(flatten)]
    pub signing_key: SigningKeyArgs,

    #[command(flatten)]
    pub admin: AdminArgs,

    /// How long an access token is valid, such as 24h, 15m, or a number of seconds
    #[arg(long, env, hide_env_values = true, default_value = "24h")]
    pub jwt_access_token_expires: Lifetime,

    /// How long a session lasts after its sign-in or its last refresh, such as 30d; at least as long as an
    /// access token is valid
    #[arg(long, env, hide_env_values = true, default_value = "30d")]
    pub jwt_refresh_token_expires: Lifetime,

    #[command(flatten)]
    pub accounts: AccountArgs,

    #[command(flatten)]
    pub links: LinkArgs,

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

    #[command(flatten)]
    pub logging: LogArgs,

    /// Computed from the number of cores; not a setting.
    #[arg(skip)]
    pub concurrency: Concurrency,
}

impl Config {
    /// Validates combinations of settings.
    ///
    /// # Errors
    /// One line that names the settings.
    pub fn check(&self) -> Result<(), String> {
        if self.cors.cors_supports_credentials && self.cors.cors_origins == CorsOrigins::Any {
            return Err(
                "CORS_SUPPORTS_CREDENTIALS=true requires a list of origins in CORS_ORIGINS: with * \
                 every website could act for a signed-in user"
                    .to_owned(),
            );
        }
        if self.cors.cors_supports_credentials && self.cors.cors_allow_headers.as_str() == "*" {
            return Err(
                "CORS_SUPPORTS_CREDENTIALS=true requires a list of names in CORS_ALLOW_HEADERS: browsers do not \
                 take * for all headers then"
                    .to_owned(),
            );
        }
        // An access token is valid only while the row of its session exists, which is deleted when the session
        // expires.
        if self.jwt_refresh_token_expires < self.jwt_access_token_expires {
            return Err(
                "JWT_REFRESH_TOKEN_EXPIRES must not be shorter than JWT_ACCESS_TOKEN_EXPIRES"
                    .to_owned(),
            );
        }
        self.database.check()?;
        if self.backups.backup_dir.is_some() && self.database.database_url.path().is_none() {
            return Err(
                "BACKUP_DIR is only for SQLite, and DATABASE_URL names a PostgreSQL database, which PostgreSQL's own \
                 tools back up (pg_dump -Fc, or pg_basebackup with continuous archiving): unset BACKUP_DIR"
                    .to_owned(),
            );
        }
        self.backups.check()
    }

    /// Sets the numbers of threads and connections that the database needs. To be called once, after
    /// [`Config::check`].
    pub fn adapt_to_database(&mut self) {
        #[cfg(feature = "postgres")]
        if let DatabaseUrl::Postgres(_) = &self.database.database_url {
            let cores = self.concurrency.event_loops;
            let has_standby = self.database.postgres.read_database_url.is_some();
            let connections = self.database.postgres.connections(cores);
            self.concurrency = self.concurrency.for_postgres(connections, has_standby);
        }
    }

    /// The threads that the server starts: those of [`Concurrency`], and one for backups.
    pub fn new_threads(&self) -> usize {
        self.concurrency.new_threads() + usize::from(self.backups.backup_dir.is_some())
    }
}
