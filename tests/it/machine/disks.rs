//! Homes on a file system of their own: full, read-only. Such a one can be mounted by root alone;
//! for others the tests say that they were skipped.

use crate::binary::{AGREED, Home, MAX};
use std::{path::Path, process::Command};

const SKIPPED: &str = "SKIPPED: only root can mount a small disk";

/// A file system in memory, gone with the test.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    /// Mounts one of so many KiB; none for who may not.
    fn new(at: &'a Path, kib: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        mount(&["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs", at.to_str().unwrap()]).then_some(Self(at))
    }

    fn remount(&self, options: &str) {
        assert!(mount(&["-o", &format!("remount,{options}"), self.0.to_str().unwrap()]), "{options}");
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.0).output());
    }
}

fn mount(arguments: &[&str]) -> bool {
    Command::new("mount").args(arguments).output().is_ok_and(|ran| ran.status.success())
}

fn failover() -> String {
    format!("failover RUNBOOK --planned --no-reprotect {MAX} {AGREED} --seed 2")
}

#[test]
fn a_run_on_a_disk_that_fills_up_stops_with_30_and_goes_on_when_there_is_room() {
    let undisturbed = Home::new();
    undisturbed.run(&failover()).ends(25);
    let applied = undisturbed.lived().applied;
    let mut stopped = 0;
    for kib in (120..1600).step_by(128) {
        let home = Home::new();
        let path = home.path();
        let Some(disk) = Disk::new(&path, kib) else { return println!("{SKIPPED}") };
        let ran = home.run(&failover());
        let told = format!("{kib} KiB: {ran:?}");
        disk.remount("size=64m");
        match ran.code {
            25 => break,
            30 => {
                stopped += 1;
                assert!(ran.err.contains("free some space") && ran.err.contains("lifeboat resume"), "{told}");
            }
            // There was no room even for the tables, or for the world.
            11 => assert!(ran.err.contains("sandbox") && ran.err.contains("full"), "{told}"),
            // The world was full, not the journal.
            23 => assert!(home.run("show --sandbox").out.contains("full"), "{told}"),
            _ => panic!("{told}"),
        }
        let recorded = home.run("runs --sandbox --output json").ends(0).objects().len();
        let again = if recorded == 0 { failover() } else { format!("resume {MAX} {AGREED}") };
        let ran = home.run(&again);
        assert!(matches!(ran.code, 0 | 25), "{told}: {ran:?}");
        let lived = home.lived();
        assert_eq!((&lived.applied, lived.repeated), (&applied, vec![]), "{told}");
        home.run("store verify --sandbox").ends(0);
    }
    println!("{stopped} disks were full amid a run");
    assert!(stopped > 2, "{stopped}");
}

#[test]
fn a_home_that_is_read_only_is_refused_before_anything_and_can_still_be_read() {
    let home = Home::new();
    let path = home.path();
    let Some(disk) = Disk::new(&path, 64 * 1024) else { return println!("{SKIPPED}") };
    home.run(&format!("failover RUNBOOK --planned --no-reprotect {MAX} --accept promote --seed 2")).ends(23);
    let (run, before) = (home.last_run(), home.counts());
    disk.remount("ro");
    for line in [
        failover(),
        format!("resume {MAX} --yes"),
        format!("approve {MAX}"),
        format!("abandon {run} --reason x --sandbox"),
    ] {
        let refused = home.run(&line).ends(11);
        assert!(refused.err.contains("read-only") || refused.err.contains("Read-only"), "{line}: {}", refused.err);
        assert!(refused.err.contains("--store DIR"), "{line}: {}", refused.err);
    }
    for line in ["runs", "show", "store verify", "store export"] {
        home.run(&format!("{line} --sandbox")).ends(0).says(&run);
    }
    disk.remount("rw");
    assert_eq!(home.counts(), before);
    home.run(&format!("resume {MAX} --yes")).ends(25);
}
