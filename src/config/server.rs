//! Where and how the server listens.

use clap::{Args, ValueEnum};

/// Where the server listens.
#[derive(Debug, Clone, Args)]
pub struct AddressArgs {
    /// Address to listen on; 0.0.0.0 is every address of this machine
    #[arg(long, env, hide_env_values = true, default_value = "127.0.0.1")]
    pub host: String,

    /// TCP port to listen on; 0 takes any that is free
    #[arg(long, env, hide_env_values = true, default_value_t = 5000)]
    pub port: u16,
}

/// The servers that can stand under the API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ServerKind {
    /// This program's own, on Linux's epoll
    #[cfg(target_os = "linux")]
    #[default]
    Epoll,
    /// rouille's, for every system; not to be reached from the internet
    #[cfg_attr(not(target_os = "linux"), default)]
    Rouille,
}
