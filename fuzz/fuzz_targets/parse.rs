//! The parser and the decoder: any text is a module or a diagnostic that can be rendered.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use warpbook_diagnostic::Source;
use warpbook_emulator::Module;
use warpbook_fuzz::mutate::mutate;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(error) = warpbook_ptx::parse(text) {
        let rendered = error.in_source(&Source::new("ptx", text)).to_plain();
        assert!(!rendered.is_empty());
    }
    if let Ok(module) = Module::load(text) {
        let _ = module.variables();
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    match mutate(&data[..size], seed) {
        Some(text) if !seed.is_multiple_of(8) && text.len() <= most => {
            data[..text.len()].copy_from_slice(text.as_bytes());
            text.len()
        }
        _ => fuzzer_mutate(data, size, most),
    }
});
