//! The endpoints of Task API that `bench/run` measures, on axum and as lean as possible: the peer that Task API
//! is compared with.
//!
//! - One tokio worker thread for each core. Quick reads run directly on it, on a connection of that thread
//!   (`reader.rs`): with `spawn_blocking`, `GET /hello` was a quarter to a third slower.
//! - Password hashes and searches block for longer. They run on tokio's pool of blocking threads, as many at
//!   once as there are cores.
//! - One thread writes. It commits all waiting tasks in one transaction (`writer.rs`).
//!
//! `docs/benchmarks.md` lists what this program leaves out in comparison with Task API.

mod accounts;
mod error;
mod reader;
mod tasks;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use tokio::runtime::Builder;
use tokio::sync::Semaphore;

use crate::error::Error;
use crate::writer::Writer;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The state that the handlers share.
struct App {
    writer: Writer,
    /// Bounds the password hashes that run at once.
    hashes: Semaphore,
    /// Bounds the searches that run at once.
    searches: Semaphore,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

fn main() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = Builder::new_multi_thread()
        .worker_threads(cores)
        .max_blocking_threads(2 * cores)
        // Never ends a blocking thread, since the connection of a thread is never closed.
        .thread_keep_alive(Duration::from_secs(24 * 60 * 60))
        .enable_all()
        .build()
        .expect("the runtime starts");
    runtime.block_on(serve(cores));
}

async fn serve(cores: usize) {
    let path = setting("DATABASE");
    reader::set_database(&path);
    let key = setting("JWT_SECRET_KEY");
    let mut validation = Validation::new(Algorithm::HS256);
    validation.leeway = 0;
    validation.validate_nbf = true;
    let app = App {
        writer: Writer::start(
            &path,
            std::env::var("TASK_INDEXES").is_ok_and(|set| set == "four"),
        ),
        hashes: Semaphore::new(cores),
        searches: Semaphore::new(cores),
        encoding: EncodingKey::from_secret(key.as_bytes()),
        decoding: DecodingKey::from_secret(key.as_bytes()),
        validation,
    };
    let router = Router::new()
        .route(
            "/healthz",
            get(async || json(br#"{"status":"ok"}"#.to_vec())),
        )
        .route("/hello", get(accounts::hello))
        .route("/login", post(accounts::login))
        .route("/tasks", get(tasks::list).post(tasks::create))
        .with_state(Arc::new(app));
    let address = format!("127.0.0.1:{}", setting("PORT"));
    let listener = tokio::net::TcpListener::bind(&address)
        .await
        .expect("the port is free");
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router)
        .await
        .expect("the server runs");
}

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn json(body: Vec<u8>) -> axum::response::Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// Runs `work` on a thread that may block, as soon as `permits` has one.
async fn blocking<T: Send + 'static>(
    permits: &Semaphore,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let _permit = permits.acquire().await.map_err(Error::internal)?;
    tokio::task::spawn_blocking(work)
        .await
        .map_err(Error::internal)
}
