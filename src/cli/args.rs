//! What can be typed. The help texts here are the reference.

pub(super) mod watch;

use super::exit::Failure;
use clap::{Args as ClapArgs, CommandFactory, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Executes failover and failback runbooks, durably.
///
/// Start with `lifeboat validate FILE`, then `lifeboat plan FILE`, then rehearse:
/// `lifeboat drill FILE --sandbox --speed max`.
///
/// When something is on fire: `lifeboat status FILE` tells what is going on and what to type next.
#[derive(Debug, Parser)]
#[command(name = "lifeboat", version, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done · 2 usage · 3 invalid runbook · 10 refused · 11 environment · 12 another run holds it \
    (10 to 12: nothing was changed) · 20 rolled back · 21 partial · 22 in doubt · 23 waits for a person · 24 an objective missed · \
    25 restored but unprotected · 30 journal · 31 mismatch"
)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) common: Common,
}

/// The whole command, for help, completions and the man page.
pub fn command() -> clap::Command {
    Args::command()
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check runbooks, offline: every problem at once
    Validate(ValidateArgs),
    /// Show what a run would do, in the world as it is; changes nothing
    Plan(PlanArgs),
    /// Who is active, protected, frozen, and what to type next
    Status(FileArgs),
    /// Whether this machine, its credentials and its way to AWS are fit for a runbook; changes nothing
    Doctor(DoctorArgs),
    /// Move from the primary to a standby
    Failover(MoveArgs),
    /// Move home
    Failback(MoveArgs),
    /// Make the site that was left the replica of the active one
    Reprotect(MoveArgs),
    /// Rehearse: failover and failback, each with its reprotect, measured
    Drill(watch::DrillArgs),
    /// Play a runbook in many simulated worlds that fail: how long, how much is lost, what ends badly
    Simulate(SimulateArgs),
    /// Take an unfinished run up again
    Resume(ResumeArgs),
    /// Start nothing more in a run, and let it wait
    Pause(RunArgs),
    /// End a run: release what it holds closed, or left closed when it ended; start nothing more
    Cancel(CancelArgs),
    /// Answer the question of a run with yes
    Approve(AnswerArgs),
    /// Answer the question of a run with no, which aborts it
    Reject(AnswerArgs),
    /// End a run as it stands, whatever is half done
    Abandon(AbandonArgs),
    /// Start failovers by the triggers of runbooks, as alarms say; goes on until it is stopped
    Watch(watch::WatchArgs),
    /// Start the failover of a trigger by hand, as its policy says
    Trigger(watch::TriggerArgs),
    /// Keep every trigger from starting anything
    Brake(watch::SaidArgs),
    /// Lift the brake
    Release(watch::SaidArgs),
    /// Say that you know of a run that began by itself: its triggers may start again after their cooldown
    Acknowledge(watch::AcknowledgeArgs),
    /// List runs
    Runs(RunsArgs),
    /// Tell all that happened in a run
    Show(RunArgs),
    /// Look through what is recorded, copy it, take copies in
    Store {
        /// What to do.
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// Print the JSON Schema of runbooks
    Schema,
    /// Print the reference of the runbook language, in Markdown
    Reference(ReferenceArgs),
    /// Print shell completions
    Completions(CompletionArgs),
    /// Print the man page
    Man,
}

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Tell of every run whether it is what was recorded, and where it is not
    ///
    /// Ends with 0 where all is whole, 30 where something is damaged, 31 where another lifeboat, or
    /// another program, wrote it. Nothing is mended but the list of runs, which follows from them.
    Verify,
    /// Print a run, or all of them, as they are recorded: JSON lines with their hash chain
    Export(ExportArgs),
    /// Take in runs that were exported, after verifying them; then they can be shown and resumed
    Import(ImportArgs),
}

#[derive(Debug, ClapArgs)]
pub(super) struct ExportArgs {
    /// The run [default: all]
    #[arg(value_name = "RUN")]
    pub(super) run: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ImportArgs {
    /// What `store export` printed
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
}

/// Flags of every command.
#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Common {
    /// Work in a simulated world, built from the runbook; nothing real is touched
    #[arg(long, global = true, help_heading = "Sandbox")]
    pub(super) sandbox: bool,
    /// How fast the sandbox's time goes: a number, or `max` for virtual time
    #[arg(
        long,
        global = true,
        value_name = "N|max",
        default_value = "1",
        help_heading = "Sandbox",
        requires = "sandbox"
    )]
    pub(super) speed: Speed,
    /// What chance in the sandbox is made of; a new world takes it
    #[arg(long, global = true, value_name = "N", help_heading = "Sandbox")]
    pub(super) seed: Option<u64>,
    /// Make something go wrong in the sandbox, from the start or when a step begins; repeatable
    #[arg(long, global = true, value_name = "NAME[@STEP]", help_heading = "Sandbox")]
    pub(super) fault: Vec<String>,
    /// Where runs are recorded [default: $LIFEBOAT_HOME, else the user's state directory]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) store: Option<PathBuf>,
    /// For people, or JSON: one object a line
    #[arg(long, global = true, value_enum, default_value = "human")]
    pub(super) output: Output,
    /// Heed AWS_ENDPOINT_URL from the environment, which is otherwise refused
    #[arg(long, global = true)]
    pub(super) allow_endpoint_override: bool,
}

