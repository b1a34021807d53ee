//! The ways in: queues, the HTTP door, standard input. Each hands over what it got, and lets its sender
//! know once what was decided of it is on disk.

use super::{Told, eyes::Sight, stats::Stats};
use crate::{
    alarm::{self, AlarmArn, Message, Signal, Way},
    cli::{args::watch::WatchArgs, exit::Failure},
    clock::{Timestamp, TokioClock},
    driver::aws::{Queue, Received},
    intake::{
        self,
        http::{Cached, Door, Token, Web, serve},
    },
};
use std::{io::Read as _, sync::Arc, time::Duration};
use tokio::sync::{
    mpsc::{Sender, UnboundedSender, channel},
    oneshot,
};

/// A message, and who waits for what becomes of it.
pub(super) struct Arrived {
    /// What it says of an alarm; none: it says nothing that matters, and is only let go of.
    pub(super) signal: Option<Signal>,
    settled: Option<oneshot::Sender<bool>>,
}

impl Arrived {
    /// What was decided of it is on disk, or is not.
    pub(super) fn settle(self, done: bool) {
        if let Some(sender) = self.settled {
            // Whoever does not wait any more hears it by another delivery.
            let _ = sender.send(done);
        }
    }
}

/// Opens those that were asked for.
pub(super) async fn open(
    args: &WatchArgs,
    sight: &Arc<Sight>,
    into: Sender<Arrived>,
    (stats, to): (&Arc<Stats>, &UnboundedSender<Told>),
) -> Result<(), Failure> {
    if args.stdin {
        let arrived = one_from_stdin()?;
        drop(into.send(arrived).await);
        return Ok(());
    }
    for url in &args.queue {
        let queue = sight
            .queue(url, args.queue_region.as_deref())
            .await
            .map_err(|why| Failure::usage(format!("--queue {url}: {why}")))?;
        let name = url.rsplit('/').next().unwrap_or(url).to_owned();
        tokio::spawn(drain(name, queue, into.clone(), to.clone()));
    }
    if let Some(address) = args.listen {
        listen(args, address, sight, into.clone(), (stats, to)).await?;
    }
    if args.queue.is_empty() && args.listen.is_none() {
        // Alarms are only looked at; the loop must not take a closed channel for an end.
        tokio::spawn(async move { into.closed().await });
    }
    Ok(())
}

/// One message from standard input, whole.
fn one_from_stdin() -> Result<Arrived, Failure> {
    let mut body = vec![];
    std::io::stdin().lock().take(alarm::MOST_BYTES as u64 + 1).read_to_end(&mut body)?;
    match alarm::read(&body, Way::Stdin, None) {
        Ok(Message::Alarm(signal)) => Ok(Arrived { signal: Some(signal), settled: None }),
        Ok(Message::Ignored(what)) => Err(Failure::refused(format!("this is {what}: nothing follows from it"))),
        Err(why) => Err(Failure::usage(format!("this is no message of an alarm: {why}"))),
    }
}

/// A message as CloudWatch sends it when an alarm goes off, for rehearsals.
pub(super) fn synthetic(alarm: &AlarmArn, now: Timestamp) -> Result<Arrived, Failure> {
    let body = serde_json::json!({
        "AlarmName": alarm.name(),
        "AlarmArn": alarm.as_str(),
        "AWSAccountId": alarm.account(),
        "NewStateValue": "ALARM",
        "OldStateValue": "OK",
        "NewStateReason": "a rehearsal",
        "StateChangeTime": now.to_string(),
    });
    match alarm::read(body.to_string().as_bytes(), Way::Hand, None) {
        Ok(Message::Alarm(signal)) => Ok(Arrived { signal: Some(signal), settled: None }),
        other => Err(Failure::new(crate::cli::exit::code::INTERNAL, format!("no alarm can be rehearsed: {other:?}"))),
    }
}

/// Takes messages from a queue for ever.
async fn drain(name: String, queue: Queue, into: Sender<Arrived>, to: UnboundedSender<Told>) {
    const REST: Duration = Duration::from_secs(5);
    let mut failing = false;
    loop {
        match queue.receive().await {
            Ok(received) => {
                failing = false;
                if !received.is_empty() {
                    take((&name, &queue), received, &into, &to).await;
                }
            }
            Err(why) => {
                if !std::mem::replace(&mut failing, true) {
                    drop(to.send(Told::Line(format!("queue {name}: {why}; tried again every 5s"))));
                }
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Hands a batch over, and deletes what was decided on. What is no message of an alarm is told and deleted:
/// it would come back for ever.
async fn take(
    (name, queue): (&str, &Queue),
    received: Vec<Received>,
    into: &Sender<Arrived>,
    to: &UnboundedSender<Told>,
) {
    let mut waiting = vec![];
    for one in received {
        let signal = match alarm::read(&one.body, Way::Queue, Some(&one.id)) {
            Ok(Message::Alarm(signal)) => Some(signal),
            Ok(Message::Ignored(what)) => {
                drop(to.send(Told::Line(format!("queue {}: message {} is {what}: nothing follows", name, one.id))));
                None
            }
            Err(why) => {
                drop(to.send(Told::Line(format!("queue {}: message {} is refused: {why}", name, one.id))));
                None
            }
        };
        let (settled, done) = oneshot::channel();
        if into.send(Arrived { signal, settled: Some(settled) }).await.is_err() {
            return;
        }
        waiting.push((one.receipt, done));
    }
    let (mut decided, mut left) = (vec![], vec![]);
    for (receipt, done) in waiting {
        if done.await.unwrap_or(false) { decided.push(receipt) } else { left.push(receipt) }
    }
    for receipt in left {
        // It comes back by itself; sooner where the queue hears of it.
        drop(queue.release(&receipt).await);
    }
    if decided.is_empty() {
        return;
    }
    for kept in queue.delete(&decided).await {
        let why = kept.why;
        drop(to.send(Told::Line(format!("queue {name}: a message that was decided on may come again: {why}"))));
    }
}

/// Opens the HTTP door.
async fn listen(
    args: &WatchArgs,
    address: std::net::SocketAddr,
    sight: &Arc<Sight>,
    into: Sender<Arrived>,
    (stats, to): (&Arc<Stats>, &UnboundedSender<Told>),
) -> Result<(), Failure> {
    let token = match &args.token_env {
        Some(name) => {
            let set = std::env::var(name).map_err(|_| Failure::environment(format!("{name} is not set")))?;
            Some(Token::new(&set))
        }
        None => None,
    };
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|why| Failure::environment(format!("--listen {address}: {why}")))?;
    let (sender, mut arrivals) = channel::<intake::Arrival>(16);
    let (health, metrics, log) = (stats.clone(), stats.clone(), to.clone());
    let certificates = Cached::new(Web::of_machine().map_err(Failure::environment)?);
    let door = Door {
        topics: args.topic.iter().cloned().collect(),
        token,
        certificates: Arc::new(certificates),
        subscriptions: sight.clone(),
        arrivals: sender,
        clock: Arc::new(TokioClock::scaled(Timestamp::wall(), 1)),
        health: Arc::new(move || health.health()),
        metrics: Arc::new(move || metrics.text()),
        log: Arc::new(move |refusal| drop(log.send(Told::Line(format!("HTTP: {refusal}"))))),
    };
    tokio::spawn(serve(listener, door, std::future::pending()));
    tokio::spawn(async move {
        while let Some(arrival) = arrivals.recv().await {
            let one = Arrived { signal: Some(arrival.signal), settled: Some(arrival.settled) };
            if into.send(one).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}
