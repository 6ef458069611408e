//! What every handler borrows: the settings, the database, the keys and the clock.

use std::fmt;

use crate::auth::password::Passwords;
use crate::auth::signing_key::SigningKeys;
use crate::auth::token::Tokens;
use crate::config::Config;
use crate::cursor::Cursors;
use crate::gate::Gate;
use crate::metrics::Metrics;
use crate::model::Timestamp;
use crate::store::Store;

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
    /// Makes and checks password hashes.
    pub passwords: Passwords,
    /// Makes and checks the cursors of lists.
    pub cursors: Cursors,
    /// What is counted.
    pub metrics: Metrics,
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
        clock: Clock,
    ) -> Result<App, String> {
        let (lifetime, hashes) = (config.jwt_access_token_expires, config.threads.hashes);
        let passwords = Passwords::new(config.passwords.password_iterations, hashes);
        Ok(App {
            config,
            store,
            tokens: Tokens::new(keys, lifetime),
            passwords: passwords.map_err(|why| why.to_string())?,
            cursors: Cursors::new(&keys.current.bytes).map_err(|why| why.to_string())?,
            metrics,
            clock,
        })
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
