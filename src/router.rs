//! Which handler answers, and who may call it: one table.

use rouille::Response;

use crate::app::App;
use crate::bearer::{authenticate, refresh_token};
use crate::call::Call;
use crate::describe::Operation;
use crate::error::Error;
use crate::handlers::{assets, audit, health, me, metrics, session, tasks, users};
use crate::limits::Requester;
use crate::model::{Admin, Approved, Manager, RefreshToken, SignedIn};
use crate::operations;
use crate::reply::Reply;

use Access::{AdminOnly, Anyone, ApprovedOnly, ManagerOrAdmin, Refresh, SignedInOnly};

/// Who may call a handler, told by what it is given: a handler that takes an `&Admin` fits no other
/// line of the table than [`Access::AdminOnly`].
#[derive(Debug, Clone, Copy)]
pub enum Access {
    /// Everybody.
    Anyone(fn(&App, &Call) -> Reply),
    /// Whoever has a refresh token.
    Refresh(fn(&App, &Call, &RefreshToken) -> Reply),
    /// Whoever has an access token.
    SignedInOnly(fn(&App, &Call, &SignedIn) -> Reply),
    /// Accounts that an admin has approved.
    ApprovedOnly(fn(&App, &Call, &Approved) -> Reply),
    /// Approved managers and admins.
    ManagerOrAdmin(fn(&App, &Call, &Manager) -> Reply),
    /// Approved admins.
    AdminOnly(fn(&App, &Call, &Admin) -> Reply),
}

/// A line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The method; GET stands for HEAD too.
    pub method: &'static str,
    /// The path, in which `{id}` or `{file}` is a segment of any text.
    pub path: &'static str,
    /// The handler, and who may call it.
    pub access: Access,
    /// What it takes and answers, for the description of the API.
    pub describe: fn() -> Operation,
}

const fn on(
    method: &'static str,
    path: &'static str,
    access: Access,
    describe: fn() -> Operation,
) -> Route {
    Route {
        method,
        path,
        access,
        describe,
    }
}

/// The whole API, a line each.
#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    on("POST", "/signup", Anyone(session::signup), operations::sign_up),
    on("POST", "/login", Anyone(session::login), operations::log_in),
    on("POST", "/refresh", Refresh(session::refresh), operations::refresh),
    on("POST", "/logout", SignedInOnly(session::logout), operations::log_out),
    on("GET", "/hello", SignedInOnly(session::hello), operations::hello),
    on("GET", "/me", SignedInOnly(me::show), operations::show_me),
    on("PATCH", "/me", SignedInOnly(me::update), operations::update_me),
    on("GET", "/me/sessions", SignedInOnly(me::sessions), operations::list_sessions),
    on("POST", "/me/sessions/revoke-all", SignedInOnly(me::end_sessions), operations::end_sessions),
    on("DELETE", "/me/sessions/{id}", SignedInOnly(me::end_session), operations::end_session),
    on("GET", "/users", ManagerOrAdmin(users::list), operations::list_users),
    on("GET", "/users/{id}", ManagerOrAdmin(users::show), operations::show_user),
    on("PATCH", "/users/{id}", AdminOnly(users::update), operations::update_user),
    on("DELETE", "/users/{id}", AdminOnly(users::delete), operations::delete_user),
    on("GET", "/tasks", ApprovedOnly(tasks::list), operations::list_tasks),
    on("POST", "/tasks", ManagerOrAdmin(tasks::create), operations::create_task),
    on("GET", "/tasks/{id}", ApprovedOnly(tasks::show), operations::show_task),
    on("PATCH", "/tasks/{id}", ApprovedOnly(tasks::update), operations::update_task),
    on("DELETE", "/tasks/{id}", ManagerOrAdmin(tasks::delete), operations::delete_task),
    on("GET", "/audit", AdminOnly(audit::list), operations::list_audit),
    on("GET", "/healthz", Anyone(health::alive), operations::alive),
    on("GET", "/readyz", Anyone(health::ready), operations::ready),
    on("GET", "/metrics", Anyone(metrics::show), operations::metrics),
    on("GET", "/openapi.json", Anyone(assets::show), operations::openapi),
    #[cfg(feature = "docs")]
    on("GET", "/docs", Anyone(assets::show), operations::docs),
    #[cfg(feature = "docs")]
    on("GET", "/docs/{file}", Anyone(assets::show), operations::docs_file),
    #[cfg(feature = "board")]
    on("GET", "/", Anyone(assets::show), operations::board),
    #[cfg(feature = "board")]
    on("GET", "/board/{file}", Anyone(assets::show), operations::board_file),
];

