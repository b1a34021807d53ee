//! How measured values are told.

use serde_json::{Value, json};

/// How values are spread.
pub fn spread(mut values: Vec<f64>) -> Value {
    values.sort_by(f64::total_cmp);
    let at = |tenths: usize| (values[(values.len() - 1) * tenths / 10] * 100.0).round() / 100.0;
    json!({ "min": at(0), "p10": at(1), "median": at(5), "max": at(10) })
}

/// Whether a floor is too uneven for anything to be held against it.
pub fn is_noisy(floor: &[f64]) -> bool {
    let spread = spread(floor.to_vec());
    spread["median"].as_f64() > spread["p10"].as_f64().map(|p| p * 5.0)
}
