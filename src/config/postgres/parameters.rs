//! Splits the URL of a PostgreSQL database into libpq's connection parameters.
//!
//! The parser of `postgres::Config` accepts more than is meant: percent signs without digits, ports of hosts that are
//! not there, empty names. Its errors do not say which part is wrong. So the URL is split here, each value is checked,
//! and that parser gets a text of `name='value'`.
//!
//! No error contains a value, since any part of the URL can contain the password if a character in it is not
//! percent-encoded.

use percent_encoding::percent_decode_str;
use postgres::Config;

/// What the value of a parameter must be.
enum ValueRule {
    Text,
    OneOf(&'static [&'static str]),
    /// A number up to this one. 0 stands for the default of the system, or for no limit.
    UpTo(u32),
}

/// Every parameter that may be set, with libpq's name.
const KNOWN: &[(&str, ValueRule)] = &[
    ("user", ValueRule::Text),
    ("password", ValueRule::Text),
    ("passfile", ValueRule::Text),
    ("host", ValueRule::Text),
    ("hostaddr", ValueRule::Text),
    ("port", ValueRule::Text),
    ("dbname", ValueRule::Text),
    ("options", ValueRule::Text),
    ("application_name", ValueRule::Text),
    (
        "sslmode",
        ValueRule::OneOf(&[
            "disable",
            "allow",
            "prefer",
            "require",
            "verify-ca",
            "verify-full",
        ]),
    ),
    ("sslrootcert", ValueRule::Text),
    (
        "target_session_attrs",
        ValueRule::OneOf(&["any", "read-write", "read-only"]),
    ),
    (
        "channel_binding",
        ValueRule::OneOf(&["disable", "prefer", "require"]),
    ),
    (
        "load_balance_hosts",
        ValueRule::OneOf(&["disable", "random"]),
    ),
    ("connect_timeout", ValueRule::UpTo(3600)),
    ("tcp_user_timeout", ValueRule::UpTo(3_600_000)),
    ("keepalives", ValueRule::UpTo(1)),
    // The limits of Linux.
    ("keepalives_idle", ValueRule::UpTo(32_767)),
    ("keepalives_interval", ValueRule::UpTo(32_767)),
    ("keepalives_count", ValueRule::UpTo(127)),
];

const FORM: &str = "postgres://USER:PASSWORD@HOST:PORT/DATABASE";

const RESERVED: &str =
    "in a user name or a password the characters % / ? @ : & are written %25 %2F %3F %40 %3A %26";

