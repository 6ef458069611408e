//! `task-api serve`.

use std::ffi::c_int;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use log::{info, warn};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::first_admin::FirstAdmin;
use crate::app::App;
use crate::app::maintenance::Maintenance;
use crate::auth::metrics_token::MetricsToken;
use crate::auth::signing_key::{SigningKey, SigningKeys};
use crate::config::Config;
use crate::config::secrets::Secrets;
use crate::http::static_files::StaticFiles;
use crate::metrics::Metrics;
use crate::model::Timestamp;
use crate::router::{self, ROUTES};
use crate::server::{STOP_DEADLINE, Server};
use crate::store::Store;

/// Runs the server until it is told to stop.
pub fn run(config: Config) -> Result<(), String> {
    start_log(&config);
    config.check()?;
    let secrets = Secrets::load(&config)?;
    // Every setting is checked before the first file is made.
    let allow_weak = config.signing_key.allow_weak_jwt_secret;
    let check_key = |secret| SigningKey::new(secret, allow_weak);
    let current = secrets.signing_key.as_ref().map(check_key).transpose()?;
    let previous = secrets.previous_signing_keys.iter().map(check_key);
    let previous = previous.collect::<Result<_, _>>()?;
    let admin = FirstAdmin::from_settings(&config.admin, secrets.admin_password.as_ref())?;
    let metrics_token = secrets.metrics_token.as_ref().map(MetricsToken::new);
    let metrics_token = metrics_token.transpose()?;
    let signals = StopSignals::catch()?;
    let database = config.database.database_url.clone();
    let store = Store::open(database.path(), &config.concurrency)?;
    let current = current.map_or_else(|| SigningKey::load_or_create(&database), Ok)?;
    let keys = SigningKeys { current, previous };
    warn_of_weak_settings(&config, &keys);
    let (host, port) = (config.address.host.clone(), config.address.port);
    let metrics = Metrics::new(ROUTES.iter().map(|route| route.path));
    let static_files = StaticFiles::new(router::openapi_json);
    let clock = Box::new(Timestamp::now);
    let app = App::new(
        config,
        store,
        &keys,
        metrics_token,
        metrics,
        static_files,
        clock,
    )?;
    let app = Arc::new(app);
    if let Some(admin) = admin {
        admin.make(&app)?;
    }
    let server = Server::start(Arc::clone(&app), &host, port)?;
    let maintenance = Maintenance::start(Arc::clone(&app))?;
    signals.defer();
    info!(
        "task-api {} uses the database {}",
        env!("CARGO_PKG_VERSION"),
        absolute(database.path()).display()
    );
    info!("tokens are signed with the key of {}", keys.current.source);
    info!("listening on http://{}", server.address());
    signals.wait();
    drop(maintenance);
    stop(server, &app);
    Ok(())
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn start_log(config: &Config) {
    env_logger::Builder::new()
        .parse_filters(config.rust_log.as_str())
        .format_timestamp_millis()
        .init();
    // A panic's text may hold what a client sent: as one line, quoted.
    std::panic::set_hook(Box::new(|panic| {
        log::error!("panic {:?}", panic.to_string())
    }));
}

fn warn_of_weak_settings(config: &Config, keys: &SigningKeys) {
    if keys.current.weak {
        warn!(
            "{} has fewer than 32 bytes: whoever guesses it can sign in as anybody. To rotate it, \
             name it in JWT_SECRET_KEY_PREVIOUS and set JWT_SECRET_KEY to a new one, such as \
             `openssl rand -base64 32` prints; nobody is signed out",
            keys.current.source
        );
    }
    for key in keys.previous.iter().filter(|key| key.weak) {
        warn!(
            "{} holds a key of fewer than 32 bytes: whoever guesses it can sign in as anybody. Take it \
             out, and ALLOW_WEAK_JWT_SECRET with it, once the tokens that it signed have expired",
            key.source
        );
    }
    if config.passwords.password_iterations < 600_000 {
        warn!("PASSWORD_ITERATIONS is below OWASP's 600000: stolen hashes are cheaper to break");
    }
}

/// SIGTERM and SIGINT. As process 1 of a container the program has to see to them itself, and from the
/// beginning: bringing a large database up to date takes its time.
struct StopSignals {
    is_serving: Arc<AtomicBool>,
    first: Receiver<c_int>,
}

impl StopSignals {
    /// From here on a signal no longer ends the process by itself: the program does, at once, until
    /// [`StopSignals::defer`] is called.
    fn catch() -> Result<StopSignals, String> {
        let mut signals = Signals::new([SIGTERM, SIGINT])
            .map_err(|why| format!("cannot handle signals: {why}"))?;
        let (sender, first) = mpsc::channel();
        let is_serving = Arc::new(AtomicBool::new(false));
        let serving = Arc::clone(&is_serving);
        thread::spawn(move || {
            for signal in signals.forever() {
                // The main thread takes the first one, and is stopping from then on.
                if !serving.swap(false, Ordering::SeqCst) || sender.send(signal).is_err() {
                    warn!("{}: stopping at once", name(signal));
                    std::process::exit(1);
                }
            }
        });
        Ok(StopSignals { is_serving, first })
    }

    /// From here on the first signal is left to [`StopSignals::wait`]. A second one ends the process at once.
    fn defer(&self) {
        self.is_serving.store(true, Ordering::SeqCst);
    }

    /// Returns at the first signal.
    fn wait(&self) {
        if let Ok(signal) = self.first.recv() {
            info!(
                "{}: answering the requests in hand, {} s at most",
                name(signal),
                STOP_DEADLINE.as_secs()
            );
        }
    }
}

fn name(signal: c_int) -> &'static str {
    signal_hook::low_level::signal_name(signal).unwrap_or("a signal")
}

fn stop(server: Server, app: &App) {
    if !server.stop(STOP_DEADLINE) {
        warn!("some requests were not answered in time");
    }
    match app.store.checkpoint() {
        Ok(()) => info!("stopped; the write-ahead log is empty"),
        Err(why) => warn!("stopped; the write-ahead log stays beside the database: {why}"),
    }
}
