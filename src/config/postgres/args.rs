//! The settings that only PostgreSQL has, besides its URL.

use std::path::{Path, PathBuf};

use clap::Args;

use super::PostgresUrl;

/// Fewer connections than this would let requests wait for each other on a machine with one core.
const MIN_CONNECTIONS: usize = 4;

/// Where the key files are by default: `task-api.jwt_secret` and `task-api.audit_key`.
const DEFAULT_KEYS_PATH: &str = "task-api";

/// The settings of PostgreSQL that are no part of its URL. With SQLite none of them may be set.
#[derive(Debug, Clone, Default, Args)]
#[allow(missing_docs)] // clap would show the comment on a flattened group in `--help`
pub struct PostgresArgs {
    /// With PostgreSQL: a second database for reads while no server of DATABASE_URL answers, such as a standby:
    /// postgres://USER:PASSWORD@HOST/DATABASE; none by default
    #[arg(long, env, hide_env_values = true, value_parser = PostgresUrl::for_reads)]
    pub read_database_url: Option<PostgresUrl>,

    /// With PostgreSQL: number of connections for quick reads, 1 to 1000; by default 2 × cores + 2, and at least 4.
    /// For writes there are half as many, and for searches and sign-ins one for each core
    #[arg(long, env, hide_env_values = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub database_connections: Option<u16>,

    /// With PostgreSQL: path of the generated keys, to which .jwt_secret and .audit_key are added; by default
    /// task-api, in the working directory
    #[arg(long, env, hide_env_values = true)]
    pub keys_path: Option<PathBuf>,
}

impl PostgresArgs {
    /// The path to which the suffixes of the key files are added.
    pub fn keys_path(&self) -> &Path {
        self.keys_path
            .as_deref()
            .unwrap_or(Path::new(DEFAULT_KEYS_PATH))
    }

    /// The number of connections: as set, or computed from the number of cores.
    pub fn connections(&self, cores: usize) -> usize {
        self.database_connections
            .map_or((2 * cores + 2).max(MIN_CONNECTIONS), usize::from)
    }

    /// The name of a setting that is set.
    pub(in crate::config) fn any_set(&self) -> Option<&'static str> {
        let settings = [
            ("READ_DATABASE_URL", self.read_database_url.is_some()),
            ("DATABASE_CONNECTIONS", self.database_connections.is_some()),
            ("KEYS_PATH", self.keys_path.is_some()),
        ];
        settings
            .into_iter()
            .find_map(|(name, is_set)| is_set.then_some(name))
    }
}
