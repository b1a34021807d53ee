//! What a machine can write about lifeboat: schema, reference, completions, man page.

use super::{
    args::{CompletionArgs, ReferenceArgs, command},
    exit::{Failure, code},
};
use crate::{syntax, view};
use std::io::{self, Write as _};

/// `lifeboat schema`.
pub(super) fn schema() -> Result<u8, Failure> {
    let text = serde_json::to_string_pretty(&syntax::schema()).map_err(io::Error::from)?;
    write(&format!("{text}\n"))
}

/// `lifeboat reference`.
pub(super) fn reference(args: &ReferenceArgs) -> Result<u8, Failure> {
    write(&if args.permissions { view::permissions::reference() } else { syntax::reference() })
}

/// `lifeboat completions`.
pub(super) fn completions(args: &CompletionArgs) -> Result<u8, Failure> {
    let mut out = vec![];
    clap_complete::generate(args.shell, &mut command(), "lifeboat", &mut out);
    write(&String::from_utf8_lossy(&out))
}

/// `lifeboat man`.
pub(super) fn man() -> Result<u8, Failure> {
    let mut out = vec![];
    clap_mangen::Man::new(command()).render(&mut out)?;
    write(&String::from_utf8_lossy(&out))
}

fn write(text: &str) -> Result<u8, Failure> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(code::DONE),
        other => Ok(other.map(|()| code::DONE)?),
    }
}
