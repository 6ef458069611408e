//! The URL of a PostgreSQL database, as libpq has it: several hosts, and parameters after the `?`.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use postgres::Config;
use postgres::config::LoadBalanceHosts;

use super::parameters::Parameters;
use super::password_file::PasswordFile;
use super::ssl::SslSettings;

/// Parameters that the URL need not set.
const DEFAULTS: &[(&str, &str)] = &[
    ("application_name", "task-api"),
    ("connect_timeout", "5"),
    // A server whose machine or network is gone acknowledges nothing: its connections end after this time.
    ("tcp_user_timeout", "10000"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
];

/// What is percent-encoded in a user name or in the name of a database, for display.
const RESERVED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'%')
    .add(b'/')
    .add(b'?')
    .add(b'@')
    .add(b':');

/// A valid URL of a PostgreSQL database.
#[derive(Clone)]
pub struct PostgresUrl {
    text: String,
    servers: Vec<ServerAddress>,
    ssl: SslSettings,
    /// The file with the password, if the URL has none.
    passfile: Option<PathBuf>,
    config: Config,
}

/// One of the servers that the URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// A name, an IP address, or the folder of a Unix socket, which begins with a slash.
    pub host: String,
    /// The address to connect to if the name shall not be looked up.
    pub hostaddr: Option<IpAddr>,
    /// The port, which a Unix socket has too.
    pub port: u16,
}

impl PostgresUrl {
    /// Parses the URL of a database that is only read. Without `target_session_attrs` a standby will do.
    ///
    /// # Errors
    /// One line that names the part that is wrong.
    pub fn for_reads(text: &str) -> Result<PostgresUrl, String> {
        PostgresUrl::parse(text, "any")
    }

    /// The same URL, for a connection that only reads: without `target_session_attrs` a standby will do.
    pub fn for_any_server(&self) -> PostgresUrl {
        PostgresUrl::for_reads(&self.text).unwrap_or_else(|_| self.clone())
    }

    fn parse(text: &str, target_session_attrs: &str) -> Result<PostgresUrl, String> {
        let mut parameters = Parameters::of_url(text)?;
        parameters.require("user", "the user")?;
        parameters.require("dbname", "the name of the database")?;
        let ssl = SslSettings::take_from(&mut parameters)?;
        let servers = take_servers(&mut parameters)?;
        let passfile = parameters.take("passfile").map(PathBuf::from);
        parameters.set_default("target_session_attrs", target_session_attrs);
        for (name, value) in DEFAULTS {
            parameters.set_default(name, value);
        }
        // The `postgres` crate takes seconds, and libpq milliseconds.
        let tcp_user_timeout = parameters.take("tcp_user_timeout");
        let mut config = parameters.to_config()?;
        match tcp_user_timeout.and_then(|text| text.parse().ok()) {
            None | Some(0) => {}
            Some(millis) => {
                config.tcp_user_timeout(Duration::from_millis(millis));
            }
        }
        Ok(PostgresUrl {
            text: text.to_owned(),
            servers,
            ssl,
            passfile,
            config,
        })
    }

    /// The servers, in the order in which to try them.
    pub fn servers(&self) -> &[ServerAddress] {
        &self.servers
    }

    /// Whether the servers are tried in random order.
    pub fn is_random_order(&self) -> bool {
        self.config.get_load_balance_hosts() == LoadBalanceHosts::Random
    }

    /// The parameters of TLS.
    pub fn ssl(&self) -> &SslSettings {
        &self.ssl
    }

    /// The time within which a server must accept a connection. `None` stands for no limit.
    pub fn connect_timeout(&self) -> Option<Duration> {
        self.config.get_connect_timeout().copied()
    }

    /// The file that `passfile` names.
    pub fn passfile(&self) -> Option<&Path> {
        self.passfile.as_deref()
    }

