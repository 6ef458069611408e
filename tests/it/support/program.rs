//! Runs the program in a child process with a temporary working directory.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader, Read, Write};
use std::iter;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::data_dir::{DataDir, Engine};
use crate::support::http_client::{Client, TEST_TIMEOUT};
use crate::support::sql::TestSql;
use crate::support::{PASSWORD, wait_for, wait_until_asleep};

/// A temporary working directory, in which the program finds its key and SQLite's file.
pub struct WorkDir(pub DataDir);

/// Copies the program. A file that this process itself has written cannot be executed while a child of another test, which
/// inherits the descriptor, has not called exec().
pub fn copy_program(to: &Path) {
    let done = Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_task-api"))
        .arg(to)
        .status();
    assert!(done.unwrap().success());
}

/// A port of 127.0.0.1 that nothing listens on, for a server whose port must be known before it starts. It is below the
/// ephemeral range, from which the kernel takes the ports of outgoing connections and of servers with the port 0.
pub fn free_port() -> u16 {
    let is_free = |&port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let random = || RandomState::new().build_hasher().finish();
    let mut ports = iter::repeat_with(|| 15_000 + (random() % 17_000) as u16);
    ports.find(is_free).unwrap()
}

/// Exit code, standard output and standard error of a command.
#[derive(Debug, PartialEq)]
pub struct CommandOutput {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl WorkDir {
    pub fn new() -> WorkDir {
        WorkDir(DataDir::new())
    }

    /// Without a database, or with an empty one.
    pub fn empty() -> WorkDir {
        WorkDir(DataDir::empty())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program with these arguments. It inherits none of the test's environment variables.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_task-api"));
        command
            .args(arguments)
            .env_clear()
            .env("PASSWORD_ITERATIONS", "10")
            .env("PORT", "0")
            .env("RATE_LIMITS", "off")
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        if Engine::current() == Engine::Postgres {
            command.env("DATABASE_URL", self.0.database_url());
            // The key files have the same names on both engines.
            command.env("KEYS_PATH", "project.db");
        }
        command
    }

    /// The server, started by the shell after these commands, such as `ulimit -n 100`.
    pub fn command_after(&self, commands: &str) -> Command {
        self.run_after(commands, &self.command(&[]))
    }

    /// The command, started by the shell after these commands. In them it is `"$0" "$@"`.
    pub fn run_after(&self, commands: &str, program: &Command) -> Command {
        let variables = program.get_envs();
        let variables = variables.filter_map(|(name, value)| Some((name, value?)));
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{commands} && exec \"$0\" \"$@\"")])
            .arg(program.get_program())
            .args(program.get_args())
            .env_clear()
            .envs(variables)
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> CommandOutput {
        run_command(&mut self.command(arguments))
    }

    /// Runs a command with text on its standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> CommandOutput {
        run_command_with_input(&mut self.command(arguments), input)
    }

    /// Creates an account with the tests' password.
    pub fn create_account(&self, username: &str, more: &[&str]) -> CommandOutput {
        let email = format!("{username}@example.com");
        let mut arguments = vec!["user", "create", "--username", username, "--email", &email];
        arguments.push("--password-stdin");
        arguments.extend(more);
        let created = self.run_with_input(&arguments, &format!("{PASSWORD}\n"));
        assert_eq!(created.code, Some(0), "{created:?}");
        created
    }

    /// A separate database connection, for statements that no command executes.
    pub fn sql(&self) -> TestSql {
        self.0.sql()
    }

    /// A separate connection to SQLite's file. Only tests in a module `sqlite_only` may call it.
    #[track_caller]
    pub fn sqlite(&self) -> rusqlite::Connection {
        self.0.sqlite()
    }

    pub fn serve(&self) -> RunningServer {
        RunningServer::start(&mut self.command(&[]))
    }
}

