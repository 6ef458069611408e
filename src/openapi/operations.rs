//! The OpenAPI operation of each endpoint: one function for each line of the route table. It describes the
//! handler: parameters, request body, responses, and an example of each. The schemas come from the types and
//! reader functions that the handlers use.

use serde_json::json;

use super::operation_builder::Operation;
use super::tags::{ME, OPERATION, PAGES, SIGN_IN, TASKS, USERS};
use crate::error::{Error, StorageError, StorageFault};
use crate::handlers::auth::{SignInResponse, TokenResponse};
use crate::handlers::health::Health;
use crate::handlers::hello::Greeting;
#[cfg(any(feature = "board", feature = "docs"))]
use crate::http::embedded_files;
use crate::metrics::exposition::MEDIA_TYPE;
use crate::model::{
    AccountName, Action, ApiToken, ApiTokenSecret, AuditEntry, AuditQuery, CreatedApiToken,
    Credentials, Expand, HistoryEntry, HistoryQuery, Id, Invitation, Invitations, LinkToken,
    MadeInvitation, MadePasswordReset, NewApiToken, NewInvitation, NewTask, NewUser, OpenEnum,
    OwnApiTokens, OwnSession, OwnSessions, PasswordReset, ProfilePatch, Role, Session, SessionId,
    Status, StatusCounts, Task, TaskAction, TaskField, TaskPatch, TaskQuery, TaskSummary,
    Timestamp, TokenScope, User, UserPatch, UserQuery,
};
use crate::store::{api_tokens, invitations, sessions};

/// `POST /signup`
pub fn sign_up() -> Operation {
    Operation::new("signUp", SIGN_IN, "Creates an account")
        .description(
            "The account has the role `employee` and waits for an admin's approval. Until then it can sign \
             in, but it cannot see tasks. With an `invitation`, the token of one, it is approved at once and has \
             the role of the invitation, which is used up. The server's setting SIGNUPS=closed requires one.",
        )
        .json_body(
            NewUser::from_fields,
            json!({ "username": "ada", "email": "ada@example.com", "password": "correct horse" }),
        )
        .responds(201, "The new account", &ada())
        .response_header("ETag")
        .idempotency_key()
        .rate_limited()
        .error(Error::TooManyPendingAccounts)
        .error(Error::AccountExists)
        .error(Error::SignUpsClosed)
        .error(Error::LinkUsedOrExpired)
}

/// `POST /password-reset`
pub fn reset_password() -> Operation {
    Operation::new("resetPassword", SIGN_IN, "Sets a new password with a reset link")
        .description(
            "The link is used up. All sessions and tokens of its account end. It does not sign in and approves \
             nothing.",
        )
        .json_body(
            PasswordReset::from_fields,
            json!({ "token": LINK_TOKEN, "password": "battery staple" }),
        )
        .responds_204("The account has the new password")
        .rate_limited()
        .error(Error::LinkUsedOrExpired)
}

/// `POST /login`
pub fn log_in() -> Operation {
    Operation::new("logIn", SIGN_IN, "Signs in")
        .description(
            "Starts a session and returns its tokens. Send `token` as `Authorization: Bearer <token>`. Keep \
             `refresh_token` for POST /refresh, and `device_token` for the next POST /login. A sign-in with a valid \
             device token has its own rate limit, so guesses from the same network do not use it up. Any \
             `device_token` that is not valid for the account is ignored.",
        )
        .json_body(
            Credentials::from_fields,
            json!({ "email": "ada@example.com", "password": "correct horse" }),
        )
        .responds(200, "The tokens of the new session", &signed_in())
        .refresh_cookie()
        .rate_limited()
        .error(Error::WrongEmailOrPassword)
}

/// `POST /refresh`
pub fn refresh() -> Operation {
    Operation::new("refresh", SIGN_IN, "Exchanges a refresh token for new tokens")
        .description(
            "Refresh token rotation: each refresh token is valid for one exchange. For ten seconds (from the cookie: 120) \
             it can be sent again and returns the same next refresh token. After that, a second use counts as \
             theft and ends the session. A page of this server sends `Refresh-Cookie` in place of `Authorization`, and \
             keeps its refresh token for at least 120 seconds; a 401 deletes its cookie.",
        )
        .responds_204("The request has `Refresh-Cookie` and no cookie: the page is not signed in")
        .responds(200, "New tokens for the same session", &tokens())
        .refresh_cookie()
}

/// `POST /logout`
pub fn log_out() -> Operation {
    Operation::new("logOut", SIGN_IN, "Signs out")
        .description(
            "Ends the session. Its access tokens and its refresh token stop working at once. A page of this server that \
             sends `Refresh-Cookie` can sign out without a valid access token. Its cookie is deleted, with 204 and with \
             401.",
        )
        .responds_204("The session has ended")
        .refresh_cookie()
}

