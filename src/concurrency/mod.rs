//! Limits on concurrent work: a [`Bulkhead`](bulkhead::Bulkhead) bounds one expensive kind of work,
//! [`RunPermits`](run_permits::RunPermits) bound how many worker threads run at once.

pub mod bulkhead;
pub(crate) mod run_permits;
