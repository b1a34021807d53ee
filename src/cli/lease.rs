//! Taking the lease of a runbook, from nobody, from the dead, or from a holder that a person named.

use super::{
    args::Consent,
    exit::{Failure, code},
    wiring::who,
};
use crate::{
    clock::{BootClock, KernelBootClock, Span},
    ids::LeaseKey,
    store::{Claim, Fence, Holder, Store},
};
use std::{io::Write as _, sync::Arc, time::Duration};

/// Takes the lease of a key, or says who has it.
pub(super) async fn claim(store: &Arc<dyn Store>, key: &LeaseKey, consent: &Consent) -> Result<Fence, Failure> {
    let me = who(consent.operator.as_ref());
    let claim = match store.claim(key, &me).await? {
        Claim::Busy(holder) if is_named(consent.take_over.as_ref(), &holder) => {
            store.seize(key, &me, holder.epoch).await?
        }
        other => other,
    };
    match claim {
        Claim::Held(fence) => outwait(store, fence).await,
        Claim::Busy(holder) => Err(busy(&holder)),
    }
}

/// Whether the person typed the id of this holder and no other.
pub(super) fn is_named(typed: Option<&String>, holder: &Holder) -> bool {
    typed.is_some_and(|id| *id == holder.id())
}

/// Waits until a holder that is not known to be dead can send nothing more. The lease is kept alive.
async fn outwait(store: &Arc<dyn Store>, fence: Fence) -> Result<Fence, Failure> {
    let left = fence.quiet.since(KernelBootClock.boot());
    if left > Span::ZERO {
        let text = format!("note: what the old holder may still send is waited for: {left}");
        drop(writeln!(std::io::stderr().lock(), "{text}"));
    }
    // Real time even where the sandbox's is virtual: the other process lives in it.
    let nap = async |nap: Span| {
        let slept = tokio::task::spawn_blocking(move || std::thread::sleep(Duration::from_millis(nap.0))).await;
        slept.expect("a nap ends");
    };
    Ok(fence.outwait(&**store, &KernelBootClock, nap).await?)
}

/// Exit 12: who holds it, where, since when, and what can be typed.
pub(super) fn busy(holder: &Holder) -> Failure {
    let run = holder.run.as_ref().map_or_else(String::new, |run| format!(" run {run}"));
    let name = holder.run.as_ref().map_or_else(String::new, |run| format!(" {run}"));
    let (who, since, renewed) = (&holder.who, holder.since, holder.renewed);
    Failure::new(code::BUSY, format!("{who} holds{run} since {since}, last heartbeat {renewed}"))
        .hint(format!("lifeboat show{name}     tells what it does"))
        .hint(format!("lifeboat pause{name}    makes it wait"))
        .hint(format!("kill -9 {} on {}     where it hangs: it lets go at once", who.pid, who.host))
        .hint(format!("add --take-over {}     where it hangs and cannot be killed", holder.id()))
}
