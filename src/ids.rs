//! Names and numbers that identify things, each with a type of its own, so that a site is never
//! taken for a step. They promise nothing about what they name; whether a name is well formed is
//! asked once, where text comes in ([`is_name`]).

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{
    fmt,
    io::{self, BufWriter, Write},
};

/// Declares newtypes over text that print as it. Names are short, copied into every event and hardly ever
/// made: a [`SmolStr`] holds up to 23 bytes in place.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(SmolStr);

        impl $name {
            /// Wraps a text that is already known to be well formed.
            pub fn new(text: impl Into<SmolStr>) -> Self {
                Self(text.into())
            }
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

texts! {
    /// A site of the runbook: a place the workload can run.
    SiteName,
    /// A resource of the runbook.
    ResourceName,
    /// A step of the runbook; unique over all its lists.
    StepId,
    /// A probe of the runbook, or the built-in `site_answers`.
    ProbeName,
    /// A parameter of the runbook.
    ParamName,
    /// A trigger of the runbook.
    TriggerName,
    /// A cloud Region, as its provider spells it.
    Region,
    /// A cloud account number.
    Account,
    /// A run: lowercase letters and digits, fit for use inside cloud resource names; sorts by start time.
    RunId,
    /// What a lease excludes others from: one runbook in one realm.
    LeaseKey,
    /// A SHA-256 in lowercase hexadecimal.
    Digest,
}

impl Digest {
    /// The digest of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut sum = Sum::default();
        sum.add(bytes);
        sum.into()
    }

    /// The digest of a value's JSON, which is never in memory as a whole.
    pub fn of_json(value: &impl Serialize) -> Self {
        let mut sum = BufWriter::new(Sum::default());
        serde_json::to_writer(&mut sum, value).expect("plain data");
        sum.into_inner().expect("a sum takes all bytes").into()
    }
}

impl From<Sum> for Digest {
    fn from(sum: Sum) -> Self {
        Self::new(sum.finish().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")))
    }
}

/// A SHA-256 in the making, of all that is written into it.
#[derive(Clone)]
pub struct Sum(ring::digest::Context);

impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sum")
    }
}

impl Default for Sum {
    fn default() -> Self {
        Self(ring::digest::Context::new(&ring::digest::SHA256))
    }
}

impl Sum {
    /// Takes more in.
    pub fn add(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.update(bytes.as_ref());
    }
    /// The sum of all of it.
    pub fn finish(self) -> [u8; 32] {
        self.0.finish().as_ref().try_into().expect("a SHA-256 has 32 bytes")
    }
}

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Declares newtypes over integers that count from 1 (0 = none yet).
macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($int:ty)),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl $name {
            /// The number after this one.
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

numbers! {
    /// Position of an event in its run; the first is 1.
    Seq(u64),
    /// Counts the holders of a lease; a write under an older epoch is refused.
    Epoch(u64),
    /// An attempt of a step; the first is 1.
    AttemptNo(u32),
    /// An effect of a step, counted over all its attempts and its undo; the first is 1.
    EffectNo(u32),
    /// A question of a run.
    AskId(u32),
    /// A control in a run's inbox.
    ControlId(i64),
    /// A note in a watcher's book; the first is 1.
    NoteNo(u64),
}

/// Whether a text is a name of the runbook language: `[a-z][a-z0-9_]*`.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowercase_words() {
        for good in ["a", "orders", "keep_tail", "x9"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "9a", "_a", "Orders", "keep-tail", "é"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
