//! The JSON form of a log line: one object, with each field as a member of its own type.

use std::fmt::Display;
use std::io::{self, Write};

use log::Record;
use log::kv::{Error, Key, Value, VisitSource, VisitValue};
use serde::ser::{SerializeMap, Serializer as _};
use serde_json::Serializer;

use super::log_text::cut;

/// Writes a record as one JSON object and a line feed. A record that has only fields has no member `message`.
///
/// # Errors
/// Those of `line`.
pub fn write(line: &mut impl Write, timestamp: impl Display, record: &Record) -> io::Result<()> {
    let mut serializer = Serializer::new(&mut *line);
    let mut object = serializer.serialize_map(None)?;
    object.serialize_entry("timestamp", &format_args!("{timestamp}"))?;
    object.serialize_entry("level", record.level().as_str())?;
    object.serialize_entry("target", record.target())?;
    if record.args().as_str() != Some("") {
        object.serialize_entry("message", record.args())?;
    }
    let visited = record.key_values().visit(&mut Members(&mut object));
    visited.map_err(io::Error::other)?;
    object.end()?;
    line.write_all(b"\n")
}

/// Writes fields as members.
struct Members<'a, M>(&'a mut M);

impl<'kv, M: SerializeMap> VisitSource<'kv> for Members<'_, M> {
    fn visit_pair(&mut self, name: Key<'kv>, value: Value<'kv>) -> Result<(), Error> {
        let name = name.as_str();
        value.visit(Member {
            object: self.0,
            name,
        })
    }
}

/// Writes the value of one member.
struct Member<'a, M> {
    object: &'a mut M,
    name: &'a str,
}

impl<M: SerializeMap> Member<'_, M> {
    fn put(&mut self, value: &(impl serde::Serialize + ?Sized)) -> Result<(), Error> {
        let written = self.object.serialize_entry(self.name, value);
        written.map_err(|why| Error::boxed(why.to_string()))
    }
}

impl<M: SerializeMap> VisitValue<'_> for Member<'_, M> {
    fn visit_any(&mut self, value: Value) -> Result<(), Error> {
        self.visit_str(&value.to_string())
    }

    fn visit_null(&mut self) -> Result<(), Error> {
        self.put(&())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        self.put(&value)
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        self.put(&value)
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        self.put(&value)
    }

    fn visit_str(&mut self, text: &str) -> Result<(), Error> {
        self.put(&cut(text))
    }
}
