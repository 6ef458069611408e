//! Who may call an endpoint, in the OpenAPI document: the sentence about access, the security requirement, and the
//! error responses that follow from it.

use utoipa::openapi::SecurityRequirement;

use super::operation_builder::{Operation, too_many_requests, unauthenticated};
use crate::error::Error;

/// The security scheme of the routes that need a signed-in account.
pub const ACCESS_TOKEN: &str = "accessToken";
/// The security scheme of `POST /refresh`.
pub const REFRESH_TOKEN: &str = "refreshToken";

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

/// Adds what follows from the access level: the first sentence of the description, the security requirement, and
/// the errors.
pub fn add_access(operation: &mut Operation, caller: Caller) {
    operation.description = format!("{} {}", caller.sentence(), operation.description);
    operation.security = caller.security();
    operation.errors.extend(caller.errors());
}
