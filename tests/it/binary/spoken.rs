//! What a process of the program says, and how it ends.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
};

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
    /// Starts a command and lets it go on; its JSON lines can be read.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.arg("--output=json").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Its next line; none when it ended.
    pub(crate) fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        let n = self.lines.read_line(&mut line).unwrap_or(0);
        if n == 0 { None } else { serde_json::from_str(&line).ok() }
    }

    /// Waits for an event, and gives its line.
    #[track_caller]
    pub(crate) fn until(&mut self, event: &str) -> Value {
        let mut heard = String::new();
        while let Some(line) = self.line() {
            if line["event"] == event {
                return line;
            }
            heard += &format!("{line}\n");
        }
        panic!("it ended without {event}:\n{heard}");
    }

    /// Waits for a line with a text in it.
    #[track_caller]
    pub(crate) fn hears(&mut self, text: &str) {
        let mut heard = String::new();
        while let Some(line) = self.line() {
            if line.to_string().contains(text) {
                return;
            }
            heard += &format!("{line}\n");
        }
        panic!("it ended without `{text}`:\n{heard}");
    }

    /// Its number.
    #[allow(dead_code, reason = "shared: each uses its part")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGINT, as Ctrl-C sends it.
    pub(crate) fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// SIGSTOP: it stands still where it is, and has done so when this returns.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        let stat = format!("/proc/{}/stat", self.child.id());
        let stopped = || std::fs::read_to_string(&stat).unwrap().rsplit(')').next().unwrap().starts_with(" T");
        while !stopped() {
            std::thread::yield_now();
        }
    }

    /// SIGCONT: it goes on.
    pub(crate) fn wake(&self) {
        self.signal(Signal::CONT);
    }

    /// Any signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
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
