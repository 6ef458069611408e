//! The address of the client: the peer of the connection or, where the peer is a trusted proxy, the address
//! that the proxy reports in `X-Forwarded-For`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Once;

use rouille::Request;

use crate::config::proxies::{TrustedProxies, may_be_proxy};

/// The client that sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The IP address. IPv4-mapped IPv6 addresses are converted to IPv4.
    pub address: IpAddr,
    /// The address that the peer reports in `X-Forwarded-For`, if the peer may be a proxy that `TRUSTED_PROXIES` does
    /// not name: it is not trusted, and its address is not public. Only rate limits use it.
    pub reported: Option<IpAddr>,
    /// Whether a trusted proxy has sent the request.
    pub is_proxied: bool,
    /// Whether the client uses TLS, which a trusted proxy terminates and reports in `X-Forwarded-Proto`.
    pub https: bool,
}

/// The header to which each proxy appends the address of the client or proxy that it received the request
/// from.
const FORWARDED_FOR: &str = "X-Forwarded-For";

/// Other headers that proxies add, in place of `X-Forwarded-For` or together with it.
const OTHER_PROXY_HEADERS: [&str; 5] = [
    "Forwarded",
    "Via",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
];

impl Client {
    /// Determines the client of a request. Forwarding headers count only if a `trusted` proxy has added them.
    pub fn of(request: &Request, trusted: &TrustedProxies) -> Client {
        let peer = peer(request);
        let is_proxied = trusted.contains(peer);
        let forwarded_for = || values(request, FORWARDED_FOR).next_back();
        let ignored = (!is_proxied).then(forwarded_for).flatten();
        if ignored.is_some() {
            warn_of_ignored_header(peer);
        }
        let mut schemes = values(request, "X-Forwarded-Proto").peekable();
        let https = is_proxied
            && schemes.peek().is_some()
            && schemes.all(|scheme| scheme.eq_ignore_ascii_case("https"));
        Client {
            address: forwarded_address(request, trusted).0,
            reported: ignored.filter(|_| may_be_proxy(peer)).and_then(parse),
            is_proxied,
            https,
        }
    }
}

/// Warns once per process: without the warning, the operator of a proxy that is not listed could not see why
/// all of its clients share one rate limit.
fn warn_of_ignored_header(peer: IpAddr) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::warn!(
            "ignoring the X-Forwarded-For header of a request from {peer}: if this is your proxy, list it in \
             TRUSTED_PROXIES; until then the log has its address for all of its clients, and they share rate limits"
        );
    });
}

/// Whether a request comes from this machine or from a trusted proxy itself, and is not forwarded for another
/// client.
///
/// The address alone does not show this. A proxy on this machine connects from a loopback address too, but it
/// adds forwarding headers. A website that is open in a browser on this machine can send requests from it
/// too. The browser adds `Origin`, unless the website's own name leads to this machine (DNS rebinding): then it sends
/// that name as `Host`.
pub fn is_local(request: &Request, trusted: &TrustedProxies) -> bool {
    let (address, is_complete) = forwarded_address(request, trusted);
    let has = |name: &&str| request.header(name).is_some();
    let is_forwarded =
        !is_complete || (!has(&FORWARDED_FOR) && OTHER_PROXY_HEADERS.iter().any(has));
    let is_local_address = match address.is_loopback() {
        true => values(request, "Host").all(is_loopback_host),
        // No browser has such an address, and Prometheus may use any name of this machine there.
        false => trusted.contains(address),
    };
    is_local_address && !is_forwarded && !has(&"Origin")
}

/// Whether a `Host` (RFC 9110, 7.2) is `localhost` or a loopback address, with any port.
fn is_loopback_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || address
            .parse()
            .is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
}

/// Returns the client's address, and whether every address in `X-Forwarded-For` was used.
///
/// Reads the header from the right: each proxy appends the address that it received the request from. So an
/// element is used only if the address to its right (at the end, the peer), which appended it, is a trusted
/// proxy. The client can have written everything further left itself (OWASP ASVS 5.0, 4.1.3).
fn forwarded_address(request: &Request, trusted: &TrustedProxies) -> (IpAddr, bool) {
    let mut address = peer(request);
    for hop in values(request, FORWARDED_FOR).rev() {
        match (trusted.contains(address), parse(hop)) {
            (true, Some(reported)) => address = reported,
            _ => return (address, false),
        }
    }
    (address, true)
}

/// The address of the other end of the connection.
fn peer(request: &Request) -> IpAddr {
    request.remote_addr().ip().to_canonical()
}

/// The elements of a list header (RFC 9110, 5.6.1) over all of its lines.
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

/// Parses `192.0.2.1` or `2001:db8::1`, also with a port, which some proxies add: `192.0.2.1:80`,
/// `[2001:db8::1]:80`.
fn parse(hop: &str) -> Option<IpAddr> {
    let address = hop
        .parse()
        .or_else(|_| hop.parse().map(|with_port: SocketAddr| with_port.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

/// The network of a client: an IPv4 address, or an IPv6 /64. A household gets a whole /64 (RFC 4291, 2.5.4)
/// and can use any address in it, so a limit per IPv6 address would have no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(Ipv6Addr);

impl Network {
    /// The network that the address belongs to.
    pub fn of(address: IpAddr) -> Network {
        match address {
            IpAddr::V4(address) => Network(address.to_ipv6_mapped()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Network(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        }
    }

    /// The site that the address belongs to: an IPv4 /24, or an IPv6 /48, which a provider assigns to any customer on
    /// request (RFC 6177, 2).
    pub fn site_of(address: IpAddr) -> Network {
        match address {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Network(Ipv4Addr::new(a, b, c, 0).to_ipv6_mapped())
            }
            IpAddr::V6(address) => {
                let [a, b, c, ..] = address.segments();
                Network(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
            }
        }
    }
}

/// `192.0.2.1`, or `2001:db8::/64`.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.to_ipv4_mapped() {
            Some(address) => address.fmt(f),
            None => write!(f, "{}/64", self.0),
        }
    }
}
