//! A minimal HTTP/1.1 client on a real socket: one connection, one response at a time.
//! It can send any bytes. It reads only well-formed responses whose body `Content-Length` delimits.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestResponse};

/// Much longer than any response takes, so that a test that hangs fails instead.
pub const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A persistent connection.
pub struct Client {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        Client::try_connect(address, TEST_TIMEOUT).unwrap()
    }

    /// Connects; connecting, each read and each write may take at most `timeout`.
    pub fn try_connect(address: SocketAddr, timeout: Duration) -> io::Result<Client> {
        Client::on_stream(TcpStream::connect_timeout(&address, timeout)?, timeout)
    }

    /// Connects and writes these bytes within this time, and returns when the attempt began. The head timeout of the server
    /// runs from the connect, so a client whose thread is held up between connect and write tries again.
    pub fn connect_and_write(
        address: SocketAddr,
        within: Duration,
        mut bytes: impl FnMut(&Client) -> String,
    ) -> (Instant, Client) {
        loop {
            let begin = Instant::now();
            let mut client = Client::connect(address);
            let bytes = bytes(&client);
            if client.write(bytes).is_ok() && begin.elapsed() < within {
                return (begin, client);
            }
        }
    }

    /// Connects from this address of the client's machine, such as `127.0.0.2`.
    pub fn connect_from(source: &str, address: SocketAddr) -> Client {
        Client::connect_from_port(&format!("{source}:0"), address)
    }

    /// As [`Client::connect_from`], with the port. The kernel takes long to find a free one among thousands.
    pub fn connect_from_port(source: &str, address: SocketAddr) -> Client {
        let source: SocketAddr = source.parse().unwrap();
        let (family, kind) = (AddressFamily::INET, SocketType::STREAM);
        // The programs that other tests start must not inherit it.
        let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None).unwrap();
        rustix::net::bind(&socket, &source).unwrap();
        rustix::net::connect(&socket, &address).unwrap();
        Client::on_stream(socket.into(), TEST_TIMEOUT).unwrap()
    }

    fn on_stream(stream: TcpStream, timeout: Duration) -> io::Result<Client> {
        let address = stream.peer_addr()?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        stream.set_nodelay(true)?;
        let stream = BufReader::new(stream);
        Ok(Client { address, stream })
    }

    /// Sends a request such as `"GET /hello"`, with an optional access token and an optional JSON body.
    pub fn send(&mut self, line: &str, token: Option<&str>, body: Option<&Value>) -> TestResponse {
        self.try_send(line, token, body).unwrap()
    }

    /// As [`Client::send`], but returns an error when the server sends no response.
    pub fn try_send(
        &mut self,
        line: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> io::Result<TestResponse> {
        self.write(self.request(line, token, body))?;
        self.read_response(line.starts_with("HEAD"))
    }

    /// The bytes of a request with an optional access token and an optional JSON body.
    pub fn request(&self, line: &str, token: Option<&str>, body: Option<&Value>) -> String {
        let mut headers = String::new();
        if let Some(token) = token {
            headers.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        if !body.is_empty() {
            headers.push_str("Content-Type: application/json\r\n");
            headers.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        format!("{}{body}", self.head(line, &headers))
    }

    /// The head of a request. Each line of `headers` ends with `\r\n`.
    pub fn head(&self, line: &str, headers: &str) -> String {
        format!("{line} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", self.address)
    }

    /// Sends exactly these bytes.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// Closes the sending direction of the connection (half-close). Reading still works.
    pub fn half_close(&mut self) -> io::Result<()> {
        self.stream.get_mut().shutdown(Shutdown::Write)
    }

    /// A second handle to the same connection, for writing while this one reads.
    pub fn writer(&self) -> TcpStream {
        self.stream.get_ref().try_clone().unwrap()
    }

    /// Whether something can be read: bytes of a response, or that the server has closed the connection.
    pub fn is_readable(&self) -> bool {
        let stream = self.writer();
        stream.set_nonblocking(true).unwrap();
        let seen = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        seen.map_or_else(|why| why.kind() != ErrorKind::WouldBlock, |_| true)
    }

    /// Reads one response. A response to HEAD has no body, whatever its `Content-Length`.
    pub fn read_response(&mut self, to_head: bool) -> io::Result<TestResponse> {
        let status_line = self.line()?;
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .ok_or_else(|| io::Error::other(format!("no status line: {status_line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            match line.split_once(':') {
                None if line.is_empty() => break,
                None => return Err(io::Error::other(format!("no header: {line:?}"))),
                Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
            }
        }
        let mut response = TestResponse {
            status,
            headers,
            body: Vec::new(),
        };
        if !to_head && ![100, 204, 304].contains(&status) {
            let length = response.header("Content-Length").expect("Content-Length");
            response.body = vec![0; length.parse().unwrap()];
            self.stream.read_exact(&mut response.body)?;
        }
        Ok(response)
    }

    /// Reads responses until the server closes the connection. None of them may be to HEAD.
    pub fn read_responses(&mut self) -> io::Result<Vec<TestResponse>> {
        let mut responses = Vec::new();
        while !self.stream.fill_buf()?.is_empty() {
            responses.push(self.read_response(false)?);
        }
        Ok(responses)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end_matches("\r\n").to_owned()),
        }
    }

    /// Signs up as `username`, with the tests' password.
    pub fn sign_up(&mut self, username: &str) -> TestResponse {
        let body = json!({
            "username": username,
            "email": format!("{username}@example.com"),
            "password": PASSWORD,
        });
        self.send("POST /signup", None, Some(&body))
    }

    /// Signs in as `username`, with the tests' password.
    pub fn sign_in(&mut self, username: &str) -> TestResponse {
        let body = json!({ "email": format!("{username}@example.com"), "password": PASSWORD });
        self.send("POST /login", None, Some(&body))
    }

    /// Signs in as `username`, which must succeed, and returns the access token.
    pub fn sign_in_for_token(&mut self, username: &str) -> String {
        let response = self.sign_in(username);
        assert_eq!(response.status, 200, "{response:?}");
        response.json()["token"].as_str().unwrap().to_owned()
    }
}

/// Sends these bytes and reads responses until the server closes the connection, which it must do without a
/// half-close by the client.
pub fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Vec<TestResponse> {
    let mut client = Client::connect(address);
    client.write(bytes).unwrap();
    client.read_responses().unwrap()
}

pub fn statuses(responses: &[TestResponse]) -> Vec<u16> {
    responses.iter().map(|response| response.status).collect()
}
