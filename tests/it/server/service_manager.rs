//! The program as a service: what it tells the service manager (sd_notify), its watchdog, and a listening socket
//! that it is handed (socket activation).

#![cfg(target_os = "linux")] // abstract sockets

use std::ffi::OsString;
use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self as unix, UnixDatagram, UnixListener};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use task_api::cli::service_manager::ServiceManager;
use task_api::cli::watchdog::Watchdog;
use task_api::model::Timestamp;
use task_api::server::{ListenOn, Server};

use crate::support::http_client::{Client, TEST_TIMEOUT};
use crate::support::program::{RunningServer, WorkDir, run_command};
use crate::support::{self, TestApp, wait_for};

// ---- what the service manager is told -----------------------------------------------------------

/// The socket of a service manager.
struct NotifySocket {
    socket: UnixDatagram,
    /// Its name, for `NOTIFY_SOCKET`.
    name: OsString,
}

impl NotifySocket {
    /// A socket at a path in this folder.
    fn at_path(work_dir: &WorkDir) -> NotifySocket {
        let path = work_dir.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        NotifySocket::new(socket, path.into())
    }

    /// A socket with an abstract name, which is in no folder.
    fn with_abstract_name(work_dir: &WorkDir) -> NotifySocket {
        let name = work_dir.path("notify").into_os_string();
        let address = unix::SocketAddr::from_abstract_name(name.as_encoded_bytes()).unwrap();
        let mut with_mark = OsString::from("@");
        with_mark.push(name);
        NotifySocket::new(UnixDatagram::bind_addr(&address).unwrap(), with_mark)
    }

    fn new(socket: UnixDatagram, name: OsString) -> NotifySocket {
        socket.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
        NotifySocket { socket, name }
    }

    fn receive(&self) -> String {
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    fn is_empty(&self) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        let received = self.socket.recv(&mut [0]);
        self.socket.set_nonblocking(false).unwrap();
        received.is_err()
    }
}

#[test]
fn the_service_manager_is_told_of_the_start_and_the_stop() {
    for open in [NotifySocket::at_path, NotifySocket::with_abstract_name] {
        let work_dir = WorkDir::new();
        let notify = open(&work_dir);
        let mut command = work_dir.command(&[]);
        let mut server = RunningServer::start(command.env("NOTIFY_SOCKET", &notify.name));
        assert_eq!(notify.receive(), "STATUS=opening the database");
        let ready = format!("READY=1\nSTATUS=serving on http://{}", server.address);
        assert_eq!(notify.receive(), ready);
        let response = server.client().send("GET /readyz", None, None);
        assert_eq!(response.status, 200);
        assert_eq!(server.exit_status("TERM").code(), Some(0));
        assert_eq!(
            notify.receive(),
            "STOPPING=1\nSTATUS=completing the requests in progress"
        );
        assert!(notify.is_empty());
    }
}

#[test]
fn a_start_that_fails_is_never_ready() {
    let work_dir = WorkDir::new();
    let notify = NotifySocket::at_path(&work_dir);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = work_dir.command(&[]);
    command.env("NOTIFY_SOCKET", &notify.name).env("PORT", port);
    assert_eq!(run_command(&mut command).code, Some(1));
    assert_eq!(notify.receive(), "STATUS=opening the database");
    assert!(notify.is_empty());
}

#[test]
fn the_server_runs_also_if_the_service_manager_is_gone() {
    let work_dir = WorkDir::new();
    let mut command = work_dir.command(&[]);
    let mut server = RunningServer::start(command.env("NOTIFY_SOCKET", work_dir.path("none")));
    server.wait_for_line("cannot notify the service manager");
    let response = server.client().send("GET /readyz", None, None);
    assert_eq!(response.status, 200);
    let log = server.log();
    assert!(log.iter().any(|line| line.contains("stopped")), "{log:?}");
}

// ---- the watchdog -------------------------------------------------------------------------------

