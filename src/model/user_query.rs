//! The query parameters of lists of accounts.

use std::str::FromStr;

use utoipa::PartialSchema;

use super::json_fields::Fields;
use super::json_schema::Schema;
use super::page::PageSize;
use super::role::Role;
use super::search_text::SearchText;

/// The query of a list of accounts: filter and page size. A filter that is `None` matches every account.
#[derive(Debug, Default)]
pub struct UserQuery {
    /// Accounts with this role.
    pub role: Option<Role>,
    /// Accounts that are approved, or those that are not.
    pub approved: Option<bool>,
    /// Accounts whose username or e-mail address contains this text.
    pub q: Option<SearchText>,
    /// The maximum number of accounts in a page.
    pub page_size: PageSize,
}

impl UserQuery {
    /// Reads `role`, `approved`, `q` and `limit`.
    pub fn from_query(query: &mut Fields<String>) -> UserQuery {
        UserQuery {
            role: query.parameter("role"),
            approved: query
                .parameter("approved")
                .map(|BooleanParameter(approved)| approved),
            q: query.parameter("q"),
            page_size: query.parameter("limit").unwrap_or_default(),
        }
    }
}

/// `true` or `false` as a query parameter. The parser of `bool` has another error text than the API.
struct BooleanParameter(bool);

impl PartialSchema for BooleanParameter {
    fn schema() -> Schema {
        bool::schema()
    }
}

impl FromStr for BooleanParameter {
    type Err = String;

    fn from_str(text: &str) -> Result<BooleanParameter, String> {
        text.parse()
            .map(BooleanParameter)
            .map_err(|_| "must be true or false".to_owned())
    }
}
