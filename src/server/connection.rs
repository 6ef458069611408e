//! One client: reads its requests, has them answered in their order, and never waits for it.
//!
//! What would block ends [`Connection::advance`], which is called again when the socket is ready.
//! While an answer is not taken nothing more is read, so what is held for one client is one request
//! and one answer at most.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rouille::{Request, Response};

use super::memory::{Memory, Share};
use super::request::{Head, Incoming, Part, RequestReader, Version};
use super::response::{self, Form};
use crate::app::App;
use crate::config::LimitArgs;
use crate::error::Error;
use crate::metrics::{Limit, Open};
use crate::middleware;
use crate::turn;

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    reader: RequestReader,
    unsent: Unsent,
    course: Course,
    wait: Wait,
    /// Whether the socket had nothing more at the last look.
    drained: bool,
    share: Share,
    _open: Open,
}

/// Where a connection is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// No request has come yet.
    New,
    /// Requests have come, and more may.
    Open,
    /// The last answer is on its way.
    Ending,
    /// The client has been told that nothing follows. What it still sends is read and thrown away for
    /// a while: a socket closed over unread bytes takes the answer back (RFC 9112, 9.6).
    Lingering,
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The first request.
    New,
    /// The next request.
    Idle,
    /// The rest of a request's head.
    Head,
    /// The rest of a body.
    Body,
    /// The client taking its answer.
    Answer,
    /// The client closing its side.
    Linger,
}

/// How long a client may take to close its side when it has been told that nothing follows.
const LINGER: Duration = Duration::from_secs(2);

impl Phase {
    /// Whether nothing is under way.
    pub fn is_idle(self) -> bool {
        matches!(self, Phase::New | Phase::Idle)
    }

    fn patience(self, limits: &LimitArgs) -> Duration {
        match self {
            Phase::Idle => limits.idle_timeout.duration(),
            Phase::New | Phase::Head => limits.head_timeout.duration(),
            Phase::Body => limits.body_timeout.duration(),
            Phase::Answer => limits.response_timeout.duration(),
            Phase::Linger => LINGER,
        }
    }

    /// The limit of its patience. Waiting for a client that has been told to go is none.
    fn limit(self) -> Option<Limit> {
        match self {
            Phase::Idle => Some(Limit::IdleTimeout),
            Phase::New | Phase::Head => Some(Limit::HeadTimeout),
            Phase::Body => Some(Limit::BodyTimeout),
            Phase::Answer => Some(Limit::ResponseTimeout),
            Phase::Linger => None,
        }
    }
}

/// What a connection waits for, and since when.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Wait {
    pub phase: Phase,
    pub since: Instant,
}

impl Wait {
    /// Whether it has been too long.
    pub fn is_overdue(&self, limits: &LimitArgs) -> bool {
        self.since.elapsed() > self.phase.patience(limits)
    }
}

/// When a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// When there is something to read.
    Readable,
    /// When the socket takes more.
    Writable,
    /// At once, but behind everybody else who is ready.
    Later,
    /// Never.
    Close,
}

/// What a thread carries along for all its connections.
#[derive(Debug)]
pub struct Context<'a> {
    /// Answers the requests.
    pub app: &'a App,
    /// Whether each answer is to be its connection's last.
    pub stopping: &'a AtomicBool,
    /// Where bytes are read into.
    pub scratch: &'a mut [u8],
}

/// How many steps a connection may take in a row: a client that never pauses would otherwise keep a
/// thread to itself.
const BURST: usize = 32;

impl Connection {
    /// A connection that has just been accepted. Its socket must not block.
    pub fn new(stream: TcpStream, peer: SocketAddr, app: &App, memory: &Memory) -> Connection {
        Connection {
            stream,
            peer,
            reader: RequestReader::new(&app.config.limits),
            unsent: Unsent::default(),
            course: Course::New,
            wait: Wait {
                phase: Phase::New,
                since: Instant::now(),
            },
            drained: false,
            share: memory.share(),
            _open: app.metrics.connections.accept(),
        }
    }

    /// The socket, to wait for.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// What it waits for.
    pub fn wait(&self) -> Wait {
        self.wait
    }

