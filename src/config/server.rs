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
    /// The program's own server: event loops
    #[default]
    EventLoop,
    /// rouille's server, for comparison; not for use on the internet
    Rouille,
}
