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
}

impl Proxy {
    pub fn start(port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let budget = Arc::new(AtomicU64::new(u64::MAX));
        let shared = Arc::clone(&budget);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, budget) = (client.unwrap(), Arc::clone(&shared));
                let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let unlimited = Arc::new(AtomicU64::new(u64::MAX));
                thread::spawn(move || forward(from, to, &unlimited));
                thread::spawn(move || forward(server, client, &budget));
            }
        });
        Proxy { address, budget }
    }

    /// Forwards this many more bytes of the server, and then none. The connections stay open.
    pub fn hang_after(&self, bytes: u64) {
        self.budget.store(bytes, Ordering::SeqCst);
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, budget: &AtomicU64) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
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
