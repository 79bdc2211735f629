//! A value to dump, and errors about the text that defines it.

use std::ops::Range;

use crate::magics::views::subject::Subject;
use warpbook_compiler::CompileRequest;
use warpbook_diagnostic::{Diagnostic, Source};
use warpbook_ir::probe::ValueType;
use warpbook_ir::values::Definition;

/// A value of the TTGIR that the reader asked to dump.
pub struct DumpedValue {
    /// Where the TTGIR defines the value.
    pub definition: Definition,
    /// MLIR type of the value.
    pub ty: ValueType,
    /// The name of the buffer that it becomes.
    pub buffer: String,
    /// Bytes of the cell that name it.
    pub span: Range<usize>,
}

/// True if a name may be one of Python's.
pub fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// An error that speaks of the text that was compiled.
pub fn in_text(error: Diagnostic, subject: &Subject, request: &CompileRequest) -> Diagnostic {
    let source = Source::new(format!("{}.{}", subject.name, request.entry), request.text.clone());
    error.in_source(&source)
}
