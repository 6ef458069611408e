//! `task-api serve`: starts the server, waits for a signal, and stops it (graceful shutdown).

use std::iter;
use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use log::{info, warn};

use super::check::is_published;
use super::first_admin_link::invite_first_admin;
use super::service_manager::ServiceManager;
use super::socket_activation;
use super::stop_signals::StopSignals;
use super::valid_secrets::ValidSecrets;
use super::watchdog::Watchdog;
use crate::app::App;
use crate::app::backups::BackupThread;
use crate::app::maintenance::{self, Maintenance};
use crate::app::storage_watch::StorageWatch;
use crate::auth::metrics_token::MetricsToken;
use crate::auth::signing_key::SigningKeys;
use crate::concurrency::check_threads;
use crate::config::Config;
use crate::config::links::PublicUrl;
use crate::config::passwords::RECOMMENDED_ITERATIONS;
use crate::http::embedded_files::StaticFiles;
use crate::logging;
use crate::metrics::Metrics;
use crate::model::Timestamp;
use crate::router::{self, ROUTES};
use crate::server::{ListenOn, STOP_DEADLINE, Server, max_connections};
use crate::store::audit::seal;
use crate::store::{Store, inspection};

/// Starts the log and runs the server until a signal stops it.
pub fn run(config: Config) -> Result<(), String> {
    let listen_on = socket_activation::listen_on(&config.address)?;
    logging::start(&config.logging)?;
    let result = serve(config, listen_on);
    logging::flush();
    result
}

fn serve(mut config: Config, listen_on: ListenOn) -> Result<(), String> {
    let manager = ServiceManager::from_env()?;
    // All settings are validated before the first file is created.
    config.check()?;
    config.adapt_to_database();
    let secrets = ValidSecrets::load(&config)?;
    for warning in &secrets.warnings {
        warn!("{warning}");
    }
    let signals = StopSignals::catch()?;
    check_threads(config.new_threads())?;
    // Before the database opens its connections, which need descriptors too.
    config.limits.max_connections = max_connections(&config)?;
    let files = config.database.files()?;
    manager.status("opening the database");
    let store = Store::open(&config.database, config.concurrency.connections)?;
    let keys = SigningKeys::load(secrets.current_key, secrets.previous_keys, &files, || {
        store.read(|db| inspection::is_in_use(db, &files))
    })?;
    warn_of_weak_settings(&config, &keys);
    let app = Arc::new(new_app(config, store, &keys, secrets.metrics_token)?);
    if let Some(admin) = secrets.first_admin {
        admin.create(&app)?;
    }
    end_audit_epoch(&app);
    let background = Background {
        _backups: BackupThread::start(&app)?,
        _maintenance: Maintenance::start(Arc::clone(&app))?,
        _storage_watch: StorageWatch::start(Arc::clone(&app))?,
    };
    // Before the first request is answered: a signal from then on stops the server gracefully.
    signals.defer_first();
    let server = Server::start(Arc::clone(&app), listen_on)?;
    log_start(&app, &keys, &server);
    invite_first_admin(&app, &public_url(&app, &server));
    let signal = wait_for_signal(&signals, &server, &manager)?;
    manager.stopping("completing the requests in progress");
    stop(signal, background, server, &app);
    Ok(())
}

/// Blocks until a signal stops the server, and returns its name. Meanwhile the watchdog runs, if there is one.
fn wait_for_signal(
    signals: &StopSignals,
    server: &Server,
    manager: &ServiceManager,
) -> Result<&'static str, String> {
    let serving = format!("serving on http://{}", server.address());
    let Some(interval) = manager.watchdog_interval() else {
        manager.ready(&serving);
        return Ok(signals.wait());
    };
    let mut watchdog = Watchdog::start(server)?;
    manager.ready(&serving);
    loop {
        if let Some(signal) = signals.wait_for(interval) {
            return Ok(signal);
        }
        watchdog.tick(server, manager);
    }
}

// ---- start --------------------------------------------------------------------------------------

fn new_app(
    config: Config,
    store: Store,
    keys: &SigningKeys,
    metrics_token: Option<MetricsToken>,
) -> Result<App, String> {
    let metrics = Metrics::new(ROUTES.iter().map(|route| route.path));
    let static_files = StaticFiles::new(router::openapi_json, &config);
    let clock = Box::new(Timestamp::now);
    App::new(
        config,
        store,
        keys,
        metrics_token,
        metrics,
        static_files,
        clock,
    )
}

