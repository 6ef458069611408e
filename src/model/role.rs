//! Roles: employee, manager and admin.

use serde::Serialize;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use utoipa::{PartialSchema, ToSchema};

use super::closed_enum::{self, must_be_one_of};
use super::json_schema::Schema;

/// The role of an account. Each role includes the rights of the roles before it.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
    Serialize,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[strum(parse_err_ty = String, parse_err_fn = must_be_one_of::<Role>)]
pub enum Role {
    /// May see the tasks assigned to the account and change their status.
    #[default]
    Employee,
    /// May see every account and every task, and create, change and delete tasks.
    Manager,
    /// May also change and delete accounts, and read the audit log.
    Admin,
}

impl Role {
    /// The text in the database, in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl PartialSchema for Role {
    fn schema() -> Schema {
        closed_enum::schema::<Role>()
    }
}

impl ToSchema for Role {}
