//! Content Security Policies (CSP Level 3): what a browser may load and run for a response. They limit the damage of
//! injected text (cross-site scripting).

/// For every response that is not a page: a browser loads nothing for it and shows it in no frame.
pub const API: &str = "default-src 'none'; frame-ancestors 'none'";

/// For the task board: only files and requests of this server, no inline script or style, no frames. Trusted
/// Types prevent scripts from turning text into HTML.
#[cfg(feature = "board")]
pub const BOARD: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// For the documentation page: like the board's, without Trusted Types, and with `data:` images, since Swagger
/// UI's style sheet holds its icons as `data:` URLs.
#[cfg(feature = "docs")]
pub const DOCS: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";
