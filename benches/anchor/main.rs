//! What durability, width, waiting and taking up cost, each against a floor of the same run.
//!
//!     cargo bench --bench anchor            # other tools beside it: `benches/peers/install` once
//!     cargo bench --bench anchor -- chain   # one part
//!
//! Rounds interleave subject and floor, and ratios are taken round by round. A floor that is uneven
//! says "noisy": that is neither pass nor fail. Prints one JSON object.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    clippy::cast_precision_loss,
    reason = "a measurement ends by panicking"
)]

#[macro_use]
#[path = "../../src/store/conformance/store_but.rs"]
mod store_but;

mod counted;
#[path = "../measure.rs"]
mod measure;
#[path = "../peers/peer.rs"]
mod peer;
mod peers;
mod run;

use counted::Counted;
use lifeboat::{
    clock::{Clock, Span, Timestamp, TokioClock},
    engine::{Live, RunState, Signal, Signals, decide},
    event::{EventKind, Realm},
    ids::{RunId, Seq},
    plan::Plan,
    store::{Clocks, MemoryStore, SqliteStore, Store},
    world::World,
};
use measure::{is_noisy, spread};
use run::{Takes, plan, run, text};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    future::Future,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const ROUNDS: usize = 9;
/// An unoptimized build only shows that all of it works.
const SCALE: usize = if cfg!(debug_assertions) { 20 } else { 1 };
/// Steps of a chain.
const CHAIN: usize = 500 / SCALE;

type Measure = fn() -> Value;

/// What is measured, by name.
const PARTS: [(&str, Measure); 8] = [
    ("chain", chain),
    ("peers", || peers::chains(us_a_step)),
    ("wide", wide),
    ("overhead", overhead),
    ("plan", offline),
    ("resume", resumed),
    ("interrupt", interrupted),
    ("waiting", waiting),
];

fn main() {
    let asked: Vec<_> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if asked == [ALONE] {
        return println!("{}", wide_alone());
    }
    let wanted = PARTS.iter().filter(|(name, _)| asked.is_empty() || asked.iter().any(|asked| asked == name));
    let told: BTreeMap<_, _> = wanted.map(|(name, measure)| (*name, measure())).collect();
    println!("{:#}", json!({ "scale": SCALE, "measured": told }));
}

/// Memory is measured in a process of its own, which is asked for by this.
const ALONE: &str = "wide-alone";

/// Ten layers, wide, each time in a process of its own.
fn wide() -> Value {
    let one = |_| {
        let alone = Command::new(std::env::current_exe().unwrap()).arg(ALONE).output().unwrap();
        serde_json::from_slice::<Value>(&alone.stdout).unwrap()
    };
    let all: Vec<_> = (0..ROUNDS).map(one).collect();
    let peak = all.iter().map(|one| one["peak_kib"].as_u64()).max();
    let times = all.iter().map(|one| one["us_a_step"].as_f64().unwrap()).collect();
    json!({
        "bar_us": 15, "bar_kib": 64 << 10, "steps": all[0]["steps"], "us_a_step": spread(times),
        "commits": all[0]["commits"], "peak_kib": peak,
    })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn takes(after: Span) -> Arc<Takes> {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::scaled(Timestamp::wall(), 1));
    Arc::new(Takes { clock, after, sent: Mutex::default() })
}

fn opened(home: &Path) -> Arc<Counted> {
    let inner = SqliteStore::open(home, Realm::Sandbox, Clocks::machine()).unwrap();
    Arc::new(Counted { inner, commits: AtomicUsize::new(0) })
}

