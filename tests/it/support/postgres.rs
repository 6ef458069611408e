//! PostgreSQL for the tests: one cluster for all tests of a process, one database for a test.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use postgres::error::SqlState;
use postgres::{Client, NoTls};
use task_api::config::concurrency::Connections;
use task_api::config::database::{DatabaseArgs, DatabaseUrl};
use task_api::config::postgres::PostgresArgs;
use task_api::store::Store;
use url::Url;

use super::http_client::TEST_TIMEOUT;

/// A database of the cluster, which is removed when the test ends.
pub struct TestDatabase {
    pub url: String,
    name: String,
}

/// How the text of a new database is ordered.
#[derive(Clone, Copy)]
pub enum Collation {
    /// By code points, as SQLite orders text.
    CodePoints,
    /// By the rules of a language, such as `sv-SE`.
    Icu(&'static str),
}

impl TestDatabase {
    /// A database with the current schema and without rows, as the program makes it in an empty one: a copy of one
    /// that this build has migrated once for the cluster.
    pub fn migrated() -> TestDatabase {
        static TEMPLATE: OnceLock<String> = OnceLock::new();
        let template = TEMPLATE.get_or_init(make_template);
        TestDatabase::create(&format!("TEMPLATE {template}"))
    }

    /// An empty database. `TEST_POSTGRES_ICU_LOCALE`, such as `sv-SE`, orders the text of all of them by the rules of
    /// a language, to show that nothing depends on the default order.
    pub fn new() -> TestDatabase {
        TestDatabase::ordered(icu_locale().map_or(Collation::CodePoints, Collation::Icu))
    }

    /// An empty database with this order of text.
    pub fn ordered(collation: Collation) -> TestDatabase {
        let order = match collation {
            Collation::CodePoints => String::new(),
            Collation::Icu(locale) => format!("LOCALE_PROVIDER icu ICU_LOCALE '{locale}'"),
        };
        TestDatabase::create(&format!("TEMPLATE template0 {order}"))
    }

    /// A database with the content of this one, to which nothing may be connected.
    pub fn copy(&self) -> TestDatabase {
        TestDatabase::create(&format!("TEMPLATE {}", self.name))
    }

    fn create(options: &str) -> TestDatabase {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // Several test processes can share a cluster.
        let name = format!("test_{}_{number}", std::process::id());
        let cluster = Cluster::get();
        cluster.create_database(&name, options);
        let mut url = cluster.url.clone();
        url.set_path(&name);
        let url = url.into();
        TestDatabase { url, name }
    }

    /// A connection of the superuser.
    pub fn connect(&self) -> Client {
        Client::connect(&self.url, NoTls).unwrap()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // Only a cluster that has already ended refuses, and then nothing is left to remove.
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        let _ = Cluster::get().admin.lock().batch_execute(&sql);
    }
}

/// The value of `TEST_POSTGRES_ICU_LOCALE`.
fn icu_locale() -> Option<&'static str> {
    static LOCALE: OnceLock<Option<String>> = OnceLock::new();
    let locale = LOCALE.get_or_init(|| std::env::var("TEST_POSTGRES_ICU_LOCALE").ok());
    locale.as_deref()
}

/// Makes the database that [`TestDatabase::migrated`] copies, unless another process of this build has made it in the
/// same cluster. Returns its name.
fn make_template() -> String {
    let program = std::env::current_exe().unwrap().metadata().unwrap();
    let mut hasher = DefaultHasher::new();
    (program.modified().unwrap(), icu_locale()).hash(&mut hasher);
    let name = format!("migrated_{:x}", hasher.finish());
    let cluster = Cluster::get();
    let mut client = Client::connect(cluster.url.as_str(), NoTls).unwrap();
    // Until the end of the connection.
    client.execute("SELECT pg_advisory_lock(1)", &[]).unwrap();
    let sql = "SELECT FROM pg_database WHERE datname = $1";
    if client.query(sql, &[&name]).unwrap().is_empty() {
        let draft = TestDatabase::new();
        migrate(&draft);
        cluster.create_database(&name, &format!("TEMPLATE {}", draft.name));
    }
    name
}

fn migrate(database: &TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let arguments = DatabaseArgs {
        postgres: PostgresArgs {
            keys_path: Some(folder.path().join("keys")),
            ..PostgresArgs::default()
        },
        ..DatabaseArgs::from(database.url.parse::<DatabaseUrl>().unwrap())
    };
    drop(Store::open(&arguments, Connections::ONE).unwrap());
    // The first seal belongs to the key in the folder. Each copy has a key of its own.
    let sql = "DELETE FROM audit_seal";
    database.connect().batch_execute(sql).unwrap();
}

/// The cluster of this process, or one that several processes share.
struct Cluster {
    /// Of the superuser's own database.
    url: Url,
    /// One connection: concurrent copies of one template can refuse each other.
    admin: Mutex<Client>,
    /// `tests/postgres/cluster`, unless TEST_POSTGRES_URL names a cluster. Its standard input ends with this process,
    /// however the process ends; then the script removes the cluster.
    _script: Option<Child>,
}

impl Cluster {
    fn get() -> &'static Cluster {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(Cluster::start)
    }

    fn start() -> Cluster {
        let (url, script) = match std::env::var("TEST_POSTGRES_URL") {
            Ok(url) => (url, None),
            Err(_) => {
                let (url, script) = start_script();
                (url, Some(script))
            }
        };
        let admin = Client::connect(&url, NoTls);
        let admin = admin.unwrap_or_else(|why| panic!("no connection to PostgreSQL: {why}"));
        Cluster {
            url: url.parse().unwrap(),
            admin: Mutex::new(admin),
            _script: script,
        }
    }

    fn create_database(&self, name: &str, options: &str) {
        // It takes a third of the time of the default, which writes each page to the log.
        let sql = format!("CREATE DATABASE {name} STRATEGY file_copy {options}");
        let end = Instant::now() + TEST_TIMEOUT;
        while let Err(why) = self.admin.lock().batch_execute(&sql) {
            // Another process copies the template, or a connection to it has not ended yet.
            let in_use = why.code() == Some(&SqlState::OBJECT_IN_USE);
            assert!(in_use && Instant::now() < end, "{sql}: {why}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Starts a cluster. Returns the URL of its superuser, and the process that ends the cluster.
fn start_script() -> (String, Child) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres/cluster");
    let mut command = Command::new(script);
    // A process group of its own, so that the end of the test's group leaves the script to remove the cluster.
    command.arg("--serve").process_group(0);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped
        .spawn()
        .unwrap_or_else(|why| panic!("{script}: {why}"));
    let mut url = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut url).unwrap();
    assert!(
        !url.is_empty(),
        "PostgreSQL does not start; the tests need the Debian package `postgresql` (see standard error)"
    );
    (url.trim_end().to_owned(), child)
}
