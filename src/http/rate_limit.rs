//! Rate limiting (GCRA, [`super::gcra`]) against password guessing and floods: which requests each limit counts, by
//! which key, and with which quota.
//!
//! A request counts before it is handled. If it then fails with a 5xx, which is no fault of the client, every limit
//! that has counted it takes that back.
//!
//! Attempts to sign in count per site, per network, and per network and account. They never count per account alone:
//! otherwise an attacker could lock the owner out by guessing wrong on purpose. An owner who shares the attacker's
//! network signs in by a [device token](crate::auth::device_token): a known device has quotas of its own.
//!
//! Limits are checked from the widest to the narrowest, and a request that one limit rejects is counted by none. So
//! nothing is remembered about an account that the network had no quota for, and what one network can write is bounded.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use strum::{IntoStaticStr, VariantArray};

use super::gcra::{Charge, GcraLimiter, Quota};
use super::rate_limit_key::{ClientNetworks, RateLimitKey};
use super::request::RequestContext;
use crate::auth::device_token::DeviceId;
use crate::config::rate_limits::{RateLimitArgs, Switch};
use crate::error::{Error, RateLimitRefusal};
use crate::metrics::exposition::Exposition;
use crate::model::Timestamp;

/// The rate limits. Each counts its keys separately; the text is its name in the metrics and in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
pub enum Limit {
    /// Attempts to sign in to one account from one network.
    #[strum(serialize = "login to an account")]
    SignInToAccount,
    /// Attempts to sign in from one network. The burst lets a whole school class that shares one address sign in at the
    /// same moment.
    #[strum(serialize = "login from an address")]
    SignInFromNetwork,
    /// Attempts to sign in from one site: otherwise each of its addresses or networks would have only its own quota.
    #[strum(serialize = "login from a site")]
    SignInFromSite,
    /// Attempts to sign in from one device that has signed in before.
    #[strum(serialize = "login from a known device")]
    SignInFromDevice,
    /// Attempts to sign in to one account from all such devices together.
    #[strum(serialize = "login from all known devices")]
    SignInFromAllDevices,
    /// Attempts of one account to prove its current password. They count per account and not per network: otherwise
    /// a neighbour who guesses could keep the owner from changing the password.
    #[strum(serialize = "current password")]
    CurrentPassword,
    /// Sign-ups from one network.
    #[strum(serialize = "sign-up")]
    SignUpFromNetwork,
    /// Sign-ups from one site.
    #[strum(serialize = "sign-up from a site")]
    SignUpFromSite,
    /// Refreshes of one session, and requests with an invalid refresh token from one network.
    #[strum(serialize = "refresh")]
    Refresh,
    /// Requests of one account, or of one token for scripts.
    #[strum(serialize = "requests")]
    Requests,
    /// Requests from one network that need a token and have no valid one.
    #[strum(serialize = "requests without a token")]
    RequestsWithoutToken,
    /// Requests of one session to the sessions, tokens and password of its account. A thief with another session
    /// cannot keep the owner from ending it.
    #[strum(serialize = "own sessions and tokens")]
    OwnSessions,
}

impl Limit {
    fn quota(self, settings: RateLimitArgs) -> Quota {
        let quota = |burst, seconds| Quota::new(burst, Duration::from_secs(seconds));
        match self {
            Limit::SignInToAccount | Limit::SignInFromDevice | Limit::CurrentPassword => {
                quota(10, 30)
            }
            Limit::SignInFromNetwork => quota(120, 5),
            Limit::SignInFromSite => quota(480, 1),
            Limit::SignInFromAllDevices => quota(60, 5),
            Limit::SignUpFromNetwork => quota(60, 10),
            Limit::SignUpFromSite => quota(240, 2),
            Limit::Refresh | Limit::OwnSessions => quota(120, 1),
            Limit::Requests | Limit::RequestsWithoutToken => Quota::new(
                settings.requests_per_minute.into(),
                Duration::from_secs(60) / settings.requests_per_minute,
            ),
        }
    }
}

/// All rate limiters of the application.
#[derive(Debug)]
pub struct RateLimits {
    is_on: bool,
    hasher: RandomState,
    /// One for each [`Limit`], in this order.
    limiters: Vec<GcraLimiter>,
}

/// The charge of one limit for a request.
#[derive(Debug)]
pub struct RateLimitCharge(Limit, Charge);

