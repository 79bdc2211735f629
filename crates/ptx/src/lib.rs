//! PTX: text to a typed syntax tree. No execution.
//!
//! The parser takes everything that Triton 3.2 to 3.9 writes, and PTX by hand. It does not judge opcodes and
//! modifiers: whoever executes them does, by name. Source: "PTX ISA", sections 4 (syntax) to 11 (directives).

mod ast;
pub mod contraction;
mod cubin;
pub mod evaluate;
mod lexer;
mod parser;

pub use ast::{
    Address, Function, Immediate, Initializer, Instruction, LineInfo, Module, Operand, Param, PtxType, Register, Space,
    Statement, Variable,
};
pub use cubin::embedded_in;
pub use parser::parse;