impl Common {
    /// Seeds and faults mean nothing in the real world; a simulation is never real.
    pub(super) fn only_in_a_sandbox(&self) -> Result<(), Failure> {
        let given = if self.seed.is_some() { "--seed" } else { "--fault" };
        let stray = !self.sandbox && (self.seed.is_some() || !self.fault.is_empty());
        if stray { Err(Failure::usage(format!("{given} needs --sandbox")).hint("add --sandbox")) } else { Ok(()) }
    }
    /// The flags of the sandbox as they were typed, faults aside: those have struck.
    pub(super) fn sandbox_flags(&self) -> String {
        if !self.sandbox {
            return String::new();
        }
        let speed = match self.speed {
            Speed::Times(1) => String::new(),
            Speed::Times(n) => format!(" --speed {n}"),
            Speed::Max => " --speed max".to_owned(),
        };
        let seed = self.seed.map_or_else(String::new, |seed| format!(" --seed {seed}"));
        format!(" --sandbox{speed}{seed}")
    }
}

/// How fast the sandbox's time goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speed {
    Times(u32),
    Max,
}

impl std::str::FromStr for Speed {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "max" => Ok(Self::Max),
            n => n
                .parse()
                .ok()
                .filter(|n| (1..=100_000).contains(n))
                .map(Self::Times)
                .ok_or_else(|| "a whole number from 1 to 100000, or `max`".to_owned()),
        }
    }
}

