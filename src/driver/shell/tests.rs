//! With real processes. What must be known to have happened tells so by a fifo or by its end.

use super::{LookError, SendError, Shell, Span};
use crate::{
    ids::StepId,
    model::Impact,
    world::{Receipt, Run, Seen, probe::Command},
};
use rustix::process::{Pid, test_kill_process_group};
use std::{
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

fn shell(text: &str) -> Vec<String> {
    ["sh", "-c", text].map(str::to_owned).into()
}

fn run(argv: Vec<String>, limit: Span, environment: &[&str]) -> Run {
    let environment = environment.iter().map(ToString::to_string).collect();
    Run { step: StepId::from("lock"), argv, check: None, environment, limit, impact: Impact::Safe }
}

fn look(argv: Vec<String>, limit: Span) -> Command {
    Command { argv, limit, read_only: true, environment: vec![] }
}

async fn send(folder: &Path, run: Run) -> Result<Receipt, SendError> {
    Shell::new(folder).send("r1-lock-1", &run).await
}

/// Who holds `alive` open for writing: its first line is heard at once, its end when the last holder is gone.
struct Alive {
    group: tokio::sync::oneshot::Receiver<Pid>,
    end: tokio::task::JoinHandle<String>,
}

impl Alive {
    fn watch(folder: &Path) -> Self {
        let fifo = folder.join("alive");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let (tell, group) = tokio::sync::oneshot::channel();
        let end = tokio::task::spawn_blocking(move || {
            let mut lines = BufReader::new(std::fs::File::open(fifo).unwrap()).lines();
            tell.send(Pid::from_raw(lines.next().unwrap().unwrap().parse().unwrap()).unwrap()).ok();
            lines.map_while(Result::ok).collect()
        });
        Self { group, end }
    }
}

#[tokio::test]
async fn a_command_runs_in_the_folder_with_little_environment_and_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let text = "pwd -P; echo $LIFEBOAT_RUN $LIFEBOAT_STEP $LIFEBOAT_TOKEN; env | cut -d= -f1 | sort | tr '\\n' ' '; echo loud >&2";
    let usual = ["HOME", "LANG", "PATH", "TMPDIR", "TZ", "PWD", "OLDPWD", "SHLVL", "_"];
    let (listed, _) = std::env::vars()
        .find(|(name, value)| {
            !usual.contains(&name.as_str()) && !name.starts_with("LIFEBOAT_") && !value.contains('\n')
        })
        .unwrap();
    let output = send(folder.path(), run(shell(text), Span::secs(60), &[&listed])).await.unwrap().output;
    let lines: Vec<_> = output.as_str().unwrap().lines().collect();
    assert_eq!(lines[0], folder.path().canonicalize().unwrap().to_str().unwrap());
    assert_eq!(lines[1], "r1 lock r1-lock-1");
    let names: Vec<_> = lines[2].split_whitespace().filter(|name| !name.starts_with("LIFEBOAT_")).collect();
    for name in &names {
        assert!(usual.contains(name) || *name == listed, "{name} came through");
    }
    assert!(names.contains(&listed.as_str()), "a name that the step lists");
    assert_eq!(lines.len(), 3, "what is said on stderr is no output");
}

#[tokio::test]
async fn a_program_beside_the_runbook_is_found_wherever_lifeboat_was_started() {
    let folder = tempfile::tempdir().unwrap();
    let tool = folder.path().join("ci");
    std::fs::write(&tool, "#!/bin/sh\nread line && echo \"$line\" || echo \"no input for $1\"\n").unwrap();
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    let receipt = send(folder.path(), run(vec!["./ci".into(), "lock".into()], Span::secs(60), &[])).await.unwrap();
    assert_eq!(receipt.output, "no input for lock");
}

#[tokio::test]
async fn an_exit_is_a_refusal_a_kill_is_a_doubt_and_what_cannot_run_did_not() {
    let folder = tempfile::tempdir().unwrap();
    let sent = |text: &str| send(folder.path(), run(shell(text), Span::secs(60), &[]));
    let why = "exit 3: no such pipeline".to_owned();
    assert_eq!(sent("echo no such pipeline >&2; exit 3").await, Err(SendError::Refused { why }));
    let why = "the command was killed by signal 9".to_owned();
    assert_eq!(sent("kill -9 $$").await, Err(SendError::InDoubt { why }));
    let absent = send(folder.path(), run(vec!["./absent".into()], Span::secs(60), &[])).await;
    assert!(
        matches!(absent, Err(SendError::Refused { why }) if why.starts_with("./absent cannot be run: No such file"))
    );
    let unset = send(folder.path(), run(shell("true"), Span::secs(60), &["LIFEBOAT_TEST_UNSET"])).await;
    let why = "the variable LIFEBOAT_TEST_UNSET is not set: export it first".to_owned();
    assert_eq!(unset, Err(SendError::Refused { why }));
}

