//! Signals of the operating system, as the engine hears them.

use crate::engine::Signal;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

/// Listens from now on. Needs a runtime.
pub(super) fn listen() -> std::io::Result<UnboundedReceiver<Signal>> {
    let (to, from) = unbounded_channel();
    let kinds = [
        (SignalKind::interrupt(), Signal::Interrupt),
        (SignalKind::terminate(), Signal::Terminate),
        (SignalKind::hangup(), Signal::Hangup),
    ];
    for (kind, name) in kinds {
        let (mut stream, to) = (signal(kind)?, to.clone());
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                drop(to.send(name));
            }
        });
    }
    Ok(from)
}
