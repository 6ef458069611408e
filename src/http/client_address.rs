//! Where a request comes from: from the other end of its connection, or, where that is a trusted proxy,
//! from where the proxy says.

use std::net::{IpAddr, SocketAddr};
use std::sync::Once;

use rouille::Request;

use crate::config::proxies::TrustedProxies;

/// The client of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address; one of IPv4 never in the clothes of IPv6.
    pub address: IpAddr,
    /// Whether it speaks TLS, with the proxy that ends it.
    pub https: bool,
}

/// The header in which proxies say from whom they heard.
const FORWARDED_FOR: &str = "X-Forwarded-For";

/// What proxies write in its place, or beside it.
const OTHER_SIGNS: [&str; 5] = [
    "Forwarded",
    "Via",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
];

impl Client {
    /// Finds out who it is, believing these proxies.
    pub fn of(request: &Request, trusted: &TrustedProxies) -> Client {
        let peer = peer(request);
        let (address, _) = way_back(request, trusted);
        if !trusted.contains(peer) && request.header(FORWARDED_FOR).is_some() {
            tell_of_proxy(peer);
        }
        let mut schemes = values(request, "X-Forwarded-Proto").peekable();
        let https = trusted.contains(peer)
            && schemes.peek().is_some()
            && schemes.all(|scheme| scheme.eq_ignore_ascii_case("https"));
        Client { address, https }
    }
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

/// Whether a request comes from this machine, or from a trusted proxy itself, and is not made for
/// somebody else: a proxy on this machine has an address of this machine too, but its headers give it
/// away, and so does the `Origin` of a browser that asks for a website.
pub fn is_local(request: &Request, trusted: &TrustedProxies) -> bool {
    let (address, is_whole) = way_back(request, trusted);
    let has = |name: &&str| request.header(name).is_some();
    let is_forwarded = !is_whole || (!has(&FORWARDED_FOR) && OTHER_SIGNS.iter().any(has));
    let is_near = address.is_loopback() || trusted.contains(address);
    is_near && !is_forwarded && !has(&"Origin")
}

/// Where a request comes from as far as that is believed, and whether that is all that is said of it.
///
/// Reads `X-Forwarded-For` from its end: every proxy adds whom it heard from, so an address counts for
/// as long as whoever added it is trusted. What stands in front of that anybody can have written (OWASP
/// ASVS 5.0, 4.1.3).
fn way_back(request: &Request, trusted: &TrustedProxies) -> (IpAddr, bool) {
    let mut address = peer(request);
    for hop in values(request, FORWARDED_FOR).rev() {
        match (trusted.contains(address), parse(hop)) {
            (true, Some(said)) => address = said,
            _ => return (address, false),
        }
    }
    (address, true)
}

/// The other end of the connection.
fn peer(request: &Request) -> IpAddr {
    request.remote_addr().ip().to_canonical()
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
