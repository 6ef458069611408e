//! Requests that a foreign website sends with a visitor's browser.

use rouille::Request;

use crate::config::cors::CorsOrigins;

/// Whether a website that is neither the server's own nor in `CORS_ORIGINS` sends the request. A browser adds
/// `Origin` to every request that another website sends and that can change something (Fetch Standard, 3.2). Other
/// clients usually send none.
///
/// The server's own origin has the name in `Host` or, if `is_proxied` by a trusted proxy, in `X-Forwarded-Host`. The
/// scheme does not count: a proxy that terminates TLS need not report it.
pub fn is_foreign_website(request: &Request, allowed: &CorsOrigins, is_proxied: bool) -> bool {
    let is_own = |origin: &str| {
        let name = origin.split_once("://").map(|(_, name)| name);
        let has_name = |header: &str| {
            let own = request.header(header);
            own.zip(name)
                .is_some_and(|(own, name)| own.eq_ignore_ascii_case(name))
        };
        has_name("Host") || (is_proxied && has_name("X-Forwarded-Host"))
    };
    let is_allowed = |origin: &str| match allowed {
        CorsOrigins::Any => false,
        CorsOrigins::List(list) => list.iter().any(|listed| listed == origin),
    };
    let mut headers = request.headers();
    headers.any(|(name, origin)| {
        name.eq_ignore_ascii_case("Origin") && !is_own(origin) && !is_allowed(origin)
    })
}