#[test]
fn the_watchdog_is_pinged_as_long_as_the_server_works() {
    let work_dir = WorkDir::new();
    let notify = NotifySocket::at_path(&work_dir);
    let mut command = work_dir.command(&[]);
    command.env("NOTIFY_SOCKET", &notify.name);
    let mut server = RunningServer::start(command.env("WATCHDOG_USEC", "20000"));
    assert_eq!(notify.receive(), "STATUS=opening the database");
    assert!(notify.receive().starts_with("READY=1\n"));
    for _ in 0..5 {
        assert_eq!(notify.receive(), "WATCHDOG=1");
    }
    assert_eq!(server.exit_status("TERM").code(), Some(0));
    let last = std::iter::repeat_with(|| notify.receive()).find(|message| message != "WATCHDOG=1");
    assert!(last.unwrap().starts_with("STOPPING=1\n"));
}

#[test]
fn the_watchdog_of_another_process_is_not_pinged() {
    let work_dir = WorkDir::new();
    let notify = NotifySocket::at_path(&work_dir);
    let mut command = work_dir.command(&[]);
    command
        .env("NOTIFY_SOCKET", &notify.name)
        .env("WATCHDOG_USEC", "2")
        .env("WATCHDOG_PID", "1");
    let mut server = RunningServer::start(&mut command);
    for _ in 0..10 {
        server.client().send("GET /readyz", None, None);
    }
    assert_eq!(server.exit_status("TERM").code(), Some(0));
    assert_eq!(notify.receive(), "STATUS=opening the database");
    assert!(notify.receive().starts_with("READY=1\n"));
    assert!(notify.receive().starts_with("STOPPING=1\n"));
}

/// A clock that stops the first thread that asks for the time at each of these barriers in turn.
fn clock_that_blocks_once(barriers: [Arc<Barrier>; 2]) -> impl Fn() -> Timestamp {
    let was_asked = AtomicBool::new(false);
    move || {
        if !was_asked.swap(true, Ordering::SeqCst) {
            for barrier in &barriers {
                barrier.wait();
            }
        }
        Timestamp::now()
    }
}

#[test]
fn the_watchdog_is_not_pinged_while_one_event_loop_is_stuck() {
    let [is_stuck, release] = [Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2))];
    let clock = clock_that_blocks_once([Arc::clone(&is_stuck), Arc::clone(&release)]);
    let app = TestApp::new();
    let token = app.admin().token;
    let keys = support::keys(support::SIGNING_KEY, &[]);
    let app = support::open_app(support::config(&app.folder), &keys, Box::new(clock));
    let server = Server::start(Arc::new(app), ListenOn::address("127.0.0.1", 0)).unwrap();
    let work_dir = WorkDir::new();
    let notify = NotifySocket::at_path(&work_dir);
    let manager = ServiceManager::new(Some(notify.name.clone()), None).unwrap();

    // The check of a token asks for the time, on an event loop.
    let mut client = Client::connect(server.address());
    let request = client.request("GET /hello", Some(&token), None);
    client.write(request).unwrap();
    is_stuck.wait();
    let mut watchdog = Watchdog::start(&server).unwrap();
    // The second loop serves its connection. It takes the probe before the second request at the latest.
    let mut other = Client::connect(server.address());
    for _ in 0..2 {
        assert_eq!(other.send("GET /healthz", None, None).status, 200);
    }
    watchdog.tick(&server, &manager);
    assert!(notify.is_empty());

    release.wait();
    client.read_response(false).unwrap();
    wait_for("ping", || {
        watchdog.tick(&server, &manager);
        (!notify.is_empty()).then_some(())
    });
}

// ---- socket activation --------------------------------------------------------------------------

/// The server, started with a listening socket as file descriptor 3.
fn activated(work_dir: &WorkDir, socket: impl Into<OwnedFd>) -> Command {
    let pass_on = "exec 3<&0 </dev/null && export LISTEN_FDS=1 LISTEN_PID=$$";
    let mut command = work_dir.command_after(pass_on);
    command.stdin(Stdio::from(socket.into()));
    command
}

/// Sends one request on a new connection, and returns the status.
fn status_on_new_connection(address: SocketAddr) -> u16 {
    let mut client = Client::connect(address);
    client.send("GET /readyz", None, None).status
}

