//! The route table: every endpoint, who may call it, its handler, and its description. [`ROUTES`] is at the
//! end of the file; the types before it make a wrong line fail to compile.

use crate::app::App;
use crate::concurrency::Work;
use crate::error::Error;
use crate::handlers::auth::SignInResult;
use crate::handlers::{
    api_tokens, audit, auth, health, hello, invitations, me, metrics, password_resets, sessions,
    sign_up, static_files, task_history, tasks, users,
};
use crate::http::rate_limit::Limit;
use crate::http::request::RequestContext;
use crate::http::response::HandlerResult;
use crate::model::{
    Admin, AdminInSession, Approved, Id, InSession, Manager, RefreshToken, SessionId, SignedIn,
};
use crate::openapi::operation_builder::Operation;
use crate::openapi::{self, Caller, Endpoint, operations};

use super::path_params::PathParams;
use Access::{
    AdminInSessionOnly, AdminOnly, Anyone, ApprovedOnly, InSessionOnly, ManagerOrAdmin, Refresh,
    SignIn, SignOut, SignedInOnly,
};
use Handler::{Plain, WithId, WithSessionId};
use RouteWork::{Hash, List, Memory, Read, Write};

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The method. GET includes HEAD.
    pub method: &'static str,
    /// The path, in which `{id}` or `{file}` matches any one segment.
    pub path: &'static str,
    /// What kind of work a request is.
    pub work: RouteWork,
    /// Who may call the handler, and the handler.
    pub access: Access,
    /// Describes the endpoint for the OpenAPI document.
    pub describe: fn() -> Operation,
}

/// The kind of work of a route's requests; [`Work`] says what each costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteWork {
    /// What is in memory.
    Memory,
    /// A quick read.
    Read,
    /// A list: a search if the query has a filter that no index answers, otherwise a quick read.
    List,
    /// A password hash, before a write.
    Hash,
    /// A write.
    Write,
}

impl RouteWork {
    /// The kind of work of a request with this query string. Looks at names of parameters only: the handler
    /// validates the query.
    pub fn of_request(self, query: &str) -> Work {
        let is_search = || {
            let mut names = query.split('&').filter_map(|pair| pair.split('=').next());
            names.any(|name| !INDEXED_PARAMETERS.contains(&name))
        };
        match self {
            Memory => Work::Memory,
            Read => Work::QuickRead,
            List if is_search() => Work::Search,
            List => Work::QuickRead,
            Hash => Work::PasswordHash,
            Write => Work::Write,
        }
    }

    /// Whether a request may write to the database.
    fn writes(self) -> bool {
        matches!(self, Hash | Write)
    }

    /// Whether a request can fail since the database is not available: with PostgreSQL also one that reads.
    fn can_lose_storage(self) -> bool {
        self.writes() || cfg!(feature = "postgres") && self != Memory
    }
}

/// The parameters of lists that indexes answer for every role: with these alone, a page looks only at the rows
/// that it shows. Names in another spelling, such as `%71` for `q`, are not in this list, so the request counts as
/// a search.
const INDEXED_PARAMETERS: [&str; 8] = [
    "",
    "limit",
    "cursor",
    "sort",
    "assigned_user_id",
    "role",
    "approved",
    "expand",
];

/// The access level of a route: who may call it. The type of the handler's caller argument proves it: a
/// handler that takes an `&Admin` fits only [`Access::AdminOnly`].
#[derive(Debug, Clone, Copy)]
pub enum Access {
    /// Every client.
    Anyone(fn(&App, &RequestContext) -> HandlerResult),
    /// Every client; the handler authenticates by password and returns the account.
    SignIn(fn(&App, &RequestContext) -> SignInResult),
    /// Clients with a refresh token, and pages of this server with the refresh cookie.
    Refresh(fn(&App, &RequestContext, &RefreshToken) -> HandlerResult),
    /// Clients with an access token or a token for scripts.
    SignedInOnly(Handler<SignedIn>),
    /// Clients with an access token, but not with a token for scripts. These routes are for the sessions, tokens and
    /// password of the caller's own account, and have a [rate limit](Limit::OwnSessions) of their own.
    InSessionOnly(Handler<InSession>),
    /// As [`Access::InSessionOnly`], and pages of this server with the refresh cookie: their access token may have
    /// expired.
    SignOut(fn(&App, &RequestContext, &InSession) -> HandlerResult),
    /// Accounts that an admin has approved.
    ApprovedOnly(Handler<Approved>),
    /// Approved managers and admins.
    ManagerOrAdmin(Handler<Manager>),
    /// Approved admins.
    AdminOnly(Handler<Admin>),
    /// Approved admins, but not with a token for scripts.
    AdminInSessionOnly(Handler<AdminInSession>),
}

