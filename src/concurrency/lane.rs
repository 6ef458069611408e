//! A lane: the fair queue of one kind of work, and the place where the threads of that kind wait for items
//! (producer-consumer).

use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::fair_queue::{FairQueue, Ticket};
use crate::metrics::WorkCounts;

/// The queue of one kind of work. `K` is the flow, `T` the item.
#[derive(Debug)]
pub struct Lane<K, T> {
    threads: usize,
    counts: Arc<WorkCounts>,
    state: Mutex<State<K, T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<K, T> {
    queue: FairQueue<K, (Instant, T)>,
    /// Threads that have taken items and not finished them.
    busy_threads: usize,
    is_closed: bool,
    /// How long an item occupies a thread: an exponentially weighted moving average, in seconds.
    seconds_per_item: f64,
}

/// The weight of the latest measurement in the moving average.
const WEIGHT: f64 = 0.1;

impl<K: Clone + Eq + Hash, T> Lane<K, T> {
    /// A lane for this many threads, which call [`Lane::take`]. `counts` are its metrics.
    pub fn new(threads: usize, counts: Arc<WorkCounts>) -> Lane<K, T> {
        Lane {
            threads,
            counts,
            state: Mutex::new(State {
                queue: FairQueue::default(),
                busy_threads: 0,
                is_closed: false,
                seconds_per_item: 0.0,
            }),
            changed: Condvar::new(),
        }
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Puts an item into the queue, and wakes a thread if one waits.
    pub fn submit(&self, flow: K, item: T) -> Ticket<K> {
        let mut state = self.state.lock();
        let ticket = state.queue.push(flow, (Instant::now(), item));
        self.counts.set_queued(state.queue.len());
        drop(state);
        self.changed.notify_one();
        ticket
    }

    /// Takes up to `max` items, waiting until there is one. `None` once the lane is closed and its queue is empty.
    pub fn take(&self, max: usize) -> Option<Vec<T>> {
        let mut state = self.state.lock();
        while state.queue.is_empty() {
            if state.is_closed {
                return None;
            }
            self.changed.wait(&mut state);
        }
        state.busy_threads += 1;
        let mut items = Vec::with_capacity(max.min(state.queue.len()));
        while items.len() < max
            && let Some((since, item)) = state.queue.pop()
        {
            self.counts.waits.observe(since.elapsed());
            items.push(item);
        }
        self.counts.set_queued(state.queue.len());
        self.counts.start(items.len());
        Some(items)
    }

    /// Reports that items which [`Lane::take`] has returned are done, and how long they took together.
    pub fn finish(&self, items: usize, duration: Duration) {
        self.counts.finish(items);
        let seconds = duration.as_secs_f64() / items.max(1) as f64;
        let mut state = self.state.lock();
        state.busy_threads -= 1;
        state.seconds_per_item += WEIGHT * (seconds - state.seconds_per_item);
    }

    /// Takes an item out of the queue. `None` if a thread has taken it, or is free and about to take it.
    pub fn cancel(&self, ticket: &Ticket<K>) -> Option<T> {
        let mut state = self.state.lock();
        if state.queue.len() + state.busy_threads <= self.threads {
            return None;
        }
        let (_, item) = state.queue.remove(ticket)?;
        self.counts.set_queued(state.queue.len());
        Some(item)
    }

    /// How long the present queue takes, for `Retry-After`.
    pub fn backlog(&self) -> Duration {
        let state = self.state.lock();
        let seconds = state.queue.len() as f64 * state.seconds_per_item / self.threads as f64;
        Duration::from_secs_f64(seconds)
    }

    /// The metrics of this lane.
    pub fn counts(&self) -> &WorkCounts {
        &self.counts
    }

    /// Ends the threads once the queue is empty.
    pub fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_all();
    }
}
