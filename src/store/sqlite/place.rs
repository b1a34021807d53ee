//! Where a realm's store lies: a private folder on a local disk.
//!
//! `HOME/live.db` and `HOME/sandbox.db`, with SQLite's `-wal` and `-shm` beside them, and
//! `HOME/locks/`. The folder must be local: kernel locks and the shared memory of the write-ahead
//! log do not reach another machine, and two machines that both believe they hold a lease are what
//! this store is there to prevent.

use super::OpenError;
use crate::{
    event::Realm,
    ids::{Digest, Epoch, LeaseKey},
};
use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// The files of one realm.
#[derive(Clone, Debug)]
pub(super) struct Place {
    home: PathBuf,
    realm: &'static str,
}

impl Place {
    pub(super) fn new(home: &Path, realm: Realm) -> Self {
        let realm = match realm {
            Realm::Live => "live",
            Realm::Sandbox => "sandbox",
        };
        Self { home: home.to_owned(), realm }
    }

    /// The database.
    pub(super) fn database(&self) -> PathBuf {
        self.home.join(format!("{}.db", self.realm))
    }
    /// Its write-ahead log.
    pub(super) fn log(&self) -> PathBuf {
        self.home.join(format!("{}.db-wal", self.realm))
    }
    /// The book of notes.
    pub(super) fn book(&self) -> PathBuf {
        self.home.join(format!("{}-watch.db", self.realm))
    }
    /// The database while it is made.
    pub(super) fn unfinished(&self) -> PathBuf {
        self.home.join(format!("{}.db.new", self.realm))
    }
    /// What may lie about where there is no database: files that SQLite has beside one, and beside one that
    /// was never finished.
    pub(super) fn leftovers(&self) -> impl Iterator<Item = PathBuf> {
        let beside = |file: PathBuf| {
            ["-wal", "-shm", "-journal"].map(|end| {
                let mut name = file.clone().into_os_string();
                name.push(end);
                PathBuf::from(name)
            })
        };
        let of_both = [self.database(), self.unfinished()].into_iter().flat_map(beside);
        of_both.chain([self.unfinished()])
    }
    /// Held while a process creates or opens the database.
    pub(super) fn opening_lock(&self) -> PathBuf {
        self.locks().join(format!("{}-opening.lock", self.realm))
    }
    /// Held while a process holds the lease of a key under an epoch: one that was seized stays with
    /// its old holder. Keys are any text, so their hash names them.
    pub(super) fn lease_lock(&self, key: &LeaseKey, epoch: Epoch) -> PathBuf {
        self.locks().join(format!("{}-{epoch}.lock", self.name(key)))
    }
    /// How far the last run of a key was written.
    pub(super) fn note(&self, key: &LeaseKey) -> PathBuf {
        self.locks().join(format!("{}.note", self.name(key)))
    }
    /// Those of all keys that there are.
    pub(super) fn notes(&self) -> Vec<PathBuf> {
        let ours = |name: &str| name.strip_prefix(self.realm).is_some_and(|rest| rest.starts_with('-'));
        let files = fs::read_dir(self.locks()).into_iter().flatten().flatten().map(|file| file.path());
        let notes = files.filter(|file| file.extension().is_some_and(|end| end == "note"));
        notes.filter(|file| file.file_name().and_then(|name| name.to_str()).is_some_and(ours)).collect()
    }
    fn name(&self, key: &LeaseKey) -> String {
        let hash = Digest::of(key.as_str().as_bytes());
        format!("{}-{}", self.realm, &hash.as_str()[..16])
    }
    fn locks(&self) -> PathBuf {
        self.home.join("locks")
    }

