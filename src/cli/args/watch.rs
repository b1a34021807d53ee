//! What can be typed of starting without people.

use super::MoveArgs;
use clap::Args as ClapArgs;
use std::{net::SocketAddr, path::PathBuf};

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Alarms come in by any of --queue, --listen and --stdin; besides, every alarm that a trigger names is looked \
    at on start and every few minutes, since CloudWatch does not repeat a message that was lost. What was decided, and why, also \
    where nothing was done: `lifeboat watch --explain`. To stop all of it: `lifeboat brake`."
)]
pub(in crate::cli) struct WatchArgs {
    /// Runbooks with `triggers`
    #[arg(value_name = "FILE", required_unless_present = "explain")]
    pub(in crate::cli) files: Vec<PathBuf>,
    /// Take messages from this SQS queue, by its URL; repeatable
    #[arg(long, value_name = "URL", help_heading = "Ways in")]
    pub(in crate::cli) queue: Vec<String>,
    /// The Region of the queues, where their URLs do not name it
    #[arg(long, value_name = "REGION", requires = "queue", help_heading = "Ways in")]
    pub(in crate::cli) queue_region: Option<String>,
    /// Take messages by HTTP at this address: SNS at /sns, EventBridge at /events; /health and /metrics too
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "Ways in")]
    pub(in crate::cli) listen: Option<SocketAddr>,
    /// A topic of SNS whose messages are taken at /sns, and whose subscription is confirmed; repeatable
    #[arg(long, value_name = "ARN", requires = "listen", help_heading = "Ways in")]
    pub(in crate::cli) topic: Vec<String>,
    /// The variable that holds the bearer token for /events; without it /events takes nothing
    #[arg(long, value_name = "NAME", requires = "listen", help_heading = "Ways in")]
    pub(in crate::cli) token_env: Option<String>,
    /// Take one message from standard input, follow it to its end, and stop
    #[arg(long, conflicts_with_all = ["queue", "listen"], help_heading = "Ways in")]
    pub(in crate::cli) stdin: bool,
    /// Tell what was decided and why, and end
    #[arg(long, conflicts_with_all = ["queue", "listen", "stdin"])]
    pub(in crate::cli) explain: bool,
    /// How many notes --explain tells, the newest
    #[arg(long, value_name = "N", default_value = "100", requires = "explain")]
    pub(in crate::cli) last: usize,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct TriggerArgs {
    /// The runbook
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
    /// The trigger
    #[arg(value_name = "NAME")]
    pub(in crate::cli) name: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: String,
    /// Who you are, for the record [default: your login]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) operator: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct SaidArgs {
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: String,
    /// Who you are, for the record [default: your login]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) operator: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct AcknowledgeArgs {
    /// The run [default: the last that began by itself]
    #[arg(value_name = "RUN")]
    pub(in crate::cli) run: Option<String>,
    /// Who you are, for the record [default: your login]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) operator: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct DrillArgs {
    #[command(flatten)]
    pub(in crate::cli) moves: MoveArgs,
    /// Begin with a synthetic alarm: the failover starts by this trigger, as `lifeboat watch` would start it
    #[arg(long, value_name = "NAME", conflicts_with_all = ["planned", "emergency", "to", "since", "supersede"])]
    pub(in crate::cli) trigger: Option<String>,
}