/// Finds the handler and calls it on behalf of whoever asks.
///
/// # Errors
/// [`Error::NotFound`] for an unknown path, [`Error::MethodNotAllowed`], those of
/// [`authenticate`], [`Error::TooManyRequests`], [`Error::AwaitingApproval`], [`Error::InsufficientRole`], and the handler's.
pub fn route(app: &App, call: &Call) -> Reply {
    // RFC 9110, 9.3.7: about the server as a whole.
    if (call.method(), call.path()) == ("OPTIONS", "*") {
        return Ok(options(ROUTES));
    }
    let segments = call.segments().ok_or(Error::NotFound)?;
    let mut routes: Vec<&'static Route> = ROUTES
        .iter()
        .filter(|route| matches(route.path, &segments))
        .collect();
    // What a path says in words is no id.
    if routes.iter().any(is_literal) {
        routes.retain(is_literal);
    }
    let first = routes.first().ok_or(Error::NotFound)?;
    call.note_route(first.path);
    if call.method() == "OPTIONS" {
        return Ok(options(routes));
    }
    let method = if call.method() == "HEAD" {
        "GET"
    } else {
        call.method()
    };
    let Some(route) = routes.iter().find(|route| route.method == method) else {
        return Err(Error::MethodNotAllowed(allow(routes)));
    };
    if let Some(id) = id_segment(route.path, &segments) {
        call.note_id(id);
    }
    match route.access {
        Anyone(handler) => handler(app, call),
        Refresh(handler) => handler(app, call, &holder(app, call)?),
        SignedInOnly(handler) => handler(app, call, &caller(app, call)?),
        ApprovedOnly(handler) => handler(app, call, &caller(app, call)?.try_into()?),
        ManagerOrAdmin(handler) => handler(app, call, &caller(app, call)?.try_into()?),
        AdminOnly(handler) => handler(app, call, &caller(app, call)?.try_into()?),
    }
}

/// Who calls, if not too often. Whoever is not let in is counted by address.
fn caller(app: &App, call: &Call) -> Result<SignedIn, Error> {
    let caller = authenticate(app, call);
    let who = match &caller {
        Ok(caller) => Requester::of(caller),
        Err(_) => Requester::at(call.client.address),
    };
    app.limits.request(who, app.now())?;
    caller
}

/// The same for who has a refresh token.
fn holder(app: &App, call: &Call) -> Result<RefreshToken, Error> {
    let holder = refresh_token(app, call);
    let who = match &holder {
        Ok(holder) => Requester::Session(holder.session),
        Err(_) => Requester::at(call.client.address),
    };
    app.limits.refresh(who, app.now())?;
    holder
}

const ID: &str = "{id}";

fn is_literal(route: &&Route) -> bool {
    !route.path.contains('{')
}

fn matches(path: &str, segments: &[String]) -> bool {
    let mut pattern = path.split('/').skip(1);
    let all = segments.iter().all(|segment| match pattern.next() {
        Some(any) if any.starts_with('{') => !segment.is_empty(),
        expected => expected == Some(segment),
    });
    all && pattern.next().is_none()
}

fn id_segment<'a>(path: &str, segments: &'a [String]) -> Option<&'a str> {
    let at = path.split('/').skip(1).position(|segment| segment == ID)?;
    segments.get(at).map(String::as_str)
}

fn options<'a>(routes: impl IntoIterator<Item = &'a Route>) -> Response {
    Response::empty_204().with_additional_header("Allow", allow(routes))
}

/// The value of `Allow` (RFC 9110, 10.2.1).
fn allow<'a>(routes: impl IntoIterator<Item = &'a Route>) -> String {
    let mut methods: Vec<&str> = Vec::new();
    for route in routes {
        let answered: &[&str] = match route.method {
            "GET" => &["GET", "HEAD"],
            _ => &[route.method],
        };
        for method in answered {
            if !methods.contains(method) {
                methods.push(method);
            }
        }
    }
    methods.push("OPTIONS");
    methods.join(", ")
}
