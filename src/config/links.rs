//! The public address and one-time links: `PUBLIC_URL` and `LINKS_EXPIRE`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use clap::Args;
use url::{Position, Url};

use super::duration::Lifetime;
use super::server::AddressArgs;
use crate::model::{LinkKind, LinkToken, Timestamp};

/// The address under which people reach the server.
#[derive(Debug, Clone, Default, Args)]
pub struct PublicUrlArgs {
    /// Address under which people reach this server, such as `https://tasks.example`; one-time links begin with it.
    /// Without it they begin with the address that the server listens on. If it has a path, such as
    /// `https://example.com/todo`, that is the path that a proxy removes from requests: URLs of this server begin with it
    #[arg(long, env, hide_env_values = true)]
    pub public_url: Option<PublicUrl>,
}

impl PublicUrlArgs {
    /// What the server's own URLs in a response begin with: the path of `PUBLIC_URL`, such as `/todo`, or nothing.
    /// Requests do not have it, since the proxy removes it.
    pub fn path_prefix(&self) -> &str {
        self.public_url.as_ref().map_or("", |url| &url.path)
    }
}

/// The address and the validity of one-time links.
#[derive(Debug, Clone, Args)]
#[allow(missing_docs)] // clap would show the comment on a flattened group in `--help`
pub struct LinkArgs {
    #[command(flatten)]
    pub address: PublicUrlArgs,

    /// How long an invitation or a reset link is valid, such as 24h
    #[arg(long, env, hide_env_values = true, default_value = "24h")]
    pub links_expire: Lifetime,
}

impl LinkArgs {
    /// The end of a link that is made at `now`.
    pub fn expiry(&self, now: Timestamp) -> Timestamp {
        now.plus_seconds(self.links_expire.seconds())
    }

    /// The beginning of links, for a command that runs beside the server.
    ///
    /// # Errors
    /// One line for the operator: no setting says where the server listens.
    pub fn base(&self, address: &AddressArgs) -> Result<PublicUrl, String> {
        if self.address.public_url.is_none() && address.port == 0 {
            return Err(
                "PORT=0 does not say where the server listens: set PUBLIC_URL to its address"
                    .to_owned(),
            );
        }
        Ok(self.base_of_server(&address.host, address.port))
    }

    /// The beginning of links of a server that listens on `host`, a name or an address.
    pub fn base_of_server(&self, host: &str, port: u16) -> PublicUrl {
        let own = || PublicUrl::of_server(host, port);
        self.address.public_url.clone().unwrap_or_else(own)
    }
}

/// An http or https URL that may have a path, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// Such as `https://tasks.example`.
    origin: String,
    /// Empty, or such as `/todo`.
    path: String,
}

impl PublicUrl {
    /// The address of a server that listens on `host`, a name or an address. The unspecified address (all addresses of
    /// the machine) is none that a browser can open, so the loopback address stands for it.
    pub fn of_server(host: &str, port: u16) -> PublicUrl {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let authority = match bare.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(specified(ip), port).to_string(),
            Err(_) => format!("{host}:{port}"),
        };
        PublicUrl {
            origin: format!("http://{authority}"),
            path: String::new(),
        }
    }

    /// The origin (RFC 6454, 6.2), as a browser sends it: the URL without its path.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The link with this token. The token is in the fragment, which a browser sends to no server, so it is in no
    /// access log of a proxy.
    pub fn link(&self, kind: LinkKind, token: &LinkToken) -> String {
        let kind: &str = kind.into();
        format!("{self}/#{kind}={}", token.as_str())
    }
}

fn specified(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        specified => specified,
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<PublicUrl, String> {
        let url = Url::parse(text.trim())
            .map_err(|_| "must be a URL such as https://tasks.example".to_owned())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("must begin with http:// or https://".to_owned());
        }
        if url[..Position::BeforeHost].contains('@') {
            return Err("must not have a user name or a password".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must not have a ? or a #".to_owned());
        }
        let path = url.path().trim_end_matches('/');
        // A URL that begins with `//` names another host (RFC 3986, 4.2).
        if path.starts_with("//") {
            return Err("must not have a path that begins with //".to_owned());
        }
        Ok(PublicUrl {
            origin: url[..Position::BeforePath].to_owned(),
            path: path.to_owned(),
        })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}
