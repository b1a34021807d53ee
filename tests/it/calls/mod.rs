//! The program's calls into the kernel, seen and spoilt by `strace`: killed at any of them, failing
//! at any of them, in the order that the promise rests on, and with answers of another machine's.
//!
//! `strace` counts a thread's calls, not a process's, so a place is the n-th call of a kind, on a
//! file, in the thread that gets there first.

mod errors;
mod killed;
mod order;
mod shared;

use crate::{
    binary::{AGREED, Home, MAX, Ran, ran},
    share::Share,
};
use lifeboat::{
    event::Realm,
    store::{Clocks, SqliteStore, Store as _},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
    sync::{Mutex, PoisonError},
    thread,
};

/// The calls by which a process is heard of outside of it.
const CALLS: &str = "write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,ftruncate,connect,sendto";

/// A planned failover, without what comes after it.
const PLANNED: &str = "failover --planned --no-reprotect --seed 2";
/// One from a site that is gone.
const EMERGENCY: &str = "failover --emergency --fault primary-lost --accept-data-loss unknown --seed 2";

/// A move or a reprotect, the code it ends with, and what the world applies where nobody disturbs it.
struct Case {
    /// What it begins with, and how many runs that has.
    before: Home,
    runs: usize,
    line: String,
    resume: String,
    code: i32,
    applied: BTreeMap<String, u64>,
    /// Its calls in order.
    calls: Vec<Call>,
}

/// Where a call can be met again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    name: String,
    /// The file in the home that it is about; none: any.
    file: Option<String>,
    /// Counted in its thread, from 1.
    nth: usize,
}

/// A call of the undisturbed run.
struct Call {
    thread: String,
    name: String,
    file: Option<String>,
    /// It wakes another thread of the process, and nobody outside hears of it.
    within: bool,
    /// The line of the log where it began, and that where it had gone well.
    began: usize,
    done: Option<usize>,
}

impl Case {
    fn planned() -> Self {
        Self::new(Home::new(), PLANNED, "", 25)
    }

    fn emergency() -> Self {
        Self::new(Home::new(), EMERGENCY, "--accept-data-loss unknown", 25)
    }

    /// After the emergency: the site that was lost is fenced, and made the standby.
    fn reprotect() -> Self {
        Self::new(after(&[EMERGENCY]), "reprotect", "", 0)
    }

    /// The way home from there.
    fn failback() -> Self {
        Self::new(after(&[EMERGENCY, "reprotect"]), "failback --no-reprotect", "", 25)
    }

    fn new(before: Home, command: &str, resume: &str, code: i32) -> Self {
        let line = full(command);
        let home = before.copy();
        let log = home.path().with_file_name("calls");
        let ran = under(&home, &format!("-y -o {} -e trace={CALLS}", log.display()), &line).ends(code);
        let calls = calls(&std::fs::read_to_string(&log).unwrap(), &home.path());
        assert!(!calls.is_empty(), "{ran:?}");
        let resume = format!("resume {MAX} {AGREED} {resume}");
        Self { runs: runs(&before), before, line, resume, code, applied: home.lived().applied, calls }
    }

    /// Every place at which a run can be met.
    fn places(&self) -> BTreeSet<Place> {
        let mut counts: BTreeMap<_, usize> = BTreeMap::new();
        let mut places = BTreeSet::new();
        for Call { thread, name, file, within, .. } in &self.calls {
            // Where no file is named, `strace` counts the calls on all of them.
            *counts.entry((thread, name, &None)).or_default() += 1;
            if file.is_some() {
                *counts.entry((thread, name, file)).or_default() += 1;
            }
            if !within {
                let nth = counts[&(thread, name, file)];
                places.insert(Place { name: name.clone(), file: file.clone(), nth });
            }
        }
        places
    }

    /// A home of its own, in which it can begin.
    fn home(&self) -> Home {
        self.before.copy()
    }

    /// Runs it with a fault at a place, and gives what it said.
    fn with(&self, home: &Home, fault: &str, place: &Place, from_then_on: &str) -> Ran {
        let Place { name, file, nth } = place;
        let on = file.as_ref().map_or_else(String::new, |file| format!("-P {} ", home.path().join(file).display()));
        under(
            home,
            &format!("-o /dev/null -e trace={name} {on}-e inject={name}:{fault}:when={nth}{from_then_on}"),
            &self.line,
        )
    }

    /// Goes on, undisturbed, to the end that an undisturbed run has.
    fn goes_on(&self, home: &Home, told: &str) {
        let line = if runs(home) == self.runs { &self.line } else { &self.resume };
        let ran = home.run(line);
        // A run that had ended before tells its own outcome: the debt is its command's.
        assert!(ran.code == self.code || ran.code == 0, "{told}: {ran:?}");
        let lived = home.lived();
        assert_eq!(lived.repeated, Vec::<String>::new(), "{told}");
        assert_eq!(lived.two_writers, None, "{told}");
        assert_eq!(sure(&lived.applied), sure(&self.applied), "{told}");
        let (runs, damage) = look(home);
        assert_eq!((runs, damage), (self.runs + 1, vec![]), "{told}");
    }
}

