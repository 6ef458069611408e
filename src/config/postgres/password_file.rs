//! The file of passwords that libpq's parameter `passfile` names (PostgreSQL's documentation, "The Password File"): so
//! the password can be a secret of a container, and not part of an environment variable.

use std::fs;
use std::path::Path;

use super::ServerAddress;

/// The lines of a file, each `HOST:PORT:DATABASE:USER:PASSWORD`.
pub struct PasswordFile(String);

impl PasswordFile {
    /// Reads the file.
    ///
    /// # Errors
    /// One line for the operator: it cannot be read.
    pub fn read(path: &Path) -> Result<PasswordFile, String> {
        let text = fs::read_to_string(path);
        text.map(PasswordFile)
            .map_err(|why| format!("passfile {}: {why}", path.display()))
    }

    /// The password in the first line that matches. In a line `*` matches everything.
    pub fn find(&self, server: &ServerAddress, database: &str, user: &str) -> Option<String> {
        let port = server.port.to_string();
        let host = match server.is_unix_socket() {
            true => "localhost",
            false => &server.host,
        };
        let wanted = [host, &port, database, user];
        let mut lines = self
            .0
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(fields);
        lines.find_map(|mut fields| {
            let password = fields.pop()?;
            let matches = |(field, wanted): (&String, &&str)| field == "*" || field == wanted;
            let is_match = fields.len() == wanted.len() && fields.iter().zip(&wanted).all(matches);
            is_match.then_some(password)
        })
    }
}

/// Splits a line at its first four colons. A backslash escapes a colon or a backslash.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let literal = match character {
            ':' if fields.len() < 5 => {
                fields.push(String::new());
                continue;
            }
            '\\' => characters.next(),
            other => Some(other),
        };
        if let Some(field) = fields.last_mut() {
            field.extend(literal);
        }
    }
    fields
}
