//! The progress of a task: pending, in progress, completed.

use serde::Serialize;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use utoipa::{PartialSchema, ToSchema};

use super::closed_enum::{self, must_be_one_of};
use super::json_schema::Schema;

/// The progress of a task.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
    Serialize,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[strum(parse_err_ty = String, parse_err_fn = must_be_one_of::<Status>)]
pub enum Status {
    /// Not started.
    #[default]
    Pending,
    /// Started.
    InProgress,
    /// Done.
    Completed,
}

impl Status {
    /// The text in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl PartialSchema for Status {
    fn schema() -> Schema {
        closed_enum::schema::<Status>()
    }
}

impl ToSchema for Status {}
