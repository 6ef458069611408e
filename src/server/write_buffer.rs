//! The write buffer of a connection: the bytes of a response that the socket has not accepted yet.

use std::io::{self, ErrorKind, Write};

use mio::net::TcpStream;

#[derive(Debug, Default)]
pub struct WriteBuffer {
    bytes: Vec<u8>,
    sent: usize,
}

impl WriteBuffer {
    /// Replaces the content, which has been sent by then: a connection writes one response at a time.
    pub fn replace(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
        self.sent = 0;
    }

    pub fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// The allocated memory in bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Writes until the buffer is empty or the socket would block. Returns whether it is empty; its memory is
    /// freed then.
    pub fn flush(&mut self, mut stream: &TcpStream) -> io::Result<bool> {
        while !self.is_empty() {
            match stream.write(&self.bytes[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(length) => self.sent += length,
                Err(why) if why.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) => return Err(why),
            }
        }
        self.replace(Vec::new());
        Ok(true)
    }
}
