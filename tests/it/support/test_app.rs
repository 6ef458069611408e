//! An application on a temporary database, methods that create accounts, and methods that send requests.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rouille::Request;
use rusqlite::types::Value as SqlValue;
use serde_json::{Value, json};
use task_api::app::{App, Clock};
use task_api::auth::metrics_token::MetricsToken;
use task_api::auth::signing_key::{SigningKey, SigningKeys};
use task_api::config::Config;
use task_api::config::accounts::{AcceptFlaskTokens, AccountArgs, SignUps};
use task_api::config::audit::AuditArgs;
use task_api::config::backups::BackupArgs;
use task_api::config::concurrency::{Concurrency, Connections};
use task_api::config::cors::CorsArgs;
use task_api::config::database::{DatabaseArgs, DatabaseUrl};
use task_api::config::links::{LinkArgs, PublicUrlArgs};
use task_api::config::logging::{LogArgs, LogFormat};
use task_api::config::passwords::PasswordArgs;
use task_api::config::proxies::TrustedProxies;
use task_api::config::rate_limits::{RateLimitArgs, Switch};
use task_api::config::secrets::{AdminArgs, MetricsArgs, Secret, SigningKeyArgs};
use task_api::config::server::{AddressArgs, ServerKind};
use task_api::config::server_limits::ServerLimits;
use task_api::http::embedded_files::StaticFiles;
use task_api::metrics::Metrics;
use task_api::middleware::handle;
use task_api::model::{Password, Role, SessionId, User};
use task_api::router::{self, ROUTES};
use task_api::server::{ListenOn, Server};
use task_api::store::sessions::{self, NewSession};
use task_api::store::{Store, users};

use super::data_dir::{DataDir, Engine};
use super::sql::TestSql;
use super::{PASSWORD, TestResponse, openapi_check, timestamp, wait_for};

/// The key that signs the tests' tokens.
pub const SIGNING_KEY: &[u8] = b"a key for tests, of thirty-two bytes and more";

/// The initial time of the tests' clock, in seconds since 1970: 2026-11-23T12:00:00Z.
pub const CLOCK_START: i64 = 1_795_435_200;

/// An application on a temporary database. Its clock advances by one microsecond at each reading. Only
/// [`TestApp::advance`] moves it further.
pub struct TestApp {
    pub app: Arc<App>,
    pub folder: DataDir,
    clock: Arc<AtomicI64>,
}

/// An account with an access token.
#[derive(Debug, Clone)]
pub struct Account {
    pub id: i64,
    pub username: String,
    pub email: String,
    pub token: String,
}

/// The settings for tests: few hash iterations, no rate limits, the database of `folder`.
pub fn config(folder: &DataDir) -> Config {
    let mut config = Config {
        address: AddressArgs {
            host: "127.0.0.1".into(),
            port: 0,
        },
        server: ServerKind::default(),
        database: DatabaseArgs {
            #[cfg(feature = "postgres")]
            postgres: folder.postgres_args(),
            ..DatabaseArgs::from(folder.database_url().parse::<DatabaseUrl>().unwrap())
        },
        audit: AuditArgs::default(),
        backups: BackupArgs {
            backup_dir: None,
            backup_every: "24h".parse().unwrap(),
            backup_keep: 7,
        },
        signing_key: SigningKeyArgs::default(),
        admin: AdminArgs::default(),
        jwt_access_token_expires: "24h".parse().unwrap(),
        jwt_refresh_token_expires: "30d".parse().unwrap(),
        history_keep: "365d".parse().unwrap(),
        accounts: AccountArgs {
            signups: SignUps::Open,
            pending_accounts_expire: "30d".parse().unwrap(),
            max_pending_accounts: 1000,
            session_max_age: "90d".parse().unwrap(),
            // Many tests are about tokens of the Flask app, on a new database.
            accept_flask_tokens: AcceptFlaskTokens::On,
        },
        links: LinkArgs {
            address: PublicUrlArgs::default(),
            links_expire: "24h".parse().unwrap(),
        },
        passwords: PasswordArgs {
            password_iterations: 10,
        },
        cors: CorsArgs::default(),
        trusted_proxies: TrustedProxies::default(),
        rate_limiting: RateLimitArgs {
            rate_limits: Switch::Off,
            requests_per_minute: 6000,
        },
        limits: ServerLimits {
            max_body_bytes: 1 << 20,
            max_head_bytes: 16 << 10,
            max_header_fields: 100,
            head_timeout: "10s".parse().unwrap(),
            body_timeout: "30s".parse().unwrap(),
            queue_timeout: "30s".parse().unwrap(),
            idle_timeout: "60s".parse().unwrap(),
            response_timeout: "30s".parse().unwrap(),
            max_connections: 10_000,
            max_buffered_bytes: 64 << 20,
        },
        metrics: MetricsArgs::default(),
        logging: LogArgs {
            rust_log: "info".parse().unwrap(),
            log_format: LogFormat::Text,
        },
        concurrency: Concurrency::for_cores(2),
    };
    config.adapt_to_database();
    config
}

