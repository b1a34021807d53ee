//! Signals of the operating system, as the engine hears them.

use crate::engine::{Signal, Signals};
use tokio::signal::unix::{SignalKind, signal};

/// Listens from now on, as long as the process lives: none of them ends it by itself any more. Needs
/// a runtime.
pub(super) fn listen() -> std::io::Result<Signals> {
    let all = Signals::default();
    let kinds = [
        (SignalKind::interrupt(), Signal::Interrupt),
        (SignalKind::terminate(), Signal::Terminate),
        (SignalKind::hangup(), Signal::Hangup),
    ];
    for (kind, name) in kinds {
        let (mut stream, all) = (signal(kind)?, all.clone());
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                all.raise(name);
            }
        });
    }
    Ok(all)
}
