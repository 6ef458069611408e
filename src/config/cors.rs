//! Cross-origin resource sharing: `CORS_ORIGINS`, `CORS_ALLOW_HEADERS` and `CORS_SUPPORTS_CREDENTIALS`. The names are
//! those of flask-cors.

use std::str::FromStr;

use clap::{ArgAction, Args};
use url::{Position, Url};

use super::boolean::boolean;

/// The request header by which a page of this server uses the refresh cookie. A page of another origin cannot send it: it
/// needs a preflight (Fetch Standard, 3.2.2), and no preflight response lists it.
pub const REFRESH_COOKIE: &str = "Refresh-Cookie";

/// The websites that may call the API from a browser.
#[derive(Debug, Clone, Default, Args)]
pub struct CorsArgs {
    /// Websites that may call the API from a browser: * for all, or a comma-separated list of origins
    /// (scheme://host or scheme://host:port)
    #[arg(long, env, hide_env_values = true, default_value = "*")]
    pub cors_origins: CorsOrigins,

    /// Request headers that websites may send besides those that the API reads and those of common tracing
    /// libraries: a comma-separated list of names (not Refresh-Cookie), or * for all
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub cors_allow_headers: AllowedHeaders,

    /// Allow browsers to send cookies; requires a list in CORS_ORIGINS
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "false",
        default_missing_value = "true"
    )]
    #[arg(num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_parser = boolean)]
    pub cors_supports_credentials: bool,
}

/// The value of `CORS_ORIGINS`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CorsOrigins {
    /// `*`: every origin.
    #[default]
    Any,
    /// These origins, compared byte by byte with the header `Origin`.
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

/// The value of `CORS_ALLOW_HEADERS`: a comma-separated list of header names, or `*`. Empty by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowedHeaders(String);

impl AllowedHeaders {
    /// The list, as it is sent in `Access-Control-Allow-Headers`; empty if there is none.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AllowedHeaders {
    type Err = String;

    fn from_str(text: &str) -> Result<AllowedHeaders, String> {
        let text = text.trim();
        if text.is_empty() || text == "*" {
            return Ok(AllowedHeaders(text.to_owned()));
        }
        let names: Result<Vec<&str>, String> = text
            .split(',')
            .map(|name| checked_name(name.trim()))
            .collect();
        names.map(|names| AllowedHeaders(names.join(", ")))
    }
}

/// Checks that an entry is a header name (a token; RFC 9110, 5.6.2), and not the one that keeps other origins from the
/// refresh cookie. `*` would be a name too, but not mean all headers.
fn checked_name(name: &str) -> Result<&str, String> {
    if name.eq_ignore_ascii_case(REFRESH_COOKIE) {
        return Err(format!(
            "'{name}' must not be listed: only pages of this server may use the refresh cookie"
        ));
    }
    let is_in_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte);
    if !name.is_empty() && name.bytes().all(is_in_token) {
        Ok(name)
    } else {
        Err(format!(
            "'{name}' is not the name of a header: list names such as X-Trace-Id, or use * alone for all"
        ))
    }
}

/// Checks that an entry is exactly what a browser sends in `Origin`: `scheme://host[:port]` in its serialized
/// form (RFC 6454, 6.2). An entry in another form would never match, so it is an error at the start.
fn checked_origin(text: &str) -> Result<String, String> {
    let serialized = serialize_origin(text)?;
    if serialized == text {
        Ok(serialized)
    } else {
        Err(format!(
            "'{text}' is not an origin in the form that browsers send: '{serialized}'"
        ))
    }
}

fn serialize_origin(text: &str) -> Result<String, String> {
    match Url::parse(text) {
        Ok(_) if text.contains('*') => Err(format!(
            "'{text}' is a pattern, which is not supported: list each origin, or use * alone for all"
        )),
        Ok(url) if matches!(url.scheme(), "http" | "https") => {
            Ok(url.origin().ascii_serialization())
        }
        // Apps in a web view use their own schemes, such as capacitor://localhost. The URL standard defines no
        // origin for them.
        Ok(url) if url.has_host() && url.host_str() != Some("") => {
            let authority = &url[Position::BeforeHost..Position::AfterPort];
            Ok(format!("{}://{authority}", url.scheme()))
        }
        _ => Err(format!(
            "'{text}' is not an origin: use scheme://host[:port], or * alone for all"
        )),
    }
}
