//! What an instruction is: its opcode, taken apart once, and what is known of it.
//!
//! [`Opcode::parse`] makes types of an opcode's text. Nothing after the parser compares that text: a reader asks for
//! the [`Mnemonic`] and the [`Modifier`]s, or for what the table says of the instruction ([`Description`]), or one of the
//! composed questions in `predicates.rs`. A misspelt opcode in a reader is so an error of the compiler.
//!
//! Which modifiers, types and operands go together, and from which version and target on, is in [`forms`].
//!
//! Deliberately absent: what an instruction computes (the emulator knows).

mod class;
mod comparison;
mod description;
pub mod forms;
mod modifier;
mod opcode;
mod predicates;
mod table;

pub use class::Class;
pub use comparison::Comparison;
pub use description::{Description, Flow, Ordering, Role, Work};
pub use modifier::{MatrixShape, MmaKind, Modifier};
pub use opcode::{Opcode, Word};
pub use table::Mnemonic;
