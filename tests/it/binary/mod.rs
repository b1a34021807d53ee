//! The real program, in processes of its own, each test in a home of its own.

mod alarms;
mod codes;
mod docs;
mod exclusion;
mod holds;
mod hung;
mod input;
mod kill;
mod killing;
mod legs;
mod read_only;
mod schema;
mod simulated;
mod spoken;
mod store;
mod takeup;

pub(crate) use killing::Chance;
pub(crate) use spoken::{Ran, Running, ran};

use lifeboat::{
    clock::{Clock, Timestamp, TokioClock},
    runbook::Runbook,
    sandbox::{Lived, Opened, Options},
    syntax,
};
use rusqlite::{Connection, OpenFlags};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

/// The runbook that comes with lifeboat.
pub(crate) const BUNDLED: &str = "runbooks/warm-standby.yaml";
/// A sandbox in virtual time.
pub(crate) const MAX: &str = "--sandbox --speed max";
/// What a planned failover of the bundled runbook needs where nobody is there to be asked.
pub(crate) const AGREED: &str = "--yes --accept promote";

/// A place for journal and world, gone with the test.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    runbook: PathBuf,
    /// When the test began.
    began: Timestamp,
}

impl Home {
    /// An empty home, for the bundled runbook.
    pub(crate) fn new() -> Self {
        Self::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join(BUNDLED))
    }

    /// An empty home, for a runbook.
    pub(crate) fn of(runbook: &Path) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), runbook: runbook.to_owned(), began: Timestamp::wall() }
    }

    /// An empty home, for the bundled runbook with pieces replaced.
    pub(crate) fn with(changes: &[(&str, &str)]) -> Self {
        let home = Self::new();
        let folder = home.folder.path().join("runbooks");
        std::fs::create_dir_all(folder.join("checks")).unwrap();
        for file in ["ci", "checks/invariants.sql"] {
            std::fs::copy(home.runbook.with_file_name(file), folder.join(file)).unwrap();
        }
        let mut text = std::fs::read_to_string(&home.runbook).unwrap();
        for (old, new) in changes {
            assert!(text.contains(old), "the bundled runbook holds no `{old}`");
            text = text.replace(old, new);
        }
        let runbook = folder.join("warm-standby.yaml");
        std::fs::write(&runbook, text).unwrap();
        Self { runbook, ..home }
    }

    /// Another home, in which journal and world are as they are in this one.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::of(&self.runbook);
        if self.path().exists() {
            copy_folder(&self.path(), &copy.path());
        }
        copy
    }

    /// Where journal and world are.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The runbook's file.
    pub(crate) fn file(&self) -> &Path {
        &self.runbook
    }

    /// The program, with nothing of the tester's environment. `RUNBOOK` stands for the file.
    pub(crate) fn command(&self, line: &str) -> Command {
        self.dressed(Command::new(assert_cmd::cargo::cargo_bin!("lifeboat")), line)
    }

    /// The program, started by another one.
    pub(crate) fn by(&self, mut other: Command, line: &str) -> Command {
        other.arg(assert_cmd::cargo::cargo_bin!("lifeboat"));
        self.dressed(other, line)
    }

    fn dressed(&self, mut command: Command, line: &str) -> Command {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("USER", "ada")
            .env("HOME", self.folder.path())
            .env("LIFEBOAT_HOME", self.path())
            // Nor those of the machine it runs on.
            .env("AWS_EC2_METADATA_DISABLED", "true")
            // Where its coverage is counted, if it is.
            .envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)))
            .stdin(Stdio::null());
        for word in line.split_whitespace() {
            if word == "RUNBOOK" {
                command.arg(&self.runbook)
            } else {
                command.arg(word)
            };
        }
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

    /// The runbook as the program reads it.
    pub(crate) fn runbook(&self) -> Runbook {
        syntax::load(&self.runbook).unwrap().runbook.unwrap()
    }

    /// What the world's clients lived through, and what the world counted.
    pub(crate) fn lived(&self) -> Lived {
        let opened = Opened::open(&self.path(), &self.runbook(), &Options::default()).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::virtual_from(opened.now_at_open()));
        opened.start(clock).lived().unwrap()
    }

    /// All that must not change where nothing is to be changed: runs, events, and the commands that
    /// the world has taken.
    pub(crate) fn counts(&self) -> [i64; 3] {
        [
            self.count("sandbox.db", "SELECT count(*) FROM run"),
            self.count("sandbox.db", "SELECT coalesce(sum(head_seq), 0) FROM run"),
            self.count("sandbox-world.db", "SELECT count(*) FROM command"),
        ]
    }

    /// A number out of a file of the home; 0 where there is no such file.
    pub(crate) fn count(&self, file: &str, query: &str) -> i64 {
        let file = self.path().join(file);
        if !file.exists() {
            return 0;
        }
        let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        connection.query_row(query, [], |row| row.get(0)).unwrap()
    }

    /// The newest run.
    pub(crate) fn last_run(&self) -> String {
        let rows = self.run("runs --sandbox --output json").ends(0).objects();
        rows[0]["run"].as_str().unwrap().to_owned()
    }

    /// The site that serves, as `status` sees it.
    pub(crate) fn active(&self) -> String {
        let all = self.run(&format!("status RUNBOOK {MAX} --output json")).objects();
        all[0]["active"].as_str().unwrap_or("none").to_owned()
    }
}

/// A copy of a folder and all in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
