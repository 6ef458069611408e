//! Durations in settings: `90s`, `1h 30m`, or a plain number of seconds.

use std::str::FromStr;
use std::time::Duration;

/// How long a token is valid: 1 second to 10 years, in whole seconds like the claims of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lifetime(i64);

impl Lifetime {
    /// The lifetime in seconds.
    pub fn seconds(self) -> i64 {
        self.0
    }
}

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Lifetime, String> {
        const TEN_YEARS: u64 = 10 * 366 * 24 * 3600;
        match parse_duration(text).map(|duration| duration.as_secs()) {
            Some(seconds @ 1..=TEN_YEARS) => Ok(Lifetime(seconds as i64)),
            Some(_) => Err("must be from 1s to 10 years".to_owned()),
            None => Err("must be a duration such as 24h, 15m or 3600".to_owned()),
        }
    }
}

/// How long data is kept: 1 day to 100 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention(i64);

impl Retention {
    /// The time in seconds.
    pub fn seconds(self) -> i64 {
        self.0
    }
}

impl FromStr for Retention {
    type Err = String;

    fn from_str(text: &str) -> Result<Retention, String> {
        const DAY: u64 = 24 * 3600;
        const CENTURY: u64 = 100 * 366 * DAY;
        match parse_duration(text).map(|duration| duration.as_secs()) {
            Some(seconds @ DAY..=CENTURY) => Ok(Retention(seconds as i64)),
            Some(_) => Err("must be from 1 day to 100 years".to_owned()),
            None => Err("must be a duration such as 90d or 2years".to_owned()),
        }
    }
}

/// How long the server waits for a client: 1 millisecond to 1 day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeout(Duration);

impl Timeout {
    /// The timeout as a standard duration.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Timeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Timeout, String> {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        match parse_duration(text) {
            Some(time) if (Duration::from_millis(1)..=DAY).contains(&time) => Ok(Timeout(time)),
            Some(_) => Err("must be from 1ms to 1 day".to_owned()),
            None => Err("must be a duration such as 10s, 500ms or 30".to_owned()),
        }
    }
}

/// The time between two runs of a task: 1 minute to 1 year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(Duration);

impl Interval {
    /// The time as a standard duration.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Interval, String> {
        const MINUTE: Duration = Duration::from_secs(60);
        const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);
        match parse_duration(text) {
            Some(time) if (MINUTE..=YEAR).contains(&time) => Ok(Interval(time)),
            Some(_) => Err("must be from 1m to 1 year".to_owned()),
            None => Err("must be a duration such as 24h, 15m or 3600".to_owned()),
        }
    }
}

/// Parses a plain number as seconds, and any other text with humantime.
fn parse_duration(text: &str) -> Option<Duration> {
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).ok(),
    }
}
