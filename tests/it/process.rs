//! What a process is to the world: it can be asked, interrupted, and killed between any two steps.

use async_trait::async_trait;
use lifeboat::{
    driver::{Act, Look, LookError, SendError},
    event::{Control, Event, Request},
    world::{Effect, Receipt, Sight, Target, permit::Permit},
};
use std::sync::Arc;
use tokio::sync::{mpsc::UnboundedSender, watch};

/// What a test does when it hears of an event.
pub type React = Box<dyn Fn(&Event, &Hands) + Send + Sync>;

/// How a test reaches a process.
pub struct Hands {
    pub ask: UnboundedSender<Request>,
    pub death: Arc<watch::Sender<bool>>,
}

impl Hands {
    /// As from its terminal.
    pub fn ask(&self, control: Control) {
        drop(self.ask.send(Request::Control(control)));
    }
    pub fn kill(&self) {
        self.death.send_replace(true);
    }
}

/// Drivers that die with their process: what is on its way stays where it is.
pub struct Mortal {
    pub look: Arc<dyn Look>,
    pub act: Arc<dyn Act>,
    pub dead: watch::Receiver<bool>,
}

impl Mortal {
    async fn until_dead<T>(&self, life: impl Future<Output = T>) -> T {
        let mut dead = self.dead.clone();
        let death = async move {
            if dead.wait_for(|dead| *dead).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = death => std::future::pending().await,
            done = life => done,
        }
    }
}

#[async_trait]
impl Look for Mortal {
    async fn look(&self, at: &[Target]) -> Vec<Result<Sight, LookError>> {
        self.until_dead(self.look.look(at)).await
    }
}

#[async_trait]
impl Act for Mortal {
    async fn send(&self, permit: Permit, effect: &Effect) -> Result<Receipt, SendError> {
        self.until_dead(self.act.send(permit, effect)).await
    }
}
