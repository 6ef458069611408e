//! Every setting: its name, its default, its check. Each is a flag of `task-api serve` and an
//! environment variable of the same name; a secret is never a flag, since other users of a machine
//! can read a program's arguments.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, ValueEnum};
use ipnet::IpNet;
use url::{Position, Url};

use crate::model::{Email, Username};

/// Where the database is.
#[derive(Debug, Clone, Args)]
pub struct DatabaseArgs {
    /// SQLite file: sqlite:///relative/path or sqlite:////absolute/path
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "sqlite:///project.db"
    )]
    pub database_url: DatabaseUrl,
}

/// What hashing a password costs.
#[derive(Debug, Clone, Args)]
pub struct PasswordArgs {
    /// Rounds of PBKDF2-HMAC-SHA256 for a new password; OWASP's figure is 600000
    #[arg(long, env, hide_env_values = true, default_value_t = 600_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub password_iterations: u32,
}

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

/// The settings of `task-api serve`.
#[derive(Debug, Clone, Args)]
pub struct Config {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub address: AddressArgs,

    /// What stands between the sockets and the API; only epoll, which is Linux's, has all the limits
    #[arg(long, env, hide_env_values = true, default_value_t, value_enum)]
    pub server: ServerKind,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub database: DatabaseArgs,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub secret: SecretArgs,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub admin: AdminArgs,

    /// How long a token is good for: 24h, 15m, or a number of seconds
    #[arg(long, env, hide_env_values = true, default_value = "24h")]
    pub jwt_access_token_expires: Lifetime,

    /// How long a session lasts behind its last sign-in or refresh
    #[arg(long, env, hide_env_values = true, default_value = "30d")]
    pub jwt_refresh_token_expires: Lifetime,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub passwords: PasswordArgs,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub cors: CorsArgs,

    /// Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed: a comma-separated list of
    /// addresses and networks, such as 127.0.0.1,10.0.0.0/8; nobody's are by default
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub trusted_proxies: TrustedProxies,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub rates: RateArgs,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub limits: LimitArgs,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub metrics: MetricsArgs,

    /// What is logged: error, warn, info, debug or trace, also by module (env_logger's syntax)
    #[arg(long, env, hide_env_values = true, default_value = "info")]
    pub rust_log: LogFilter,

    /// How much happens at a time; follows from the machine and is not a setting.
    #[arg(skip)]
    pub threads: Threads,
}

impl Config {
    /// Checks what no single setting can tell.
    ///
    /// # Errors
    /// One line that names the settings.
    pub fn check(&self) -> Result<(), String> {
        if self.cors.cors_supports_credentials && self.cors.cors_origins == CorsOrigins::Any {
            return Err(
                "CORS_SUPPORTS_CREDENTIALS=true needs a list of origins in CORS_ORIGINS: \
                        with * any website could act for a signed-in user"
                    .to_owned(),
            );
        }
        // The row of a session has to be there for as long as its access tokens are about.
        if self.jwt_refresh_token_expires < self.jwt_access_token_expires {
            return Err("JWT_REFRESH_TOKEN_EXPIRES must not be shorter than \
                        JWT_ACCESS_TOKEN_EXPIRES"
                .to_owned());
        }
        Ok(())
    }
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

/// How often somebody may ask.
#[derive(Debug, Clone, Copy, Args)]
pub struct RateArgs {
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
pub struct LimitArgs {
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

/// Where the key that signs tokens comes from, beside the environment variable `JWT_SECRET_KEY`.
#[derive(Debug, Clone, Default, Args)]
pub struct SecretArgs {
    /// File with the key that signs tokens; without it and without JWT_SECRET_KEY a key is made at
    /// the first start and kept beside the database
    #[arg(long, env, hide_env_values = true)]
    pub jwt_secret_key_file: Option<PathBuf>,

    /// File with the keys that signed tokens before, one on each line; they verify and never sign
    #[arg(long, env, hide_env_values = true)]
    pub jwt_secret_key_previous_file: Option<PathBuf>,

