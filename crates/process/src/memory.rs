//! Memory before it is taken: what this process can still have, and vectors that say so instead of ending it.

use std::fmt;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};
use warpbook_diagnostic::{Diagnostic, code};

/// Requests below this many bytes are not held against what is available: other programs move the figure by more.
const SMALL: u64 = 4 << 20;

/// What bounds the memory of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Memory of the machine that nothing uses (`MemAvailable` of /proc/meminfo).
    Machine,
    /// The limit of a control group that this process is in, less what the group uses.
    ControlGroup,
    /// The limit of the address space (`ulimit -v`), less what is mapped.
    AddressSpace,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Machine => "free on this machine",
            Self::ControlGroup => "left under the memory limit of the control group",
            Self::AddressSpace => "left under the limit of the address space (`ulimit -v`)",
        })
    }
}

/// Bytes that this process can still have, and what bounds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Available {
    /// Number of bytes.
    pub bytes: u64,
    /// The tightest limit.
    pub limit: Limit,
}

/// A request for more memory than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// Number of bytes that were requested; `None` where 64 bits do not count them.
    pub wanted: Option<u64>,
    /// What there was.
    pub available: Available,
}

impl Shortage {
    /// The sizes in words: `8 TiB; 20.1 GiB are free on this machine`.
    pub fn sizes(&self) -> String {
        format!("{}; {} are {}", self.wanted_text(), size(self.available.bytes), self.available.limit)
    }

    /// The requested size in words.
    pub fn wanted_text(&self) -> String {
        self.wanted.map_or_else(|| "more bytes than 64 bits count".to_owned(), size)
    }

    /// An error whose sentence names what needs the memory.
    pub fn diagnostic(&self, what: &str) -> Diagnostic {
        Diagnostic::error(code::OUT_OF_MEMORY, format!("not enough memory: {what} takes {}", self.wanted_text()))
            .note(format!("{} are {}", size(self.available.bytes), self.available.limit))
            .help("`%bufs` shows what is allocated, `%free` gives it back")
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not enough memory for {}", self.sizes())
    }
}

