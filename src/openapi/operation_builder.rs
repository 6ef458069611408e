//! A builder for the OpenAPI operation of a route. Each method adds a part of the operation together with the
//! responses that follow from it: a request body adds its 400, 413, 415 and 422. The parts that depend on the
//! route's access level are added in `document.rs`.

use std::any::type_name;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder};
use utoipa::openapi::{
    Content, Object, Ref, Required, Response, ResponseBuilder, SecurityRequirement, Type,
};
use utoipa::{PartialSchema, ToSchema};

use crate::config::cors::REFRESH_COOKIE;
use crate::error::{Error, RateLimitRefusal};
use crate::model::json_fields::{Fields, Scalar};
use crate::model::json_schema::{self, Schema};

/// The media type of every body except files.
pub const JSON: &str = "application/json";

/// The security scheme of `GET /metrics`.
pub const METRICS_TOKEN: &str = "metricsToken";

/// The description of a handler: everything about a route except its method, path and access level.
pub struct Operation {
    /// The `operationId`, which code generators use as a function name.
    pub id: &'static str,
    /// The group that the operation belongs to.
    pub tag: &'static str,
    /// What the operation does, in one line.
    pub summary: &'static str,
    /// More text, after the sentence about access.
    pub description: String,
    /// Path, query and header parameters.
    pub parameters: Vec<Parameter>,
    /// The request body, if there is one.
    pub request_body: Option<RequestBody>,
    /// The responses that are not errors, with their status.
    pub responses: Vec<(u16, Response)>,
    /// One example of each error code.
    pub errors: Vec<Error>,
    /// The component schemas that the operation refers to, with their names.
    pub schemas: Vec<(String, Schema)>,
    /// The security requirement of a handler that authenticates the caller itself. Empty for all others; theirs
    /// follows from the route's access level.
    pub security: Vec<SecurityRequirement>,
}

impl Operation {
    /// An operation without parameters, body, responses and errors.
    pub fn new(id: &'static str, tag: &'static str, summary: &'static str) -> Operation {
        Operation {
            id,
            tag,
            summary,
            description: String::new(),
            parameters: Vec::new(),
            request_body: None,
            responses: Vec::new(),
            errors: Vec::new(),
            schemas: Vec::new(),
            security: Vec::new(),
        }
    }

    /// Sets the text after the sentence about access.
    pub fn description(mut self, text: &str) -> Operation {
        self.description = text.to_owned();
        self
    }

    /// Adds an error response. The error gives its status and code, and is also its example.
    pub fn error(mut self, error: Error) -> Operation {
        self.errors.push(error);
        self
    }

    /// Adds the path parameter `{id}` and the 404 for an id that does not exist.
    pub fn path_id<I: PartialSchema>(self, description: &str) -> Operation {
        self.path_parameter("id", description, I::schema())
    }

    /// Adds the path parameter `{file}`, one of `names`, and the 404 for any other.
    pub fn path_file(self, names: Vec<&'static str>) -> Operation {
        let schema = json_schema::string_enum(names).into();
        self.path_parameter("file", "The name of the file", schema)
    }

