//! Makes the stream of a connection: plain or TLS, with a time limit for each response.
//!
//! The `postgres` crate hands over the socket as soon as it is connected, since its configuration says that TLS is
//! required and begins at once (`sslnegotiation=direct`). So PostgreSQL's question whether TLS is wanted
//! (`SSLRequest`) is asked here, and a plain connection gets the time limit too.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use postgres::Socket;
use postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::timed_stream::{ResponseLimit, TimedStream};

type Plain = TimedStream<Socket>;
type Tls = <MakeRustlsConnect as MakeTlsConnect<Plain>>::Stream;
type RustlsConnect = <MakeRustlsConnect as MakeTlsConnect<Plain>>::TlsConnect;

/// The message `SSLRequest`: its length, and a code in the place of the version of the protocol.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Whether an attempt to connect uses TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// It does not.
    Off,
    /// If the server offers it.
    IfOffered,
    /// It fails without.
    Required,
}

/// Makes the streams of connections.
#[derive(Clone)]
pub struct Connector {
    /// Whether the streams use TLS.
    pub encryption: Encryption,
    /// Makes TLS sessions.
    pub tls: MakeRustlsConnect,
    /// The time limit for each response.
    pub limit: ResponseLimit,
}

/// Makes the stream of one connection.
pub struct Handshake {
    encryption: Encryption,
    tls: RustlsConnect,
    limit: ResponseLimit,
}

/// Why there is no TLS session.
#[derive(Debug)]
pub enum HandshakeError {
    /// The server offers no TLS, which is required.
    NotOffered,
    /// The server does not speak the protocol.
    NotPostgres,
    /// The connection broke, or its time limit is over.
    Io(io::Error),
    /// TLS failed, for example since the certificate is not trusted.
    Tls(io::Error),
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = ServerStream;
    type TlsConnect = Handshake;
    type Error = Infallible;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, Infallible> {
        Ok(Handshake {
            encryption: self.encryption,
            tls: MakeTlsConnect::<Plain>::make_tls_connect(&mut self.tls, host)?,
            limit: self.limit.clone(),
        })
    }
}

impl TlsConnect<Socket> for Handshake {
    type Stream = ServerStream;
    type Error = HandshakeError;
    type Future = Pin<Box<dyn Future<Output = Result<ServerStream, HandshakeError>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(self.run(socket))
    }
}

impl Handshake {
    async fn run(self, socket: Socket) -> Result<ServerStream, HandshakeError> {
        let mut stream = TimedStream::new(socket, self.limit);
        if self.encryption == Encryption::Off {
            return Ok(ServerStream::Plain(stream));
        }
        match (ask_for_tls(&mut stream).await?, self.encryption) {
            (true, _) => {}
            (false, Encryption::Required) => return Err(HandshakeError::NotOffered),
            (false, _) => return Ok(ServerStream::Plain(stream)),
        }
        let tls = self.tls.connect(stream).await.map_err(HandshakeError::Tls);
        Ok(ServerStream::Tls(Box::new(tls?)))
    }
}

/// Asks the server for TLS. It answers with one byte.
async fn ask_for_tls(stream: &mut Plain) -> Result<bool, HandshakeError> {
    let request = stream.write_all(&SSL_REQUEST).await;
    request.map_err(HandshakeError::Io)?;
    match stream.read_u8().await.map_err(HandshakeError::Io)? {
        b'S' => Ok(true),
        b'N' => Ok(false),
        _ => Err(HandshakeError::NotPostgres),
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::NotOffered => {
                f.write_str("server does not support TLS, but sslmode requires it")
            }
            HandshakeError::NotPostgres => f.write_str("this is not a PostgreSQL server"),
            HandshakeError::Io(why) | HandshakeError::Tls(why) => why.fmt(f),
        }
    }
}

impl Error for HandshakeError {}

/// The stream of a connection.
pub enum ServerStream {
    /// Not encrypted.
    Plain(Plain),
    /// Encrypted.
    Tls(Box<Tls>),
}

impl ServerStream {
    fn reader(&mut self) -> Pin<&mut (dyn AsyncRead + Unpin)> {
        match self {
            ServerStream::Plain(stream) => Pin::new(stream),
            ServerStream::Tls(stream) => Pin::new(stream),
        }
    }

    fn writer(&mut self) -> Pin<&mut (dyn AsyncWrite + Unpin)> {
        match self {
            ServerStream::Plain(stream) => Pin::new(stream),
            ServerStream::Tls(stream) => Pin::new(stream),
        }
    }
}

impl TlsStream for ServerStream {
    fn channel_binding(&self) -> ChannelBinding {
        match self {
            ServerStream::Plain(_) => ChannelBinding::none(),
            ServerStream::Tls(stream) => stream.channel_binding(),
        }
    }
}

impl AsyncRead for ServerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reader().poll_read(cx, buffer)
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writer().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer().poll_shutdown(cx)
    }
}