impl RateLimits {
    /// Creates the limiters, with no request counted yet.
    pub fn new(settings: RateLimitArgs) -> RateLimits {
        let limits = Limit::VARIANTS.iter();
        RateLimits {
            is_on: settings.rate_limits == Switch::On,
            hasher: RandomState::new(),
            limiters: limits
                .map(|limit| GcraLimiter::new(limit.quota(settings)))
                .collect(),
        }
    }

    /// Counts an attempt to sign in. `email` is the key of the account's e-mail address, and `device` one that has signed
    /// in to it before. Like the other checks, it notes in the context which limits have counted the request.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn check_sign_in(
        &self,
        context: &RequestContext,
        email: &str,
        device: Option<DeviceId>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let from = ClientNetworks::of(context);
        let known = |device| {
            [
                (Limit::SignInFromAllDevices, RateLimitKey::Email(email)),
                (Limit::SignInFromDevice, RateLimitKey::Device(device)),
            ]
        };
        let unknown = || {
            [
                (Limit::SignInFromSite, from.site()),
                (Limit::SignInFromNetwork, from.network()),
                (Limit::SignInToAccount, from.network_and_email(email)),
            ]
        };
        // Falls back to the limits of an unknown device: an attacker who once knew the password can hold device tokens
        // of the account and use the quota of all devices up.
        match device.map(|device| self.check(context, &known(device), now)) {
            Some(Ok(())) => Ok(()),
            _ => self.check(context, &unknown(), now),
        }
    }

    /// Counts an attempt to set a password by a one-time link, which names no account: like a sign-in, by site and
    /// network.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn check_password_reset(
        &self,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<(), Error> {
        let from = ClientNetworks::of(context);
        let limits = [
            (Limit::SignInFromSite, from.site()),
            (Limit::SignInFromNetwork, from.network()),
        ];
        self.check(context, &limits, now)
    }

    /// Counts a sign-up.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn check_sign_up(&self, context: &RequestContext, now: Timestamp) -> Result<(), Error> {
        let from = ClientNetworks::of(context);
        let limits = [
            (Limit::SignUpFromSite, from.site()),
            (Limit::SignUpFromNetwork, from.network()),
        ];
        self.check(context, &limits, now)
    }

    /// Counts a request by one limit.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn check_request(
        &self,
        context: &RequestContext,
        limit: Limit,
        key: RateLimitKey,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.check(context, &[(limit, key)], now)
    }

    /// Counts a request by each limit in turn, unless rate limits are off, and notes the charges in the context. If one
    /// rejects the request, those before take their charges back.
    fn check(
        &self,
        context: &RequestContext,
        limits: &[(Limit, RateLimitKey)],
        now: Timestamp,
    ) -> Result<(), Error> {
        if !self.is_on {
            return Ok(());
        }
        let mut charges = Vec::with_capacity(limits.len());
        for (limit, key) in limits {
            match self.limiter(*limit).check(self.hasher.hash_one(key), now) {
                Ok(charge) => charges.push(RateLimitCharge(*limit, charge)),
                Err(rejection) => {
                    charges.into_iter().for_each(|charge| self.refund(charge));
                    return Err(Error::TooManyRequests(Box::new(RateLimitRefusal {
                        limit: (*limit).into(),
                        wait: rejection.wait,
                        is_logged: rejection.is_first,
                        account: None,
                    })));
                }
            }
        }
        context.add_charges(charges);
        Ok(())
    }

    /// Takes a charge back, since its request has failed with a 5xx, or another limit has rejected it.
    pub fn refund(&self, RateLimitCharge(limit, charge): RateLimitCharge) {
        self.limiter(limit).refund(charge);
    }

    fn limiter(&self, limit: Limit) -> &GcraLimiter {
        &self.limiters[limit as usize]
    }

    /// Writes the metrics of rate limiting.
    pub fn write_metrics(&self, text: &mut Exposition) {
        let mut family = text.counter(
            "rate_limit_refusals_total",
            "Requests rejected by a rate limit.",
        );
        for limit in Limit::VARIANTS {
            let rejections = self.limiter(*limit).rejections();
            family.sample(&[("limit", limit.into())], rejections);
        }
    }

    /// The number of keys that all limiters together track. Tests check that it stays bounded.
    pub fn tracked_keys(&self) -> usize {
        self.limiters.iter().map(GcraLimiter::len).sum()
    }
}
