//! The settings of PostgreSQL: its URL, and what concerns this engine only.

mod args;
mod parameters;
mod password_file;
mod ssl;
mod url;

pub use self::args::PostgresArgs;
pub use self::ssl::{SslMode, SslSettings, TrustedRoots, Verification};
pub use self::url::{PostgresUrl, ServerAddress};
