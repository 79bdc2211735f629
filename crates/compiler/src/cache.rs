//! The compile cache: what a compilation answered, by everything that it depends on.
//!
//! An entry is one file, named by its key, written beside its place and moved there. Its first line is the SHA-256 of
//! the rest: what was cut off or changed is no entry. Files that a compilation read besides its request (an imported
//! module) are listed in the entry with their hashes, and looked at again before it is used.

use std::fs;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Above this many bytes the entries that were used longest ago are deleted.
const BUDGET: u64 = 2 << 30;

/// A directory of entries. Without one (nowhere to write) every look-up misses.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: Option<PathBuf>,
}

/// The second line of an entry's file.
#[derive(Serialize, Deserialize)]
struct Entry<T> {
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
        let cache = Self { directory: made.is_ok().then_some(directory) };
        cache.prune(BUDGET);
        cache
    }

    /// A cache that keeps nothing.
    pub fn nowhere() -> Self {
        Self { directory: None }
    }

    fn path(&self, key: Key) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(hex(&key.0)).with_extension("json"))
    }

    /// The answer that was stored under a key, if every file that it depends on is unchanged.
    pub fn get<T: DeserializeOwned>(&self, key: Key) -> Option<T> {
        let path = self.path(key)?;
        let entry: Entry<T> = read(&path)?;
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
        let body = serde_json::to_vec(&Entry { files, answer }).ok()?;
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

fn read<T: DeserializeOwned>(path: &Path) -> Option<Entry<T>> {
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