#[tokio::test]
async fn of_much_output_the_last_part_is_kept_and_the_command_never_waits_for_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    let text = "i=0; while [ $i -lt 30000 ]; do echo line $i; echo error $i >&2; i=$((i+1)); done; echo end";
    let output = send(folder.path(), run(shell(text), Span::secs(120), &[])).await.unwrap().output;
    let text = output.as_str().unwrap();
    assert!(text.ends_with("line 29999\nend"), "{}", &text[text.len() - 40..]);
    assert!(text.len() <= 64 * 1024 && text.len() > 60 * 1024, "{}", text.len());
}

#[tokio::test]
async fn what_a_command_leaves_in_the_background_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let output = send(folder.path(), run(shell("sleep 600 & echo $!"), Span::secs(60), &[])).await.unwrap().output;
    let left = Pid::from_raw(output.as_str().unwrap().parse().unwrap()).unwrap();
    rustix::process::kill_process(left, rustix::process::Signal::KILL).expect("it still ran");
}

#[tokio::test]
async fn at_its_limit_the_whole_group_is_ended_even_if_it_does_not_listen() {
    let folder = tempfile::tempdir().unwrap();
    let alive = Alive::watch(folder.path());
    let text = "exec 9> alive; trap '' TERM; echo $$ >&9; (while :; do sleep 600; done) & while :; do sleep 600; done";
    let sent = send(folder.path(), run(shell(text), Span::secs(6), &[])).await;
    let why = "it did not end within 6s, so it was ended".to_owned();
    assert_eq!(sent, Err(SendError::InDoubt { why }));
    alive.end.await.unwrap();
}

#[tokio::test]
async fn a_check_says_yes_no_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let shells = Shell::new(folder.path());
    let asked = async |text: &str| match shells.look(&look(shell(text), Span::secs(60))).await {
        Ok(Seen::Answer(answer)) => Ok((answer.ok, answer.why)),
        other => Err(format!("{other:?}")),
    };
    assert_eq!(asked("echo all is well").await, Ok((true, "exit 0".into())));
    assert_eq!(asked("echo unlocked; exit 1").await, Ok((false, "exit 1: unlocked".into())));
    assert!(asked("kill -9 $$").await.unwrap_err().contains("Transient"), "a killed check is no answer");
    let absent = shells.look(&look(vec!["./absent".into()], Span::secs(60))).await;
    assert!(matches!(absent, Err(LookError::Permanent { .. })), "{absent:?}");
    let late = shells.look(&look(shell("sleep 600"), Span::ms(400))).await;
    let why = "the check does not end within 400ms".to_owned();
    assert_eq!(late, Err(LookError::Transient { after: None, why }));
}

#[tokio::test]
async fn a_check_that_nobody_waits_for_is_killed_with_all_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let alive = Alive::watch(folder.path());
    let shells = Shell::new(folder.path());
    let command = look(shell("exec 9> alive; echo $$ >&9; sleep 600 & wait"), Span::secs(600));
    tokio::select! {
        _ = shells.look(&command) => panic!("it does not end"),
        _ = alive.group => {}
    }
    alive.end.await.unwrap();
}

#[tokio::test]
async fn an_effect_that_nobody_waits_for_goes_on_until_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let alive = Alive::watch(folder.path());
    let go = folder.path().join("go");
    assert!(std::process::Command::new("mkfifo").arg(&go).status().unwrap().success());
    let command = run(shell("exec 9> alive; echo $$ >&9; read line < go; echo $line >&9"), Span::secs(600), &[]);
    let group = tokio::select! {
        _ = send(folder.path(), command) => panic!("it waits to be told"),
        group = alive.group => group.unwrap(),
    };
    assert!(test_kill_process_group(group).is_ok(), "nobody waits, and it is still there");
    tokio::task::spawn_blocking(move || std::fs::write(go, "released\n").unwrap()).await.unwrap();
    assert_eq!(alive.end.await.unwrap(), "released");
}
