//! A probe: a message to every event loop, to find out whether each still takes its messages.

use std::sync::mpsc::{self, Receiver, TryRecvError};

use super::event_loop::LoopHandle;
use super::inbox::Message;

/// A probe that has been sent. An event loop answers by dropping its sender.
#[derive(Debug)]
pub struct Probe(Receiver<()>);

impl Probe {
    /// Sends a probe to each of these loops.
    pub fn send(loops: &[LoopHandle]) -> Probe {
        let (sender, answers) = mpsc::channel();
        for handle in loops {
            handle.inbox.send(Message::Probe(sender.clone()));
        }
        Probe(answers)
    }

    /// Whether every event loop has answered by now. Does not wait.
    pub fn is_answered(&self) -> bool {
        self.0.try_recv() == Err(TryRecvError::Disconnected)
    }
}
