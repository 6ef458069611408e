//! One connection: a state machine on a non-blocking socket. It reads requests, has the application handle
//! them one after the other, and writes the responses.
//!
//! [`Connection::run_until_blocked`] returns where the socket would block; the event loop calls it again
//! when the socket is ready. While a response is not sent completely, nothing more is read (backpressure):
//! a connection holds at most one request and one response.

use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rouille::{Request, Response};

use super::memory_budget::{MemoryBudget, Reservation};
use super::parser::{Head, ParsedRequest, ParserState, RequestParser, Version};
use super::serializer::{self, ResponseFraming};
use super::write_buffer::WriteBuffer;
use crate::app::App;
use crate::concurrency::run_permits;
use crate::config::server_limits::ServerLimits;
use crate::error::Error;
use crate::metrics::{CloseReason, OpenConnection};
use crate::middleware;

/// How long a client may take to close its side after the server has closed its own.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// The most steps of the state machine in a row. Without a bound, a client that sends without a pause would
/// keep a worker thread to itself.
const MAX_STEPS: usize = 32;

/// The interim response that asks for the body (RFC 9110, 15.2.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    parser: RequestParser,
    write_buffer: WriteBuffer,
    state: State,
    wait: WaitState,
    /// Whether the last read emptied the socket: the next one would block.
    socket_is_empty: bool,
    /// This connection's part of the memory budget.
    reservation: Reservation,
    /// Counts the connection as open until it is dropped.
    _open: OpenConnection,
}

/// The state of the connection. [`ParserState`] adds how much of the next request has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No request has been handled yet.
    New,
    /// A request has been handled, and the connection stays open for the next one.
    KeepAlive,
    /// The last response is being sent. The server closes its side after it (half-close).
    LastResponse,
    /// Lingering close: the server's side is closed, and bytes that the client still sends are read and
    /// dropped. Closing a socket with unread bytes sends a reset, which could make the client lose the response
    /// (RFC 9112, 9.6).
    Lingering,
}

/// What a connection waits for. Each reason has a timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// The first byte of the first request.
    FirstRequest,
    /// The first byte of a later request: the connection is idle.
    NextRequest,
    /// The rest of a request line and its header fields.
    RestOfHead,
    /// The rest of a request body.
    RestOfBody,
    /// Room in the socket for the rest of the response: the client has to receive some of it first.
    ResponseSent,
    /// The client closing its side (lingering close).
    PeerClose,
}

impl WaitReason {
    /// Whether no request is in progress.
    pub fn is_idle(self) -> bool {
        matches!(self, WaitReason::FirstRequest | WaitReason::NextRequest)
    }

    fn timeout(self, limits: &ServerLimits) -> Duration {
        match self {
            WaitReason::NextRequest => limits.idle_timeout.duration(),
            WaitReason::FirstRequest | WaitReason::RestOfHead => limits.head_timeout.duration(),
            WaitReason::RestOfBody => limits.body_timeout.duration(),
            WaitReason::ResponseSent => limits.response_timeout.duration(),
            WaitReason::PeerClose => LINGER_TIMEOUT,
        }
    }

    /// The reason that the metrics count after the timeout. The end of a lingering close is not counted, since
    /// the last response has been sent by then.
    fn close_reason(self) -> Option<CloseReason> {
        match self {
            WaitReason::NextRequest => Some(CloseReason::IdleTimeout),
            WaitReason::FirstRequest | WaitReason::RestOfHead => Some(CloseReason::HeadTimeout),
            WaitReason::RestOfBody => Some(CloseReason::BodyTimeout),
            WaitReason::ResponseSent => Some(CloseReason::ResponseTimeout),
            WaitReason::PeerClose => None,
        }
    }
}

/// What a connection waits for, and since when.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct WaitState {
    pub reason: WaitReason,
    pub since: Instant,
}

impl WaitState {
    /// Whether the timeout of the reason has passed.
    pub fn is_overdue(&self, limits: &ServerLimits) -> bool {
        self.since.elapsed() > self.reason.timeout(limits)
    }
}

/// What the event loop does with a connection next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextAction {
    /// Wait until the socket is readable.
    WaitReadable,
    /// Wait until the socket is writable.
    WaitWritable,
    /// Run the connection again, after the connections that are ready now.
    Requeue,
    /// Close the connection.
    Close,
}

/// What a thread passes to each connection that it runs.
#[derive(Debug)]
pub struct WorkerContext<'a> {
    /// The application that handles the requests.
    pub app: &'a App,
    /// Whether the server is stopping: each connection closes after its present request.
    pub stopping: &'a AtomicBool,
    /// The thread's read buffer, shared by its connections: an idle connection needs none of its own.
    pub scratch: &'a mut [u8],
}