/// The numbers of threads and connections for a machine with one core.
pub fn one_core(config: &mut Config) {
    config.concurrency = Concurrency::for_cores(1);
    config.adapt_to_database();
}

/// The current signing key and previous ones, which only verify.
pub fn keys(current: &[u8], previous: &[&[u8]]) -> SigningKeys {
    let key = |bytes: &[u8]| SigningKey {
        bytes: bytes.to_owned(),
        source: "a test".to_owned(),
        weak: false,
    };
    SigningKeys {
        current: key(current),
        previous: previous.iter().map(|bytes| key(bytes)).collect(),
    }
}

/// The token that guards `/metrics`.
pub fn metrics_token(text: &str) -> MetricsToken {
    let secret = Secret {
        text: text.to_owned(),
        source: "a test".to_owned(),
    };
    MetricsToken::new(&secret).unwrap()
}

/// Opens SQLite's file as the commands do, with one read-only connection.
pub fn open_store(path: &Path) -> Result<Store, String> {
    let url: DatabaseUrl = format!("sqlite:///{}", path.display()).parse().unwrap();
    Store::open(&url.into(), Connections::ONE)
}

/// Opens the database and builds the application.
pub fn open_app(config: Config, keys: &SigningKeys, clock: Clock) -> App {
    let store = Store::open(&config.database, config.concurrency.connections).unwrap();
    let metrics = Metrics::new(ROUTES.iter().map(|route| route.path));
    let static_files = StaticFiles::new(router::openapi_json, &config);
    App::new(config, store, keys, None, metrics, static_files, clock).unwrap()
}

impl TestApp {
    /// An application with the default settings.
    pub fn new() -> TestApp {
        TestApp::with(|_| {})
    }

    /// An application whose default settings `change` modifies.
    pub fn with(change: impl FnOnce(&mut Config)) -> TestApp {
        TestApp::in_folder(DataDir::new(), change)
    }

    /// An application with rate limits.
    pub fn with_rate_limits() -> TestApp {
        TestApp::with(|config| config.rate_limiting.rate_limits = Switch::On)
    }

    /// An application on the database of this folder.
    pub fn in_folder(folder: impl Into<DataDir>, change: impl FnOnce(&mut Config)) -> TestApp {
        TestApp::with_keys(folder, &keys(SIGNING_KEY, &[]), change)
    }

    /// As [`TestApp::in_folder`], with these signing keys.
    pub fn with_keys(
        folder: impl Into<DataDir>,
        keys: &SigningKeys,
        change: impl FnOnce(&mut Config),
    ) -> TestApp {
        let folder = folder.into();
        let mut config = config(&folder);
        change(&mut config);
        // Microseconds since 1970. Each reading advances the clock by one, as time passes between two
        // readings of a real clock.
        let clock = Arc::new(AtomicI64::new(CLOCK_START * 1_000_000));
        let micros = Arc::clone(&clock);
        let now = move || timestamp(micros.fetch_add(1, Ordering::SeqCst));
        let app = open_app(config, keys, Box::new(now));
        TestApp {
            app: Arc::new(app),
            folder,
            clock,
        }
    }

    /// Closes the application and keeps its folder and its database.
    pub fn close(self) -> DataDir {
        drop(self.app);
        self.folder
    }

    /// Opens the database once more, as another process does.
    pub fn open_store(&self) -> Store {
        Store::open(&config(&self.folder).database, Connections::ONE).unwrap()
    }

    /// Serves the application on a real socket.
    pub fn serve(&self) -> Server {
        Server::start(Arc::clone(&self.app), ListenOn::address("127.0.0.1", 0)).unwrap()
    }

