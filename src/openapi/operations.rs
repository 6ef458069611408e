//! What each route takes and answers, as far as its handler decides: a function for each line of the
//! router's table.

use serde_json::json;

use crate::error::Error;
use crate::handlers::auth::TokenResponse;
use crate::handlers::health::Health;
use crate::handlers::hello::Greeting;
use crate::handlers::sessions::{OwnSession, OwnSessions};
use crate::http::static_files;
use crate::metrics::exposition::MEDIA_TYPE;
use crate::model::{
    Action, AuditEntry, AuditFilter, Credentials, Id, NewTask, NewUser, OpenEnum, ProfilePatch,
    Role, Session, SessionId, Status, Task, TaskFilter, TaskPatch, Timestamp, User, UserFilter,
    UserPatch,
};
use crate::openapi::operation::Operation;

/// A chapter, and what it is about.
pub const TAGS: &[(&str, &str)] = &[
    (SIGN_IN, "Signing up, in and out."),
    (ME, "One's own account and its sessions."),
    (USERS, "Accounts, for managers and admins."),
    (TASKS, "Tasks, for approved accounts."),
    (OPERATION, "What runs the server asks."),
    (PAGES, "What a browser loads."),
];

const SIGN_IN: &str = "sign-in";
const ME: &str = "me";
const USERS: &str = "users";
const TASKS: &str = "tasks";
const OPERATION: &str = "operation";
const PAGES: &str = "pages";

/// `POST /signup`
pub fn sign_up() -> Operation {
    Operation::new("signUp", SIGN_IN, "Make an account")
        .description("It is an employee's and waits for an admin's approval.")
        .body(
            NewUser::from_fields,
            json!({ "username": "ada", "email": "ada@example.com", "password": "correct horse" }),
        )
        .responds(201, "The new account", &ada())
        .with_header("ETag")
        .with_retries()
        .with_limit()
        .error(Error::AccountExists)
}

/// `POST /login`
pub fn log_in() -> Operation {
    Operation::new("logIn", SIGN_IN, "Sign in")
        .description(
            "Begins a session. Send `token` as `Authorization: Bearer ...`; keep `refresh_token` for \
             POST /refresh.",
        )
        .body(
            Credentials::from_fields,
            json!({ "email": "ada@example.com", "password": "correct horse" }),
        )
        .responds(200, "The tokens of a new session", &tokens())
        .with_limit()
        .error(Error::WrongEmailOrPassword)
}

/// `POST /refresh`
pub fn refresh() -> Operation {
    Operation::new("refresh", SIGN_IN, "Exchange a refresh token")
        .description(
            "The refresh token is good for one exchange. Used again after ten seconds it is in two \
             hands, and its session ends.",
        )
        .responds(200, "The session's new tokens", &tokens())
}

/// `POST /logout`
pub fn log_out() -> Operation {
    Operation::new("logOut", SIGN_IN, "Sign out").responds_204("The session has ended")
}

/// `GET /hello`
pub fn hello() -> Operation {
    Operation::new("hello", SIGN_IN, "The tutorial's protected resource").responds(
        200,
        "A greeting",
        &Greeting::new("ada"),
    )
}

/// `GET /me`
pub fn show_me() -> Operation {
    Operation::new("showMe", ME, "Show one's own account")
        .responds(200, "The account", &ada())
        .with_version()
}

/// `PATCH /me`
pub fn update_me() -> Operation {
    Operation::new("updateMe", ME, "Change one's own e-mail or password")
        .description("A new password ends the account's other sessions.")
        .body(
            |fields| ProfilePatch::from_fields(fields, &ada()),
            json!({ "current_password": "correct horse", "password": "battery staple" }),
        )
        .responds(200, "The account as it is now", &ada())
        .with_header("ETag")
        .with_preconditions()
        .error(Error::WrongPassword)
        .error(Error::AccountExists)
        // It has been deleted since it was let in.
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
    Operation::new("listSessions", ME, "List one's own sessions")
        .description("Each begins with a sign-in. There are 100 at most.")
        .responds(200, "All of them", &sessions)
}

/// `POST /me/sessions/revoke-all`
pub fn end_sessions() -> Operation {
    Operation::new("endSessions", ME, "End all of one's own sessions")
        .responds_204("All sessions have ended, this one too")
}

/// `DELETE /me/sessions/{id}`
pub fn end_session() -> Operation {
    Operation::new("endSession", ME, "End one of one's own sessions")
        .path_id::<SessionId>("The session's id")
        .responds_204("The session has ended")
}

/// `GET /users`
pub fn list_users() -> Operation {
    Operation::new("listUsers", USERS, "List accounts").lists(UserFilter::from_query, &ada())
}

/// `GET /users/{id}`
pub fn show_user() -> Operation {
    Operation::new("showUser", USERS, "Show an account")
        .path_id::<Id>("The account's id")
        .responds(200, "The account", &ada())
        .with_version()
}

/// `PATCH /users/{id}`
pub fn update_user() -> Operation {
    Operation::new(
        "updateUser",
        USERS,
        "Change an account's role, or approve it",
    )
    .description("It counts from the account's next request on.")
    .path_id::<Id>("The account's id")
    .body(
        UserPatch::from_fields,
        json!({ "role": "manager", "is_approved": true }),
    )
    .responds(200, "The account as it is now", &ada_as_manager())
    .with_header("ETag")
    .with_preconditions()
    .error(Error::LastAdmin)
}

