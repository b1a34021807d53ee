//! The terminal's modes: what they were is kept, and put back however the program ends.
//!
//! While a screen lives, keys are not echoed and come one by one, Ctrl-C too; Ctrl-Z stays a signal.
//! In the background nothing is changed: the kernel would stop the whole process, and with it the run.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcgetpgrp, tcsetattr},
};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{Mutex, Once, PoisonError},
};

/// The terminal that keys come from and how it was; none while no screen lives.
static SAVED: Mutex<Option<(OwnedFd, Termios)>> = Mutex::new(None);

/// No key of this kind.
const NONE: u8 = if cfg!(target_os = "linux") { 0 } else { 0xff };

/// Whether standard input is a terminal that this process may read and change.
pub(super) fn is_ours() -> bool {
    let stdin = io::stdin();
    isatty(&stdin) && is_in_front(&stdin)
}

/// Whether this process is the one that a terminal is there for: not in its background.
pub(super) fn is_in_front(tty: impl AsFd) -> bool {
    tcgetpgrp(tty).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// Whether a key, or the end of all keys, can be read at once.
pub(super) fn has_input(tty: impl AsFd) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(tty.as_fd(), PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

/// Keeps the modes of a terminal and makes it quiet.
pub(super) fn take(tty: &OwnedFd) -> io::Result<()> {
    restore_on_panic();
    let modes = tcgetattr(tty)?;
    let own = rustix::io::fcntl_dupfd_cloexec(tty, 3)?;
    *SAVED.lock().unwrap_or_else(PoisonError::into_inner) = Some((own, modes));
    quiet(tty)
}

/// No echo, no line editing, no interrupt. Also after a stop and a continue, when the shell had it.
pub(super) fn quiet(tty: impl AsFd) -> io::Result<()> {
    let mut modes = tcgetattr(tty.as_fd())?;
    modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
    // A signal does not throw away what was typed before it.
    modes.local_modes |= LocalModes::ISIG | LocalModes::NOFLSH;
    modes.special_codes[SpecialCodeIndex::VINTR] = NONE;
    modes.special_codes[SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    set(tty, &modes)
}

/// Ctrl-C is a signal again; what was typed can still be read key by key.
pub(super) fn loud(tty: impl AsFd) -> io::Result<()> {
    let mut modes = tcgetattr(tty.as_fd())?;
    if let Some((_, before)) = &*SAVED.lock().unwrap_or_else(PoisonError::into_inner) {
        modes.special_codes[SpecialCodeIndex::VINTR] = before.special_codes[SpecialCodeIndex::VINTR];
    }
    set(tty, &modes)
}

fn set(tty: impl AsFd, modes: &Termios) -> io::Result<()> {
    if !is_in_front(tty.as_fd()) {
        return Ok(());
    }
    Ok(tcsetattr(tty, OptionalActions::Now, modes)?)
}

/// Puts the terminal back as it was and shows its cursor. Call it before a process ends without
/// closing its screen; otherwise it does nothing.
pub fn restore() {
    // A panic may come while the lock is held; waiting for it would hang the end of the process.
    let Ok(mut saved) = SAVED.try_lock() else { return };
    if let Some((tty, modes)) = saved.take() {
        // The terminal may be gone: then there is nothing to put back.
        let _ = set(&tty, &modes);
        let _ = console::Term::stderr().show_cursor();
    }
}

fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
    });
}
