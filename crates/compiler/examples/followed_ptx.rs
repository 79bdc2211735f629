//! PTX as ptxas read it: with the pairs of `mul` and `add` as `fma` that ptxas contracted, and the constants that it computed.
//!
//! `followed_ptx PTX ENTRY LISTING` prints it; LISTING is what `nvdisasm -c -gp -hex` says of the cubin, which ptxas made with
//! `-lineinfo`. `tests/triton_suite/repeat_on_gpu.py` uses it to compare launches on a GPU with the emulator.

use warpbook_compiler::contraction::follow;
use warpbook_compiler::{Artifact, Stage};
use warpbook_ir::sass;

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [ptx, entry, listing] = &arguments[..] else { return Err("usage: followed_ptx PTX ENTRY LISTING".to_owned()) };
    let read = |path: &str| std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    let ptx = Artifact::new(Stage::Ptx, read(ptx)?.into_bytes());
    let followed = follow(&ptx, entry, &sass::parse(&read(listing)?)).map_err(|error| error.to_plain())?;
    eprintln!("{}", followed.describe());
    print!("{}", followed.text);
    Ok(())
}
