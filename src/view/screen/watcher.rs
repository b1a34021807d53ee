//! What tells a screen what happens, and what of that wakes it up.

use super::{Heard, Screen};
use crate::event::{Event, Notice};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::Sender,
    },
};

/// Tells a screen what happens. Cheap to clone, never blocks.
#[derive(Clone)]
pub struct Watcher {
    pub(super) tell: Sender<Heard>,
    pub(super) backlog: Arc<AtomicUsize>,
    /// Where nobody looks at progress: what the next fact is to be shown with.
    pub(super) kept: Option<Arc<Mutex<VecDeque<Notice>>>>,
}

impl Watcher {
    /// So much progress is kept for a fact; what is older has been overtaken.
    pub(super) const KEPT: usize = 64;

    /// Tells something. Facts are always shown. Progress is, while the screen keeps up; where nobody looks
    /// at it, it goes along with the next fact and wakes nobody up before.
    pub fn tell(&self, notice: Notice) {
        let fact = match &notice {
            Notice::Event(_) | Notice::Leaving | Notice::Line(_) => true,
            Notice::Step(_) | Notice::Seen(_) | Notice::Tick(_) => false,
        };
        match &self.kept {
            Some(kept) => {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if fact {
                    kept.drain(..).chain([notice]).for_each(|one| self.hand(Heard::Notice(one)));
                } else {
                    keep(&mut kept, notice);
                }
            }
            None if fact || self.backlog.load(Ordering::Relaxed) < Screen::BACKLOG => {
                self.hand(Heard::Notice(notice));
            }
            None => {}
        }
    }

    /// Tells what happened to a run before this process took it up: known from then on, not shown.
    pub fn recall(&self, past: Vec<Event>) {
        self.hand(Heard::Past(past));
    }

    /// A line for people that is no fact of a run.
    pub fn line(&self, text: impl Into<String>) {
        self.tell(Notice::Line(text.into()));
    }

    fn hand(&self, heard: Heard) {
        self.backlog.fetch_add(1, Ordering::Relaxed);
        // A screen that is gone hears nothing.
        let _ = self.tell.send(heard);
    }
}

fn keep(kept: &mut VecDeque<Notice>, notice: Notice) {
    if matches!((kept.back(), &notice), (Some(Notice::Tick(_)), Notice::Tick(_))) {
        kept.pop_back();
    } else if kept.len() == Watcher::KEPT {
        kept.pop_front();
    }
    kept.push_back(notice);
}
