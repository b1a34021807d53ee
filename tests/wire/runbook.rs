//! The bundled runbook, changed as its first lines tell a user to: names, addresses, what is asked of whom.

use crate::{
    web::Web,
    world::{HOME, STANDBY, Wire},
};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Writes it, and the files that it names, to a folder.
pub fn write(wire: &Wire, web: &Web, folder: &Path) -> PathBuf {
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks");
    let endpoint = wire.proxy.url();
    let site =
        |region: &str| format!("{{ region: {region}, account: \"{}\", endpoint_url: \"{endpoint}\" }}", wire.account);
    let sites = format!("sites: {{ ohio: {}, oregon: {} }}", site(HOME.1), site(STANDBY.1));
    let mut text = fs::read_to_string(bundled.join("warm-standby.yaml")).unwrap();
    for (from, to) in [
        ("sites: { ohio: { region: us-east-2 }, oregon: { region: us-west-2 } }", sites.as_str()),
        ("\nprimary: ohio", &format!("\naws: {{ endpoint_url: \"{endpoint}\" }}\nprimary: ohio")),
        ("zone: Z0EXAMPLE", &format!("zone: {}", wire.zone)),
        ("https://${at.region}.storefront.example.com", &format!("{}/${{at.name}}", web.url())),
        ("https://www.example.com", &format!("{}/public", web.url())),
    ] {
        assert!(text.contains(from), "the bundled runbook has no {from:?} any more");
        text = text.replace(from, to);
    }
    fs::create_dir(folder.join("checks")).unwrap();
    for file in ["ci", "checks/invariants.sql"] {
        fs::copy(bundled.join(file), folder.join(file)).unwrap();
    }
    let path = folder.join("storefront.yaml");
    fs::write(&path, text).unwrap();
    path
}

/// Leaves out what needs a real PostgreSQL, and the waits that are for people and not for AWS.
pub fn shorten(path: &Path) {
    change(
        path,
        &[
            ("proof: lsn", "proof: metric"),
            ("with: { for: 15m, while: [public_ok] }", "with: { for: 1s, while: [public_ok] }"),
            ("with: { while: [site_answers], for: 15m }", "with: { while: [site_answers], for: 1s }"),
            ("max_lag: \"${objectives.rpo}\", for: 10m", "max_lag: \"${objectives.rpo}\", for: 1s"),
        ],
    );
    let text = fs::read_to_string(path).unwrap();
    let needs_postgres = |line: &&str| line.starts_with("    connection:") || line.starts_with("  - { id: data_test,");
    let lines: Vec<_> = text.lines().filter(|line| !needs_postgres(line)).collect();
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

/// Replaces pieces of a runbook.
pub fn change(path: &Path, changes: &[(&str, &str)]) {
    let mut text = fs::read_to_string(path).unwrap();
    for (old, new) in changes {
        assert!(text.contains(old), "the runbook has no {old:?}");
        text = text.replace(old, new);
    }
    fs::write(path, text).unwrap();
}

#[test]
fn the_runbook_of_the_tests_is_valid() {
    let (wire, folder) = (Wire::new(), tempfile::tempdir().unwrap());
    let web = Web::start(|path| (200, json!({ "path": path })));
    let path = write(&wire, &web, folder.path());
    let validate = assert_cmd::Command::new(env!("CARGO_BIN_EXE_lifeboat")).arg("validate").arg(path).unwrap();
    assert!(validate.status.success());
}
