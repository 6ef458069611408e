//! The components of the OpenAPI document that operations refer to: security schemes, response headers, and the
//! schema of errors.

use serde_json::Value;
use utoipa::openapi::header::Header;
use utoipa::openapi::schema::Components;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, Object, Type};

use super::caller::{ACCESS_TOKEN, API_TOKEN, REFRESH_COOKIE, REFRESH_TOKEN};
use super::error_responses::{ERROR, error_schema};
use super::operation_builder::{EXAMPLE_ETAG, METRICS_TOKEN};
use crate::model::closed_enum::component;
use crate::model::json_schema::Schema;
use crate::model::{Action, Expand, Role, Status, StatusFilter, TaskAction, TaskField, TokenScope};

/// The response headers that belong to this API: name, description, example.
const HEADERS: &[(&str, &str, &str)] = &[
    (
        "Accept-Encoding",
        "The content coding that a request body may have (RFC 9110, 12.5.3): none",
        "identity",
    ),
    (
        "ETag",
        "The version of the resource in the response (entity tag)",
        EXAMPLE_ETAG,
    ),
    (
        "Idempotency-Replayed",
        "`true` if this is a retry and the response is the stored first response",
        "true",
    ),
    (
        "Link",
        "The URL of the next page (`rel=\"next\"`); absent on the last page",
        r#"</tasks?cursor=WyIyMDI2LTEx...>; rel="next""#,
    ),
    ("Location", "The URL of the new resource", "/tasks/1"),
    (
        "Retry-After",
        "The number of seconds to wait before the next attempt (RFC 9110, 10.2.3). With 503 `busy` after a wait \
         in a queue, this is how long the queue takes at its present speed",
        "30",
    ),
    (
        "Set-Cookie",
        "The refresh cookie, only for a page of this server that sends `Refresh-Cookie`. On POST /logout, and with a \
         401 of POST /refresh, it deletes the cookie",
        "__Host-task-api-5ca1ab1e=eyJhbGciOi...; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure",
    ),
    (
        "WWW-Authenticate",
        "The authentication scheme that is required (RFC 6750)",
        r#"Bearer error="invalid_token""#,
    ),
    (
        "X-Request-Id",
        "Identifies the request in the server's log",
        "6f1f64c2-8c0e-4a8e-9d3d-2b8d7c3a5e10",
    ),
];

/// The components of every document. The schemas of bodies are added with the operations.
pub fn common_components() -> ComponentsBuilder {
    let token = |about: &str| {
        let http = Http::builder()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(about));
        SecurityScheme::Http(http.build())
    };
    let text = Object::with_type(Type::String);
    let components = Components::builder()
        .security_scheme(
            ACCESS_TOKEN,
            token(
                "The `token` that POST /login returns. Each scope listed beside `accessToken` is a role or \
                 state; an account needs any one of them. `approved` is an account that an admin has \
                 approved; `manager` and `admin` are approved accounts with that role.",
            ),
        )
        .security_scheme(
            API_TOKEN,
            token(
                "A token for scripts: the `token` that POST /me/tokens returns. It has the rights of its owner, and \
                 the scopes beside `apiToken` mean the same as those beside `accessToken`.",
            ),
        )
        .security_scheme(
            REFRESH_TOKEN,
            token("The `refresh_token` that POST /login or the last POST /refresh returned."),
        )
        .security_scheme(
            REFRESH_COOKIE,
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                "__Host-task-api-5ca1ab1e",
                "The refresh token of a page of this server, which browsers send by themselves. It counts only together \
                 with the header `Refresh-Cookie` and the server's own `Origin`. The digits at the end of its name \
                 differ by signing key. Without TLS the name has no `__Host-`.",
            ))),
        )
        .security_scheme(METRICS_TOKEN, token("The value of the server's setting METRICS_TOKEN."))
        .schema(ERROR, error_schema());
    HEADERS
        .iter()
        .fold(components, |components, (name, about, example)| {
            let header = Header::builder()
                .schema(Some(text.clone()))
                .description(Some(*about))
                .example(Some(Value::from(*example)));
            components.header(*name, header.build())
        })
}

/// The component schemas of the enums, to which bodies and parameters refer.
pub fn closed_enums() -> [(String, Schema); 8] {
    [
        component::<Action>(),
        component::<Expand>(),
        component::<Role>(),
        component::<Status>(),
        component::<StatusFilter>(),
        component::<TaskAction>(),
        component::<TaskField>(),
        component::<TokenScope>(),
    ]
}
