//! The compile cache: what a compilation answered, by everything that it depends on.
//!
//! An entry is one file, named by its key, written beside its place and moved there. Its first line is the SHA-256 of
//! the rest: what was cut off or changed is no entry. Files that a compilation read besides its request (an imported
//! module) are listed in the entry with their hashes, and looked at again before it is used.
//!
//! An entry becomes code that runs with this user's rights. So it says which user wrote it, and a directory that others
//! may write to is refused.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use warpbook_diagnostic::{Diagnostic, Result};

/// Above this many bytes the entries that were used longest ago are deleted.
const BUDGET: u64 = 2 << 30;

/// A directory of entries. Without one (nowhere to write) every look-up misses.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: Option<PathBuf>,
    /// Why the directory is not used although it is there.
    refused: Option<Diagnostic>,
}

/// The second line of an entry's file.
#[derive(Serialize, Deserialize)]
struct Entry<T> {
    /// Numeric id of the user who wrote the entry.
    user: u32,
    /// Path and SHA-256 of each file that the answer depends on.
    files: Vec<(String, String)>,
    answer: T,
}

/// The key of a cache entry: a hash of everything on which the result depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of these texts, in this order.
    pub fn from_parts<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }
}

impl Cache {
    /// The cache in a directory, which is made if it is not there.
    pub fn open(directory: PathBuf) -> Self {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        if made.is_err() {
            return Self::nowhere();
        }
        if let Err(refused) = check_owner(&directory) {
            return Self { directory: None, refused: Some(refused) };
        }
        let cache = Self { directory: Some(directory), refused: None };
        cache.prune(BUDGET);
        cache
    }

    /// Fails if the directory is one that others may write to.
    pub fn check(&self) -> Result<()> {
        self.refused.clone().map_or(Ok(()), Err)
    }

    /// A cache that keeps nothing.
    pub fn nowhere() -> Self {
        Self { directory: None, refused: None }
    }

    fn path(&self, key: Key) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(hex(&key.0)).with_extension("json"))
    }

    /// The answer that this user stored under a key, if every file that it depends on is unchanged.
    pub fn get<T: DeserializeOwned>(&self, key: Key) -> Option<T> {
        self.get_of(key, |user| user == own_user())
    }

    /// As [`Self::get`], of a directory that was carried here from another machine, where the user had another number.
    pub fn get_carried<T: DeserializeOwned>(&self, key: Key) -> Option<T> {
        self.get_of(key, |_| true)
    }

    fn get_of<T: DeserializeOwned>(&self, key: Key, is_trusted: impl Fn(u32) -> bool) -> Option<T> {
        let path = self.path(key)?;
        let entry: Entry<T> = read(&path)?;
        if !is_trusted(entry.user) {
            return None;
        }
        let is_unchanged = |(path, hash): &(String, String)| {
            fs::read(path).is_ok_and(|contents| hex(&Sha256::digest(contents)) == *hash)
        };
        if !entry.files.iter().all(is_unchanged) {
            return None;
        }
        // The time of last use, for pruning.
        if let Ok(file) = fs::File::options().append(true).open(&path) {
            let _ = file.set_modified(SystemTime::now());
        }
        Some(entry.answer)
    }

    /// Stores an answer, with the files that it depends on. A cache that cannot be written is no error.
    pub fn put(&self, key: Key, answer: &impl Serialize, files: &[String]) {
        let _ = self.try_put(key, answer, files);
    }

    /// Makes an entry found by a second key too.
    pub fn link(&self, key: Key, second: Key) {
        if let (Some(path), Some(link)) = (self.path(key), self.path(second)) {
            // A cache that cannot be written is no error.
            let _ = fs::remove_file(&link);
            let _ = fs::hard_link(path, link);
        }
    }

    fn try_put(&self, key: Key, answer: &impl Serialize, files: &[String]) -> Option<()> {
        let path = self.path(key)?;
        let hashed = |file: &String| Some((file.clone(), hex(&Sha256::digest(fs::read(file).ok()?))));
        let files = files.iter().map(hashed).collect::<Option<_>>()?;
        let body = serde_json::to_vec(&Entry { user: own_user(), files, answer }).ok()?;
        let mut file = tempfile::NamedTempFile::new_in(path.parent()?).ok()?;
        writeln!(file, "{}", hex(&Sha256::digest(&body))).ok()?;
        file.write_all(&body).ok()?;
        file.persist(path).ok().map(|_| ())
    }

    fn prune(&self, budget: u64) {
        let Some(directory) = &self.directory else { return };
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let mut found: Vec<(SystemTime, u64, PathBuf)> = entries
            .filter_map(|entry| {
                let about = entry.metadata().ok()?;
                Some((about.modified().ok()?, about.len(), entry.path()))
            })
            .collect();
        found.sort();
        let mut total: u64 = found.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in found {
            if total <= budget {
                break;
            }
            total -= size;
            let _ = fs::remove_file(path);
        }
    }
}

fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Fails if a directory, or the one that holds it, belongs to another user or can be written by others.
fn check_owner(directory: &Path) -> Result<()> {
    for place in [Some(directory), directory.parent()].into_iter().flatten() {
        // What has just been made can be looked at.
        let Ok(about) = fs::metadata(place) else { continue };
        let is_sticky = about.mode() & 0o1000 != 0;
        let owner = about.uid();
        let why = if owner != own_user() && owner != 0 {
            format!("it belongs to the user {owner}, not to {}", own_user())
        } else if about.mode() & 0o022 != 0 && !is_sticky {
            format!(
                "its mode is {:o}: others may put entries in it, which would be run as yours",
                about.mode() & 0o7777
            )
        } else {
            continue;
        };
        let error =
            Diagnostic::error("unsafe-cache", format!("the compile cache {} is not safe to use", place.display()));
        return Err(error
            .note(why)
            .help(format!("`chmod go-w {}`, or name another place by XDG_CACHE_HOME", place.display())));
    }
    Ok(())
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<Entry<T>> {
    // A file of another user's that was linked here is not an entry.
    if fs::symlink_metadata(path).ok()?.uid() != own_user() {
        return None;
    }
    let bytes = fs::read(path).ok()?;
    let newline = bytes.iter().position(|&b| b == b'\n')?;
    let (hash, body) = (bytes.get(..newline)?, bytes.get(newline + 1..)?);
    if hash != hex(&Sha256::digest(body)).as_bytes() {
        return None;
    }
    serde_json::from_slice(body).ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn what_was_put_is_found_until_a_file_changes() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("module.py");
        fs::write(&file, "x = 1").expect("written");
        let cache = Cache::open(directory.path().join("cache"));
        let key = Key::from_parts(["a", "b"]);
        assert_ne!(key, Key::from_parts(["ab", ""]));
        assert_eq!(cache.get::<Value>(key), None);
        cache.put(key, &json!({"x": 1}), &[file.to_str().expect("UTF-8").to_owned()]);
        assert_eq!(cache.get(key), Some(json!({"x": 1})));
        assert_eq!(cache.get::<Value>(Key::from_parts(["a", "c"])), None);
        fs::write(&file, "x = 2").expect("written");
        assert_eq!(cache.get::<Value>(key), None);
    }

    #[test]
    fn an_entry_says_whose_it_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let cache = Cache::open(directory.path().to_owned());
        let key = Key::from_parts(["a"]);
        let body =
            serde_json::to_vec(&Entry { user: own_user() + 1, files: Vec::new(), answer: json!(1) }).expect("JSON");
        let text = [hex(&Sha256::digest(&body)).as_bytes(), b"\n", &body].concat();
        fs::write(cache.path(key).expect("a path"), text).expect("written");
        assert_eq!(cache.get::<Value>(key), None);
        assert_eq!(cache.get_carried(key), Some(json!(1)));
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = directory.path().join("warpbook/compile");
        let cache = Cache::open(place.clone());
        assert!(cache.check().is_ok());
        cache.put(Key::from_parts(["a"]), &json!(1), &[]);
        for (path, mode) in [(place.clone(), 0o777), (place.clone(), 0o720), (directory.path().join("warpbook"), 0o702)]
        {
            let set =
                |mode| fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("set");
            set(mode);
            let cache = Cache::open(place.clone());
            assert_eq!(cache.check().expect_err("refused").code, "unsafe-cache");
            assert_eq!(cache.get::<Value>(Key::from_parts(["a"])), None);
            set(0o700);
        }
        assert!(Cache::open(place).check().is_ok());
    }

    #[test]
    fn a_damaged_entry_is_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let cache = Cache::open(directory.path().to_owned());
        let key = Key::from_parts(["a"]);
        cache.put(key, &json!("value"), &[]);
        let path = cache.path(key).expect("a path");
        let good = fs::read(&path).expect("read");
        for cut in 0..good.len() {
            fs::write(&path, &good[..cut]).expect("written");
            assert_eq!(cache.get::<Value>(key), None, "cut at {cut}");
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, bad).expect("written");
            assert_eq!(cache.get::<Value>(key), None, "byte {at} changed");
        }
        fs::write(&path, good).expect("written");
        assert_eq!(cache.get(key), Some(json!("value")));
    }

    #[test]
    fn pruning_deletes_what_was_used_longest_ago() {
        let directory = tempfile::tempdir().expect("a directory");
        let cache = Cache::open(directory.path().to_owned());
        for (age, name) in ["new", "old"].into_iter().enumerate() {
            let key = Key::from_parts([name]);
            cache.put(key, &json!("x".repeat(100)), &[]);
            let file = fs::File::options().append(true).open(cache.path(key).expect("a path")).expect("opened");
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000 - age as u64);
            file.set_modified(time).expect("set");
        }
        cache.prune(250);
        assert_eq!(cache.get::<Value>(Key::from_parts(["old"])), None);
        assert_eq!(cache.get(Key::from_parts(["new"])), Some(json!("x".repeat(100))));
        assert_eq!(Cache::nowhere().get::<Value>(Key::from_parts(["new"])), None);
    }
}
