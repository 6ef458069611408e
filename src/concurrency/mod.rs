//! Bulkheads: each [kind of work](Work) has threads and a queue of its own, a [`Lane`]. The queue is
//! [fair](fair_queue::FairQueue): clients take turns.

mod fair_queue;
mod lane;
mod priority;
mod thread_limit;
mod work;

pub use self::fair_queue::{FairQueue, Ticket};
pub use self::lane::Lane;
pub use self::priority::lower_priority;
pub use self::thread_limit::check_threads;
pub use self::work::Work;
