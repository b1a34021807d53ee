//! The command line: arguments, wiring, exit codes; a file per command.
//!
//! The one layer that may import everything, and the only one that knows whether a run is real: it
//! chooses who looks, who sends, which clock and which store.

mod args;
mod chain;
mod controls;
mod doctor;
mod drill;
mod exit;
mod generate;
mod given;
mod held;
mod identity;
mod lease;
mod moves;
mod plan;
mod resume;
mod run;
mod runs;
mod said;
mod signals;
mod simulate;
mod status;
mod store;
mod supersede;
mod validate;
mod watch;
mod wiring;

pub use args::command;

use args::{Args, Command, Output};
use clap::Parser;
use exit::{Failure, code};
use std::process::ExitCode;

/// Parses the command line, runs its command, prints what went wrong, and gives the exit code.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    // A panic is a mistake of ours: its code must not be taken for a state of production.
    let output = args.common.output;
    let result = std::panic::catch_unwind(|| dispatch(args));
    let code = match result {
        Ok(Ok(code)) => code,
        Ok(Err(failure)) => {
            failure.print(output);
            failure.code
        }
        Err(_) => code::INTERNAL,
    };
    ExitCode::from(code)
}

/// Help and version go to stdout and are no mistake; everything else is.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        drop(error.print());
        return ExitCode::SUCCESS;
    }
    if wants_json() {
        let text = error.render().to_string();
        let what = text.trim_start_matches("error:").trim();
        Failure::usage(what).print(Output::Json);
    } else {
        drop(error.print());
    }
    ExitCode::from(code::USAGE)
}

/// Whether JSON was asked for on a command line that cannot be read as a whole.
fn wants_json() -> bool {
    let all: Vec<_> = std::env::args().collect();
    all.iter().any(|a| a == "--output=json") || all.windows(2).any(|two| two == ["--output", "json"])
}

fn dispatch(args: Args) -> Result<u8, Failure> {
    let common = args.common;
    if !matches!(args.command, Command::Simulate(_)) {
        common.only_in_a_sandbox()?;
    }
    match args.command {
        Command::Validate(args) => validate::run(&common, &args),
        Command::Plan(args) => plan::run(&common, &args),
        Command::Status(args) => status::run(&common, &args),
        Command::Doctor(args) => doctor::run(&common, &args),
        Command::Failover(args) => moves::failover(&common, &args),
        Command::Failback(args) => moves::failback(&common, &args),
        Command::Reprotect(args) => moves::reprotect(&common, &args),
        Command::Drill(args) => drill::run(&common, &args),
        Command::Simulate(args) => simulate::run(&common, &args),
        Command::Resume(args) => resume::run(&common, &args),
        Command::Pause(args) => controls::pause(&common, &args),
        Command::Cancel(args) => controls::cancel(&common, &args),
        Command::Approve(args) => controls::answer(&common, &args, true),
        Command::Reject(args) => controls::answer(&common, &args, false),
        Command::Abandon(args) => controls::abandon(&common, &args),
        Command::Watch(args) => watch::run(&common, &args),
        Command::Trigger(args) => watch::by_hand(&common, &args),
        Command::Brake(args) => said::brake(&common, &args),
        Command::Release(args) => said::release(&common, &args),
        Command::Acknowledge(args) => said::acknowledge(&common, &args),
        Command::Runs(args) => runs::list(&common, &args),
        Command::Show(args) => runs::show(&common, &args),
        Command::Store { command } => store::run(&common, &command),
        Command::Schema => generate::schema(),
        Command::Reference(args) => generate::reference(&args),
        Command::Completions(args) => generate::completions(&args),
        Command::Man => generate::man(),
    }
}
