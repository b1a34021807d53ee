//! Local commands: effects of `exec`, and its checks.
//!
//! A command is an argument array, run in the runbook's folder, in a process group of its own (so
//! that a Ctrl-C for lifeboat is not one for it), without standard input and with hardly any
//! environment: `PATH`, `HOME`, `LANG`, `TZ`, `TMPDIR` and what its step names. An effect also finds
//! `LIFEBOAT_RUN`, `LIFEBOAT_STEP` and `LIFEBOAT_TOKEN`, the same token in every send of one intent.
//!
//! Both outputs are always read, their last 64 KiB are kept. A command has ended when its process
//! has; what it left running in the background keeps running, but is not waited for.
//!
//! The limit includes the ending: SIGTERM to the group comes so early that SIGKILL has struck by the
//! limit, since a check that looks after it must not find the command still at work. A check that
//! nobody waits for any more is killed. An effect is not: it is watched on its own until its limit,
//! and ended by SIGTERM only if lifeboat itself leaves.

#[cfg(test)]
mod tests;

use super::{LookError, SendError};
use crate::{
    clock::Span,
    world::{
        Receipt, Run, Seen,
        probe::{Answer, Command},
    },
};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    collections::VecDeque,
    ffi::OsString,
    io,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Child,
    time::timeout,
};

/// What every command is given of lifeboat's environment.
const GIVEN: [&str; 5] = ["PATH", "HOME", "LANG", "TZ", "TMPDIR"];

/// Runs commands in a folder.
#[derive(Clone, Debug)]
pub(super) struct Shell {
    folder: PathBuf,
}

impl Shell {
    /// In the runbook's folder.
    pub(super) fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// How a command that only looks ends. Exit 0 is a yes, any other exit a no; a command that
    /// cannot be run, does not end or is killed tells nothing.
    pub(super) async fn look(&self, command: &Command) -> Result<Seen, LookError> {
        let given = environment(&command.environment).map_err(|why| LookError::Permanent { why })?;
        let job = Job { folder: self.folder.clone(), argv: command.argv.clone(), given, limit: command.limit };
        let ended = job.run(Signal::KILL).await.map_err(|not| match not {
            NotStarted::Never(why) => LookError::Permanent { why },
            NotStarted::NotNow(why) => LookError::Transient { after: None, why },
        })?;
        match ended.how {
            How::Exit(code) => {
                let answer = Answer::plain(code == 0, ended.exit(code));
                Ok(Seen::Answer(answer))
            }
            How::Broken(why) => Err(LookError::Transient { after: None, why: format!("the check {why}") }),
            How::Overdue => {
                Err(LookError::Transient { after: None, why: format!("the check does not end within {}", job.limit) })
            }
        }
    }

    /// Runs a command that changes something, once. The output is what it wrote to its standard
    /// output, without the line breaks at its end. Another exit than 0 is its own word that it
    /// failed: a refusal. Killed or ended at its limit, nobody knows how far it came.
    pub(super) async fn send(&self, token: &str, run: &Run) -> Result<Receipt, SendError> {
        let mut given = environment(&run.environment).map_err(|why| SendError::Refused { why })?;
        let of_run = token.split('-').next().unwrap_or_default();
        for (name, value) in [("RUN", of_run), ("STEP", run.step.as_str()), ("TOKEN", token)] {
            given.push((format!("LIFEBOAT_{name}"), value.into()));
        }
        let limit = run.limit;
        let job = Job { folder: self.folder.clone(), argv: run.argv.clone(), given, limit };
        // On its own: who waits may leave, the limit still holds.
        let ended = tokio::spawn(async move { job.run(Signal::TERM).await }).await;
        let ended = ended.map_err(|e| SendError::InDoubt { why: format!("nobody watched the command: {e}") })?;
        let ended = ended.map_err(|not| match not {
            NotStarted::Never(why) => SendError::Refused { why },
            NotStarted::NotNow(why) => SendError::NotSent { after: None, why },
        })?;
        match ended.how {
            How::Exit(0) => Ok(Receipt { id: None, output: ended.out.into() }),
            How::Exit(code) => Err(SendError::Refused { why: ended.exit(code) }),
            How::Broken(why) => Err(SendError::InDoubt { why: format!("the command {why}") }),
            How::Overdue => Err(SendError::InDoubt { why: format!("it did not end within {limit}, so it was ended") }),
        }
    }
}

/// What commands are given: names and values. A name that is not set is told before anything runs.
fn environment(names: &[String]) -> Result<Vec<(String, OsString)>, String> {
    let value = |name: &str| std::env::var_os(name).map(|value| (name.to_owned(), value));
    let mut given: Vec<_> = GIVEN.into_iter().filter_map(value).collect();
    for name in names {
        given.push(value(name).ok_or_else(|| format!("the variable {name} is not set: export it first"))?);
    }
    Ok(given)
}

/// A command to run.
struct Job {
    folder: PathBuf,
    argv: Vec<String>,
    given: Vec<(String, OsString)>,
    limit: Span,
}

/// Why nothing ran.
enum NotStarted {
    /// And nothing will.
    Never(String),
    /// The machine could not just now.
    NotNow(String),
}

