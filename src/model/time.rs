//! Timestamps in the three forms that this program reads and writes: RFC 3339 in JSON, SQLAlchemy's form in the
//! database, and Unix time in tokens.

use std::ops::Range;
use std::str::FromStr;
use std::time::SystemTime;

use serde::Serialize;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::{datetime, format_description};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
use utoipa::openapi::{Object, Type};
use utoipa::{PartialSchema, ToSchema};

use super::json_schema::Schema;

/// A moment in UTC, to the microsecond, in the years 1 to 9999 (Python's `datetime` has no others).
///
/// JSON contains RFC 3339 with `Z` and always six digits of a second, so that texts sort as the moments do.
/// The database contains SQLAlchemy's form: `2026-11-23 04:22:41.136817`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct Timestamp(OffsetDateTime);

/// SQLAlchemy's form, with a fraction of any length or none, since other programs write to the same database.
const STORED: &[BorrowedFormatItem] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second][optional [.[subsecond]]]");

/// The form of [`Timestamp::to_file_name`].
const FILE_NAME: &[BorrowedFormatItem] =
    format_description!("[year][month][day]T[hour][minute][second]Z");

const END_OF_TIME: OffsetDateTime = datetime!(9999-12-31 23:59:59 UTC);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Timestamp = Timestamp(OffsetDateTime::UNIX_EPOCH);

    /// The time of the system's clock.
    pub fn now() -> Timestamp {
        SystemTime::now().into()
    }

    /// Converts to UTC and truncates to microseconds. `None` outside the years 1 to 9999.
    fn from_offset(moment: OffsetDateTime) -> Option<Timestamp> {
        let moment = moment.checked_to_offset(UtcOffset::UTC)?;
        let micros = moment.microsecond() * 1_000;
        let moment = moment.replace_nanosecond(micros).ok()?;
        (1..=9999)
            .contains(&moment.year())
            .then_some(Timestamp(moment))
    }

    /// Seconds since 1970, rounded down: the unit of a token's claims.
    pub fn unix_seconds(self) -> i64 {
        self.0.unix_timestamp()
    }

    /// The reverse of [`Timestamp::unix_seconds`]. `None` outside the years 1 to 9999.
    pub fn from_unix_seconds(seconds: i64) -> Option<Timestamp> {
        Timestamp::from_offset(OffsetDateTime::from_unix_timestamp(seconds).ok()?)
    }

    /// Adds seconds. The result is at most the end of the year 9999.
    pub fn plus_seconds(self, seconds: i64) -> Timestamp {
        let later = self.0.checked_add(time::Duration::seconds(seconds));
        later
            .and_then(Timestamp::from_offset)
            .unwrap_or(Timestamp(END_OF_TIME))
    }

    /// Microseconds since 1970.
    pub fn unix_micros(self) -> i64 {
        self.0.unix_timestamp() * 1_000_000 + i64::from(self.0.microsecond())
    }

    /// The reverse of [`Timestamp::unix_micros`]. `None` outside the years 1 to 9999.
    #[cfg(feature = "postgres")]
    pub fn from_unix_micros(micros: i64) -> Option<Timestamp> {
        let nanos = i128::from(micros) * 1000;
        Timestamp::from_offset(OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?)
    }

    /// The form in which SQLAlchemy stores a `DateTime`: UTC without a zone, a space, six digits.
    pub fn to_stored(self) -> String {
        self.format(' ', "")
    }

    /// Parses the form of [`Timestamp::to_stored`], with a fraction of any length or none.
    pub fn from_stored(text: &str) -> Option<Timestamp> {
        let moment =
            parse_six_digits(text).or_else(|| PrimitiveDateTime::parse(text, STORED).ok())?;
        Timestamp::from_offset(moment.assume_utc())
    }

    /// ISO 8601's basic form, for names of files: `20261123T042241Z`, without the fraction of the second.
    pub fn to_file_name(self) -> String {
        let seconds = &self.to_precise_file_name()[.."20261123T042241".len()];
        format!("{seconds}Z")
    }

    /// ISO 8601's basic form with the fraction of the second: `20261123T042241.136817Z`.
    pub fn to_precise_file_name(self) -> String {
        let text = self.to_stored().replace(['-', ':'], "");
        text.replace(' ', "T") + "Z"
    }

    /// Parses the form of [`Timestamp::to_file_name`].
    pub fn from_file_name(text: &str) -> Option<Timestamp> {
        let moment = PrimitiveDateTime::parse(text, FILE_NAME).ok()?;
        Timestamp::from_offset(moment.assume_utc())
    }

    /// Written digit by digit, which is cheaper than `format!`: a list formats dozens of moments.
    fn format(self, separator: char, zone: &str) -> String {
        let (year, month, day) = self.0.to_calendar_date();
        let (hour, minute, second) = self.0.to_hms();
        let mut text = String::with_capacity("2026-11-23T18:00:00.000000Z".len());
        push_padded(&mut text, year.unsigned_abs(), 4);
        for (mark, number) in [
            ('-', u8::from(month)),
            ('-', day),
            (separator, hour),
            (':', minute),
            (':', second),
        ] {
            text.push(mark);
            push_padded(&mut text, number.into(), 2);
        }
        text.push('.');
        push_padded(&mut text, self.0.microsecond(), 6);
        text.push_str(zone);
        text
    }
}