/// One run on a store of its own: how long it took, its commits, and the bytes of its journal.
fn durable(home: &Path, plan: Plan) -> (Duration, usize, usize) {
    let store = opened(home);
    let time = block_on(async {
        let act = takes(Span::ZERO);
        let begun = Instant::now();
        let _ended = run(store.clone(), plan, act, Signals::default()).await;
        begun.elapsed()
    });
    let file = rusqlite::Connection::open(home.join("sandbox.db")).unwrap();
    let bytes =
        file.query_row("SELECT sum(length(body)) FROM event WHERE seq > 1", [], |row| row.get::<_, i64>(0)).unwrap();
    (time, store.commits.load(Ordering::Relaxed), usize::try_from(bytes).unwrap())
}

/// So many commits of so many bytes by bare SQLite, as durable as ours.
fn bare(home: &Path, commits: usize, bytes: usize) -> Duration {
    let file = rusqlite::Connection::open(home.join("bare.db")).unwrap();
    file.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
    file.pragma_update(None, "synchronous", "FULL").unwrap();
    file.execute_batch("CREATE TABLE event(body BLOB)").unwrap();
    let (body, begun) = (vec![b'x'; bytes / commits], Instant::now());
    for _ in 0..commits {
        file.prepare_cached("INSERT INTO event VALUES(?)").unwrap().execute([&body]).unwrap();
    }
    begun.elapsed()
}

/// The same by a bare file.
fn synced(home: &Path, commits: usize, bytes: usize) -> Duration {
    let mut file = File::create(home.join("bare")).unwrap();
    let (body, begun) = (vec![b'x'; bytes / commits], Instant::now());
    for _ in 0..commits {
        file.write_all(&body).unwrap();
        file.sync_data().unwrap();
    }
    begun.elapsed()
}

/// Microseconds a step of a chain takes.
fn us_a_step() -> f64 {
    let home = tempfile::tempdir().unwrap();
    durable(home.path(), plan(CHAIN, 1)).0.as_secs_f64() * 1e6 / CHAIN as f64
}

/// A chain, each step durable before the next: against bare commits of the same bytes.
fn chain() -> Value {
    let (mut all, mut floor, mut disk, mut per_step) = (vec![], vec![], vec![], 0.0);
    for _ in 0..ROUNDS {
        let home = tempfile::tempdir().unwrap();
        let (time, commits, bytes) = durable(home.path(), plan(CHAIN, 1));
        all.push(time.as_secs_f64() * 1e6 / CHAIN as f64);
        floor.push(bare(home.path(), commits, bytes).as_secs_f64() * 1e6 / CHAIN as f64);
        disk.push(synced(home.path(), commits, bytes).as_secs_f64() * 1e6 / CHAIN as f64);
        per_step = commits as f64 / CHAIN as f64;
    }
    let ratios = |floor: &[f64]| spread(all.iter().zip(floor).map(|(a, b)| a / b).collect());
    json!({
        "bar": 1.25, "noisy": is_noisy(&floor), "ratio": ratios(&floor), "ratio_to_fdatasync": ratios(&disk),
        "us_a_step": spread(all.clone()), "commits_a_step": per_step,
    })
}

fn wide_alone() -> Value {
    let (layers, wide) = (10, 1000 / SCALE);
    let home = tempfile::tempdir().unwrap();
    let (time, commits, _) = durable(home.path(), plan(layers, wide));
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let steps = layers * wide;
    json!({
        "steps": steps, "us_a_step": time.as_secs_f64() * 1e6 / steps as f64, "commits": commits,
        "peak_kib": kib(&status, "VmHWM:"),
    })
}

fn kib(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Forty steps of a second each, on the virtual clock: how much longer than forty seconds.
fn overhead() -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let state = runtime.block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::virtual_from(Timestamp(0)));
        let store = Arc::new(MemoryStore::new(Clocks::machine()));
        let act = Arc::new(Takes { clock, after: Span::secs(1), sent: Mutex::default() });
        run(store, plan(40, 1), act, Signals::default()).await
    });
    json!({ "bar": 1.01, "ratio": state.last_at.since(state.started).as_secs_f64() / 40.0 })
}

