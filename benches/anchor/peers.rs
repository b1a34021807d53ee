//! The chain by other tools, where they are installed: a step of theirs against a step of ours.

use crate::{
    SCALE,
    measure::{is_noisy, spread},
    peer::{NOT_INSTALLED, NPM, PYPI, are_installed, command},
};
use serde_json::{Value, json};

/// Fewer than of ours: they are slow.
const ROUNDS: usize = 5;

/// A tool on its chain.
struct Peer {
    name: &'static str,
    mark: &'static str,
    program: &'static str,
    steps: usize,
    task: Option<&'static str>,
    /// How many times as long as ours a step takes, at least. Ansible's are not durable: it has no bar.
    bar: Option<u32>,
}

const PEERS: [Peer; 4] = [
    Peer { name: "restate", mark: NPM, program: "chain_restate.mjs", steps: 500, task: None, bar: Some(3) },
    Peer { name: "dbos", mark: PYPI, program: "chain_dbos.py", steps: 500, task: None, bar: Some(6) },
    Peer { name: "ansible_debug", steps: 100, task: Some("debug:"), ..ANSIBLE },
    Peer { name: "ansible_command", steps: 20, task: Some("command: /bin/true"), ..ANSIBLE },
];

const ANSIBLE: Peer = Peer { name: "", mark: PYPI, program: "chain_ansible", steps: 0, task: None, bar: None };

/// All of them; `ours` runs a chain of ours and gives the microseconds a step took.
pub fn chains(ours: impl Fn() -> f64) -> Value {
    PEERS.iter().map(|peer| (peer.name.to_owned(), peer.against(&ours))).collect()
}

impl Peer {
    fn against(&self, ours: impl Fn() -> f64) -> Value {
        if !are_installed(self.mark) {
            return NOT_INSTALLED.into();
        }
        let (ours, theirs): (Vec<_>, Vec<_>) = (0..ROUNDS).map(|_| (ours(), self.us_a_step())).unzip();
        let ratio = theirs.iter().zip(&ours).map(|(theirs, ours)| theirs / ours).collect();
        json!({
            "bar_at_least": self.bar, "noisy": is_noisy(&ours), "ratio": spread(ratio), "us_a_step": spread(theirs),
        })
    }

    fn us_a_step(&self) -> f64 {
        let steps = (self.steps / SCALE).to_string();
        let output = command(self.program).arg(steps).args(self.task).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        let why = String::from_utf8_lossy(&output.stderr);
        told.trim().parse().unwrap_or_else(|_| panic!("{} told {told:?}: {why}", self.name))
    }
}
