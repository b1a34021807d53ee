//! The files that a runbook names, and the digest over all of it: what was planned is what runs.

use super::problems::Problems;
use crate::{
    diagnostic,
    ids::{Digest, Sum},
};
use std::{collections::BTreeMap, fs, io, path::Path};

/// A file that a runbook names, relative to its folder, and where it does so.
pub(super) type Named = BTreeMap<String, diagnostic::Path>;

/// SHA-256 over the runbook's bytes and, in the order of their names, name, length and bytes of
/// every file it names. Files that are not there are problems.
pub(super) fn digest(bytes: &[u8], named: &Named, folder: Option<&Path>, problems: &mut Problems) -> Digest {
    let mut sum = Sum::default();
    sum.add(bytes);
    if let Some(folder) = folder {
        for (name, place) in named {
            if let Err(why) = add(&mut sum, name, &folder.join(name)) {
                let message = format!("the file {} cannot be read: {why}", super::problems::quoted(name));
                let help = format!("files are looked for beside the runbook: {}", folder.join(name).display());
                problems.add(diagnostic::Diagnostic::error("LB0322", place, message).help(help));
            }
        }
    }
    sum.into()
}

fn add(sum: &mut Sum, name: &str, file: &Path) -> io::Result<()> {
    // A pipe or a device would hang or never end.
    let about = fs::metadata(file)?;
    if !about.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut opened = fs::File::open(file)?;
    sum.add((name.len() as u64).to_be_bytes());
    sum.add(name);
    sum.add(about.len().to_be_bytes());
    io::copy(&mut opened, sum)?;
    Ok(())
}
