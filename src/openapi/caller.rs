//! Who may call an endpoint, in the OpenAPI document: the sentence about access, the security requirement, and the
//! error responses that follow from it.

use utoipa::openapi::SecurityRequirement;

use super::operation_builder::{Operation, too_many_requests, unauthenticated};
use crate::error::Error;
use crate::model::TokenScope;

/// The security scheme of the routes that need a signed-in account.
pub const ACCESS_TOKEN: &str = "accessToken";
/// The security scheme of the same routes, except those that need a session.
pub const API_TOKEN: &str = "apiToken";
/// The security scheme of `POST /refresh`.
pub const REFRESH_TOKEN: &str = "refreshToken";

/// The security scheme of what a page of this server calls with the refresh cookie.
pub const REFRESH_COOKIE: &str = "refreshCookie";

/// The access level of an endpoint: the callers that the router admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Every client, with or without a token.
    Anyone,
    /// Clients with a valid refresh token, and pages of this server.
    RefreshToken,
    /// Accounts with a valid access token or a token for scripts, approved or not.
    SignedIn,
    /// Accounts with a valid access token, approved or not.
    InSession,
    /// The same, and pages of this server with a valid refresh token in the cookie.
    InSessionOrOwnPage,
    /// Approved accounts of any role.
    Approved,
    /// Approved managers and admins.
    ManagerOrAdmin,
    /// Approved admins.
    Admin,
    /// Approved admins with a valid access token.
    AdminInSession,
}

impl Caller {
    /// The sentence about access, with which the description of the operation begins.
    fn sentence(self) -> &'static str {
        match self {
            Caller::Anyone => "Any client may call it.",
            Caller::RefreshToken => {
                "Needs a refresh token, sent as `Authorization: Bearer <refresh_token>` or, by a page of this server, \
                 in the refresh cookie."
            }
            Caller::SignedIn => "Any signed-in account may call it, approved or not.",
            Caller::InSession | Caller::InSessionOrOwnPage => {
                "Any signed-in account may call it, approved or not, but not with a token for scripts."
            }
            Caller::Approved => "Approved accounts may call it.",
            Caller::ManagerOrAdmin => "Approved managers and admins may call it.",
            Caller::Admin => "Approved admins may call it.",
            Caller::AdminInSession => {
                "Approved admins may call it, but not with a token for scripts."
            }
        }
    }

    /// The security requirements, of which a request needs any one: a scheme and its scopes, of which an account
    /// needs any one.
    fn security(self) -> Vec<SecurityRequirement> {
        const ANY_TOKEN: &[&str] = &[ACCESS_TOKEN, API_TOKEN];
        let (schemes, scopes): (_, &[&str]) = match self {
            Caller::Anyone => return Vec::new(),
            Caller::RefreshToken => (&[REFRESH_TOKEN, REFRESH_COOKIE][..], &[]),
            Caller::SignedIn => (ANY_TOKEN, &[]),
            Caller::InSession => (&[ACCESS_TOKEN][..], &[]),
            Caller::InSessionOrOwnPage => (&[ACCESS_TOKEN, REFRESH_COOKIE][..], &[]),
            Caller::Approved => (ANY_TOKEN, &["approved"]),
            Caller::ManagerOrAdmin => (ANY_TOKEN, &["manager", "admin"]),
            Caller::Admin => (ANY_TOKEN, &["admin"]),
            Caller::AdminInSession => (&[ACCESS_TOKEN][..], &["admin"]),
        };
        let requirement = |scheme: &&str| SecurityRequirement::new(*scheme, scopes.iter().copied());
        schemes.iter().map(requirement).collect()
    }

    /// Whether a token for scripts with the scope `full` is enough.
    fn accepts_api_token(self) -> bool {
        !matches!(
            self,
            Caller::InSession | Caller::InSessionOrOwnPage | Caller::AdminInSession
        )
    }

    fn needs_approval(self) -> bool {
        self.needs_role() || self == Caller::Approved
    }

    fn needs_role(self) -> bool {
        matches!(
            self,
            Caller::ManagerOrAdmin | Caller::Admin | Caller::AdminInSession
        )
    }

    /// The errors of authentication, rate limiting and authorization.
    fn errors(self, method: &str) -> Vec<Error> {
        if self == Caller::Anyone {
            return Vec::new();
        }
        let mut errors = Vec::from(unauthenticated());
        errors.push(too_many_requests());
        if self == Caller::RefreshToken {
            return errors;
        }
        if !self.accepts_api_token() || !TokenScope::Read.permits(method) {
            errors.push(Error::InsufficientScope);
        }
        if self.needs_approval() {
            errors.push(Error::AwaitingApproval);
        }
        if self.needs_role() {
            errors.push(Error::InsufficientRole);
        }
        errors
    }
}

/// Adds what follows from the access level: the first sentence of the description, the security requirement, and
/// the errors.
pub fn add_access(operation: &mut Operation, caller: Caller, method: &str) {
    operation.description = format!("{} {}", caller.sentence(), operation.description);
    operation.security = caller.security();
    operation.errors.extend(caller.errors(method));
}
