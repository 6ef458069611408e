//! Limits for clients: sizes, timeouts, connections and memory.

use clap::Args;

use super::duration::Timeout;
use super::memory::MemoryLimits;

/// The limits of what clients may use. `--server rouille` enforces only `MAX_BODY_BYTES`.
#[derive(Debug, Clone, Copy, Args)]
pub struct ServerLimits {
    /// Maximum size of a request body, in bytes (413)
    #[arg(long, env, hide_env_values = true, default_value_t = 1 << 20)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub max_body_bytes: u64,

    /// Maximum size of the request line and the header fields together, in bytes (414, 431)
    #[arg(long, env, hide_env_values = true, default_value_t = 16 << 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(256..=1 << 20))]
    pub max_head_bytes: u32,

    /// Maximum number of header fields in a request (431)
    #[arg(long, env, hide_env_values = true, default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=MAX_HEADER_FIELDS as i64))]
    pub max_header_fields: u16,

    /// Time for the request line and the header fields to arrive, such as 10s or 500ms (408)
    #[arg(long, env, hide_env_values = true, default_value = "10s")]
    pub head_timeout: Timeout,

    /// Time for a request body to arrive (408)
    #[arg(long, env, hide_env_values = true, default_value = "30s")]
    pub body_timeout: Timeout,

    /// Time that a request may wait in a queue until a thread is free for it (503)
    #[arg(long, env, hide_env_values = true, default_value = "30s")]
    pub queue_timeout: Timeout,

    /// Time that a connection may be idle between two requests; a proxy in front must close it earlier
    #[arg(long, env, hide_env_values = true, default_value = "75s")]
    pub idle_timeout: Timeout,

    /// Time for a client to receive a response; then the connection is closed
    #[arg(long, env, hide_env_values = true, default_value = "30s")]
    pub response_timeout: Timeout,

    /// Maximum number of open connections; for a further one, the longest idle connection is closed
    #[arg(long, env, hide_env_values = true, default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,

    /// Maximum memory for requests and unsent responses of all connections, in bytes (503); the last quarter is
    /// only for connections that hold at most 32 KiB. By default 64 MiB, or half of the container's memory if
    /// that is less
    #[arg(long, env, hide_env_values = true, hide_default_value = true)]
    #[arg(default_value_t = MemoryLimits::of_this_process().max_buffered_bytes)]
    pub max_buffered_bytes: u64,
}

/// The upper bound of the setting `MAX_HEADER_FIELDS`. The parser has room for this many.
pub const MAX_HEADER_FIELDS: usize = 1000;
