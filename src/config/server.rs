//! The address that the server listens on, and the choice of the HTTP server.

use std::env;
use std::fmt;
use std::net::Ipv6Addr;

use clap::{Args, ValueEnum};

/// The address of the server, for `serve` and `healthcheck`.
#[derive(Debug, Clone, Args)]
pub struct AddressArgs {
    /// Address that the server listens on; 0.0.0.0 means all addresses of this machine
    #[arg(long, env, hide_env_values = true, default_value = "127.0.0.1", value_parser = parse_host)]
    pub host: String,

    /// TCP port that the server listens on; 0 means any free port
    #[arg(long, env, hide_env_values = true, default_value_t = 5000)]
    pub port: u16,
}

/// Parses a host. An IPv6 address may be in brackets, as in a URL.
fn parse_host(text: &str) -> Result<String, String> {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match inner {
        None => Ok(text.to_owned()),
        Some(address) if address.parse::<Ipv6Addr>().is_ok() => Ok(address.to_owned()),
        Some(address) => Err(format!("'{address}' is not an IPv6 address")),
    }
}

/// `localhost:5000` or `[::1]:5000`, for error messages. Says if the host may be in the environment for another
/// purpose: some shells (tcsh, zsh) set `HOST` to the name of the machine.
impl fmt::Display for AddressArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AddressArgs { host, port } = self;
        match host.contains(':') {
            true => write!(f, "[{host}]:{port}")?,
            false => write!(f, "{host}:{port}")?,
        }
        let variable = env::var("HOST")
            .ok()
            .and_then(|text| parse_host(&text).ok());
        match variable.as_ref() == Some(host) {
            true => f.write_str(" (HOST is from the environment)"),
            false => Ok(()),
        }
    }
}

/// The HTTP servers that can run the API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ServerKind {
    /// The program's own server: event loops
    #[default]
    EventLoop,
    /// rouille's server, for comparison; not for use on the internet
    Rouille,
}
