//! How often somebody may ask: guessing is slowed, and its victim is not locked out.
//!
//! Nothing counts for an account alone, since then anybody could lock its owner out; what counts is the
//! client's address, and the address together with the account.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;

use crate::config::{RateArgs, Switch};
use crate::error::Error;
use crate::metrics::Counter;
use crate::model::{SessionId, SignedIn, Timestamp};

/// Attempts to sign in to one account from one address.
const LOGIN_TO_ACCOUNT: Quota = Quota::of(10, Duration::from_secs(30));
/// Attempts to sign in from one address that has not signed in to that account before. A class that sits
/// behind one address and begins at once has to get in.
const LOGIN_FROM_ADDRESS: Quota = Quota::of(60, Duration::from_secs(5));
/// The same from one site, the /48 of IPv6 that anybody is given by asking for it (RFC 6177, 2).
const LOGIN_FROM_SITE: Quota = Quota::of(240, Duration::from_secs(1));
/// Sign-ups from one address.
const SIGNUP_FROM_ADDRESS: Quota = Quota::of(60, Duration::from_secs(10));
/// Exchanges of one session's refresh tokens, and of what is none from one address.
const REFRESH: Quota = Quota::of(120, Duration::from_secs(1));

/// Whom a limit remembers at most: whoever has not been seen for longest makes room, so that no crowd of
/// addresses takes up more memory.
const MOST_REMEMBERED: usize = 50_000;

/// So many at once, and one more after each `every`.
#[derive(Debug, Clone, Copy)]
struct Quota {
    at_once: i64,
    every: Duration,
}

impl Quota {
    const fn of(at_once: i64, every: Duration) -> Quota {
        Quota { at_once, every }
    }
}

/// Every limit.
#[derive(Debug)]
pub struct Limits {
    is_on: bool,
    hasher: RandomState,
    login_to_account: Limit<(u64, Network)>,
    login_from_address: Limit<Network>,
    login_from_site: Limit<Network>,
    known: Mutex<LruCache<(u64, Network), ()>>,
    signup: Limit<Network>,
    refresh: Limit<Requester>,
    requests: Limit<Requester>,
}

/// Whose requests are counted together. Not an account's: whoever has stolen a token of it could keep its
/// owner from ending the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Requester {
    /// A session's.
    Session(SessionId),
    /// Those of an account with the Flask app's tokens.
    Account(i64),
    /// Those from the network of this address, which are let in by nothing.
    Network(Network),
}

impl Requester {
    /// Whoever is signed in.
    pub fn of(caller: &SignedIn) -> Requester {
        match caller.session() {
            Some(session) => Requester::Session(session),
            None => Requester::Account(caller.id.get()),
        }
    }

    /// Whoever is not.
    pub fn at(address: IpAddr) -> Requester {
        Requester::Network(Network::of(address))
    }
}

/// An attempt to sign in that the limits have let pass.
#[derive(Debug)]
pub struct Attempt((u64, Network));

impl Limits {
    /// None of which has been touched yet.
    pub fn new(settings: RateArgs) -> Limits {
        let per_minute = settings.requests_per_minute.into();
        let every = Duration::from_secs(60) / settings.requests_per_minute;
        Limits {
            is_on: settings.rate_limits == Switch::On,
            hasher: RandomState::new(),
            login_to_account: Limit::new("login to an account", LOGIN_TO_ACCOUNT),
            login_from_address: Limit::new("login from an address", LOGIN_FROM_ADDRESS),
            login_from_site: Limit::new("login from a site", LOGIN_FROM_SITE),
            known: Mutex::new(LruCache::unbounded()),
            signup: Limit::new("sign-up", SIGNUP_FROM_ADDRESS),
            refresh: Limit::new("refresh", REFRESH),
            requests: Limit::new("requests", Quota::of(per_minute, every)),
        }
    }

