//! What follows a move, and the one question that comes before any run.

use super::{
    args::MoveArgs,
    exit::{Failure, code},
    moves::Move,
};
use crate::model::{Direction, Mode};

/// The reprotect after a planned move. The command ends with the move's code, or 25 where the
/// reprotect did not get to its end.
pub(super) async fn reprotect(this: &Move<'_>, moved: u8) -> Result<u8, Failure> {
    // The move has taken over already.
    let args = MoveArgs { supersede: None, reason: None, ..this.args.clone() };
    match this.with(&args).go(Direction::Reprotect).await {
        Ok(done) if done.code() == code::DONE => Ok(moved),
        Ok(_) => Ok(code::UNPROTECTED),
        Err(failure) => {
            failure.print(this.common.output);
            Ok(code::UNPROTECTED)
        }
    }
}

/// Asks which kind of failover it is, recommending what was seen.
pub(super) fn ask_mode(advice: &str, planned: bool) -> Result<Mode, Failure> {
    // Ctrl-C closes the question; by default it would end the process with the cursor hidden.
    let _heard = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    let items = ["planned: nothing may be lost", "emergency: the site being left may be gone"];
    let chosen = dialoguer::Select::new()
        .with_prompt(format!("Which failover? {advice}"))
        .items(items)
        .default(usize::from(!planned))
        .interact_opt();
    match chosen {
        Ok(Some(0)) => Ok(Mode::Planned),
        Ok(Some(_)) => Ok(Mode::Emergency),
        Ok(None) | Err(_) => {
            drop(console::Term::stderr().show_cursor());
            Err(Failure::usage("no mode was chosen").hint("say --planned or --emergency"))
        }
    }
}
