//! Temporary directories that only this user can enter, and that go away even if the process that made them is killed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

/// How the names of all of these directories begin.
const PREFIX: &str = "warpbook-";
/// Locked by the process that uses the directory, for as long as that lives.
const IN_USE: &str = "in-use";
/// A directory of this age without [`IN_USE`] was left by a process that was killed while it made the directory.
const UNFINISHED: Duration = Duration::from_secs(3600);

/// A directory of this process's own, which is removed when it is dropped.
pub struct PrivateDirectory {
    directory: TempDir,
    _in_use: File,
}

impl PrivateDirectory {
    /// Makes one in the directory for temporary files, and removes those that killed processes left there. `purpose`
    /// becomes a part of its name.
    pub fn new(purpose: &str) -> io::Result<Self> {
        let parent = std::env::temp_dir();
        sweep(&parent);
        Self::new_in(&parent, purpose)
    }

    /// As [`Self::new`] in another directory, where nothing is removed.
    pub fn new_in(parent: &Path, purpose: &str) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        let directory = builder
            .prefix(&format!("{PREFIX}{purpose}-"))
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(parent)?;
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

/// Removes the directories in `parent` that nobody uses any more. What cannot be removed is another user's, or
/// another process removes it too.
pub fn sweep(parent: &Path) {
    let own = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        // Of the entry itself: a link leads to what is not ours to remove.
        let Ok(about) = entry.metadata() else { continue };
        if !about.is_dir() || about.uid() != own {
            continue;
        }
        match File::open(entry.path().join(IN_USE)) {
            Ok(in_use) if flock(&in_use, FlockOperation::NonBlockingLockExclusive).is_ok() => {
                let _ = fs::remove_dir_all(entry.path());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let age = about.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
                // Only if it is empty: what holds something may be the reader's own.
                if age.is_some_and(|age| age > UNFINISHED) {
                    let _ = fs::remove_dir(entry.path());
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_uses_is_removed() {
        let parent = tempfile::tempdir().expect("a directory");
        let used = PrivateDirectory::new_in(parent.path(), "rust").expect("made");
        assert_eq!(fs::metadata(used.path()).expect("there").permissions().mode() & 0o777, 0o700);
        let abandoned = parent.path().join("warpbook-sockets-gone");
        fs::create_dir(&abandoned).expect("made");
        fs::write(abandoned.join(IN_USE), "").expect("written");
        let [young, old, full] = ["young", "old", "full"].map(|name| parent.path().join(format!("warpbook-{name}")));
        for directory in [&young, &old, &full] {
            fs::create_dir(directory).expect("made");
        }
        fs::write(full.join("notes"), "a reader's own").expect("written");
        let long_ago = SystemTime::now() - 2 * UNFINISHED;
        for directory in [&old, &full] {
            File::open(directory).and_then(|directory| directory.set_modified(long_ago)).expect("set");
        }
        // What a link leads to is another's, whatever the link is called.
        let other = tempfile::tempdir().expect("a directory");
        fs::write(other.path().join(IN_USE), "").expect("written");
        std::os::unix::fs::symlink(other.path(), parent.path().join("warpbook-link")).expect("linked");
        sweep(parent.path());
        assert!(full.join("notes").exists());
        assert!(used.path().exists() && young.exists() && other.path().join(IN_USE).exists());
        assert!(!abandoned.exists() && !old.exists());
    }
}
