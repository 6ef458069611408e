//! How the description of an operation is put together. What one thing brings along, such as a body its
//! 415, is said here once; what follows from who may call it, in [`openapi`](crate::openapi).

use std::any::type_name;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, SchemaType};
use utoipa::openapi::{
    Content, Object, Ref, Required, Response, ResponseBuilder, SecurityRequirement, Type,
};
use utoipa::{PartialSchema, ToSchema};

use crate::error::Error;
use crate::model::json_fields::{FieldSpec, Fields, Scalar};
use crate::model::schema::{self, Schema};

/// The media type of every body that is no file.
pub const JSON: &str = "application/json";

/// The security scheme of what is for Prometheus alone.
pub const METRICS_TOKEN: &str = "metricsToken";

/// What is said of one line of the table of routes.
pub struct Operation {
    /// Its name, as that of a function in a generated client.
    pub id: &'static str,
    /// The chapter that it belongs to.
    pub tag: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What else there is to know.
    pub description: String,
    /// Parameters of path, query and header.
    pub parameters: Vec<Parameter>,
    /// What is to be sent.
    pub request_body: Option<RequestBody>,
    /// The answers that are no errors.
    pub responses: Vec<(u16, Response)>,
    /// The errors.
    pub errors: Vec<Error>,
    /// The shapes that the others refer to, by name.
    pub schemas: Vec<(String, Schema)>,
    /// The tokens that it may be called with, where its handler decides that and not its access.
    pub security: Vec<SecurityRequirement>,
}

impl Operation {
    /// An operation of which no more is known.
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

    /// What else there is to know.
    pub fn description(mut self, text: &str) -> Operation {
        self.description = text.to_owned();
        self
    }

    /// It may answer with this error. One of each code is enough; it is the example.
    pub fn error(mut self, error: Error) -> Operation {
        self.errors.push(error);
        self
    }

    /// It is about what the `{id}` of its path names.
    pub fn path_id<I: PartialSchema>(self, what: &str) -> Operation {
        self.in_path("id", what, I::schema())
    }

    /// It is about one of these files.
    pub fn path_file(self, names: Vec<&'static str>) -> Operation {
        let schema = schema::string_enum(names).into();
        self.in_path("file", "The file's name", schema)
    }

