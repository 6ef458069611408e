//! `CORS_ORIGINS` and `CORS_SUPPORTS_CREDENTIALS`.

use std::str::FromStr;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use url::{Position, Url};

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
