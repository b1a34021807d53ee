//! One run at a time: what a new run does about one that is unfinished.

use super::{
    exit::Failure,
    lease::{busy, claim, is_named},
    moves::Move,
    wiring::{commands, who},
};
use crate::{
    engine,
    event::{Control, Who},
    ids::{RunId, Seq},
    model::Direction,
    store::{Journal, RunHead},
};

impl Move<'_> {
    /// Sees to it that no other run is unfinished, or is to be superseded: then that one, and why.
    pub(super) async fn free<'b>(
        &'b self,
        direction: Direction,
        last: Option<&'b RunHead>,
    ) -> Result<Option<(&'b RunHead, &'b str)>, Failure> {
        let Some(head) = last.filter(|head| head.outcome.is_none()) else {
            // One that ended meanwhile blocks nobody.
            let gone = |run: &&String| last.is_none_or(|head| **run != head.id.as_str());
            return match self.args.supersede.as_ref().filter(gone) {
                Some(run) => Err(Failure::usage(format!("{run} is not the unfinished run: there is none"))),
                None => Ok(None),
            };
        };
        let holder = self.store.holder(&self.loaded.key()).await?.filter(|h| h.alive);
        let known = commands(self.common, &self.loaded.typed);
        match (&self.args.supersede, &self.args.reason) {
            (Some(run), Some(why)) if *run == head.id.as_str() => Ok(Some((head, why.as_str()))),
            (Some(run), _) => Err(Failure::usage(format!("{run} is not the unfinished run: that is {}", head.id))),
            (None, _) if self.args.dry_run => Ok(None),
            (None, _) => match holder {
                Some(holder) => Err(busy(&holder)),
                None => Err(Failure::refused(format!("run {} is unfinished", head.id))
                    .hint(format!("{}     takes it up again", known.on_run("resume", &head.id, "")))
                    .hint(format!(
                        "{} --supersede {} --reason \"...\"     takes over from it, with what it holds and owes",
                        known.on_file(&self.said(direction)),
                        head.id
                    ))),
            },
        }
    }

    /// Ends an unfinished run as it stands, be it held by a living process or not.
    pub(super) async fn supersede(&self, head: &RunHead, why: &str) -> Result<(), Failure> {
        let by = who(self.args.consent.operator.as_ref());
        let control = Control::Supersede { by: RunId::new("the next run"), why: why.to_owned() };
        let holder = self.store.holder(&head.key).await?.filter(|h| h.alive);
        if let Some(holder) = holder
            && !is_named(self.args.consent.take_over.as_ref(), &holder)
            && !self.let_go(head, &control, &by).await?
        {
            return Err(busy(&holder));
        }
        let fence = claim(&self.store, &head.key, &self.args.consent).await?;
        let journal = Journal::new(self.store.clone(), self.world.boot.clone(), fence, head.id.clone(), Seq(0));
        engine::end(journal, &by, control, self.world.clock.now()).await?;
        Ok(())
    }

    /// Asks a living holder to let go, again and again: while a call of its is under way it cannot.
    async fn let_go(&self, head: &RunHead, control: &Control, by: &Who) -> Result<bool, Failure> {
        for _ in 0..15 {
            self.store.post(&head.id, control, by, self.world.clock.now()).await?;
            if super::controls::wait_until_free(&self.store, &head.key).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