    /// The role with which to connect.
    pub fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    /// The name of the database.
    pub fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_default()
    }

    /// The configuration of a connection to one of the servers, without TLS.
    pub fn config(&self, server: &ServerAddress) -> Config {
        let mut config = self.config.clone();
        config.host(&server.host).port(server.port);
        if let Some(address) = server.hostaddr {
            config.hostaddr(address);
        }
        config
    }

    /// The password for a server in the file that `passfile` names. `None` if the URL has a password or names no file.
    ///
    /// # Errors
    /// One line for the operator: the file cannot be read.
    pub fn stored_password(&self, server: &ServerAddress) -> Result<Option<String>, String> {
        match (&self.passfile, self.config.get_password()) {
            (Some(path), None) => {
                let passwords = PasswordFile::read(path)?;
                Ok(passwords.find(server, self.database(), self.user()))
            }
            _ => Ok(None),
        }
    }
}

impl FromStr for PostgresUrl {
    type Err = String;

    /// Parses the URL of a database that is written. Without `target_session_attrs` a read-only standby is skipped.
    fn from_str(text: &str) -> Result<PostgresUrl, String> {
        PostgresUrl::parse(text, "read-write")
    }
}

/// Contains no password and no parameters.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = |text| utf8_percent_encode(text, RESERVED);
        let servers: Vec<_> = self.servers.iter().map(ToString::to_string).collect();
        let (user, database) = (encoded(self.user()), encoded(self.database()));
        write!(f, "postgres://{user}@{}/{database}", servers.join(","))
    }
}

/// Like [`fmt::Display`], so that the password gets into no log.
impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

impl PartialEq for PostgresUrl {
    fn eq(&self, other: &PostgresUrl) -> bool {
        self.text == other.text
    }
}

impl Eq for PostgresUrl {}

impl ServerAddress {
    /// Whether this is a Unix socket.
    pub fn is_unix_socket(&self) -> bool {
        self.host.starts_with('/')
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ServerAddress { host, port, .. } = self;
        match host {
            _ if self.is_unix_socket() => {
                write!(f, "{}:{port}", utf8_percent_encode(host, RESERVED))
            }
            _ if host.contains(':') => write!(f, "[{host}]:{port}"),
            _ => write!(f, "{host}:{port}"),
        }
    }
}

/// Removes `host`, `hostaddr` and `port`, which are lists with commas.
fn take_servers(parameters: &mut Parameters) -> Result<Vec<ServerAddress>, String> {
    parameters.require("host", "the host")?;
    let mut list = |name| parameters.take(name).unwrap_or_default();
    let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let hosts: Vec<_> = hosts.split(',').collect();
    let addresses = one_for_each(&hosts, &addresses, "hostaddr")?;
    let ports = one_for_each(&hosts, &ports, "port")?;
    let servers = hosts.iter().zip(addresses).zip(ports);
    servers
        .map(|((host, address), port)| {
            Ok(ServerAddress {
                host: parse_host(host)?,
                hostaddr: parse_address(address)?,
                port: parse_port(port)?,
            })
        })
        .collect()
}

/// A list with as many items as there are hosts. One item stands for all hosts.
fn one_for_each<'a>(hosts: &[&str], list: &'a str, name: &str) -> Result<Vec<&'a str>, String> {
    let items: Vec<_> = list.split(',').collect();
    match items.as_slice() {
        [item] => Ok(vec![item; hosts.len()]),
        _ if items.len() == hosts.len() => Ok(items),
        _ => Err(format!(
            "`{name}` must have one value, or one for each host"
        )),
    }
}

fn parse_host(text: &str) -> Result<String, String> {
    let is_valid = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '@' | '?');
    match text {
        "" => Err("a host is empty".to_owned()),
        path if path.starts_with('/') => Ok(path.to_owned()),
        name if name.contains('/') || !name.chars().all(is_valid) => Err(
            "a host is not valid: it must be a name, an IP address or the path of a folder"
                .to_owned(),
        ),
        name => Ok(name.to_owned()),
    }
}

fn parse_address(text: &str) -> Result<Option<IpAddr>, String> {
    match text {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| "`hostaddr` must be an IP address".to_owned()),
    }
}

fn parse_port(text: &str) -> Result<u16, String> {
    match text {
        "" => Ok(5432),
        text => text
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or("the port must be a number from 1 to 65535".to_owned()),
    }
}
