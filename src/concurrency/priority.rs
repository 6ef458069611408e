//! The priority of threads whose work may wait.

/// Lets the event loops run first where all cores are busy.
#[cfg(target_os = "linux")]
pub fn lower_priority() {
    use rustix::process::{getpriority_process, setpriority_process};
    use rustix::thread::gettid;

    /// Added to the nice value of the process: a third of an event loop's share of a busy core.
    const NICER: i32 = 5;
    let lowered = getpriority_process(None)
        .and_then(|nice| setpriority_process(Some(gettid()), nice + NICER));
    if let Err(why) = lowered {
        log::warn!("cannot lower the priority of a thread: {why}");
    }
}

/// Other systems have no priority of a single thread that the standard library or rustix can set.
#[cfg(not(target_os = "linux"))]
pub fn lower_priority() {}
