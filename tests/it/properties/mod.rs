//! What holds for every run, whatever the seed, the runbook, the faults, and whoever interferes.
//!
//! Cases come from a fixed seed, so that a failure is met again; what fails is shrunk and shown.
//! `LIFEBOAT_SEEDS` asks for more cases.

mod journals;
mod moves;
mod runbooks;

use lifeboat::clock::Span;
use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

/// Whatever is tried has come to rest by then, on its own clock.
const AT_MOST: Span = Span::hours(72);

/// Lets a statement be tried with so many inputs, each in a virtual time of its own.
fn always<S, F>(cases: u32, input: S, so: impl Fn(S::Value) -> F)
where
    S: Strategy,
    F: Future<Output = ()>,
{
    let asked = std::env::var("LIFEBOAT_SEEDS").ok().and_then(|n| n.parse().ok());
    let config =
        Config { cases: asked.unwrap_or(cases), failure_persistence: None, max_shrink_iters: 40, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let one = |input| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let told = async { tokio::time::timeout(AT_MOST.std(), so(input)).await.expect("it comes to rest") };
        runtime.block_on(told);
        Ok(())
    };
    if let Err(error) = runner.run(&input, one) {
        panic!("{error}");
    }
}
