//! The real program, in processes of its own, each test in a home of its own.

mod codes;
mod exclusion;
mod holds;
mod input;
mod kill;
mod legs;
mod read_only;
mod schema;
mod takeup;

use lifeboat::{
    clock::{Clock, TokioClock},
    runbook::Runbook,
    sandbox::{Lived, Opened, Options},
    syntax,
};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};

/// The runbook that comes with lifeboat.
pub(crate) const BUNDLED: &str = "runbooks/warm-standby.yaml";
/// A sandbox in virtual time.
pub(crate) const MAX: &str = "--sandbox --speed max";
/// What a planned failover of the bundled runbook needs where nobody is there to be asked.
pub(crate) const AGREED: &str = "--yes --accept promote";

/// What a command said, and its code.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The JSON objects of stdout, one a line.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.out.lines().map(parse).collect()
    }

    /// It ended with a code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// It said something, on either channel.
    #[track_caller]
    pub(crate) fn says(self, what: &str) -> Self {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = words(&self.out) + " " + &words(&self.err);
        assert!(said.contains(what), "no `{what}` in:\n{}\n{}", self.out, self.err);
        self
    }
}

/// A place for journal and world, gone with the test.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    runbook: PathBuf,
}

impl Home {
    /// An empty home, for the bundled runbook.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, runbook: Path::new(env!("CARGO_MANIFEST_DIR")).join(BUNDLED) }
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
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("lifeboat"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("USER", "ada")
            .env("HOME", self.folder.path())
            .env("LIFEBOAT_HOME", self.path())
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
        let mut command = self.command(line);
        let mut child = command.arg("--output=json").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Running { child, lines }
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
            self.count("sandbox.db", "SELECT count(*) FROM event"),
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

/// Runs a command to its end.
pub(crate) fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// A process under way; killed when it is forgotten.
pub(crate) struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    /// Its next line; none when it ended.
    pub(crate) fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        let n = self.lines.read_line(&mut line).unwrap_or(0);
        if n == 0 { None } else { serde_json::from_str(&line).ok() }
    }

    /// Waits for an event, and gives its line.
    #[track_caller]
    pub(crate) fn until(&mut self, event: &str) -> Value {
        while let Some(line) = self.line() {
            if line["event"] == event {
                return line;
            }
        }
        panic!("it ended without {event}");
    }

    /// Waits for a line with a text in it.
    #[track_caller]
    pub(crate) fn hears(&mut self, text: &str) {
        while let Some(line) = self.line() {
            if line.to_string().contains(text) {
                return;
            }
        }
        panic!("it ended without `{text}`");
    }

    /// SIGINT, as Ctrl-C sends it.
    pub(crate) fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end; its code, none where a signal ended it.
    pub(crate) fn end(&mut self) -> Option<i32> {
        while self.line().is_some() {}
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
