//! Assembles the OpenAPI document: paths and operations from the endpoints, security requirements from their
//! access levels, error responses from [`Error`] itself, and the components that operations refer to.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::example::Example;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Paths, PathsBuilder};
use utoipa::openapi::schema::{AllOf, Components};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Content, Info, Object, OpenApi, PathItem, Ref, Response, ResponseBuilder,
    SecurityRequirement, Server, Tag, Type,
};

use super::operation_builder::{
    EXAMPLE_ETAG, JSON, METRICS_TOKEN, Operation, header, too_many_requests, unauthenticated,
};
use super::tags::TAGS;
use crate::error::Error;
use crate::http::error_response::{error_body, error_header};
use crate::model::json_schema::{self, Schema};

/// The security scheme of the routes that need a signed-in account.
const ACCESS_TOKEN: &str = "accessToken";
/// The security scheme of `POST /refresh`.
const REFRESH_TOKEN: &str = "refreshToken";
/// The component schema of the body of every error response.
const ERROR: &str = "Error";

/// The document's introduction (Markdown).
const ABOUT: &str = "\
A task-management API: sign-up, sign-in with a JWT, tasks with roles and approval.

**Authentication and access.** POST /login returns an access token and a refresh token. Send the access \
token as `Authorization: Bearer <token>`. The description of each operation says who may call it, and so \
does its `security` for programs: each scope listed beside `accessToken` is a role or state, and an \
account needs any one of them. `approved` is an account that an admin has approved; `manager` and `admin` \
are approved accounts with that role. An empty list of scopes means any account.

**Errors** are `{\"msg\": \"...\", \"code\": \"...\"}`: `msg` is for people, `code` is for programs. With \
the code `invalid` the member `errors` names each refused field or parameter and the reason. Unknown \
fields and parameters are refused too; a query parameter with a blank value counts as absent. After a 429 \
or 503 wait for the number of seconds in `Retry-After`.

**Lists** use keyset pagination: a response has at most `limit` items and a `next_cursor`. Send that as \
`cursor` to get the next page; the `Link` header has its complete URL. On the last page `next_cursor` is \
null.

**Versions** (optimistic concurrency): a response with one resource has an `ETag`. Send it as `If-Match` \
to change the resource only if no other client has changed it meanwhile (otherwise 412), or as \
`If-None-Match` to get 304 instead of a body that you already have.

**Retries**: send an `Idempotency-Key` with POST /signup or POST /tasks. If the response is lost, it is \
safe to send the same request with the same key again.

**HTTP.** HEAD responds as GET does, without the body. OPTIONS returns the methods of a path in `Allow`. \
Any path may also respond with 400 `bad_request` (not valid HTTP/1.1), 404 `not_found`, 405 \
`method_not_allowed`, 408 `request_timeout`, 413 `body_too_large`, 414 `uri_too_long`, 417 \
`expectation_failed`, 431 `header_too_large` and 505 `http_version_not_supported`. Every response has an \
`X-Request-Id`, which the server's log contains too. The server keeps the one of the request if it has 1 to \
128 letters, digits or `-_.:=+/@~`.";

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
        "The number of seconds to wait before the next attempt",
        "30",
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

/// Generates the document as indented JSON.
///
/// # Errors
/// [`Error::Internal`] if it cannot be serialised.
pub fn to_json(endpoints: impl Iterator<Item = Endpoint>) -> Result<String, Error> {
    match document(endpoints).to_pretty_json() {
        Ok(json) => Ok(json + "\n"),
        Err(why) => Err(Error::Internal(format!(
            "serialising the OpenAPI document: {why}"
        ))),
    }
}

fn document(endpoints: impl Iterator<Item = Endpoint>) -> OpenApi {
    let (paths, components) = endpoints.fold(
        (Paths::builder(), common_components()),
        |(paths, components), endpoint| add_endpoint(paths, components, &endpoint),
    );
    let mut info = Info::new("Task API", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    let tags = TAGS
        .iter()
        .map(|(name, about)| Tag::builder().name(*name).description(Some(*about)).build());
    OpenApi::builder()
        .info(info)
        // Relative to the URL of the document, so that it is correct behind every proxy.
        .servers(Some([Server::new("/")]))
        .paths(paths)
        .components(Some(components.build()))
        .tags(Some(tags))
        .build()
}

/// The access level of an endpoint: the callers that the router admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Every client, with or without a token.
    Anyone,
    /// Clients with a valid refresh token.
    RefreshToken,
    /// Accounts with a valid access token, approved or not.
    SignedIn,
    /// Approved accounts of any role.
    Approved,
    /// Approved managers and admins.
    ManagerOrAdmin,
    /// Approved admins.
    Admin,
}

/// An endpoint of the route table.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// The HTTP method, in capitals.
    pub method: &'static str,
    /// The path, with parameters in braces.
    pub path: &'static str,
    /// The callers that the router admits.
    pub caller: Caller,
    /// Describes the handler: parameters, body, responses.
    pub describe: fn() -> Operation,
}