    /// Reads, has answered, and sends, as far as that goes without waiting for the client.
    pub fn advance(&mut self, context: &mut Context) -> Next {
        self.drained = false;
        let next = self.run(context).unwrap_or_else(|why| {
            log::debug!("peer={} closed={:?}", self.peer, why.to_string());
            Next::Close
        });
        self.enter(self.phase());
        if !self.count_memory() {
            let connections = &context.app.metrics.connections;
            connections.end_for(Limit::MaxBufferedBytes);
            let cause = "MAX_BUFFERED_BYTES is used up".to_owned();
            return self.give_up(Error::Busy(cause), context);
        }
        // Whoever sends without a pause is never found waiting by `expire`.
        if next != Next::Close && self.wait.is_overdue(&context.app.config.limits) {
            return self.time_out(context);
        }
        next
    }

    /// Whether it may hold what it holds.
    fn count_memory(&mut self) -> bool {
        let held = self.reader.held() + self.unsent.bytes.capacity();
        self.share.hold(held)
    }

    fn enter(&mut self, phase: Phase) {
        // The time for a first head began with the connection.
        let goes_on = (self.wait.phase, phase) == (Phase::New, Phase::Head);
        if phase != self.wait.phase && !goes_on {
            self.wait.since = Instant::now();
        }
        self.wait.phase = phase;
    }

    /// Gives up a connection that has waited for too long, unless something has come for it: that this
    /// server has not read it yet is not the client's fault.
    pub fn expire(&mut self, context: &mut Context) -> Next {
        match rustix::io::ioctl_fionread(&self.stream) {
            Ok(1..) if self.wait.phase != Phase::Answer => Next::Readable,
            _ => self.time_out(context),
        }
    }

    fn time_out(&mut self, context: &mut Context) -> Next {
        if let Some(limit) = self.wait.phase.limit() {
            context.app.metrics.connections.end_for(limit);
        }
        self.give_up(Error::Timeout, context)
    }

    /// Ends a connection, with an answer if it is in the middle of a request.
    pub fn give_up(&mut self, error: Error, context: &mut Context) -> Next {
        if !matches!(self.wait.phase, Phase::Head | Phase::Body) {
            return Next::Close;
        }
        let head = self.reader.take_head();
        match self.refuse(error, head, context) {
            Ok(()) => self.advance(context),
            Err(_) => Next::Close,
        }
    }

    fn run(&mut self, context: &mut Context) -> io::Result<Next> {
        for _ in 0..BURST {
            if !self.unsent.send(&self.stream)? {
                return Ok(Next::Writable);
            }
            let pause = match self.course {
                Course::New | Course::Open => self.serve(context)?,
                Course::Ending => self.hang_up()?,
                Course::Lingering => self.discard(context.scratch)?,
            };
            if let Some(next) = pause {
                return Ok(next);
            }
        }
        Ok(Next::Later)
    }

    /// One step: answers a request that has come, or reads.
    fn serve(&mut self, context: &mut Context) -> io::Result<Option<Next>> {
        // Whoever has passed its turn on leaves what comes next to a thread that has one.
        if !turn::is_held() && !self.is_between_requests() {
            return Ok(Some(Next::Later));
        }
        match self.reader.next_request() {
            Ok(Some(request)) => self.answer(request, context)?,
            Ok(None) if self.reader.take_expectation() => self.unsent.put(CONTINUE.to_vec()),
            Ok(None) => return self.read(context),
            Err(refusal) => self.refuse(refusal.error, refusal.head, context)?,
        }
        Ok(None)
    }

    fn read(&mut self, context: &mut Context) -> io::Result<Option<Next>> {
        if self.drained {
            let is_over = context.stopping.load(Ordering::SeqCst) && self.is_between_requests();
            return Ok(Some(if is_over { Next::Close } else { Next::Readable }));
        }
        match receive(&self.stream, context.scratch)? {
            Some(0) if self.is_between_requests() => return Ok(Some(Next::Close)),
            Some(0) => {
                let error = Error::BadRequest("it ended early");
                let head = self.reader.take_head();
                self.refuse(error, head, context)?;
            }
            Some(length) => {
                self.reader.feed(&context.scratch[..length]);
                // A read that does not fill the buffer has emptied the socket.
                self.drained = length < context.scratch.len();
            }
            None => self.drained = true,
        }
        Ok(None)
    }

