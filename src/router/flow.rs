//! The flow of a request: what shares one place in the rotation of a fair queue.

use rouille::Request;

use crate::app::App;
use crate::auth::jwt::TokenKind;
use crate::concurrency::Work;
use crate::http::client_address::{Client, Network};
use crate::http::request::bearer_token;

/// The account or the network that a waiting request is attributed to; see [`crate::concurrency::FairQueue`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Flow {
    /// The account that the access token names.
    Account(String),
    /// The client's network, for a request without a valid access token. Also for one with a token for scripts: only
    /// the database knows its account. Also for password hashes, the most expensive work: otherwise one network with
    /// many accounts would have as many places.
    Network(Network),
}

impl Flow {
    /// Reads the flow from the headers. Only the signature and the expiry of a token are verified here, since
    /// this runs on an event loop before the request waits; the rest follows when the request is handled.
    pub fn of(app: &App, request: &Request, work: Work) -> Flow {
        let token = bearer_token(request).ok();
        let verify = |token| app.jwt.verify(token, TokenKind::Access, app.now()).ok();
        match token.and_then(verify) {
            Some(claims) if work != Work::PasswordHash => Flow::Account(claims.username.clone()),
            _ => {
                let client = Client::of(request, &app.config.trusted_proxies);
                Flow::Network(Network::of(client.address))
            }
        }
    }
}
