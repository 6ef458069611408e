//! The description of the API in OpenAPI 3.1, made from the table of routes: each line says who may call it
//! and what it takes and answers, and from both follows the rest.

pub mod operation;
pub mod operations;

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::example::Example;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{HttpMethod, Operation as Described, Paths, PathsBuilder};
use utoipa::openapi::schema::{AllOf, Components};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Content, Info, Object, OpenApi, PathItem, Ref, Response, ResponseBuilder,
    SecurityRequirement, Server, Tag, Type,
};

use self::operation::{
    A_VERSION, JSON, METRICS_TOKEN, Operation, header, too_many_requests, unauthenticated,
};
use self::operations::TAGS;
use crate::error::Error;
use crate::http::error_response::{error_body, error_header};
use crate::model::schema::{self, Schema};

/// The security scheme of most routes.
const ACCESS_TOKEN: &str = "accessToken";
/// The security scheme of `POST /refresh`.
const REFRESH_TOKEN: &str = "refreshToken";
/// What errors look like.
const ERROR: &str = "Error";

/// What the routes have in common.
const ABOUT: &str = "\
A task-management API: sign-up, sign-in with a token, tasks with roles and approval.

**Who may call what.** The text of each operation says it, and so does its `security` for programs: \
the words beside `accessToken` are those of which an account needs one. `approved` is an account that an admin \
has let in, `manager` and `admin` are such accounts of that role; without a word any account will do.

**Errors** are `{\"msg\": \"for people\", \"code\": \"for_programs\"}`; `invalid` also has `errors`, which names \
every field that is refused. Fields and parameters that are not described are refused too.

**Lists** come in pages: `limit` items and a `next_cursor`, which is sent as `cursor` for the next page; the header \
`Link` has its whole URL. The last page's `next_cursor` is null.

**Of HTTP itself.** HEAD answers as GET does, without the body, and OPTIONS names a path's methods. Any path may also \
answer 400 `bad_request` to what is no HTTP/1.1, 404 `not_found`, 405 `method_not_allowed`, 408 `request_timeout`, \
413 `body_too_large`, 414 `uri_too_long`, 417 `expectation_failed`, 431 `header_too_large` and 505 \
`http_version_not_supported`. A sane `X-Request-Id` of the client is kept, and is in the server's log.";

/// Every header of an answer that means something to this API, with an example.
const HEADERS: &[(&str, &str, &str)] = &[
    ("ETag", "The version of what is shown", A_VERSION),
    (
        "Idempotency-Replayed",
        "`true` where the request has come before, and this is the first answer again",
        "true",
    ),
    (
        "Link",
        "The URL of the next page, if there is one",
        r#"</tasks?cursor=WyIyMDI2LTEx...>; rel="next""#,
    ),
    ("Location", "The URL of what was made", "/tasks/1"),
    ("Retry-After", "In how many seconds to try again", "30"),
    (
        "WWW-Authenticate",
        "What kind of token is wanted (RFC 6750)",
        r#"Bearer error="invalid_token""#,
    ),
    (
        "X-Request-Id",
        "Names the request in the server's log",
        "6f1f64c2-8c0e-4a8e-9d3d-2b8d7c3a5e10",
    ),
];

/// The description as JSON, for people to read as well.
///
/// # Errors
/// [`Error::Internal`].
pub fn to_json(endpoints: impl Iterator<Item = Endpoint>) -> Result<String, Error> {
    match document(endpoints).to_pretty_json() {
        Ok(json) => Ok(json + "\n"),
        Err(why) => Err(Error::Internal(format!("the description: {why}"))),
    }
}

fn document(endpoints: impl Iterator<Item = Endpoint>) -> OpenApi {
    let (paths, components) = endpoints.fold(
        (Paths::builder(), common_components()),
        |(paths, components), endpoint| add(paths, components, &endpoint),
    );
    let mut info = Info::new("Task API", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    let tags = TAGS
        .iter()
        .map(|(name, about)| Tag::builder().name(*name).description(Some(*about)).build());
    OpenApi::builder()
        .info(info)
        // Relative to where the description is: right behind every proxy.
        .servers(Some([Server::new("/")]))
        .paths(paths)
        .components(Some(components.build()))
        .tags(Some(tags))
        .build()
}

/// Who may call an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Caller {
    Anyone,
    RefreshToken,
    SignedIn,
    Approved,
    ManagerOrAdmin,
    Admin,
}

