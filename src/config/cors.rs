//! Cross-origin resource sharing: `CORS_ORIGINS` and `CORS_SUPPORTS_CREDENTIALS`. Names and defaults are those of
//! flask-cors.

use std::str::FromStr;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use url::{Position, Url};

/// The websites that may call the API from a browser.
#[derive(Debug, Clone, Default, Args)]
pub struct CorsArgs {
    /// Websites that may call the API from a browser: * for all, or a comma-separated list of origins
    /// (scheme://host or scheme://host:port)
    #[arg(long, env, hide_env_values = true, default_value = "*")]
    pub cors_origins: CorsOrigins,

    /// Allow browsers to send cookies; requires a list in CORS_ORIGINS
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
