//! What an instruction is: its opcode, taken apart once, and what is known of it.
//!
//! [`Opcode::parse`] makes types of an opcode's text. Nothing after the parser compares that text: a reader asks for
//! the [`Mnemonic`] and the [`Modifier`]s, or for what the table says of the instruction ([`Description`]), or one of the
//! composed questions in `predicates.rs`. A misspelt opcode in a reader is so an error of the compiler.
//!
//! Deliberately absent: what an instruction computes (the emulator knows), and which modifiers go together (ptxas
//! knows; the emulator refuses by name what it does not take).

mod class;
mod comparison;
mod description;
mod modifier;
mod opcode;
mod predicates;
mod table;

pub use class::Class;
pub use comparison::Comparison;
pub use description::{Description, Flow, Ordering, Role, Target, Work};
pub use modifier::{MatrixShape, MmaKind, Modifier};
pub use opcode::{Opcode, Word};
pub use table::Mnemonic;
