//! A proxy between the program and a server, which can stop to forward: to both sides it looks as if the other hangs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Forwards from a port of its own to that of a server.
pub struct Proxy {
    pub address: SocketAddr,
    /// How many bytes of the server it still forwards.
    budget: Arc<AtomicU64>,
    /// How often a client has sent something. A client that waits for each response sends once for a round trip.
    sent: Arc<AtomicU64>,
}

impl Proxy {
    pub fn start(port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let budget = Arc::new(AtomicU64::new(u64::MAX));
        let sent = Arc::new(AtomicU64::new(0));
        let shared = (Arc::clone(&budget), Arc::clone(&sent));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, (budget, sent)) = (client.unwrap(), shared.clone());
                let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let unlimited = Arc::new(AtomicU64::new(u64::MAX));
                thread::spawn(move || forward(from, to, &unlimited, &sent));
                let received = AtomicU64::new(0);
                thread::spawn(move || forward(server, client, &budget, &received));
            }
        });
        Proxy {
            address,
            budget,
            sent,
        }
    }

    /// The number of round trips so far.
    pub fn round_trips(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// Forwards this many more bytes of the server, and then none. The connections stay open.
    pub fn hang_after(&self, bytes: u64) {
        self.budget.store(bytes, Ordering::SeqCst);
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, budget: &AtomicU64, chunks: &AtomicU64) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        chunks.fetch_add(1, Ordering::SeqCst);
        let left = budget.load(Ordering::SeqCst);
        let sent = left.min(count as u64);
        if left != u64::MAX {
            budget.store(left - sent, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..sent as usize]).is_err() {
            return;
        }
    }
}
