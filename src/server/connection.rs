//! One connection: a state machine on a non-blocking socket. It reads requests, has them handled one after the
//! other, and writes the responses.
//!
//! [`Connection::run_until_blocked`] returns where the socket would block, or where the request waits for a
//! lane; the event loop calls it again when the socket is ready or the response has arrived. While a response
//! is not sent completely, nothing more is read (backpressure): a connection holds at most one request and one
//! response.

use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use rouille::{Request, Response};

use super::inbox::{ConnectionId, Inbox};
use super::lanes::{Job, Lanes, Place, ReplyTo};
use super::memory_budget::{MemoryBudget, Reservation};
use super::parser::{Head, ParsedRequest, ParserState, RequestParser};
use super::phase::CurrentPhase;
use super::serializer::{self, ResponseFraming};
use super::write_buffer::WriteBuffer;
use crate::app::App;
use crate::config::server_limits::ServerLimits;
use crate::error::Error;
use crate::http::client_address::Network;
use crate::metrics::{CloseReason, LeaveReason, OpenConnection};
use crate::middleware::{self, Handled};
use crate::router::{self, Flow};

/// How long a client may take to close its side after the server has closed its own.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// The most steps of the state machine in a row. Without a bound, a client that sends without a pause would
/// keep the event loop to itself.
const MAX_STEPS: usize = 8;

/// The interim response that asks for the body (RFC 9110, 15.2.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    id: ConnectionId,
    stream: TcpStream,
    peer: SocketAddr,
    parser: RequestParser,
    write_buffer: WriteBuffer,
    state: State,
    /// The request that a lane has, or that waits for one.
    parked: Option<Parked>,
    wait: WaitState,
    /// Whether the last read has emptied the socket, and no event has said since that more has arrived.
    socket_is_empty: bool,
    /// Whether the client has closed its side.
    peer_has_closed: bool,
    /// Whether the event loop is going to run the connection again without an event.
    pub is_ready_again: bool,
    /// This connection's part of the memory budget.
    reservation: Reservation,
    /// Counts the connection as open until it is dropped.
    _open: OpenConnection,
}

/// A request that is in the queue of a lane, or with its thread.
#[derive(Debug)]
struct Parked {
    place: Place,
    /// How the response is written; whether the connection stays open is decided when it is.
    framing: ResponseFraming,
    /// The memory of the request in bytes.
    size: usize,
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
    /// A thread for the request, and then the response.
    Lane,
    /// Room in the socket for the rest of the response: the client has to receive some of it first.
    SendingResponse,
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
            WaitReason::Lane => limits.queue_timeout.duration(),
            WaitReason::SendingResponse => limits.response_timeout.duration(),
            WaitReason::PeerClose => LINGER_TIMEOUT,
        }
    }

    /// The reason that the metrics count after the timeout. The end of a lingering close is not counted, since
    /// the last response has been sent by then; requests that leave a queue are counted there.
    fn close_reason(self) -> Option<CloseReason> {
        match self {
            WaitReason::NextRequest => Some(CloseReason::IdleTimeout),
            WaitReason::FirstRequest | WaitReason::RestOfHead => Some(CloseReason::HeadTimeout),
            WaitReason::RestOfBody => Some(CloseReason::BodyTimeout),
            WaitReason::SendingResponse => Some(CloseReason::ResponseTimeout),
            WaitReason::Lane | WaitReason::PeerClose => None,
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
    /// When the timeout of the reason has passed.
    pub fn deadline(&self, limits: &ServerLimits) -> Instant {
        self.since + self.reason.timeout(limits)
    }
}

/// What the event loop does with a connection next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextAction {
    /// Wait for the next event or for the response.
    Wait,
    /// Run the connection again, after the connections that are ready now.
    RunAgain,
    /// Close the connection.
    Close,
}

/// What an event loop passes to each connection that it runs.
pub struct LoopContext<'a> {
    /// The application that handles the requests.
    pub app: &'a App,
    /// The threads for requests that are not quick reads.
    pub lanes: &'a Lanes,
    /// Whether the server is stopping: each connection closes after its present request.
    pub phase: &'a CurrentPhase,
    /// Where lanes send responses.
    pub inbox: &'a Arc<Inbox>,
    /// The loop's read buffer, shared by its connections: an idle connection needs none of its own.
    pub scratch: &'a mut [u8],
}

impl Connection {
    /// A connection that has just been accepted. Its socket must be non-blocking.
    pub fn new(
        id: ConnectionId,
        stream: TcpStream,
        peer: SocketAddr,
        app: &App,
        memory: &MemoryBudget,
    ) -> Connection {
        Connection {
            id,
            stream,
            peer,
            parser: RequestParser::new(&app.config.limits),
            write_buffer: WriteBuffer::default(),
            state: State::New,
            parked: None,
            wait: WaitState {
                reason: WaitReason::FirstRequest,
                since: Instant::now(),
            },
            socket_is_empty: false,
            peer_has_closed: false,
            is_ready_again: false,
            reservation: memory.reserve_nothing(),
            _open: app.metrics.connections.count_accepted(),
        }
    }

