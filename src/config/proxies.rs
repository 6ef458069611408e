//! `TRUSTED_PROXIES`: the reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted. Any client
//! can send these headers, so by default they are ignored.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

/// The networks in `TRUSTED_PROXIES`; none by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Whether a proxy at this address is trusted.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Whether a proxy in front of this server may have this address: it is not public.
pub fn may_be_proxy(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}

impl FromStr for TrustedProxies {
    type Err = String;

    fn from_str(text: &str) -> Result<TrustedProxies, String> {
        if text.trim().is_empty() {
            return Ok(TrustedProxies::default());
        }
        let list: Result<_, _> = text.split(',').map(|text| network(text.trim())).collect();
        list.map(TrustedProxies)
    }
}

/// Parses an address, or a network in CIDR notation (RFC 4632, 3.1).
fn network(text: &str) -> Result<IpNet, String> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().map_err(|_| {
            format!("'{text}' is neither an address nor a network such as 10.0.0.0/8")
        })?,
    };
    // 10.0.0.5/8 may be a mistake for 10.0.0.5, and would trust 16 million machines.
    if network == network.trunc() {
        Ok(canonical(network))
    } else {
        Err(format!(
            "'{text}' is not a network: use {} or {}",
            network.trunc(),
            network.addr()
        ))
    }
}

/// Converts a network of IPv4-mapped IPv6 addresses to IPv4, as the addresses of clients are: `::ffff:10.0.0.0/104` is
/// `10.0.0.0/8`.
fn canonical(network: IpNet) -> IpNet {
    let ipv4_length = network.prefix_len().checked_sub(96);
    match (network.addr().to_canonical(), ipv4_length) {
        (IpAddr::V4(address), Some(length)) if matches!(network, IpNet::V6(_)) => {
            Ipv4Net::new(address, length).map_or(network, IpNet::V4)
        }
        _ => network,
    }
}