    fn path_parameter(mut self, name: &str, description: &str, schema: Schema) -> Operation {
        let parameter = Parameter::builder()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(description))
            .schema(Some(schema));
        self.parameters.push(parameter.build());
        self.error(Error::NotFound)
    }

    /// Adds an example to the parameter that was added last. The documentation page fills it in, so it must be a value
    /// that works: that is why headers have none.
    pub fn parameter_example(mut self, example: i64) -> Operation {
        if let Some(parameter) = self.parameters.pop() {
            let parameter = ParameterBuilder::from(parameter).example(Some(example.into()));
            self.parameters.push(parameter.build());
        }
        self
    }

    fn header_parameter(mut self, name: &str, description: &str, pattern: &str) -> Operation {
        let parameter = Parameter::builder()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .description(Some(description))
            .schema(Some(json_schema::string_matching(pattern)));
        self.parameters.push(parameter.build());
        self
    }

    /// Adds a JSON request body with the fields that `read` takes, and the errors of an invalid body.
    pub fn json_body<T>(
        mut self,
        read: impl FnOnce(&mut Fields<Scalar>) -> Option<T>,
        example: Value,
    ) -> Operation {
        let name = short_type_name::<T>();
        let schema = json_schema::object(Fields::describe(read));
        self.schemas.push((name.to_owned(), schema));
        let content = Content::builder()
            .schema(Some(Ref::from_schema_name(name)))
            .example(Some(example))
            .build();
        let body = RequestBody::builder()
            .content(JSON, content)
            .required(Some(Required::True));
        self.request_body = Some(body.build());
        self.error(Error::Malformed("EOF while parsing a value".to_owned()))
            .error(Error::BodyTooLarge(1 << 20))
            .error(Error::NotJson)
            .error(Error::ContentCoding)
            .error(invalid())
    }

    /// Adds the query parameters that `read` takes, and the error of an invalid one.
    pub fn query<T>(mut self, read: impl FnOnce(&mut Fields<String>) -> T) -> Operation {
        self.add_query(read);
        self.error(invalid())
    }

    fn add_query<T>(&mut self, read: impl FnOnce(&mut Fields<String>) -> T) {
        let specs = Fields::describe(read);
        self.parameters.extend(specs.into_iter().map(|spec| {
            let parameter = Parameter::builder()
                .name(&spec.name)
                .parameter_in(ParameterIn::Query)
                .description(query_parameter_description(&spec.name))
                .schema(Some(spec.schema));
            parameter.build()
        }));
    }

    /// Adds a 200 response with a page of items, and the query parameters: those that `read` takes, and
    /// `cursor`.
    pub fn responds_with_page<T: Serialize + ToSchema, F>(
        mut self,
        read: impl FnOnce(&mut Fields<String>) -> F,
        example: &T,
    ) -> Operation {
        self.add_query(|query| (read(query), query.parameter::<String>("cursor")));
        let name = format!("{}Page", T::name());
        let page = Object::builder()
            .property(
                "items",
                ArrayBuilder::new().items(Ref::from_schema_name(T::name())),
            )
            .required("items")
            .property("next_cursor", json_schema::nullable(next_cursor_schema()))
            .required("next_cursor")
            .into();
        self.schemas.push((name.clone(), page));
        self.register_schema::<T>()
            .add_response(
                200,
                "One page of the list",
                Ref::from_schema_name(name).into(),
                &serde_json::json!({ "items": [example], "next_cursor": null }),
            )
            .response_header("Link")
            .error(invalid())
    }

    /// Adds a response with the JSON form of a `T`.
    pub fn responds<T: Serialize + ToSchema>(
        self,
        status: u16,
        description: &str,
        example: &T,
    ) -> Operation {
        let schema = Ref::from_schema_name(T::name()).into();
        self.register_schema::<T>()
            .add_response(status, description, schema, example)
    }

    /// Adds a 204 response (no body).
    pub fn responds_204(mut self, description: &str) -> Operation {
        self.responses.push((204, Response::new(description)));
        self
    }

    /// Adds a 200 response with a file of one of the media types.
    pub fn responds_with_file(mut self, description: &str, media_types: &[&str]) -> Operation {
        let text = Content::new(Some(Object::with_type(Type::String)));
        let response = media_types.iter().fold(
            Response::builder().description(description),
            |response, media_type| response.content(*media_type, text.clone()),
        );
        self.responses.push((200, response.build()));
        self
    }

    /// Adds a 200 response with a JSON object whose schema another specification defines.
    pub fn responds_with_document(mut self, description: &str) -> Operation {
        let any =
            Object::builder().additional_properties(Some(AdditionalProperties::FreeForm(true)));
        let content = Content::new(Some(any));
        let response = Response::builder()
            .description(description)
            .content(JSON, content);
        self.responses.push((200, response.build()));
        self
    }

    /// Adds the component schemas of `T` and of the types that it contains.
    fn register_schema<T: ToSchema>(mut self) -> Operation {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        self
    }

    fn add_response(
        mut self,
        status: u16,
        description: &str,
        schema: Schema,
        example: &impl Serialize,
    ) -> Operation {
        let content = Content::builder()
            .schema(Some(schema))
            .example(serde_json::to_value(example).ok());
        let response = Response::builder()
            .description(description)
            .content(JSON, content.build());
        self.responses.push((status, response.build()));
        self
    }

    /// Adds a header to the response that was added last.
    pub fn response_header(mut self, name: &str) -> Operation {
        if let Some((status, response)) = self.responses.pop() {
            let response = ResponseBuilder::from(response).header_ref(name, header(name));
            self.responses.push((status, response.build()));
        }
        self
    }

    /// Adds conditional GET (RFC 9110, 13): an `ETag`, the precondition headers, and the 304 response.
    pub fn conditional_get(self) -> Operation {
        let mut operation = self.response_header("ETag").preconditions();
        let not_modified = Response::builder()
            .description("Not modified: `If-None-Match` contains the current version")
            .header_ref("ETag", header("ETag"));
        operation.responses.push((304, not_modified.build()));
        operation
    }

    /// Adds the precondition headers `If-Match` and `If-None-Match` (RFC 9110, 13.1), and their 400 and 412.
    pub fn preconditions(self) -> Operation {
        // `*`, or a list of entity tags, in which elements may be empty (RFC 9110, 5.6.1).
        const ENTITY_TAGS: &str = concat!(
            r"^([*]|[\x09 ,]*(W/)?\x22[^\x00-\x20\x22\x7f]*\x22",
            r"([\x09 ]*,[\x09 ,]*(W/)?\x22[^\x00-\x20\x22\x7f]*\x22)*[\x09 ,]*)$"
        );
        self.header_parameter(
            "If-Match",
            "Optimistic concurrency: the request is carried out only if the current version is one of \
             these. One or more `ETag`s of earlier responses, or `*` for any version. Otherwise the \
             response is 412",
            ENTITY_TAGS,
        )
        .header_parameter(
            "If-None-Match",
            "The request is carried out only if the current version is none of these. Otherwise the \
             response is 304 to a GET, and 412 to other methods",
            ENTITY_TAGS,
        )
        .error(invalid_header())
        .error(Error::PreconditionFailed)
    }

    /// Adds the header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header), with which a client
    /// can safely retry a POST.
    pub fn idempotency_key(self) -> Operation {
        self.header_parameter(
            "Idempotency-Key",
            "A unique key, for example a UUID, that makes retries safe. A request with the same key and \
             the same body is carried out only once within 24 hours; each retry returns the first response \
             again",
            "^[!-~]{1,255}$",
        )
        .response_header("Idempotency-Replayed")
        .error(invalid_header())
        .error(Error::IdempotencyKeyReused)
    }

    /// Adds the header `Refresh-Cookie`, the `Set-Cookie` of the response that was added last, and the errors of other
    /// clients.
    pub fn refresh_cookie(self) -> Operation {
        self.header_parameter(
            REFRESH_COOKIE,
            "Only for pages of this server: the refresh token is in a cookie that no script can read, and in no body. \
             Any other client that sends the header gets 403",
            "^true$",
        )
        .response_header("Set-Cookie")
        .error(invalid_header())
        .error(Error::NotOwnPage)
    }

    /// Adds the security requirement of `GET /metrics`: METRICS_TOKEN or none, and the 401s and the 404.
    pub fn metrics_token(mut self) -> Operation {
        self.security = vec![
            SecurityRequirement::default(),
            SecurityRequirement::new(METRICS_TOKEN, [""; 0]),
        ];
        let [missing, wrong] = unauthenticated();
        self.error(missing).error(wrong).error(Error::NotFound)
    }

    /// Adds the 429 of a rate limit that the handler checks.
    pub fn rate_limited(self) -> Operation {
        self.error(too_many_requests())
    }
}

