//! `TRUSTED_PROXIES`.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// The networks of `TRUSTED_PROXIES`. By default there are none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Whether what comes from this address is believed.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
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

/// An address, or a network in CIDR form (RFC 4632, 3.1).
fn network(text: &str) -> Result<IpNet, String> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().map_err(|_| {
            format!("'{text}' is neither an address nor a network such as 10.0.0.0/8")
        })?,
    };
    // 10.0.0.5/8 may be a slip for 10.0.0.5, and would trust 16 million machines.
    match network.trunc() == network {
        true => Ok(network),
        false => Err(format!(
            "'{text}' is no network: write {} or {}",
            network.trunc(),
            network.addr()
        )),
    }
}
