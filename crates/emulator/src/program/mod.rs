//! The decoded program: what the interpreter runs.
//!
//! Every operand is a slot of the warp's register file: constants and special registers are slots that are filled when
//! a block starts, so that an operation is one function over 32 lanes.

mod asynchronous;
mod kind;
mod op;
mod operand;
mod tensor_memory;
mod visit;

use std::ops::Range;
use std::sync::Arc;

pub use asynchronous::*;
pub use kind::*;
pub use op::Op;
pub use operand::*;
pub use tensor_memory::*;

use warpbook_ptx::isa::Opcode;
use warpbook_ptx::{LineInfo, PtxType};

/// An operation and the predicate that guards it.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// Predicate slot and whether it is negated.
    pub guard: Option<(Slot, bool)>,
    /// The lanes of its warp that it waits for.
    pub gather: Gather,
    /// The operation itself.
    pub op: Op,
}

/// The lanes of its warp that an instruction waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gather {
    /// It waits for no other lane.
    #[default]
    None,
    /// All that have not ended, at this very instruction (`.aligned`).
    Warp,
    /// All that have not ended, at an instruction of this kind (`.sync` with a mask of all lanes).
    Everyone,
    /// Those in the mask that a register holds, at an instruction of this kind (`.sync` with a mask).
    Members(Slot),
}

/// A register of the text. Its slot is its own only while it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register {
    /// The name in the text: `%r12`.
    pub name: String,
    /// The type that it is declared with.
    pub ty: PtxType,
    /// The register file that it lies in.
    pub file: File,
    /// The slot of that file.
    pub slot: Slot,
    /// The first and the last position at which it lives: 2·pc where an operation reads, 2·pc + 1 where it writes.
    pub live: (u32, u32),
}

/// A decoded entry function.
#[derive(Debug)]
pub struct Program {
    /// The code; a program counter is an index.
    pub code: Vec<Instruction>,
    /// Bytes of the PTX for each instruction.
    pub spans: Vec<Range<usize>>,
    /// `.loc` in force at each instruction.
    pub lines: Vec<Option<LineInfo>>,
    /// The opcode of each instruction; several operations may be one instruction of the text.
    pub opcodes: Vec<Arc<Opcode>>,
    /// True for each load and store that orders threads as an atomic does.
    pub strong: Vec<bool>,
    /// For each instruction: the slots that it shares with the accumulator of some `wgmma`, which is to be waited for
    /// before. Empty where there is no `wgmma`.
    pub accumulator_slots: Vec<Box<[Slot]>>,
    /// For each instruction: the registers of some `tcgen05.ld` that it uses. Empty where there is none.
    pub tensor_load_slots: Vec<Box<[Slot]>>,
    /// Number of slots of the 32-bit file, constants and special registers included.
    pub words: u32,
    /// Number of slots of the 64-bit file, constants included.
    pub longs: u32,
    /// Number of slots of the predicate file, constants included.
    pub predicates: u32,
    /// 32-bit slots that hold the same value in every lane from the start.
    pub word_constants: Vec<(Slot, u32)>,
    /// 64-bit slots that hold the same value in every lane from the start.
    pub long_constants: Vec<(Slot, u64)>,
    /// Predicate slots that are all true.
    pub true_predicates: Vec<Slot>,
    /// Slots that hold special registers.
    pub specials: Vec<(Slot, Special)>,
    /// 64-bit slots that hold the address of a module variable (index into [`crate::Module`]'s globals), plus addend.
    pub global_symbols: Vec<(Slot, usize, i64)>,
    /// The registers of the text that the code uses, and the slots that they have.
    pub registers: Vec<Register>,
    /// Bytes of local memory per thread.
    pub local_bytes: u32,
    /// Where the frames of functions that call themselves begin in local memory; bytes.
    pub stack_offset: u32,
    /// Bytes of static shared memory; dynamic memory follows, aligned to 16... 1024 as the variable asks.
    pub static_shared: u32,
    /// Offset at which dynamic shared memory begins.
    pub dynamic_shared_offset: u32,
}

impl Program {
    /// True if its blocks can order themselves: by atomics, or loads and stores as strong, that other blocks see, or by a
    /// cluster's barriers.
    pub fn orders_blocks(&self) -> bool {
        self.code.iter().zip(&self.strong).any(|(instruction, &strong)| match &instruction.op {
            Op::Atomic { space, .. } => matches!(space, MemorySpace::Global | MemorySpace::Generic),
            Op::Load { space, .. } | Op::Store { space, .. } => {
                strong && matches!(space, MemorySpace::Global | MemorySpace::Generic)
            }
            Op::ClusterArrive => true,
            Op::MbarrierArrive { arrival, .. } => arrival.space == MemorySpace::Cluster,
            _ => false,
        })
    }
}