/// Connection parameters with libpq's names, each at most once and with a valid value.
#[derive(Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// The parameters of a URL.
    ///
    /// # Errors
    /// One line that names the part of the URL that is wrong.
    pub fn of_url(url: &str) -> Result<Parameters, String> {
        let rest = strip_scheme(url).ok_or("must begin with postgres:// or postgresql://")?;
        let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(authority_end);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (user_info, hosts) = authority.split_once('@').unwrap_or(("", authority));
        if hosts.contains('@') || (user_info.is_empty() && is_password_inside(path, query)) {
            return Err(RESERVED.to_owned());
        }
        let mut parameters = Parameters::default();
        parameters.add_user_info(user_info)?;
        parameters.add_hosts(hosts)?;
        let database = path.strip_prefix('/').unwrap_or_default();
        parameters.add_part("dbname", database, "the name of the database")?;
        parameters.add_query(query)?;
        Ok(parameters)
    }

    fn add_user_info(&mut self, user_info: &str) -> Result<(), String> {
        let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
        self.add_part("user", user, "the user")?;
        self.add_part("password", password, "the password")
    }

    /// Adds `host` and `port` as lists with commas, each as long as the list of hosts.
    fn add_hosts(&mut self, authority: &str) -> Result<(), String> {
        if authority.is_empty() {
            return Ok(());
        }
        let (mut hosts, mut ports) = (Vec::new(), Vec::new());
        for server in authority.split(',') {
            let (host, port) = split_port(server)?;
            hosts.push(decode(host, "the host")?);
            ports.push(port.to_owned());
        }
        self.add("host", hosts.join(","))?;
        self.add("port", ports.join(","))
    }

    fn add_query(&mut self, query: &str) -> Result<(), String> {
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = pair.split_once('=') else {
                return Err(
                    "a parameter has no value: write name=value, and a & in a value as %26"
                        .to_owned(),
                );
            };
            self.check_known(name, query)?;
            let value = decode(value, &format!("the parameter `{name}`"))?;
            self.add(name, value)?;
        }
        Ok(())
    }

    /// A part of the URL that may be empty, which means that it is not set.
    fn add_part(&mut self, name: &str, text: &str, part: &str) -> Result<(), String> {
        match decode(text, part)? {
            value if value.is_empty() => Ok(()),
            value => self.add(name, value),
        }
    }

    fn check_known(&self, name: &str, query: &str) -> Result<(), String> {
        if kind(name).is_some() {
            return Ok(());
        }
        // What looks like a name can be the rest of a password with a `&` or a `?`.
        match self.get("password").is_some() || query.contains('@') {
            true => Err(format!(
                "one of the parameters is unknown; these are known: {}",
                known_names()
            )),
            false => Err(format!(
                "the parameter `{}` is unknown; these are known: {}",
                name.escape_debug(),
                known_names()
            )),
        }
    }

    fn add(&mut self, name: &str, value: String) -> Result<(), String> {
        check_value(name, &value)?;
        if self.get(name).is_some() {
            return Err(format!("`{name}` is set twice"));
        }
        self.0.push((name.to_owned(), value));
        Ok(())
    }

    /// The value of this parameter, if it is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(set, _)| set == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that must be set.
    ///
    /// # Errors
    /// One line that names it.
    pub fn require(&self, name: &str, part: &str) -> Result<&str, String> {
        self.get(name)
            .ok_or_else(|| format!("{part} is missing: {FORM}"))
    }

    /// Removes a parameter, and returns its value.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(set, _)| set == name)?;
        Some(self.0.remove(index).1)
    }

    /// Sets a parameter that the URL does not set.
    pub fn set_default(&mut self, name: &str, value: &str) {
        if self.get(name).is_none() {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The parameters as the configuration of the `postgres` crate.
    ///
    /// # Errors
    /// One line that names the parameter.
    pub fn to_config(&self) -> Result<Config, String> {
        let pairs = self.0.iter().filter(|(name, value)| {
            let is_unset = matches!(kind(name), Some(ValueRule::UpTo(_))) && value == "0";
            !is_unset || name == "keepalives"
        });
        let text: Vec<_> = pairs
            .map(|(name, value)| keyword_value(name, value))
            .collect();
        text.join(" ").parse().map_err(|why: postgres::Error| {
            why.into_source()
                .map_or("is not valid".to_owned(), |why| why.to_string())
        })
    }
}

fn strip_scheme(url: &str) -> Option<&str> {
    url.strip_prefix("postgres://")
        .or_else(|| url.strip_prefix("postgresql://"))
}

/// Whether an `@` ends a user name or a password that contains a `/` or a `?`.
fn is_password_inside(path: &str, query: &str) -> bool {
    path.contains('@') || (path.is_empty() && query.contains('@'))
}

/// A host and its port, by default 5432. An IPv6 address stands in brackets.
fn split_port(server: &str) -> Result<(&str, &str), String> {
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => rest
            .split_once(']')
            .ok_or("the host has a [ without a ]: an IPv6 address is written [::1]")?,
        None => server.split_at(server.find(':').unwrap_or(server.len())),
    };
    match port.strip_prefix(':') {
        Some(port) => Ok((host, port)),
        None if port.is_empty() => Ok((host, "5432")),
        None => Err("the host is followed by something other than a port".to_owned()),
    }
}

/// Percent-decoding that does not accept a `%` without two hexadecimal digits.
fn decode(text: &str, part: &str) -> Result<String, String> {
    let is_digit = |digit: Option<&u8>| digit.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    let mut percents = (0..bytes.len()).filter(|&at| bytes[at] == b'%');
    if !percents.all(|at| is_digit(bytes.get(at + 1)) && is_digit(bytes.get(at + 2))) {
        return Err(format!(
            "{part} has a % without two hexadecimal digits: write a % as %25"
        ));
    }
    let text = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| format!("{part} is not UTF-8"))?;
    match text.contains('\0') {
        true => Err(format!("{part} contains a zero byte")),
        false => Ok(text.into_owned()),
    }
}

fn kind(name: &str) -> Option<&'static ValueRule> {
    let found = KNOWN.iter().find(|(known, _)| *known == name);
    found.map(|(_, kind)| kind)
}

fn known_names() -> String {
    KNOWN
        .iter()
        .map(|(name, _)| *name)
        .collect::<Vec<_>>()
        .join(", ")
}

fn check_value(name: &str, value: &str) -> Result<(), String> {
    match kind(name) {
        Some(ValueRule::OneOf(values)) if !values.contains(&value) => {
            Err(format!("`{name}` must be one of {}", values.join(", ")))
        }
        Some(ValueRule::UpTo(max)) if !value.parse().is_ok_and(|number: u32| number <= *max) => {
            Err(format!("`{name}` must be a number from 0 to {max}"))
        }
        // These are lists, in which an item may be empty; their parser follows.
        _ if value.is_empty() && !matches!(name, "host" | "hostaddr" | "port") => {
            Err(format!("`{name}` is empty"))
        }
        _ => Ok(()),
    }
}

/// A parameter in the form `name='value'`, with the names of the `postgres` crate.
fn keyword_value(name: &str, value: &str) -> String {
    let name = match name {
        "keepalives_count" => "keepalives_retries",
        name => name,
    };
    let value = value.replace('\\', "\\\\").replace('\'', "\\'");
    format!("{name}='{value}'")
}