    /// Accept a key of less than 32 bytes, such as the tutorial's; whoever guesses it is admin
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "false",
        default_missing_value = "true"
    )]
    #[arg(num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub allow_weak_jwt_secret: bool,
}

/// A secret, and where it is from: `from_environment` is the value of the variable `name`, `path` that of
/// the setting which ends with `_FILE` instead.
///
/// # Errors
/// One line for the operator: both are set, or the file cannot be read.
pub fn secret(
    name: &str,
    from_environment: Option<String>,
    path: Option<&Path>,
) -> Result<Option<(String, String)>, String> {
    match (from_environment, path) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(format!(
            "{name} and {name}_FILE are both set; keep one of them"
        )),
        (Some(text), None) => Ok(Some((name.to_owned(), text))),
        (None, Some(path)) => {
            let source = format!("{name}_FILE {}", path.display());
            match std::fs::read_to_string(path) {
                Ok(text) => Ok(Some((source, text))),
                Err(why) => Err(format!("{source}: {why}")),
            }
        }
    }
}

/// Who is made admin at a start that finds none; the password is the environment variable
/// `ADMIN_PASSWORD`, or a file's.
#[derive(Debug, Clone, Default, Args)]
pub struct AdminArgs {
    /// Name of the admin that is made at the start if there is none
    #[arg(long, env, hide_env_values = true)]
    pub admin_username: Option<Username>,

    /// E-mail of that admin
    #[arg(long, env, hide_env_values = true)]
    pub admin_email: Option<Email>,

    /// File with that admin's password; it has no default
    #[arg(long, env, hide_env_values = true)]
    pub admin_password_file: Option<PathBuf>,
}

/// Who may see the metrics, beside the environment variable `METRICS_TOKEN`.
#[derive(Debug, Clone, Default, Args)]
pub struct MetricsArgs {
    /// File with the token that /metrics asks for; without it and without METRICS_TOKEN only this
    /// machine and trusted proxies are answered there
    #[arg(long, env, hide_env_values = true)]
    pub metrics_token_file: Option<PathBuf>,
}

/// Which websites may call the API from a browser.
#[derive(Debug, Clone, Default, Args)]
pub struct CorsArgs {
    /// * for every website, or a comma-separated list of scheme://host or scheme://host:port
    #[arg(long, env, hide_env_values = true, default_value = "*")]
    pub cors_origins: CorsOrigins,

    /// Let browsers send cookies along; needs a list in CORS_ORIGINS
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "false",
        default_missing_value = "true"
    )]
    #[arg(num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub cors_supports_credentials: bool,
}

/// How many things happen at a time. The numbers are chosen together: whatever may take long can fill
/// its bounds and still leave a worker to every turn, and whoever reads finds a connection.
#[derive(Debug, Clone, Copy)]
pub struct Threads {
    /// Requests, the ones that wait for a disk or for a hash included.
    pub workers: usize,
    /// Requests that have a turn to run; see [`crate::turn`].
    pub turns: usize,
    /// Password hashes: each keeps a core busy.
    pub hashes: Bound,
    /// Transactions that write.
    pub writes: Bound,
    /// Searches that read along a long list.
    pub searches: Bound,
}

/// How many requests do something at once, and how many more wait until they may; the next one is
/// answered 503.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Bound {
    pub at_once: usize,
    pub waiting: usize,
}

impl Bound {
    fn total(self) -> usize {
        self.at_once + self.waiting
    }
}

impl Threads {
    /// For this many cores.
    pub fn for_cores(cores: u32) -> Threads {
        let cores = cores as usize;
        // A few more than cores, so that one is ready when another waits for a lock.
        let turns = 3 * cores;
        let hashes = Bound {
            at_once: cores,
            waiting: 4 * cores,
        };
        // SQLite has one writer at a time, however many cores there are.
        let writes = Bound {
            at_once: 1,
            waiting: 127,
        };
        let searches = Bound {
            at_once: cores,
            waiting: 2 * cores,
        };
        Threads {
            workers: turns + hashes.total() + writes.total() + searches.total(),
            turns,
            hashes,
            writes,
            searches,
        }
    }

    /// Connections that read: one for every turn, and for the searches that have passed theirs on.
    pub fn readers(&self) -> usize {
        self.turns + self.searches.total()
    }
}

impl Default for Threads {
    fn default() -> Threads {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Threads::for_cores(u32::try_from(cores).unwrap_or(1).min(64))
    }
}

