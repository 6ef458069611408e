//! A client for real sockets, as small as can be: one connection, HTTP/1.1, one answer at a time.
//! What it sends can be any bytes; what it reads has to be answers in the form that every client knows.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD};

/// Far longer than any answer takes: a test that hangs ends.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that is kept open.
pub struct Client {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        Client::try_connect(address, PATIENCE).unwrap()
    }

    /// A connection whose answers may take this long at most.
    pub fn try_connect(address: SocketAddr, patience: Duration) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        let stream = BufReader::new(stream);
        Ok(Client { address, stream })
    }

    /// Sends `"GET /hello"`, with a token or none, and with a JSON body or none.
    pub fn send(&mut self, line: &str, token: Option<&str>, body: Option<&Value>) -> Answer {
        self.try_send(line, token, body).unwrap()
    }

    /// The same, where it may be that nobody answers.
    pub fn try_send(
        &mut self,
        line: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> io::Result<Answer> {
        let mut headers = String::new();
        if let Some(token) = token {
            headers.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        if !body.is_empty() {
            headers.push_str("Content-Type: application/json\r\n");
            headers.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        self.write(format!("{}{body}", self.head(line, &headers)))?;
        self.answer(line.starts_with("HEAD"))
    }

    /// The first bytes of a request; `headers` ends with a line break each.
    pub fn head(&self, line: &str, headers: &str) -> String {
        format!("{line} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", self.address)
    }

    /// Sends exactly these bytes.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// Says that nothing more will be sent.
    pub fn end(&mut self) -> io::Result<()> {
        self.stream.get_mut().shutdown(Shutdown::Write)
    }

    /// A second handle on the same connection, to write while this one reads.
    pub fn writer(&self) -> TcpStream {
        self.stream.get_ref().try_clone().unwrap()
    }

    /// Reads one answer.
    pub fn answer(&mut self, to_head: bool) -> io::Result<Answer> {
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
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        if !to_head && ![100, 204, 304].contains(&status) {
            let length = answer.header("Content-Length").expect("a length");
            answer.body = vec![0; length.parse().unwrap()];
            self.stream.read_exact(&mut answer.body)?;
        }
        Ok(answer)
    }

    /// Reads answers, none of them to HEAD, until the server closes its side.
    pub fn answers(&mut self) -> io::Result<Vec<Answer>> {
        let mut answers = Vec::new();
        while !self.stream.fill_buf()?.is_empty() {
            answers.push(self.answer(false)?);
        }
        Ok(answers)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end_matches("\r\n").to_owned()),
        }
    }

    /// Signs up as `username`, with the tests' password.
    pub fn sign_up(&mut self, username: &str) -> Answer {
        let body = json!({
            "username": username,
            "email": format!("{username}@example.com"),
            "password": PASSWORD,
        });
        self.send("POST /signup", None, Some(&body))
    }

    /// Signs in as `username`, with the tests' password.
    pub fn sign_in(&mut self, username: &str) -> Answer {
        let body = json!({ "email": format!("{username}@example.com"), "password": PASSWORD });
        self.send("POST /login", None, Some(&body))
    }

    /// Signs in, which has to succeed, and returns the token.
    pub fn token(&mut self, username: &str) -> String {
        let answer = self.sign_in(username);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["token"].as_str().unwrap().to_owned()
    }
}

/// All that a server answers to these bytes, until it closes the connection, which it has to do of
/// itself.
pub fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Vec<Answer> {
    let mut client = Client::connect(address);
    client.write(bytes).unwrap();
    client.answers().unwrap()
}

pub fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}