    /// Moves the clock forward, or back when `seconds` is negative.
    pub fn advance(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// The time of the clock, in whole seconds since 1970.
    pub fn now(&self) -> i64 {
        self.clock.load(Ordering::SeqCst).div_euclid(1_000_000)
    }

    /// The path of SQLite's file. Only tests in a module `sqlite_only` may call it.
    #[track_caller]
    pub fn database(&self) -> PathBuf {
        self.folder.database_file()
    }

    /// A separate database connection, for statements that no route executes.
    pub fn sql(&self) -> TestSql {
        self.folder.sql()
    }

    /// A separate connection to SQLite's file. Only tests in a module `sqlite_only` may call it.
    #[track_caller]
    pub fn sqlite(&self) -> rusqlite::Connection {
        self.folder.sqlite()
    }

    /// Everything that the database has stored, for a search for secrets: SQLite's file, or all rows as text.
    pub fn stored_bytes(&self) -> Vec<u8> {
        if Engine::current() == Engine::Sqlite {
            self.app.store.checkpoint().unwrap();
            return std::fs::read(self.database()).unwrap();
        }
        let sql = "SELECT CAST(database_to_xml(true, false, '') AS text)";
        let text: String = self.sql().query_row(sql, [], |row| row.get(0)).unwrap();
        text.into_bytes()
    }

    /// Makes the next account get the id of the last one that was deleted, as the Flask app does.
    pub fn forget_given_ids(&self) {
        self.sql().execute("DELETE FROM id_sequence", []).unwrap();
    }

    /// The number of rows in a table.
    pub fn count(&self, table: &str) -> i64 {
        let sql = format!(r#"SELECT count(*) FROM "{table}""#);
        self.sql().query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    /// All rows of the tables `user` and `task`, for a comparison before and after a request.
    pub fn rows(&self) -> Vec<Vec<SqlValue>> {
        let db = self.sql();
        let mut rows = Vec::new();
        for sql in [
            r#"SELECT * FROM "user" ORDER BY id"#,
            "SELECT * FROM task ORDER BY id",
        ] {
            let found = db.query(sql, [], |row| Ok(row.0.clone())).unwrap();
            rows.extend(found);
        }
        rows
    }

    /// The value of a metric, such as `queue_length{kind="write"}`.
    pub fn metric(&self, series: &str) -> f64 {
        let response = self.send("GET /metrics", None, "");
        let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
        let value = response.text().lines().find_map(value);
        value.unwrap_or_else(|| panic!("no {series} in {}", response.text()))
    }

    /// Waits until a metric has this value.
    #[track_caller]
    pub fn wait_for_metric(&self, series: &str, value: f64) {
        wait_for(&format!("{series} {value}"), || {
            (self.metric(series) == value).then_some(())
        });
    }

    /// Inserts an account into the database without the API, and creates a session for it.
    pub fn account(&self, username: &str, role: Role, is_approved: bool) -> Account {
        let email = format!("{username}@example.com");
        let password = Password::for_account(PASSWORD, [username, &email]).unwrap();
        let hash = self.app.passwords.hash(&password).unwrap();
        let row = users::NewRow {
            username: &username.parse().unwrap(),
            email: &email.parse().unwrap(),
            password_hash: &hash,
            role,
            is_approved,
            created_at: self.app.now(),
        };
        let user = self.app.store.write(|db| users::insert(db, &row)).unwrap();
        let token = self.create_session(&user);
        Account {
            id: user.id.get(),
            username: user.username,
            email: user.email,
            token,
        }
    }

    /// Inserts a session into the database without the API, and returns its access token.
    pub fn create_session(&self, user: &User) -> String {
        let (id, now) = (SessionId::random().unwrap(), self.app.now());
        let session = NewSession {
            id,
            user_id: user.id,
            refresh_digest: "none",
            now,
            expires_at: self.app.session_expiry(now, now),
            address: "127.0.0.1",
            user_agent: None,
        };
        self.app
            .store
            .write(|db| sessions::insert(db, &session))
            .unwrap();
        let until = self.app.jwt.access_expiry(now);
        self.app.jwt.access(user, id, now, until).unwrap()
    }

    /// The database row of an account.
    pub fn stored_user(&self, account: &Account) -> User {
        let store = &self.app.store;
        let user = store.read(|db| users::by_username(db, &account.username));
        user.unwrap().unwrap()
    }

    /// Creates another session of this account, and returns its access token.
    pub fn token_of_new_session(&self, account: &Account) -> String {
        self.create_session(&self.stored_user(account))
    }

    pub fn admin(&self) -> Account {
        self.account("admin", Role::Admin, true)
    }

    pub fn manager(&self) -> Account {
        self.account("manager", Role::Manager, true)
    }

    pub fn employee(&self) -> Account {
        self.account("employee", Role::Employee, true)
    }

    /// Sends a request such as `"PATCH /tasks/2"` as this account (`None`: without a token) with a JSON
    /// body (`""`: none).
    pub fn send(
        &self,
        line: &str,
        account: impl Into<Option<Account>>,
        body: &str,
    ) -> TestResponse {
        self.send_with(line, account, &[], body)
    }

    /// As [`TestApp::send`], with additional headers.
    pub fn send_with(
        &self,
        line: &str,
        account: impl Into<Option<Account>>,
        extra: &[(&str, &str)],
        body: &str,
    ) -> TestResponse {
        let mut headers = Vec::new();
        if let Some(account) = account.into() {
            headers.push(("Authorization", format!("Bearer {}", account.token)));
        }
        if !body.is_empty() {
            headers.push(("Content-Type", "application/json".to_owned()));
        }
        headers.extend(extra.iter().map(|(name, value)| (*name, value.to_string())));
        self.send_raw(line, &headers, body.as_bytes())
    }

    /// Sends a request with this access token and without a body.
    pub fn send_token(&self, line: &str, token: &str) -> TestResponse {
        self.send_with(
            line,
            None,
            &[("Authorization", &format!("Bearer {token}"))],
            "",
        )
    }

    /// Sends a GET as this account.
    pub fn get(&self, path: &str, account: &Account) -> TestResponse {
        self.send(&format!("GET {path}"), account.clone(), "")
    }

    /// Sends a request with exactly these headers and this body.
    pub fn send_raw(&self, line: &str, headers: &[(&str, String)], body: &[u8]) -> TestResponse {
        let (method, target) = line.split_once(' ').unwrap();
        let headers = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
        let request = Request::fake_http(method, target, headers, body.to_vec());
        let response = respond(&self.app, &request);
        openapi_check::check_accepted(method, target, body, &response);
        response
    }

    pub fn sign_up(&self, username: &str, email: &str, password: &str) -> TestResponse {
        let body = json!({ "username": username, "email": email, "password": password });
        self.send("POST /signup", None, &body.to_string())
    }

    pub fn log_in(&self, email: &str, password: &str) -> TestResponse {
        let body = json!({ "email": email, "password": password });
        self.send("POST /login", None, &body.to_string())
    }

    /// Sends a sign-in from this client address, with headers of the form `"Name: value"`.
    pub fn log_in_with(&self, from: &str, headers: &[&str], body: &Value) -> TestResponse {
        let headers = [&["Content-Type: application/json"], headers].concat();
        let request = request_from(from, "POST /login", &headers, &body.to_string());
        respond(&self.app, &request)
    }

    pub fn patch_me(&self, account: &Account, body: Value) -> TestResponse {
        self.send("PATCH /me", account.clone(), &body.to_string())
    }

    /// Creates a task as this account and returns its id.
    pub fn create_task(&self, account: &Account, body: Value) -> i64 {
        let response = self.send("POST /tasks", account.clone(), &body.to_string());
        assert_eq!(response.status, 201, "{response:?}");
        response.json()["id"].as_i64().unwrap()
    }
}

/// An application with an admin (id 1), an employee (id 2) and a task (id 1) that is assigned to the
/// employee.
pub struct Fixture {
    pub app: TestApp,
    pub admin: Account,
    pub employee: Account,
    pub task: i64,
}

impl Fixture {
    pub fn new() -> Fixture {
        Fixture::with_app(TestApp::new())
    }

    pub fn with_app(app: TestApp) -> Fixture {
        let (admin, employee) = (app.admin(), app.employee());
        let task = app.create_task(
            &admin,
            json!({ "title": "water the plants", "assigned_user_id": employee.id }),
        );
        Fixture {
            app,
            admin,
            employee,
            task,
        }
    }
}

/// A request from this client address, with headers of the form `"Name: value"`.
pub fn request_from(peer: &str, line: &str, headers: &[&str], body: &str) -> Request {
    let peer = SocketAddr::new(peer.parse().unwrap(), 50_000);
    let (method, target) = line.split_once(' ').unwrap();
    let headers = headers.iter().map(|header| {
        let (name, value) = header.split_once(": ").unwrap();
        (name.to_owned(), value.to_owned())
    });
    Request::fake_http_from(peer, method, target, headers.collect(), body.into())
}

/// Passes a request to the application. Panics unless the OpenAPI document describes the response.
pub fn respond(app: &App, request: &Request) -> TestResponse {
    let response = TestResponse::from(handle(app, request));
    openapi_check::check(request.method(), request.raw_url(), &response);
    response
}
