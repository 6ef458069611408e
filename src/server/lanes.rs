//! The lanes: threads for the kinds of work that an event loop does not do itself. A request waits parked in
//! the queue of its kind, without a thread, until one is free.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rouille::{Request, Response};

use super::inbox::{ConnectionId, Inbox, Message};
use crate::app::App;
use crate::concurrency::{Lane, Ticket, Work, lower_priority};
use crate::config::concurrency::Concurrency;
use crate::metrics::{LeaveReason, WorkMetrics};
use crate::middleware::Handled;
use crate::router::{Flow, Match};

/// The most writes that share a commit. It bounds the delay of the first one of a group: a write takes some
/// tens of microseconds.
const MAX_GROUP: usize = 512;

/// A request that waits for a thread.
pub struct Job {
    /// The request, complete.
    pub request: Request,
    /// The line of the route table.
    pub matched: Match,
    /// When the request had arrived completely.
    pub arrival: Instant,
    /// Where the response goes.
    pub reply_to: ReplyTo,
}

impl Job {
    fn handle(&self, app: &App) -> Handled<'_> {
        Handled::run(app, &self.request, &self.matched, self.arrival)
    }
}

/// The connection that waits for a response. If this is dropped without [`ReplyTo::send`], because a thread has
/// failed, the connection is told so.
pub struct ReplyTo {
    inbox: Arc<Inbox>,
    connection: Option<ConnectionId>,
}

impl ReplyTo {
    /// The response goes to this connection of the loop with this inbox.
    pub fn new(inbox: &Arc<Inbox>, connection: ConnectionId) -> ReplyTo {
        ReplyTo {
            inbox: Arc::clone(inbox),
            connection: Some(connection),
        }
    }

    fn send(mut self, response: Response) {
        if let Some(connection) = self.connection.take() {
            self.inbox
                .send(Message::Response(connection, Some(response)));
        }
    }
}

impl Drop for ReplyTo {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.inbox.send(Message::Response(connection, None));
        }
    }
}

/// A response, and where it goes.
type Reply = (ReplyTo, Response);

type HandleJobs = fn(&App, Vec<Job>) -> Vec<Reply>;

/// A place in the queue of a lane.
#[derive(Debug, Clone)]
pub struct Place {
    /// The kind of the lane.
    pub work: Work,
    /// The place in its queue.
    pub ticket: Ticket<Flow>,
}

/// The lanes of a server.
pub struct Lanes {
    quick_reads: Option<Lane<Flow, Job>>,
    searches: Lane<Flow, Job>,
    password_hashes: Lane<Flow, Job>,
    writes: Lane<Flow, Job>,
}

impl Lanes {
    /// Lanes without threads.
    pub fn new(concurrency: &Concurrency, metrics: &WorkMetrics) -> Lanes {
        let lane = |work, counts| Lane::new(concurrency.threads(work), Arc::clone(counts));
        let has_quick_reads = concurrency.threads(Work::QuickRead) > 0;
        Lanes {
            quick_reads: has_quick_reads.then(|| lane(Work::QuickRead, &metrics.quick_reads)),
            searches: lane(Work::Search, &metrics.searches),
            password_hashes: lane(Work::PasswordHash, &metrics.password_hashes),
            writes: lane(Work::Write, &metrics.writes),
        }
    }

    /// Takes a request out of its queue. `None` if a thread has it, or is about to take it.
    pub fn cancel(&self, place: &Place, reason: LeaveReason) -> Option<Job> {
        let lane = self.lane(place.work)?;
        let mut job = lane.cancel(&place.ticket)?;
        lane.counts().count_left(reason);
        job.reply_to.connection = None;
        Some(job)
    }

    /// How long the queue takes in which this place is.
    pub fn backlog(&self, place: &Place) -> Duration {
        self.lane(place.work)
            .map_or(Duration::ZERO, |lane| lane.backlog())
    }

    /// Ends the threads once the queues are empty.
    pub fn close(&self) {
        if let Some(lane) = &self.quick_reads {
            lane.close();
        }
        self.searches.close();
        self.password_hashes.close();
        self.writes.close();
    }

    /// The lane of this kind of work. Event loops handle what has none.
    pub fn lane(&self, work: Work) -> Option<&Lane<Flow, Job>> {
        match work {
            Work::Memory => None,
            Work::QuickRead => self.quick_reads.as_ref(),
            Work::Search => Some(&self.searches),
            Work::PasswordHash => Some(&self.password_hashes),
            Work::Write => Some(&self.writes),
        }
    }

    /// The loop of a lane's thread. Returns after [`Lanes::close`].
    pub fn run_thread(&self, work: Work, app: &App) {
        let Some(lane) = self.lane(work) else {
            return;
        };
        let (max, handle): (_, HandleJobs) = match work {
            // One thread writes to SQLite, several to PostgreSQL.
            Work::Write if lane.threads() == 1 => (MAX_GROUP, handle_group),
            _ => (1, handle_each),
        };
        if work == Work::PasswordHash || work == Work::Search {
            lower_priority();
        }
        while let Some(jobs) = lane.take(max) {
            let (count, start) = (jobs.len(), Instant::now());
            // The middleware turns a panic of a handler into a 500. A panic elsewhere ends the connections of
            // these jobs: see the drop of `ReplyTo`.
            let replies = catch_unwind(AssertUnwindSafe(|| handle(app, jobs)));
            lane.finish(count, start.elapsed());
            // After that: a client that has its response finds this thread free.
            for (reply_to, response) in replies.unwrap_or_default() {
                reply_to.send(response);
            }
        }
    }
}

fn handle_each(app: &App, jobs: Vec<Job>) -> Vec<Reply> {
    let respond = |job: Job| {
        let response = job.handle(app).respond(app, Ok(()));
        (job.reply_to, response)
    };
    jobs.into_iter().map(respond).collect()
}

/// Group commit: handles the jobs one after the other, commits what they have written together, and responds
/// to all of them after that.
fn handle_group(app: &App, jobs: Vec<Job>) -> Vec<Reply> {
    let group = app.store.write_group(&jobs, |job| job.handle(app));
    // A panic while one response is made closes one connection: see the drop of `ReplyTo`.
    let respond = |(handled, committed): (Handled, _)| {
        catch_unwind(AssertUnwindSafe(|| handled.respond(app, committed))).ok()
    };
    let responses: Vec<Option<Response>> = group.into_iter().map(respond).collect();
    let reply_to = jobs.into_iter().map(|job| job.reply_to);
    let replies = reply_to.zip(responses);
    replies
        .filter_map(|(reply_to, response)| Some((reply_to, response?)))
        .collect()
}