/// A database's address in SQLAlchemy's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUrl(PathBuf);

impl DatabaseUrl {
    /// The file, as given: relative to the working directory or absolute.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the key that signs tokens is kept if none is set.
    pub fn secret_path(&self) -> PathBuf {
        let mut path = self.0.clone().into_os_string();
        path.push(".jwt_secret");
        path.into()
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<DatabaseUrl, String> {
        match text.strip_prefix("sqlite:///") {
            None => Err("must begin with sqlite:///".to_owned()),
            Some("" | ":memory:") => Err("must name a file: sqlite:///project.db".to_owned()),
            Some(path) if path.contains(['?', '#', '\0']) => {
                Err("must be a plain path behind sqlite:///, without ? or #".to_owned())
            }
            Some(path) if path.ends_with('/') => Err("must name a file, not a folder".to_owned()),
            Some(path) => Ok(DatabaseUrl(path.into())),
        }
    }
}

/// How long a token is good for: a second to ten years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lifetime(i64);

impl Lifetime {
    /// In seconds.
    pub fn seconds(self) -> i64 {
        self.0
    }
}

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Lifetime, String> {
        const TEN_YEARS: u64 = 10 * 366 * 24 * 3600;
        match parse_duration(text).map(|duration| duration.as_secs()) {
            Some(seconds @ 1..=TEN_YEARS) => Ok(Lifetime(seconds as i64)),
            Some(_) => Err("must be from 1s to 10 years".to_owned()),
            None => Err("must be a duration such as 24h, 15m or 3600".to_owned()),
        }
    }
}

/// How long something may take: a millisecond to a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeout(Duration);

impl Timeout {
    /// As a span of time.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Timeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Timeout, String> {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        match parse_duration(text) {
            Some(time) if (Duration::from_millis(1)..=DAY).contains(&time) => Ok(Timeout(time)),
            Some(_) => Err("must be from 1ms to 1 day".to_owned()),
            None => Err("must be a duration such as 10s, 500ms or 30".to_owned()),
        }
    }
}

/// `90s`, `1h 30m`, or a number of seconds.
fn parse_duration(text: &str) -> Option<Duration> {
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).ok(),
    }
}

/// The origins of `CORS_ORIGINS`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CorsOrigins {
    /// `*`
    #[default]
    Any,
    /// These, compared exactly.
    List(Vec<String>),
}

impl FromStr for CorsOrigins {
    type Err = String;

    fn from_str(text: &str) -> Result<CorsOrigins, String> {
        if text.trim() == "*" {
            return Ok(CorsOrigins::Any);
        }
        let list: Result<_, _> = text
            .split(',')
            .map(|origin| checked_origin(origin.trim()))
            .collect();
        list.map(CorsOrigins::List)
    }
}

/// A list is compared byte by byte with what browsers send, `scheme://host[:port]` in one spelling
/// (RFC 6454, 6.2): an entry that no browser ever sends is a mistake to hear of at the start.
fn checked_origin(text: &str) -> Result<String, String> {
    let sent = match Url::parse(text) {
        Ok(_) if text.contains('*') => {
            return Err(format!(
                "'{text}' is no pattern: write each origin, or * alone for all"
            ));
        }
        Ok(url) if matches!(url.scheme(), "http" | "https") => url.origin().ascii_serialization(),
        // Apps in a web view have schemes of their own: capacitor://localhost.
        Ok(url) if url.has_host() && url.host_str() != Some("") => {
            format!(
                "{}://{}",
                url.scheme(),
                &url[Position::BeforeHost..Position::AfterPort]
            )
        }
        _ => {
            return Err(format!(
                "'{text}' is not an origin: write scheme://host[:port], or * alone for all"
            ));
        }
    };
    match sent == text {
        true => Ok(sent),
        false => Err(format!(
            "'{text}' is not an origin as browsers send it; they send '{sent}'"
        )),
    }
}

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

/// What is logged, in env_logger's syntax.
#[derive(Debug, Clone)]
pub struct LogFilter(String);

impl LogFilter {
    /// The directives.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<LogFilter, String> {
        match env_filter::Builder::new().try_parse(text) {
            Ok(_) => Ok(LogFilter(text.to_owned())),
            Err(why) => Err(why.to_string()),
        }
    }
}
