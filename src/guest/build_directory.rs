//! Where evcxr builds: a temporary directory per kernel, which is also removed when the kernel was killed.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

const PREFIX: &str = "warpbook-rust-";
/// Locked by the kernel that uses the directory, for as long as that lives.
const IN_USE: &str = "in-use";

/// A directory of this kernel's own.
pub struct BuildDirectory {
    directory: TempDir,
    _in_use: File,
}

impl BuildDirectory {
    /// Makes one, and removes those that killed kernels left.
    pub fn new() -> io::Result<Self> {
        Self::new_in(&std::env::temp_dir())
    }

    fn new_in(parent: &Path) -> io::Result<Self> {
        remove_abandoned(parent);
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        // Locked before it has its name: whoever finds it finds it locked.
        let in_use = tempfile::NamedTempFile::new_in(directory.path())?;
        flock(&in_use, FlockOperation::NonBlockingLockExclusive)?;
        let in_use = in_use.persist(directory.path().join(IN_USE)).map_err(|error| error.error)?;
        Ok(Self { directory, _in_use: in_use })
    }

    /// Path of the directory on this machine.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// What cannot be removed is another user's, or somebody else removes it too.
fn remove_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let Ok(in_use) = File::open(entry.path().join(IN_USE)) else { continue };
        if flock(&in_use, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_uses_is_removed() {
        let parent = tempfile::tempdir().expect("a directory");
        let used = BuildDirectory::new_in(parent.path()).expect("made");
        let abandoned = parent.path().join("warpbook-rust-gone");
        fs::create_dir(&abandoned).expect("made");
        fs::write(abandoned.join(IN_USE), "").expect("written");
        let other = BuildDirectory::new_in(parent.path()).expect("made");
        assert!(used.path().exists() && other.path().exists());
        assert!(!abandoned.exists());
    }
}
