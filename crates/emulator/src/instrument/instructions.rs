//! The instructions of a program as its text has them: reports name an operation by its line.

use std::sync::Arc;

use crate::Module;
use crate::program::{Op, Program};
use warpbook_diagnostic::{Place, Source};
use warpbook_ptx::isa::Opcode;

/// An instruction of the PTX and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Line of the PTX that the instruction begins on, from 1.
    pub ptx: u32,
    /// Its text, in one line: `@%p1 ld.global.b32 {%r1}, [%rd1]`.
    pub text: String,
    /// The opcode with its modifiers: `ld.global.b32`.
    pub opcode: Arc<Opcode>,
    /// Source places by `.loc`: its own, then the one that this was inlined at.
    pub places: Vec<Place>,
}

/// The instructions of a program as its text has them.
pub(crate) struct Instructions<'a> {
    program: &'a Program,
    source: &'a Source,
    module: &'a Module,
    /// Where each line of the text begins.
    starts: Vec<usize>,
}

impl<'a> Instructions<'a> {
    pub fn new(module: &'a Module, program: &'a Program) -> Self {
        let source = module.source();
        let ends = source.text.match_indices('\n').map(|(at, _)| at + 1);
        Self { program, source, module, starts: std::iter::once(0).chain(ends).collect() }
    }

    /// One past the last operation of the instruction that begins at `from`; `None` at the end.
    pub fn end(&self, from: usize) -> Option<usize> {
        let span = self.program.spans.get(from)?;
        let same = self.program.spans[from..].iter().take_while(|other| *other == span).count();
        Some(from + same)
    }

    /// The instruction of an operation; `None` for the end of the program, which is not written.
    pub fn line(&self, pc: usize) -> Option<Line> {
        let span = self.program.spans.get(pc)?;
        let text = self.source.text.get(span.clone())?;
        let opcode = self.program.opcodes.get(pc)?.clone();
        if pc + 1 == self.program.code.len() && matches!(self.program.code[pc].op, Op::Exit) && !opcode.is_exit() {
            return None;
        }
        let ptx = self.starts.partition_point(|&start| start <= span.start);
        let mut places = Vec::new();
        if let Some(line) = self.program.lines.get(pc).copied().flatten() {
            let inlined = line.inlined_at;
            for (file, line, column) in std::iter::once((line.file, line.line, line.column)).chain(inlined) {
                if let Some(path) = self.module.file(file) {
                    places.push(Place { path: path.to_owned(), line, column });
                }
            }
        }
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(Line { ptx: ptx as u32 + self.source.first_line as u32 - 1, text, opcode, places })
    }
}
