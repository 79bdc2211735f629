//! Arithmetic on constants that ptxas does when it compiles: approximate functions of a constant, and divisions by one.
//!
//! ptxas computes better than the unit that the instruction names: a function of a constant is the correctly rounded
//! value, and `div.full` by a constant is a product with the correctly rounded reciprocal. (Read from the constants in the
//! machine code of ptxas 12.8 and 12.9: every one of 120 random constants for each of 8 functions, on sm_90.) `tanh` is not
//! folded.

use std::collections::HashMap;
use std::ops::Range;

use super::ast::{Function, Immediate, Instruction, Operand, Statement};
use super::isa::{Mnemonic, Modifier, Opcode};
use super::quotient::{operands, reciprocal};
use super::types::PtxType;

/// An instruction whose result, or a part of it, ptxas may compute.
#[derive(Clone, Debug)]
pub struct Folding {
    span: Range<usize>,
    folded: Folded,
}

#[derive(Clone, Copy, Debug)]
enum Folded {
    /// A division by a constant: a product with the constant's reciprocal.
    Division { flushes: bool },
    /// A function of a constant: the value in binary32.
    Value(f32),
}

impl Folding {
    /// Where the instruction stands in the text.
    pub fn place(&self) -> usize {
        self.span.start
    }

    /// The instruction as ptxas computes it, from its own text.
    pub(super) fn replacement(&self, text: &str) -> Option<(Range<usize>, String)> {
        let own = text.get(self.span.clone())?;
        let replacement = match self.folded {
            Folded::Division { flushes } => {
                let [d, a, b] = operands(own)?;
                let ftz = if flushes { ".ftz" } else { "" };
                format!("{{ {}mul.rn{ftz}.f32 {d}, %dividend, %reciprocal; }}", reciprocal(a, b, flushes, true))
            }
            Folded::Value(value) => {
                let (_, rest) = own.trim().split_once(char::is_whitespace)?;
                let (d, _) = rest.split_once(',')?;
                format!("{{ mov.b32 {}, 0f{:08X}; }}", d.trim(), value.to_bits())
            }
        };
        let mut span = self.span.clone();
        if !own.ends_with(';') {
            // The semicolon after the instruction becomes that of nothing; a block takes none.
            let rest = text[span.end..].len() - text[span.end..].trim_start().len();
            span.end += rest + usize::from(text[span.end + rest..].starts_with(';'));
        }
        Some((span, replacement))
    }
}

/// The instructions of a function that compute with a constant that ptxas knows: written in the instruction, or moved
/// into the register that it reads and that nothing else writes.
pub fn foldings(function: &Function) -> Vec<Folding> {
    let Some(body) = &function.body else { return Vec::new() };
    let mut constants = HashMap::new();
    collect(body, true, &mut constants);
    let mut found = Vec::new();
    for statement in body {
        let Statement::Instruction(instruction) = statement else { continue };
        if instruction.guard.is_some() {
            continue;
        }
        if let Some(folded) = folded(instruction, &constants) {
            found.push(Folding { span: instruction.span.clone(), folded });
        }
    }
    found
}

/// How often each register is written, and the constant that is moved into it.
type Constants<'a> = HashMap<&'a str, (usize, Option<f32>)>;

fn collect<'a>(statements: &'a [Statement], outermost: bool, constants: &mut Constants<'a>) {
    for statement in statements {
        match statement {
            Statement::Block(inner) => collect(inner, false, constants),
            Statement::Instruction(instruction) => {
                let moved = (outermost && instruction.guard.is_none() && is_move(&instruction.opcode))
                    .then(|| instruction.operands.get(1).and_then(immediate))
                    .flatten();
                if let Some(target) = instruction.operands.first() {
                    written(target, moved, constants);
                }
            }
            _ => {}
        }
    }
}

fn written<'a>(operand: &'a Operand, moved: Option<f32>, constants: &mut Constants<'a>) {
    match operand {
        Operand::Name(name) => {
            let entry = constants.entry(name).or_default();
            *entry = (entry.0 + 1, moved);
        }
        Operand::Vector(parts) | Operand::List(parts) => parts.iter().for_each(|part| written(part, None, constants)),
        Operand::Pair(first, second) => {
            written(first, None, constants);
            written(second, None, constants);
        }
        _ => {}
    }
}

fn is_move(opcode: &Opcode) -> bool {
    opcode.mnemonic() == Some(Mnemonic::Mov) && matches!(opcode.ty(), Some(PtxType::F32 | PtxType::B32))
}

