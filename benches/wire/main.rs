//! A failover over the wire against a bare program on the SDK, on one server, in one run: promote the
//! database if it still is a replica, give the servers their size and wait for them, move the weights.
//!
//!     cargo bench --bench wire          # needs `tests/run` once: it installs the double
//!     benches/peers/install             # once, for boto3 and the AWS CLI beside it
//!
//! Rounds interleave subject and floors, and ratios are taken round by round, since other work on
//! the machine slows both. Absolute times mean nothing. Prints one JSON object.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    dead_code,
    reason = "a measurement ends by panicking"
)]

#[path = "../../tests/wire/double.rs"]
mod double;
#[path = "../../tests/wire/environment.rs"]
mod environment;
mod floor;
#[path = "../../tests/wire/http.rs"]
mod http;
#[path = "../measure.rs"]
mod measure;
#[path = "../peers/peer.rs"]
mod peer;
#[path = "../stage.rs"]
mod stage;
#[path = "../../tests/wire/witness.rs"]
mod witness;

use double::Double;
use measure::{is_noisy, spread};
use serde_json::{Value, json};
use stage::{ACCOUNT, Stage};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const ROUNDS: usize = 21;
/// A peer runs in one of so many rounds: they are slow.
const SELDOM: usize = 3;
fn main() {
    let args: Vec<String> = env::args().collect();
    if let [_, floor, connector, endpoint, zone] = &args[..]
        && floor == "floor"
    {
        return floor::run(connector, endpoint, zone).unwrap();
    }
    println!("{:#}", measured());
}

/// The world, and the runbook of the flow in it.
struct Bench {
    stage: Stage,
    runbook: PathBuf,
}

/// What is run.
#[derive(Clone, Copy)]
enum Program {
    /// The bare program with the SDK's own connector, which loads the machine's certificates.
    Floor,
    /// The bare program with a connector that speaks plain HTTP alone.
    PlainFloor,
    /// `lifeboat failover`, to its end.
    Lifeboat,
    /// A script on boto3.
    Boto3,
    /// A shell script that calls the AWS CLI.
    AwsCli,
}

impl Program {
    const ALL: [Self; 5] = [Self::Floor, Self::Lifeboat, Self::PlainFloor, Self::Boto3, Self::AwsCli];

    fn is_peer(self) -> bool {
        matches!(self, Self::Boto3 | Self::AwsCli)
    }

    /// Those that can run here.
    fn here() -> Vec<Self> {
        let installed = peer::are_installed(peer::PYPI);
        Self::ALL.into_iter().filter(|program| installed || !program.is_peer()).collect()
    }
}

fn measured() -> Value {
    let bench = Bench::new();
    let programs = Program::here();
    // The first of each reads files that the others find in memory.
    for program in &programs {
        let _warm = bench.once(*program, watch_time);
    }
    let mut times = Program::ALL.map(|_| vec![]);
    for round in 0..ROUNDS {
        for (program, times) in programs.iter().zip(&mut times) {
            if !program.is_peer() || round % SELDOM == 0 {
                times.push(bench.once(*program, watch_time).as_secs_f64() * 1000.0);
            }
        }
    }
    let [floor, lifeboat, plain, boto3, cli] = times;
    let ratios = |floor: &[f64]| spread(lifeboat.iter().zip(floor).map(|(a, b)| a / b).collect());
    json!({
        "rounds": ROUNDS,
        "noisy": is_noisy(&floor),
        "ratio": ratios(&floor),
        "ratio_to_plain_http": ratios(&plain),
        "peers": peers(&lifeboat, boto3, cli),
        "ms": { "lifeboat": spread(lifeboat.clone()), "floor": spread(floor), "plain_http_floor": spread(plain) },
        "peak_kib": {
            "lifeboat": bench.once(Program::Lifeboat, watch_memory),
            "floor": bench.once(Program::Floor, watch_memory),
        },
        "calls_of_lifeboat": bench.calls(),
        "binary_bytes": fs::metadata(env!("CARGO_BIN_EXE_lifeboat")).unwrap().len(),
    })
}

/// How many times ours the peers take.
fn peers(lifeboat: &[f64], boto3: Vec<f64>, cli: Vec<f64>) -> Value {
    let against = |bar: u32, times: Vec<f64>| {
        let pairs = times.iter().zip(lifeboat.iter().step_by(SELDOM));
        let ratio = pairs.map(|(theirs, ours)| theirs / ours).collect();
        json!({ "bar_at_least": bar, "ratio": spread(ratio), "ms": spread(times) })
    };
    if boto3.is_empty() {
        return peer::NOT_INSTALLED.into();
    }
    json!({ "boto3": against(7, boto3), "aws_cli": against(45, cli) })
}

impl Bench {
    fn new() -> Self {
        let stage = Stage::new();
        Self { runbook: stage.runbook(""), stage }
    }

    fn command(&self, program: Program, store: &Path) -> Command {
        let mut command = match program {
            Program::Floor | Program::PlainFloor => {
                let connector = if matches!(program, Program::Floor) { "https" } else { "http" };
                let mut command = Command::new(env::current_exe().unwrap());
                command.args(["floor", connector, &self.stage.endpoint, &self.stage.zone]);
                command
            }
            Program::Lifeboat => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
                command.arg("failover").arg(&self.runbook).args(["--emergency", "--yes", "--accept", "promote"]);
                command.args(["--accept-data-loss", "unknown", "--no-reprotect", "--store"]).arg(store);
                command
            }
            Program::Boto3 => self.peer("flow_boto3.py"),
            Program::AwsCli => self.peer("flow_cli.sh"),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        environment::give(&mut command);
        command
    }

    fn peer(&self, program: &str) -> Command {
        let mut command = peer::command(program);
        command.args([&self.stage.endpoint, &self.stage.zone]);
        command
    }

    /// Runs a program from the same world as ever, and sees to it that it did its work.
    fn once<T>(&self, program: Program, watch: fn(&mut Child, Instant) -> T) -> T {
        self.stage.reset();
        let store = tempfile::tempdir().unwrap();
        let mut command = self.command(program, store.path());
        let start = Instant::now();
        let mut child = command.spawn().unwrap();
        let watched = watch(&mut child, start);
        let output = child.wait_with_output().unwrap();
        let weights = self.stage.weights();
        assert!(
            weights["oregon"] == 100 && weights["ohio"] == 0,
            "{weights:?} {}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        watched
    }

    /// The changing calls of one failover.
    fn calls(&self) -> Vec<Value> {
        self.stage.reset();
        Double::shared().control("DELETE", "calls", &Value::Null);
        let store = tempfile::tempdir().unwrap();
        self.command(Program::Lifeboat, store.path()).output().unwrap();
        Double::shared().calls(ACCOUNT).iter().map(|call| call["operation"].clone()).collect()
    }
}

/// How long it takes.
fn watch_time(child: &mut Child, start: Instant) -> Duration {
    child.wait().unwrap();
    start.elapsed()
}

/// How much memory it ever had, in KiB.
fn watch_memory(child: &mut Child, _: Instant) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok());
        most = most.max(kib.unwrap_or(0));
    }
    most
}
