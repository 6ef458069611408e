//! What a client may use: rates, bytes, time and connections.

use clap::{Args, ValueEnum};

use super::duration::Timeout;

/// How often somebody may ask.
#[derive(Debug, Clone, Copy, Args)]
pub struct RateLimitArgs {
    /// Slow down who guesses passwords, signs up or asks too often: 429; off is for load tests
    #[arg(long, env, hide_env_values = true, default_value = "on")]
    pub rate_limits: Switch,

    /// The most requests of one session in a minute, or of one address that is not signed in
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

/// What a client may take up: bytes, time and connections. `--server rouille` knows of
/// `MAX_BODY_BYTES` alone.
#[derive(Debug, Clone, Copy, Args)]
pub struct ServerLimits {
    /// The largest request body that is read, in bytes
    #[arg(long, env, hide_env_values = true, default_value_t = 1 << 20)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub max_body_bytes: u64,

    /// The longest request line and header fields together, in bytes
    #[arg(long, env, hide_env_values = true, default_value_t = 16 << 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(256..=1 << 20))]
    pub max_head_bytes: u32,

    /// The most header fields of a request
    #[arg(long, env, hide_env_values = true, default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=MAX_HEADER_FIELDS as i64))]
    pub max_header_fields: u16,

    /// How long a request line and its header fields may take to arrive: 10s, 500ms
    #[arg(long, env, hide_env_values = true, default_value = "10s")]
    pub head_timeout: Timeout,

    /// How long a request body may take to arrive
    #[arg(long, env, hide_env_values = true, default_value = "30s")]
    pub body_timeout: Timeout,

    /// How long a connection is kept open between two requests; longer than a proxy in front keeps it
    #[arg(long, env, hide_env_values = true, default_value = "75s")]
    pub idle_timeout: Timeout,

    /// How long a client may take to receive an answer
    #[arg(long, env, hide_env_values = true, default_value = "30s")]
    pub response_timeout: Timeout,

    /// The most connections at a time; for one more, the one that has been idle longest is closed
    #[arg(long, env, hide_env_values = true, default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,

    /// The most memory for requests that have arrived in part and for answers that are not taken, in
    /// bytes; small ones are not counted
    #[arg(long, env, hide_env_values = true, default_value_t = 64 << 20)]
    pub max_buffered_bytes: u64,
}

/// What `MAX_HEADER_FIELDS` may be at most.
pub const MAX_HEADER_FIELDS: usize = 1000;