    fn in_path(mut self, name: &str, what: &str, schema: Schema) -> Operation {
        let parameter = Parameter::builder()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(what))
            .schema(Some(schema));
        self.parameters.push(parameter.build());
        self.error(Error::NotFound)
    }

    fn header_parameter(
        mut self,
        name: &str,
        what: &str,
        pattern: &str,
        example: &str,
    ) -> Operation {
        let parameter = Parameter::builder()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .description(Some(what))
            .example(Some(example.into()))
            .schema(Some(schema::text_like(pattern)));
        self.parameters.push(parameter.build());
        self
    }

    /// It takes the JSON object that `read` reads.
    pub fn body<T>(
        mut self,
        read: impl FnOnce(&mut Fields<Scalar>) -> Option<T>,
        example: Value,
    ) -> Operation {
        let name = short_name::<T>();
        let object = object(Fields::describe(read));
        self.schemas.push((name.to_owned(), object));
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

    /// It lists things such as `example`, and finds those that `read` asks for.
    pub fn lists<T: Serialize + ToSchema, F>(
        mut self,
        read: impl FnOnce(&mut Fields<String>) -> F,
        example: &T,
    ) -> Operation {
        let asked = Fields::describe(|query| {
            let filter = read(query);
            (filter, query.parameter::<String>("cursor"))
        });
        self.parameters.extend(asked.into_iter().map(|field| {
            let parameter = Parameter::builder()
                .name(&field.name)
                .parameter_in(ParameterIn::Query)
                .description(in_a_query(&field.name))
                .schema(Some(field.schema));
            parameter.build()
        }));
        let name = format!("{}Page", T::name());
        let page = Object::builder()
            .property(
                "items",
                ArrayBuilder::new().items(Ref::from_schema_name(T::name())),
            )
            .required("items")
            .property("next_cursor", schema::or_null(String::schema()))
            .required("next_cursor")
            .into();
        self.schemas.push((name.clone(), page));
        self.register_schema::<T>()
            .add_response(
                200,
                "A page of the list",
                Ref::from_schema_name(name).into(),
                &serde_json::json!({ "items": [example], "next_cursor": null }),
            )
            .with_header("Link")
            .error(invalid())
    }

    /// It answers with something such as `example`.
    pub fn responds<T: Serialize + ToSchema>(
        self,
        status: u16,
        what: &str,
        example: &T,
    ) -> Operation {
        let schema = Ref::from_schema_name(T::name()).into();
        self.register_schema::<T>()
            .add_response(status, what, schema, example)
    }

    /// It answers 204.
    pub fn responds_204(mut self, what: &str) -> Operation {
        self.responses.push((204, Response::new(what)));
        self
    }

    /// It answers with a file of one of these types.
    pub fn responds_with_file(mut self, what: &str, media_types: &[&str]) -> Operation {
        let text = Content::new(Some(Object::with_type(Type::String)));
        let response = media_types.iter().fold(
            Response::builder().description(what),
            |response, media_type| response.content(*media_type, text.clone()),
        );
        self.responses.push((200, response.build()));
        self
    }

    /// It answers with a JSON object of a form that is another document's matter.
    pub fn responds_with_document(mut self, what: &str) -> Operation {
        let any =
            Object::builder().additional_properties(Some(AdditionalProperties::FreeForm(true)));
        let content = Content::new(Some(any));
        let response = Response::builder().description(what).content(JSON, content);
        self.responses.push((200, response.build()));
        self
    }

    fn register_schema<T: ToSchema>(mut self) -> Operation {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        self
    }

    fn add_response(
        mut self,
        status: u16,
        what: &str,
        schema: Schema,
        example: &impl Serialize,
    ) -> Operation {
        let content = Content::builder()
            .schema(Some(schema))
            .example(serde_json::to_value(example).ok());
        let response = Response::builder()
            .description(what)
            .content(JSON, content.build());
        self.responses.push((status, response.build()));
        self
    }

    /// The answer that was named last has this header.
    pub fn with_header(mut self, name: &str) -> Operation {
        if let Some((status, response)) = self.responses.pop() {
            let response = ResponseBuilder::from(response).header_ref(name, header(name));
            self.responses.push((status, response.build()));
        }
        self
    }

    /// The answer has a version, and is spared to a client that has it.
    pub fn with_version(self) -> Operation {
        let mut operation = self.with_header("ETag").with_preconditions();
        let unchanged = Response::builder()
            .description("The client has this version: `If-None-Match` names it")
            .header_ref("ETag", header("ETag"));
        operation.responses.push((304, unchanged.build()));
        operation
    }

    /// It can be bound to a version.
    pub fn with_preconditions(self) -> Operation {
        const TAGS: &str = r#"^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$"#;
        self.header_parameter(
            "If-Match",
            "Do it only if this is the current version: the `ETag` of an earlier answer, or several, or `*`",
            TAGS,
            A_VERSION,
        )
        .header_parameter(
            "If-None-Match",
            "Do it only if this is not the current version",
            TAGS,
            A_VERSION,
        )
        .error(bad_header())
        .error(Error::PreconditionFailed)
    }

    /// It can be sent again, and is done once.
    pub fn with_retries(self) -> Operation {
        self.header_parameter(
            "Idempotency-Key",
            "Names this request for 24 hours: sent again with the same key and body it is done once, and \
             answered as it was at first",
            "^[!-~]{1,255}$",
            "8e03978e-40d5-43e8-bc93-6894a57f9324",
        )
        .with_header("Idempotency-Replayed")
        .error(bad_header())
        .error(Error::IdempotencyKeyReused)
    }

    /// It wants METRICS_TOKEN, if there is one, and is hidden otherwise.
    pub fn with_metrics_token(mut self) -> Operation {
        self.security = vec![
            SecurityRequirement::default(),
            SecurityRequirement::new(METRICS_TOKEN, [""; 0]),
        ];
        let [missing, wrong] = unauthenticated();
        self.error(missing).error(wrong).error(Error::NotFound)
    }

    /// It has a limit of its own.
    pub fn with_limit(self) -> Operation {
        self.error(too_many_requests())
    }
}

/// The version in the examples.
pub const A_VERSION: &str = r#""u1W5fCvIJmDPVR2b5lWbQw""#;

fn bad_header() -> Error {
    Error::BadRequest("a header field makes no sense")
}

fn invalid() -> Error {
    Error::invalid("a field", "must not be empty")
}

/// What somebody without a token is told, and somebody with one that does not count.
pub fn unauthenticated() -> [Error; 2] {
    [
        Error::NoCredentials("Missing Authorization Header"),
        Error::InvalidToken("Token has expired".to_owned()),
    ]
}

/// What tells somebody to wait.
pub fn too_many_requests() -> Error {
    Error::TooManyRequests(Duration::from_secs(30))
}

/// Where the description has this header.
pub fn header(name: &str) -> Ref {
    Ref::new(format!("#/components/headers/{name}"))
}

/// An object of these fields and no other.
fn object(fields: Vec<FieldSpec>) -> Schema {
    let empty =
        Object::builder().additional_properties(Some(AdditionalProperties::FreeForm(false)));
    let object = fields.into_iter().fold(empty, |object, field| {
        let object = object.property(&field.name, field.schema);
        match field.is_required {
            true => object.required(field.name),
            false => object,
        }
    });
    object.schema_type(SchemaType::new(Type::Object)).into()
}

/// The type's name without its path.
fn short_name<T>() -> &'static str {
    let name = type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}

/// What a parameter of a list does, where its name alone does not say it.
fn in_a_query(name: &str) -> Option<&'static str> {
    Some(match name {
        "cursor" => "The `next_cursor` of the page before, with the same filters",
        "limit" => "How many items at most",
        "q" => "A part of the text, in any case",
        "sort" => "`-` in front is descending",
        "deadline_after" => "Due later than this",
        "deadline_before" => "Due earlier than this",
        "since" => "At this moment or later",
        "before" => "Before this moment",
        _ => return None,
    })
}