/// A handler for a caller of type `C`. A handler that needs the `{id}` of the path takes it as an argument.
/// [`route`] checks at compile time that the path of such a handler has an `{id}`.
#[derive(Debug)]
pub enum Handler<C> {
    /// For a path without `{id}`.
    Plain(fn(&App, &RequestContext, &C) -> HandlerResult),
    /// For a path whose `{id}` is that of a row: an account, a task, a token for scripts or an invitation.
    WithId(fn(&App, &RequestContext, &C, Id) -> HandlerResult),
    /// For a path whose `{id}` is a session's.
    WithSessionId(fn(&App, &RequestContext, &C, SessionId) -> HandlerResult),
}

// `derive` would implement these only where `C` has them too, which function pointers do not need.
impl<C> Clone for Handler<C> {
    fn clone(&self) -> Handler<C> {
        *self
    }
}

impl<C> Copy for Handler<C> {}

impl<C> Handler<C> {
    /// Calls the handler.
    ///
    /// # Errors
    /// [`NotFound`](crate::error::Error::NotFound) if `{id}` is not an id, and those of the handler.
    pub fn call(
        self,
        app: &App,
        context: &RequestContext,
        caller: &C,
        params: &PathParams,
    ) -> HandlerResult {
        match self {
            Plain(handler) => handler(app, context, caller),
            WithId(handler) => handler(app, context, caller, params.id()?),
            WithSessionId(handler) => handler(app, context, caller, params.id()?),
        }
    }

    const fn takes_id(self) -> bool {
        !matches!(self, Plain(_))
    }
}

impl Access {
    const fn takes_id(self) -> bool {
        match self {
            Anyone(_) | SignIn(_) | Refresh(_) | SignOut(_) => false,
            SignedInOnly(handler) => handler.takes_id(),
            ApprovedOnly(handler) => handler.takes_id(),
            ManagerOrAdmin(handler) => handler.takes_id(),
            AdminOnly(handler) => handler.takes_id(),
            InSessionOnly(handler) => handler.takes_id(),
            AdminInSessionOnly(handler) => handler.takes_id(),
        }
    }

    /// The limit that counts the requests of signed-in callers.
    pub fn rate_limit(self) -> Limit {
        match self {
            InSessionOnly(_) | SignOut(_) => Limit::OwnSessions,
            _ => Limit::Requests,
        }
    }

    /// The kind of caller, as the OpenAPI document describes it.
    fn caller(self) -> Caller {
        match self {
            Anyone(_) | SignIn(_) => Caller::Anyone,
            Refresh(_) => Caller::RefreshToken,
            SignedInOnly(_) => Caller::SignedIn,
            ApprovedOnly(_) => Caller::Approved,
            ManagerOrAdmin(_) => Caller::ManagerOrAdmin,
            AdminOnly(_) => Caller::Admin,
            InSessionOnly(_) => Caller::InSession,
            SignOut(_) => Caller::InSessionOrOwnPage,
            AdminInSessionOnly(_) => Caller::AdminInSession,
        }
    }
}

impl Route {
    /// This route as the OpenAPI document describes it.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            method: self.method,
            path: self.path,
            caller: self.access.caller(),
            can_lose_storage: self.work.can_lose_storage(),
            describe: self.describe,
        }
    }
}

/// Creates a line of the table. The program does not compile if a path has an `{id}` that its handler does
/// not take, or if a handler takes an id that its path does not have.
const fn route(
    method: &'static str,
    path: &'static str,
    work: RouteWork,
    access: Access,
    describe: fn() -> Operation,
) -> Route {
    assert!(
        has_id(path) == access.takes_id(),
        "a path has {{id}} if and only if its handler takes one"
    );
    Route {
        method,
        path,
        work,
        access,
        describe,
    }
}

/// Whether the path contains `{id}`. Compares bytes, since `str::contains` is not `const`.
const fn has_id(path: &str) -> bool {
    let bytes = path.as_bytes();
    let mut at = 0;
    while at + 3 < bytes.len() {
        if matches!(
            (bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]),
            (b'{', b'i', b'd', b'}')
        ) {
            return true;
        }
        at += 1;
    }
    false
}

/// The OpenAPI document of the whole API, as JSON. A proxy serves the API below `path_prefix`, which is empty or such as
/// `/todo`.
///
/// # Errors
/// [`Error::Internal`].
pub fn openapi_json(path_prefix: &str) -> Result<String, Error> {
    openapi::to_json(ROUTES.iter().map(Route::endpoint), path_prefix)
}