/// `GET /hello`
pub fn hello() -> Operation {
    Operation::new("hello", SIGN_IN, "Returns the tutorial's greeting").responds(
        200,
        "A greeting with the username",
        &Greeting::new("ada"),
    )
}

/// `GET /me`
pub fn show_me() -> Operation {
    Operation::new("showMe", ME, "Returns the current user's account")
        .responds(200, "The account", &ada())
        .conditional_get()
}

/// `PATCH /me`
pub fn update_me() -> Operation {
    Operation::new(
        "updateMe",
        ME,
        "Changes the current user's e-mail address or password",
    )
    .description(
        "Needs the current password. A new password ends all other sessions of the account.",
    )
    .json_body(
        |fields| ProfilePatch::from_fields(fields, &ada()),
        json!({ "current_password": "correct horse", "password": "battery staple" }),
    )
    .responds(200, "The account after the change", &ada())
    .response_header("ETag")
    .preconditions()
    .error(Error::WrongPassword)
    .error(Error::AccountExists)
    // If the account is deleted after the request was authenticated.
    .error(Error::NotFound)
}

/// `GET /me/sessions`
pub fn list_sessions() -> Operation {
    let sessions = OwnSessions {
        items: vec![OwnSession {
            session: session(),
            current: true,
        }],
    };
    Operation::new("listSessions", ME, "Lists the current user's sessions")
        .description(&format!(
            "Each sign-in starts a session. An account has at most {}; a new one replaces the one that \
             has been unused longest.",
            sessions::MAX_PER_ACCOUNT
        ))
        .responds(200, "All sessions of the account", &sessions)
}

/// `POST /me/sessions/revoke-all`
pub fn end_sessions() -> Operation {
    Operation::new("endSessions", ME, "Ends all sessions of the current user")
        .responds_204("All sessions have ended, including the one of this request")
}

/// `DELETE /me/sessions/{id}`
pub fn end_session() -> Operation {
    Operation::new("endSession", ME, "Ends a session of the current user")
        .path_id::<SessionId>("The session's id")
        .responds_204("The session has ended")
}

/// `GET /me/tokens`
pub fn list_api_tokens() -> Operation {
    let tokens = OwnApiTokens {
        items: vec![api_token()],
    };
    Operation::new(
        "listApiTokens",
        ME,
        "Lists the current user's tokens for scripts",
    )
    .description("Without their secrets, the oldest first.")
    .responds(
        200,
        "All tokens of the account that have not expired",
        &tokens,
    )
}

/// `POST /me/tokens`
pub fn create_api_token() -> Operation {
    let created = CreatedApiToken {
        api_token: api_token(),
        token: ApiTokenSecret::example(),
    };
    Operation::new("createApiToken", ME, "Creates a token for scripts")
        .description(&format!(
            "Needs the current password. `token` is in this response only. Send it as `Authorization: Bearer \
             <token>`; it has the rights of its owner at that moment. The scope `read` permits GET and HEAD only. No \
             scope permits routes that need a session. An account has at most {}. A new password revokes them all.",
            api_tokens::MAX_PER_ACCOUNT
        ))
        .json_body(
            NewApiToken::from_fields,
            json!({
                "name": "nightly report",
                "scope": "read",
                "expires_in": 90 * 86_400,
                "current_password": "correct horse",
            }),
        )
        .responds(201, "The new token", &created)
        .error(Error::WrongPassword)
        .error(Error::TooManyTokens(api_tokens::MAX_PER_ACCOUNT))
}

/// `DELETE /me/tokens/{id}`
pub fn revoke_api_token() -> Operation {
    Operation::new(
        "revokeApiToken",
        ME,
        "Revokes a token for scripts of the current user",
    )
    .path_id::<Id>("The token's id")
    .parameter_example(1)
    .responds_204("The token has been revoked")
}

/// `GET /users`
pub fn list_users() -> Operation {
    Operation::new("listUsers", USERS, "Lists accounts")
        .responds_with_page(UserQuery::from_query, &ada())
}

/// `GET /users/{id}`
pub fn show_user() -> Operation {
    Operation::new("showUser", USERS, "Returns an account")
        .path_id::<Id>("The account's id")
        .parameter_example(OTHER_ACCOUNT)
        .responds(200, "The account", &ada())
        .conditional_get()
}

