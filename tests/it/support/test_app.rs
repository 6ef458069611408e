//! An application on a database of its own, accounts of every kind, and a way to send it requests.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rouille::Request;
use rusqlite::types::Value as SqlValue;
use serde_json::{Value, json};
use task_api::app::{App, Clock};
use task_api::auth::metrics_token::MetricsToken;
use task_api::auth::signing_key::{SigningKey, SigningKeys};
use task_api::config::Config;
use task_api::config::concurrency::Concurrency;
use task_api::config::cors::CorsArgs;
use task_api::config::database::DatabaseArgs;
use task_api::config::limits::{RateLimitArgs, ServerLimits, Switch};
use task_api::config::passwords::PasswordArgs;
use task_api::config::proxies::TrustedProxies;
use task_api::config::secrets::{AdminArgs, MetricsArgs, Secret, SigningKeyArgs};
use task_api::config::server::{AddressArgs, ServerKind};
use task_api::http::static_files::StaticFiles;
use task_api::metrics::Metrics;
use task_api::middleware::handle;
use task_api::model::{Password, Role, SessionId, User};
use task_api::router::{self, ROUTES};
use task_api::server::Server;
use task_api::store::sessions::{self, NewSession};
use task_api::store::{Store, users};
use tempfile::TempDir;

use super::{Answer, PASSWORD, description, timestamp};

/// The key that signs the tests' tokens.
pub const KEY: &[u8] = b"a key for tests, of thirty-two bytes and more";

/// When the tests' clock starts: 2026-11-23T12:00:00Z.
pub const START: i64 = 1_795_435_200;

/// An application on a temporary database, with a clock that stands still until it is moved.
pub struct TestApp {
    pub app: Arc<App>,
    pub folder: TempDir,
    clock: Arc<AtomicI64>,
}

/// Somebody with a token.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: i64,
    pub username: String,
    pub email: String,
    pub token: String,
}

/// The settings of a test: few rounds of hashing, a database in `folder`.
pub fn config(folder: &TempDir) -> Config {
    let path = folder.path().join("project.db");
    Config {
        address: AddressArgs {
            host: "127.0.0.1".into(),
            port: 0,
        },
        server: ServerKind::default(),
        database: DatabaseArgs {
            database_url: format!("sqlite:///{}", path.display()).parse().unwrap(),
        },
        signing_key: SigningKeyArgs::default(),
        admin: AdminArgs::default(),
        jwt_access_token_expires: "24h".parse().unwrap(),
        jwt_refresh_token_expires: "30d".parse().unwrap(),
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
            idle_timeout: "60s".parse().unwrap(),
            response_timeout: "30s".parse().unwrap(),
            max_connections: 10_000,
            max_buffered_bytes: 64 << 20,
        },
        metrics: MetricsArgs::default(),
        rust_log: "info".parse().unwrap(),
        concurrency: Concurrency::for_cores(2),
    }
}

/// One key that signs, and those that did before.
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

/// The token for `/metrics`.
pub fn metrics_token(text: &str) -> MetricsToken {
    let secret = Secret {
        text: text.to_owned(),
        source: "a test".to_owned(),
    };
    MetricsToken::new(&secret).unwrap()
}

/// The application on its database.
pub fn open(config: Config, keys: &SigningKeys, clock: Clock) -> App {
    let store = Store::open(config.database.database_url.path(), &config.concurrency).unwrap();
    let metrics = Metrics::new(ROUTES.iter().map(|route| route.path));
    let static_files = StaticFiles::new(router::openapi_json);
    App::new(config, store, keys, None, metrics, static_files, clock).unwrap()
}

impl TestApp {
    /// An application with the default settings.
    pub fn new() -> TestApp {
        TestApp::with(|_| {})
    }

    /// An application whose settings `change` has changed.
    pub fn with(change: impl FnOnce(&mut Config)) -> TestApp {
        let folder = tempfile::tempdir().unwrap();
        TestApp::on(folder, change)
    }

    /// An application on the database `project.db` in this folder.
    pub fn on(folder: TempDir, change: impl FnOnce(&mut Config)) -> TestApp {
        TestApp::with_keys(folder, &keys(KEY, &[]), change)
    }

    /// The same with other keys for its tokens.
    pub fn with_keys(
        folder: TempDir,
        keys: &SigningKeys,
        change: impl FnOnce(&mut Config),
    ) -> TestApp {
        let mut config = config(&folder);
        change(&mut config);
        // Microseconds since 1970. The clock goes on by one with each look at it, as real ones do.
        let clock = Arc::new(AtomicI64::new(START * 1_000_000));
        let hand = Arc::clone(&clock);
        let now = move || timestamp(hand.fetch_add(1, Ordering::SeqCst));
        let app = open(config, keys, Box::new(now));
        TestApp {
            app: Arc::new(app),
            folder,
            clock,
        }
    }

    /// Ends the application; its folder stays.
    pub fn close(self) -> TempDir {
        drop(self.app);
        self.folder
    }

    /// The application on a real socket.
    pub fn serve(&self) -> Server {
        Server::start(Arc::clone(&self.app), "127.0.0.1", 0).unwrap()
    }

