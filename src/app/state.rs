//! The application's shared state: settings, database, keys, rate limits, metrics and clock. It is created once
//! at the start, and every handler borrows it.

use std::fmt;

use super::backups::Backups;
use super::clock::Clock;
use super::pending_accounts::PendingAccounts;
use super::sign_outs::SignOuts;
use crate::auth::device_token::DeviceTokens;
use crate::auth::flask_tokens::FlaskTokens;
use crate::auth::jwt::JwtSigner;
use crate::auth::last_used::LastUsed;
use crate::auth::metrics_token::MetricsToken;
use crate::auth::password_hash::PasswordHasher;
use crate::auth::refresh_token_rotation::RefreshTokenChain;
use crate::auth::session_accounts::SessionAccounts;
use crate::auth::signing_key::SigningKeys;
use crate::config::Config;
use crate::crypto::random_bytes;
use crate::error::Error;
use crate::http::cursor::CursorCodec;
use crate::http::embedded_files::StaticFiles;
use crate::http::idempotency_key::IdempotencyFingerprints;
use crate::http::rate_limit::RateLimits;
use crate::http::refresh_cookie::RefreshCookies;
use crate::http::refused_sign_ins::RefusedSignIns;
use crate::metrics::Metrics;
use crate::model::{Id, SessionId, Timestamp};
use crate::store::{Store, flask_takeover, users};

/// The application, ready to serve requests from any thread.
pub struct App {
    /// The settings.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// Signs and verifies tokens.
    pub jwt: JwtSigner,
    /// Which tokens of the Flask app are accepted.
    pub flask_tokens: FlaskTokens,
    /// Computes the next refresh token.
    pub refresh_tokens: RefreshTokenChain,
    /// The cookie that keeps the refresh token of a page of this server.
    pub refresh_cookies: RefreshCookies,
    /// Issues and verifies device tokens.
    pub device_tokens: DeviceTokens,
    /// Rate limiting.
    pub rate_limits: RateLimits,
    /// Bounds the accounts that await approval.
    pub pending_accounts: PendingAccounts,
    /// Counts refused sign-ins, in memory until maintenance writes the sums to the audit log.
    pub refused_sign_ins: RefusedSignIns,
    /// The accounts of recent sessions.
    pub session_accounts: SessionAccounts,
    /// When sessions were last used, in memory until maintenance writes it to the database.
    pub session_activity: LastUsed<SessionId>,
    /// When tokens for scripts were last used, likewise.
    pub api_token_activity: LastUsed<Id>,
    /// Sign-outs that are not known to be in the database.
    pub sign_outs: SignOuts,
    /// Hashes and verifies passwords.
    pub passwords: PasswordHasher,
    /// Encodes and decodes the cursors of lists.
    pub cursors: CursorCodec,
    /// Fingerprints of requests with an `Idempotency-Key`.
    pub fingerprints: IdempotencyFingerprints,
    /// The bearer token for `/metrics`. Without one, only this machine and trusted proxies may read them.
    pub metrics_token: Option<MetricsToken>,
    /// Counters and histograms.
    pub metrics: Metrics,
    /// Scheduled backups, if `BACKUP_DIR` is set.
    pub backups: Option<Backups>,
    /// The files of the board, the documentation page and the OpenAPI document.
    pub static_files: StaticFiles,
    /// A random number of this process.
    pub process_id: u64,
    clock: Clock,
}

impl App {
    /// Assembles the application. Keys for other purposes are derived from the current signing key.
    ///
    /// # Errors
    /// One line for the operator: the system provides no random bytes, the database or `BACKUP_DIR` cannot be read.
    pub fn new(
        config: Config,
        store: Store,
        keys: &SigningKeys,
        metrics_token: Option<MetricsToken>,
        metrics: Metrics,
        static_files: StaticFiles,
        clock: Clock,
    ) -> Result<App, String> {
        let key = &keys.current.bytes;
        let passwords = password_hasher(&config, &store).map_err(|why| why.to_string())?;
        let taken_over_at = store.read(flask_takeover::time);
        let taken_over_at = taken_over_at.map_err(|why| why.to_string())?;
        Ok(App {
            store,
            flask_tokens: FlaskTokens::new(config.accounts.accept_flask_tokens, taken_over_at),
            jwt: JwtSigner::new(keys, config.jwt_access_token_expires),
            refresh_tokens: RefreshTokenChain::new(keys),
            refresh_cookies: RefreshCookies::new(keys, config.links.address.public_url.as_ref()),
            device_tokens: DeviceTokens::new(key),
            rate_limits: RateLimits::new(config.rate_limiting),
            pending_accounts: PendingAccounts::new(&config.accounts),
            refused_sign_ins: RefusedSignIns::default(),
            session_accounts: SessionAccounts::default(),
            session_activity: LastUsed::default(),
            api_token_activity: LastUsed::default(),
            sign_outs: SignOuts::default(),
            passwords,
            cursors: CursorCodec::new(key),
            fingerprints: IdempotencyFingerprints::new(key),
            metrics_token,
            metrics,
            backups: Backups::new(&config)?,
            static_files,
            process_id: u64::from_ne_bytes(random_bytes().map_err(|why| why.to_string())?),
            clock,
            config,
        })
    }

    /// The end of a session that began at `began` and is refreshed at `now`: after `JWT_REFRESH_TOKEN_EXPIRES`
    /// without a refresh (idle timeout), and `SESSION_MAX_AGE` after the sign-in at the latest (absolute timeout,
    /// OWASP ASVS 5.0, 7.3.2).
    pub fn session_expiry(&self, began: Timestamp, now: Timestamp) -> Timestamp {
        let unless_refreshed = now.plus_seconds(self.config.jwt_refresh_token_expires.seconds());
        let at_the_latest = began.plus_seconds(self.config.accounts.session_max_age.seconds());
        unless_refreshed.min(at_the_latest)
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }
}

/// The hasher for the methods of the stored hashes, those of the Flask app included.
fn password_hasher(config: &Config, store: &Store) -> Result<PasswordHasher, Error> {
    let iterations = config.passwords.password_iterations;
    let methods = store.read(users::hash_methods)?;
    let hasher = PasswordHasher::new(iterations, &methods)?;
    let cost = hasher.cost_of_wrong_password();
    if cost > iterations {
        log::info!(
            "some accounts have a password hash that costs more than a new one: until they sign in, each wrong \
             password takes as long as {cost} iterations"
        );
    }
    Ok(hasher)
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
