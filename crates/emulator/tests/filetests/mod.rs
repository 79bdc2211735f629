//! PTX filetests: each `tests/filetests/*/*.ptx` says in its first comments what is done with it and what comes out.
//!
//! ```text
//! //! test emulate ptxas cuda                      commands, each a file here; an unknown one is refused
//! //! launch grid=1 block=8,4 cluster=1 shared=64 sm=80     (each has a default: 1, 32, 1, 0, 80)
//! //! buffer out u32[32]                           zeros, unless values follow: `= 1 2 3*4` (three, four times)
//! //! scalar f32 1.5
//! //! unwritten out                                the checks take it for never written
//! //! expect out = 0 1 2                           the rest of the buffer is zero
//! //! print "text\n"
//! //! error out-of-bounds line 12: message
//! //! without A: error race line 12: message       what is found once the lines marked `// A` are gone
//! ```
//!
//! Parameters are the buffers and scalars in order. Folders are families of instructions; in `check` and `fault` are
//! programs with mistakes. `WARPBOOK_BLESS=1` writes what came out over what was expected.

mod case;
mod check;
mod cuda;
mod element;
mod emulate;
mod forms;
mod launch;
pub mod ptxas;
mod refused;

use std::path::{Path, PathBuf};

use case::{Case, Command};

/// All files, in order.
fn cases() -> Vec<Case> {
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("the file can be read");
        Case::parse(path, text).unwrap_or_else(|error| panic!("{error}"))
    };
    paths().into_iter().map(read).collect()
}

/// The files of all families: those written by hand, and those of single forms, which `derive.py` writes.
pub fn paths() -> Vec<PathBuf> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filetests");
    let families = entries(&root).into_iter().filter(|path| path.is_dir());
    let files = families.flat_map(|family| entries(&family));
    let mut paths: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|name| name == "ptx")).collect();
    paths.sort();
    assert!(paths.len() > 600, "{} files", paths.len());
    paths
}

/// Runs the files that name a command; how many there are, and where something else came out than their heads say.
fn compare(command: Command, run: impl Fn(&Case) -> Vec<String>) -> (usize, Vec<String>) {
    let is_blessing = std::env::var_os("WARPBOOK_BLESS").is_some() && command != Command::Cuda;
    let (mut count, mut wrong) = (0, Vec::new());
    for case in cases().iter().filter(|case| case.has(command)) {
        count += 1;
        let found = run(case);
        if found == case.expected {
            continue;
        }
        if is_blessing {
            case.bless(&found);
        } else {
            wrong.push(format!("{}\n  found    {found:#?}\n  expected {:#?}", case.name(), case.expected));
        }
    }
    (count, wrong)
}
