//! The memory that Triton's code takes for itself, behind its trailing pointers: global scratch, profile scratch.
//!
//! Below TTGIR no text states how many bytes these are. Where the code reads the pointer all the same, the emulator gives
//! the launch plenty, filled with a pattern, and finds afterwards how much of it was written.

use super::plan::LaunchPlan;
use warpbook_compiler::meta::{embedded_ptx, mentions_parameter};
use warpbook_compiler::{Artifact, LaunchMeta, Scratch, Sourced, Stage};
use warpbook_device::Device;
use warpbook_diagnostic::{Diagnostic, Result};

/// Bytes for each block where the amount is not known, within the two limits below.
const GUESS_PER_BLOCK: u64 = 8 << 10;
/// Least number of bytes for a whole launch where the amount is not known.
const LEAST_GUESS: u64 = 1 << 20;
/// Largest number of bytes for a whole launch where the amount is not known: they are filled and compared.
const MOST_GUESS: u64 = 64 << 20;
/// Triton's own granularity of scratch: the size and alignment of a tensor descriptor, in bytes.
const GRANULE: u64 = 128;

/// Which of Triton's two areas a trailing pointer leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// Global scratch: tensor descriptors that a kernel makes, and values that do not fit into shared memory.
    Global,
    /// Profile scratch: what Proton's instrumentation records.
    Profile,
}

impl Area {
    /// The area in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Global => "global scratch",
            Self::Profile => "profile scratch",
        }
    }

    /// The option of a cell that gives its size.
    pub fn option(self) -> &'static str {
        match self {
            Self::Global => "--scratch",
            Self::Profile => "--profile-scratch",
        }
    }

    fn known(self, meta: &LaunchMeta) -> &Sourced<Scratch> {
        match self {
            Self::Global => &meta.global_scratch,
            Self::Profile => &meta.profile_scratch,
        }
    }
}

/// An area whose size no text gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessedScratch {
    /// Which one it is.
    pub area: Area,
    /// Number of blocks of the launch.
    pub blocks: u64,
    /// Bytes that the launch was given for all of its blocks.
    pub given: u64,
    /// Bytes up to the last one that the launch wrote; 0 before it has run.
    pub touched: u64,
    /// Device address of the area.
    address: u64,
}

impl GuessedScratch {
    /// What `--scratch` would give for this launch: bytes for each block, a multiple of [`GRANULE`].
    pub fn per_block(&self) -> u64 {
        self.touched.div_ceil(self.blocks.max(1)).next_multiple_of(GRANULE)
    }

    /// Finds how far the launch wrote.
    pub fn measure(&mut self, device: &dyn Device) -> Result<()> {
        let mut bytes = vec![0; usize::try_from(self.given).unwrap_or(0)];
        device.read(self.address, &mut bytes)?;
        let written = bytes.iter().enumerate().rposition(|(at, &byte)| byte != pattern(at));
        self.touched = written.map_or(0, |last| last as u64 + 1);
        Ok(())
    }

    /// Says with the fault of a launch that the size was a guess.
    pub fn explain(&self, error: Diagnostic) -> Diagnostic {
        let (name, option) = (self.area.name(), self.area.option());
        error
            .note(format!("no text states the kernel's {name}: the launch gave it {} bytes for all blocks", self.given))
            .help(format!(
                "if it needs more: `{option} BYTES/ALIGN` gives bytes for each block, such as `{option} 4096/128`"
            ))
    }
}

/// A byte that code is unlikely to write at this place: no two neighbours are alike.
fn pattern(at: usize) -> u8 {
    ((at as u64 ^ 0xa5).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// The scratch of a launch.
#[derive(Default)]
pub struct Areas {
    /// The bytes of each trailing parameter, its address.
    pub args: Vec<Vec<u8>>,
    /// Areas whose size is a guess.
    pub guessed: Vec<GuessedScratch>,
}

/// Allocates scratch for a launch of so many programs. Each block of a program that is a cluster has its own. What is
/// allocated is added to `allocated`, address and bytes.
pub fn allocate(
    plan: &LaunchPlan,
    grid: [u32; 3],
    meta: &LaunchMeta,
    device: &mut dyn Device,
    allocated: &mut Vec<(u64, u64)>,
) -> Result<Areas> {
    let extents = grid.into_iter().chain(meta.cluster.value.map(|extent| extent.max(1)));
    let blocks = extents.fold(1u64, |all, extent| all.saturating_mul(extent.into()));
    let mut areas = Areas::default();
    for (index, area) in [Area::Global, Area::Profile].into_iter().take(meta.scratch_params.value as usize).enumerate()
    {
        let known = area.known(meta);
        let is_guess = known.is_default() && is_read(plan, meta, index);
        if is_guess && !device.is_emulated() {
            return Err(unknown(plan, area));
        }
        let bytes = match is_guess {
            true => blocks.saturating_mul(GUESS_PER_BLOCK).clamp(LEAST_GUESS, MOST_GUESS),
            false => known.value.size.saturating_mul(blocks),
        };
        let address = match bytes {
            0 => 0,
            bytes => {
                let address = device.allocate(&format!("Triton's {}", area.name()), bytes)?;
                allocated.push((address, bytes));
                address
            }
        };
        if is_guess {
            let filled: Vec<u8> = (0..bytes as usize).map(pattern).collect();
            device.write(address, &filled)?;
            areas.guessed.push(GuessedScratch { area, blocks, given: bytes, touched: 0, address });
        }
        areas.args.push(address.to_le_bytes().to_vec());
    }
    Ok(areas)
}

/// True if the code uses one of its trailing pointers, or if that cannot be known. Triton gives them to every kernel.
fn is_read(plan: &LaunchPlan, meta: &LaunchMeta, index: usize) -> bool {
    let index = meta.params.value.len() + index;
    let mentions = |ptx: &Artifact| mentions_parameter(ptx, &meta.entry.value, index);
    match (plan.version.artifact(Stage::Ptx), plan.version.artifact(Stage::Cubin)) {
        (Some(ptx), _) => mentions(ptx),
        (None, Some(cubin)) => embedded_ptx(cubin).is_some_and(|ptx| mentions(&ptx)),
        (None, None) => false,
    }
}

/// The refusal of a launch on a GPU, which would write over other memory if a guess were too small.
fn unknown(plan: &LaunchPlan, area: Area) -> Diagnostic {
    let (name, option) = (area.name(), area.option());
    let message = format!("no text states how much {name} the kernel uses");
    let error = Diagnostic::error("scratch-unknown", message).at(plan.header().call_span.clone(), "");
    error
        .help(format!("`{option} BYTES/ALIGN` gives bytes for each block"))
        .help("a launch on the emulator measures it: `--on emu`")
        .in_source(&plan.launch.source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_block_needs_is_a_multiple_of_a_descriptor() {
        let guessed =
            |blocks, touched| GuessedScratch { area: Area::Global, blocks, given: 1 << 20, touched, address: 0 };
        assert_eq!(guessed(1, 100).per_block(), 128);
        assert_eq!(guessed(4, 3 * 256 + 128).per_block(), 256, "the last block wrote a half of its own");
        assert_eq!(guessed(4, 0).per_block(), 0);
    }

    #[test]
    fn the_pattern_has_no_long_runs() {
        let bytes: Vec<u8> = (0..4096).map(pattern).collect();
        assert!(bytes.windows(4).all(|window| window != [0; 4] && window != [0xff; 4]));
    }
}
