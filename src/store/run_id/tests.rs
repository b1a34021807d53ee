use super::*;
use crate::clock::Span;

#[test]
fn run_names_sort_by_start_time_and_fit_into_cloud_names() {
    let start: Timestamp = "2026-11-21T03:12:00Z".parse().unwrap();
    let mut names: Vec<_> = (0..200).map(|i| run_id(start + Span::mins(i * 7), u64::MAX / (i + 1))).collect();
    assert!(names.is_sorted());
    names.dedup();
    assert_eq!(names.len(), 200);
    for name in names {
        assert!(name.as_str().len() <= 14 && name.as_str().starts_with('r'), "{name}");
        assert!(name.as_str().chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{name}");
    }
}

#[test]
fn two_runs_of_one_millisecond_differ_by_their_entropy() {
    assert_ne!(run_id(Timestamp(1), 1), run_id(Timestamp(1), 2));
    assert_eq!(run_id(Timestamp(0), 0).as_str(), "r000000000000");
}
