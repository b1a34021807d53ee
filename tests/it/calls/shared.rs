//! A home that other machines may share: a kernel's locks do not reach them.

use super::{PLANNED, full, under};
use crate::binary::{Home, MAX};

/// File systems, and the number by which statfs(2) tells each, as it lies in memory.
const SHARED: [(&str, &str); 3] = [("NFS", "69690000"), ("SMB (cifs)", "424d53ff"), ("FUSE", "46557365")];

#[test]
fn a_home_on_a_network_file_system_is_refused_and_left_as_it_is() {
    for (kind, magic) in SHARED {
        let on = format!("-o /dev/null -e trace=statfs -e inject=statfs:poke_exit=@arg2={magic}00000000");
        let refused = format!("shared file system ({kind}");
        let home = Home::new();
        under(&home, &on, &full(PLANNED)).ends(11).says(&refused).says("--store DIR");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "{kind}");
        // Nor is one believed that came to lie there later.
        home.run(&full(PLANNED)).ends(25);
        let before = home.counts();
        for line in [format!("failback RUNBOOK {MAX}"), "runs --sandbox".to_owned()] {
            under(&home, &on, &line).ends(11).says(&refused);
        }
        assert_eq!(home.counts(), before, "{kind}");
    }
}
