//! The terminal as a person has it: a real pseudo-terminal, real signals, a second terminal. Nothing
//! here waits for time, only for text.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test says by panicking")]

mod interrupts;
mod menu;
mod width;

use rexpect::{
    reader::Options,
    session::{PtySession, spawn_with_options},
};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const RUNBOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks/warm-standby.yaml");
const LIFEBOAT: &str = env!("CARGO_BIN_EXE_lifeboat");
const PLANNED: &str = "failover RUNBOOK --planned --no-reprotect --sandbox --yes --accept promote";

/// A home of its own, in which any number of terminals work.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A shell's terminal of 100 columns that runs one command and tells its code and its own modes,
    /// before and after.
    fn terminal(&self, line: &str) -> PtySession {
        self.shell(&typed(line), "cols 100", "")
    }

    fn shell(&self, line: &str, size: &str, setting: &str) -> PtySession {
        let mut shell = Command::new("sh");
        let script = format!("trap : INT; stty {size} rows 40 echo; stty -g; {setting} {line}; echo code=$?; stty -g");
        shell.arg("-c").arg(script).env("LIFEBOAT_HOME", self.0.path()).env("TERM", "xterm-256color");
        shell.env_remove("NO_COLOR").env_remove("CI");
        spawn_with_options(shell, Options::new().timeout_ms(Some(60_000))).unwrap()
    }

    /// A second terminal that is none: a process without one.
    fn elsewhere(&self, line: &str) -> Output {
        let line = line.replace("RUNBOOK", RUNBOOK);
        let mut command = Command::new(LIFEBOAT);
        command.args(line.split(' ')).env("LIFEBOAT_HOME", self.0.path()).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// Asks again and again, until the process that holds the run has let go of it.
    fn when_free(&self, line: &str) -> Output {
        let began = std::time::Instant::now();
        loop {
            let output = self.elsewhere(line);
            if output.status.code() != Some(12) {
                return output;
            }
            assert!(began.elapsed().as_secs() < 60, "still held: {output:?}");
        }
    }
}

fn typed(line: &str) -> String {
    format!("{LIFEBOAT} {}", line.replace("RUNBOOK", RUNBOOK))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Waits for the end. Gives all that was shown since, and the code; the terminal is as it was.
fn end(terminal: &mut PtySession, before: &str) -> (String, i32) {
    let shown = terminal.exp_string("code=").unwrap();
    let code = terminal.read_line().unwrap().trim().parse().unwrap();
    assert_eq!(terminal.read_line().unwrap().trim(), before, "the modes of the terminal changed");
    let (hidden, visible) = (shown.rfind("\u{1b}[?25l"), shown.rfind("\u{1b}[?25h"));
    assert!(hidden <= visible, "the cursor stays hidden");
    (shown, code)
}

/// Presses a key that is not followed by Enter.
fn press(terminal: &mut PtySession, key: &str) {
    terminal.send(key).unwrap();
    terminal.flush().unwrap();
}

/// The modes of the terminal, told before the command begins.
fn modes(terminal: &mut PtySession) -> String {
    terminal.read_line().unwrap().trim().to_owned()
}

#[test]
fn a_drill_asks_its_questions_while_virtual_time_stands_still() {
    let place = Place::new();
    let mut terminal = place.terminal("drill RUNBOOK --sandbox --speed max");
    let before = modes(&mut terminal);
    for _ in 0..2 {
        terminal.exp_string("Type yes to consent").unwrap();
        terminal.send_line("yes").unwrap();
        terminal.exp_string("(y/n)").unwrap();
        press(&mut terminal, "y");
        terminal.exp_string("Replace").unwrap();
        terminal.exp_string("(y/n)").unwrap();
        press(&mut terminal, "y");
    }
    let (shown, code) = end(&mut terminal, &before);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("two writers     never"), "{shown}");
}

#[test]
fn no_consent_ends_a_run_before_it_changes_anything() {
    let place = Place::new();
    let mut terminal = place.terminal("failover RUNBOOK --planned --sandbox --speed max");
    let before = modes(&mut terminal);
    terminal.exp_string("Type yes to consent").unwrap();
    terminal.send_line("no").unwrap();
    let (shown, code) = end(&mut terminal, &before);
    assert_eq!(code, 10, "{shown}");
}

#[test]
fn one_interrupt_pauses_and_asks_and_the_second_leaves_with_23() {
    let place = Place::new();
    let mut terminal = place.terminal(&format!("{PLANNED} --speed 60"));
    let before = modes(&mut terminal);
    terminal.exp_string("sends web").unwrap();
    terminal.send_control('c').unwrap();
    terminal.exp_string("pausing at the next safe point").unwrap();
    terminal.exp_string("What now?").unwrap();
    press(&mut terminal, "\r");
    terminal.exp_string("continued by").unwrap();
    terminal.send_control('c').unwrap();
    terminal.exp_string("pausing at the next safe point").unwrap();
    terminal.exp_string("What now?").unwrap();
    terminal.send_control('c').unwrap();
    terminal.exp_string("no new calls").unwrap();
    let (shown, code) = end(&mut terminal, &before);
    assert_eq!(code, 23, "{shown}");
    let resumed = place.elsewhere("resume --sandbox --speed max --yes --accept promote");
    assert!(text(&resumed).contains("service restored"), "{}", text(&resumed));
}

