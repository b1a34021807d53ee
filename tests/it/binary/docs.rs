//! What is generated and committed is what the program writes.

use super::Home;
use std::path::Path;

#[test]
fn the_permissions_in_docs_are_those_of_the_program() {
    let committed = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/iam.md")).unwrap();
    let written = Home::new().run("reference --permissions").ends(0).out;
    assert!(committed == written, "docs/iam.md is old: lifeboat reference --permissions > docs/iam.md");
}
