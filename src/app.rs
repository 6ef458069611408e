//! What every handler borrows: the settings, the database, the keys and the clock.

use std::fmt;

use crate::assets::Assets;
use crate::auth::password::Passwords;
use crate::auth::refresh::RefreshIds;
use crate::auth::signing_key::SigningKeys;
use crate::auth::token::Tokens;
use crate::config::Config;
use crate::cursor::Cursors;
use crate::gate::Gate;
use crate::idempotency::Fingerprints;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::model::Timestamp;
use crate::store::Store;
use crate::uses::Uses;

/// Tells the time. Tests bring their own.
pub type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// The application, ready to answer requests from any thread.
pub struct App {
    /// The settings.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// Makes and checks tokens.
    pub tokens: Tokens,
    /// Knows the successors of refresh tokens.
    pub refresh_ids: RefreshIds,
    /// How often somebody may ask.
    pub limits: Limits,
    /// Which sessions were used lately.
    pub uses: Uses,
    /// Makes and checks password hashes.
    pub passwords: Passwords,
    /// Makes and checks the cursors of lists.
    pub cursors: Cursors,
    /// Makes the fingerprints of requests that may come again.
    pub fingerprints: Fingerprints,
    /// What is counted.
    pub metrics: Metrics,
    /// Files for browsers.
    pub assets: Assets,
    clock: Clock,
}

impl App {
    /// Puts the parts together. `keys` are those of the tokens.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn new(
        config: Config,
        store: Store,
        keys: &SigningKeys,
        metrics: Metrics,
        assets: Assets,
        clock: Clock,
    ) -> Result<App, String> {
        let (lifetime, hashes) = (config.jwt_access_token_expires, config.threads.hashes);
        let passwords = Passwords::new(config.passwords.password_iterations, hashes);
        let key = &keys.current.bytes;
        Ok(App {
            store,
            tokens: Tokens::new(keys, lifetime),
            refresh_ids: RefreshIds::new(key).map_err(|why| why.to_string())?,
            limits: Limits::new(config.rates),
            uses: Uses::default(),
            passwords: passwords.map_err(|why| why.to_string())?,
            cursors: Cursors::new(key).map_err(|why| why.to_string())?,
            fingerprints: Fingerprints::new(key).map_err(|why| why.to_string())?,
            metrics,
            assets,
            clock,
            config,
        })
    }

    /// When a session ends that is begun or refreshed now.
    pub fn refresh_expiry(&self, now: Timestamp) -> Timestamp {
        now.plus_seconds(self.config.jwt_refresh_token_expires.seconds())
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// What takes long, and only some do at a time.
    pub fn gates(&self) -> [&Gate; 3] {
        let [writes, searches] = self.store.gates();
        [self.passwords.gate(), writes, searches]
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
