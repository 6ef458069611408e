//! Rate limiting with GCRA (the generic cell rate algorithm of ITU-T I.371), against password guessing and
//! floods.
//!
//! Attempts to sign in count per network, and per network and account. They never count per account alone:
//! otherwise an attacker could lock the owner out by guessing wrong on purpose.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;

use super::client_address::Network;
use crate::config::rate_limits::{RateLimitArgs, Switch};
use crate::error::Error;
use crate::metrics::Counter;
use crate::metrics::exposition::Exposition;
use crate::model::{SessionId, SignedIn, Timestamp};

/// Attempts to sign in to one account from one network.
const SIGN_IN_PER_NETWORK_AND_ACCOUNT: Quota = Quota::new(10, Duration::from_secs(30));
/// Attempts to sign in from one network to accounts that have not signed in from there before. The burst
/// lets a whole school class that shares one address sign in at the same moment.
const SIGN_IN_PER_NETWORK: Quota = Quota::new(60, Duration::from_secs(5));
/// The same attempts from one site: an IPv6 /48, which a provider assigns to any customer on request (RFC
/// 6177, 2). Without this quota, each of the site's 65,536 networks would have only its own.
const SIGN_IN_PER_SITE: Quota = Quota::new(240, Duration::from_secs(1));
/// Sign-ups from one network.
const SIGN_UP_PER_NETWORK: Quota = Quota::new(60, Duration::from_secs(10));
/// Refreshes of one session, and requests with an invalid refresh token from one network.
const REFRESH: Quota = Quota::new(120, Duration::from_secs(1));

/// How much older the clock reading of a request may be than that of the request checked before it: threads read
/// the clock before they get the lock.
const MAX_CLOCK_LAG: Duration = Duration::from_secs(10);

/// The most keys that one limiter tracks. Above that, the least recently used key is evicted, so that an
/// attacker with many addresses cannot fill the memory.
const MAX_TRACKED_KEYS: usize = 50_000;

/// `burst` requests at once, and one more after each `interval`.
#[derive(Debug, Clone, Copy)]
struct Quota {
    burst: i64,
    interval: Duration,
}

impl Quota {
    const fn new(burst: i64, interval: Duration) -> Quota {
        Quota { burst, interval }
    }
}

/// The network of a client, and the hash of the e-mail that it signs in with.
type NetworkAndAccount = (Network, u64);

/// All rate limiters of the application.
#[derive(Debug)]
pub struct RateLimits {
    is_on: bool,
    hasher: RandomState,
    sign_in_per_network_and_account: GcraLimiter<NetworkAndAccount>,
    sign_in_per_network: GcraLimiter<Network>,
    sign_in_per_site: GcraLimiter<Network>,
    /// The pairs of network and account that have signed in before.
    known_pairs: Mutex<LruCache<NetworkAndAccount, ()>>,
    sign_up: GcraLimiter<Network>,
    refresh: GcraLimiter<RateLimitKey>,
    requests: GcraLimiter<RateLimitKey>,
}

/// What requests are counted by. For a signed-in caller it is the session, not the account: otherwise a thief
/// with a stolen token could use up the account's limit, and the owner could not end the thief's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateLimitKey {
    /// The caller's session.
    Session(SessionId),
    /// The id of the caller's account, for tokens of the Flask app, which have no session.
    Account(i64),
    /// The client's network, for requests without a valid token.
    Network(Network),
}

impl RateLimitKey {
    /// The key of a caller who is signed in.
    pub fn of_caller(caller: &SignedIn) -> RateLimitKey {
        match caller.session() {
            Some(session) => RateLimitKey::Session(session),
            None => RateLimitKey::Account(caller.id.get()),
        }
    }

    /// The key of a client without a valid token.
    pub fn of_address(address: IpAddr) -> RateLimitKey {
        RateLimitKey::Network(Network::of(address))
    }
}

/// An attempt to sign in that the rate limits have permitted, for [`RateLimits::record_success`].
#[derive(Debug)]
pub struct SignInAttempt(NetworkAndAccount);

impl RateLimits {
    /// Creates the limiters, with no request counted yet.
    pub fn new(settings: RateLimitArgs) -> RateLimits {
        let per_minute = settings.requests_per_minute.into();
        let interval = Duration::from_secs(60) / settings.requests_per_minute;
        RateLimits {
            is_on: settings.rate_limits == Switch::On,
            hasher: RandomState::new(),
            sign_in_per_network_and_account: GcraLimiter::new(
                "login to an account",
                SIGN_IN_PER_NETWORK_AND_ACCOUNT,
            ),
            sign_in_per_network: GcraLimiter::new("login from an address", SIGN_IN_PER_NETWORK),
            sign_in_per_site: GcraLimiter::new("login from a site", SIGN_IN_PER_SITE),
            known_pairs: Mutex::new(LruCache::unbounded()),
            sign_up: GcraLimiter::new("sign-up", SIGN_UP_PER_NETWORK),
            refresh: GcraLimiter::new("refresh", REFRESH),
            requests: GcraLimiter::new("requests", Quota::new(per_minute, interval)),
        }
    }

