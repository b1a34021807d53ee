//! What a look at a whole store finds: which runs are what was stored, and where the others are not.

use super::Head;
use super::{
    RunHead, StoreError,
    chain::{Link, Verifier},
    stored,
};
use crate::{
    event::Event,
    ids::{LeaseKey, RunId, Seq},
};

/// A store, looked through.
#[derive(Debug, Default)]
pub struct Checkup {
    /// Its runs, newest first.
    pub runs: Vec<RunCheckup>,
    /// What is wrong with the store itself, beside its runs.
    pub problems: Vec<String>,
}

/// A run, looked through.
#[derive(Debug)]
pub struct RunCheckup {
    /// The run.
    pub run: RunId,
    /// What it excludes others from.
    pub key: LeaseKey,
    /// Its events, up to the first that is wrong.
    pub events: Vec<Event>,
    /// What is wrong; none: it is what was stored.
    pub wrong: Option<StoreError>,
    /// All there is is whole, but the run was written up to this event once: the end of it is lost.
    pub lost: Option<Seq>,
    /// What the store keeps beside the events does not say what they do: see [`super::Store::rebuild`].
    pub stale: bool,
}

impl RunCheckup {
    /// Looks through the links of a run, which may end in one that could not be read.
    pub(super) fn of(row: &RunHead, head: &Head, links: impl IntoIterator<Item = Result<Link, String>>) -> Self {
        let (events, whole) = Verifier::new(row.id.clone()).all(head, &links.into_iter().collect::<Vec<_>>());
        let wrong = whole.err();
        let stale = wrong.is_none() && *row != stored::row(&row.id, &row.key, &events);
        Self { run: row.id.clone(), key: row.key.clone(), events, wrong, lost: None, stale }
    }

    /// Takes in how far the run was written, as far as that is known beside its events.
    pub(super) fn noted(&mut self, written: Option<Seq>) {
        let end = self.whole_up_to();
        self.lost = written.filter(|last| self.wrong.is_none() && *last > end);
    }

    /// The last event that is what was stored.
    pub fn whole_up_to(&self) -> Seq {
        self.events.last().map_or(Seq(0), |last| last.seq)
    }
}
