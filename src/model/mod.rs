//! The nouns that everything shares: sites, resources, modes, impacts, the shapes of what a
//! runbook may hold, and expressions. Plain data; knows nothing of steps, worlds or files.

mod arn;
pub mod expr;
mod impact;
mod resource;
mod shape;
mod site;

pub use arn::MachineArn;
pub use impact::{Fact, Impact, Outputs, fact};
pub use resource::{
    Connection, DbEngine, DbIdentity, GroupIdentity, Kind, KindName, MachineIdentity, Password, RecordIdentity,
    Resource, Size, Tls,
};
pub use shape::{Field, Fields, Need, Shape, Ty};
pub use site::{Direction, FromTo, Mode, Objectives, Place, Site};
