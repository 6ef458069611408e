//! Deletes the refresh cookie, also with an error response.

use rouille::Response;

use crate::app::App;
use crate::http::request::RequestContext;
use crate::http::response::with_cookies;

/// Deletes the cookie when the session has ended: after a POST /logout with 204 or 401, and after a POST /refresh with
/// 401. After any other error the session goes on, and the page can try again. `pattern` is the path in the route table.
pub fn refresh_cookie(
    app: &App,
    context: &RequestContext,
    pattern: Option<&str>,
    next: impl FnOnce() -> Response,
) -> Response {
    let response = next();
    let is_over = match (context.method(), pattern) {
        ("POST", Some("/logout")) => matches!(response.status_code, 204 | 401),
        ("POST", Some("/refresh")) => response.status_code == 401,
        _ => false,
    };
    if !is_over {
        return response;
    }
    match app.refresh_cookies.page(context) {
        Ok(Some(page)) => with_cookies(response, page.delete()),
        _ => response,
    }
}
