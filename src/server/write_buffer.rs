//! The bytes of a response that the socket has not accepted yet.

use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;

/// What the socket has not taken yet.
#[derive(Debug, Default)]
pub struct WriteBuffer {
    bytes: Vec<u8>,
    sent: usize,
}

impl WriteBuffer {
    pub fn put(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
        self.sent = 0;
    }

    pub fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// The memory that it takes, in bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether all is sent.
    pub fn send(&mut self, mut stream: &TcpStream) -> io::Result<bool> {
        while !self.is_empty() {
            match stream.write(&self.bytes[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(length) => self.sent += length,
                Err(why) if why.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) => return Err(why),
            }
        }
        self.put(Vec::new());
        Ok(true)
    }
}
