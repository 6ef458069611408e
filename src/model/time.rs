//! Moments, in the three forms that this program reads and writes: RFC 3339, SQLAlchemy's, and Unix time.

use std::str::FromStr;
use std::time::SystemTime;

use serde::Serialize;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::{datetime, format_description};
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
use utoipa::openapi::{Object, Type};
use utoipa::{PartialSchema, ToSchema};

use super::schema::Schema;

/// A moment in UTC, to the microsecond, in the years 1 to 9999 (Python's `datetime` has no others).
///
/// Clients see RFC 3339 with `Z` and six digits of a second, so that the order of the texts is the order of
/// the moments. The database holds SQLAlchemy's form: `2026-11-23 04:22:41.136817`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct Timestamp(OffsetDateTime);

/// SQLAlchemy's form, with a fraction of any length or none: other programs write to the same file.
const STORED: &[BorrowedFormatItem] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second][optional [.[subsecond]]]");

/// RFC 3339 without seconds, or with `+0000` for `+00:00`.
const WITH_OFFSET: &[BorrowedFormatItem] = format_description!(
    version = 2,
    "[year]-[month]-[day]T[hour]:[minute][optional [:[second][optional [.[subsecond]]]]]\
     [offset_hour sign:mandatory][optional [:]][offset_minute]"
);

/// RFC 3339 without seconds, in UTC.
const WITH_Z: &[BorrowedFormatItem] = format_description!("[year]-[month]-[day]T[hour]:[minute]Z");

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

    /// The moment so many seconds after 1970; `None` outside the years 1 to 9999.
    pub fn from_unix_seconds(seconds: i64) -> Option<Timestamp> {
        Timestamp::from_utc(OffsetDateTime::from_unix_timestamp(seconds).ok()?)
    }

    /// The moment so many seconds later, at most the end of the year 9999.
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
        self.format(' ', "")
    }

    /// Reads what [`Timestamp::to_stored`] writes, and the same with a fraction of another length or none.
    pub fn from_stored(text: &str) -> Option<Timestamp> {
        let moment = PrimitiveDateTime::parse(text, STORED).ok()?;
        Timestamp::from_utc(moment.assume_utc())
    }

    fn format(self, separator: char, zone: &str) -> String {
        let (date, (hour, minute, second)) = (self.0.date(), self.0.to_hms());
        let (year, month, day) = date.to_calendar_date();
        let (month, micros) = (u8::from(month), self.0.microsecond());
        format!(
            "{year:04}-{month:02}-{day:02}{separator}{hour:02}:{minute:02}:{second:02}.{micros:06}{zone}"
        )
    }
}

/// A clock after the year 9999 reads as 1970.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Timestamp {
        let moment = Timestamp::from_utc(time.into());
        moment.unwrap_or(Timestamp::EPOCH)
    }
}

/// RFC 3339 with a zone: without one, a time of day is a different moment in every country. Seconds may be
/// missing, and the zone may have no colon.
impl FromStr for Timestamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Timestamp, String> {
        let strict = OffsetDateTime::parse(text, &Rfc3339);
        let moment = strict
            .or_else(|_| OffsetDateTime::parse(text, WITH_OFFSET))
            .or_else(|_| PrimitiveDateTime::parse(text, WITH_Z).map(PrimitiveDateTime::assume_utc));
        let moment = moment.ok().and_then(Timestamp::from_utc);
        moment.ok_or_else(|| {
            "must be a time as in RFC 3339, with a zone: 2026-11-23T18:00:00Z".to_owned()
        })
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> Schema {
        Object::builder()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl ToSchema for Timestamp {}

/// RFC 3339.
impl From<Timestamp> for String {
    fn from(moment: Timestamp) -> String {
        moment.format('T', "Z")
    }
}
