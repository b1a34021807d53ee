//! Names for runs.

use crate::{clock::Timestamp, ids::RunId};

/// 2020-01-01T00:00:00Z: eight digits in base 36 then last until the year 2109.
const ORIGIN_MS: i64 = 1_577_836_800_000;

/// A name for a run that starts now: `r`, the time in milliseconds as eight digits, four digits of
/// `entropy`. Sorts by start time, fits into cloud resource names (a letter first, no capitals, 13
/// characters); of two runs started in the same millisecond one pair in 1.7 million shares a name.
pub fn run_id(now: Timestamp, entropy: u64) -> RunId {
    let ms = u64::try_from(now.0.saturating_sub(ORIGIN_MS)).unwrap_or(0);
    RunId::new(format!("r{}{}", base36(ms, 8), base36(entropy, 4)))
}

/// The last `width` digits of a number in base 36.
fn base36(mut n: u64, width: usize) -> String {
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdefghijklmnopqrstuvwxyz"[usize::try_from(n % 36).expect("below 36")];
        n /= 36;
    }
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests;