impl CommandOutput {
    /// The error message of a command that failed: a single line on standard error, and nothing on standard
    /// output.
    pub fn error_line(&self) -> &str {
        assert!(self.code.is_some_and(|code| code != 0), "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        let line = self.err.strip_suffix('\n').unwrap_or(&self.err);
        assert!(!line.is_empty() && !line.contains('\n'), "{self:?}");
        line
    }
}

pub fn run_command(command: &mut Command) -> CommandOutput {
    run_command_with_input(command, "")
}

pub fn run_command_with_input(command: &mut Command, input: &str) -> CommandOutput {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = ChildGuard(child);
    if let Some(mut stdin) = child.0.stdin.take() {
        // A command that fails before it reads its input closes the pipe.
        let _ = stdin.write_all(input.as_bytes());
    }
    let out = collect(child.0.stdout.take().unwrap());
    let err = collect(child.0.stderr.take().unwrap());
    let status = child.wait();
    CommandOutput {
        code: status.code(),
        out: out.join().unwrap(),
        err: err.join().unwrap(),
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    })
}

/// A child process that is killed when the guard is dropped, also when the test panics.
pub struct ChildGuard(pub Child);

impl ChildGuard {
    /// Waits until the child exits. Panics when it does not within the timeout.
    pub fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + TEST_TIMEOUT;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "the program does not exit");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that has logged the address it listens on.
pub struct RunningServer {
    pub child: ChildGuard,
    pub address: SocketAddr,
    /// While a test holds this lock, nothing reads the server's standard error.
    pub log_reader: Arc<Mutex<()>>,
    lines: Receiver<String>,
    log: Vec<String>,
}

impl RunningServer {
    pub fn start(command: &mut Command) -> RunningServer {
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut child = ChildGuard(child);
        let stderr = BufReader::new(child.0.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        let log_reader = Arc::new(Mutex::new(()));
        let reader = Arc::clone(&log_reader);
        thread::spawn(move || {
            for line in stderr.lines() {
                let _reading = reader.lock();
                let _ = sender.send(line.unwrap());
            }
        });
        let mut running = RunningServer {
            child,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            log_reader,
            lines,
            log: Vec::new(),
        };
        let line = running.wait_for_line("listening on http://");
        let (_, address) = line.rsplit_once("http://").unwrap();
        // A line in JSON ends with a quote and a brace.
        running.address = address.trim_end_matches(['"', '}']).parse().unwrap();
        running
    }

    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// A client with this address of the loopback network.
    pub fn client_from(&self, source: &str) -> Client {
        Client::connect_from(source, self.address)
    }

    /// Waits until the thread with this name waits for something, such as maintenance that is done for this minute.
    #[cfg(target_os = "linux")]
    pub fn wait_until_blocked(&self, thread: &str) {
        let folder = format!("/proc/{}/task", self.child.0.id());
        let has_name = |path: &PathBuf| {
            let name = fs::read_to_string(path.join("comm"));
            name.is_ok_and(|name| name.trim() == thread)
        };
        let path = wait_for("the thread", || {
            let threads = fs::read_dir(&folder).unwrap();
            threads.map(|thread| thread.unwrap().path()).find(has_name)
        });
        wait_until_asleep(&path.join("stat"));
    }

    /// Waits until the server logs a line that contains this text, and returns the line.
    pub fn wait_for_line(&mut self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(TEST_TIMEOUT).unwrap_or_else(|why| {
                panic!("{why}: no {text:?} in {:?}", self.log);
            });
            self.log.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, signal: &str) {
        let kill = format!("kill -s {signal} {}", self.child.0.id());
        let kill = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(kill.success());
    }

    /// Sends a signal, and returns the exit status and all log lines.
    pub fn stop(self, signal: &str) -> (ExitStatus, Vec<String>) {
        self.signal(signal);
        self.wait_for_exit()
    }

    /// Waits until the server exits, and returns the exit status and all log lines.
    pub fn wait_for_exit(mut self) -> (ExitStatus, Vec<String>) {
        let status = self.child.wait();
        self.log.extend(self.lines.iter());
        (status, self.log)
    }

    /// Sends a signal, and returns the exit status.
    pub fn exit_status(&mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        self.child.wait()
    }

    /// Stops the server with SIGTERM, as an operator does, and returns its log lines.
    pub fn log(self) -> Vec<String> {
        let (status, log) = self.stop("TERM");
        assert_eq!(status.code(), Some(0), "{log:?}");
        log
    }
}
