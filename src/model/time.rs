//! One moment, in the two forms that leave this program.

use std::str::FromStr;
use std::time::SystemTime;

use serde::Serialize;
use time::format_description::FormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::{datetime, format_description};
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
use utoipa::openapi::{Object, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::shape::Shape;

/// A moment in UTC, to the microsecond, in the years 1 to 9999 (Python's `datetime` has no others).
///
/// For clients it is RFC 3339 with `Z`; in the database it is SQLAlchemy's
/// `2026-11-23 04:22:41.136817`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct Timestamp(OffsetDateTime);

const STORED: &[FormatItem] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:6]");
// What other writers of the same file leave: no fraction, or one of another length.
const STORED_LENIENT: &[FormatItem] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second][optional [.[subsecond]]]");

const END_OF_TIME: OffsetDateTime = datetime!(9999-12-31 23:59:59 UTC);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Timestamp = Timestamp(OffsetDateTime::UNIX_EPOCH);

    /// The system's clock.
    pub fn now() -> Timestamp {
        SystemTime::now().into()
    }

    fn from_utc(moment: OffsetDateTime) -> Option<Timestamp> {
        let moment = moment.checked_to_offset(UtcOffset::UTC)?;
        let micros = moment.microsecond() * 1_000;
        let moment = moment.replace_nanosecond(micros).ok()?;
        (1..=9999)
            .contains(&moment.year())
            .then_some(Timestamp(moment))
    }

    /// Whole seconds since 1970, rounded down: the unit of a token's claims.
    pub fn unix_seconds(self) -> i64 {
        self.0.unix_timestamp()
    }

    /// The moment so many seconds since 1970, which lie in the years 1 to 9999.
    pub fn from_unix_seconds(seconds: i64) -> Option<Timestamp> {
        Timestamp::from_utc(OffsetDateTime::from_unix_timestamp(seconds).ok()?)
    }

    /// The moment so many seconds later; the end of the year 9999, if that is earlier.
    pub fn plus_seconds(self, seconds: i64) -> Timestamp {
        let later = self.0.checked_add(time::Duration::seconds(seconds));
        later
            .and_then(Timestamp::from_utc)
            .unwrap_or(Timestamp(END_OF_TIME))
    }

    /// Microseconds since 1970.
    pub fn unix_micros(self) -> i64 {
        self.0.unix_timestamp() * 1_000_000 + i64::from(self.0.microsecond())
    }

    /// As SQLAlchemy writes a `DateTime`: UTC, no zone, a space, six digits.
    pub fn to_stored(self) -> String {
        self.0.format(STORED).unwrap_or_default()
    }

    /// Reads what [`Timestamp::to_stored`] writes, and the same with a fraction of another length, or none.
    pub fn from_stored(text: &str) -> Option<Timestamp> {
        let moment = PrimitiveDateTime::parse(text, STORED_LENIENT).ok()?;
        Timestamp::from_utc(moment.assume_utc())
    }
}

/// A clock beyond the year 9999 reads as 1970.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Timestamp {
        let moment = Timestamp::from_utc(time.into());
        moment.unwrap_or(Timestamp::EPOCH)
    }
}

/// RFC 3339, with a zone: a time of day without one is a different moment in every country.
impl FromStr for Timestamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Timestamp, String> {
        OffsetDateTime::parse(text, &Rfc3339)
            .ok()
            .and_then(Timestamp::from_utc)
            .ok_or_else(|| {
                "must be a time as in RFC 3339, with a zone: 2026-11-23T18:00:00Z".to_owned()
            })
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> Shape {
        Object::builder()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl ToSchema for Timestamp {}

impl From<Timestamp> for String {
    fn from(moment: Timestamp) -> String {
        moment.0.format(&Rfc3339).unwrap_or_default()
    }
}
