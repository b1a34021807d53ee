//! What the machine under the program does to it: disks that are full or read-only, processes that
//! stand still, and many that start at once.

mod disks;
mod races;
mod zombies;
