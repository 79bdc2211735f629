//! What the table says of each instruction: the meaning of its columns.

use super::Class;
use super::forms::Architecture;

/// Properties of an instruction that follow from its name alone. [`Opcode`](super::Opcode) has what its modifiers add.
#[derive(Debug)]
pub struct Description {
    /// The spellings of the name: the usual one first, then those with a word that says nothing (`bar.cta.sync`).
    pub names: &'static [&'static str],
    /// What the instruction does, in one sentence.
    pub summary: &'static str,
    /// Sections of the PTX ISA 8.7, separated by commas.
    pub section: &'static str,
    /// What [`Class`] it belongs to, or what decides that.
    pub work: Work,
    /// How its results depend on its operands.
    pub flow: Flow,
    /// The role of each operand, in order. An operand in brackets is an address whatever is said here, and a first
    /// operand that is written may be left out before an address (`mbarrier.arrive [a]`).
    pub operands: &'static [Role],
    /// True if all lanes of a warp have to execute it together even where it is written without `.aligned`.
    pub aligned: bool,
    /// How the instruction orders accesses to memory.
    pub ordering: Ordering,
    /// True if the operation goes on when the next instruction begins, until something waits for it.
    pub asynchronous: bool,
    /// The first architecture that has the instruction; `sm_90a` where later ones do not have it.
    pub target: Architecture,
}

impl Description {
    /// What a row of the table does not say.
    pub(super) const DEFAULT: Self = Self {
        names: &[],
        summary: "",
        section: "",
        work: Work::Is(Class::Other),
        flow: Flow::None,
        operands: &[],
        aligned: false,
        ordering: Ordering::Nothing,
        asynchronous: false,
        target: Architecture::later(30),
    };
}

/// How the class of an instruction is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// The class follows from the name alone.
    Is(Class),
    /// Arithmetic: the last type says whether it is of integers, f32, f64 or halves.
    Arithmetic,
    /// A load: the state space says from where.
    Load,
    /// A store: the state space says to where.
    Store,
}

/// How the result of an instruction depends on its operands: what undefined bytes, and origins of values, follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// No register gets a value.
    None,
    /// Lane by lane: each byte of the result may depend on each byte of every operand.
    Mixed,
    /// Lane by lane, byte by byte: each byte of the result depends on the bytes at the same place.
    Bytewise,
    /// As [`Bytewise`](Self::Bytewise), and a byte that is zero in one operand is zero in the result.
    Masked,
    /// Lane by lane, half by half: a pair of 16-bit values in each register. [`Opcode::flow`](super::Opcode::flow) finds
    /// it by the type.
    Halfwise,
    /// Lane by lane: the bits of the first operand are moved up.
    ShiftedUp,
    /// Lane by lane: the bits of the first operand are moved down.
    ShiftedDown,
    /// Lane by lane: bytes of two operands, chosen by the third.
    Permuted,
    /// Lane by lane: from one format of numbers to another.
    Converted,
    /// The value comes from memory.
    Loaded,
    /// The value comes from other lanes of the warp.
    Collective,
    /// The value comes from a matrix that is distributed over many lanes.
    Matrix,
}

/// What an instruction does with an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A register, or registers, that get the result.
    Written,
    /// Registers that are read and written: an accumulator.
    Accumulated,
    /// A value that is read.
    Read,
    /// A predicate that is read.
    Predicate,
    /// An address in brackets.
    Address,
    /// The mask of the lanes that take part.
    LaneMask,
    /// A label, a list of labels, or a function.
    Target,
}

/// How an instruction orders the accesses of its thread before the accesses of other threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordering {
    /// The instruction orders no accesses.
    Nothing,
    /// It is strong if a modifier says so: `ld.acquire`, `st.volatile`.
    ByModifier,
    /// It always takes part in the order of strong operations: atomics, fences, barriers.
    Always,
}
