//! The screen of runs: one thread that alone owns standard input, the terminal's modes and its cursor.
//!
//! It hears of a run by notices and answers by requests; nobody waits for it. A screen that is slow
//! or gone neither delays nor stops a failover: progress may be dropped, facts wait in its queue, and
//! what it cannot write it leaves. Three ways to show the same: rows and prompts on a terminal, plain
//! lines elsewhere, JSON lines for programs. Only the first ever asks.

mod ask;
mod bars;
mod keyboard;
mod prompt;
mod stage;
mod story;
mod terminal;

pub use keyboard::Interrupted;
pub use terminal::restore as restore_terminal;

use super::{Commands, Page};
use crate::event::{Event, Notice, Request};
use keyboard::Keyboard;
use stage::Stage;
use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};
use story::Story;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// Rows and prompts on a terminal.
    Interactive,
    /// A plain line a fact; no prompt ever.
    Lines,
    /// A JSON object a fact; no prompt ever.
    Json,
}

impl Face {
    /// What this process can show: a person is asked only where keys and screen are a terminal that
    /// is ours and can move its cursor.
    pub fn detect(json: bool) -> Self {
        let screen = console::Term::stderr().is_term() && !console::is_dumb();
        match (json, screen && terminal::is_ours()) {
            (true, _) => Self::Json,
            (false, true) => Self::Interactive,
            (false, false) => Self::Lines,
        }
    }
}

/// What a screen is made of.
pub struct Setup {
    /// How it shows.
    pub face: Face,
    /// Where lines go: standard error for people, standard output for programs. Interactive writes
    /// to the terminal instead.
    pub out: Box<dyn Write + Send>,
    /// How commands are typed here; none: as each run's journal tells.
    pub commands: Option<Commands>,
    /// Who is told of each Ctrl-C that comes as a key: while a terminal is taken it is no signal.
    pub interrupted: Interrupted,
}

/// A screen. Dropping it takes it down and puts the terminal back.
pub struct Screen {
    tell: Sender<Heard>,
    backlog: Arc<AtomicUsize>,
    ended: Receiver<()>,
    face: Face,
}

/// What a screen hears.
enum Heard {
    /// Something new.
    Notice(Notice),
    /// What happened before: to be known, not shown.
    Past(Vec<Event>),
    /// It is over.
    Close,
}

/// Tells a screen what happens. Cheap to clone, never blocks.
#[derive(Clone)]
pub struct Watcher {
    tell: Sender<Heard>,
    backlog: Arc<AtomicUsize>,
    shows_progress: bool,
}

/// What the person at the screen asks for.
pub struct Requests(UnboundedReceiver<Request>);

impl Requests {
    /// The next one; none once the screen is gone.
    pub async fn next(&mut self) -> Option<Request> {
        self.0.recv().await
    }
}

impl Screen {
    /// Progress is dropped while so much waits to be shown.
    const BACKLOG: usize = 512;
    /// A terminal that does not take what is written to it must not keep the process from ending.
    const PATIENCE: Duration = Duration::from_secs(2);

    /// Starts a screen. Where the keyboard cannot be taken, [`Screen::face`] tells that nobody can
    /// be asked here.
    pub fn start(setup: Setup) -> (Self, Requests) {
        let (tell, heard) = channel();
        let (requests, asked) = unbounded_channel();
        let (end, ended) = channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let Setup { face, out, commands, interrupted } = setup;
        let keyboard = if face == Face::Interactive { Keyboard::take(interrupted).ok() } else { None };
        let face = if face == Face::Interactive && keyboard.is_none() { Face::Lines } else { face };
        let stage = keyboard.map_or_else(|| Stage::writer(out), Stage::terminal);
        let story = Story::new(face, commands, stage.page());
        let left = Arc::clone(&backlog);
        std::thread::spawn(move || {
            perform(stage, story, &heard, (&requests, &left));
            // Nobody may wait any more.
            let _ = end.send(());
        });
        (Self { tell, backlog, ended, face }, Requests(asked))
    }

    /// How it shows: not always as it was asked to.
    pub fn face(&self) -> Face {
        self.face
    }

    /// Whether the person here can be asked.
    pub fn asks(&self) -> bool {
        self.face == Face::Interactive
    }

    /// What tells it of runs.
    pub fn watcher(&self) -> Watcher {
        let shows_progress = self.face == Face::Interactive;
        Watcher { tell: self.tell.clone(), backlog: Arc::clone(&self.backlog), shows_progress }
    }

    /// Shows what is still to be shown and takes the screen down.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.tell.send(Heard::Close);
        let _ = self.ended.recv_timeout(Self::PATIENCE);
        restore_terminal();
    }
}

impl Watcher {
    /// Tells something. Facts are always shown, progress where there are rows for it and the screen keeps up:
    /// lines tell facts alone, and nothing else wakes their screen up.
    pub fn tell(&self, notice: Notice) {
        let fact = match &notice {
            Notice::Event(_) | Notice::Leaving | Notice::Line(_) => true,
            Notice::Step(_) | Notice::Seen(_) | Notice::Tick(_) => false,
        };
        if fact || (self.shows_progress && self.backlog.load(Ordering::Relaxed) < Screen::BACKLOG) {
            self.hand(Heard::Notice(notice));
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

fn perform(
    mut stage: Stage,
    mut story: Story,
    heard: &Receiver<Heard>,
    (requests, backlog): (&UnboundedSender<Request>, &AtomicUsize),
) {
    /// Nothing heard for so long: what was heard last will not be taken back in the same breath.
    const QUIET: Duration = Duration::from_millis(50);
    let hear = |story: &mut Story, one| {
        backlog.fetch_sub(1, Ordering::Relaxed);
        story.hear(one);
    };
    // All was told, and nobody can press a key here: there is nothing to wake up for but news.
    let mut idle = false;
    while !story.is_over() {
        let next = if idle { heard.recv().map_err(RecvTimeoutError::from) } else { heard.recv_timeout(QUIET) };
        let quiet = match next {
            Ok(one) => {
                hear(&mut story, one);
                false
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        idle = quiet && !stage.has_keys();
        while let Ok(one) = heard.try_recv() {
            hear(&mut story, one);
        }
        stage.show(&mut story);
        if quiet {
            let more = |story: &mut Story| {
                while let Ok(one) = heard.try_recv() {
                    hear(story, one);
                }
            };
            if let Some(request) = stage.ask(&mut story, more) {
                let _ = requests.send(request);
            }
        }
    }
    stage.end(&mut story);
}

/// The page of what is no terminal: a fact stays on its line.
const ENDLESS: Page = Page::plain(100_000);

#[cfg(test)]
mod tests;
