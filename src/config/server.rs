//! The address that the server listens on, and the choice of the HTTP server.

use clap::{Args, ValueEnum};

/// The address of the server, for `serve` and `healthcheck`.
#[derive(Debug, Clone, Args)]
pub struct AddressArgs {
    /// Address that the server listens on; 0.0.0.0 means all addresses of this machine
    #[arg(long, env, hide_env_values = true, default_value = "127.0.0.1")]
    pub host: String,

    /// TCP port that the server listens on; 0 means any free port
    #[arg(long, env, hide_env_values = true, default_value_t = 5000)]
    pub port: u16,
}

/// The HTTP servers that can run the API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ServerKind {
    /// The program's own server, on Linux's epoll
    #[cfg(target_os = "linux")]
    #[default]
    Epoll,
    /// rouille's server, for every system; not for use on the internet
    #[cfg_attr(not(target_os = "linux"), default)]
    Rouille,
}
