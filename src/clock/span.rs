//! A length of time, written the way the runbook writes it: `90s`, `15m`, `1h30m`.

use serde::{Deserialize, Serialize};
use std::{fmt, ops, str::FromStr, time::Duration};

/// A length of time in whole milliseconds. Serialised as that number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(pub u64);

impl Span {
    /// No time.
    pub const ZERO: Self = Self(0);

    /// Whole milliseconds.
    pub const fn ms(n: u64) -> Self {
        Self(n)
    }
    /// Whole seconds.
    pub const fn secs(n: u64) -> Self {
        Self(n * 1000)
    }
    /// Whole minutes.
    pub const fn mins(n: u64) -> Self {
        Self::secs(n * 60)
    }
    /// Whole hours.
    pub const fn hours(n: u64) -> Self {
        Self::mins(n * 60)
    }
    /// Seconds with a fraction; negative and NaN become 0.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped at 0; lengths stay far below 2^53 ms"
    )]
    pub fn from_secs_f64(s: f64) -> Self {
        Self((s.max(0.0) * 1000.0).round() as u64)
    }
    /// Seconds with a fraction.
    #[expect(clippy::cast_precision_loss, reason = "lengths stay far below 2^53 ms")]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }
    /// In whole seconds, rounded up: what is told as "at most" must not be less than it is.
    pub const fn ceil_secs(self) -> Self {
        Self(self.0.div_ceil(1000) * 1000)
    }
    /// The standard library's form.
    pub const fn std(self) -> Duration {
        Duration::from_millis(self.0)
    }
    /// The difference, or zero where `other` is longer.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl ops::Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl ops::Mul<u64> for Span {
    type Output = Self;
    fn mul(self, n: u64) -> Self {
        Self(self.0.saturating_mul(n))
    }
}

impl std::iter::Sum for Span {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, |a, b| a + b)
    }
}

/// `1h30m`, `90s` is `1m30s`, `1.5s`, `250ms`, `0s`: parts that are zero are left out.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (d, h, m) = (self.0 / 86_400_000, self.0 / 3_600_000 % 24, self.0 / 60_000 % 60);
        let (s, ms) = (self.0 / 1000 % 60, self.0 % 1000);
        let mut text = String::new();
        for (n, unit) in [(d, "d"), (h, "h"), (m, "m")] {
            if n > 0 {
                text += &format!("{n}{unit}");
            }
        }
        match (s, ms) {
            (0, 0) if text.is_empty() => text += "0s",
            (0, 0) => {}
            (0, _) if text.is_empty() => text += &format!("{ms}ms"),
            (_, 0) => text += &format!("{s}s"),
            _ if self.0 < 60_000 => text += format!("{s}.{ms:03}").trim_end_matches('0'),
            _ => text += &format!("{s}s"),
        }
        if ms > 0 && s > 0 && self.0 < 60_000 {
            text += "s";
        }
        f.pad(&text)
    }
}

/// Why a text is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: write for example 90s, 15m or 1h30m")]
pub struct NotASpan(pub String);

impl FromStr for Span {
    type Err = NotASpan;

    /// Whole numbers with the units `d`, `h`, `m`, `s`, `ms`, largest first, each at most once.
    fn from_str(text: &str) -> Result<Self, NotASpan> {
        let wrong = || NotASpan(text.to_owned());
        let (mut rest, mut total, mut last) = (text, 0_u64, u64::MAX);
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let n: u64 = rest[..digits].parse().map_err(|_| wrong())?;
            let letters = rest[digits..].find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len() - digits);
            let unit = match &rest[digits..digits + letters] {
                "d" => 86_400_000,
                "h" => 3_600_000,
                "m" => 60_000,
                "s" => 1000,
                "ms" => 1,
                _ => return Err(wrong()),
            };
            if unit >= last {
                return Err(wrong());
            }
            last = unit;
            total = n.checked_mul(unit).and_then(|ms| total.checked_add(ms)).ok_or_else(wrong)?;
            rest = &rest[digits + letters..];
        }
        // A century: longer is a slip of the pen, and sums must not overflow.
        if total > 86_400_000 * 36_525 { Err(wrong()) } else { Ok(Self(total)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_print_as_they_are_written() {
        for text in ["0s", "90ms", "1s", "1m30s", "15m", "1h", "1h30m", "2d4h", "1h1s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("90s".parse::<Span>().unwrap().to_string(), "1m30s");
        assert_eq!(Span::from_secs_f64(59.25).to_string(), "59.25s");
        assert_eq!(Span::ms(61_500).to_string(), "1m1s");
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in ["", "5", "s", "1m1h", "1m1m", "-1s", "1.5s", "1 s", "99999999999999999999s", "200000d", "1x"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