    /// Moves the clock, back too.
    pub fn advance(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// The clock, in whole seconds since 1970.
    pub fn now(&self) -> i64 {
        self.clock.load(Ordering::SeqCst).div_euclid(1_000_000)
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.folder.path().join("project.db")
    }

    /// A connection of its own, for what no route does.
    pub fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.database()).unwrap()
    }

    /// How many rows a table has.
    pub fn count(&self, table: &str) -> i64 {
        let sql = format!(r#"SELECT count(*) FROM "{table}""#);
        self.sql().query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    /// Every row of every table of the tutorial.
    pub fn rows(&self) -> Vec<Vec<SqlValue>> {
        let db = self.sql();
        let mut rows = Vec::new();
        for sql in [
            r#"SELECT * FROM "user" ORDER BY id"#,
            "SELECT * FROM task ORDER BY id",
        ] {
            let mut statement = db.prepare(sql).unwrap();
            let columns = statement.column_count();
            let found = statement
                .query_map([], |row| (0..columns).map(|i| row.get(i)).collect())
                .unwrap();
            rows.extend(found.map(Result::unwrap));
        }
        rows
    }

    /// An account made beside the API, and a token for it.
    pub fn person(&self, username: &str, role: Role, is_approved: bool) -> Person {
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
        let token = self.session_of(&user);
        Person {
            id: user.id.get(),
            username: user.username,
            email: user.email,
            token,
        }
    }

    /// Begins a session beside the API, and returns an access token of it.
    pub fn session_of(&self, user: &User) -> String {
        let (id, now) = (SessionId::random().unwrap(), self.app.now());
        let session = NewSession {
            id,
            user_id: user.id,
            refresh_digest: "none",
            now,
            expires_at: self.app.session_expiry(now),
            address: "127.0.0.1",
            user_agent: None,
        };
        self.app
            .store
            .write(|db| sessions::insert(db, &session))
            .unwrap();
        self.app.jwt.access(user, id, now).unwrap()
    }

    /// The account of a person, as it is stored.
    pub fn user(&self, person: &Person) -> User {
        let store = &self.app.store;
        let user = store.read(|db| users::by_username(db, &person.username));
        user.unwrap().unwrap()
    }

    /// An access token of another session of the same person.
    pub fn sign_in_again(&self, person: &Person) -> String {
        self.session_of(&self.user(person))
    }

    pub fn admin(&self) -> Person {
        self.person("admin", Role::Admin, true)
    }

    pub fn manager(&self) -> Person {
        self.person("manager", Role::Manager, true)
    }

    pub fn employee(&self) -> Person {
        self.person("employee", Role::Employee, true)
    }

    /// Sends `"PATCH /tasks/2"` with a JSON body (`""` for none) on behalf of a person.
    pub fn send(&self, line: &str, person: impl Into<Option<Person>>, body: &str) -> Answer {
        self.send_with(line, person, &[], body)
    }

    /// The same with more headers.
    pub fn send_with(
        &self,
        line: &str,
        person: impl Into<Option<Person>>,
        more: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut headers = Vec::new();
        if let Some(person) = person.into() {
            headers.push(("Authorization", format!("Bearer {}", person.token)));
        }
        if !body.is_empty() {
            headers.push(("Content-Type", "application/json".to_owned()));
        }
        headers.extend(more.iter().map(|(name, value)| (*name, value.to_string())));
        self.send_raw(line, &headers, body.as_bytes())
    }

    /// Sends a request without a body, with this token.
    pub fn send_token(&self, line: &str, token: &str) -> Answer {
        self.send_with(
            line,
            None,
            &[("Authorization", &format!("Bearer {token}"))],
            "",
        )
    }

    /// Sends a GET on behalf of a person.
    pub fn get(&self, path: &str, person: &Person) -> Answer {
        self.send(&format!("GET {path}"), person.clone(), "")
    }

    /// Sends exactly these headers and this body.
    pub fn send_raw(&self, line: &str, headers: &[(&str, String)], body: &[u8]) -> Answer {
        let (method, target) = line.split_once(' ').unwrap();
        let headers = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
        let request = Request::fake_http(method, target, headers, body.to_vec());
        let answer = respond(&self.app, &request);
        description::check_accepted(method, target, body, &answer);
        answer
    }

    pub fn sign_up(&self, username: &str, email: &str, password: &str) -> Answer {
        let body = json!({ "username": username, "email": email, "password": password });
        self.send("POST /signup", None, &body.to_string())
    }

    pub fn log_in(&self, email: &str, password: &str) -> Answer {
        let body = json!({ "email": email, "password": password });
        self.send("POST /login", None, &body.to_string())
    }

    pub fn patch_me(&self, person: &Person, body: Value) -> Answer {
        self.send("PATCH /me", person.clone(), &body.to_string())
    }

    /// Makes a task as `person` and returns its id.
    pub fn task(&self, person: &Person, body: Value) -> i64 {
        let answer = self.send("POST /tasks", person.clone(), &body.to_string());
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_i64().unwrap()
    }
}

/// An application with one of everything: an admin (1), an employee (2), a task of the latter (1).
pub struct World {
    pub app: TestApp,
    pub admin: Person,
    pub employee: Person,
    pub task: i64,
}

impl World {
    pub fn new() -> World {
        World::on(TestApp::new())
    }

    pub fn on(app: TestApp) -> World {
        let (admin, employee) = (app.admin(), app.employee());
        let task = app.task(
            &admin,
            json!({ "title": "water the plants", "assigned_user_id": employee.id }),
        );
        World {
            app,
            admin,
            employee,
            task,
        }
    }
}

/// A request as it comes from this address, with headers of the form `"Name: value"`.
pub fn request_from(peer: &str, line: &str, headers: &[&str], body: &str) -> Request {
    let peer = SocketAddr::new(peer.parse().unwrap(), 50_000);
    let (method, target) = line.split_once(' ').unwrap();
    let headers = headers.iter().map(|header| {
        let (name, value) = header.split_once(": ").unwrap();
        (name.to_owned(), value.to_owned())
    });
    Request::fake_http_from(peer, method, target, headers.collect(), body.into())
}

/// What the application answers, which the description has to have.
pub fn respond(app: &App, request: &Request) -> Answer {
    let answer = Answer::from(handle(app, request));
    description::check(request.method(), request.raw_url(), &answer);
    answer
}