/// How things are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    Human,
    Json,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ValidateArgs {
    /// The runbooks
    #[arg(value_name = "FILE", required_unless_present = "explain")]
    pub(super) files: Vec<PathBuf>,
    /// Explain a code, with an example
    #[arg(long, value_name = "CODE")]
    pub(super) explain: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct FileArgs {
    /// The runbook
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(super) struct DoctorArgs {
    /// The runbook
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Print the IAM policy that this runbook needs, and look at nothing
    #[arg(long, value_enum, value_name = "run|plan")]
    pub(super) policy: Option<PolicyArg>,
}

/// What a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum PolicyArg {
    /// Everything: looking and changing.
    Run,
    /// Looking alone: plan, status, doctor.
    Plan,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ReferenceArgs {
    /// The permissions that AWS must give, instead of the language
    #[arg(long)]
    pub(super) permissions: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct PlanArgs {
    /// The runbook
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Which way
    #[arg(long, value_enum, default_value = "failover")]
    pub(super) direction: DirectionArg,
    /// Only the planned one
    #[arg(long)]
    pub(super) planned: bool,
    /// Only the emergency
    #[arg(long)]
    pub(super) emergency: bool,
    /// Look at nothing: all of the world is unknown
    #[arg(long)]
    pub(super) offline: bool,
    /// The standby to move to; of a reprotect, the one to make a replica
    #[arg(long, value_name = "SITE")]
    pub(super) to: Option<String>,
    /// Set a parameter; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) param: Vec<String>,
    /// When the incident began
    #[arg(long, value_name = "TIME|12m")]
    pub(super) since: Option<String>,
    /// End with 4 where the plan would change something
    #[arg(long)]
    pub(super) detailed_exit_code: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DirectionArg {
    Failover,
    Failback,
    Reprotect,
}

/// What a command line answers beforehand.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(super) struct Consent {
    /// Answer ordinary questions with yes; never those about data loss or two writers
    #[arg(long, help_heading = "Consent")]
    pub(super) yes: bool,
    /// Accept an irreversible step; repeatable
    #[arg(long, value_name = "STEP", help_heading = "Consent")]
    pub(super) accept: Vec<String>,
    /// Accept the loss of so much time of writes, or an unknown loss
    #[arg(long, value_name = "5m|unknown", help_heading = "Consent")]
    pub(super) accept_data_loss: Option<String>,
    /// Nobody is here: questions are decided by their `unattended`
    #[arg(long, help_heading = "Consent")]
    pub(super) unattended: bool,
    /// Take the run from a process that hangs, by the id that the refusal tells; what it may still
    /// send is waited for
    #[arg(long, value_name = "HOLDER", help_heading = "Consent")]
    pub(super) take_over: Option<String>,
    /// Who you are, for the record [default: your login]
    #[arg(long, value_name = "NAME", help_heading = "Consent")]
    pub(super) operator: Option<String>,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct MoveArgs {
    /// The runbook
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Nothing may be lost; the site being left must answer
    #[arg(long, conflicts_with = "emergency")]
    pub(super) planned: bool,
    /// The site being left may be gone
    #[arg(long)]
    pub(super) emergency: bool,
    /// The standby to move to; of a reprotect, the one to make a replica
    #[arg(long, value_name = "SITE")]
    pub(super) to: Option<String>,
    /// Set a parameter; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) param: Vec<String>,
    /// When the incident began: the RTO counts from then
    #[arg(long, value_name = "TIME|12m")]
    pub(super) since: Option<String>,
    /// Do not reprotect after a planned move
    #[arg(long)]
    pub(super) no_reprotect: bool,
    /// Show the plan and end
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Take over from an unfinished run; its holds and debts are inherited
    #[arg(long, value_name = "RUN", requires = "reason")]
    pub(super) supersede: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    #[command(flatten)]
    pub(super) consent: Consent,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Each seed is a world of its own: the sandbox's chance, and at least five things that go wrong in it, in \
    processes, in the store and on the way. `--fault` replaces those by what it names; `--seed` plays one seed, or the first of \
    `--seeds`. Exit codes: 0 all well, 24 an objective is missed in some seed, 21 some seed ends badly."
)]
pub(super) struct SimulateArgs {
    /// The runbook
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// How many worlds [default: 100, or the one of --seed]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(super) seeds: Option<u64>,
    /// Which way; what has to come before goes undisturbed
    #[arg(long, value_enum, default_value = "failover")]
    pub(super) direction: DirectionArg,
    /// A planned move (the default)
    #[arg(long, conflicts_with = "emergency")]
    pub(super) planned: bool,
    /// An emergency: in most worlds the primary's Region is lost
    #[arg(long)]
    pub(super) emergency: bool,
    /// The standby to move to
    #[arg(long, value_name = "SITE")]
    pub(super) to: Option<String>,
    /// Set a parameter; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) param: Vec<String>,
    /// Tell one seed step by step
    #[arg(long, requires = "seed", conflicts_with = "seeds")]
    pub(super) trace: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct RunArgs {
    /// The run [default: the unfinished one, else the last]
    #[arg(value_name = "RUN")]
    pub(super) run: Option<String>,
}

#[derive(Debug, ClapArgs)]
#[group(id = "deed", multiple = false)]
pub(super) struct ResumeArgs {
    /// The run [default: the unfinished one]
    #[arg(value_name = "RUN")]
    pub(super) run: Option<String>,
    /// Try a failed step again
    #[arg(long, value_name = "STEP", group = "deed")]
    pub(super) retry: Option<String>,
    /// Leave a step out
    #[arg(long, value_name = "STEP", group = "deed", requires = "reason")]
    pub(super) skip: Option<String>,
    /// Take a step as done
    #[arg(long, value_name = "STEP", group = "deed", requires = "reason")]
    pub(super) mark_done: Option<String>,
    /// Take back all that was done
    #[arg(long, group = "deed")]
    pub(super) undo: bool,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    #[command(flatten)]
    pub(super) consent: Consent,
}

#[derive(Debug, ClapArgs)]
pub(super) struct CancelArgs {
    /// The run [default: the unfinished one]
    #[arg(value_name = "RUN")]
    pub(super) run: Option<String>,
    /// Take back all that was done, not only what is held closed
    #[arg(long)]
    pub(super) undo: bool,
    #[command(flatten)]
    pub(super) consent: Consent,
}

#[derive(Debug, ClapArgs)]
pub(super) struct AnswerArgs {
    /// The run [default: the unfinished one]
    #[arg(value_name = "RUN")]
    pub(super) run: Option<String>,
    /// The question's number, where several are open
    #[arg(long, value_name = "N")]
    pub(super) ask: Option<u32>,
    /// Who you are, for the record [default: your login]
    #[arg(long, value_name = "NAME")]
    pub(super) operator: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct AbandonArgs {
    /// The run
    #[arg(value_name = "RUN")]
    pub(super) run: String,
    /// Why
    #[arg(long, value_name = "TEXT", required = true)]
    pub(super) reason: String,
    /// Take the run from a process that hangs, by the id that the refusal tells
    #[arg(long, value_name = "HOLDER")]
    pub(super) take_over: Option<String>,
    /// Who you are, for the record [default: your login]
    #[arg(long, value_name = "NAME")]
    pub(super) operator: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct RunsArgs {
    /// Only of this runbook
    #[arg(value_name = "NAME")]
    pub(super) runbook: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct CompletionArgs {
    /// The shell
    #[arg(value_enum)]
    pub(super) shell: clap_complete::Shell,
}
