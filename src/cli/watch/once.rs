//! What is followed to its end by a process of its own, while others may watch: a failover that a person
//! starts, and one that is rehearsed.

use super::{
    service::{AT_ONCE, Service},
    shelf::Shelf,
    ways,
};
use crate::{
    cli::{
        args::{Common, watch::TriggerArgs},
        exit::{Failure, code},
        wiring::who,
    },
    runbook::{Runbook, Trigger},
    watch::Keeper,
};
use std::sync::Arc;
use tokio::sync::mpsc::{channel, unbounded_channel};

/// `lifeboat trigger`: what its alarms would decide, a person decides.
pub(super) async fn by_hand(common: &Common, args: &TriggerArgs, shelf: Shelf) -> Result<u8, Failure> {
    let (_, arrivals) = channel(1);
    let (to, told) = unbounded_channel();
    let mut service = Service::of(common, shelf, (arrivals, told, to), Some(code::DONE)).await?;
    let (runbook, trigger) = named(&service.keeper, &args.name)?;
    let by = who(args.operator.as_ref());
    let why = format!("{}: {}", by.operator, args.reason);
    match service.keeper.by_hand(&runbook, &trigger, why, service.clock.now()).await? {
        Some(against) => Err(Failure::refused(against.why).hint(against.next)),
        None => service.run().await,
    }
}

/// Every alarm of a trigger goes off at once, in a message as CloudWatch sends it.
pub(super) async fn rehearse(common: &Common, shelf: Shelf, name: &str) -> Result<u8, Failure> {
    let (into, arrivals) = channel(AT_ONCE);
    let (to, told) = unbounded_channel();
    let service = Service::of(common, shelf, (arrivals, told, to), Some(code::DONE)).await?;
    let (_, trigger) = named(&service.keeper, name)?;
    let alarms: Vec<_> = trigger.alarms().collect();
    if alarms.is_empty() {
        return Err(Failure::refused(format!("`{name}` waits for no alarm: none can go off"))
            .hint("make its probes fail instead: lifeboat watch FILE --sandbox --fault primary-lost"));
    }
    for alarm in alarms {
        drop(into.send(ways::synthetic(alarm, service.clock.now())?).await);
    }
    drop(into);
    service.run().await
}

fn named(keeper: &Keeper, name: &str) -> Result<(Arc<Runbook>, Trigger), Failure> {
    let all = keeper.policies().values().flat_map(|r| r.triggers.iter().map(move |t| (r, t)));
    let found = all.clone().find(|(_, trigger)| trigger.name.as_str() == name);
    found.map(|(runbook, trigger)| (runbook.clone(), trigger.clone())).ok_or_else(|| {
        let known: Vec<_> = all.map(|(_, trigger)| trigger.name.to_string()).collect();
        Failure::usage(format!("there is no trigger {name}")).hint(format!("there are: {}", known.join(", ")))
    })
}
