//! What a form of an instruction is.

use super::architecture::Need;
use crate::isa::Modifier;
use crate::types::PtxType;

/// A form of an instruction: one row.
#[derive(Clone, Debug)]
pub struct Form {
    /// Groups of modifiers. The order matters only for types.
    pub groups: Vec<Group>,
    /// The operands, in order.
    pub places: Vec<Place>,
    /// The first version and the architectures that have the form.
    pub need: Need,
}

/// Modifiers of which a form takes one.
#[derive(Clone, Debug)]
pub struct Group {
    /// The modifiers, each with what it needs beyond what its form does.
    pub words: Vec<(Modifier, Need)>,
    /// True if the form may be written without any of them.
    pub is_optional: bool,
    /// True if ptxas takes it only as the first word behind the name.
    pub is_first: bool,
}

/// Where an operand stands, and what may be written there.
#[derive(Clone, Debug)]
pub struct Place {
    /// What is written there.
    pub kind: Kind,
    /// True if the instruction may be written without it.
    pub is_optional: bool,
}

/// What is written at the place of an operand.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A register that gets a result; `_` as well if `sink` is true.
    Result {
        /// Type of the register.
        ty: Type,
        /// True if the result may be dropped.
        sink: bool,
    },
    /// A register that is read, or a constant unless `register` is true.
    Source {
        /// Type of the value.
        ty: Type,
        /// True if it has to be a register.
        register: bool,
        /// Limits of an integer constant.
        range: Option<Limits>,
    },
    /// An integer constant.
    Constant(Limits),
    /// A predicate, which may be negated.
    Predicate {
        /// True if it has to be a register.
        register: bool,
    },
    /// An address in brackets, in the n-th state space of the opcode, from 0.
    Address(usize),
    /// An address in brackets, in shared memory.
    SharedAddress,
    /// An address in brackets, in tensor memory: 32 bits.
    TensorMemoryAddress,
    /// The address of a tensor in brackets, with coordinates.
    TensorAddress,
    /// Registers in braces, as many as are given here.
    Vector(Box<Kind>, Count),
    /// Two results: `d|p`; the second may be left out if the flag is true.
    Pair(Box<Kind>, Box<Kind>, bool),
    /// `_`: a result that there is not.
    Sink,
    /// A label to go to.
    Label,
    /// Where `mov` puts a value: a register, or several in braces.
    MovTo,
    /// What `mov` takes: a value, a variable, a special register, or several values in braces.
    Mov,
    /// What `cvta` takes: a register or a variable.
    Pointer(Type),
    /// Anything: the operand has rules that no table says.
    Any,
    /// Any operands from here on.
    Rest,
}

/// Which integer constants an operand takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The least of them.
    pub low: i64,
    /// The greatest of them.
    pub high: i64,
    /// What each is a multiple of.
    pub multiple: i64,
}

/// How many registers stand in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// A number, for every opcode of the form.
    Exactly(usize),
    /// As the modifier `.v2` or `.v4` says, 128 bits at most; no braces without one.
    ByVector,
    /// As the modifier `.v2`, `.v4` or `.v8` says, up to 256 bits.
    ByWideVector,
    /// As the modifier `.x1` to `.x128` says, times a number; no braces are needed for one.
    ByRepetition(usize),
    /// The columns of the shape of a matrix, divided by a number.
    ByColumns(usize),
}

/// The type of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type {
    /// Where the type comes from.
    pub base: Base,
    /// True if a wider register is taken as well (PTX ISA 9.4.1).
    pub relaxed: bool,
}

/// Where the type of an operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// A type, whatever the opcode says.
    Fixed(PtxType),
    /// The n-th type of the opcode, from 0.
    Nth(usize),
    /// The last type of the opcode.
    Last,
    /// Integers twice as wide as the last type of the opcode.
    TwiceLast,
}