impl Caller {
    /// The sentence about access, with which the description of the operation begins.
    fn sentence(self) -> &'static str {
        match self {
            Caller::Anyone => "Any client may call it.",
            Caller::RefreshToken => {
                "Needs a refresh token, sent as `Authorization: Bearer <refresh_token>`."
            }
            Caller::SignedIn => "Any signed-in account may call it, approved or not.",
            Caller::Approved => "Approved accounts may call it.",
            Caller::ManagerOrAdmin => "Approved managers and admins may call it.",
            Caller::Admin => "Approved admins may call it.",
        }
    }

    /// The security requirement: a scheme and its scopes, of which an account needs any one.
    fn security(self) -> Vec<SecurityRequirement> {
        let (scheme, scopes): (_, &[&str]) = match self {
            Caller::Anyone => return Vec::new(),
            Caller::RefreshToken => (REFRESH_TOKEN, &[]),
            Caller::SignedIn => (ACCESS_TOKEN, &[]),
            Caller::Approved => (ACCESS_TOKEN, &["approved"]),
            Caller::ManagerOrAdmin => (ACCESS_TOKEN, &["manager", "admin"]),
            Caller::Admin => (ACCESS_TOKEN, &["admin"]),
        };
        vec![SecurityRequirement::new(scheme, scopes.iter().copied())]
    }

    /// The errors of authentication, rate limiting and authorization.
    fn errors(self) -> Vec<Error> {
        if self == Caller::Anyone {
            return Vec::new();
        }
        let mut errors = Vec::from(unauthenticated());
        errors.push(too_many_requests());
        if matches!(
            self,
            Caller::Approved | Caller::ManagerOrAdmin | Caller::Admin
        ) {
            errors.push(Error::AwaitingApproval);
        }
        if matches!(self, Caller::ManagerOrAdmin | Caller::Admin) {
            errors.push(Error::InsufficientRole);
        }
        errors
    }
}

/// Adds the operation of an endpoint to the paths, and its schemas and error responses to the components.
fn add_endpoint(
    paths: PathsBuilder,
    components: ComponentsBuilder,
    endpoint: &Endpoint,
) -> (PathsBuilder, ComponentsBuilder) {
    let mut operation = (endpoint.describe)();
    // A handler that authenticates the caller itself describes that itself.
    if operation.security.is_empty() {
        add_access(&mut operation, endpoint.caller);
    }
    // Any request can fail with these.
    operation.errors.push(Error::Internal(String::new()));
    operation.errors.push(Error::Busy(String::new()));

    let mut documented = OperationBuilder::new()
        .operation_id(Some(operation.id))
        .tag(operation.tag)
        .summary(Some(operation.summary))
        .description(Some(operation.description.trim()))
        .parameters(Some(operation.parameters))
        .request_body(operation.request_body)
        .securities(Some(operation.security));
    for (status, response) in operation.responses {
        let response = ResponseBuilder::from(response);
        let response = response.header_ref("X-Request-Id", header("X-Request-Id"));
        documented = documented.response(status.to_string(), response);
    }
    let mut components = components.schemas_from_iter(operation.schemas);
    for (status, errors) in group_by_status(operation.errors) {
        let name = errors.keys().copied().collect::<Vec<_>>().join("-or-");
        documented = documented.response(status.to_string(), Ref::from_response_name(&name));
        components = components.response(name, error_response(&errors));
    }
    let item = PathItem::new(http_method(endpoint.method), documented);
    (paths.path(endpoint.path, item), components)
}

/// Adds what follows from the access level: the first sentence of the description, the security requirement, and
/// the errors.
fn add_access(operation: &mut Operation, caller: Caller) {
    operation.description = format!("{} {}", caller.sentence(), operation.description);
    operation.security = caller.security();
    operation.errors.extend(caller.errors());
}

/// The route table has no other methods than these four. A test compares the document with the table.
fn http_method(name: &str) -> HttpMethod {
    match name {
        "POST" => HttpMethod::Post,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

/// Groups errors by status, and within a status by code. OpenAPI allows one response for each status.
fn group_by_status(errors: Vec<Error>) -> BTreeMap<u16, BTreeMap<&'static str, Error>> {
    let mut groups = BTreeMap::<_, BTreeMap<_, _>>::new();
    for error in errors {
        let public = error.public();
        let (status, code) = (public.status.as_u16(), public.code);
        groups.entry(status).or_default().insert(code, error);
    }
    groups
}

/// Describes the response of one status: one of these errors, keyed by code. Bodies and headers come from
/// [`error_body`] and [`error_header`], which write the real error responses.
fn error_response(errors: &BTreeMap<&'static str, Error>) -> Response {
    let lines = errors.iter().map(|(code, error)| {
        let msg = error.public().msg;
        format!("`{code}`: {msg}")
    });
    let schema = AllOf::builder()
        .item(Ref::from_schema_name(ERROR))
        .item(Object::builder().property("code", json_schema::string_enum(errors.keys().copied())));
    let examples = errors.iter().map(|(code, error)| {
        let example = Example::builder().value(Some(error_body(error)));
        (*code, example.build())
    });
    let content = Content::builder()
        .schema(Some(schema))
        .examples_from_iter(examples);
    let response = Response::builder()
        .description(lines.collect::<Vec<_>>().join("\n\n"))
        .content(JSON, content.build())
        .header_ref("X-Request-Id", header("X-Request-Id"));
    let headers = errors.values().filter_map(error_header);
    headers
        .fold(response, |response, (name, _)| {
            response.header_ref(name, header(name))
        })
        .build()
}

fn common_components() -> ComponentsBuilder {
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
            REFRESH_TOKEN,
            token("The `refresh_token` that POST /login or the last POST /refresh returned."),
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

fn error_schema() -> Schema {
    let text = || Object::with_type(Type::String);
    Object::builder()
        .property("msg", text())
        .required("msg")
        .property("code", text())
        .required("code")
        .property(
            "errors",
            Object::builder()
                .additional_properties(Some(Object::builder().schema_type(Type::String)))
                .description(Some(
                    "The reason for each refused field or parameter. Only with the code `invalid`.",
                )),
        )
        .property(
            "message",
            Object::builder()
                .schema_type(Type::String)
                .description(Some(
                    "Repeats `msg` under the name that the tutorial uses. Only with the code `account_exists`.",
                )),
        )
        .description(Some(
            "An error: `msg` is for people, `code` is for programs.",
        ))
        .into()
}
