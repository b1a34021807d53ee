//! What is wrong with a runbook beyond spelling.

use crate::runbook::Runbook;

/// A runbook without errors.
#[derive(Clone, Debug)]
pub struct Checked(Runbook);

impl Checked {
    /// The runbook.
    pub fn runbook(&self) -> &Runbook {
        &self.0
    }
}
