//! The watchdog: tells the service manager at intervals that the server works. A ping that only shows that a
//! thread runs would hide a server that answers no request, so each ping needs an answer of every event loop.

use log::error;

use super::service_manager::ServiceManager;
use crate::server::{Probe, Server};

/// What the watchdog knows of the server.
#[derive(Debug)]
pub struct Watchdog {
    /// The last probe. The next one is sent when it has been answered.
    probe: Probe,
}

impl Watchdog {
    /// Sends the first probe.
    ///
    /// # Errors
    /// One line for the operator: the server cannot be probed.
    pub fn start(server: &Server) -> Result<Watchdog, String> {
        let probe = server.probe();
        let probe = probe.map_err(|why| format!("WATCHDOG_USEC: {why}"))?;
        Ok(Watchdog { probe })
    }

    /// Call this after each interval: notifies the service manager if the server works. It never waits for an
    /// answer, so a signal is handled also while an event loop is stuck.
    pub fn tick(&mut self, server: &Server, manager: &ServiceManager) {
        match self.check(server) {
            Ok(()) => manager.works(),
            Err(why) => error!("no watchdog ping: {why}"),
        }
    }

    fn check(&mut self, server: &Server) -> Result<(), String> {
        if !self.probe.is_answered() {
            return Err("an event loop does not answer".to_owned());
        }
        self.probe = server.probe()?;
        Ok(())
    }
}
