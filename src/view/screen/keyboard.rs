//! The keyboard, lent to prompts.
//!
//! dialoguer blocks on standard input until a key comes, and nothing can call it back. So standard
//! input is a terminal of our own (a pseudo-terminal), and the screen passes the real keys on while
//! a prompt is open. A prompt that was answered elsewhere is ended by a key that nobody pressed;
//! keys pressed while no prompt was open never answer the next one.

use super::terminal;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr},
};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

/// The real terminal and the one that prompts read from.
pub(super) struct Keyboard {
    real: OwnedFd,
    ours: OwnedFd,
    prompts: OwnedFd,
    gone: bool,
}

/// What came within a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// Nothing.
    None,
    /// Some.
    Some,
    /// Nothing will come any more: the terminal hung up.
    Gone,
}

impl Keyboard {
    /// Takes the keyboard over.
    pub(super) fn take() -> io::Result<Self> {
        let real = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let prompts = rustix::fs::open(ptsname(&ours, vec![])?, flags, Mode::empty())?;
        let mut modes = tcgetattr(&prompts)?;
        modes.make_raw();
        tcsetattr(&prompts, OptionalActions::Now, &modes)?;
        terminal::take(&real)?;
        rustix::stdio::dup2_stdin(&prompts)?;
        Ok(Self { real, ours, prompts, gone: false })
    }

    /// Forgets what was typed and gets ready for a prompt.
    pub(super) fn ready(&self) {
        // Where it fails the terminal is gone, which the next look tells.
        let _ = terminal::quiet(&self.real);
        let _ = tcflush(&self.real, QueueSelector::IFlush);
        let _ = tcflush(&self.prompts, QueueSelector::IFlush);
    }

    /// Passes keys on to the prompt that is open; waits for them a while.
    pub(super) fn pass_on(&mut self, within: Duration) -> Keys {
        let mut keys = [0; 64];
        match self.read(&mut keys, within) {
            0 if self.gone => Keys::Gone,
            0 => Keys::None,
            n => {
                self.press(&keys[..n]);
                Keys::Some
            }
        }
    }

    /// Whether any key was pressed; it is forgotten.
    pub(super) fn pressed(&mut self) -> bool {
        let mut keys = [0; 64];
        self.read(&mut keys, Duration::ZERO) > 0
    }

    /// Presses keys that nobody pressed.
    pub(super) fn press(&self, keys: &[u8]) {
        // A few bytes into a terminal that has just been emptied.
        let _ = rustix::io::write(&self.ours, keys);
    }

    fn read(&mut self, keys: &mut [u8], within: Duration) -> usize {
        if self.gone {
            std::thread::sleep(within);
            return 0;
        }
        let within = Timespec::try_from(within).unwrap_or_default();
        let mut fds = [PollFd::from_borrowed_fd(self.real.as_fd(), PollFlags::IN)];
        // An interrupted poll is like one in which nothing came.
        if poll(&mut fds, Some(&within)).unwrap_or(0) == 0 {
            return 0;
        }
        match rustix::io::read(&self.real, keys) {
            Ok(n) if n > 0 => n,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => 0,
            Ok(_) | Err(_) => {
                self.gone = true;
                0
            }
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        let _ = rustix::stdio::dup2_stdin(&self.real);
        terminal::restore();
    }
}