/// How a command ended and what it wrote.
struct Ended {
    how: How,
    out: String,
    err: String,
}

enum How {
    Exit(i32),
    /// Without a word of its own; reads after "the command".
    Broken(String),
    Overdue,
}

impl Ended {
    /// `exit 3: no such pipeline`: the last line that it wrote, as most say there what is wrong.
    fn exit(&self, code: i32) -> String {
        let last = |text: &str| text.lines().rev().map(str::trim).find(|l| !l.is_empty()).map(str::to_owned);
        match last(&self.err).or_else(|| last(&self.out)).filter(|_| code != 0) {
            Some(line) => format!("exit {code}: {}", line.chars().take(200).collect::<String>()),
            None => format!("exit {code}"),
        }
    }
}

impl Job {
    /// Runs it to its end, or to its limit. Dropped before, the group gets `at_drop`.
    async fn run(&self, at_drop: Signal) -> Result<Ended, NotStarted> {
        /// For what the process wrote last; only someone else who holds its outputs takes longer.
        const LAST_WORDS: Duration = Duration::from_secs(1);
        let mut child = self.spawn()?;
        let mut group = Group::of(&child, at_drop);
        let (out, err) = (Tail::default(), Tail::default());
        let reading = read_both(&mut child, &out, &err);
        tokio::pin!(reading);
        let mut drained = false;
        let grace = self.limit.std().min(Duration::from_secs(8)) / 4;
        let status = {
            let waiting = timeout(self.limit.std().saturating_sub(grace + grace / 2), child.wait());
            tokio::pin!(waiting);
            loop {
                tokio::select! {
                    () = &mut reading, if !drained => drained = true,
                    status = &mut waiting => break status,
                }
            }
        };
        let how = match status {
            Ok(status) => status.map_or_else(|e| How::Broken(format!("ended, how is not known: {e}")), how),
            Err(_late) => {
                group.signal(Signal::TERM);
                timeout(grace, child.wait()).await.ok();
                // Also those of its group that outlived it.
                group.signal(Signal::KILL);
                child.wait().await.ok();
                How::Overdue
            }
        };
        if !drained && timeout(LAST_WORDS, &mut reading).await.is_err() && at_drop == Signal::KILL {
            group.signal(Signal::KILL);
        }
        group.0 = None;
        Ok(Ended { how, out: out.text(), err: err.text() })
    }

    fn spawn(&self) -> Result<Child, NotStarted> {
        let Some((program, arguments)) = self.argv.split_first() else {
            return Err(NotStarted::Never("the command is empty".into()));
        };
        let mut command = tokio::process::Command::new(self.program(program));
        command.args(arguments).current_dir(&self.folder).env_clear().envs(self.given.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        command.spawn().map_err(|error| {
            let why = format!("{program} cannot be run: {error}");
            match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory | io::ErrorKind::ExecutableFileBusy => {
                    NotStarted::NotNow(why)
                }
                _ => NotStarted::Never(why),
            }
        })
    }

    /// `./ci` stands in the runbook's folder, wherever lifeboat was started; `ci` is found by PATH.
    fn program(&self, name: &str) -> PathBuf {
        if name.contains('/') { self.folder.join(name) } else { Path::new(name).to_owned() }
    }
}

fn how(status: ExitStatus) -> How {
    let killed = || How::Broken(format!("was killed by signal {}", status.signal().unwrap_or_default()));
    status.code().map_or_else(killed, How::Exit)
}

/// The process group of a command. Signalled on drop while the command is under way.
struct Group(Option<(Pid, Signal)>);

impl Group {
    fn of(child: &Child, at_drop: Signal) -> Self {
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self(pid.map(|pid| (pid, at_drop)))
    }
    fn signal(&self, signal: Signal) {
        if let Some((pid, _)) = self.0 {
            // It may have ended by itself meanwhile.
            kill_process_group(pid, signal).ok();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some((_, at_drop)) = self.0 {
            self.signal(at_drop);
        }
    }
}

/// The last of what came through a pipe.
#[derive(Clone, Default)]
struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    const KEPT: usize = 64 * 1024;

    fn add(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(bytes);
        let over = kept.len().saturating_sub(Self::KEPT);
        kept.drain(..over);
    }

    fn text(&self) -> String {
        let kept: Vec<u8> = self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        String::from_utf8_lossy(&kept).trim_end_matches(['\n', '\r']).to_owned()
    }
}

/// Reads both outputs to their ends, so that the command never waits for a reader.
fn read_both(child: &mut Child, out: &Tail, err: &Tail) -> impl Future<Output = ()> + use<> {
    let (from_out, from_err) = (child.stdout.take(), child.stderr.take());
    let (out, err) = (out.clone(), err.clone());
    async move {
        tokio::join!(read(from_out, out), read(from_err, err));
    }
}

async fn read(from: Option<impl AsyncRead + Unpin>, to: Tail) {
    let Some(mut from) = from else { return };
    let mut bytes = vec![0; 8192];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        to.add(&bytes[..n]);
    }
}