/// Parses exactly the form of [`Timestamp::to_stored`], digit by digit: nearly every row has it, and the general
/// parser takes several times as long.
fn parse_six_digits(text: &str) -> Option<PrimitiveDateTime> {
    let text: &[u8; 26] = text.as_bytes().try_into().ok()?;
    let [
        _,
        _,
        _,
        _,
        b'-',
        _,
        _,
        b'-',
        _,
        _,
        b' ',
        _,
        _,
        b':',
        _,
        _,
        b':',
        _,
        _,
        b'.',
        ..,
    ] = text
    else {
        return None;
    };
    let number = |digits: Range<usize>| {
        text[digits].iter().try_fold(0, |number: u32, byte| {
            let digit = char::from(*byte).to_digit(10)?;
            Some(10 * number + digit)
        })
    };
    let two = |at: usize| number(at..at + 2).map(|number| number as u8);
    let month = Month::try_from(two(5)?).ok()?;
    let date = Date::from_calendar_date(number(0..4)? as i32, month, two(8)?).ok()?;
    let time = Time::from_hms_micro(two(11)?, two(14)?, two(17)?, number(20..26)?).ok()?;
    Some(PrimitiveDateTime::new(date, time))
}

/// Appends the last `digits` decimal digits of a number, with leading zeros.
fn push_padded(text: &mut String, number: u32, digits: usize) {
    const PLACES: [u32; 6] = [100_000, 10_000, 1_000, 100, 10, 1];
    for place in &PLACES[PLACES.len() - digits..] {
        text.push(char::from(b'0' + (number / place % 10) as u8));
    }
}

/// A system clock after the year 9999 counts as 1970.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Timestamp {
        let moment = Timestamp::from_offset(time.into());
        moment.unwrap_or(Timestamp::EPOCH)
    }
}

/// Parses RFC 3339. A zone is required: without one, a time of day is a different moment in each country.
/// Two deviations are accepted, since no information is missing: no seconds (`T18:00Z`), and `+0000` for
/// `+00:00`.
impl FromStr for Timestamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Timestamp, String> {
        let moment = OffsetDateTime::parse(&complete_rfc3339(text), &Rfc3339);
        // The time crate accepts any character between the date and the time.
        let is_separated = matches!(
            text.as_bytes().get("2026-11-23".len()),
            Some(b'T' | b't' | b' ')
        );
        let moment = moment.ok().filter(|_| is_separated);
        let moment = moment.and_then(Timestamp::from_offset);
        moment.ok_or_else(|| {
            "must be a time as in RFC 3339, with a zone: 2026-11-23T18:00:00Z".to_owned()
        })
    }
}

/// Adds what RFC 3339 requires and [`Timestamp`] does not: seconds, and the colon of an offset.
fn complete_rfc3339(text: &str) -> String {
    const DATE_AND_MINUTE: usize = "2026-11-23T18:00".len();
    let mut text = text.to_owned();
    let is_offset = |zone: &str| {
        let digits = zone.strip_prefix(['+', '-']);
        digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
    };
    let zone = text.len().checked_sub("+0000".len());
    if zone.and_then(|at| text.get(at..)).is_some_and(is_offset) {
        text.insert(text.len() - "00".len(), ':');
    }
    let zone = text.get(DATE_AND_MINUTE..);
    if zone.is_some_and(|zone| zone.starts_with(['Z', 'z', '+', '-'])) {
        text.insert_str(DATE_AND_MINUTE, ":00");
    }
    text
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

/// RFC 3339 with `Z` and six digits of a second.
impl From<Timestamp> for String {
    fn from(moment: Timestamp) -> String {
        moment.format('T', "Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parsers_of_the_stored_form_agree() {
        for text in [
            "2026-11-23 04:22:41.136817",
            "0001-01-01 00:00:00.000000",
            "9999-12-31 23:59:59.999999",
            "2024-02-29 12:00:00.000001",
        ] {
            let general = PrimitiveDateTime::parse(text, STORED).ok();
            assert!(general.is_some(), "{text}");
            assert_eq!(parse_six_digits(text), general, "{text}");
        }
        for text in [
            "2026-02-29 12:00:00.000000",
            "2026-13-01 12:00:00.000000",
            "2026-11-23 24:00:00.000000",
            "2026-11-23T04:22:41.136817",
            "2026-11-23 04:22:41.13681x",
            "+026-11-23 04:22:41.136817",
            "2026-11-23 04:22:41.13681",
        ] {
            assert_eq!(parse_six_digits(text), None, "{text}");
        }
    }
}
