//! The real program, in processes of its own, each test in a home and a world of its own.

#[path = "../it/binary/spoken.rs"]
#[allow(dead_code, reason = "shared with tests/it: each uses its part")]
mod spoken;

#[path = "../it/binary/killing.rs"]
mod killing;

pub(crate) use killing::{Chance, kill_after};
pub(crate) use spoken::{Ran, Running, ran};

use crate::{
    environment,
    names::NameServer,
    runbook,
    web::Web,
    witness::Witness,
    world::{HOME, NAME, STANDBY, Wire},
};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What a planned failover needs where nobody is there to be asked.
pub const AGREED: &str = "--yes --accept promote";

const PROGRAM: &str = env!("CARGO_BIN_EXE_lifeboat");

/// Where somebody works: a world, what answers in it, a runbook of it, a home for the journal.
pub struct Desk {
    /// The world.
    pub wire: Wire,
    runbook: PathBuf,
    folder: tempfile::TempDir,
    /// What answers as the workload.
    pub web: Web,
    _names: NameServer,
}

impl Desk {
    /// A world that does at once what it is told, where nothing lags, and the bundled runbook without
    /// what needs a real PostgreSQL and without the waits that are only for people.
    pub fn new() -> Self {
        Self::of(Wire::at_once(), &[])
    }

    /// Of a world, and with more pieces of the runbook replaced.
    pub fn of(wire: Wire, changes: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let web = workload(&wire);
        let names = NameServer::of(&wire.account, &wire.zone);
        wire.control("route53/name-servers", json!({ "zone": wire.zone, "servers": [names.address()] }));
        wire.live_answers(1);
        for (_, region) in [HOME, STANDBY] {
            for metric in ["ReplicaLag", "OldestReplicationSlotLag"] {
                let series = json!({ "region": region, "id": "*", "metric": metric, "values": 0 });
                wire.control("rds/metric", series);
            }
        }
        let runbook = runbook::write(&wire, &web, folder.path());
        runbook::shorten(&runbook);
        runbook::change(&runbook, changes);
        wire.forget();
        Self { wire, runbook, folder, web, _names: names }
    }

    /// Where the journal is.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The program, with nothing of the tester's environment. `RUNBOOK` stands for the file.
    pub fn command(&self, line: &str) -> Command {
        self.dressed(Command::new(PROGRAM), line)
    }

    /// The program, started by another one.
    pub(crate) fn by(&self, mut other: Command, line: &str) -> Command {
        other.arg(PROGRAM);
        self.dressed(other, line)
    }

    fn dressed(&self, mut command: Command, line: &str) -> Command {
        command.env_clear();
        environment::give(&mut command)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("USER", "ada")
            .env("HOME", self.folder.path())
            .env("LIFEBOAT_HOME", self.home())
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        let file = Path::new(self.runbook.file_name().unwrap());
        command.args(line.split_whitespace().map(|word| if word == "RUNBOOK" { file } else { Path::new(word) }));
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, line: &str) -> Ran {
        ran(&mut self.command(line))
    }

    /// Starts it and lets it go on; its JSON lines can be read.
    pub(crate) fn start(&self, line: &str) -> Running {
        Running::start(&mut self.command(line))
    }
}

/// What answers as the workload: each site by its name, writes where its database takes them; the
/// public name as the site that has the weight.
fn workload(wire: &Wire) -> Web {
    let (witness, zone) = (Witness::of(&wire.account), wire.zone.clone());
    Web::start(move |path| {
        let weights = || witness.weights(&zone, NAME).into_iter().max_by_key(|(_, weight)| *weight);
        let (site, rest) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
        let site = if site == "public" { weights().unwrap().0 } else { site.to_owned() };
        let region = if site == HOME.0 { HOME.1 } else { STANDBY.1 };
        let well = !rest.ends_with("write") || takes_writes(&witness, &site, region);
        (if well { 200 } else { 503 }, json!({ "site": site }))
    })
}

fn takes_writes(witness: &Witness, site: &str, region: &str) -> bool {
    let db = witness.db(region, "orders");
    let frozen = witness.parameters(region, &format!("orders-{site}"));
    let is_replica = db["ReadReplicaSourceDBInstanceIdentifier"] != Value::Null;
    db != Value::Null && !is_replica && frozen.get("default_transaction_read_only").is_none_or(|v| v != "1")
}

#[test]
fn the_program_moves_the_service_over_the_wire() {
    let desk = Desk::new();
    desk.run(&format!("failover RUNBOOK --planned --no-reprotect {AGREED}")).ends(25);
    assert_eq!(desk.wire.witness.weights(&desk.wire.zone, NAME)["oregon"], 100);
}
