//! Other tools on the same work, where `install` has put them.

use std::{env, path::Path, process::Command};

/// What is told of a peer that is not there.
pub const NOT_INSTALLED: &str = "not installed: benches/peers/install";
/// A file that is there once those of PyPI are installed.
pub const PYPI: &str = ".venv-peers/installed";
/// The same for those of npm.
pub const NPM: &str = "benches/peers/node_modules/.package-lock.json";

/// Whether peers are there, by their file.
pub fn are_installed(mark: &str) -> bool {
    root().join(mark).exists()
}

/// A program of `benches/peers`, which finds its own Python first.
pub fn command(program: &str) -> Command {
    let path = env::var_os("PATH").unwrap_or_default();
    let path = [root().join(".venv-peers/bin")].into_iter().chain(env::split_paths(&path));
    let mut command = Command::new(root().join("benches/peers").join(program));
    command.env("PATH", env::join_paths(path).unwrap());
    command
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
