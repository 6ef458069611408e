//! Four of Task API's endpoints on axum: a peer that `bench/run` compares Task API with.
//!
//! Reads take microseconds and run directly on tokio's worker threads: with `spawn_blocking`, `GET /hello`
//! was a quarter to a third slower. Writes and password hashes block for longer, and run on tokio's pool of
//! blocking threads.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use r2d2::Pool;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::format_description::FormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};
use tokio::sync::Semaphore;
use tower_http::cors::{Any, CorsLayer};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::TraceLayer;

type Db = Pool<SqliteConnectionManager>;

struct App {
    readers: Db,
    writer: Db,
    hashes: Semaphore,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

type Shared = State<Arc<App>>;

#[tokio::main]
async fn main() {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let setting = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (path, key) = (setting("DATABASE"), setting("JWT_SECRET_KEY"));
    let mut validation = Validation::new(Algorithm::HS256);
    validation.leeway = 0;
    validation.validate_nbf = true;
    let app = App {
        readers: pool(&path, 8 * cores as u32, "query_only = 1"),
        writer: pool(&path, 1, "synchronous = FULL"),
        hashes: Semaphore::new(cores),
        encoding: EncodingKey::from_secret(key.as_bytes()),
        decoding: DecodingKey::from_secret(key.as_bytes()),
        validation,
    };
    let request_id = HeaderName::from_static("x-request-id");
    let trace = TraceLayer::new_for_http()
        .make_span_with(|request: &Request<Body>| {
            let id = request.headers().get("x-request-id");
            tracing::info_span!("request", method = %request.method(), path = request.uri().path(), ?id)
        })
        .on_request(())
        .on_response(|response: &Response<_>, latency: Duration, _: &tracing::Span| {
            let ms = latency.as_secs_f64() * 1e3;
            tracing::info!(status = response.status().as_u16(), ms, "response");
        });
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(Any)
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([request_id]);
    let router = Router::new()
        .route("/hello", get(hello))
        .route("/tasks", get(list_tasks).post(create_task))
        .route("/login", post(login))
        .with_state(Arc::new(app))
        .layer(RequestBodyLimitLayer::new(1 << 20))
        .layer(cors)
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(trace)
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid));
    let address = format!("127.0.0.1:{}", setting("PORT"));
    let listener = tokio::net::TcpListener::bind(&address)
        .await
        .expect("the port is free");
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router)
        .await
        .expect("the server runs");
}

fn pool(path: &str, size: u32, pragma: &'static str) -> Db {
    let manager = SqliteConnectionManager::file(path).with_init(move |db: &mut Connection| {
        db.busy_timeout(Duration::from_secs(5))?;
        db.set_prepared_statement_cache_capacity(128);
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        db.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = 1; PRAGMA {pragma}"
        ))
    });
    let builder = Pool::builder().max_size(size).test_on_check_out(false);
    builder.build(manager).expect("the database opens")
}

// ---- errors -------------------------------------------------------------------------------------

