//! The program itself, in a process and a working directory of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::PASSWORD;
use crate::support::http_client::{Client, PATIENCE};

/// A working directory of its own.
pub struct Place(pub TempDir);

/// What a command did.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program with these arguments and nothing of the test's own environment.
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
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Outcome {
        finish(&mut self.command(arguments))
    }

    /// Runs a command with text on its standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Outcome {
        finish_with_input(&mut self.command(arguments), input)
    }

    /// Makes an account with the tests' password.
    pub fn create(&self, username: &str, more: &[&str]) -> Outcome {
        let email = format!("{username}@example.com");
        let mut arguments = vec!["user", "create", "--username", username, "--email", &email];
        arguments.push("--password-stdin");
        arguments.extend(more);
        let made = self.run_with_input(&arguments, &format!("{PASSWORD}\n"));
        assert_eq!(made.code, Some(0), "{made:?}");
        made
    }

    pub fn sql(&self) -> Connection {
        Connection::open(self.path("project.db")).unwrap()
    }

    pub fn serve(&self) -> Running {
        Running::start(&mut self.command(&[]))
    }
}

impl Outcome {
    /// The one line of a refusal.
    pub fn refusal(&self) -> &str {
        assert!(self.code.is_some_and(|code| code != 0), "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        let line = self.err.strip_suffix('\n').unwrap_or(&self.err);
        assert!(!line.is_empty() && !line.contains('\n'), "{self:?}");
        line
    }
}

pub fn finish(command: &mut Command) -> Outcome {
    finish_with_input(command, "")
}

pub fn finish_with_input(command: &mut Command, input: &str) -> Outcome {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Guard(child);
    if let Some(mut stdin) = child.0.stdin.take() {
        // A command that refuses before it reads closes the pipe.
        let _ = stdin.write_all(input.as_bytes());
    }
    let out = collect(child.0.stdout.take().unwrap());
    let err = collect(child.0.stderr.take().unwrap());
    let status = child.wait();
    Outcome {
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

/// A child that does not outlive the test, however that ends.
pub struct Guard(pub Child);

impl Guard {
    /// Waits for the child's end, which has to come.
    pub fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "the program does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that has said where it listens.
pub struct Running {
    pub child: Guard,
    pub address: SocketAddr,
    lines: Receiver<String>,
    log: Vec<String>,
}

impl Running {
    pub fn start(command: &mut Command) -> Running {
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut child = Guard(child);
        let stderr = BufReader::new(child.0.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stderr.lines() {
                let _ = sender.send(line.unwrap());
            }
        });
        let mut running = Running {
            child,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            lines,
            log: Vec::new(),
        };
        let line = running.wait_for_line("listening on http://");
        let (_, address) = line.rsplit_once("http://").unwrap();
        running.address = address.parse().unwrap();
        running
    }

    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Waits until a line with this text is logged, and returns it.
    pub fn wait_for_line(&mut self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|why| {
                panic!("{why}, and no {text:?} in {:?}", self.log);
            });
            self.log.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Sends a signal and returns how the program ended, and all that it logged.
    pub fn stop(mut self, signal: &str) -> (ExitStatus, Vec<String>) {
        let kill = format!("kill -s {signal} {}", self.child.0.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(sent.success());
        let status = self.child.wait();
        self.log.extend(self.lines.iter());
        (status, self.log)
    }

    /// Stops as an operator does, and returns the log.
    pub fn log(self) -> Vec<String> {
        let (status, log) = self.stop("TERM");
        assert_eq!(status.code(), Some(0), "{log:?}");
        log
    }
}
