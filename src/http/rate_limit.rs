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

use crate::config::limits::{RateLimitArgs, Switch};
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
const MAX_TRACKED_KEYS: usize = 50_000;

/// So many at once, and one more after each `every`.
#[derive(Debug, Clone, Copy)]
struct Quota {
    burst: i64,
    interval: Duration,
}

impl Quota {
    const fn of(burst: i64, interval: Duration) -> Quota {
        Quota { burst, interval }
    }
}

/// Every limit.
#[derive(Debug)]
pub struct RateLimits {
    is_on: bool,
    hasher: RandomState,
    login_to_account: GcraLimiter<(u64, Network)>,
    login_from_address: GcraLimiter<Network>,
    login_from_site: GcraLimiter<Network>,
    known_pairs: Mutex<LruCache<(u64, Network), ()>>,
    signup: GcraLimiter<Network>,
    refresh: GcraLimiter<RateLimitKey>,
    requests: GcraLimiter<RateLimitKey>,
}

/// Whose requests are counted together. Not an account's: whoever has stolen a token of it could keep its
/// owner from ending the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateLimitKey {
    /// A session's.
    Session(SessionId),
    /// Those of an account with the Flask app's tokens.
    Account(i64),
    /// Those from the network of this address, which are let in by nothing.
    Network(Network),
}

impl RateLimitKey {
    /// Whoever is signed in.
    pub fn of_caller(caller: &SignedIn) -> RateLimitKey {
        match caller.session() {
            Some(session) => RateLimitKey::Session(session),
            None => RateLimitKey::Account(caller.id.get()),
        }
    }

    /// Whoever is not.
    pub fn of_address(address: IpAddr) -> RateLimitKey {
        RateLimitKey::Network(Network::of(address))
    }
}

/// An attempt to sign in that the limits have let pass.
#[derive(Debug)]
pub struct SignInAttempt((u64, Network));

impl RateLimits {
    /// None of which has been touched yet.
    pub fn new(settings: RateLimitArgs) -> RateLimits {
        let per_minute = settings.requests_per_minute.into();
        let interval = Duration::from_secs(60) / settings.requests_per_minute;
        RateLimits {
            is_on: settings.rate_limits == Switch::On,
            hasher: RandomState::new(),
            login_to_account: GcraLimiter::new("login to an account", LOGIN_TO_ACCOUNT),
            login_from_address: GcraLimiter::new("login from an address", LOGIN_FROM_ADDRESS),
            login_from_site: GcraLimiter::new("login from a site", LOGIN_FROM_SITE),
            known_pairs: Mutex::new(LruCache::unbounded()),
            signup: GcraLimiter::new("sign-up", SIGNUP_FROM_ADDRESS),
            refresh: GcraLimiter::new("refresh", REFRESH),
            requests: GcraLimiter::new("requests", Quota::of(per_minute, interval)),
        }
    }

    /// Counts an attempt to sign in.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn check_sign_in(
        &self,
        from: IpAddr,
        email: &str,
        now: Timestamp,
    ) -> Result<SignInAttempt, Error> {
        // A hash, since a client may write an e-mail of any length.
        let account = self.hasher.hash_one(email.trim().to_lowercase());
        let pair = (account, Network::of(from));
        if self.is_on {
            self.login_to_account.check(pair, now)?;
            // Guessing by others behind its address does not keep an owner out.
            if lock(&self.known_pairs).get(&pair).is_none() {
                self.login_from_address.check(pair.1, now)?;
                if let IpAddr::V6(address) = from {
                    self.login_from_site.check(Network::site(address), now)?;
                }
            }
        }
        Ok(SignInAttempt(pair))
    }

    /// Remembers that the attempt has succeeded, and forgets the failed ones in front of it.
    pub fn record_success(&self, SignInAttempt(pair): SignInAttempt) {
        if self.is_on {
            self.login_to_account.forget(&pair);
            remember(&mut lock(&self.known_pairs), pair, ());
        }
    }

    /// Counts a sign-up.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn check_sign_up(&self, from: IpAddr, now: Timestamp) -> Result<(), Error> {
        self.count(&self.signup, Network::of(from), now)
    }

    /// Counts an exchange of a refresh token.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn check_refresh(&self, who: RateLimitKey, now: Timestamp) -> Result<(), Error> {
        self.count(&self.refresh, who, now)
    }

    /// Counts any request that needs a token.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn check_request(&self, who: RateLimitKey, now: Timestamp) -> Result<(), Error> {
        self.count(&self.requests, who, now)
    }

    /// What each limit has rejected so far, by its name.
    pub fn rejections(&self) -> [(&'static str, u64); 6] {
        [
            self.login_to_account.rejections(),
            self.login_from_address.rejections(),
            self.login_from_site.rejections(),
            self.signup.rejections(),
            self.refresh.rejections(),
            self.requests.rejections(),
        ]
    }

    /// How many clients are remembered, by all the limits together.
    pub fn tracked_keys(&self) -> usize {
        self.login_to_account.len()
            + self.login_from_address.len()
            + self.login_from_site.len()
            + lock(&self.known_pairs).len()
            + self.signup.len()
            + self.refresh.len()
            + self.requests.len()
    }

    fn count<K: Hash + Eq>(
        &self,
        limiter: &GcraLimiter<K>,
        key: K,
        now: Timestamp,
    ) -> Result<(), Error> {
        if self.is_on {
            limiter.check(key, now)
        } else {
            Ok(())
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
struct GcraLimiter<K: Hash + Eq> {
    name: &'static str,
    quota: Quota,
    rejected: Counter,
    theoretical_arrival: Mutex<LruCache<K, i64>>,
}

impl<K: Hash + Eq> GcraLimiter<K> {
    fn new(name: &'static str, quota: Quota) -> GcraLimiter<K> {
        GcraLimiter {
            name,
            quota,
            rejected: Counter::default(),
            theoretical_arrival: Mutex::new(LruCache::unbounded()),
        }
    }

    fn check(&self, who: K, now: Timestamp) -> Result<(), Error> {
        let now = now.unix_micros();
        let interval = self.quota.interval.as_micros() as i64;
        let burst_tolerance = self.quota.burst * interval;
        let mut known = lock(&self.theoretical_arrival);
        // What lies further ahead than the quota is deep was written by a clock that has been put back.
        let theoretical_arrival = known
            .get(&who)
            .copied()
            .filter(|at| *at <= now + burst_tolerance);
        let next = theoretical_arrival.unwrap_or(now).max(now) + interval;
        if next > now + burst_tolerance {
            self.rejected.add(1);
            let wait = Duration::from_micros((next - now - burst_tolerance).unsigned_abs());
            return Err(Error::TooManyRequests(wait));
        }
        remember(&mut known, who, next);
        Ok(())
    }

    fn rejections(&self) -> (&'static str, u64) {
        (self.name, self.rejected.get())
    }

    fn len(&self) -> usize {
        lock(&self.theoretical_arrival).len()
    }

    fn forget(&self, who: &K) {
        lock(&self.theoretical_arrival).pop(who);
    }
}

fn remember<K: Hash + Eq, V>(known: &mut LruCache<K, V>, key: K, value: V) {
    known.put(key, value);
    if known.len() > MAX_TRACKED_KEYS {
        known.pop_lru();
    }
}

// Nothing that holds the lock can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
