//! PTX line by line, for views that show a text: they also take a text of which a part is wrong or missing.

use std::ops::Range;

use crate::isa::{Opcode, Role};

/// True if a line, trimmed, holds an instruction.
pub fn is_instruction(trimmed: &str) -> bool {
    trimmed.ends_with(';') && trimmed.starts_with(|c: char| c.is_ascii_lowercase() || c == '@')
        || trimmed.starts_with('{') && trimmed.len() > 1
}

/// Bytes of the first opcode of a line: `ld.global.v4.b32` of `@%p1 ld.global.v4.b32 {…`.
pub fn opcode_span(line: &str) -> Option<Range<usize>> {
    if !is_instruction(line.trim()) {
        return None;
    }
    let mut at = line.len() - line.trim_start().len();
    if line[at..].starts_with('@') {
        at += line[at..].find([' ', '\t'])?;
        at += line[at..].len() - line[at..].trim_start().len();
    }
    let end = line[at..].find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':')))?;
    (end > 0).then_some(at..at + end)
}

/// The first opcode of a line.
pub fn opcode(line: &str) -> Option<Opcode> {
    opcode_span(line).map(|span| Opcode::parse(&line[span]))
}

/// The opcodes of all instructions of a text, several to a line included; comments are left out.
pub fn opcodes(text: &str) -> impl Iterator<Item = Opcode> {
    let statements = text.lines().flat_map(|line| line.split("//").next().unwrap_or_default().split_inclusive(';'));
    statements.filter_map(|statement| opcode(statement.trim().trim_start_matches('{').trim_start()))
}

/// A line without its comment, cut in two: the operand that its instruction writes, and the rest. Without an instruction
/// both are empty; an instruction that writes no register is all rest.
pub fn split_result(code: &str) -> (&str, &str) {
    let Some(span) = opcode_span(code) else { return ("", "") };
    let opcode = Opcode::parse(&code[span.clone()]);
    let operands = &code[span.end..];
    let is_written = match opcode.mnemonic() {
        // What PTX does not know may write its first operand.
        None => true,
        Some(_) => matches!(opcode.description().operands.first(), Some(Role::Written | Role::Accumulated)),
    };
    // An address comes first where a result is left out.
    if !is_written || operands.trim_start().starts_with('[') {
        return ("", code);
    }
    let end = match operands.trim_start().starts_with('{') {
        true => operands.find('}'),
        false => operands.find(','),
    };
    // A predicate before the opcode is read, and has been counted where it was set.
    end.map_or(("", code), |end| operands.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Mnemonic;

    #[test]
    fn opcodes_are_found() {
        let found = |line: &'static str| opcode_span(line).map(|span| &line[span]);
        assert_eq!(found("\t@%p1 bra \t$L__BB0_2;"), Some("bra"));
        assert_eq!(found("\tmma.sync.aligned.m16n8k16.row { %r1 };"), Some("mma.sync.aligned.m16n8k16.row"));
        assert_eq!((found("\t.reg .b32 %r<3>;"), found("$L__tmp0:")), (None, None));
    }

    #[test]
    fn several_instructions_may_stand_in_a_line() {
        let text = "// add.f32\n{ .reg .pred q; setp.ne.s32 q, %r1, 0; @q ld.global.b32 %r1, [%rd1]; }\n  ret;";
        let found: Vec<_> = opcodes(text).map(|opcode| opcode.mnemonic()).collect();
        assert_eq!(found, [Some(Mnemonic::Setp), Some(Mnemonic::Ld), Some(Mnemonic::Ret)]);
    }

    #[test]
    fn the_result_is_cut_off() {
        assert_eq!(split_result("@%p1 ld.global.v2.b32 {%r2, %r3}, [%rd1];"), (" {%r2, %r3", "}, [%rd1];"));
        assert_eq!(split_result("st.global.b32 [%rd1], %r3;").0, "");
        assert_eq!(split_result("mbarrier.arrive.shared.b64 [%r1], %r2;").0, "");
        assert_eq!(split_result("$L__BB0_1:"), ("", ""));
    }

    #[test]
    fn broken_text_is_no_panic() {
        for text in ["%", "%é = %", "@%p", "@ é;", "mov.b32 %r1", "{ %", "= %0", "é;", "mov.b32;", "{;", "@%p1 ;"] {
            let _ = (opcode_span(text), split_result(text), opcodes(text).count());
        }
    }
}