    fn is_between_requests(&self) -> bool {
        self.reader.part() == Part::Nothing
    }

    fn answer(&mut self, incoming: Incoming, context: &Context) -> io::Result<()> {
        let Incoming { head, body } = incoming;
        let (version, is_head) = (head.version, head.method == "HEAD");
        let keeps_alive = head.keeps_alive();
        let request = self.request(head, body);
        let response = middleware::handle(context.app, &request);
        // The stop may have begun while the handler worked.
        let keeps_alive = keeps_alive && !context.stopping.load(Ordering::SeqCst);
        let form = Form {
            version,
            is_head,
            keeps_alive,
        };
        self.post(response, form)
    }

    /// Answers with an error, and ends the connection: where the next request would begin is unknown.
    fn refuse(&mut self, error: Error, head: Option<Head>, context: &Context) -> io::Result<()> {
        let head = head.unwrap_or_else(Head::unknown);
        let form = Form {
            version: head.version,
            is_head: head.method == "HEAD",
            keeps_alive: false,
        };
        self.reader = RequestReader::new(&context.app.config.limits);
        let request = self.request(head, Vec::new());
        self.post(middleware::refuse(context.app, &request, error), form)
    }

    fn request(&self, head: Head, body: Vec<u8>) -> Request {
        Request::fake_http_from(self.peer, head.method, head.target, head.fields, body)
    }

    fn post(&mut self, response: Response, form: Form) -> io::Result<()> {
        self.unsent.put(response::to_bytes(response, form)?);
        self.course = match form.keeps_alive {
            true => Course::Open,
            false => Course::Ending,
        };
        // Whatever comes next is another wait, of the same kind or not.
        self.wait.since = Instant::now();
        // Who has an answer may ask for more at once, on another connection: the request's memory is
        // free by then. What the answer itself takes is looked at when it has been sent, or not.
        self.count_memory();
        Ok(())
    }

    fn hang_up(&mut self) -> io::Result<Option<Next>> {
        self.stream.shutdown(Shutdown::Write)?;
        self.course = Course::Lingering;
        Ok(None)
    }

    fn discard(&mut self, scratch: &mut [u8]) -> io::Result<Option<Next>> {
        Ok(match receive(&self.stream, scratch)? {
            Some(0) => Some(Next::Close),
            Some(_) => None,
            None => Some(Next::Readable),
        })
    }

    fn phase(&self) -> Phase {
        match (self.course, self.reader.part()) {
            _ if !self.unsent.is_empty() => Phase::Answer,
            (Course::Ending | Course::Lingering, _) => Phase::Linger,
            (Course::New, Part::Nothing) => Phase::New,
            (Course::Open, Part::Nothing) => Phase::Idle,
            (_, Part::Head) => Phase::Head,
            (_, Part::Body) => Phase::Body,
        }
    }
}

/// RFC 9110, 15.2.1.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Head {
    /// Stands for a head that nobody could read.
    fn unknown() -> Head {
        Head {
            method: "-".to_owned(),
            target: "-".to_owned(),
            fields: Vec::new(),
            version: Version::Http11,
        }
    }
}

/// How many bytes came: none at the end of what the client sends, `None` where there is nothing now.
fn receive(mut stream: &TcpStream, scratch: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match stream.read(scratch) {
            Ok(length) => return Ok(Some(length)),
            Err(why) if why.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
}

/// What the socket has not taken yet.
#[derive(Debug, Default)]
struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
}

impl Unsent {
    fn put(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
        self.sent = 0;
    }

    fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Whether all is sent.
    fn send(&mut self, mut stream: &TcpStream) -> io::Result<bool> {
        while !self.is_empty() {
            match stream.write(&self.bytes[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(length) => self.sent += length,
                Err(why) if why.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) => return Err(why),
            }
        }
        self.put(Vec::new());
        Ok(true)
    }
}
