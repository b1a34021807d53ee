//! The keyboard: a thread that reads the terminal's keys as long as the screen lives, and lends them
//! to prompts.
//!
//! Ctrl-C comes as a key and is told at once. As a signal it could be lost: signals that come fast
//! become one, and three presses must stay three. The thread writes nothing to the terminal and waits
//! for nobody, so a screen that hangs does not keep a press from being heard.
//!
//! dialoguer blocks on standard input until a key comes, and nothing can call it back. So standard
//! input is a terminal of our own (a pseudo-terminal), and keys are passed on while a prompt is open.
//! A prompt that was answered elsewhere is ended by a key that nobody pressed; keys pressed while no
//! prompt was open never answer the next one.

use super::terminal;
use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    fs::{Mode, OFlags, fcntl_setfl},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr},
};
use std::{
    io,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Who is told of each Ctrl-C.
pub type Interrupted = Box<dyn Fn() + Send + Sync>;

/// The keyboard, taken over until it is dropped.
pub(super) struct Keyboard(Arc<Shared>);

/// What the thread that reads and the screen have in common.
struct Shared {
    /// The real terminal.
    real: OwnedFd,
    /// The two ends of the one that prompts read from.
    ours: OwnedFd,
    prompts: OwnedFd,
    /// Ends the thread.
    end: OwnedFd,
    keys: Mutex<Keys>,
    interrupted: Interrupted,
}

/// What becomes of keys, and what became of them.
#[derive(Default)]
struct Keys {
    /// A prompt takes them.
    lent: bool,
    /// One was pressed while no prompt was open.
    pressed: bool,
    /// None will come any more: the terminal hung up.
    gone: bool,
}

const CTRL_C: u8 = 3;

impl Keyboard {
    /// Takes the keyboard over.
    pub(super) fn take(interrupted: Interrupted) -> io::Result<Self> {
        let real = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let prompts = rustix::fs::open(ptsname(&ours, vec![])?, flags, Mode::empty())?;
        let mut modes = tcgetattr(&prompts)?;
        modes.make_raw();
        tcsetattr(&prompts, OptionalActions::Now, &modes)?;
        // More than a prompt can take is dropped: whoever pastes a book must not silence Ctrl-C.
        fcntl_setfl(&ours, OFlags::RDWR | OFlags::NONBLOCK)?;
        let end = eventfd(0, EventfdFlags::CLOEXEC)?;
        terminal::take(&real)?;
        rustix::stdio::dup2_stdin(&prompts)?;
        let shared = Arc::new(Shared { real, ours, prompts, end, keys: Mutex::default(), interrupted });
        let reads = Arc::clone(&shared);
        std::thread::spawn(move || reads.listen());
        Ok(Self(shared))
    }

    /// Forgets what was typed and lends the keys to a prompt.
    pub(super) fn lend(&self) {
        let mut keys = self.0.keys();
        // Where it fails the terminal is gone, which the next look tells.
        let _ = terminal::quiet(&self.0.real);
        self.0.read(&mut keys);
        let _ = tcflush(&self.0.prompts, QueueSelector::IFlush);
        keys.lent = true;
    }

    /// Takes the keys back: the prompt is over.
    pub(super) fn take_back(&self) {
        let mut keys = self.0.keys();
        (keys.lent, keys.pressed) = (false, false);
    }

    /// Whether any key was pressed while no prompt was open; it is forgotten.
    pub(super) fn pressed(&self) -> bool {
        std::mem::take(&mut self.0.keys().pressed)
    }

    /// Whether nobody can press a key any more.
    pub(super) fn gone(&self) -> bool {
        self.0.keys().gone
    }

    /// Presses keys that nobody pressed.
    pub(super) fn press(&self, keys: &[u8]) {
        // A prompt that has not read what was typed so far will not miss it.
        let _ = tcflush(&self.0.prompts, QueueSelector::IFlush);
        let _ = rustix::io::write(&self.0.ours, keys);
    }
}

impl Shared {
    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until it is told to end, or the terminal hangs up.
    fn listen(&self) {
        /// How soon a process that was sent to the background notices that it is back.
        const BACKGROUND: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
        let mut away = false;
        loop {
            // In the background the keys are somebody else's: reading one would stop the process.
            let (on, within) = if away { (PollFlags::empty(), Some(&BACKGROUND)) } else { (PollFlags::IN, None) };
            let mut fds = [PollFd::new(&self.end, PollFlags::IN), PollFd::new(&self.real, on)];
            // An interrupted poll is like one in which nothing came.
            let _ = poll(&mut fds, within);
            if !fds[0].revents().is_empty() {
                return;
            }
            let hung_up = fds[1].revents().intersects(PollFlags::HUP | PollFlags::ERR);
            away = !hung_up && !terminal::is_in_front(&self.real);
            if !away && !fds[1].revents().is_empty() {
                let mut keys = self.keys();
                self.read(&mut keys);
                if keys.gone {
                    return;
                }
            }
        }
    }

    /// Takes in all that was typed so far.
    fn read(&self, keys: &mut Keys) {
        let mut typed = [0; 64];
        while !keys.gone && terminal::has_input(&self.real) {
            match rustix::io::read(&self.real, &mut typed) {
                Ok(n) if n > 0 => self.typed(&typed[..n], keys),
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                Ok(_) | Err(_) => keys.gone = true,
            }
        }
    }

    fn typed(&self, typed: &[u8], keys: &mut Keys) {
        let (interrupts, others): (Vec<u8>, Vec<u8>) = typed.iter().partition(|key| **key == CTRL_C);
        interrupts.iter().for_each(|_| (self.interrupted)());
        if keys.lent {
            let _ = rustix::io::write(&self.ours, &others);
        } else {
            keys.pressed |= !others.is_empty();
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        let shared = &self.0;
        // From here on Ctrl-C is a signal again; those pressed before still lie here as keys.
        let _ = terminal::loud(&shared.real);
        shared.read(&mut shared.keys());
        let _ = rustix::io::write(&shared.end, &1_u64.to_ne_bytes());
        let _ = rustix::stdio::dup2_stdin(&shared.real);
        terminal::restore();
    }
}
