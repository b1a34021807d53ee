//! What comes from outside, mangled: no panic, no hang over a second, never more than 256 MB.
//!
//! Each target runs in a process of its own, with so much address space and no more; it counts the
//! processor's time, so that a busy machine is no hang. Inputs are drawn from a seed and a corpus that
//! is kept here; what once went wrong is in it. `LIFEBOAT_FUZZ=100000` draws that many for each target.

mod mutate;
mod targets;

use crate::binary::Chance;
use mutate::mutated;
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};
use std::{
    fs,
    os::unix::fs::FileExt as _,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};
use targets::{TARGETS, Target};

/// Inputs of a target where nobody says how many.
const DEFAULT: u64 = 1_000;
/// So much more than at the start.
const MEMORY: u64 = 256 << 20;
/// The processor's time for one input, in milliseconds.
const LIMIT: u64 = 1_000;

#[test]
fn runbooks_that_are_mangled_are_refused_or_read() {
    survives("runbooks");
}

#[test]
fn expressions_that_are_mangled_are_refused_or_evaluated() {
    survives("expressions");
}

#[test]
fn events_that_are_mangled_are_refused_or_folded() {
    survives("events");
}

#[test]
fn times_that_are_mangled_are_refused_or_told_as_they_are_written() {
    survives("times");
}

/// Lets a process of its own try a target's inputs.
fn survives(name: &str) {
    let last = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "fuzz::a_process_that_tries_inputs", "--nocapture", "--test-threads=1"])
        .env("LIFEBOAT_FUZZ_TARGET", name)
        .env("LIFEBOAT_FUZZ_LAST", last.path())
        // Telling a backtrace takes more memory than there is.
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let kept = fs::read(last.path()).unwrap();
    let (size, input) = kept.split_first_chunk().unwrap_or((&[0; 8], &[]));
    let input = &input[..usize::try_from(u64::from_le_bytes(*size)).unwrap()];
    assert!(output.status.success(), "{name}: {}\n{said}\nwith: {:?}", output.status, String::from_utf8_lossy(input));
}

/// Not a fact of its own, but the body of the processes that the tests above start.
#[test]
fn a_process_that_tries_inputs() {
    let Ok(name) = std::env::var("LIFEBOAT_FUZZ_TARGET") else { return };
    let last = std::env::var("LIFEBOAT_FUZZ_LAST").unwrap();
    let count: u64 = std::env::var("LIFEBOAT_FUZZ").map_or(DEFAULT, |n| n.parse().unwrap());
    let Target { words, corpus, new, .. } = TARGETS.iter().find(|target| target.name == name).unwrap();
    let (corpus, mut attempt) = (corpus(), new());
    let mut chance = Chance(0x6675_7a7a ^ name.len() as u64);
    limit_memory();
    watch_time();
    let kept = fs::OpenOptions::new().write(true).open(last).unwrap();
    let mut attempt = |input: &[u8]| {
        // Never cut: some file systems write a file out that is cut and written anew.
        kept.write_all_at(&(input.len() as u64).to_le_bytes(), 0).unwrap();
        kept.write_all_at(input, 8).unwrap();
        BEGUN.store(processor(), Ordering::Relaxed);
        attempt(input);
    };
    corpus.iter().for_each(|input| attempt(input));
    for _ in 0..count {
        attempt(&mutated(&corpus, words, &mut chance));
    }
}

/// When the current input began, in the processor's time.
static BEGUN: AtomicU64 = AtomicU64::new(u64::MAX);

/// The processor's time of this process, in milliseconds.
fn processor() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec).unwrap() * 1000 + u64::try_from(time.tv_nsec).unwrap() / 1_000_000
}

/// What does not end ends the process.
fn watch_time() {
    thread::spawn(|| {
        loop {
            thread::sleep(Duration::from_millis(50));
            if processor().saturating_sub(BEGUN.load(Ordering::Relaxed)) > LIMIT {
                std::process::abort();
            }
        }
    });
}

/// What asks for more than that is refused, which ends the process.
fn limit_memory() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let kib: u64 = size.split_whitespace().next().unwrap().parse().unwrap();
    let most = Some(kib * 1024 + MEMORY);
    let limit = Rlimit { current: most, ..getrlimit(Resource::As) };
    setrlimit(Resource::As, limit).unwrap();
}