    /// The socket, for its registration.
    pub fn stream_mut(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Identifies the connection.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The network of the other end.
    pub fn network(&self) -> Network {
        Network::of(self.peer.ip().to_canonical())
    }

    /// What the connection waits for between two runs.
    pub fn wait(&self) -> WaitState {
        self.wait
    }

    // ---- the state machine ----------------------------------------------------------------------

    /// Handles an event of the socket.
    pub fn handle_event(&mut self, event: &Event, context: &mut LoopContext) -> NextAction {
        self.socket_is_empty &= !event.is_readable();
        self.peer_has_closed |= event.is_read_closed() || event.is_error();
        if self.parked.is_some() {
            return self.check_client_waits(context);
        }
        self.run_until_blocked(context)
    }

    /// Reads, handles and writes until the socket would block, or for [`MAX_STEPS`]. Enforces the memory budget
    /// and the timeout afterwards.
    pub fn run_until_blocked(&mut self, context: &mut LoopContext) -> NextAction {
        let action = self.run_steps(context).unwrap_or_else(|why| {
            log::debug!(peer:% = self.peer, closed:% = why; "");
            NextAction::Close
        });
        self.update_wait();
        if !self.resize_reservation() {
            return self.reject_for_memory(context);
        }
        // The deadline sweep sees waiting connections only. A client that sends without a pause never waits.
        let limits = &context.app.config.limits;
        if action == NextAction::RunAgain && self.wait.deadline(limits) < Instant::now() {
            return self.time_out(context);
        }
        action
    }

    fn run_steps(&mut self, context: &mut LoopContext) -> io::Result<NextAction> {
        // Pipelined requests wait for the response to the one before them (RFC 9112, 9.3.2).
        if self.parked.is_some() {
            return Ok(NextAction::Wait);
        }
        for _ in 0..MAX_STEPS {
            if !self.write_buffer.flush(&self.stream)? {
                return Ok(NextAction::Wait);
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
        Ok(NextAction::RunAgain)
    }

    /// Handles the next request if it has arrived completely, and reads otherwise. Like the other steps, it
    /// returns `None` if the next step can follow at once.
    fn handle_or_read(&mut self, context: &mut LoopContext) -> io::Result<Option<NextAction>> {
        match self.parser.next_request() {
            Ok(Some(request)) => return self.handle(request, context),
            Ok(None) if self.parser.take_continue_request() => {
                self.write_buffer.replace(CONTINUE.to_vec());
            }
            Ok(None) => return self.read(context),
            Err(failure) => self.reject(failure.error, failure.head, context)?,
        }
        Ok(None)
    }

    fn read(&mut self, context: &mut LoopContext) -> io::Result<Option<NextAction>> {
        if self.socket_is_empty {
            return Ok(Some(NextAction::Wait));
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
                // A read that does not fill the buffer has emptied the socket (epoll(7), edge-triggered). This
                // saves the read that would only return EWOULDBLOCK. The end of the stream is no byte, so it
                // has to be read.
                self.socket_is_empty =
                    cfg!(unix) && length < context.scratch.len() && !self.peer_has_closed;
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
            None => Some(NextAction::Wait),
        })
    }

    // ---- requests and responses -----------------------------------------------------------------

    /// Handles a quick read at once. Parks any other request in the queue of its lane.
    fn handle(
        &mut self,
        request: ParsedRequest,
        context: &LoopContext,
    ) -> io::Result<Option<NextAction>> {
        let ParsedRequest { head, body } = request;
        let framing = ResponseFraming {
            version: head.version,
            is_head: head.method == "HEAD",
            keep_alive: head.wants_keep_alive(),
        };
        let size = body.capacity() + head.size();
        let request = self.to_rouille(head, body);
        let arrival = Instant::now();
        let matched = router::match_route(request.method(), middleware::path(&request));
        let work = matched.work(request.raw_query_string());
        let Some(lane) = context.lanes.lane(work) else {
            let handled = Handled::run(context.app, &request, &matched, arrival);
            let response = handled.respond(context.app, Ok(()));
            self.write_response(response, framing, context)?;
            return Ok(None);
        };
        let flow = Flow::of(context.app, &request, work);
        let job = Job {
            request,
            matched,
            arrival,
            reply_to: ReplyTo::new(context.inbox, self.id),
        };
        let ticket = lane.submit(flow, job);
        let place = Place { work, ticket };
        self.wait.since = arrival;
        self.parked = Some(Parked {
            place,
            framing,
            size,
        });
        Ok(Some(self.check_client_waits(context)))
    }

    /// Ends the connection if its request is in a queue and the client has closed its side: most likely it
    /// has gone, and its request should cost nothing. A client that only has nothing more to send gets its
    /// response if its request does not have to wait.
    fn check_client_waits(&mut self, context: &LoopContext) -> NextAction {
        let has_gone = self.peer_has_closed
            && self
                .leave_queue(LeaveReason::ClientGone, context.lanes)
                .is_some();
        if has_gone {
            NextAction::Close
        } else {
            NextAction::Wait
        }
    }

    /// Takes the request out of its queue. `None` if it is not in one any more.
    pub fn leave_queue(&mut self, reason: LeaveReason, lanes: &Lanes) -> Option<Job> {
        lanes.cancel(&self.parked.as_ref()?.place, reason)
    }

    /// Takes the response of a lane, and goes on.
    pub fn receive_response(
        &mut self,
        response: Option<Response>,
        context: &mut LoopContext,
    ) -> NextAction {
        let (Some(parked), Some(response)) = (self.parked.take(), response) else {
            return NextAction::Close;
        };
        match self.write_response(response, parked.framing, context) {
            Ok(()) => self.run_until_blocked(context),
            Err(_) => NextAction::Close,
        }
    }

    /// Responds to a request that is still in its queue with an error. Does nothing if a thread has it.
    pub fn reject_parked(
        &mut self,
        error: impl FnOnce(Duration) -> Error,
        reason: LeaveReason,
        context: &mut LoopContext,
    ) -> NextAction {
        let Some(parked) = &self.parked else {
            return NextAction::Wait;
        };
        let backlog = context.lanes.backlog(&parked.place);
        let Some(job) = self.leave_queue(reason, context.lanes) else {
            return NextAction::Wait;
        };
        let Job {
            request,
            matched,
            arrival,
            ..
        } = &job;
        let error = error(backlog);
        let response = middleware::reject_queued(context.app, request, matched, *arrival, error);
        self.receive_response(Some(response), context)
    }

    /// Sends an error response and closes the connection after it, because the start of the next request is
    /// unknown.
    fn reject(
        &mut self,
        error: Error,
        head: Option<Head>,
        context: &LoopContext,
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
        let response = middleware::reject(context.app, &request, error);
        self.write_response(response, framing, context)
    }

    fn to_rouille(&self, head: Head, body: Vec<u8>) -> Request {
        Request::fake_http_from(self.peer, head.method, head.target, head.fields, body)
    }

    /// Puts a response into the write buffer; the next step sends it.
    fn write_response(
        &mut self,
        response: Response,
        mut framing: ResponseFraming,
        context: &LoopContext,
    ) -> io::Result<()> {
        // Read after the handler: the server may have begun to stop while it ran.
        framing.keep_alive &= !context.phase.is_stopping();
        self.write_buffer
            .replace(serializer::serialize(response, framing)?);
        self.state = if framing.keep_alive {
            State::KeepAlive
        } else {
            State::LastResponse
        };
        // A request has been handled: the next wait begins now, even if its reason is the same as before.
        self.wait.since = Instant::now();
        // Releases the memory of a large request before the first byte of the response leaves: a client that
        // has the response may send its next request at once, on another connection. Whether the response
        // fits into the budget is checked after the attempt to send it.
        if !self.reservation.is_empty() {
            self.resize_reservation();
        }
        Ok(())
    }

    // ---- limits ---------------------------------------------------------------------------------

    /// Reserves memory for what the connection holds now. Returns whether it fits into the budget.
    fn resize_reservation(&mut self) -> bool {
        let parked = self.parked.as_ref().map_or(0, |parked| parked.size);
        let buffered = self.parser.allocated_bytes() + self.write_buffer.capacity() + parked;
        self.reservation.try_resize(buffered)
    }

    /// Closes the connection with 503, because its memory does not fit into the budget. A request that a thread
    /// has by now is completed.
    fn reject_for_memory(&mut self, context: &mut LoopContext) -> NextAction {
        let error = Error::Busy("MAX_BUFFERED_BYTES is used up".to_owned());
        let action = match &mut self.parked {
            None => self.abort(error, context),
            Some(parked) => {
                parked.framing.keep_alive = false;
                self.reject_parked(|_| error, LeaveReason::Memory, context)
            }
        };
        if self.parked.is_none() {
            let connections = &context.app.metrics.connections;
            connections.count_closed(CloseReason::MaxBufferedBytes);
        }
        action
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
            _ if self.parked.is_some() => WaitReason::Lane,
            _ if !self.write_buffer.is_empty() => WaitReason::SendingResponse,
            (State::LastResponse | State::Lingering, _) => WaitReason::PeerClose,
            (State::New, ParserState::BetweenRequests) => WaitReason::FirstRequest,
            (State::KeepAlive, ParserState::BetweenRequests) => WaitReason::NextRequest,
            (_, ParserState::Head) => WaitReason::RestOfHead,
            (_, ParserState::Body) => WaitReason::RestOfBody,
        }
    }

    /// Ends the wait of an overdue connection.
    pub fn time_out(&mut self, context: &mut LoopContext) -> NextAction {
        if self.wait.reason == WaitReason::Lane {
            // A thread may have the request, which it completes however long that takes.
            self.wait.since = Instant::now();
            return self.reject_parked(Error::QueueTimeout, LeaveReason::QueueTimeout, context);
        }
        if let Some(reason) = self.wait.reason.close_reason() {
            context.app.metrics.connections.count_closed(reason);
        }
        self.abort(Error::Timeout, context)
    }

    /// Ends the connection: with an error response if a request has arrived in part, otherwise at once.
    pub fn abort(&mut self, error: Error, context: &mut LoopContext) -> NextAction {
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
