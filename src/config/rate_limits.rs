//! The settings of rate limiting.

use clap::{Args, ValueEnum};

/// Rate limiting; see [`crate::http::rate_limit`].
#[derive(Debug, Clone, Copy, Args)]
pub struct RateLimitArgs {
    /// Rate limiting of sign-in attempts, sign-ups and requests (429); off is meant for load tests
    #[arg(long, env, hide_env_values = true, default_value = "on")]
    pub rate_limits: Switch,

    /// Maximum requests per minute of one account or token for scripts, or of one network without a valid token (429)
    #[arg(long, env, hide_env_values = true, default_value_t = 6000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=60_000_000))]
    pub requests_per_minute: u32,
}

/// `on` or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum Switch {
    On,
    Off,
}