/// `PATCH /users/{id}`
pub fn update_user() -> Operation {
    Operation::new("updateUser", USERS, "Changes an account's role or approval")
        .description(
            "The change takes effect with the account's next request. A withdrawn approval ends all sessions of the \
             account, and revokes its tokens for scripts.",
        )
        .path_id::<Id>("The account's id")
        .parameter_example(OTHER_ACCOUNT)
        .json_body(
            UserPatch::from_fields,
            json!({ "role": "manager", "is_approved": true }),
        )
        .responds(200, "The account after the change", &ada_as_manager())
        .response_header("ETag")
        .preconditions()
        .error(Error::LastAdmin)
}

/// `DELETE /users/{id}`
pub fn delete_user() -> Operation {
    Operation::new("deleteUser", USERS, "Deletes an account")
        .description("The account's sessions end. Its tasks stay, unassigned.")
        .path_id::<Id>("The account's id")
        .parameter_example(OTHER_ACCOUNT)
        .responds_204("The account has been deleted")
        .preconditions()
        .error(Error::LastAdmin)
}

/// `POST /users/{id}/password-reset`
pub fn make_reset_link() -> Operation {
    let made = MadePasswordReset::new(
        &ada(),
        moment(),
        moment().plus_seconds(86_400),
        link_token(),
    );
    Operation::new("makeResetLink", USERS, "Makes a reset link")
        .description(
            "A one-time link that sets a new password. Give the owner of the account the link `/#reset=TOKEN` with \
             the `token`, which no later response shows. It replaces an earlier link of the account.",
        )
        .path_id::<Id>("The account's id")
        .parameter_example(OTHER_ACCOUNT)
        .responds(201, "The link", &made)
        .preconditions()
}

/// `GET /invitations`
pub fn list_invitations() -> Operation {
    let open = Invitations {
        items: vec![invitation()],
    };
    Operation::new("listInvitations", USERS, "Lists the open invitations")
        .description(&format!("At most {} are open.", invitations::MAX_OPEN))
        .responds(200, "The invitations that can still be used", &open)
}

/// `POST /invitations`
pub fn make_invitation() -> Operation {
    let made = MadeInvitation {
        invitation: invitation(),
        token: link_token(),
    };
    Operation::new("makeInvitation", USERS, "Makes an invitation")
        .description(
            "Give the person the link `/#invitation=TOKEN` with the `token`, which no later response shows. It \
             creates one approved account with that `role`. With an `email`, only that address can use it.",
        )
        .json_body(
            NewInvitation::from_fields,
            json!({ "role": "manager", "email": "ada@example.com" }),
        )
        .responds(201, "The invitation and its token", &made)
        .error(Error::TooManyInvitations(invitations::MAX_OPEN))
}

/// `DELETE /invitations/{id}`
pub fn withdraw_invitation() -> Operation {
    Operation::new("withdrawInvitation", USERS, "Withdraws an invitation")
        .path_id::<Id>("The invitation's id")
        .parameter_example(1)
        .responds_204("The invitation can no longer be used")
}

/// `DELETE /users/{id}/sessions`
pub fn end_sessions_of_user() -> Operation {
    Operation::new(
        "endSessionsOfUser",
        USERS,
        "Signs an account out everywhere",
    )
    .description("Ends all sessions of the account, and revokes its tokens for scripts.")
    .path_id::<Id>("The account's id")
    .parameter_example(OTHER_ACCOUNT)
    .responds_204("The account is signed out")
    .preconditions()
}

/// `GET /tasks`
pub fn list_tasks() -> Operation {
    Operation::new("listTasks", TASKS, "Lists tasks")
        .description(
            "Managers and admins see every task, employees the tasks assigned to them. The entity tag is weak and valid \
             for half a minute to a minute: a request with it in `If-None-Match` costs little, so a page may ask \
             every few seconds.",
        )
        .responds_with_page(|query| TaskQuery::from_query(query, &ada()), &task())
        .conditional_get()
}

/// `GET /tasks/summary`
pub fn summarize_tasks() -> Operation {
    let summary = TaskSummary {
        by_status: StatusCounts {
            pending: 213,
            in_progress: 7,
            completed: 1024,
            unknown: 0,
        },
        overdue: 3,
        mine: 5,
        limit: TaskSummary::LIMIT,
    };
    Operation::new("summarizeTasks", TASKS, "Counts tasks")
        .description(
            "Counts the tasks that the caller may see. Its entity tag changes with each change of any task, and expires \
             after half a minute to a minute. So a page that asks for it with `If-None-Match` learns when its lists are \
             out of date.",
        )
        .responds(200, "The numbers of tasks", &summary)
        .conditional_get()
}

