//! The daily backup window of a database. Facts: RDS API, DescribeDBInstances and PromoteReadReplica: an
//! automated backup begins at some moment inside the window, and no replica is promoted while one is made.

use crate::clock::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

const DAY: Span = Span::hours(24);

/// When automated backups begin each day, in UTC (PreferredBackupWindow); as text `03:10-03:40`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackupWindow {
    /// From midnight until it opens.
    opens: Span,
    /// From then until it closes.
    lasts: Span,
}

impl BackupWindow {
    /// One that opens daily at the time of day of an instant, to the minute.
    pub fn daily(opens: Timestamp, lasts: Span) -> Self {
        let opens = opens.since(midnight(opens));
        Self { opens: Span(opens.0 / 60_000 * 60_000), lasts }
    }

    /// From when until when it is open: now, or else the next time.
    pub fn at_or_after(self, now: Timestamp) -> (Timestamp, Timestamp) {
        let today = midnight(now) + self.opens;
        let days = [today - DAY, today, today + DAY];
        let open = days.into_iter().find(|opens| now < *opens + self.lasts).unwrap_or(today + DAY);
        (open, open + self.lasts)
    }
}

fn midnight(at: Timestamp) -> Timestamp {
    at - Span(u64::try_from(at.0).unwrap_or(0) % DAY.0)
}

/// A time of day, `03:10`.
fn time(of: Span) -> String {
    let minutes = of.0 % DAY.0 / 60_000;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

impl fmt::Display for BackupWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", time(self.opens), time(self.opens + self.lasts))
    }
}

impl From<BackupWindow> for String {
    fn from(window: BackupWindow) -> Self {
        window.to_string()
    }
}

/// A text that is no backup window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no backup window: it is written hh:mm-hh:mm, in UTC")]
pub struct NotAWindow(String);

impl FromStr for BackupWindow {
    type Err = NotAWindow;
    fn from_str(text: &str) -> Result<Self, NotAWindow> {
        let time = |text: &str| {
            let (hours, minutes) = text.split_once(':')?;
            let (hours, minutes) = (hours.parse::<u64>().ok()?, minutes.parse::<u64>().ok()?);
            (hours < 24 && minutes < 60).then(|| Span::mins(hours * 60 + minutes))
        };
        let ends = text.split_once('-').and_then(|(opens, closes)| Some((time(opens)?, time(closes)?)));
        let (opens, closes) = ends.ok_or_else(|| NotAWindow(text.to_owned()))?;
        // One that closes at the time it opens is open all day.
        let lasts = if closes > opens { closes.saturating_sub(opens) } else { (closes + DAY).saturating_sub(opens) };
        Ok(Self { opens, lasts })
    }
}

impl TryFrom<String> for BackupWindow {
    type Error = NotAWindow;
    fn try_from(text: String) -> Result<Self, NotAWindow> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn a_window_is_open_now_or_opens_next() {
        let window: BackupWindow = "03:10-03:40".parse().unwrap();
        let today = (at("2026-11-21T03:10:00Z"), at("2026-11-21T03:40:00Z"));
        for now in ["2026-11-20T03:40:00Z", "2026-11-21T00:00:00Z", "2026-11-21T03:10:00Z", "2026-11-21T03:39:59Z"] {
            assert_eq!(window.at_or_after(at(now)), today, "{now}");
        }
        assert_eq!(window.at_or_after(at("2026-11-21T03:40:00Z")).0, at("2026-11-22T03:10:00Z"));
    }

    #[test]
    fn a_window_may_lie_around_midnight() {
        let window: BackupWindow = "23:45-00:15".parse().unwrap();
        let night = (at("2026-11-20T23:45:00Z"), at("2026-11-21T00:15:00Z"));
        for now in ["2026-11-20T12:00:00Z", "2026-11-20T23:50:00Z", "2026-11-21T00:14:00Z"] {
            assert_eq!(window.at_or_after(at(now)), night, "{now}");
        }
        assert_eq!(window.at_or_after(at("2026-11-21T00:15:00Z")).0, at("2026-11-21T23:45:00Z"));
    }

    #[test]
    fn a_window_prints_as_the_provider_writes_it() {
        for text in ["03:10-03:40", "23:45-00:15", "00:00-00:30"] {
            let window: BackupWindow = text.parse().unwrap();
            assert_eq!(window.to_string(), text);
            assert_eq!(serde_json::to_value(window).unwrap(), text);
            assert_eq!(serde_json::from_value::<BackupWindow>(text.into()).unwrap(), window);
        }
        assert_eq!(BackupWindow::daily(at("2026-11-21T23:45:59Z"), Span::mins(30)).to_string(), "23:45-00:15");
        for text in ["", "3", "03:10", "24:00-24:30", "03:60-04:00", "a:b-c:d"] {
            assert!(text.parse::<BackupWindow>().unwrap_err().to_string().contains("hh:mm-hh:mm"), "{text}");
        }
    }
}
