//! The terminal's modes: what they were is kept, and put back however the program ends.
//!
//! While a screen lives, keys are not echoed and come one by one; Ctrl-C stays a signal.

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{Mutex, Once, PoisonError},
};

/// The terminal that keys come from and how it was; none while no screen lives.
static SAVED: Mutex<Option<(OwnedFd, Termios)>> = Mutex::new(None);

/// Whether standard input is a terminal that this process may read and change. In the background it
/// may not: the kernel would stop the whole process, and with it the run.
pub(super) fn is_ours() -> bool {
    let stdin = io::stdin();
    rustix::termios::isatty(&stdin) && tcgetpgrp(&stdin).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// Keeps the modes of a terminal and makes it quiet.
pub(super) fn take(tty: &OwnedFd) -> io::Result<()> {
    restore_on_panic();
    let modes = tcgetattr(tty)?;
    let own = rustix::io::fcntl_dupfd_cloexec(tty, 3)?;
    *SAVED.lock().unwrap_or_else(PoisonError::into_inner) = Some((own, modes));
    quiet(tty)
}

/// No echo, no line editing, signals stay. Also after a stop and a continue, when the shell had it.
pub(super) fn quiet(tty: impl AsFd) -> io::Result<()> {
    let mut modes = tcgetattr(tty.as_fd())?;
    modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
    modes.local_modes |= LocalModes::ISIG;
    modes.special_codes[SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    Ok(tcsetattr(tty.as_fd(), OptionalActions::Now, &modes)?)
}

/// Puts the terminal back as it was and shows its cursor. Call it before a process ends without
/// closing its screen; otherwise it does nothing.
pub fn restore() {
    // A panic may come while the lock is held; waiting for it would hang the end of the process.
    let Ok(mut saved) = SAVED.try_lock() else { return };
    if let Some((tty, modes)) = saved.take() {
        // The terminal may be gone: then there is nothing to put back.
        let _ = tcsetattr(&tty, OptionalActions::Now, &modes);
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
