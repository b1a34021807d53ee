//! The permissions that AWS must give, as Markdown, from the rows that the calls are named by.

use crate::{
    action::ACTIONS,
    plan::policy::{general, placeholder},
    world::permission::{ASSUME, CHANGES, Permission, READS},
};
use std::fmt::Write as _;

// Writing to a string cannot fail, so the results of `write!` are dropped throughout.

/// The whole reference: `docs/iam.md`.
pub fn reference() -> String {
    let mut text = String::from(
        "# What AWS must allow\n\n\
         Written by `lifeboat reference --permissions`; do not edit.\n\n\
         For a runbook of yours do not copy these policies, print its own: with the accounts, Regions and names that \
         stand in it, and without what it does not do.\n\n\
         ```console\n\
         $ lifeboat doctor FILE --policy plan    # plan, status, doctor: reads alone\n\
         $ lifeboat doctor FILE --policy run     # failover, failback, reprotect, resume: reads and changes\n\
         $ lifeboat doctor FILE                  # which reads are missing; changes cannot be tried\n\
         ```\n\n\
         Give the policy to the credentials that `lifeboat` is started with, and to each role that a site names by \
         `role_arn`; Route 53 is asked with the former. A role's trust policy must let those credentials in, with the \
         `external_id` where one is given. AWS looks at what was sent, not at who is asked first: building a replica \
         is allowed at both ends.\n\n\
         ## Reads\n\n\
         Looking never changes anything: the clients that look refuse every other operation before it leaves.\n\n\
         | permission | on | what for |\n|---|---|---|\n",
    );
    READS.iter().for_each(|read| row(&mut text, read, None));
    text += "\n## Changes\n\n| permission | on | what for | actions |\n|---|---|---|---|\n";
    CHANGES.iter().for_each(|change| row(&mut text, change, Some(senders(change))));
    text += "\nFor sites with a `role_arn` the credentials that `lifeboat` is started with need:\n\n\
             | permission | on | what for |\n|---|---|---|\n";
    row(&mut text, &ASSUME, None);
    for (title, runs) in [("A policy to look", false), ("A policy to run", true)] {
        let policy = serde_json::to_string_pretty(&general(runs)).unwrap_or_default();
        let _ = write!(text, "\n## {title}\n\nWords in capitals are yours to fill in.\n\n```json\n{policy}\n```\n");
    }
    text
}

fn row(text: &mut String, permission: &Permission, more: Option<String>) {
    let on: Vec<_> = permission.on.iter().flat_map(|on| placeholder(*on)).map(|arn| format!("`{arn}`")).collect();
    let on = if on.is_empty() { "nobody has to allow it".to_owned() } else { on.join("<br>") };
    let _ = write!(text, "| `{permission}` | {on} | {} |", permission.what_for);
    *text += &more.map_or_else(|| "\n".to_owned(), |more| format!(" {more} |\n"));
}

/// The actions that send a call.
fn senders(change: &Permission) -> String {
    let rows = ACTIONS.iter().filter(|row| row.calls.contains(change)).map(|row| format!("`{}`", row.name()));
    rows.collect::<Vec<_>>().join(", ")
}
