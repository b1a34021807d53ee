//! Real PostgreSQL servers behind the double's instances, and those who write to them.

mod moves;
mod passwords;
mod runs;
mod server;
mod writer;
