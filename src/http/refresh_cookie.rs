//! The refresh cookie: keeps the refresh token of a page of this server, so that a reload of the page stays signed in.
//! No script can read it (`HttpOnly`), and only requests of the server's own pages set, use or delete it.
//!
//! A browser attaches cookies by host, so a page of another origin could cause a request with this one. Two things keep
//! it out, each on its own: the request header `Refresh-Cookie` needs a preflight, which never permits it, and
//! [`RefreshCookies::page`] compares `Origin` and `Sec-Fetch-Site`, whatever `CORS_ORIGINS` permits. `SameSite=Strict`
//! also keeps the cookie from requests of other sites.

use std::iter;

use data_encoding::HEXLOWER;

use super::request::RequestContext;
use crate::auth::signing_key::{SigningKey, SigningKeys};
use crate::config::cors::REFRESH_COOKIE;
use crate::config::links::PublicUrl;
use crate::crypto::derive_key;
use crate::error::Error;

/// What the name of the cookie begins with over TLS. A browser accepts such a cookie only from this very host, with
/// `Secure` and for the path `/`, so another subdomain or a connection without TLS cannot plant one (cookie tossing; RFC
/// 6265bis, 4.1.3.2).
const HOST_PREFIX: &str = "__Host-";

/// The names of the cookie, and the pages that may use it.
#[derive(Debug)]
pub struct RefreshCookies {
    /// The name by the current signing key. Browsers ignore the port and have one cookie of a name for each host, so the
    /// name differs by installation: two servers on one host do not overwrite the cookies of each other.
    current_name: String,
    /// The names by the previous signing keys. A cookie with one of them is read too, as tokens that these keys have
    /// signed are accepted.
    previous_names: Vec<String>,
    /// The origin of `PUBLIC_URL`.
    public_origin: Option<String>,
}

impl RefreshCookies {
    /// Derives the names from the signing keys.
    pub fn new(keys: &SigningKeys, public_url: Option<&PublicUrl>) -> RefreshCookies {
        let name = |key: &SigningKey| {
            let derived = derive_key(&key.bytes, "task-api: name of the refresh cookie");
            format!("task-api-{}", HEXLOWER.encode(&derived[..4]))
        };
        RefreshCookies {
            current_name: name(&keys.current),
            previous_names: keys.previous.iter().map(name).collect(),
            public_origin: public_url.map(|url| url.origin().to_owned()),
        }
    }

    /// The page of this server that sends the request and keeps its refresh token in the cookie; `None` without the
    /// header [`REFRESH_COOKIE`].
    ///
    /// A browser adds `Origin` to each POST of a script (Fetch Standard, 3.2), so a request without `Origin` does not come
    /// from a page. It adds `Sec-Fetch-Site` where the server has TLS or is on the same machine (Fetch Metadata, 2.4).
    ///
    /// # Errors
    /// [`Error::NotOwnPage`] if another client sends it, [`Error::BadRequest`] if the value is not `true`.
    pub fn page<'a>(&'a self, context: &'a RequestContext) -> Result<Option<OwnPage<'a>>, Error> {
        let mut values = context.headers(REFRESH_COOKIE);
        match (values.next(), values.next()) {
            (None, _) => return Ok(None),
            (Some("true"), None) => {}
            _ => return Err(Error::BadRequest("its Refresh-Cookie must be true")),
        }
        let mut origins = context.headers("Origin");
        let (Some(origin), None) = (origins.next(), origins.next()) else {
            return Err(Error::NotOwnPage);
        };
        let is_secure = origin.starts_with("https://");
        let is_page = is_secure || origin.starts_with("http://");
        let is_public = self.public_origin.as_deref() == Some(origin);
        let is_own = is_page && (is_public || context.is_own_origin(origin));
        let is_same_origin = context
            .headers("Sec-Fetch-Site")
            .all(|site| site == "same-origin");
        if !is_own || !is_same_origin {
            return Err(Error::NotOwnPage);
        }
        Ok(Some(OwnPage {
            cookies: self,
            context,
            is_secure,
        }))
    }
}

/// Proof type: a page of this server sends the request, and keeps its refresh token in the cookie.
/// [`RefreshCookies::page`] is the only constructor.
#[derive(Debug, Clone, Copy)]
pub struct OwnPage<'a> {
    cookies: &'a RefreshCookies,
    context: &'a RequestContext<'a>,
    /// Whether the browser has loaded the page over TLS.
    is_secure: bool,
}

impl<'a> OwnPage<'a> {
    /// The refresh token in the cookie of the request; `None` without one.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] if the cookie occurs twice. Without TLS another subdomain can plant one beside the real
    /// one, and nothing says which is which: either could sign the user in to another account.
    pub fn refresh_token(&self) -> Result<Option<&'a str>, Error> {
        for name in self.names() {
            let mut values = cookies(self.context).filter(|(given, _)| *given == name);
            match (values.next(), values.next()) {
                (None, _) => {}
                (Some((_, value)), None) => return Ok(Some(value)),
                _ => {
                    let why = "The refresh cookie occurs twice".to_owned();
                    return Err(Error::InvalidToken(why));
                }
            }
        }
        Ok(None)
    }

    /// The `Set-Cookie` that keeps this token for so many seconds (RFC 6265, 4.1).
    pub fn keep(&self, token: &str, seconds: i64) -> String {
        self.set_cookie(&self.full_name(&self.cookies.current_name), token, seconds)
    }

    /// The `Set-Cookie`s that delete the cookie, under each of its names.
    pub fn delete(&self) -> impl Iterator<Item = String> {
        self.names().map(|name| self.set_cookie(&name, "", 0))
    }

    fn set_cookie(&self, name: &str, value: &str, seconds: i64) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
    }

    /// All names that the cookie may have, the current one first.
    fn names(&self) -> impl Iterator<Item = String> {
        let names = iter::once(&self.cookies.current_name).chain(&self.cookies.previous_names);
        names.map(|name| self.full_name(name))
    }

    fn full_name(&self, name: &str) -> String {
        let prefix = if self.is_secure { HOST_PREFIX } else { "" };
        format!("{prefix}{name}")
    }
}

/// The cookies of a request: name and value. A proxy that speaks HTTP/2 to the browser may send several lines (RFC 9113,
/// 8.2.3). Text without `=` is skipped.
fn cookies<'a>(context: &'a RequestContext) -> impl Iterator<Item = (&'a str, &'a str)> {
    let pairs = context.headers("Cookie").flat_map(|line| line.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('='))
}
