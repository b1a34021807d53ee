//! What AWS's clients are told by their environment: credentials that any double takes, and nothing
//! of this machine's.

use std::{env, os::unix::process::CommandExt, process::Command, sync::Once};

/// All that clients are given.
const GIVEN: &[(&str, &str)] = &[
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "example"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("AWS_CONFIG_FILE", "/dev/null"),
    ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
];

/// The environment of a child: of this machine's only what is not AWS's.
pub fn give(child: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        child.env_remove(name);
    }
    child.env("PYTHONDONTWRITEBYTECODE", "1").envs(GIVEN.iter().copied())
}

/// Sees to it that this very process has that environment, as the SDK reads it: changing it while
/// threads run is unsound, so the test program starts itself anew, once, with the same arguments.
pub fn settle() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if GIVEN.iter().any(|(name, value)| env::var_os(name).is_none_or(|found| found != *value)) {
            let mut again = Command::new(env::current_exe().unwrap());
            let failed = give(again.args(env::args_os().skip(1))).exec();
            panic!("the test program cannot start itself anew: {failed}");
        }
    });
}