    /// Makes the folders, for their owner alone, and refuses what cannot hold a journal.
    pub(super) fn prepare(&self) -> Result<(), OpenError> {
        let unusable = |path: &Path, why: &io::Error| OpenError::Home { path: path.to_owned(), why: why.to_string() };
        let new = !self.home.exists();
        let mut folder = DirBuilder::new();
        folder.recursive(true).mode(0o700);
        folder.create(&self.home).map_err(|why| unusable(&self.home, &why))?;
        self.refuse_network()?;
        folder.create(self.locks()).map_err(|why| unusable(&self.locks(), &why))?;
        if new && let Some(above) = self.home.canonicalize().ok().as_deref().and_then(Path::parent) {
            // The name of the new folder must outlast a power cut too.
            sync_folder(above).map_err(|why| unusable(above, &why))?;
        }
        Ok(())
    }

    /// Refuses a home that other machines may share.
    pub(super) fn refuse_network(&self) -> Result<(), OpenError> {
        let found = rustix::fs::statfs(&self.home)
            .map_err(|why| OpenError::Home { path: self.home.clone(), why: io::Error::from(why).to_string() })?;
        match shared_filesystem(found.f_type) {
            Some(kind) => Err(OpenError::Network { path: self.home.clone(), kind }),
            None => Ok(()),
        }
    }

    /// Whether nobody can change the database: its disk is mounted read-only, and no log is left of it.
    pub(super) fn stands_still(&self) -> bool {
        let read_only = rustix::fs::statvfs(&self.home)
            .is_ok_and(|found| found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY));
        read_only && fs::metadata(self.log()).map_or(true, |log| log.len() == 0)
    }

    /// Makes the names in the folder durable.
    pub(super) fn sync(&self) -> Result<(), OpenError> {
        sync_folder(&self.home).map_err(|why| OpenError::Home { path: self.home.clone(), why: why.to_string() })
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// A lock file, opened; created for its owner alone where it is new. A lock on a deleted file excludes
/// nobody: those of leases are deleted long after their epoch is over, others never.
pub(super) fn lock_file(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// The name of a file system that other machines may share, by its magic number (statfs(2)).
/// FUSE is among them as a whole: the kernel does not say what is behind it.
fn shared_filesystem(magic: rustix::fs::FsWord) -> Option<&'static str> {
    // Magic numbers have 32 bits; on some machines the field is signed and as wide.
    let kind = match magic & 0xffff_ffff {
        0x6969 => "NFS",
        0x517b => "SMB",
        0xff53_4d42 | 0xfe53_4d42 => "SMB (cifs)",
        0x0102_1997 => "9p",
        0x6573_5546 => "FUSE (sshfs, s3fs, …)",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x00c3_6400 => "CephFS",
        0x0bd0_0bd0 => "Lustre",
        0x0116_1970 => "GFS2",
        0x7461_636f => "OCFS2",
        0x4750_4653 => "GPFS",
        0x786f_4256 => "a VirtualBox shared folder",
        0xbacb_acbc => "a VMware shared folder",
        _ => return None,
    };
    Some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_that_machines_share_are_told_from_local_ones() {
        for shared in [0x6969, 0xff53_4d42, 0x0102_1997, 0x6573_5546] {
            assert!(shared_filesystem(shared).is_some(), "{shared:x}");
        }
        // ext4, xfs, btrfs, tmpfs, overlayfs, zfs
        for local in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1] {
            assert_eq!(shared_filesystem(local), None, "{local:x}");
        }
    }

    #[test]
    fn a_lease_lock_is_named_by_realm_key_and_epoch() {
        let path =
            |realm, key: &str, epoch| Place::new(Path::new("h"), realm).lease_lock(&LeaseKey::from(key), Epoch(epoch));
        assert_ne!(path(Realm::Live, "a", 1), path(Realm::Live, "b", 1));
        assert_ne!(path(Realm::Live, "a", 1), path(Realm::Live, "a", 2));
        assert_ne!(path(Realm::Live, "a", 1), path(Realm::Sandbox, "a", 1));
        assert!(path(Realm::Live, "../../etc", 1).to_str().unwrap().starts_with("h/locks/live-"));
    }
}