fn warn_of_weak_settings(config: &Config, keys: &SigningKeys) {
    if keys.current.weak {
        warn!(
            "{} has fewer than 32 bytes: a client that guesses it can act as any account. To replace it, \
             set JWT_SECRET_KEY_PREVIOUS to it and JWT_SECRET_KEY to a new key, such as the output of \
             `openssl rand -base64 32`; all users stay signed in",
            keys.current.source
        );
    }
    for key in keys.previous.iter().filter(|key| key.weak) {
        warn!(
            "{} holds a key of fewer than 32 bytes: a client that guesses it can act as any account. \
             Remove it, and ALLOW_WEAK_JWT_SECRET, when the tokens that it signed have expired",
            key.source
        );
    }
    for key in iter::once(&keys.current).chain(&keys.previous) {
        if is_published(key) {
            warn!(
                "{} holds a key that is published: any client can act as any account while it is set. Remove it, and \
                 users whose tokens it has signed sign in again",
                key.source
            );
        }
    }
    if config.passwords.password_iterations < RECOMMENDED_ITERATIONS {
        warn!(
            "PASSWORD_ITERATIONS is below the {RECOMMENDED_ITERATIONS} that OWASP recommends: stolen \
             password hashes are cheaper to crack"
        );
    }
}

/// Ends the epoch of the audit key at the start and at the stop: what was written before can no longer be resealed.
fn end_audit_epoch(app: &App) {
    if let Err(why) = seal::end_epoch(&app.store, app.now(), 0) {
        warn!("cannot end the epoch of the audit key, next try within an hour: {why}");
    }
}

fn log_start(app: &App, keys: &SigningKeys, server: &Server) {
    let version = env!("CARGO_PKG_VERSION");
    info!(
        "task-api {version} uses the database {}",
        app.store.location()
    );
    info!(
        "tokens are signed with the key from {}",
        keys.current.source
    );
    info!("listening on http://{}", server.address());
}

/// The address that one-time links begin with.
fn public_url(app: &App, server: &Server) -> PublicUrl {
    let address = server.address();
    let links = &app.config.links;
    links.base_of_server(&address.ip().to_string(), address.port())
}

/// What runs in the background. It ends when this is dropped. A backup that is not complete is given up: it would keep
/// the write-ahead log from being emptied.
struct Background {
    _backups: Option<BackupThread>,
    _maintenance: Maintenance,
    _storage_watch: StorageWatch,
}

// ---- stop ---------------------------------------------------------------------------------------

/// Graceful shutdown: completes the requests in progress, then empties the write-ahead log of SQLite (checkpoint), so
/// that the whole database is in one file.
fn stop(signal: &str, background: Background, server: Server, app: &App) {
    let (begin, seconds) = (Instant::now(), STOP_DEADLINE.as_secs());
    info!("{signal}: completing the requests in progress, within {seconds} s");
    drop(background);
    if !server.stop(STOP_DEADLINE) {
        warn!("some requests were not completed in time");
    }
    if let Err(why) = maintenance::record_refused_sign_ins(app) {
        warn!("the last refused sign-ins are not in the audit log: {why}");
    }
    write_sign_outs(app, begin + STOP_DEADLINE);
    end_audit_epoch(app);
    match app.store.checkpoint() {
        Ok(()) if app.config.database.database_url.path().is_none() => info!("stopped"),
        Ok(()) => info!("stopped; the write-ahead log is empty"),
        Err(why) => warn!("stopped; the write-ahead log stays beside the database: {why}"),
    }
}

/// Writes the sign-outs that wait in memory. During an outage it tries again until `end`: they are lost with the process.
fn write_sign_outs(app: &App, end: Instant) {
    /// The pause before the next try.
    const PAUSE: Duration = Duration::from_millis(200);
    let mut is_logged = false;
    loop {
        app.store.watch();
        match app.sign_outs.flush(&app.store) {
            Ok(()) => return,
            Err(why) if Instant::now() < end => {
                if !mem::replace(&mut is_logged, true) {
                    warn!("the stop waits for the end of the outage, to write sign-outs: {why}");
                }
                thread::sleep(PAUSE);
            }
            Err(why) => {
                warn!(
                    "sign-outs are lost, their sessions are valid again after the next start: {why}"
                );
                return;
            }
        }
    }
}
