//! Two jobs at once, for what people or sends wait for. Nothing of it outlives the call.

/// Does one job on a thread of its own while the other is done here; a machine in trouble has no thread for
/// that, and does one after the other. A panic of either is the caller's.
pub(crate) fn both<A: Send, B>(one: impl Fn() -> A + Sync, other: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let beside = std::thread::Builder::new().spawn_scoped(scope, &one);
        let other = other();
        let one = match beside {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => one(),
        };
        (one, other)
    })
}

#[cfg(test)]
mod tests {
    use super::both;

    #[test]
    fn both_are_done_and_each_gives_its_own() {
        let here = std::thread::current().id();
        let (one, other) = both(|| std::thread::current().id(), || std::thread::current().id());
        assert!(one != here && other == here);
    }

    #[test]
    #[should_panic(expected = "the first")]
    fn a_panic_beside_is_not_lost() {
        both(|| panic!("the first"), || ());
    }
}