enum Error {
    Unauthorized(&'static str),
    Forbidden,
    Invalid(&'static str),
    Internal(String),
}

impl IntoResponse for Error {
    fn into_response(self) -> axum::response::Response {
        let (status, msg) = match &self {
            Error::Unauthorized(msg) => (StatusCode::UNAUTHORIZED, *msg),
            Error::Forbidden => (StatusCode::FORBIDDEN, "not permitted"),
            Error::Invalid(msg) => (StatusCode::UNPROCESSABLE_ENTITY, *msg),
            Error::Internal(cause) => {
                tracing::error!(cause);
                (StatusCode::INTERNAL_SERVER_ERROR, "internal error")
            }
        };
        (status, Json(json!({ "msg": msg }))).into_response()
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        Error::Internal(error.to_string())
    }
}

impl From<r2d2::Error> for Error {
    fn from(error: r2d2::Error) -> Error {
        Error::Internal(error.to_string())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let result = tokio::task::spawn_blocking(work).await;
    result.map_err(|error| Error::Internal(error.to_string()))?
}

// ---- accounts -----------------------------------------------------------------------------------

#[derive(Serialize)]
struct User {
    id: i64,
    username: String,
    email: String,
    #[serde(skip)]
    password_hash: String,
    role: Option<String>,
    is_approved: Option<bool>,
    created_at: Option<String>,
}

const SELECT_USER: &str =
    r#"SELECT id, username, email, password_hash, role, is_approved, created_at FROM "user""#;

impl User {
    fn from_row(row: &Row) -> rusqlite::Result<User> {
        Ok(User {
            id: row.get(0)?,
            username: row.get(1)?,
            email: row.get(2)?,
            password_hash: row.get(3)?,
            role: row.get(4)?,
            is_approved: row.get(5)?,
            created_at: row
                .get::<_, Option<String>>(6)?
                .as_deref()
                .and_then(rfc3339),
        })
    }

    fn is_manager_or_admin(&self) -> bool {
        matches!(self.role.as_deref(), Some("manager" | "admin"))
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    iat: u64,
    nbf: u64,
    exp: u64,
}

impl FromRequestParts<Arc<App>> for User {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<User, Error> {
        let value = parts.headers.get(header::AUTHORIZATION);
        let token = value
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .ok_or(Error::Unauthorized("Missing Authorization Header"))?;
        let claims = jsonwebtoken::decode::<Claims>(token, &app.decoding, &app.validation)
            .map_err(|_| Error::Unauthorized("bad token"))?
            .claims;
        let db = app.readers.get()?;
        let sql = format!("{SELECT_USER} WHERE username = ?1");
        let user = db
            .prepare_cached(&sql)?
            .query_row([&claims.sub], User::from_row);
        user.optional()?.ok_or(Error::Unauthorized("no such user"))
    }
}

struct Approved(User);

impl FromRequestParts<Arc<App>> for Approved {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Approved, Error> {
        let user = User::from_request_parts(parts, app).await?;
        match user.is_approved {
            Some(true) => Ok(Approved(user)),
            _ => Err(Error::Forbidden),
        }
    }
}

async fn hello(user: User) -> Json<Value> {
    Json(json!({ "msg": "hello world! from axum", "user_name": user.username }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    email: String,
    password: String,
}

async fn login(
    State(app): Shared,
    Json(credentials): Json<Credentials>,
) -> Result<Json<Value>, Error> {
    let user = {
        let db = app.readers.get()?;
        let sql = format!("{SELECT_USER} WHERE email = ?1");
        db.prepare_cached(&sql)?
            .query_row([credentials.email.trim().to_lowercase()], User::from_row)
            .optional()?
            .ok_or(Error::Unauthorized("email or password incorrect."))?
    };
    let _permit = app
        .hashes
        .acquire()
        .await
        .map_err(|error| Error::Internal(error.to_string()))?;
    let stored = user.password_hash.clone();
    if !blocking(move || Ok(verify_password(&credentials.password, &stored))).await? {
        return Err(Error::Unauthorized("email or password incorrect."));
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let claims = Claims {
        sub: user.username.clone(),
        iat: now,
        nbf: now,
        exp: now + 24 * 3600,
    };
    let token = jsonwebtoken::encode(&Header::default(), &claims, &app.encoding)
        .map_err(|error| Error::Internal(error.to_string()))?;
    Ok(Json(
        json!({ "msg": "successfully logged in", "token": token, "user": user }),
    ))
}

/// Compares a password with a stored hash of the form `pbkdf2:sha256:ITERATIONS$SALT$HEX`.
fn verify_password(password: &str, stored: &str) -> bool {
    let mut parts = stored.split('$');
    let iterations = parts
        .next()
        .and_then(|method| method.strip_prefix("pbkdf2:sha256:")?.parse().ok());
    let (Some(iterations), Some(salt), Some(hash)) = (iterations, parts.next(), parts.next())
    else {
        return false;
    };
    let key: [u8; 32] = pbkdf2::pbkdf2_hmac_array::<sha2::Sha256, 32>(
        password.as_bytes(),
        salt.as_bytes(),
        iterations,
    );
    hex::encode(key) == hash
}

// ---- tasks --------------------------------------------------------------------------------------

#[derive(Serialize)]
struct Task {
    id: i64,
    title: String,
    description: Option<String>,
    status: Option<String>,
    deadline: Option<String>,
    created_at: Option<String>,
    assigned_user_id: Option<i64>,
    #[serde(skip)]
    stored_created_at: Option<String>,
}

const TASK_COLUMNS: &str = "id, title, description, status, deadline, created_at, assigned_user_id";
const STORED_TIME: &[FormatItem] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second][optional [.[subsecond]]]");
const WRITTEN_TIME: &[FormatItem] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:6]");

fn rfc3339(stored: &str) -> Option<String> {
    let moment = PrimitiveDateTime::parse(stored, STORED_TIME).ok()?;
    moment.assume_utc().format(&Rfc3339).ok()
}

impl Task {
    fn from_row(row: &Row) -> rusqlite::Result<Task> {
        let stored_created_at: Option<String> = row.get(5)?;
        Ok(Task {
            id: row.get(0)?,
            title: row.get(1)?,
            description: row.get(2)?,
            status: row.get(3)?,
            deadline: row
                .get::<_, Option<String>>(4)?
                .as_deref()
                .and_then(rfc3339),
            created_at: stored_created_at.as_deref().and_then(rfc3339),
            assigned_user_id: row.get(6)?,
            stored_created_at,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: Option<i64>,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct List {
    items: Vec<Task>,
    next_cursor: Option<String>,
}

async fn list_tasks(
    State(app): Shared,
    Approved(user): Approved,
    Query(page): Query<Page>,
) -> Result<Json<List>, Error> {
    let limit = page.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Error::Invalid("limit: must be from 1 to 100"));
    }
    let after = page.cursor.as_deref().unwrap_or("9999-12-31|0");
    let (created_at, id) = after
        .split_once('|')
        .ok_or(Error::Invalid("cursor: unknown"))?;
    let id: i64 = id.parse().map_err(|_| Error::Invalid("cursor: unknown"))?;
    let assignee = (!user.is_manager_or_admin()).then_some(user.id);
    let db = app.readers.get()?;
    let filter = if assignee.is_some() {
        "assigned_user_id = ?4 AND"
    } else {
        "?4 IS NULL AND"
    };
    let mut statement = db.prepare_cached(&format!(
        "SELECT {TASK_COLUMNS} FROM task WHERE {filter} created_at <= ?1 AND (created_at, id) < (?1, ?2)
         ORDER BY created_at DESC, id DESC LIMIT ?3"
    ))?;
    let rows = statement.query_map(params![created_at, id, limit + 1, assignee], Task::from_row)?;
    let mut items = rows.collect::<Result<Vec<_>, _>>()?;
    let has_more = items.len() as i64 > limit;
    items.truncate(limit as usize);
    let last = items.last().filter(|_| has_more);
    let next_cursor = last.map(|task| {
        format!(
            "{}|{}",
            task.stored_created_at.as_deref().unwrap_or_default(),
            task.id
        )
    });
    Ok(Json(List { items, next_cursor }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTask {
    title: String,
    description: Option<String>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    deadline: Option<OffsetDateTime>,
    assigned_user_id: Option<i64>,
}

async fn create_task(
    State(app): Shared,
    Approved(user): Approved,
    Json(new): Json<NewTask>,
) -> Result<impl IntoResponse, Error> {
    if !user.is_manager_or_admin() {
        return Err(Error::Forbidden);
    }
    let title = new.title.trim().to_owned();
    if !(1..=255).contains(&title.chars().count()) {
        return Err(Error::Invalid("title: must have 1 to 255 characters"));
    }
    if new
        .description
        .as_ref()
        .is_some_and(|text| text.chars().count() > 10_000)
    {
        return Err(Error::Invalid(
            "description: must have 10,000 characters at most",
        ));
    }
    let stored = |moment: OffsetDateTime| moment.to_utc().format(WRITTEN_TIME).unwrap_or_default();
    let (now, deadline) = (stored(OffsetDateTime::now_utc()), new.deadline.map(stored));
    let task = blocking(move || {
        let db = app.writer.get()?;
        let mut statement = db.prepare_cached(&format!(
            "INSERT INTO task (title, description, status, deadline, created_at, assigned_user_id)
             VALUES (?1, ?2, 'pending', ?3, ?4, ?5) RETURNING {TASK_COLUMNS}"
        ))?;
        let values = params![title, new.description, deadline, now, new.assigned_user_id];
        Ok(statement.query_row(values, Task::from_row)?)
    });
    let task = task.await?;
    let location = [(header::LOCATION, format!("/tasks/{}", task.id))];
    Ok((StatusCode::CREATED, location, Json(task)))
}
