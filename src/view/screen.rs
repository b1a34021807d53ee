//! The screen of a run, in lines.

use super::{Commands, Page, Progress, json, show};
use crate::event::{Notice, Request};
use std::io::Write as _;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// What a run is shown on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// A terminal with people.
    Terminal,
    /// Lines.
    Lines,
    /// JSON, one object a line.
    Json,
}

/// The screen.
pub struct Screen(std::thread::JoinHandle<()>, UnboundedSender<Notice>);

impl Screen {
    /// Starts it.
    pub fn start(surface: Surface, _commands: Commands, _requests: UnboundedSender<Request>) -> (Self, UnboundedSender<Notice>) {
        let (to, mut from) = unbounded_channel::<Notice>();
        let thread = std::thread::spawn(move || {
            let mut progress = Progress::default();
            let page = Page::of(&console::Term::stderr());
            while let Some(notice) = from.blocking_recv() {
                match notice {
                    Notice::Event(event) => {
                        match surface {
                            Surface::Json => drop(writeln!(std::io::stdout().lock(), "{}", json::event(&event, &progress))),
                            _ => {
                                for line in show::lines(&event, &progress, &page) {
                                    drop(writeln!(std::io::stderr().lock(), "{line}"));
                                }
                            }
                        }
                        progress.apply(&event);
                    }
                    Notice::Line(text) => drop(writeln!(std::io::stderr().lock(), "{text}")),
                    Notice::Step(_) | Notice::Seen(_) | Notice::Tick(_) => {}
                }
            }
        });
        (Self(thread, to.clone()), to)
    }
    /// Ends it.
    pub fn end(self) {
        drop(self.1);
        drop(self.0.join());
    }
}
