//! PTX: text to a typed syntax tree. No execution.
//!
//! The parser takes everything that Triton 3.2 to 3.9 writes, and PTX by hand. Opcodes become types ([`isa`]); a word that
//! PTX does not have is kept as text, and refused by name when a module is loaded for execution. Source: "PTX ISA", sections 4 (syntax) to 11 (directives).

mod ast;
pub mod check;
pub mod contraction;
mod cubin;
pub mod evaluate;
pub mod folding;
pub mod isa;
mod lexer;
pub mod lines;
mod parser;
mod quotient;
pub mod register_types;
mod roles;
mod types;

pub use ast::{
    Address, Function, Immediate, Initializer, Instruction, LineInfo, Module, Operand, Param, Register, Statement,
    Variable,
};
pub use cubin::embedded_in;
pub use parser::parse;
pub use types::{PtxType, Space};
