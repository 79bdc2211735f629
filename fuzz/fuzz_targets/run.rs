//! Decode and run: whatever is decoded runs to its end, to a fault or to the limit of instructions, in bounded memory.

#![no_main]

use std::sync::atomic::AtomicBool;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use warpbook_emulator::observe::Observe;
use warpbook_emulator::{
    Arithmetic, GlobalMemory, Interleave, LaunchConfig, Module, TensorMap, TensorMapSwizzle, TensorMapType, launch,
};
use warpbook_fuzz::mutate::mutate;

/// Bytes of each of the four buffers.
const BUFFER: u64 = 1 << 14;
/// Warp instructions of a block.
const LIMIT: u64 = 20_000;
/// Bytes of module variables that are placed.
const VARIABLES: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(module) = Module::load(text) else { return };
    let chosen = data.iter().fold(0u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    for name in module.kernel_names().take(2) {
        let Some(kernel) = module.kernel(name) else { continue };
        let mut memory = GlobalMemory::default();
        let buffers: Vec<u64> = ["a", "b", "c", "d"].iter().filter_map(|name| memory.allocate(name, BUFFER)).collect();
        let variables = module.variables();
        if variables.iter().map(|variable| variable.bytes.len()).sum::<usize>() > VARIABLES {
            continue;
        }
        let mut globals = Vec::new();
        for variable in &variables {
            let Some(address) = memory.allocate(&variable.name, variable.bytes.len() as u64) else { return };
            assert!(memory.write(address, &variable.bytes));
            globals.push(address);
        }
        let mut next = buffers.iter().cycle();
        let mut address = || next.next().copied().unwrap_or_default();
        let parameters = kernel.declaration.params.iter().map(|param| match param.size() {
            8 => address().to_le_bytes().to_vec(),
            4 => 32u32.to_le_bytes().to_vec(),
            128 => map(address()).encode().to_vec(),
            size => vec![1; size as usize],
        });
        let parameters = parameters.collect();
        let threads = kernel.declaration.reqntid.or(kernel.declaration.maxntid).unwrap_or([64, 1, 1]);
        let threads = threads.map(|extent| extent.clamp(1, 256));
        let threads = if threads.iter().product::<u32>() > 256 { [64, 1, 1] } else { threads };
        let cluster = kernel.declaration.cluster.unwrap_or([1; 3]).map(|extent| extent.clamp(1, 2));
        let config = LaunchConfig {
            grid: [cluster[0] * 2, cluster[1], cluster[2]],
            block: threads,
            cluster,
            shared: 32 << 10,
            parameters,
            globals,
            capability: [80, 89, 90, 100][chosen as usize % 4],
            arithmetic: if chosen & 16 == 0 { Arithmetic::Exact } else { Arithmetic::Fast },
            check: chosen & 32 != 0,
            seed: chosen >> 6 & 3,
            observe: (chosen & 0x300 == 0x300).then_some(Observe::Counters { in_order: chosen & 0x400 == 0 }),
            unwritten: buffers
                .first()
                .filter(|_| chosen & 0xc00 == 0)
                .map(|&first| (first, BUFFER))
                .into_iter()
                .collect(),
            limit: Some(LIMIT),
        };
        match launch(&module, kernel, &config, &memory, &AtomicBool::new(false), &|_| {}) {
            Ok(stats) => {
                for finding in stats.checked.iter().flat_map(|checked| &checked.findings) {
                    assert!(!finding.to_plain().is_empty());
                }
            }
            Err(fault) => assert!(!fault.into_diagnostic(module.source()).to_plain().is_empty()),
        }
    }
});

/// A map of a 64 × 64 f16 matrix.
fn map(address: u64) -> TensorMap {
    TensorMap {
        element: TensorMapType::F16,
        address,
        dims: vec![64, 64],
        strides: vec![128],
        tile: vec![64, 16],
        element_strides: vec![1, 1],
        interleave: Interleave::None,
        swizzle: TensorMapSwizzle::B128,
        l2_promotion: 0,
        fill_nan: false,
    }
}

fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    match mutate(&data[..size], seed) {
        Some(text) if !seed.is_multiple_of(8) && text.len() <= most => {
            data[..text.len()].copy_from_slice(text.as_bytes());
            text.len()
        }
        _ => fuzzer_mutate(data, size, most),
    }
});