/// The entity tag in the examples.
pub const EXAMPLE_ETAG: &str = r#""u1W5fCvIJmDPVR2b5lWbQw""#;

fn invalid_header() -> Error {
    Error::BadRequest("a header is invalid")
}

fn invalid() -> Error {
    Error::invalid("a field", "must not be empty")
}

/// The errors of a request without a token, and of one with an invalid token.
pub fn unauthenticated() -> [Error; 2] {
    [
        Error::NoCredentials("Missing Authorization Header"),
        Error::InvalidToken("Token has expired".to_owned()),
    ]
}

/// The error of a rate limit.
pub fn too_many_requests() -> Error {
    Error::TooManyRequests(Box::new(RateLimitRefusal {
        limit: "",
        wait: Duration::from_secs(30),
        is_logged: false,
        account: None,
    }))
}

/// A reference to a header among the document's components.
pub fn header(name: &str) -> Ref {
    Ref::new(format!("#/components/headers/{name}"))
}

/// The name of a type without its module path.
fn short_type_name<T>() -> &'static str {
    let name = type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}

/// The schema of `next_cursor`, without null.
fn next_cursor_schema() -> Schema {
    let description = "The `cursor` of the next page. Null on the last page and only there: a page with few items \
                       or none may have a next page";
    Object::builder()
        .schema_type(Type::String)
        .description(Some(description))
        .into()
}

/// The description of a query parameter.
fn query_parameter_description(name: &str) -> Option<&'static str> {
    Some(match name {
        "cursor" => {
            "Keyset pagination: the `next_cursor` of the previous page. The other parameters, except \
             `limit`, must be the same as for that page"
        }
        "limit" => {
            "The maximum number of items in a page. A page may have fewer although another one follows"
        }
        "q" => "Searches for this text anywhere in the text of an item, in upper or lower case",
        "sort" => "The sort key. `-` in front means descending order",
        "deadline_after" => "Returns only tasks that are due after this moment",
        "deadline_before" => "Returns only tasks that are due before this moment",
        "status" => {
            "Returns only tasks with this status; `unknown` are those with any other text, or none, which another \
             program has written"
        }
        "expand" => "`assignee` adds the name of the account that a task is assigned to",
        "assigned_user_id" => "Returns only tasks that are assigned to this account",
        "role" => "Returns only accounts with this role",
        "approved" => "Returns only accounts that are approved, or only those that are not",
        "action" => "Returns only entries of this action",
        "actor_id" => "Returns only entries of actions by this account",
        "subject_id" => "Returns only entries of actions about this account",
        "since" => "Returns only entries of this moment or later",
        "before" => "Returns only entries before this moment",
        _ => return None,
    })
}
