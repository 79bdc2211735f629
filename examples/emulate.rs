//! Runs a PTX file on the CPU emulator, without any notebook.
//!
//! ```text
//! cargo run --release --example emulate -- KERNEL.ptx ENTRY --grid 4,1,1 --threads 128 --shared 0 --sm 80 \
//!     buffer:IN.bin buffer:IN.bin:OUT.bin i32:1000 f32:0.5 zeros:1024
//! ```
//! `buffer:FILE` is a pointer to the file's bytes; with `:OUT` they are written there after the launch. `zeros:BYTES`
//! is a pointer to zeroed scratch memory.

use std::sync::atomic::AtomicBool;

use warpbook_emulator::{GlobalMemory, LaunchConfig, Module, launch};

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().ok_or_else(|| format!("expected {what}"));
    let path = next("a PTX file")?;
    let entry = next("the entry function")?;
    let text = std::fs::read_to_string(&path)?;
    let module = Module::load(&text).map_err(|error| error.to_plain())?;
    let kernel = module.kernel(&entry).ok_or("there is no such entry function")?;
    let (mut grid, mut threads, mut shared, mut capability, mut repeat) = ([1; 3], 128, 0, 80, 1);
    let mut memory = GlobalMemory::default();
    let mut parameters: Vec<Vec<u8>> = Vec::new();
    let mut outputs = Vec::new();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("`{argument}` needs a value"));
        match argument.as_str() {
            "--grid" => {
                for (extent, text) in grid.iter_mut().zip(value()?.split(',')) {
                    *extent = text.parse()?;
                }
            }
            "--threads" => threads = value()?.parse()?,
            "--shared" => shared = value()?.parse()?,
            "--sm" => capability = value()?.parse()?,
            "--repeat" => repeat = value()?.parse()?,
            _ => {
                let (kind, text) = argument.split_once(':').ok_or("an argument is kind:value")?;
                let bytes = match kind {
                    "i32" => text.parse::<i32>()?.to_le_bytes().to_vec(),
                    "i64" => text.parse::<i64>()?.to_le_bytes().to_vec(),
                    "i8" => text.parse::<i8>()?.to_le_bytes().to_vec(),
                    "f32" => text.parse::<f32>()?.to_le_bytes().to_vec(),
                    "f64" => text.parse::<f64>()?.to_le_bytes().to_vec(),
                    "zeros" | "buffer" => {
                        let (file, out) = text.split_once(':').unwrap_or((text, ""));
                        let contents = if kind == "zeros" { vec![0; text.parse()?] } else { std::fs::read(file)? };
                        let label = format!("argument {}", parameters.len());
                        let address = memory.allocate(&label, contents.len() as u64).ok_or("out of memory")?;
                        assert!(memory.write(address, &contents), "a fresh allocation holds its contents");
                        if !out.is_empty() {
                            outputs.push((address, contents.len(), out.to_owned()));
                        }
                        address.to_le_bytes().to_vec()
                    }
                    _ => return Err(format!("`{kind}` is no kind of argument").into()),
                };
                parameters.push(bytes);
            }
        }
    }
    let mut globals = Vec::new();
    for variable in module.variables() {
        let address = memory.allocate(&variable.name, variable.bytes.len() as u64).ok_or("out of memory")?;
        assert!(memory.write(address, &variable.bytes), "a fresh allocation holds its contents");
        globals.push(address);
    }
    let block = [threads, 1, 1];
    let config = LaunchConfig { grid, block, shared, parameters, globals, capability, ..LaunchConfig::default() };
    for _ in 0..repeat {
        let start = std::time::Instant::now();
        let stop = AtomicBool::new(false);
        let stats = launch(&module, kernel, &config, &memory, &stop, &|text| print!("{text}"))
            .map_err(|fault| fault.into_diagnostic(module.source()).to_plain())?;
        eprintln!("emulated in {:?}: {} warp instructions", start.elapsed(), stats.warp_instructions);
    }
    for (address, length, path) in outputs {
        let mut bytes = vec![0; length];
        assert!(memory.read(address, &mut bytes), "the allocation is still there");
        std::fs::write(path, bytes)?;
    }
    Ok(())
}
