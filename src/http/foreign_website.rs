//! Requests that a foreign website sends with a visitor's browser.

use rouille::Request;

use crate::config::cors::CorsOrigins;

/// Whether an `Origin` is the server's own: it has the name in `Host` or, if `is_proxied` by a trusted proxy, in
/// `X-Forwarded-Host`. The scheme does not count: a proxy that terminates TLS need not report it.
pub fn is_own(request: &Request, origin: &str, is_proxied: bool) -> bool {
    let name = origin.split_once("://").map(|(_, name)| name);
    // Of several lines, the first may be the client's.
    let has_name = |header: &str| {
        let mut lines = request
            .headers()
            .filter(|(given, _)| given.eq_ignore_ascii_case(header));
        match (lines.next(), lines.next(), name) {
            (Some((_, own)), None, Some(name)) => own.eq_ignore_ascii_case(name),
            _ => false,
        }
    };
    has_name("Host") || (is_proxied && has_name("X-Forwarded-Host"))
}

/// Whether a website that is neither the server's own nor in `CORS_ORIGINS` sends the request. A browser adds
/// `Origin` to every request that another website sends and that can change something (Fetch Standard, 3.2). Other
/// clients usually send none.
pub fn is_foreign_website(request: &Request, allowed: &CorsOrigins, is_proxied: bool) -> bool {
    let is_allowed = |origin: &str| match allowed {
        CorsOrigins::Any => false,
        CorsOrigins::List(list) => list.iter().any(|listed| listed == origin),
    };
    let mut headers = request.headers();
    headers.any(|(name, origin)| {
        name.eq_ignore_ascii_case("Origin")
            && !is_own(request, origin, is_proxied)
            && !is_allowed(origin)
    })
}
