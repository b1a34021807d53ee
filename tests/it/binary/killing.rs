//! SIGKILLs at moments that a seed draws.

use super::Running;
use std::{thread, time::Instant};

/// Numbers from a seed (splitmix64).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// Lets a process say so many lines and go on for a moment, then kills it. Its code, where it ended first.
pub(crate) fn kill_after(mut process: Running, lines: u64, micros: u64) -> Option<i32> {
    for _ in 0..lines {
        if process.line().is_none() {
            return process.end();
        }
    }
    let then = Instant::now();
    while then.elapsed().as_micros() < u128::from(micros) {
        thread::yield_now();
    }
    process.kill();
    None
}