/// `plan --offline`, cold, against a process that does nothing.
fn offline() -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("anchor.yaml");
    fs::write(&file, text(100)).unwrap();
    let (mut all, mut floor) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let mut plan = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        plan.arg("plan").arg(&file).args(["--offline", "--store"]).arg(folder.path());
        all.push(took(&mut plan));
        floor.push(took(&mut Command::new("true")));
    }
    json!({ "bar_ms": 15, "noisy": is_noisy(&floor), "ms": spread(all), "ms_of_true": spread(floor) })
}

fn took(command: &mut Command) -> f64 {
    let begun = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
    begun.elapsed().as_secs_f64() * 1000.0
}

/// From a journal of 20,000 events to the first decision.
fn resumed() -> Value {
    let home = tempfile::tempdir().unwrap();
    durable(home.path(), plan(4, 1000 / SCALE));
    let (mut all, mut count) = (vec![], 0);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let store = opened(home.path());
        let mut events = block_on(store.read(&RunId::new("r1"), Seq(1))).unwrap();
        count = events.len();
        let ends = |kind: &EventKind| matches!(kind, EventKind::ClosingBegun | EventKind::RunFinished { .. });
        events.truncate(events.iter().position(|event| ends(&event.kind)).unwrap());
        let state = RunState::replay(&events).unwrap();
        decide(&state, &World::default(), state.last_at, Live::default());
        all.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    json!({ "bar_ms": 60, "events": count, "ms": spread(all) })
}

/// From the first interrupt to the last new change.
fn interrupted() -> Value {
    let one = |round: usize| {
        let (home, signals) = (tempfile::tempdir().unwrap(), Signals::default());
        let (store, act) = (opened(home.path()), takes(Span::ms(5)));
        let last = block_on(async {
            let running = tokio::spawn(run(store, plan(400 / SCALE, 1), act.clone(), signals.clone()));
            tokio::time::sleep(Duration::from_millis(20 + round as u64)).await;
            let raised = Instant::now();
            signals.raise(Signal::Interrupt);
            assert!(running.await.unwrap().paused.is_some(), "it ended before it was interrupted");
            let sent = act.sent.lock().unwrap();
            sent.last().map_or(Duration::ZERO, |last| last.saturating_duration_since(raised))
        });
        last.as_secs_f64() * 1000.0
    };
    json!({ "bar_ms": 50, "ms": spread((0..ROUNDS).map(one).collect()) })
}

/// What a thread used, by its `schedstat`: ticks are too coarse for what is next to nothing. None: it has ended.
fn nanoseconds(schedstat: &Path) -> Option<u64> {
    fs::read_to_string(schedstat).ok()?.split_whitespace().next()?.parse().ok()
}

/// A run that waits for a database: what its process holds and uses.
fn waiting() -> Value {
    const SECONDS: u64 = 5;
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    command.arg("failover").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/warm-standby.yaml"));
    command.args(["--planned", "--sandbox", "--seed", "1", "--yes", "--accept", "promote", "--store"]).arg(home.path());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let proc = format!("/proc/{}", child.id());
    let used = || -> u64 {
        let threads = fs::read_dir(format!("{proc}/task")).unwrap();
        threads.filter_map(|thread| nanoseconds(&thread.unwrap().path().join("schedstat"))).sum()
    };
    thread::sleep(Duration::from_secs(3));
    let a_while = |_| {
        let before = used();
        thread::sleep(Duration::from_secs(SECONDS));
        used().saturating_sub(before) as f64 / (SECONDS as f64 * 1e7)
    };
    let percent = spread((0..3).map(a_while).collect());
    let resident = kib(&fs::read_to_string(format!("{proc}/status")).unwrap(), "VmRSS:");
    child.kill().unwrap();
    child.wait().unwrap();
    json!({ "bar_kib": 25 << 10, "resident_kib": resident, "bar_percent": 0.2, "percent_of_a_core": percent })
}