#[test]
fn restarts_on_one_listening_socket_refuse_no_connection_and_fail_no_request() {
    const CLIENTS: usize = 4;
    const STARTS: usize = 6;
    let work_dir = WorkDir::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (served, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let send_requests = || {
        while !is_over.load(Ordering::SeqCst) {
            assert_eq!(status_on_new_connection(address), 200);
            served.fetch_add(1, Ordering::SeqCst);
        }
    };
    thread::scope(|scope| {
        // Before the first start and between two of them, the requests wait for a server.
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(send_requests)).collect();
        for number in 1..=STARTS {
            let before = served.load(Ordering::SeqCst);
            let socket = listener.try_clone().unwrap();
            let mut server = RunningServer::start(&mut activated(&work_dir, socket));
            assert_eq!(server.address, address);
            wait_for("responses", || {
                let count = served.load(Ordering::SeqCst) - before;
                (count > 50 * CLIENTS).then_some(())
            });
            if number == STARTS {
                is_over.store(true, Ordering::SeqCst);
                clients.drain(..).for_each(|client| client.join().unwrap());
            }
            assert_eq!(server.exit_status("TERM").code(), Some(0));
        }
    });
}

#[test]
fn what_is_not_one_listening_tcp_socket_stops_the_start_with_one_line() {
    let folder = WorkDir::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let sockets: [(OwnedFd, &str); 5] = [
        (connection.into(), "fd 3 is not a listening socket"),
        (
            UdpSocket::bind("127.0.0.1:0").unwrap().into(),
            "fd 3 is not a valid tcp socket",
        ),
        (
            UnixListener::bind(folder.path("socket")).unwrap().into(),
            "fd 3 is not a valid tcp socket",
        ),
        (
            File::open("/dev/null").unwrap().into(),
            "fd 3 is not a socket",
        ),
        (
            File::create(folder.path("file")).unwrap().into(),
            "fd 3 is not a socket",
        ),
    ];
    for (socket, reason) in sockets {
        assert_refused(|work_dir| activated(work_dir, socket), reason);
    }
}

/// The start fails with one line that ends with this text, before it creates a file.
fn assert_refused(command: impl FnOnce(&WorkDir) -> Command, reason: &str) {
    let work_dir = WorkDir::new();
    let output = run_command(&mut command(&work_dir));
    assert_eq!(output.code, Some(1), "{reason}");
    assert!(output.error_line().ends_with(reason), "{output:?}");
    assert!(!work_dir.path("project.db").exists(), "{reason}");
}

#[test]
fn invalid_variables_of_a_service_manager_stop_the_start_with_one_line() {
    let cases = [
        (
            "LISTEN_FDS",
            "2",
            "LISTEN_FDS: the server takes one socket, not 2",
        ),
        ("LISTEN_FDS", "one", "LISTEN_FDS: \"one\" is not valid"),
        ("LISTEN_FDS", "-1", "LISTEN_FDS: \"-1\" is not valid"),
        ("LISTEN_PID", "", "LISTEN_PID: \"\" is not valid"),
        (
            "NOTIFY_SOCKET",
            "relative",
            "NOTIFY_SOCKET: must begin with / or @",
        ),
        ("WATCHDOG_USEC", "0", "WATCHDOG_USEC: \"0\" is not valid"),
        ("WATCHDOG_PID", "me", "WATCHDOG_PID: \"me\" is not valid"),
    ];
    for (name, value, reason) in cases {
        let set = |work_dir: &WorkDir| {
            let mut command = work_dir.command(&[]);
            command.env(name, value);
            command
        };
        assert_refused(set, reason);
    }
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let work_dir = WorkDir::new();
    let mut command = work_dir.command(&[]);
    command.env("LISTEN_FDS", "2").env("LISTEN_PID", "1");
    let server = RunningServer::start(&mut command);
    assert_eq!(status_on_new_connection(server.address), 200);
}

#[test]
fn rouilles_own_server_takes_no_socket_and_has_no_watchdog() {
    let rouille = |mut command: Command| {
        command.env("SERVER", "rouille");
        let output = run_command(&mut command);
        assert_eq!(output.code, Some(1));
        output.err
    };
    let work_dir = WorkDir::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = rouille(activated(&work_dir, listener));
    assert!(error.ends_with("LISTEN_FDS: SERVER=rouille cannot take a socket\n"));
    let notify = NotifySocket::at_path(&work_dir);
    let mut command = work_dir.command(&[]);
    command
        .env("NOTIFY_SOCKET", &notify.name)
        .env("WATCHDOG_USEC", "1000000");
    let error = rouille(command);
    assert!(error.ends_with("WATCHDOG_USEC: SERVER=rouille cannot be probed\n"));
}