#[test]
fn a_terminated_process_stays_until_what_it_froze_is_open_again() {
    let place = Place::new();
    let line = typed(&format!("{PLANNED} --speed 40"));
    // The shell becomes lifeboat, so that the signal reaches it.
    let mut terminal = place.shell(&line, "cols 100", "exec");
    terminal.exp_string("holds from now on").unwrap();
    terminal.process_mut().signal(rexpect::process::Signal::SIGTERM).unwrap();
    terminal.exp_string("held: writes frozen at ohio since").unwrap();
    terminal.exp_string("stays until that is undone").unwrap();
    terminal.exp_string("hold ended").unwrap();
    terminal.exp_eof().unwrap();
}

#[test]
fn a_run_goes_on_to_its_next_gate_when_its_terminal_hangs_up() {
    let place = Place::new();
    // `script` has a terminal of its own; killing it closes that one, as a dropped ssh does.
    let mut script = Command::new("script");
    let line = typed("failover RUNBOOK --planned --no-reprotect --sandbox --speed 60");
    script.args(["-qfc", &line, "/dev/null"]).env("LIFEBOAT_HOME", place.0.path()).env("TERM", "xterm");
    let mut terminal = spawn_with_options(script, Options::new().timeout_ms(Some(60_000))).unwrap();
    terminal.exp_string("Type yes to consent").unwrap();
    terminal.send_line("yes").unwrap();
    terminal.exp_string("(y/n)").unwrap();
    terminal.process_mut().kill(rexpect::process::Signal::SIGKILL).unwrap();
    let resumed = place.when_free("resume --sandbox --speed max");
    assert_eq!(resumed.status.code(), Some(23), "{}", text(&resumed));
    let approved = place.elsewhere("approve --sandbox");
    assert_eq!(approved.status.code(), Some(0), "{}", text(&approved));
    let resumed = place.elsewhere("resume --sandbox --speed max --yes");
    assert!(text(&resumed).contains("service restored"), "{}", text(&resumed));
}

#[test]
fn another_terminal_answers_and_pauses_and_the_prompt_here_closes() {
    let place = Place::new();
    let mut terminal = place.terminal("failover RUNBOOK --planned --no-reprotect --sandbox --speed 60");
    let before = modes(&mut terminal);
    terminal.exp_string("Type yes to consent").unwrap();
    let approved = place.elsewhere("approve --sandbox --operator bob");
    assert_eq!(approved.status.code(), Some(0), "{}", text(&approved));
    terminal.exp_string("answered yes, by bob").unwrap();
    terminal.exp_string("(y/n)").unwrap();
    assert_eq!(place.elsewhere("approve --sandbox --operator bob").status.code(), Some(0));
    terminal.exp_string("sends web").unwrap();
    assert_eq!(place.elsewhere("pause --sandbox").status.code(), Some(0));
    terminal.exp_string("paused: asked by").unwrap();
    terminal.exp_string("What now?").unwrap();
    assert_eq!(place.elsewhere("cancel --undo --sandbox").status.code(), Some(0));
    let (shown, code) = end(&mut terminal, &before);
    assert_eq!(code, 20, "{shown}");
}

#[test]
fn a_no_from_another_terminal_ends_the_run() {
    let place = Place::new();
    let mut terminal = place.terminal("failover RUNBOOK --planned --sandbox --speed 60");
    let before = modes(&mut terminal);
    terminal.exp_string("Type yes to consent").unwrap();
    assert_eq!(place.elsewhere("reject --sandbox --operator bob").status.code(), Some(0));
    let (shown, code) = end(&mut terminal, &before);
    assert_eq!(code, 10, "{shown}");
}

#[test]
fn without_a_terminal_nobody_is_asked_and_lines_are_plain() {
    let place = Place::new();
    let refused = place.elsewhere("failover RUNBOOK --planned --sandbox --speed max");
    assert_eq!(refused.status.code(), Some(10), "{}", text(&refused));
    let ran = place.elsewhere("failover RUNBOOK --planned --no-reprotect --sandbox --speed max --accept promote");
    assert_eq!(ran.status.code(), Some(23), "{}", text(&ran));
    let shown = text(&ran);
    assert!(!shown.contains('\u{1b}') && !shown.contains("(y/n)"), "{shown}");
    assert!(shown.contains("lifeboat approve"), "{shown}");
}

#[test]
fn a_dumb_terminal_is_not_asked_and_gets_no_escape_codes() {
    let place = Place::new();
    let mut terminal = place.shell(&typed("failover RUNBOOK --planned --sandbox --speed max"), "cols 100", "TERM=dumb");
    let before = modes(&mut terminal);
    let (shown, code) = end(&mut terminal, &before);
    assert_eq!(code, 10, "{shown}");
    let mut terminal = place.shell(&typed(&format!("{PLANNED} --speed max")), "cols 100", "TERM=dumb");
    let before = modes(&mut terminal);
    let (shown, _) = end(&mut terminal, &before);
    assert!(shown.contains("service restored") && !shown.contains('\u{1b}'), "{shown}");
}
