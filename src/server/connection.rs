//! One client: reads its requests, has them answered in their order, and never waits for it.
//!
//! What would block ends [`Connection::advance`], which is called again when the socket is ready.
//! While an answer is not taken nothing more is read, so what is held for one client is one request
//! and one answer at most.

use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rouille::{Request, Response};

use super::memory_budget::{MemoryBudget, Reservation};
use super::parser::{Head, ParsedRequest, Part, RequestParser, Version};
use super::serializer::{self, ResponseFraming};
use super::write_buffer::WriteBuffer;
use crate::app::App;
use crate::concurrency;
use crate::config::limits::ServerLimits;
use crate::error::Error;
use crate::metrics::{CloseReason, OpenConnection};
use crate::middleware;

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    parser: RequestParser,
    write_buffer: WriteBuffer,
    state: State,
    wait: Wait,
    /// Whether the socket had nothing more at the last look.
    drained: bool,
    reservation: Reservation,
    _open: OpenConnection,
}

/// Where a connection is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
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

    fn timeout(self, limits: &ServerLimits) -> Duration {
        match self {
            Phase::Idle => limits.idle_timeout.duration(),
            Phase::New | Phase::Head => limits.head_timeout.duration(),
            Phase::Body => limits.body_timeout.duration(),
            Phase::Answer => limits.response_timeout.duration(),
            Phase::Linger => LINGER,
        }
    }

    /// The limit of its patience. Waiting for a client that has been told to go is none.
    fn close_reason(self) -> Option<CloseReason> {
        match self {
            Phase::Idle => Some(CloseReason::IdleTimeout),
            Phase::New | Phase::Head => Some(CloseReason::HeadTimeout),
            Phase::Body => Some(CloseReason::BodyTimeout),
            Phase::Answer => Some(CloseReason::ResponseTimeout),
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
    pub fn is_overdue(&self, limits: &ServerLimits) -> bool {
        self.since.elapsed() > self.phase.timeout(limits)
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
    pub fn new(
        stream: TcpStream,
        peer: SocketAddr,
        app: &App,
        memory: &MemoryBudget,
    ) -> Connection {
        Connection {
            stream,
            peer,
            parser: RequestParser::new(&app.config.limits),
            write_buffer: WriteBuffer::default(),
            state: State::New,
            wait: Wait {
                phase: Phase::New,
                since: Instant::now(),
            },
            drained: false,
            reservation: memory.reserve(),
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
            connections.close_for(CloseReason::MaxBufferedBytes);
            let cause = "MAX_BUFFERED_BYTES is used up".to_owned();
            return self.abort(Error::Busy(cause), context);
        }
        // Whoever sends without a pause is never found waiting by `expire`.
        if next != Next::Close && self.wait.is_overdue(&context.app.config.limits) {
            return self.time_out(context);
        }
        next
    }

    /// Whether it may hold what it holds.
    fn count_memory(&mut self) -> bool {
        let held = self.parser.held() + self.write_buffer.capacity();
        self.reservation.try_resize(held)
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
        if let Some(reason) = self.wait.phase.close_reason() {
            context.app.metrics.connections.close_for(reason);
        }
        self.abort(Error::Timeout, context)
    }

    /// Ends a connection, with an answer if it is in the middle of a request.
    pub fn abort(&mut self, error: Error, context: &mut Context) -> Next {
        if !matches!(self.wait.phase, Phase::Head | Phase::Body) {
            return Next::Close;
        }
        let head = self.parser.take_head();
        match self.refuse(error, head, context) {
            Ok(()) => self.advance(context),
            Err(_) => Next::Close,
        }
    }

    fn run(&mut self, context: &mut Context) -> io::Result<Next> {
        for _ in 0..BURST {
            if !self.write_buffer.send(&self.stream)? {
                return Ok(Next::Writable);
            }
            let pause = match self.state {
                State::New | State::Open => self.serve(context)?,
                State::Ending => self.half_close()?,
                State::Lingering => self.drain(context.scratch)?,
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
        if !concurrency::has_run_permit() && !self.is_between_requests() {
            return Ok(Some(Next::Later));
        }
        match self.parser.next_request() {
            Ok(Some(request)) => self.answer(request, context)?,
            Ok(None) if self.parser.take_expectation() => self.write_buffer.put(CONTINUE.to_vec()),
            Ok(None) => return self.read(context),
            Err(failure) => self.refuse(failure.error, failure.head, context)?,
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
                let head = self.parser.take_head();
                self.refuse(error, head, context)?;
            }
            Some(length) => {
                self.parser.feed(&context.scratch[..length]);
                // A read that does not fill the buffer has emptied the socket.
                self.drained = length < context.scratch.len();
            }
            None => self.drained = true,
        }
        Ok(None)
    }

    fn is_between_requests(&self) -> bool {
        self.parser.part() == Part::Nothing
    }

    fn answer(&mut self, incoming: ParsedRequest, context: &Context) -> io::Result<()> {
        let ParsedRequest { head, body } = incoming;
        let (version, is_head) = (head.version, head.method == "HEAD");
        let keeps_alive = head.keeps_alive();
        let request = self.request(head, body);
        let response = middleware::handle(context.app, &request);
        // The stop may have begun while the handler worked.
        let keeps_alive = keeps_alive && !context.stopping.load(Ordering::SeqCst);
        let framing = ResponseFraming {
            version,
            is_head,
            keeps_alive,
        };
        self.post(response, framing)
    }

    /// Answers with an error, and ends the connection: where the next request would begin is unknown.
    fn refuse(&mut self, error: Error, head: Option<Head>, context: &Context) -> io::Result<()> {
        let head = head.unwrap_or_else(Head::unknown);
        let framing = ResponseFraming {
            version: head.version,
            is_head: head.method == "HEAD",
            keeps_alive: false,
        };
        self.parser = RequestParser::new(&context.app.config.limits);
        let request = self.request(head, Vec::new());
        self.post(middleware::reject(context.app, &request, error), framing)
    }

    fn request(&self, head: Head, body: Vec<u8>) -> Request {
        Request::fake_http_from(self.peer, head.method, head.target, head.fields, body)
    }

    fn post(&mut self, response: Response, framing: ResponseFraming) -> io::Result<()> {
        self.write_buffer
            .put(serializer::to_bytes(response, framing)?);
        self.state = if framing.keeps_alive {
            State::Open
        } else {
            State::Ending
        };
        // Whatever comes next is another wait, of the same kind or not.
        self.wait.since = Instant::now();
        // Who has an answer may ask for more at once, on another connection: the request's memory is
        // free by then. What the answer itself takes is looked at when it has been sent, or not.
        self.count_memory();
        Ok(())
    }

    fn half_close(&mut self) -> io::Result<Option<Next>> {
        self.stream.shutdown(Shutdown::Write)?;
        self.state = State::Lingering;
        Ok(None)
    }

    fn drain(&mut self, scratch: &mut [u8]) -> io::Result<Option<Next>> {
        Ok(match receive(&self.stream, scratch)? {
            Some(0) => Some(Next::Close),
            Some(_) => None,
            None => Some(Next::Readable),
        })
    }

    fn phase(&self) -> Phase {
        match (self.state, self.parser.part()) {
            _ if !self.write_buffer.is_empty() => Phase::Answer,
            (State::Ending | State::Lingering, _) => Phase::Linger,
            (State::New, Part::Nothing) => Phase::New,
            (State::Open, Part::Nothing) => Phase::Idle,
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
