//! What the rate limits count requests by, and the record of what they have counted for a request.

use std::net::IpAddr;

use super::client_address::Network;
use super::gcra::Charge;
use crate::model::{Credential, Id, SessionId, SignInToken, SignedIn};

/// The network of a client, and the hash of the e-mail that it signs in with.
pub type NetworkAndAccount = (Network, u64);

/// What requests are counted by. For a signed-in caller it is the session, not the account: otherwise a thief
/// with a stolen token could use up the account's limit, and the owner could not end the thief's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateLimitKey {
    /// The caller's session.
    Session(SessionId),
    /// The id of the caller's account, for tokens of the Flask app, which have no session.
    Account(i64),
    /// The caller's token for scripts.
    ApiToken(Id),
    /// The client's network, for requests without a valid token.
    Network(Network),
}

impl RateLimitKey {
    /// The key of a caller who is signed in.
    pub fn of_caller(caller: &SignedIn) -> RateLimitKey {
        match &caller.credential {
            Credential::SignIn(SignInToken::Session(session)) => RateLimitKey::Session(*session),
            Credential::SignIn(SignInToken::Flask { .. }) => RateLimitKey::Account(caller.id.get()),
            Credential::ApiToken { id, .. } => RateLimitKey::ApiToken(*id),
        }
    }

    /// The key of a client without a valid token.
    pub fn of_address(address: IpAddr) -> RateLimitKey {
        RateLimitKey::Network(Network::of(address))
    }
}

/// The charge of one limiter for a request.
#[derive(Debug)]
pub enum RateLimitCharge {
    /// For an attempt to sign in to an account.
    SignInPerNetworkAndAccount(Charge<NetworkAndAccount>),
    /// For an attempt to sign in from a network.
    SignInPerNetwork(Charge<Network>),
    /// For an attempt to sign in from a site.
    SignInPerSite(Charge<Network>),
    /// For a sign-up.
    SignUp(Charge<Network>),
    /// For the exchange of a refresh token.
    Refresh(Charge<RateLimitKey>),
    /// For any other request.
    Request(Charge<RateLimitKey>),
}