/// `DELETE /users/{id}`
pub fn delete_user() -> Operation {
    Operation::new("deleteUser", USERS, "Remove an account")
        .description("Its tasks stay, assigned to nobody.")
        .path_id::<Id>("The account's id")
        .responds_204("The account is gone")
        .with_preconditions()
        .error(Error::LastAdmin)
}

/// `GET /tasks`
pub fn list_tasks() -> Operation {
    Operation::new("listTasks", TASKS, "List tasks")
        .description("Managers and admins see all, an employee those assigned to them.")
        .lists(|query| TaskFilter::from_query(query, &ada()), &task())
}

/// `POST /tasks`
pub fn create_task() -> Operation {
    Operation::new("createTask", TASKS, "Make a task")
        .description(
            "`status` is `pending` unless it is given. An assignee who does not exist is 422.",
        )
        .body(
            NewTask::from_fields,
            json!({ "title": "water the plants", "deadline": "2026-11-30T18:00:00Z" }),
        )
        .responds(201, "The new task", &task())
        .with_header("ETag")
        .with_header("Location")
        .with_retries()
}

/// `GET /tasks/{id}`
pub fn show_task() -> Operation {
    Operation::new("showTask", TASKS, "Show a task")
        .description("A task that is not theirs does not exist for an employee.")
        .path_id::<Id>("The task's id")
        .responds(200, "The task", &task())
        .with_version()
}

/// `PATCH /tasks/{id}`
pub fn update_task() -> Operation {
    Operation::new("updateTask", TASKS, "Change a task")
        .description(
            "Changes the fields that are there; `null` clears one. An employee may change the `status` \
             of their own tasks alone. An assignee who does not exist is 422.",
        )
        .path_id::<Id>("The task's id")
        .body(TaskPatch::from_fields, json!({ "status": "in_progress" }))
        .responds(200, "The task as it is now", &task())
        .with_header("ETag")
        .with_preconditions()
        .error(Error::StatusOnly)
        // The role has been changed since it was let in.
        .error(Error::InsufficientRole)
}

/// `DELETE /tasks/{id}`
pub fn delete_task() -> Operation {
    Operation::new("deleteTask", TASKS, "Remove a task")
        .path_id::<Id>("The task's id")
        .responds_204("The task is gone")
        .with_preconditions()
}

/// `GET /audit`
pub fn list_audit() -> Operation {
    let row = AuditEntry {
        id: Id::FIRST,
        at: Some(moment()),
        action: OpenEnum::Known(Action::SignUp),
        actor_id: None,
        actor: None,
        subject_id: Some(1),
        subject: Some("ada".to_owned()),
        address: Some("127.0.0.1".to_owned()),
        detail: None,
    };
    Operation::new("listAudit", USERS, "List what was done to accounts")
        .description("The newest first.")
        .lists(AuditFilter::from_query, &row)
}

/// `GET /healthz`
pub fn alive() -> Operation {
    Operation::new("alive", OPERATION, "Whether the process answers").responds(
        200,
        "It does",
        &Health::ALIVE,
    )
}

/// `GET /readyz`
pub fn ready() -> Operation {
    Operation::new("ready", OPERATION, "Whether the database answers too").responds(
        200,
        "It does",
        &Health::READY,
    )
}

/// `GET /metrics`
pub fn metrics() -> Operation {
    Operation::new("metrics", OPERATION, "Numbers for Prometheus")
        .description(
            "With METRICS_TOKEN set, whoever has it may call it; else whoever asks from the same machine, and \
             to the others it does not exist.",
        )
        .responds_with_file("The numbers in Prometheus' text form", &[MEDIA_TYPE])
        .with_metrics_token()
}

/// `GET /openapi.json`
pub fn openapi() -> Operation {
    Operation::new("openapi", PAGES, "This description")
        .responds_with_document("The description in OpenAPI 3.1")
        .with_version()
}

/// `GET /docs`
pub fn docs() -> Operation {
    Operation::new("docs", PAGES, "The documentation as a page")
        .responds_with_file("The page", &["text/html"])
        .with_version()
}

/// `GET /docs/{file}`
pub fn docs_file() -> Operation {
    file("docsFile", "A file of the documentation page", "/docs/")
}

/// `GET /`
pub fn board() -> Operation {
    Operation::new("board", PAGES, "The task board as a page")
        .responds_with_file("The page", &["text/html"])
        .with_version()
}

/// `GET /board/{file}`
pub fn board_file() -> Operation {
    file("boardFile", "A file of the task board", "/board/")
}

fn file(id: &'static str, summary: &'static str, folder: &str) -> Operation {
    Operation::new(id, PAGES, summary)
        .path_file(static_files::names_in(folder))
        .responds_with_file(
            "The file",
            &["text/css", "text/javascript", "image/svg+xml"],
        )
        .with_version()
}

// The examples are those of the README: ada's account, and what she does with it.

fn moment() -> Timestamp {
    Timestamp::EPOCH.plus_seconds(1_795_422_596)
}

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

/// The same when an admin has let her in.
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

fn task() -> Task {
    Task {
        id: Id::FIRST,
        title: "water the plants".to_owned(),
        description: None,
        status: OpenEnum::Known(Status::InProgress),
        deadline: Some(Timestamp::EPOCH.plus_seconds(1_796_061_600)),
        created_at: Some(moment()),
        assigned_user_id: Some(Id::FIRST),
    }
}
