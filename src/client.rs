//! Where a request comes from: from the other end of its connection, or, where that is a trusted proxy,
//! from where the proxy says.

use std::net::{IpAddr, SocketAddr};
use std::sync::Once;

use rouille::Request;

use crate::config::TrustedProxies;

/// The client of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address; one of IPv4 never in the clothes of IPv6.
    pub address: IpAddr,
    /// Whether it speaks TLS, with the proxy that ends it.
    pub https: bool,
}

impl Client {
    /// Reads `X-Forwarded-For` from its end: every proxy adds whom it heard from, so an address counts
    /// for as long as whoever added it is trusted. What stands in front of that anybody can have written
    /// (OWASP ASVS 5.0, 4.1.3).
    pub fn of(request: &Request, trusted: &TrustedProxies) -> Client {
        let peer = request.remote_addr().ip().to_canonical();
        let mut address = peer;
        for hop in values(request, "X-Forwarded-For").rev() {
            match (trusted.contains(address), parse(hop)) {
                (true, Some(said)) => address = said,
                _ => break,
            }
        }
        if !trusted.contains(peer) && is_forwarded(request) {
            tell_of_proxy(peer);
        }
        let mut schemes = values(request, "X-Forwarded-Proto").peekable();
        let https = trusted.contains(peer)
            && schemes.peek().is_some()
            && schemes.all(|scheme| scheme.eq_ignore_ascii_case("https"));
        Client { address, https }
    }
}

fn is_forwarded(request: &Request) -> bool {
    request.header("X-Forwarded-For").is_some()
}

/// An operator who has forgotten the setting would see everybody behind the proxy share one limit.
fn tell_of_proxy(peer: IpAddr) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::warn!(
            "a request from {peer} has X-Forwarded-For: if that is your proxy, name it in \
             TRUSTED_PROXIES; until then all of its clients count as one"
        );
    });
}

/// The elements of a header that is a list (RFC 9110, 5.6.1), however many lines it has.
fn values<'a>(request: &'a Request, name: &str) -> impl DoubleEndedIterator<Item = &'a str> {
    let lines: Vec<&str> = request
        .headers()
        .filter(|(given, _)| given.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect();
    lines
        .into_iter()
        .flat_map(|line| line.split(','))
        .map(str::trim)
}

/// `192.0.2.1`, `2001:db8::1`, and with a port, as some proxies write them: `192.0.2.1:80`, `[2001:db8::1]:80`.
fn parse(hop: &str) -> Option<IpAddr> {
    let address = hop
        .parse()
        .or_else(|_| hop.parse().map(|with_port: SocketAddr| with_port.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}