/// The binary32 that an immediate operand writes.
fn immediate(operand: &Operand) -> Option<f32> {
    match operand {
        Operand::Immediate(Immediate::F32(bits)) => Some(f32::from_bits(*bits)),
        Operand::Immediate(Immediate::F64(bits)) => Some(f64::from_bits(*bits) as f32),
        _ => None,
    }
}

fn folded(instruction: &Instruction, constants: &Constants<'_>) -> Option<Folded> {
    let constant = |index: usize| match instruction.operands.get(index)? {
        Operand::Name(name) => constants.get(name.as_str()).filter(|(count, _)| *count == 1)?.1,
        operand => immediate(operand),
    };
    let opcode = &instruction.opcode;
    let flushes = opcode.has(Modifier::Ftz);
    let others = opcode.words().len() - usize::from(flushes);
    if opcode.ty() != Some(PtxType::F32) || others != 2 {
        return None;
    }
    if opcode.mnemonic() == Some(Mnemonic::Div) && opcode.has(Modifier::Full) {
        let divisor = constant(2)?;
        return (divisor.is_finite() && divisor != 0.0).then_some(Folded::Division { flushes });
    }
    if !opcode.has(Modifier::Approx) {
        return None;
    }
    let flushed = |value: f32| if flushes && value.is_subnormal() { 0.0f32.copysign(value) } else { value };
    let x = f64::from(flushed(constant(1)?));
    // In binary64 and then rounded: wrong only where the exact value is within 2^-30 of the middle of two neighbours.
    let value = match opcode.mnemonic()? {
        Mnemonic::Rcp => 1.0 / x,
        Mnemonic::Sqrt => x.sqrt(),
        Mnemonic::Rsqrt => 1.0 / x.sqrt(),
        Mnemonic::Ex2 => x.exp2(),
        Mnemonic::Lg2 => x.log2(),
        Mnemonic::Sin => x.sin(),
        Mnemonic::Cos => x.cos(),
        _ => return None,
    };
    let value = flushed(value as f32);
    (!value.is_nan()).then_some(Folded::Value(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contraction::{candidates, contract};

    const TEXT: &str = ".version 8.4\n.target sm_90a\n.address_size 64\n.visible .entry k(.param .u64 p)\n{\n\
        .reg .f32 %f<20>;\n\
        mov.b32 %f2, 0f40400000;\n\
        div.full.f32 %f3, %f1, %f2;\n\
        add.f32 %f4, %f3, %f1;\n\
        ex2.approx.ftz.f32 %f5, 0f3F000000;\n\
        rcp.approx.ftz.f32 %f6, %f1;\n\
        mov.b32 %f7, 0f40400000;\n\
        mov.b32 %f7, %f1;\n\
        rsqrt.approx.f32 %f8, %f7;\n\
        div.full.f32 %f9, %f1, 0f41200000 ;\n\
        ret;\n}\n";

    #[test]
    fn arithmetic_on_constants_is_found_and_replaced() {
        let module = crate::parse(TEXT).expect("parses");
        let entry = module.entries().next().expect("an entry");
        let found = foldings(entry);
        let lines: Vec<usize> = found.iter().map(|each| TEXT[..each.place()].matches('\n').count() + 1).collect();
        assert_eq!(lines, [8, 10, 15], "line 14 reads a register that is written twice");
        let all: Vec<&Folding> = found.iter().collect();
        let text = contract(TEXT, &[], &all);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), TEXT.lines().count());
        assert_eq!(lines[9], "{ mov.b32 %f5, 0f3FB504F3; }", "the square root of 2, correctly rounded");
        assert!(lines[7].contains("rcp.rn.f32 %reciprocal, %divisor; mul.rn.f32 %f3, %dividend"), "{}", lines[7]);
        assert!(lines[14].ends_with("mul.rn.f32 %f9, %dividend, %reciprocal; }"), "{}", lines[14]);
        crate::parse(&text).expect("still PTX");
    }

    #[test]
    fn a_contracted_quotient_takes_the_folded_reciprocal() {
        let module = crate::parse(TEXT).expect("parses");
        let entry = module.entries().next().expect("an entry");
        let (pairs, found) = (candidates(entry), foldings(entry));
        let text = contract(TEXT, &[(&pairs[0], 0)], &[&found[0]]);
        let line = text.lines().nth(8).unwrap_or_default();
        assert!(line.contains("rcp.rn.f32") && line.contains("fma.rn.f32 %f4, %dividend, %reciprocal, %f1"), "{line}");
        crate::parse(&text).expect("still PTX");
    }
}