    /// Counts an attempt to prove a password: a sign-in, or the change of an account's own e-mail or
    /// password.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn check_sign_in(
        &self,
        from: IpAddr,
        email: &str,
        now: Timestamp,
    ) -> Result<SignInAttempt, Error> {
        // The e-mail is hashed, since a client may send one of any length.
        let account = self.hasher.hash_one(email.trim().to_lowercase());
        let network = Network::of(from);
        let pair = (network, account);
        if self.is_on {
            self.sign_in_per_network_and_account.check(pair, now)?;
            // A known pair skips the limits of its network: otherwise other clients with the same address
            // could lock the owner out by guessing.
            if lock(&self.known_pairs).get(&pair).is_none() {
                self.sign_in_per_network.check(network, now)?;
                if let IpAddr::V6(address) = from {
                    self.sign_in_per_site
                        .check(Network::site_of(address), now)?;
                }
            }
        }
        Ok(SignInAttempt(pair))
    }

    /// Records that the attempt has succeeded: its pair of network and account is known from now on, and the
    /// pair's earlier attempts no longer count.
    pub fn record_success(&self, SignInAttempt(pair): SignInAttempt) {
        if self.is_on {
            self.sign_in_per_network_and_account.reset(&pair);
            insert_bounded(&mut lock(&self.known_pairs), pair, ());
        }
    }

    /// Counts a sign-up.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn check_sign_up(&self, from: IpAddr, now: Timestamp) -> Result<(), Error> {
        self.check(&self.sign_up, Network::of(from), now)
    }

    /// Counts a request to exchange a refresh token.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn check_refresh(&self, key: RateLimitKey, now: Timestamp) -> Result<(), Error> {
        self.check(&self.refresh, key, now)
    }

    /// Counts a request to a route that needs an access token.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn check_request(&self, key: RateLimitKey, now: Timestamp) -> Result<(), Error> {
        self.check(&self.requests, key, now)
    }

    /// Writes the metrics of rate limiting.
    pub fn write_metrics(&self, text: &mut Exposition) {
        let mut family = text.counter(
            "rate_limit_refusals_total",
            "Requests rejected by a rate limit.",
        );
        for (limit, count) in self.rejections() {
            family.sample(&[("limit", limit)], count);
        }
    }

    /// The name of each limiter, and the number of requests that it has rejected since the start.
    fn rejections(&self) -> [(&'static str, u64); 6] {
        [
            self.sign_in_per_network_and_account.rejections(),
            self.sign_in_per_network.rejections(),
            self.sign_in_per_site.rejections(),
            self.sign_up.rejections(),
            self.refresh.rejections(),
            self.requests.rejections(),
        ]
    }

    /// The number of keys that all limiters together track. Tests check that it stays bounded.
    pub fn tracked_keys(&self) -> usize {
        self.sign_in_per_network_and_account.len()
            + self.sign_in_per_network.len()
            + self.sign_in_per_site.len()
            + lock(&self.known_pairs).len()
            + self.sign_up.len()
            + self.refresh.len()
            + self.requests.len()
    }

    fn check<K: Hash + Eq>(
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

/// A rate limiter that counts each key separately (GCRA).
///
/// It stores one time for each key, the theoretical arrival time: the time at which the key's whole burst is
/// available again. Each request adds one interval to it. A request that would move it more than `burst`
/// intervals into the future is rejected and changes nothing.
#[derive(Debug)]
struct GcraLimiter<K: Hash + Eq> {
    name: &'static str,
    quota: Quota,
    rejected: Counter,
    /// The theoretical arrival time of each key, in microseconds of Unix time.
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

    fn check(&self, key: K, now: Timestamp) -> Result<(), Error> {
        let now = now.unix_micros();
        let interval = self.quota.interval.as_micros() as i64;
        let burst_tolerance = self.quota.burst * interval;
        let mut tracked = lock(&self.theoretical_arrival);
        // A stored time further in the future than the tolerance and the lag means that the clock has been set
        // back since. It is ignored; otherwise the key would stay rejected until the clock has caught up.
        let latest = now + burst_tolerance + MAX_CLOCK_LAG.as_micros() as i64;
        let theoretical_arrival = tracked.get(&key).copied().filter(|at| *at <= latest);
        let next = theoretical_arrival.unwrap_or(now).max(now) + interval;
        if next > now + burst_tolerance {
            self.rejected.add(1);
            let wait = Duration::from_micros((next - now - burst_tolerance).unsigned_abs());
            return Err(Error::TooManyRequests(wait));
        }
        insert_bounded(&mut tracked, key, next);
        Ok(())
    }

    fn rejections(&self) -> (&'static str, u64) {
        (self.name, self.rejected.get())
    }

    fn len(&self) -> usize {
        lock(&self.theoretical_arrival).len()
    }

    /// Forgets the requests of a key: its whole burst is available again.
    fn reset(&self, key: &K) {
        lock(&self.theoretical_arrival).pop(key);
    }
}

/// Inserts the key, and evicts the least recently used key if there are more than [`MAX_TRACKED_KEYS`].
fn insert_bounded<K: Hash + Eq, V>(cache: &mut LruCache<K, V>, key: K, value: V) {
    cache.put(key, value);
    if cache.len() > MAX_TRACKED_KEYS {
        cache.pop_lru();
    }
}

// A poisoned lock is harmless: no code panics while it holds the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
