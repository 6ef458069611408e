//! Rate limiting against password guessing and floods: which requests count, by what, and how many may come.
//!
//! A request counts before it is handled. If it then fails with a 5xx, which is no fault of the client, every limit
//! that has counted it takes that back.
//!
//! Attempts to sign in count per network, and per network and account. They never count per account alone:
//! otherwise an attacker could lock the owner out by guessing wrong on purpose.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use lru::LruCache;

use super::client_address::Network;
use super::gcra::{Charge, GcraLimiter, Quota, insert_bounded, lock};
use super::rate_limit_key::{NetworkAndAccount, RateLimitCharge, RateLimitKey};
use super::request::RequestContext;
use crate::config::rate_limits::{RateLimitArgs, Switch};
use crate::error::Error;
use crate::metrics::exposition::Exposition;
use crate::model::Timestamp;

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
    /// password. Like the other checks, it notes in the context which limits have counted the request.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn check_sign_in(
        &self,
        context: &RequestContext,
        email: &str,
        now: Timestamp,
    ) -> Result<SignInAttempt, Error> {
        // The e-mail is hashed, since a client may send one of any length.
        let account = self.hasher.hash_one(email.trim().to_lowercase());
        let network = Network::of(context.client.address);
        let pair = (network, account);
        let limiter = &self.sign_in_per_network_and_account;
        let charge = RateLimitCharge::SignInPerNetworkAndAccount;
        self.check(context, limiter, charge, pair, now)?;
        // A known pair skips the limits of its network: otherwise other clients with the same address could lock
        // the owner out by guessing.
        if lock(&self.known_pairs).get(&pair).is_none() {
            self.check_sign_in_to_unknown(context, now)?;
        }
        Ok(SignInAttempt(pair))
    }

    /// Counts an attempt to sign in to an account that has not signed in from there before.
    fn check_sign_in_to_unknown(
        &self,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<(), Error> {
        let from = context.client.address;
        let (limiter, charge) = (&self.sign_in_per_network, RateLimitCharge::SignInPerNetwork);
        self.check(context, limiter, charge, Network::of(from), now)?;
        if let IpAddr::V6(address) = from {
            let (limiter, charge) = (&self.sign_in_per_site, RateLimitCharge::SignInPerSite);
            self.check(context, limiter, charge, Network::site_of(address), now)?;
        }
        Ok(())
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
    pub fn check_sign_up(&self, context: &RequestContext, now: Timestamp) -> Result<(), Error> {
        let network = Network::of(context.client.address);
        self.check(
            context,
            &self.sign_up,
            RateLimitCharge::SignUp,
            network,
            now,
        )
    }

    /// Counts a request to exchange a refresh token.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn check_refresh(
        &self,
        context: &RequestContext,
        key: RateLimitKey,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.check(context, &self.refresh, RateLimitCharge::Refresh, key, now)
    }

    /// Counts a request to a route that needs an access token.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn check_request(
        &self,
        context: &RequestContext,
        key: RateLimitKey,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.check(context, &self.requests, RateLimitCharge::Request, key, now)
    }

    /// Counts a request by one limiter, unless rate limits are off, and notes the charge in the context.
    fn check<K: Copy + Hash + Eq>(
        &self,
        context: &RequestContext,
        limiter: &GcraLimiter<K>,
        charge: fn(Charge<K>) -> RateLimitCharge,
        key: K,
        now: Timestamp,
    ) -> Result<(), Error> {
        if self.is_on {
            context.add_charge(charge(limiter.check(key, now)?));
        }
        Ok(())
    }

    /// Takes a charge back, since its request has failed with a 5xx.
    pub fn refund(&self, charge: RateLimitCharge) {
        match charge {
            RateLimitCharge::SignInPerNetworkAndAccount(charge) => {
                self.sign_in_per_network_and_account.refund(charge);
            }
            RateLimitCharge::SignInPerNetwork(charge) => self.sign_in_per_network.refund(charge),
            RateLimitCharge::SignInPerSite(charge) => self.sign_in_per_site.refund(charge),
            RateLimitCharge::SignUp(charge) => self.sign_up.refund(charge),
            RateLimitCharge::Refresh(charge) => self.refresh.refund(charge),
            RateLimitCharge::Request(charge) => self.requests.refund(charge),
        }
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
}
