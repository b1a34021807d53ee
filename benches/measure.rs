//! How measured values are told.

use serde_json::{Value, json};

/// How values are spread.
pub fn spread(mut values: Vec<f64>) -> Value {
    values.sort_by(f64::total_cmp);
    // The least value that so many of a hundred do not exceed.
    let at = |percent: usize| {
        let rank = (values.len() * percent).div_ceil(100).max(1);
        (values[rank - 1] * 100.0).round() / 100.0
    };
    json!({ "min": at(0), "p10": at(10), "median": at(50), "p95": at(95), "max": at(100) })
}

/// Whether a floor is too uneven for anything to be held against it.
pub fn is_noisy(floor: &[f64]) -> bool {
    let spread = spread(floor.to_vec());
    spread["median"].as_f64() > spread["p10"].as_f64().map(|p| p * 5.0)
}
