//! PostgreSQL for the tests: one cluster for all tests of a process, one database for a test.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use postgres::error::SqlState;
use postgres::{Client, NoTls};
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
    /// An empty database. `TEST_POSTGRES_ICU_LOCALE`, such as `sv-SE`, orders the text of all of them by the rules of
    /// a language, to show that nothing depends on the default order.
    pub fn new() -> TestDatabase {
        static LOCALE: OnceLock<Option<String>> = OnceLock::new();
        let locale = LOCALE.get_or_init(|| std::env::var("TEST_POSTGRES_ICU_LOCALE").ok());
        TestDatabase::ordered(
            locale
                .as_deref()
                .map_or(Collation::CodePoints, Collation::Icu),
        )
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