/// An endpoint, as the route table knows it.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// The method.
    pub method: &'static str,
    /// The path with its parameters in braces.
    pub path: &'static str,
    /// Who may call it.
    pub caller: Caller,
    /// Describes the parts that the handler decides.
    pub describe: fn() -> Operation,
}

impl Caller {
    /// The sentence for people.
    fn sentence(self) -> &'static str {
        match self {
            Caller::Anyone => "Any client may call it.",
            Caller::RefreshToken => "Needs a refresh token, sent in the place of an access token.",
            Caller::SignedIn => "Any signed-in account may call it, approved or not.",
            Caller::Approved => "Approved accounts may call it.",
            Caller::ManagerOrAdmin => "Approved managers and admins may call it.",
            Caller::Admin => "Approved admins may call it.",
        }
    }

    /// The security requirement for programs: a scheme and its scopes, of which an account needs one.
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

    /// The errors that authentication and authorization can give.
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

fn add(
    paths: PathsBuilder,
    components: ComponentsBuilder,
    endpoint: &Endpoint,
) -> (PathsBuilder, ComponentsBuilder) {
    let operation = (endpoint.describe)();
    let caller = endpoint.caller;
    let mut errors = operation.errors;
    let (sentence, security) = if operation.security.is_empty() {
        errors.extend(caller.errors());
        (caller.sentence(), caller.security())
    } else {
        // The handler authenticates, and its description says how.
        ("", operation.security)
    };
    let description = format!("{sentence} {}", operation.description);
    // Every request may end so.
    errors.push(Error::Internal(String::new()));
    errors.push(Error::Busy(String::new()));

    let mut described = Described::builder()
        .operation_id(Some(operation.id))
        .tag(operation.tag)
        .summary(Some(operation.summary))
        .description(Some(description.trim()))
        .parameters(Some(operation.parameters))
        .request_body(operation.request_body)
        .securities(Some(security));
    for (status, response) in operation.responses {
        let response = ResponseBuilder::from(response);
        let response = response.header_ref("X-Request-Id", header("X-Request-Id"));
        described = described.response(status.to_string(), response);
    }
    let mut components = components.schemas_from_iter(operation.schemas);
    for (status, errors) in by_status(errors) {
        let name = errors.keys().copied().collect::<Vec<_>>().join("-or-");
        described = described.response(status.to_string(), Ref::from_response_name(&name));
        components = components.response(name, error_response(&errors));
    }
    let item = PathItem::new(method(endpoint.method), described);
    (paths.path(endpoint.path, item), components)
}

/// utoipa's name for a method of the table.
fn method(name: &str) -> HttpMethod {
    match name {
        "POST" => HttpMethod::Post,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

/// Errors by their codes, by their statuses.
fn by_status(errors: Vec<Error>) -> BTreeMap<u16, BTreeMap<&'static str, Error>> {
    let mut found = BTreeMap::<_, BTreeMap<_, _>>::new();
    for error in errors {
        let public = error.public();
        let (status, code) = (public.status.as_u16(), public.code);
        found.entry(status).or_default().insert(code, error);
    }
    found
}

/// An answer that is one of these errors, as [`crate::reply`] writes them.
fn error_response(errors: &BTreeMap<&'static str, Error>) -> Response {
    let lines = errors.iter().map(|(code, error)| {
        let msg = error.public().msg;
        format!("`{code}`: {msg}")
    });
    let schema = AllOf::builder()
        .item(Ref::from_schema_name(ERROR))
        .item(Object::builder().property("code", schema::string_enum(errors.keys().copied())));
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
                "The `token` of POST /login. The words beside it in an operation's `security` are those of \
                 which an account needs one: `approved` is every account that an admin has let in, `manager` \
                 and `admin` are such accounts of that role.",
            ),
        )
        .security_scheme(
            REFRESH_TOKEN,
            token("The `refresh_token` of POST /login or of the last POST /refresh."),
        )
        .security_scheme(METRICS_TOKEN, token("The server's METRICS_TOKEN."))
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
                .description(Some("Why each field is refused; with `invalid`.")),
        )
        .property(
            "message",
            Object::builder()
                .schema_type(Type::String)
                .description(Some(
                    "`msg` in the tutorial's place for it; with `account_exists`.",
                )),
        )
        .description(Some("What went wrong, for people and for programs."))
        .into()
}
