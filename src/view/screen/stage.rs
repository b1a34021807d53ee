//! Where the screen's lines go: a terminal with rows and prompts, or a writer.

use super::{
    super::Page,
    ENDLESS,
    ask::{Outcome, ask},
    bars::Bars,
    keyboard::Keyboard,
    prompt::Prompt,
    story::Story,
};
use crate::event::Request;
use console::Term;
use indicatif::ProgressDrawTarget;
use std::{
    io::Write,
    time::{Duration, Instant},
};

/// Where lines go.
pub(super) enum Stage {
    /// A terminal with a person before it.
    Terminal(Box<Terminal>),
    /// Anything else.
    Writer(Box<dyn Write + Send>),
}

/// A terminal with a person before it.
pub(super) struct Terminal {
    term: Term,
    bars: Bars,
    keyboard: Keyboard,
    /// Its size is asked for now and then; a signal would have to be shared.
    measured: Instant,
    /// The person closed a prompt; a key opens it again.
    closed: bool,
    /// It hung up: nobody is there, nothing can be shown.
    gone: bool,
}

impl Stage {
    /// The terminal of this process.
    pub(super) fn terminal(keyboard: Keyboard) -> Self {
        let term = Term::stderr();
        let bars = Bars::new(ProgressDrawTarget::stderr(), Page::of(&term));
        let measured = Instant::now();
        Self::Terminal(Box::new(Terminal { term, bars, keyboard, measured, closed: false, gone: false }))
    }

    /// What is no terminal.
    pub(super) fn writer(out: Box<dyn Write + Send>) -> Self {
        Self::Writer(out)
    }

    /// What lines are to be written for.
    pub(super) fn page(&self) -> Page {
        match self {
            Self::Terminal(terminal) => *terminal.bars.page(),
            Self::Writer(_) => ENDLESS,
        }
    }

    /// Shows what was heard.
    pub(super) fn show(&mut self, story: &mut Story) {
        match self {
            Self::Terminal(terminal) => terminal.show(story),
            Self::Writer(out) => write(out, story),
        }
    }

    /// Asks what is to be asked, or tells what waits where nobody can be asked. `more` takes in
    /// what came meanwhile.
    pub(super) fn ask(&mut self, story: &mut Story, more: impl FnMut(&mut Story)) -> Option<Request> {
        match self {
            Self::Terminal(terminal) => terminal.ask(story, more),
            Self::Writer(out) => {
                story.tell_what_waits();
                write(out, story);
                None
            }
        }
    }

    /// Somebody may press a key here.
    pub(super) fn has_keys(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// Shows the last lines and takes the rows away.
    pub(super) fn end(&mut self, story: &mut Story) {
        match self {
            Self::Terminal(terminal) => {
                terminal.lines(story);
                terminal.bars.clear();
            }
            Self::Writer(out) => {
                story.tell_what_waits();
                write(out, story);
            }
        }
    }
}

/// Who does not read what is written (a closed pipe) does not stop a run.
fn write(out: &mut dyn Write, story: &mut Story) {
    for mut line in story.lines.drain(..) {
        // With its end in one piece, so that a line of another program does not come between.
        line.push('\n');
        let _ = out.write_all(line.as_bytes());
    }
    let _ = out.flush();
}

impl Terminal {
    /// How often the terminal is measured.
    const MEASURE: Duration = Duration::from_secs(1);

    fn show(&mut self, story: &mut Story) {
        if self.measured.elapsed() >= Self::MEASURE {
            self.measured = Instant::now();
            self.bars.resize(Page::of(&self.term));
        }
        story.page = *self.bars.page();
        self.lines(story);
        if !self.gone {
            self.bars.show(&story.progress);
        }
    }

    fn lines(&mut self, story: &mut Story) {
        for line in story.lines.drain(..) {
            self.bars.line(&line);
        }
    }

    fn ask(&mut self, story: &mut Story, more: impl FnMut(&mut Story)) -> Option<Request> {
        if self.gone {
            return None;
        }
        if self.closed && self.keyboard.pressed() {
            self.closed = false;
            story.unsettle();
        }
        let prompt = story.prompt()?;
        match self.open(&prompt, story, more) {
            Outcome::Said(request) => {
                story.settle(prompt);
                Some(request)
            }
            Outcome::Closed => {
                self.closed = true;
                story.lines.push("  the question stays open; any key asks it again, or type elsewhere:".into());
                story.lines.extend(story.next().iter().map(|n| format!("  {}   ({})", n.command, n.what)));
                story.settle(prompt);
                None
            }
            Outcome::Obsolete => None,
            Outcome::Gone => {
                self.gone = true;
                None
            }
        }
    }

    /// Puts the rows away and asks; they come back with the answer.
    fn open(&mut self, prompt: &Prompt, story: &mut Story, mut more: impl FnMut(&mut Story)) -> Outcome {
        let (page, term, keyboard) = (*self.bars.page(), &self.term, &self.keyboard);
        let facts = prompt.facts(&story.progress, &page);
        self.bars.suspend(|| {
            for line in &facts {
                let _ = term.write_line(line);
            }
            ask(prompt, &page, keyboard, || {
                more(story);
                !story.wants(prompt)
            })
        })
    }
}