/// `GET /tasks/{id}/history`
pub fn list_task_history() -> Operation {
    let entry = HistoryEntry {
        id: Id::FIRST,
        at: Some(moment()),
        action: TaskAction::Changed,
        changed: vec![TaskField::Status, TaskField::AssignedUserId],
        status: Some(Status::InProgress),
        assignee: Some(AccountName {
            id: Id::FIRST,
            username: "ada".to_owned(),
        }),
        actor: Some(AccountName {
            id: Id::FIRST,
            username: "ada".to_owned(),
        }),
        actor_role: Some(Role::Manager),
    };
    Operation::new("listTaskHistory", TASKS, "Lists the history of a task")
        .description(
            "Who created, moved, assigned or changed the task, and when; the newest entry comes first. Accounts that may \
             see the task may see its history; an employee does not see other employees in it. Entries are kept for a \
             year, or for the time of the server's setting HISTORY_KEEP.",
        )
        .path_id::<Id>("The task's id")
        .responds_with_page(HistoryQuery::from_query, &entry)
}

/// `POST /tasks`
pub fn create_task() -> Operation {
    Operation::new("createTask", TASKS, "Creates a task")
        .description(
            "`status` is `pending` unless the request says otherwise. If `assigned_user_id` is not the id \
             of an account, the response is 422.",
        )
        .json_body(
            NewTask::from_fields,
            json!({ "title": "water the plants", "deadline": "2026-11-30T18:00:00Z" }),
        )
        .responds(201, "The new task", &task())
        .response_header("ETag")
        .response_header("Location")
        .idempotency_key()
}

/// `GET /tasks/{id}`
pub fn show_task() -> Operation {
    Operation::new("showTask", TASKS, "Returns a task")
        .description(
            "For an employee, a task that is not assigned to them is 404. `ETag` is the version of the task, with and \
             without `expand`.",
        )
        .path_id::<Id>("The task's id")
        .parameter_example(1)
        .query(Expand::from_query)
        .responds(200, "The task", &task())
        .conditional_get()
}

/// `PATCH /tasks/{id}`
pub fn update_task() -> Operation {
    Operation::new("updateTask", TASKS, "Changes a task")
        .description(
            "Changes only the fields that the body contains; `null` clears `description`, `deadline` or \
             `assigned_user_id`. An employee may change only `status`, and only of tasks assigned to them. \
             If `assigned_user_id` is not the id of an account, the response is 422.",
        )
        .path_id::<Id>("The task's id")
        .parameter_example(1)
        .json_body(TaskPatch::from_fields, json!({ "status": "in_progress" }))
        .responds(200, "The task after the change", &task())
        .response_header("ETag")
        .preconditions()
        .error(Error::StatusOnly)
        // If the caller's role changes after the request was authenticated.
        .error(Error::InsufficientRole)
}

/// `DELETE /tasks/{id}`
pub fn delete_task() -> Operation {
    Operation::new("deleteTask", TASKS, "Deletes a task")
        .path_id::<Id>("The task's id")
        .parameter_example(1)
        .responds_204("The task has been deleted")
        .preconditions()
}

/// `GET /audit`
pub fn list_audit() -> Operation {
    let entry = AuditEntry {
        id: Id::FIRST,
        at: Some(moment()),
        action: OpenEnum::Known(Action::SignUp),
        actor_id: None,
        actor: None,
        subject_id: Some(1),
        subject: Some("ada".to_owned()),
        address: Some("127.0.0.1".to_owned()),
        detail: None,
        request_id: Some("1de0f4b1-6c51-4662-8c06-42b17b9306cb".to_owned()),
        os_user: None,
    };
    Operation::new("listAudit", USERS, "Lists the audit log")
        .description(
            "The newest entry comes first. Entries are never changed. They are kept for ever, or for the time of the \
             server's setting AUDIT_KEEP.",
        )
        .responds_with_page(AuditQuery::from_query, &entry)
}

/// `GET /healthz`
pub fn alive() -> Operation {
    Operation::new("alive", OPERATION, "Liveness check")
        .description("Responds as long as the process runs.")
        .responds(200, "The process responds", &Health::ALIVE)
}

/// `GET /readyz`
pub fn ready() -> Operation {
    Operation::new("ready", OPERATION, "Readiness check")
        .description(
            "Responds with 200 only if the database can be read and written too, and its file is the right one. \
             Otherwise `msg` says why.",
        )
        .error(Error::StorageUnavailable(StorageError::new(StorageFault::Full, "")))
        .responds(200, "The server can do all its work", &Health::READY)
}

