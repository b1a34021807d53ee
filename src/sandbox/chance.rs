//! Chance that comes from the seed alone: the same seed, purpose and number give the same value, on
//! every machine and in every version. Nothing here remembers anything.

use crate::clock::Span;

/// A value for a purpose and a number, all bits of it usable.
pub(super) fn draw(seed: u64, purpose: &str, n: u64) -> u64 {
    let named = purpose.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3) // FNV-1a
    });
    mix(mix(seed ^ named).wrapping_add(mix(n)))
}

/// SplitMix64's finaliser.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// A number from `lo` to `hi`, both included.
pub(super) fn between(drawn: u64, lo: u64, hi: u64) -> u64 {
    lo + drawn % (hi.max(lo) - lo + 1)
}

/// A length of time from `lo` to `hi`.
pub(super) fn span(drawn: u64, lo: Span, hi: Span) -> Span {
    Span(between(drawn, lo.0, hi.0))
}

/// A time around the typical one: 0.7 to 1.4 of it.
pub(super) fn around(drawn: u64, typical: Span) -> Span {
    Span(typical.0 * between(drawn, 700, 1400) / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_a_function_of_seed_purpose_and_number() {
        assert_eq!(draw(1, "lag", 7), draw(1, "lag", 7));
        for (seed, purpose, n) in [(2, "lag", 7), (1, "dns", 7), (1, "lag", 8)] {
            assert_ne!(draw(1, "lag", 7), draw(seed, purpose, n));
        }
    }

    #[test]
    fn an_operation_takes_about_its_typical_time() {
        let times: Vec<_> = (0..1000).map(|n| around(draw(3, "x", n), Span::secs(100))).collect();
        assert!(times.iter().all(|t| (Span::secs(70)..=Span::secs(140)).contains(t)));
        assert!(times.iter().any(|t| *t < Span::secs(75)) && times.iter().any(|t| *t > Span::secs(135)));
    }
}
