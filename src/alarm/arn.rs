//! The name of an alarm, which says where it lives.

use crate::ids::{Account, Region};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// `arn:PARTITION:cloudwatch:REGION:ACCOUNT:alarm:NAME`. Its text, sorted and stored as such.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AlarmArn(String);

/// Why a text is no ARN of an alarm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the ARN of an alarm: {why}")]
pub struct NotAnAlarm {
    /// The text, of which the first 300 characters are kept.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// CloudWatch allows names of that length.
const LONGEST_NAME: usize = 255;

impl AlarmArn {
    /// The whole ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The Region it is in.
    pub fn region(&self) -> Region {
        Region::new(self.part(3))
    }

    /// The account that has it.
    pub fn account(&self) -> Account {
        Account::new(self.part(4))
    }

    /// Its name, which may have colons of its own.
    pub fn name(&self) -> &str {
        self.part(6)
    }

    fn part(&self, n: usize) -> &str {
        self.0.splitn(7, ':').nth(n).expect("an ARN of an alarm has seven parts")
    }
}

impl FromStr for AlarmArn {
    type Err = NotAnAlarm;

    fn from_str(text: &str) -> Result<Self, NotAnAlarm> {
        match wrong(text) {
            Some(why) => Err(NotAnAlarm { text: text.chars().take(300).collect(), why }),
            None => Ok(Self(text.to_owned())),
        }
    }
}

/// What keeps a text from being the ARN of an alarm.
fn wrong(text: &str) -> Option<&'static str> {
    let ["arn", partition, service, region, account, kind, name] = text.splitn(7, ':').collect::<Vec<_>>()[..] else {
        return Some("write arn:aws:cloudwatch:REGION:ACCOUNT:alarm:NAME");
    };
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if !word(partition) {
        Some("its partition is none")
    } else if service != "cloudwatch" {
        Some("its service is not cloudwatch")
    } else if !word(region) {
        Some("its Region is none")
    } else if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
        Some("its account is not a number of 12 digits")
    } else if kind != "alarm" {
        Some("it names something else of CloudWatch")
    } else if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        Some("its name is empty, too long or not printable")
    } else {
        None
    }
}

impl TryFrom<String> for AlarmArn {
    type Error = NotAnAlarm;
    fn try_from(text: String) -> Result<Self, NotAnAlarm> {
        text.parse()
    }
}

impl From<AlarmArn> for String {
    fn from(arn: AlarmArn) -> Self {
        arn.0
    }
}

impl fmt::Display for AlarmArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_says_where_its_alarm_lives() {
        let arn: AlarmArn = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:orders: 5xx".parse().unwrap();
        assert_eq!((arn.region(), arn.account()), (Region::from("eu-west-1"), Account::from("111122223333")));
        assert_eq!(arn.name(), "orders: 5xx");
        let json = serde_json::to_string(&arn).unwrap();
        assert_eq!(json, r#""arn:aws:cloudwatch:eu-west-1:111122223333:alarm:orders: 5xx""#);
        assert_eq!(serde_json::from_str::<AlarmArn>(&json).unwrap(), arn);
    }

    #[test]
    fn what_is_no_arn_of_an_alarm_is_refused_and_told_why() {
        for (text, why) in [
            ("orders-5xx", "write arn:"),
            ("arn:aws:cloudwatch:eu-west-1:111122223333:alarm", "write arn:"),
            ("arn::cloudwatch:eu-west-1:111122223333:alarm:a", "its partition"),
            ("arn:aws:sns:eu-west-1:111122223333:alarm:a", "its service"),
            ("arn:aws:cloudwatch::111122223333:alarm:a", "its Region"),
            ("arn:aws:cloudwatch:EU (Ireland):111122223333:alarm:a", "its Region"),
            ("arn:aws:cloudwatch:eu-west-1:1111:alarm:a", "its account"),
            ("arn:aws:cloudwatch:eu-west-1:111122223333:alarm-mute-rule:a", "it names something else"),
            ("arn:aws:cloudwatch:eu-west-1:111122223333:alarm:", "its name"),
            ("arn:aws:cloudwatch:eu-west-1:111122223333:alarm:a\nb", "its name"),
        ] {
            let error = text.parse::<AlarmArn>().unwrap_err();
            assert!(error.why.starts_with(why), "{error}");
            assert!(serde_json::from_value::<AlarmArn>(text.into()).is_err(), "{text}");
        }
    }
}