/// Number of bytes in words, to a tenth of its unit.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let power = (bytes.ilog2() / 10).min(UNITS.len() as u32);
    let tenths = (u128::from(bytes) * 10) >> (10 * power);
    let unit = UNITS.get(power as usize - 1).copied().unwrap_or_default();
    if tenths.is_multiple_of(10) {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

/// What this process can still have. Limits that cannot be read do not count.
pub fn available() -> Available {
    available_under(Path::new("/"), getrlimit(Resource::As).current)
}

/// Fails if so many bytes are more than 15/16 of what this process can still have; the rest is for everything else.
pub fn check(bytes: Option<u64>) -> Result<(), Shortage> {
    if bytes.is_some_and(|bytes| bytes < SMALL) {
        return Ok(());
    }
    let available = available();
    match bytes {
        Some(wanted) if wanted <= available.bytes - available.bytes / 16 => Ok(()),
        wanted => Err(Shortage { wanted, available }),
    }
}

/// An empty vector with room for a number of elements.
pub fn room<T>(count: usize) -> Result<Vec<T>, Shortage> {
    let bytes = (count as u64).checked_mul(size_of::<T>() as u64);
    check(bytes)?;
    let mut room = Vec::new();
    match room.try_reserve_exact(count) {
        Ok(()) => Ok(room),
        Err(_) => Err(Shortage { wanted: bytes, available: available() }),
    }
}

/// As [`available`], with another root of the file system.
fn available_under(root: &Path, address_space: Option<u64>) -> Available {
    let machine = field(&root.join("proc/meminfo"), "MemAvailable:").map(|kibibytes| kibibytes << 10);
    let group = group_left(root);
    let mapped = field(&root.join("proc/self/status"), "VmSize:").map(|kibibytes| kibibytes << 10);
    let space = address_space.map(|limit| limit.saturating_sub(mapped.unwrap_or_default()));
    [(machine, Limit::Machine), (group, Limit::ControlGroup), (space, Limit::AddressSpace)]
        .into_iter()
        .filter_map(|(bytes, limit)| bytes.map(|bytes| Available { bytes, limit }))
        .min_by_key(|available| available.bytes)
        .unwrap_or(Available { bytes: u64::MAX, limit: Limit::Machine })
}

/// The number behind a name in a file of lines such as `MemAvailable:  1234 kB`.
fn field(path: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The least that any control group of this process leaves. A group's page cache counts as free: it is given up first.
fn group_left(root: &Path) -> Option<u64> {
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mut least = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let files = if controllers.is_empty() {
            ("sys/fs/cgroup", ["memory.max", "memory.current"], "inactive_file ")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            let names = ["memory.limit_in_bytes", "memory.usage_in_bytes"];
            ("sys/fs/cgroup/memory", names, "total_inactive_file ")
        } else {
            continue;
        };
        let (mount, [limit, usage], cache) = files;
        let mount = root.join(mount);
        let own: PathBuf = mount.join(path.trim_start_matches('/'));
        // A container sees its own group as the mount's root, whatever its path says.
        for directory in own.ancestors().take_while(|directory| directory.starts_with(&mount)) {
            let number = |name: &str| std::fs::read_to_string(directory.join(name)).ok()?.trim().parse::<u64>().ok();
            let (Some(limit), Some(usage)) = (number(limit), number(usage)) else { continue };
            let cache = field(&directory.join("memory.stat"), cache).unwrap_or_default();
            let left = limit.saturating_sub(usage.saturating_sub(cache));
            least = Some(least.map_or(left, |least: u64| least.min(left)));
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root of a file system with these files.
    fn root(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("warpbook-memory-{name}-{}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, text).expect("written");
        }
        root
    }

    #[test]
    fn the_tightest_limit_counts() {
        let meminfo = ("proc/meminfo", "MemTotal: 99999999 kB\nMemAvailable:    8388608 kB\n");
        let second = [
            meminfo,
            ("proc/self/cgroup", "0::/user/kernel\n"),
            ("sys/fs/cgroup/user/memory.max", "3221225472\n"),
            ("sys/fs/cgroup/user/memory.current", "2147483648\n"),
            ("sys/fs/cgroup/user/memory.stat", "anon 5\ninactive_file 1073741824\n"),
            ("sys/fs/cgroup/user/kernel/memory.max", "max\n"),
            ("sys/fs/cgroup/user/kernel/memory.current", "1\n"),
        ];
        let first = [
            meminfo,
            ("proc/self/cgroup", "4:cpu,memory:/not/seen/here\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "73741824\n"),
        ];
        let space = [meminfo, ("proc/self/status", "Name:\tkernel\nVmSize:\t    4096 kB\n")];
        // A name, files and their contents, `ulimit -v`, and what is left in bytes, by which limit.
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<u64>, u64, Limit);
        let cases: [Case<'_>; 4] = [
            ("machine", &[meminfo], None, 8 << 30, Limit::Machine),
            ("second", &second, None, 2 << 30, Limit::ControlGroup),
            ("first", &first, None, 1_000_000_000, Limit::ControlGroup),
            ("space", &space, Some(1 << 30), (1 << 30) - (4 << 20), Limit::AddressSpace),
        ];
        for (name, files, rlimit, bytes, limit) in cases {
            let root = root(name, files);
            assert_eq!(available_under(&root, rlimit), Available { bytes, limit }, "{name}");
            std::fs::remove_dir_all(root).expect("removed");
        }
        assert_eq!(available_under(Path::new("/nothing/here"), None).bytes, u64::MAX);
    }

    #[test]
    fn what_nothing_holds_is_refused() {
        assert!(available().bytes > 0);
        let shortage = room::<f64>(1 << 50).expect_err("8 PiB");
        assert_eq!(shortage.wanted, Some(1 << 53));
        assert!(shortage.to_string().starts_with("not enough memory for 8 PiB; "), "{shortage}");
        assert_eq!(room::<f64>(usize::MAX).expect_err("too many").wanted, None);
        assert!(room::<u8>(1000).expect("room").capacity() >= 1000);
    }

    #[test]
    fn sizes_are_words() {
        for (bytes, text) in [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (8 << 40, "8 TiB")] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(size(u64::MAX), "15.9 EiB");
    }
}
