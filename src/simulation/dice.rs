//! Chance in order: the same seed gives the same throws, on every machine and in every version.

use crate::clock::Span;

/// Dice that were thrown so often.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// New ones. Each purpose has its own, so that more throws for one do not change another.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let named = purpose.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3) // FNV-1a
        });
        let mut dice = Self(seed ^ named);
        // Neighbouring seeds begin far apart.
        dice.0 = dice.throw() ^ seed;
        dice
    }

    /// The next throw: SplitMix64.
    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let n = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ (n >> 31)
    }

    /// A number below another, which is at least 1.
    pub fn below(&mut self, n: u64) -> u64 {
        self.throw() % n.max(1)
    }

    /// Yes, once in so many times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// A length of time from `lo` to `hi`, both included.
    pub fn span(&mut self, lo: Span, hi: Span) -> Span {
        Span(lo.0 + self.below(hi.0.saturating_sub(lo.0) + 1))
    }

    /// One of several; there is at least one.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let place = self.below(of.len() as u64);
        &of[usize::try_from(place).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throws_follow_from_seed_and_purpose_alone() {
        let throws = |seed, purpose| {
            let mut dice = Dice::new(seed, purpose);
            (0..8).map(|_| dice.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(throws(1, "world"), throws(1, "world"));
        assert_ne!(throws(1, "world"), throws(2, "world"));
        assert_ne!(throws(1, "world"), throws(1, "people"));
    }

    #[test]
    fn throws_stay_in_their_range() {
        let mut dice = Dice::new(7, "range");
        for _ in 0..1000 {
            let span = dice.span(Span::ms(5), Span::ms(9));
            assert!((Span::ms(5)..=Span::ms(9)).contains(&span));
            assert!([1, 2, 3].contains(dice.pick(&[1, 2, 3])));
        }
    }
}
