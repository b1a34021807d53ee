//! The binary, moving a database that is there: a runbook of nothing else, and what came of a run.

use super::server::{PASSWORD, Pair, quarantine};
use crate::{
    environment,
    world::{HOME, STANDBY},
};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
};
use tempfile::TempDir;

/// Steps without a word of servers, names or users, so that nothing but the database takes time.
const STEPS: &str = r"
failover:
  - { id: data_test, only: failback, action: verify-sql, resource: orders, with: { same_at_watermark: [orders, payments], queries: [checks/invariants.sql] }, timeout: 1m, retry: { attempts: 1 }, on_failure: abort, emergency: skip }
  - { id: freeze, action: freeze-writes, resource: orders, at: from, hold: { max: 5m, then: undo }, undo: unfreeze-writes, timeout: 2m, skippable: false, emergency: { run: best-effort, timeout: 45s, hold: { max: 15m, then: page } } }
  - { id: drained, action: wait-for-replication, resource: orders, at: to, with: { drained: true, proof: PROOF }, timeout: LIMIT, on_failure: undo, skippable: false, emergency: skip }
  - { id: open, action: unfreeze-writes, resource: orders, at: to, timeout: 2m }
  - { id: promote, action: promote-replica, resource: orders, at: to, timeout: 5m, skippable: false }
failback: mirror
reprotect:
  - { id: fence, action: freeze-writes, resource: orders, at: from, timeout: 5m }
  - { id: quarantine, action: quarantine, resource: orders, at: from, timeout: 5m }
  - { id: retire, action: retire, resource: orders, at: from, with: { rename: 'orders-old-${run.id}' }, timeout: 5m }
  - { id: release, action: unfreeze-writes, resource: orders, at: from, timeout: 5m }
  - { id: reverse, action: reverse-replication, resource: orders, at: from, with: { settings: like-retired }, timeout: 5m }
";

/// A runbook, and where its runs are recorded.
pub(super) struct Runs {
    folder: TempDir,
    password: Option<&'static str>,
}

/// How a command ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

impl Runs {
    /// With a proof of the drain that may take so long.
    pub(super) fn new(pair: &Pair, proof: &str, limit: &str) -> Self {
        Self::with_password(pair, proof, limit, "{ env: ORDERS_PW }")
    }

    /// The same, with another way to the password.
    pub(super) fn with_password(pair: &Pair, proof: &str, limit: &str, password: &str) -> Self {
        let (wire, folder) = (&pair.wire, tempfile::tempdir().unwrap());
        let site = |(name, region): (&str, &str)| {
            let at = wire.proxy.url();
            format!("  {name}: {{ region: {region}, account: \"{}\", endpoint_url: \"{at}\" }}\n", wire.account)
        };
        let database = |of: (&str, &str)| {
            let (name, closed) = (of.0, quarantine(of));
            format!(
                "      {name}: {{ identifier: orders, parameter_group: orders-{name}, quarantine_security_groups: [{closed}], kms_key: alias/orders }}\n"
            )
        };
        let text = format!(
            "version: 1\nname: storefront\nsites:\n{}{}primary: ohio\nstandby: oregon\nresources:\n  orders:\n    kind: rds-instance\n    engine: postgres\n    sites:\n{}{}    connection: {{ database: orders, user: lifeboat, password: {password} }}\n{}",
            site(HOME),
            site(STANDBY),
            database(HOME),
            database(STANDBY),
            STEPS.replace("PROOF", proof).replace("LIMIT", limit),
        );
        fs::write(folder.path().join("storefront.yaml"), text).unwrap();
        fs::create_dir(folder.path().join("checks")).unwrap();
        let checks = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/checks/invariants.sql");
        fs::copy(checks, folder.path().join("checks/invariants.sql")).unwrap();
        Self { folder, password: Some(PASSWORD) }
    }

    /// The same, where that variable holds something else.
    pub(super) fn password(mut self, password: Option<&'static str>) -> Self {
        self.password = password;
        self
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.program();
        command.args(words).arg("storefront.yaml");
        command
    }

    fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        environment::give(&mut command).current_dir(self.folder.path());
        command.env("LIFEBOAT_HOME", self.folder.path().join("home")).env_remove("ORDERS_PW").stdin(Stdio::null());
        command.envs(self.password.map(|password| ("ORDERS_PW", password)));
        command
    }

    /// Runs a command on the runbook to its end.
    pub(super) fn run(&self, words: &[&str]) -> Ended {
        self.command(words).output().unwrap().into()
    }

    /// Begins one.
    pub(super) fn begin(&self, words: &[&str]) -> Child {
        self.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Moves as planned, without the reprotect.
    pub(super) const FAILOVER: &[&str] = &["failover", "--planned", "--no-reprotect", "--yes", "--accept", "promote"];

    /// Moves as planned, to its end.
    pub(super) fn failover(&self) -> Ended {
        self.run(Self::FAILOVER)
    }

    /// What the journal holds of the newest run.
    pub(super) fn events(&self) -> Vec<Value> {
        let mut show = self.program();
        let shown: Ended = show.args(["show", "--output", "json"]).output().unwrap().into();
        shown.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
