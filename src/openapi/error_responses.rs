//! The error responses of the OpenAPI document, generated from [`Error`] itself. All have the same schema, so that a
//! generated client has one type of errors; the examples of a response say which codes it may have.

use std::collections::{BTreeMap, BTreeSet};

use utoipa::openapi::example::Example;
use utoipa::openapi::{Content, Object, Ref, Response, Type};

use super::operation_builder::{JSON, header};
use crate::error::Error;
use crate::http::error_response::{error_body, error_header};
use crate::model::json_schema::{self, Schema};

/// The component schema of the body of every error response.
pub const ERROR: &str = "Error";
/// The component schema of the codes of errors.
pub const ERROR_CODE: &str = "ErrorCode";

/// The errors that no operation lists, since a request for any path can get them.
pub fn errors_of_any_path() -> [Error; 9] {
    [
        Error::BadRequest(""),
        Error::NotFound,
        Error::MethodNotAllowed(String::new()),
        Error::Timeout,
        Error::BodyTooLarge(0),
        Error::TargetTooLong(0),
        Error::ExpectationFailed,
        Error::HeaderTooLarge(String::new()),
        Error::HttpVersion,
    ]
}

/// Groups errors by status, and within a status by code. OpenAPI allows one response for each status.
pub fn group_by_status(errors: Vec<Error>) -> BTreeMap<u16, BTreeMap<&'static str, Error>> {
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
pub fn error_response(errors: &BTreeMap<&'static str, Error>) -> Response {
    let lines = errors.iter().map(|(code, error)| {
        let msg = error.public().msg;
        format!("`{code}`: {msg}")
    });
    let examples = errors.iter().map(|(code, error)| {
        let example = Example::builder().value(Some(error_body(error)));
        (*code, example.build())
    });
    let content = Content::builder()
        .schema(Some(Ref::from_schema_name(ERROR)))
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

/// The schema of the body of every error response.
pub fn error_schema() -> Schema {
    let text = || Object::with_type(Type::String);
    Object::builder()
        .property("msg", text())
        .required("msg")
        .property("code", Ref::from_schema_name(ERROR_CODE))
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

/// The schema of the codes of all errors.
pub fn error_code_schema(codes: BTreeSet<&'static str>) -> Schema {
    json_schema::string_enum(codes)
        .description(Some("What has gone wrong, for programs."))
        .into()
}