/// The route table: the whole API, one line for each endpoint.
#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    route("POST", "/signup", Hash, Anyone(sign_up::sign_up), operations::sign_up),
    route("POST", "/login", Hash, SignIn(auth::log_in), operations::log_in),
    route("POST", "/password-reset", Hash, Anyone(password_resets::reset), operations::reset_password),
    route("POST", "/refresh", Write, Refresh(auth::refresh), operations::refresh),
    route("POST", "/logout", Write, SignOut(auth::log_out), operations::log_out),
    route("GET", "/hello", Read, SignedInOnly(Plain(hello::greet)), operations::hello),
    route("GET", "/me", Read, SignedInOnly(Plain(me::show)), operations::show_me),
    route("PATCH", "/me", Hash, InSessionOnly(Plain(me::update)), operations::update_me),
    route("GET", "/me/sessions", Read, InSessionOnly(Plain(sessions::list)), operations::list_sessions),
    route("POST", "/me/sessions/revoke-all", Write, InSessionOnly(Plain(sessions::end_all)), operations::end_sessions),
    route("DELETE", "/me/sessions/{id}", Write, InSessionOnly(WithSessionId(sessions::end)), operations::end_session),
    route("GET", "/me/tokens", Read, InSessionOnly(Plain(api_tokens::list)), operations::list_api_tokens),
    route("POST", "/me/tokens", Hash, InSessionOnly(Plain(api_tokens::create)), operations::create_api_token),
    route("DELETE", "/me/tokens/{id}", Write, InSessionOnly(WithId(api_tokens::revoke)), operations::revoke_api_token),
    route("GET", "/users", List, ManagerOrAdmin(Plain(users::list)), operations::list_users),
    route("GET", "/users/{id}", Read, ManagerOrAdmin(WithId(users::show)), operations::show_user),
    route("PATCH", "/users/{id}", Write, AdminOnly(WithId(users::update)), operations::update_user),
    route("DELETE", "/users/{id}", Write, AdminOnly(WithId(users::delete)), operations::delete_user),
    route("DELETE", "/users/{id}/sessions", Write, AdminOnly(WithId(users::end_sessions)), operations::end_sessions_of_user),
    route("POST", "/users/{id}/password-reset", Write, AdminInSessionOnly(WithId(password_resets::create)), operations::make_reset_link),
    route("GET", "/invitations", Read, AdminInSessionOnly(Plain(invitations::list)), operations::list_invitations),
    route("POST", "/invitations", Write, AdminInSessionOnly(Plain(invitations::create)), operations::make_invitation),
    route("DELETE", "/invitations/{id}", Write, AdminInSessionOnly(WithId(invitations::withdraw)), operations::withdraw_invitation),
    route("GET", "/tasks", List, ApprovedOnly(Plain(tasks::list)), operations::list_tasks),
    route("GET", "/tasks/summary", Read, ApprovedOnly(Plain(tasks::summary)), operations::summarize_tasks),
    route("POST", "/tasks", Write, ManagerOrAdmin(Plain(tasks::create)), operations::create_task),
    route("GET", "/tasks/{id}", Read, ApprovedOnly(WithId(tasks::show)), operations::show_task),
    route("GET", "/tasks/{id}/history", Read, ApprovedOnly(WithId(task_history::list)), operations::list_task_history),
    route("PATCH", "/tasks/{id}", Write, ApprovedOnly(WithId(tasks::update)), operations::update_task),
    route("DELETE", "/tasks/{id}", Write, ManagerOrAdmin(WithId(tasks::delete)), operations::delete_task),
    route("GET", "/audit", List, AdminOnly(Plain(audit::list)), operations::list_audit),
    route("GET", "/healthz", Memory, Anyone(health::alive), operations::alive),
    route("GET", "/readyz", Read, Anyone(health::ready), operations::ready),
    route("GET", "/metrics", Read, Anyone(metrics::show), operations::metrics),
    route("GET", "/openapi.json", Memory, Anyone(static_files::show), operations::openapi),
    #[cfg(feature = "docs")]
    route("GET", "/docs", Memory, Anyone(static_files::show), operations::docs),
    #[cfg(feature = "docs")]
    route("GET", "/docs/{file}", Memory, Anyone(static_files::show), operations::docs_file),
    #[cfg(feature = "board")]
    route("GET", "/", Memory, Anyone(static_files::show), operations::board),
    #[cfg(feature = "board")]
    route("GET", "/board/{file}", Memory, Anyone(static_files::show), operations::board_file),
];