    /// Counts an attempt to sign in.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn login(&self, from: IpAddr, email: &str, now: Timestamp) -> Result<Attempt, Error> {
        // A hash, since a client may write an e-mail of any length.
        let account = self.hasher.hash_one(email.trim().to_lowercase());
        let pair = (account, Network::of(from));
        if self.is_on {
            self.login_to_account.take(pair, now)?;
            // Guessing by others behind its address does not keep an owner out.
            if lock(&self.known).get(&pair).is_none() {
                self.login_from_address.take(pair.1, now)?;
                if let IpAddr::V6(address) = from {
                    self.login_from_site.take(Network::site(address), now)?;
                }
            }
        }
        Ok(Attempt(pair))
    }

    /// Remembers that the attempt has succeeded, and forgets the failed ones in front of it.
    pub fn signed_in(&self, Attempt(pair): Attempt) {
        if self.is_on {
            self.login_to_account.forget(&pair);
            remember(&mut lock(&self.known), pair, ());
        }
    }

    /// Counts a sign-up.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn signup(&self, from: IpAddr, now: Timestamp) -> Result<(), Error> {
        self.count(&self.signup, Network::of(from), now)
    }

    /// Counts an exchange of a refresh token.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn refresh(&self, who: Requester, now: Timestamp) -> Result<(), Error> {
        self.count(&self.refresh, who, now)
    }

    /// Counts any request that needs a token.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn request(&self, who: Requester, now: Timestamp) -> Result<(), Error> {
        self.count(&self.requests, who, now)
    }

    /// What each limit has refused so far, by its name.
    pub fn refusals(&self) -> [(&'static str, u64); 6] {
        [
            self.login_to_account.refusals(),
            self.login_from_address.refusals(),
            self.login_from_site.refusals(),
            self.signup.refusals(),
            self.refresh.refusals(),
            self.requests.refusals(),
        ]
    }

    /// How many clients are remembered, by all the limits together.
    pub fn remembered(&self) -> usize {
        self.login_to_account.len()
            + self.login_from_address.len()
            + self.login_from_site.len()
            + lock(&self.known).len()
            + self.signup.len()
            + self.refresh.len()
            + self.requests.len()
    }

    fn count<K: Hash + Eq>(&self, limit: &Limit<K>, who: K, now: Timestamp) -> Result<(), Error> {
        match self.is_on {
            true => limit.take(who, now),
            false => Ok(()),
        }
    }
}

/// The part of an address that stands for one client: of IPv6, where every home is given 2^64 addresses,
/// the first half (RFC 4291, 2.5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(Ipv6Addr);

impl Network {
    fn of(address: IpAddr) -> Network {
        match address {
            IpAddr::V4(address) => Network(address.to_ipv6_mapped()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Network(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        }
    }

    fn site(address: Ipv6Addr) -> Network {
        let [a, b, c, ..] = address.segments();
        Network(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
    }
}

/// One limit: for each of those it knows the moment at which their quota would be whole again (GCRA, the
/// generic cell rate algorithm of ITU-T I.371).
#[derive(Debug)]
struct Limit<K: Hash + Eq> {
    name: &'static str,
    quota: Quota,
    refused: Counter,
    whole_at: Mutex<LruCache<K, i64>>,
}

impl<K: Hash + Eq> Limit<K> {
    fn new(name: &'static str, quota: Quota) -> Limit<K> {
        Limit {
            name,
            quota,
            refused: Counter::default(),
            whole_at: Mutex::new(LruCache::unbounded()),
        }
    }

    fn take(&self, who: K, now: Timestamp) -> Result<(), Error> {
        let now = now.unix_micros();
        let every = self.quota.every.as_micros() as i64;
        let depth = self.quota.at_once * every;
        let mut known = lock(&self.whole_at);
        // What lies further ahead than the quota is deep was written by a clock that has been put back.
        let whole_at = known.get(&who).copied().filter(|at| *at <= now + depth);
        let next = whole_at.unwrap_or(now).max(now) + every;
        if next > now + depth {
            self.refused.add(1);
            let wait = Duration::from_micros((next - now - depth).unsigned_abs());
            return Err(Error::TooManyRequests(wait));
        }
        remember(&mut known, who, next);
        Ok(())
    }

    fn refusals(&self) -> (&'static str, u64) {
        (self.name, self.refused.get())
    }

    fn len(&self) -> usize {
        lock(&self.whole_at).len()
    }

    fn forget(&self, who: &K) {
        lock(&self.whole_at).pop(who);
    }
}

fn remember<K: Hash + Eq, V>(known: &mut LruCache<K, V>, key: K, value: V) {
    known.put(key, value);
    if known.len() > MOST_REMEMBERED {
        known.pop_lru();
    }
}

// Nothing that holds the lock can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
