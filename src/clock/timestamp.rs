//! An instant on the wall clock.

use super::Span;
use serde::{Deserialize, Serialize};
use std::{fmt, ops, str::FromStr};

/// Milliseconds since 1970-01-01T00:00:00Z. Serialised as that number; printed as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The machine's clock, read now.
    pub fn wall() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }
    /// How long ago `earlier` was; zero where it lies ahead.
    pub fn since(self, earlier: Self) -> Span {
        Span(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
    /// The instant so long before this one.
    #[must_use]
    pub fn before(self, span: Span) -> Self {
        Self(self.0.saturating_sub_unsigned(span.0))
    }
    /// The time of day, `14:03:59`; all of an instant that no calendar has.
    pub fn time_of_day(self) -> String {
        let text = self.to_string();
        text.split_once('T').and_then(|(_, time)| time.get(..8)).map(str::to_owned).unwrap_or(text)
    }
}

impl ops::Add<Span> for Timestamp {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.0).unwrap_or(i64::MAX)))
    }
}

impl ops::Sub<Span> for Timestamp {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.0).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => f.pad(&format!("{t:.0}")),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// Why a text is no instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time: write for example 2026-11-21T03:12:00Z")]
pub struct NotATime(pub String);

impl FromStr for Timestamp {
    type Err = NotATime;
    fn from_str(text: &str) -> Result<Self, NotATime> {
        text.parse::<jiff::Timestamp>().map(|t| Self(t.as_millisecond())).map_err(|_| NotATime(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_prints_and_parses() {
        let t: Timestamp = "2026-11-21T03:12:00Z".parse().unwrap();
        assert_eq!(t.to_string(), "2026-11-21T03:12:00Z");
        assert_eq!((t + Span::secs(90)).since(t), Span::secs(90));
        assert_eq!(t.since(t + Span::secs(1)), Span::ZERO);
        assert_eq!((t + Span::secs(5)).before(Span::secs(5)), t);
        assert_eq!(t.time_of_day(), "03:12:00");
        assert_eq!(Timestamp(253_402_207_200_999).time_of_day(), "253402207200999 ms");
    }
}
