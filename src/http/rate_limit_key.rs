//! What the rate limits count requests by.

use std::net::IpAddr;

use super::client_address::Network;
use super::request::RequestContext;
use crate::auth::device_token::DeviceId;
use crate::model::{Credential, Id, SessionId, SignInToken, SignedIn};

/// What a limit counts requests by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateLimitKey<'a> {
    /// The site of a client.
    Site(Network, Bucket),
    /// The network of a client.
    Network(Network, Bucket),
    /// The network of a client and the account that it signs in to.
    NetworkAndEmail {
        /// The network.
        network: Network,
        /// The key of the account's e-mail address.
        email: &'a str,
        /// Whether a foreign website sends the request, see [`Bucket`].
        from_foreign_website: bool,
    },
    /// A device that has signed in before.
    Device(DeviceId),
    /// The key of an e-mail address, for the attempts of all devices of its account together.
    Email(&'a str),
    /// A session.
    Session(SessionId),
    /// An account.
    Account(Id),
    /// A token for scripts.
    ApiToken(Id),
}

/// Separate buckets of one network: its requests are counted apart by how they reach the server. Requests that others
/// can cause, for example by a website that a visitor opens, do not use up the quota of the visitor's own requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Bucket {
    /// Whether a website sends them that is neither the server's own nor in `CORS_ORIGINS`.
    pub from_foreign_website: bool,
    /// Whether they come through what may be a proxy that is not in `TRUSTED_PROXIES`.
    pub through_unlisted_proxy: bool,
    /// The network that this proxy reports as the client's; `None` in the key of a site.
    pub reported: Option<Network>,
}

/// The networks that an attempt to sign in or to sign up is counted by.
#[derive(Debug, Clone, Copy)]
pub struct ClientNetworks {
    address: IpAddr,
    bucket: Bucket,
}

impl ClientNetworks {
    /// The networks of a request.
    pub fn of(context: &RequestContext) -> ClientNetworks {
        let reported = context.client.reported.map(Network::of);
        ClientNetworks {
            address: context.client.address,
            bucket: Bucket {
                from_foreign_website: context.is_foreign_website,
                through_unlisted_proxy: reported.is_some(),
                reported,
            },
        }
    }

    /// The key of the site.
    pub fn site(self) -> RateLimitKey<'static> {
        let bucket = Bucket {
            reported: None,
            ..self.bucket
        };
        RateLimitKey::Site(Network::site_of(self.address), bucket)
    }

    /// The key of the network.
    pub fn network(self) -> RateLimitKey<'static> {
        RateLimitKey::Network(Network::of(self.address), self.bucket)
    }

    /// The key of the network and an e-mail address. What a proxy that is not trusted reports does not count: a
    /// client could otherwise guess as often as it can invent addresses.
    pub fn network_and_email(self, email: &str) -> RateLimitKey<'_> {
        RateLimitKey::NetworkAndEmail {
            network: Network::of(self.address),
            email,
            from_foreign_website: self.bucket.from_foreign_website,
        }
    }
}

impl RateLimitKey<'static> {
    /// The key of a client without a valid token: its network.
    pub fn of_network(address: IpAddr) -> RateLimitKey<'static> {
        RateLimitKey::Network(Network::of(address), Bucket::default())
    }

    /// The key of a caller who is signed in. All sessions of an account share one quota, so that it cannot be
    /// multiplied by opening sessions. A token for scripts has its own, so that a script cannot use up its owner's.
    pub fn of_caller(caller: &SignedIn) -> RateLimitKey<'static> {
        match &caller.credential {
            Credential::SignIn(_) => RateLimitKey::Account(caller.id),
            Credential::ApiToken { id, .. } => RateLimitKey::ApiToken(*id),
        }
    }

    /// The key of the session of a caller who is signed in. A token of the Flask app has no session and counts for
    /// its account.
    pub fn of_session(caller: &SignedIn) -> RateLimitKey<'static> {
        match &caller.credential {
            Credential::SignIn(SignInToken::Session(session)) => RateLimitKey::Session(*session),
            _ => RateLimitKey::of_caller(caller),
        }
    }
}
