//! Why there is no connection, in one line, in the words that libpq uses.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

use postgres::error::{DbError, SqlState};
use rustls::CertificateError;

use super::connector::HandshakeError;
use crate::config::postgres::ServerAddress;

/// No server of the URL could be used: one line that names each of them. Contains no password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectError(String);

impl ConnectError {
    /// The servers that were tried, and why each of them could not be used.
    pub(super) fn new(failures: &[(&ServerAddress, String)]) -> ConnectError {
        let lines: Vec<_> = failures
            .iter()
            .map(|(server, why)| format!("connection to server at {server} failed: {why}"))
            .collect();
        ConnectError(lines.join("; "))
    }
}

impl From<postgres::Error> for ConnectError {
    fn from(why: postgres::Error) -> ConnectError {
        ConnectError(explain(&why))
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ConnectError {}

/// Whether another attempt, with TLS or without it, could succeed.
pub(super) fn is_about_encryption(why: &postgres::Error) -> bool {
    let is_tls_failure = matches!(cause(why), Some(HandshakeError::Tls(_)));
    // This code has a connection for which pg_hba.conf has no line.
    is_tls_failure || why.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}

/// The first error in the chain of causes that has this type.
fn cause<T: Error + 'static>(why: &postgres::Error) -> Option<&T> {
    why.source().and_then(|source| source.downcast_ref())
}

/// An error of the client in one line.
pub(super) fn explain(why: &postgres::Error) -> String {
    let text = if let Some(why) = why.as_db_error() {
        explain_refusal(why)
    } else if let Some(why) = cause::<HandshakeError>(why) {
        explain_handshake(why)
    } else if let Some(why) = cause::<io::Error>(why) {
        explain_io(why)
    } else {
        match why.source().map(ToString::to_string).as_deref() {
            Some("password missing") => "no password supplied".to_owned(),
            Some(source) => format!("{why}: {source}"),
            None if why.is_closed() => SERVER_CLOSED.to_owned(),
            None => why.to_string(),
        }
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const SERVER_CLOSED: &str = "server closed the connection unexpectedly";

fn explain_refusal(why: &DbError) -> String {
    let remedy = match why.code() {
        code if *code == SqlState::INVALID_CATALOG_NAME => {
            "; create it with: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
        }
        code if *code == SqlState::TOO_MANY_CONNECTIONS => {
            "; lower DATABASE_CONNECTIONS, or raise max_connections of the server"
        }
        _ => "",
    };
    format!("{}: {}{remedy}", why.severity(), why.message())
}

fn explain_handshake(why: &HandshakeError) -> String {
    match why {
        HandshakeError::Io(why) => explain_io(why),
        HandshakeError::Tls(why) => explain_tls(why),
        HandshakeError::NotOffered | HandshakeError::NotPostgres => why.to_string(),
    }
}

fn explain_tls(why: &io::Error) -> String {
    let tls = why.get_ref().and_then(|inner| inner.downcast_ref());
    match tls {
        // The signature is bad if another authority has the same name.
        Some(rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => {
            "certificate verify failed: the certificate of the server is not signed by an authority in sslrootcert"
                .to_owned()
        }
        Some(rustls::Error::InvalidCertificate(why)) => format!("certificate verify failed: {why}"),
        Some(why) => format!("TLS error: {why}"),
        None => explain_io(why),
    }
}

fn explain_io(why: &io::Error) -> String {
    match why.kind() {
        ErrorKind::TimedOut => "timeout expired".to_owned(),
        ErrorKind::UnexpectedEof => SERVER_CLOSED.to_owned(),
        // The client's word for a standby, with `target_session_attrs=read-write`.
        ErrorKind::PermissionDenied if why.to_string() == "database does not allow writes" => {
            "session is read-only".to_owned()
        }
        ErrorKind::PermissionDenied if why.to_string() == "database is not read only" => {
            "session is not read-only".to_owned()
        }
        _ => explain_lookup(&why.to_string()),
    }
}

/// An error of the resolver, which has no kind of its own.
fn explain_lookup(why: &str) -> String {
    match why.strip_prefix("failed to lookup address information") {
        Some(why) => format!("could not translate host name to address{why}"),
        None => why.to_owned(),
    }
}