impl Connection {
    /// A connection that has just been accepted. Its socket must be non-blocking.
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
            wait: WaitState {
                reason: WaitReason::FirstRequest,
                since: Instant::now(),
            },
            socket_is_empty: false,
            reservation: memory.reserve_nothing(),
            _open: app.metrics.connections.count_accepted(),
        }
    }

    /// The socket, for its registration with epoll.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// What the connection waits for between two runs.
    pub fn wait(&self) -> WaitState {
        self.wait
    }

    // ---- the state machine ----------------------------------------------------------------------

    /// Reads, handles and writes until the socket would block, or for [`MAX_STEPS`]. Enforces the memory budget
    /// and the timeout afterwards.
    pub fn run_until_blocked(&mut self, context: &mut WorkerContext) -> NextAction {
        self.socket_is_empty = false;
        let action = self.run_steps(context).unwrap_or_else(|why| {
            log::debug!(peer:% = self.peer, closed:% = why; "");
            NextAction::Close
        });
        self.update_wait();
        if !self.resize_reservation() {
            let connections = &context.app.metrics.connections;
            connections.count_closed(CloseReason::MaxBufferedBytes);
            let cause = "MAX_BUFFERED_BYTES is used up".to_owned();
            return self.abort(Error::Busy(cause), context);
        }
        // The deadline sweep sees waiting connections only. A client that sends without a pause never waits.
        if action != NextAction::Close && self.wait.is_overdue(&context.app.config.limits) {
            return self.time_out(context);
        }
        action
    }

    fn run_steps(&mut self, context: &mut WorkerContext) -> io::Result<NextAction> {
        for _ in 0..MAX_STEPS {
            if !self.write_buffer.flush(&self.stream)? {
                return Ok(NextAction::WaitWritable);
            }
            let action = match self.state {
                State::New | State::KeepAlive => self.handle_or_read(context)?,
                State::LastResponse => self.half_close()?,
                State::Lingering => self.drain(context.scratch)?,
            };
            if let Some(action) = action {
                return Ok(action);
            }
        }
        Ok(NextAction::Requeue)
    }

    /// Handles the next request if it has arrived completely, and reads otherwise. Like the other steps, it
    /// returns `None` if the next step can follow at once.
    fn handle_or_read(&mut self, context: &mut WorkerContext) -> io::Result<Option<NextAction>> {
        // A handler may have released this thread's run permit. A pipelined request is then left to a thread
        // that holds one.
        if !run_permits::has_run_permit() && !self.is_between_requests() {
            return Ok(Some(NextAction::Requeue));
        }
        match self.parser.next_request() {
            Ok(Some(request)) => self.handle(request, context)?,
            Ok(None) if self.parser.take_continue_request() => {
                self.write_buffer.replace(CONTINUE.to_vec());
            }
            Ok(None) => return self.read(context),
            Err(failure) => self.reject(failure.error, failure.head, context)?,
        }
        Ok(None)
    }

    fn read(&mut self, context: &mut WorkerContext) -> io::Result<Option<NextAction>> {
        if self.socket_is_empty {
            let is_finished = context.stopping.load(Ordering::SeqCst) && self.is_between_requests();
            return Ok(Some(if is_finished {
                NextAction::Close
            } else {
                NextAction::WaitReadable
            }));
        }
        match read_nonblocking(&self.stream, context.scratch)? {
            Some(0) if self.is_between_requests() => return Ok(Some(NextAction::Close)),
            Some(0) => {
                let error = Error::BadRequest("it ended before it was complete");
                let head = self.parser.take_head();
                self.reject(error, head, context)?;
            }
            Some(length) => {
                self.parser.push(&context.scratch[..length]);
                // A read that does not fill the buffer has emptied the socket. This saves the read that
                // would only return EWOULDBLOCK; epoll is level-triggered, so bytes that arrive later
                // are reported.
                self.socket_is_empty = length < context.scratch.len();
            }
            None => self.socket_is_empty = true,
        }
        Ok(None)
    }

    fn is_between_requests(&self) -> bool {
        self.parser.state() == ParserState::BetweenRequests
    }

    /// Closes the server's side of the connection after the last response.
    fn half_close(&mut self) -> io::Result<Option<NextAction>> {
        self.stream.shutdown(Shutdown::Write)?;
        self.state = State::Lingering;
        Ok(None)
    }

    /// Reads and drops what the client still sends, until it closes its side.
    fn drain(&mut self, scratch: &mut [u8]) -> io::Result<Option<NextAction>> {
        Ok(match read_nonblocking(&self.stream, scratch)? {
            Some(0) => Some(NextAction::Close),
            Some(_) => None,
            None => Some(NextAction::WaitReadable),
        })
    }

    // ---- requests and responses -----------------------------------------------------------------

    fn handle(&mut self, request: ParsedRequest, context: &WorkerContext) -> io::Result<()> {
        let ParsedRequest { head, body } = request;
        let (version, is_head) = (head.version, head.method == "HEAD");
        let wants_keep_alive = head.wants_keep_alive();
        let request = self.to_rouille(head, body);
        let response = middleware::handle(context.app, &request);
        // Read after the handler: the server may have begun to stop while it ran.
        let is_stopping = context.stopping.load(Ordering::SeqCst);
        let framing = ResponseFraming {
            version,
            is_head,
            keep_alive: wants_keep_alive && !is_stopping,
        };
        self.write_response(response, framing)
    }

    /// Sends an error response and closes the connection after it, because the start of the next request is
    /// unknown.
    fn reject(
        &mut self,
        error: Error,
        head: Option<Head>,
        context: &WorkerContext,
    ) -> io::Result<()> {
        let head = head.unwrap_or_else(Head::unknown);
        let framing = ResponseFraming {
            version: head.version,
            is_head: head.method == "HEAD",
            keep_alive: false,
        };
        // Frees the buffered part of the request.
        self.parser = RequestParser::new(&context.app.config.limits);
        let request = self.to_rouille(head, Vec::new());
        self.write_response(middleware::reject(context.app, &request, error), framing)
    }

    fn to_rouille(&self, head: Head, body: Vec<u8>) -> Request {
        Request::fake_http_from(self.peer, head.method, head.target, head.fields, body)
    }

    /// Puts a response into the write buffer; the next step sends it.
    fn write_response(&mut self, response: Response, framing: ResponseFraming) -> io::Result<()> {
        self.write_buffer
            .replace(serializer::serialize(response, framing)?);
        self.state = if framing.keep_alive {
            State::KeepAlive
        } else {
            State::LastResponse
        };
        // A request has been handled: the next wait begins now, even if its reason is the same as before.
        self.wait.since = Instant::now();
        // Releases the request's memory before the first byte of the response leaves: a client that has the
        // response may send its next request at once, on another connection. Whether the response fits into
        // the budget is checked after the attempt to send it.
        self.resize_reservation();
        Ok(())
    }

    // ---- limits ---------------------------------------------------------------------------------

    /// Reserves memory for what is buffered now. Returns whether it fits into the budget.
    fn resize_reservation(&mut self) -> bool {
        let buffered = self.parser.allocated_bytes() + self.write_buffer.capacity();
        self.reservation.try_resize(buffered)
    }

    /// Derives the wait reason from the state. A new reason restarts the timeout, with one exception: the
    /// timeout of the first head runs from the moment when the connection is accepted, not from its first byte.
    fn update_wait(&mut self) {
        let reason = self.wait_reason();
        let is_first_head =
            self.wait.reason == WaitReason::FirstRequest && reason == WaitReason::RestOfHead;
        if reason != self.wait.reason && !is_first_head {
            self.wait.since = Instant::now();
        }
        self.wait.reason = reason;
    }

    fn wait_reason(&self) -> WaitReason {
        match (self.state, self.parser.state()) {
            _ if !self.write_buffer.is_empty() => WaitReason::ResponseSent,
            (State::LastResponse | State::Lingering, _) => WaitReason::PeerClose,
            (State::New, ParserState::BetweenRequests) => WaitReason::FirstRequest,
            (State::KeepAlive, ParserState::BetweenRequests) => WaitReason::NextRequest,
            (_, ParserState::Head) => WaitReason::RestOfHead,
            (_, ParserState::Body) => WaitReason::RestOfBody,
        }
    }

    /// Times out an overdue connection, unless its socket holds bytes that the server has not read yet: the
    /// client has sent in time then, and the server is late.
    pub fn check_timeout(&mut self, context: &mut WorkerContext) -> NextAction {
        match rustix::io::ioctl_fionread(&self.stream) {
            Ok(1..) if self.wait.reason != WaitReason::ResponseSent => NextAction::WaitReadable,
            _ => self.time_out(context),
        }
    }

    fn time_out(&mut self, context: &mut WorkerContext) -> NextAction {
        if let Some(reason) = self.wait.reason.close_reason() {
            context.app.metrics.connections.count_closed(reason);
        }
        self.abort(Error::Timeout, context)
    }

    /// Ends the connection: with an error response if a request has arrived in part, otherwise at once.
    pub fn abort(&mut self, error: Error, context: &mut WorkerContext) -> NextAction {
        let is_mid_request = matches!(
            self.wait.reason,
            WaitReason::RestOfHead | WaitReason::RestOfBody
        );
        if !is_mid_request {
            return NextAction::Close;
        }
        let head = self.parser.take_head();
        match self.reject(error, head, context) {
            Ok(()) => self.run_until_blocked(context),
            Err(_) => NextAction::Close,
        }
    }
}

impl Head {
    /// A placeholder for a head that could not be parsed; the access log shows it as `-`.
    fn unknown() -> Head {
        Head {
            method: "-".to_owned(),
            target: "-".to_owned(),
            fields: Vec::new(),
            version: Version::Http11,
        }
    }
}

/// Reads without blocking. Returns the number of bytes, which is 0 at the end of the stream, or `None` if the
/// read would block.
fn read_nonblocking(mut stream: &TcpStream, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match stream.read(buffer) {
            Ok(length) => return Ok(Some(length)),
            Err(why) if why.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
}