/// `GET /metrics`
pub fn metrics() -> Operation {
    Operation::new("metrics", OPERATION, "Returns metrics for Prometheus")
        .description(
            "If the server's setting METRICS_TOKEN is set, clients that send it as a bearer token may call \
             it. Otherwise only clients on the server's machine and its trusted proxies may; others get 404.",
        )
        .responds_with_file("Metrics in Prometheus' text format", &[MEDIA_TYPE])
        .metrics_token()
}

/// `GET /openapi.json`
pub fn openapi() -> Operation {
    Operation::new("openapi", PAGES, "Returns this OpenAPI document")
        .responds_with_document("An OpenAPI 3.1 document")
        .conditional_get()
}

/// `GET /docs`
#[cfg(feature = "docs")]
pub fn docs() -> Operation {
    Operation::new("docs", PAGES, "Returns the documentation page")
        .responds_with_file("An HTML page", &["text/html"])
        .conditional_get()
}

/// `GET /docs/{file}`
#[cfg(feature = "docs")]
pub fn docs_file() -> Operation {
    file(
        "docsFile",
        "Returns a file of the documentation page",
        "/docs/",
    )
}

/// `GET /`
#[cfg(feature = "board")]
pub fn board() -> Operation {
    Operation::new("board", PAGES, "Returns the task board")
        .responds_with_file("An HTML page", &["text/html"])
        .conditional_get()
}

/// `GET /board/{file}`
#[cfg(feature = "board")]
pub fn board_file() -> Operation {
    file("boardFile", "Returns a file of the task board", "/board/")
}

#[cfg(any(feature = "board", feature = "docs"))]
fn file(id: &'static str, summary: &'static str, folder: &str) -> Operation {
    Operation::new(id, PAGES, summary)
        .path_file(embedded_files::names_in(folder))
        .responds_with_file(
            "The file",
            &["text/css", "text/javascript", "image/svg+xml"],
        )
        .conditional_get()
}

// The examples are those of the README: the account `ada` and its task.

/// 2026-11-23T08:29:56Z.
fn moment() -> Timestamp {
    Timestamp::EPOCH.plus_seconds(1_795_422_596)
}

/// The id of `ada` where the first account is that of an admin, who follows the examples in their order.
const OTHER_ACCOUNT: i64 = 2;

fn ada() -> User {
    User {
        id: Id::FIRST,
        username: "ada".to_owned(),
        email: "ada@example.com".to_owned(),
        role: OpenEnum::Known(Role::Employee),
        is_approved: false,
        created_at: Some(moment()),
    }
}

/// The same account after an admin has approved it as a manager.
fn ada_as_manager() -> User {
    User {
        role: OpenEnum::Known(Role::Manager),
        is_approved: true,
        ..ada()
    }
}

fn tokens() -> TokenResponse {
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQi...".to_owned();
    TokenResponse::new(token.clone(), token, 86_400, ada())
}

/// The token of a one-time link.
const LINK_TOKEN: &str = "N2ZkYjQ2Y2UtYjVkZi00ZTg1LWE0ZWMtMzU2NzI5YjQ";

fn link_token() -> LinkToken {
    let Ok(token) = LINK_TOKEN.parse();
    token
}

fn invitation() -> Invitation {
    Invitation {
        id: Id::FIRST,
        role: Role::Manager,
        email: Some("ada@example.com".to_owned()),
        created_at: moment(),
        expires_at: moment().plus_seconds(86_400),
        made_by: Some(Id::FIRST),
    }
}

fn signed_in() -> SignInResponse {
    SignInResponse {
        tokens: tokens(),
        device_token: "AZ9nJZ1J6EXyDxi1Zc0mR5kAAAAAaWSzQJd1...".to_owned(),
    }
}

fn session() -> Session {
    Session {
        id: SessionId::from(0x5eed_5eed_5eed_5eed),
        created_at: moment(),
        last_used_at: moment(),
        expires_at: moment().plus_seconds(30 * 86_400),
        address: "127.0.0.1".to_owned(),
        user_agent: Some("curl/8.5.0".to_owned()),
    }
}

fn api_token() -> ApiToken {
    ApiToken {
        id: Id::FIRST,
        name: "nightly report".to_owned(),
        scope: TokenScope::Read,
        created_at: moment(),
        expires_at: Some(moment().plus_seconds(90 * 86_400)),
        last_used_at: None,
    }
}

fn task() -> Task {
    Task {
        id: Id::FIRST,
        title: "water the plants".to_owned(),
        description: None,
        status: OpenEnum::Known(Status::InProgress),
        deadline: Some(Timestamp::EPOCH.plus_seconds(1_796_061_600)), // 2026-11-30T18:00:00Z
        created_at: Some(moment()),
        assigned_user_id: Some(Id::FIRST),
        assignee: None,
    }
}