/// Without local commands: in an emergency these are best effort, and one that was cut off is let go
/// when its time is over. That none ran twice is told by `repeated`.
fn sure(applied: &BTreeMap<String, u64>) -> BTreeMap<&String, u64> {
    applied.iter().filter(|(call, _)| !call.starts_with("local")).map(|(call, n)| (call, *n)).collect()
}

/// The command line of a move or a reprotect.
fn full(command: &str) -> String {
    format!("{command} RUNBOOK {MAX} {AGREED}")
}

/// A home in which these went well.
fn after(commands: &[&str]) -> Home {
    let home = Home::new();
    for command in commands {
        let ran = home.run(&full(command));
        assert!(matches!(ran.code, 0 | 25), "{ran:?}");
    }
    home
}

/// Runs the program under `strace`. Not with `--seccomp-bpf`, a tenth of the time: with it, strace 6.1
/// sends no signals.
fn under(home: &Home, options: &str, line: &str) -> Ran {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq"]).args(options.split_whitespace());
    let ran = ran(&mut home.by(command, line));
    assert!(!ran.err.contains("strace:"), "{}", ran.err);
    ran
}

/// The calls of a log, in the order in which they began; files by their name in the home.
fn calls(log: &str, home: &Path) -> Vec<Call> {
    let home = format!("{}/", home.display());
    let mut calls: Vec<Call> = vec![];
    for (line, text) in log.lines().enumerate() {
        let Some((thread, rest)) = text.split_once(char::is_whitespace) else { continue };
        let done = rest.rsplit_once(" = ").is_some_and(|(_, result)| !result.starts_with('-')).then_some(line);
        if rest.trim_start().starts_with("<... ") {
            // It was interrupted in the log by calls of other threads.
            if let Some(open) = calls.iter_mut().rev().find(|call| call.thread == thread) {
                open.done = done;
            }
            continue;
        }
        let Some((name, arguments)) = rest.trim_start().split_once('(') else { continue };
        if CALLS.split(',').any(|call| call == name) {
            let first = arguments.split(", ").next().unwrap_or_default();
            let file = first.split_once('<').and_then(|(_, path)| path.split('>').next()?.strip_prefix(&home));
            let within = first.ends_with("<anon_inode:[eventfd]>");
            let (thread, name, file) = (thread.to_owned(), name.to_owned(), file.map(str::to_owned));
            calls.push(Call { thread, name, file, within, began: line, done });
        }
    }
    calls
}

fn store(home: &Home) -> SqliteStore {
    SqliteStore::open_to_read(&home.path(), Realm::Sandbox, Clocks::machine()).unwrap()
}

fn block_on<T>(job: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(job)
}

/// How many runs are recorded.
fn runs(home: &Home) -> usize {
    block_on(store(home).runs(None)).unwrap().len()
}

/// How many runs there are, and what is wrong with them or the store.
fn look(home: &Home) -> (usize, Vec<String>) {
    let checkup = block_on(store(home).checkup()).unwrap();
    let lost = |run: &lifeboat::store::RunCheckup| run.lost.map(|seq| format!("event {seq} is lost"));
    let wrong = checkup.runs.iter().filter_map(|run| run.wrong.as_ref().map(ToString::to_string).or_else(|| lost(run)));
    (checkup.runs.len(), checkup.problems.iter().cloned().chain(wrong).collect())
}

/// So many of the places, of each kind and file about as many, from an offset on that a seed drew.
/// `LIFEBOAT_CRASHES` may say otherwise.
fn sample(all: BTreeSet<Place>, usual: usize, seed: usize) -> Vec<Place> {
    let wanted = match Share::asked("LIFEBOAT_CRASHES") {
        Share::Usual => usual,
        Share::Number(some) => some,
        Share::Part { nth, of } => return all.into_iter().skip(nth - 1).step_by(of).collect(),
    };
    let mut groups: BTreeMap<_, Vec<Place>> = BTreeMap::new();
    for place in all {
        groups.entry((place.name.clone(), place.file.clone())).or_default().push(place);
    }
    let taken = |each: usize| groups.values().map(|group| group.len().min(each)).sum::<usize>();
    let most = groups.values().map(Vec::len).max().unwrap_or(0);
    let each = (1..=most).find(|each| taken(*each) >= wanted).unwrap_or(most);
    let some = |group: &Vec<Place>| {
        let n = group.len().min(each);
        let step = group.len() / n;
        (0..n).map(|i| group[(i * group.len() / n + seed % step).min(group.len() - 1)].clone()).collect::<Vec<_>>()
    };
    groups.values().flat_map(some).collect()
}

/// Does a job for each, several at once. Panics of one are the test's.
fn each<T: Send>(all: Vec<T>, job: impl Fn(T) + Sync) {
    const AT_ONCE: usize = 4;
    let all = Mutex::new(all.into_iter());
    let next = || all.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(one) = next() {
                    job(one);
                }
            });
        }
    });
}
