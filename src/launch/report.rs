//! The facts of a launch cell: what was compiled, what ran, what it changed. No sentence is made here.

use std::time::Duration;

use super::changes::Change;
use super::recovery::rebuild::Rebuilt;
use super::scratch::GuessedScratch;
use warpbook_compiler::contraction::Followed;
use warpbook_compiler::meta::Resources;
use warpbook_compiler::{Sourced, Stage, Target};
use warpbook_device::emulation::{CheckReport, Counters};
use warpbook_device::{Device, FunctionInfo, Occupancy, Timing};

/// A stage that was gone through.
#[derive(Clone, Debug)]
pub struct StageTime {
    /// The stage that the compiler produced.
    pub stage: Stage,
    /// Time that the compiler took for it.
    pub elapsed: Duration,
    /// True if it came from the cache.
    pub cached: bool,
}

/// The launch part of a report.
#[derive(Clone, Debug)]
pub struct LaunchFacts {
    /// Number of programs along each axis.
    pub grid: [u32; 3],
    /// Name of the device: `emu:sm_80`, `cuda:0`.
    pub device: String,
    /// Model and driver of a GPU; `None` on the emulator.
    pub description: Option<String>,
    /// True if the emulator ran it; its times are its own.
    pub emulated: bool,
    /// Time of the launch on the device.
    pub elapsed: Duration,
    /// Wall time in the process that owns the GPU.
    pub host: Option<Duration>,
    /// The parts of the cell's time, with a name for each.
    pub parts: Vec<(&'static str, Duration)>,
    /// Times of repeated launches (`--bench`).
    pub timing: Option<Timing>,
    /// Resources of the function as a GPU has loaded it.
    pub function: Option<FunctionInfo>,
    /// Log of the driver's compiler where it made the code from PTX; empty if the code was loaded before.
    pub driver_log: Option<String>,
    /// Number of blocks that fit on an SM, if the device reports it.
    pub occupancy: Option<Occupancy>,
    /// Warp instructions executed, where the device counts them.
    pub warp_instructions: Option<u64>,
    /// Where the arithmetic of an emulated launch may differ from a GPU's.
    pub arithmetic: Arithmetic,
    /// What the checks covered, if they were on. They found no fault.
    pub checked: Option<CheckReport>,
    /// Instructions and memory accesses, where the launch counted them (emulator).
    pub counters: Option<Counters>,
    /// The buffers that hold something else than before.
    pub changes: Vec<Change>,
    /// What had to be restored because the device was lost before the launch.
    pub rebuilt: Rebuilt,
    /// The guessed amount of dynamic shared memory, if no text gives it.
    pub guessed_shared: Option<GuessedShared>,
    /// Triton's own areas whose size no text gives, as they were measured.
    pub guessed_scratch: Vec<GuessedScratch>,
    /// Warnings of the device, one sentence each.
    pub warnings: Vec<String>,
}

/// Dynamic shared memory of a kernel whose text does not give the amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessedShared {
    /// Bytes that it was given.
    pub given: u32,
    /// Bytes up to the highest one that it touched, where the device knows.
    pub touched: Option<u32>,
}

/// Where the arithmetic of an emulated launch may differ from a GPU's. Empty for a GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arithmetic {
    /// The compute capability whose arithmetic is modelled and was not compared with hardware.
    pub unverified: Option<u32>,
    /// The multiplications and additions that ptxas may contract.
    pub contraction: Option<Contraction>,
}

/// The multiplications and additions of a kernel that ptxas may contract to one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contraction {
    /// The emulator contracted those that the machine code has contracted.
    Followed {
        /// Number of pairs that were contracted.
        contracted: usize,
        /// Number of pairs that PTX allows to be contracted.
        candidates: usize,
        /// Number of pairs that the machine code does not show.
        unknown: usize,
        /// Number of divisions by constants and functions of constants that ptxas computed itself.
        folded: usize,
    },
    /// The emulator ran them as the PTX has them.
    AsWritten {
        /// Number of pairs.
        pairs: u32,
    },
}

impl Arithmetic {
    /// The facts of a launch on a device. `contractible` is the number of pairs that ran as the PTX has them.
    pub fn new(device: &dyn Device, contracted: Option<&Followed>, contractible: u32) -> Self {
        /// Hopper, whose arithmetic was compared with hardware.
        const VERIFIED: u32 = 90;
        if !device.is_emulated() {
            return Self::default();
        }
        let contraction = match contracted {
            Some(&Followed { contracted, candidates, unknown, folded, .. }) if candidates > 0 || folded > 0 => {
                Some(Contraction::Followed { contracted, candidates, unknown, folded })
            }
            None if contractible > 0 => Some(Contraction::AsWritten { pairs: contractible }),
            _ => None,
        };
        Self { unverified: Some(device.capability()).filter(|&own| own != VERIFIED), contraction }
    }
}

/// Values that a launch has and its header does not give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Implied {
    /// The kernel's autotuner, heuristics and defaults chose them.
    Chosen {
        /// The autotuner's configuration, and the number of those that it has.
        config: Option<(String, usize)>,
        /// Other values: name and text.
        values: Vec<(String, String)>,
    },
    /// The version that was edited was compiled with them.
    Inherited {
        /// Number of that version.
        version: u32,
        /// Options of the compiler: name and value.
        options: Vec<(String, serde_json::Value)>,
    },
}

/// The facts of a cell that compiles and launches. Words are made of them elsewhere.
#[derive(Clone, Debug)]
pub struct Report {
    /// The kernel's name.
    pub kernel: String,
    /// Number of its version.
    pub version: u32,
    /// The version that the text was edited from.
    pub parent: Option<u32>,
    /// The stage at which the text entered.
    pub entered: Stage,
    /// The architecture that it was compiled for.
    pub target: Target,
    /// The version of Triton, `3.4.0`; `None` where Triton had no part.
    pub triton: Option<String>,
    /// The stages after the entry.
    pub stages: Vec<StageTime>,
    /// Threads per block.
    pub threads: Sourced<u32>,
    /// Dynamic shared memory in bytes.
    pub shared: Sourced<u32>,
    /// Values that the header does not give.
    pub implied: Option<Implied>,
    /// Registers and local memory of the machine code, where there is some.
    pub resources: Option<Resources>,
    /// The launch; `None` where the cell only compiled.
    pub launch: Option<LaunchFacts>,
    /// Warnings of the compiler, one sentence each.
    pub warnings: Vec<String>,
}
