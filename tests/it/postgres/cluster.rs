//! PostgreSQL clusters with TLS, for the tests of connecting.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use postgres::{Client, NoTls};
use task_api::config::postgres::PostgresUrl;

use crate::support::program::free_port;

pub const PASSWORD: &str = "S3cret";

/// The roles, each with [`PASSWORD`]: `postgres` is the superuser, `plain` must not use TLS, `tls` must use it.
const ACCESS: &str = "\
hostssl   all plain 127.0.0.1/32 reject
hostnossl all tls   127.0.0.1/32 reject
host      all all   127.0.0.1/32 scram-sha-256
local     all all                scram-sha-256
";

/// A cluster that ends with the process of the tests.
pub struct Cluster {
    pub port: u16,
    /// Has the data, the Unix socket and the certificates.
    folder: PathBuf,
    /// Stops the cluster when its standard input ends.
    _guard: Child,
}

impl Cluster {
    /// A cluster whose certificate is for `localhost`, from the authority `ca.crt`.
    pub fn with_tls() -> &'static Cluster {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(|| {
            Cluster::start(|folder| {
                make_certificates(folder);
                "ssl=on\nssl_cert_file='../server.crt'\nssl_key_file='../server.key'\n"
            })
        })
    }

    /// A cluster without TLS, whose sessions are read-only unless they change that.
    pub fn read_only() -> &'static Cluster {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(|| Cluster::start(|_| "default_transaction_read_only=on\n"))
    }

    /// A cluster whose certificate for `localhost` is an authority itself, and is valid for this number of days.
    pub fn self_signed(days: &str) -> Cluster {
        Cluster::start(|folder| {
            self_sign(
                folder,
                "server",
                &["-addext", "subjectAltName=DNS:localhost"],
            );
            let sign = ["x509", "-in", "server.crt", "-signkey", "server.key"];
            openssl(folder, &sign, &["-days", days, "-out", "server.crt"]);
            "ssl=on\nssl_cert_file='../server.crt'\nssl_key_file='../server.key'\n"
        })
    }

    fn start(prepare: impl FnOnce(&Path) -> &'static str) -> Cluster {
        let folder = tempfile::tempdir().unwrap().keep();
        give_to_postgres(&folder);
        let port = free_port();
        let settings = format!(
            "port={port}\nlisten_addresses='127.0.0.1'\nunix_socket_directories='{}'\nfsync=off\n{}",
            folder.display(),
            prepare(&folder)
        );
        fs::write(folder.join("password"), PASSWORD).unwrap();
        let data = folder.join("data");
        let data = data.to_str().unwrap();
        run(as_postgres("initdb")
            .args([
                "--no-sync",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "-U",
                "postgres",
                "-D",
                data,
            ])
            .arg(format!("--pwfile={}", folder.join("password").display())));
        append(&folder.join("data/postgresql.conf"), &settings);
        fs::write(folder.join("data/pg_hba.conf"), ACCESS).unwrap();
        let guard = guard(data);
        run(as_postgres("pg_ctl").args(["-D", data, "-w", "-l", &format!("{data}/log"), "start"]));
        let cluster = Cluster {
            port,
            folder,
            _guard: guard,
        };
        cluster.create_roles();
        cluster
    }

    fn create_roles(&self) {
        let mut admin = self.admin("postgres");
        admin
            .batch_execute("SET default_transaction_read_only = off")
            .unwrap();
        for role in ["plain", "tls", "poor"] {
            let sql = format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'");
            admin.batch_execute(&sql).unwrap();
        }
    }

    /// A connection of the superuser, by the `postgres` crate alone.
    pub fn admin(&self, database: &str) -> Client {
        let url = format!(
            "postgres://postgres:{PASSWORD}@127.0.0.1:{}/{database}",
            self.port
        );
        Client::connect(&url, NoTls).unwrap()
    }

    /// A URL for this role, with these parameters.
    pub fn url(&self, role: &str, parameters: &str) -> PostgresUrl {
        let port = self.port;
        let text = format!(
            "postgres://{role}:{PASSWORD}@localhost:{port}/postgres?hostaddr=127.0.0.1&{parameters}"
        );
        text.parse().unwrap()
    }

    pub fn folder(&self) -> &str {
        self.folder.to_str().unwrap()
    }

    /// The path of a certificate.
    pub fn file(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }
}

/// A process that stops the cluster and removes its folder when this process ends, however it ends.
fn guard(data: &str) -> Child {
    let script = "cat; pg_ctl -D \"$0\" -m immediate stop; rm -rf \"$(dirname \"$0\")\"";
    let mut guard = as_postgres("sh");
    guard.args(["-c", script, data]).stdin(Stdio::piped());
    guard.stdout(Stdio::null()).stderr(Stdio::null());
    // A signal to the process group of the tests, such as Ctrl-C, does not reach it.
    guard.process_group(0);
    guard.spawn().unwrap()
}

/// A program of PostgreSQL, which does not run as root.
fn as_postgres(program: &str) -> Command {
    let mut command = match rustix::process::geteuid().is_root() {
        true => {
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid=postgres",
                "--regid=postgres",
                "--clear-groups",
                program,
            ]);
            command
        }
        false => Command::new(program),
    };
    command.env(
        "PATH",
        format!(
            "{}:{}",
            programs().display(),
            std::env::var("PATH").unwrap()
        ),
    );
    command.current_dir("/");
    command
}

/// The folder of the newest PostgreSQL of this machine.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .expect("the tests need PostgreSQL: the Debian package `postgresql`");
    let version = versions
        .map(|version| version.unwrap().path())
        .max_by_key(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .parse::<u32>()
                .ok()
        });
    version.unwrap().join("bin")
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).output();
    let output = output.unwrap_or_else(|why| panic!("{command:?}: {why}"));
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {err}");
}

fn give_to_postgres(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    if rustix::process::geteuid().is_root() {
        let id = |flag| {
            let output = Command::new("id")
                .args([flag, "postgres"])
                .output()
                .unwrap();
            String::from_utf8(output.stdout)
                .unwrap()
                .trim()
                .parse()
                .ok()
        };
        chown(path, id("-u"), id("-g")).unwrap();
    }
}

fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// The authorities `ca` and `other`, and `server`, whose certificate `ca` has signed.
fn make_certificates(folder: &Path) {
    self_sign(folder, "ca", &[]);
    self_sign(folder, "other", &[]);
    fs::write(folder.join("extensions"), "subjectAltName=DNS:localhost").unwrap();
    let request = [
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=localhost",
    ];
    openssl(
        folder,
        &request,
        &["-keyout", "server.key", "-out", "server.csr"],
    );
    let sign = [
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
    ];
    let into = [
        "-CAcreateserial",
        "-extfile",
        "extensions",
        "-out",
        "server.crt",
    ];
    openssl(folder, &sign, &into);
    protect_key(folder);
}

/// `NAME.crt` and `NAME.key`, signed by itself.
fn self_sign(folder: &Path, name: &str, arguments: &[&str]) {
    let new = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=localhost",
    ];
    let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
    let into = ["-keyout", &key, "-out", &certificate];
    openssl(folder, &new, &[&into, arguments].concat());
    protect_key(folder);
}

fn protect_key(folder: &Path) {
    let key = folder.join("server.key");
    if key.exists() {
        give_to_postgres(&key);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn openssl(folder: &Path, first: &[&str], second: &[&str]) {
    run(Command::new("openssl")
        .current_dir(folder)
        .args(first)
        .args(second));
}
