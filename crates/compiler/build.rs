//! Packs the worker's Python package into the library: the source of each module by its dotted name.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const PACKAGE: &str = "warpbook_worker";

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("worker");
    let package = root.join(PACKAGE);
    println!("cargo::rerun-if-changed={}", package.display());
    let mut list = String::from("&[\n");
    let mut files: Vec<PathBuf> =
        fs::read_dir(&package)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "py")) {
        let module = match file.file_stem().and_then(|stem| stem.to_str()) {
            Some("__init__") => PACKAGE.to_owned(),
            Some(stem) => format!("{PACKAGE}.{stem}"),
            None => continue,
        };
        writeln!(list, "    ({module:?}, include_str!({:?})),", file.display()).map_err(io::Error::other)?;
    }
    list.push_str("]\n");
    fs::write(Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("worker_modules.rs"), list)
}
