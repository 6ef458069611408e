//! The tags of the OpenAPI document: the groups in which the documentation page shows the endpoints.

pub const SIGN_IN: &str = "sign-in";
pub const ME: &str = "me";
pub const USERS: &str = "users";
pub const TASKS: &str = "tasks";
pub const OPERATION: &str = "operation";
pub const PAGES: &str = "pages";

/// The groups of operations and their descriptions.
pub const TAGS: &[(&str, &str)] = &[
    (SIGN_IN, "Sign-up, sign-in, token refresh and sign-out."),
    (ME, "The current user's account and sessions."),
    (
        USERS,
        "Accounts, invitations and the audit log, for managers and admins.",
    ),
    (TASKS, "Tasks, for approved accounts."),
    (OPERATION, "Health checks and metrics, for operators."),
    (PAGES, "Pages and files for browsers."),
];
