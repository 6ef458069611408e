//! A socket with a time limit for each response.
//!
//! A server that hangs keeps its connections open and acknowledges what it gets, so neither TCP's keepalive nor its
//! timeouts notice. The client itself has no read timeout, since it waits for a future.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// The time within which the server must answer; the clones share it.
#[derive(Debug, Clone)]
pub struct ResponseLimit(Arc<AtomicU64>);

impl ResponseLimit {
    /// `None` is no limit.
    pub fn new(limit: Option<Duration>) -> ResponseLimit {
        let shared = ResponseLimit(Arc::default());
        shared.set(limit);
        shared
    }

    /// Changes the limit for the next request.
    pub fn set(&self, limit: Option<Duration>) {
        let millis = limit.map_or(0, |limit| limit.as_millis().max(1));
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.0.store(millis, Ordering::Relaxed);
    }

    fn get(&self) -> Option<Duration> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            millis => Some(Duration::from_millis(millis)),
        }
    }
}

/// A stream whose reads fail if nothing comes for as long as the limit.
///
/// The timer does not know whether a response is due: the client polls for messages also while it waits for none, and
/// then not at all until the next request, by which time the timer has expired. So the timer has to expire twice in
/// a row, each time after half of the limit. A request in between starts it anew.
pub struct TimedStream<S> {
    stream: S,
    limit: ResponseLimit,
    timer: Option<Pin<Box<Sleep>>>,
    state: Timer,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Timer {
    Stopped,
    FirstHalf,
    SecondHalf,
}

impl<S> TimedStream<S> {
    /// A stream with this limit.
    pub fn new(stream: S, limit: ResponseLimit) -> TimedStream<S> {
        TimedStream {
            stream,
            limit,
            timer: None,
            state: Timer::Stopped,
        }
    }

    fn start(&mut self, state: Timer) {
        let Some(limit) = self.limit.get() else {
            self.state = Timer::Stopped;
            return;
        };
        let half = limit / 2;
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(Instant::now() + half),
            None => self.timer = Some(Box::pin(sleep(half))),
        }
        self.state = state;
    }

    /// Is ready with an error when the limit is over. Else the task is woken when the timer expires.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        while let (Some(timer), true) = (&mut self.timer, self.state != Timer::Stopped) {
            ready!(timer.as_mut().poll(cx));
            if self.state == Timer::SecondHalf {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.start(Timer::SecondHalf);
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(result) = Pin::new(&mut self.stream).poll_read(cx, buffer) {
            self.state = Timer::Stopped;
            return Poll::Ready(result);
        }
        if self.state == Timer::Stopped {
            self.start(Timer::FirstHalf);
        }
        self.poll_timer(cx).map(Err)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        // The client reads before it writes, and does not read again before it is woken.
        self.start(Timer::FirstHalf);
        match self.poll_timer(cx) {
            Poll::Ready(why) => Poll::Ready(Err(why)),
            Poll::Pending => Poll::Ready(written),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
