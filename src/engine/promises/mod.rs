//! Tests of promises that were broken once, each named for its symptom.

mod tests;
