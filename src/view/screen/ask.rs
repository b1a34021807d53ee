//! Asks a question by dialoguer, on a thread of its own, so that the screen goes on hearing of the
//! run meanwhile and can close what was answered elsewhere.

use super::{
    super::{Page, text::cut},
    keyboard::Keyboard,
    prompt::{Choice, Prompt, Wants},
};
use crate::event::{Control, Request};
use console::Term;
use dialoguer::{
    Confirm, Input, Select,
    theme::{ColorfulTheme, SimpleTheme, Theme},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    time::Duration,
};

/// How soon a prompt that is not asked any more vanishes.
const LOOK: Duration = Duration::from_millis(40);

/// What became of a prompt.
pub(super) enum Outcome {
    /// The person said this.
    Said(Request),
    /// The person closed it; the question stays.
    Closed,
    /// The screen closed it: it is not asked any more.
    Obsolete,
    /// There is nobody any more.
    Gone,
}

/// Asks. `obsolete` is looked at again and again; true closes the prompt.
pub(super) fn ask(prompt: &Prompt, page: &Page, keyboard: &Keyboard, mut obsolete: impl FnMut() -> bool) -> Outcome {
    let mut one = |question: One| run(question, page, keyboard, &mut obsolete);
    let said = match prompt.wants() {
        Wants::YesNo(text) => one(One::YesNo(text)),
        Wants::Typed(text) => one(One::Typed(text)),
        Wants::OneOf(lines) => one(One::Choice(lines)),
    };
    match (said, prompt) {
        (Said::Yes(yes), Prompt::Ask(ask, _)) => Outcome::Said(Request::Control(Control::Answer { ask: *ask, yes })),
        (Said::Chosen(n), Prompt::Menu(choices, _)) => match choices.get(n) {
            Some(choice) => chosen(choice, one),
            None => Outcome::Closed,
        },
        (Said::Obsolete, _) => Outcome::Obsolete,
        (Said::Gone, _) => Outcome::Gone,
        (Said::Nothing | Said::Text(_) | Said::Yes(_) | Said::Chosen(_), _) => Outcome::Closed,
    }
}

/// Asks for the reason of a choice that needs one.
fn chosen(choice: &Choice, mut one: impl FnMut(One) -> Said) -> Outcome {
    let Some(question) = choice.reason() else { return Outcome::Said(choice.request("")) };
    match one(One::Reason(question)) {
        Said::Text(why) => Outcome::Said(choice.request(&why)),
        Said::Obsolete => Outcome::Obsolete,
        Said::Gone => Outcome::Gone,
        Said::Nothing | Said::Yes(_) | Said::Chosen(_) => Outcome::Closed,
    }
}

/// One question to dialoguer.
enum One {
    YesNo(&'static str),
    Typed(&'static str),
    Choice(Vec<String>),
    Reason(String),
}

/// What came of it.
enum Said {
    Yes(bool),
    Chosen(usize),
    Text(String),
    Nothing,
    Obsolete,
    Gone,
}

fn run(question: One, page: &Page, keyboard: &Keyboard, obsolete: &mut dyn FnMut() -> bool) -> Said {
    // `q` leaves a choice; a text field ends with Enter, whatever is in it.
    let way_out: &[u8] = match question {
        One::YesNo(_) | One::Choice(_) => b"q",
        One::Typed(_) | One::Reason(_) => b"\r",
    };
    keyboard.lend();
    let closing = Arc::new(AtomicBool::new(false));
    let answer = start(question, *page, Arc::clone(&closing));
    let mut end = None;
    let said = loop {
        match answer.recv_timeout(LOOK) {
            Ok(said) => break said,
            Err(RecvTimeoutError::Disconnected) => break Said::Nothing,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if end.is_none() {
            end = if keyboard.gone() { Some(Said::Gone) } else { obsolete().then_some(Said::Obsolete) };
        }
        if end.is_some() {
            closing.store(true, Ordering::Relaxed);
            keyboard.press(way_out);
        }
    };
    keyboard.take_back();
    end.unwrap_or(said)
}

fn start(question: One, page: Page, closing: Arc<AtomicBool>) -> Receiver<Said> {
    let (answer, answered) = channel();
    std::thread::spawn(move || {
        let term = Term::stderr();
        let said = interact(question, page, &closing, &term);
        // Interrupted or hung up in the middle: dialoguer may have left the cursor hidden.
        let _ = term.show_cursor();
        let _ = answer.send(said);
    });
    answered
}

fn interact(question: One, page: Page, closing: &AtomicBool, term: &Term) -> Said {
    let theme: Box<dyn Theme> =
        if page.colour && page.unicode { Box::new(ColorfulTheme::default()) } else { Box::new(SimpleTheme) };
    let nothing = |_| Said::Nothing;
    match question {
        One::YesNo(text) => {
            let confirm = Confirm::with_theme(&*theme).with_prompt(text).default(false).show_default(true);
            confirm.interact_on_opt(term).map_or_else(nothing, |said| said.map_or(Said::Nothing, Said::Yes))
        }
        One::Choice(lines) => {
            let lines = lines.iter().map(|l| cut(l, page.width - 4));
            let select = Select::with_theme(&*theme).with_prompt("What now?").items(lines).default(0);
            select.interact_on_opt(term).map_or_else(nothing, |said| said.map_or(Said::Nothing, Said::Chosen))
        }
        One::Typed(text) => {
            let known = |typed: &String| match typed.trim() {
                "yes" | "no" | "" => Ok(()),
                _ if closing.load(Ordering::Relaxed) => Ok(()),
                _ => Err("type yes or no, the whole word"),
            };
            let input = Input::<String>::with_theme(&*theme).with_prompt(text).allow_empty(true).validate_with(known);
            input.interact_text_on(term).map_or_else(nothing, |typed| match typed.trim() {
                "yes" => Said::Yes(true),
                "no" => Said::Yes(false),
                _ => Said::Nothing,
            })
        }
        One::Reason(text) => {
            let input = Input::<String>::with_theme(&*theme).with_prompt(text).allow_empty(true);
            let why = |typed: String| if typed.trim().is_empty() { Said::Nothing } else { Said::Text(typed) };
            input.interact_text_on(term).map_or_else(nothing, why)
        }
    }
}
