//! Assembles the OpenAPI document: an operation for each endpoint, and the components that operations refer to.

use std::collections::BTreeSet;

use utoipa::openapi::path::{HttpMethod, OperationBuilder, Paths, PathsBuilder};
use utoipa::openapi::{
    ComponentsBuilder, Info, OpenApi, PathItem, Ref, ResponseBuilder, Server, Tag,
};

use super::caller::{Caller, add_access};
use super::components::{closed_enums, common_components};
use super::error_responses::{
    ERROR_CODE, error_code_schema, error_response, errors_of_any_path, group_by_status,
};
use super::operation_builder::{Operation, header};
use super::tags::TAGS;
use crate::error::{Error, StorageError, StorageFault};

/// The document's introduction (Markdown).
const ABOUT: &str = "\
A task-management API: sign-up, sign-in with a JWT, tasks with roles and approval.

**Authentication and access.** POST /login returns an access token and a refresh token. Send the access \
token as `Authorization: Bearer <token>`. The description of each operation says who may call it, and so \
does its `security` for programs: each scope listed beside `accessToken` or `apiToken` is a role or state, and an \
account needs any one of them. `approved` is an account that an admin has approved; `manager` and `admin` \
are approved accounts with that role. An empty list of scopes means any account. Scripts send a token that \
POST /me/tokens has made in place of the access token, where `security` lists `apiToken`. With the scope `read` it \
permits GET and HEAD only; everything else is 403 `insufficient_scope`.

**Texts** have patterns that ECMAScript, Python, RE2 and Rust read alike. A pattern accepts every valid text, and some \
that get 422 `invalid`: the description of the field says what else is refused.

**Errors** are `{\"msg\": \"...\", \"code\": \"...\"}`: `msg` is for people, `code` is for programs. With \
the code `invalid` the member `errors` names each refused field or parameter and the reason. Unknown \
fields and parameters are refused too; a query parameter with a blank value counts as absent. After a 429 \
or 503 wait for the number of seconds in `Retry-After`. A 503 says why: `busy` (the request has waited too long \
for its turn, or memory is used up), `stopping` (the server is about to end) or `storage_unavailable` (the \
database cannot be reached or written, for the reason in `msg`). A request that got a 503 has changed nothing, except \
that a sign-out may have taken effect; if the connection to a PostgreSQL database broke during its commit, only the same \
request with the same `Idempotency-Key` can tell.

**Lists** use keyset pagination: a response has at most `limit` items and a `next_cursor`. Send that as \
`cursor` to get the next page; the `Link` header has its complete URL. On the last page `next_cursor` is \
null. A page looks at a bounded number of rows, so a search may return fewer items, or none, together with a \
`next_cursor`: continue with it.

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

/// Generates the document as indented JSON. The paths of the API are below `path_prefix`, which is empty or such as
/// `/todo`.
///
/// # Errors
/// [`Error::Internal`] if it cannot be serialised.
pub fn to_json(
    endpoints: impl Iterator<Item = Endpoint>,
    path_prefix: &str,
) -> Result<String, Error> {
    match document(endpoints, path_prefix).to_pretty_json() {
        Ok(json) => Ok(json + "\n"),
        Err(why) => Err(Error::Internal(format!(
            "serialising the OpenAPI document: {why}"
        ))),
    }
}

fn document(endpoints: impl Iterator<Item = Endpoint>, path_prefix: &str) -> OpenApi {
    let mut codes = errors_of_any_path().map(|error| error.public().code).into();
    let (paths, components) = endpoints.fold(
        (Paths::builder(), common_components()),
        |(paths, components), endpoint| add_endpoint(paths, components, &mut codes, &endpoint),
    );
    let components = components
        .schema(ERROR_CODE, error_code_schema(codes))
        .schemas_from_iter(closed_enums());
    let mut info = Info::new("Task API", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    let tags = TAGS
        .iter()
        .map(|(name, about)| Tag::builder().name(*name).description(Some(*about)).build());
    // Relative to the URL of the document, so that it is correct for every name of the host. It is not `.`, which would
    // need no prefix: not every program resolves that against the document's folder.
    let server = if path_prefix.is_empty() {
        "/"
    } else {
        path_prefix
    };
    OpenApi::builder()
        .info(info)
        .servers(Some([Server::new(server)]))
        .paths(paths)
        .components(Some(components.build()))
        .tags(Some(tags))
        .build()
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
    /// Whether a request can fail since the database is not available.
    pub can_lose_storage: bool,
    /// Describes the handler: parameters, body, responses.
    pub describe: fn() -> Operation,
}

/// Adds the operation of an endpoint to the paths, its schemas and error responses to the components, and the codes of
/// its errors to `codes`.
fn add_endpoint(
    paths: PathsBuilder,
    components: ComponentsBuilder,
    codes: &mut BTreeSet<&'static str>,
    endpoint: &Endpoint,
) -> (PathsBuilder, ComponentsBuilder) {
    let mut operation = (endpoint.describe)();
    // A handler that authenticates the caller itself describes that itself.
    if operation.security.is_empty() {
        add_access(&mut operation, endpoint.caller, endpoint.method);
    }
    // Any request can fail with these. `QueueTimeout` has the code of `Busy`.
    operation.errors.push(Error::Internal(String::new()));
    operation.errors.push(Error::Busy(String::new()));
    operation.errors.push(Error::Stopping);
    if endpoint.can_lose_storage {
        let error = StorageError::new(StorageFault::Full, "");
        operation.errors.push(Error::StorageUnavailable(error));
    }

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
        codes.extend(errors.keys());
        let name = errors.keys().copied().collect::<Vec<_>>().join("-or-");
        documented = documented.response(status.to_string(), Ref::from_response_name(&name));
        components = components.response(name, error_response(&errors));
    }
    let item = PathItem::new(http_method(endpoint.method), documented);
    (paths.path(endpoint.path, item), components)
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
