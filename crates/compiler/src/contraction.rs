//! Which multiplications and additions ptxas contracted: read from the machine code, and followed in the PTX.
//!
//! ptxas writes a contracted pair as one instruction (`FFMA`, `HFMA2`, `DFMA`) at the PTX line of the addition. Of two
//! products that an addition takes, the one that was contracted has no multiplication of its own at its line, or is not
//! where the addend comes from.

use std::collections::HashMap;

use super::Artifact;
use warpbook_diagnostic::Result;
use warpbook_ir::sass;
use warpbook_ptx::contraction::{Candidate, candidates, contract};
use warpbook_ptx::folding::{Folding, foldings};

/// A kernel's PTX as ptxas read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// The PTX with the contracted pairs as `fma.rn`; lines stay where they are.
    pub text: String,
    /// Pairs that PTX allows to be contracted.
    pub candidates: usize,
    /// Number of pairs that ptxas contracted into one `fma`.
    pub contracted: usize,
    /// Number of pairs that cannot be judged: ptxas made several instructions of one, or none.
    pub unknown: usize,
    /// Divisions by constants and functions of constants that ptxas computed itself, more exactly than the GPU's unit.
    pub folded: usize,
}

impl Followed {
    /// The three numbers in a few words, for a report.
    pub fn describe(&self) -> String {
        let unknown = match self.unknown {
            0 => String::new(),
            unknown => format!(", {unknown} cannot be read from the machine code"),
        };
        let folded = match self.folded {
            0 => String::new(),
            folded => format!(", {folded} folded constants"),
        };
        format!("{} of {} mul/add pairs contracted as ptxas did{unknown}{folded}", self.contracted, self.candidates)
    }
}

enum Verdict {
    Contracted(usize),
    Apart,
    Unknown,
}

/// Reads the pairs from the machine code that was made of `ptx`.
pub fn follow(ptx: &Artifact, entry: &str, code: &[sass::Function]) -> Result<Followed> {
    let (module, ptx) = (ptx.syntax()?, ptx.text().unwrap_or_default());
    let (candidates, foldings) = match module.entries().find(|function| function.name == entry) {
        Some(function) => (candidates(function), foldings(function)),
        None => (Vec::new(), Vec::new()),
    };
    let instructions: &[sass::Instruction] =
        code.iter().find(|function| function.name == entry).map_or(&[], |function| &function.instructions);
    let mut by_line: HashMap<u32, Vec<usize>> = HashMap::new();
    for (index, instruction) in instructions.iter().enumerate() {
        if let Some(line) = instruction.ptx_line {
            by_line.entry(line).or_default().push(index);
        }
    }
    let lines = Lines::new(ptx);
    let machine = Machine { instructions, by_line };
    let (mut chosen, mut unknown) = (Vec::new(), 0);
    for candidate in &candidates {
        match machine.verdict(candidate, &lines) {
            Verdict::Contracted(product) => chosen.push((candidate, product)),
            Verdict::Apart => {}
            Verdict::Unknown => unknown += 1,
        }
    }
    let folded: Vec<&Folding> = foldings.iter().filter(|each| machine.has_folded(lines.at(each.place()))).collect();
    let text = contract(ptx, &chosen, &folded);
    Ok(Followed { text, candidates: candidates.len(), contracted: chosen.len(), unknown, folded: folded.len() })
}

/// Byte offset at which each line begins.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// The line of a place, from 1.
    fn at(&self, place: usize) -> u32 {
        self.0.partition_point(|&start| start <= place) as u32
    }
}

struct Machine<'a> {
    instructions: &'a [sass::Instruction],
    by_line: HashMap<u32, Vec<usize>>,
}

/// `FFMA R12, R8.reuse, R9, R10`: opcode and operands, without signs, halves and marks.
fn parts(text: &str) -> (&str, Vec<&str>) {
    let text = if text.starts_with('@') { text.split_once(' ').map_or("", |(_, rest)| rest) } else { text };
    let (opcode, operands) = text.split_once(' ').unwrap_or((text, ""));
    let bare = |operand: &'_ str| -> usize {
        operand.find('.').filter(|_| operand.starts_with(['R', 'U'])).unwrap_or(operand.len())
    };
    let operands = operands.split(',').map(|operand| {
        let operand = operand.trim().trim_start_matches(['-', '|']).trim_end_matches('|');
        &operand[..bare(operand)]
    });
    (opcode, operands.collect())
}

impl Machine<'_> {
    fn at(&self, line: u32) -> impl Iterator<Item = usize> {
        self.by_line.get(&line).into_iter().flatten().copied()
    }

    /// True if ptxas computed the function at a line itself: nothing at that line asks the unit for such functions.
    fn has_folded(&self, line: u32) -> bool {
        !self.by_line.is_empty()
            && !self.at(line).any(|index| parts(&self.instructions[index].text).0.starts_with("MUFU"))
    }

    /// True if an instruction multiplies and adds. A multiplication by 1 or 0 does not count: ptxas sometimes writes an
    /// addition or a constant so.
    fn is_fused(&self, index: usize) -> bool {
        let (opcode, operands) = parts(&self.instructions[index].text);
        let family = opcode.split('.').next().unwrap_or_default();
        let factors = operands.get(1..3).unwrap_or_default();
        // A constant is sometimes loaded as 0 · 0 plus it.
        matches!(family, "FFMA" | "HFMA2" | "DFMA" | "FFMA32I" | "HFMA2_32I")
            && !factors.iter().any(|factor| ["1", "RZ"].contains(factor))
            && operands.last() != Some(&"RZ")
    }

    fn is_addition(&self, index: usize) -> bool {
        let (opcode, operands) = parts(&self.instructions[index].text);
        let family = opcode.split('.').next().unwrap_or_default();
        matches!(family, "FADD" | "HADD2" | "DADD" | "FADD32I" | "HADD2_32I")
            || matches!(family, "FFMA" | "HFMA2") && operands.get(1..3).unwrap_or_default().contains(&"1")
    }

    fn is_multiplication(&self, index: usize) -> bool {
        let (opcode, operands) = parts(&self.instructions[index].text);
        let family = opcode.split('.').next().unwrap_or_default();
        matches!(family, "FMUL" | "HMUL2" | "DMUL" | "FMUL32I" | "HMUL2_32I")
            || matches!(family, "FFMA" | "HFMA2") && operands.last() == Some(&"RZ")
    }

    fn verdict(&self, candidate: &Candidate, lines: &Lines) -> Verdict {
        let line = lines.at(candidate.place());
        let fused: Vec<usize> = self.at(line).filter(|&index| self.is_fused(index)).collect();
        let apart = self.at(line).any(|index| self.is_addition(index));
        let Some(&first) = fused.first() else { return if apart { Verdict::Apart } else { Verdict::Unknown } };
        if apart {
            return Verdict::Unknown;
        }
        if candidate.products.len() == 1 || candidate.products[0].place() == candidate.products[1].place() {
            return Verdict::Contracted(0);
        }
        let own = candidate.products.iter().map(|product| {
            let line = lines.at(product.place());
            self.at(line).any(|index| self.is_multiplication(index))
        });
        match own.collect::<Vec<_>>()[..] {
            [false, true] => Verdict::Contracted(0),
            [true, false] => Verdict::Contracted(1),
            _ => self.other_than_addend(first, candidate, lines),
        }
    }

    /// The product that is not where the addend comes from.
    fn other_than_addend(&self, index: usize, candidate: &Candidate, lines: &Lines) -> Verdict {
        let (_, operands) = parts(&self.instructions[index].text);
        let Some(&addend) = operands.last() else { return Verdict::Unknown };
        let writer = self.instructions[..index].iter().rev().find(|instruction| {
            let (_, operands) = parts(&instruction.text);
            operands.first() == Some(&addend)
        });
        let Some(line) = writer.and_then(|writer| writer.ptx_line) else { return Verdict::Unknown };
        let from = candidate.products.iter().position(|product| lines.at(product.place()) == line);
        match from {
            Some(product) => Verdict::Contracted(1 - product),
            None => Verdict::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stage;

    const PTX: &str = ".version 8.4\n.target sm_90a\n.address_size 64\n.visible .entry k()\n{\n\
        .reg .f32 %f<20>;\n\
        mul.f32 %f3, %f1, %f2;\n\
        add.f32 %f4, %f3, %f1;\n\
        mul.f32 %f5, %f1, %f1;\n\
        mul.f32 %f6, %f2, %f2;\n\
        add.f32 %f7, %f5, %f6;\n\
        sub.f32 %f8, %f5, %f2;\n\
        ret;\n}\n";

    fn instruction(line: u32, text: &str) -> sass::Instruction {
        sass::Instruction { address: 0, labels: Vec::new(), text: text.to_owned(), ptx_line: Some(line), control: None }
    }

    #[test]
    fn pairs_are_read_from_the_machine_code() {
        let instructions = vec![
            instruction(8, "FFMA R4, R1, R2.reuse, R1"),
            instruction(10, "FMUL R6, R2, R2.reuse"),
            instruction(11, "FFMA R7, R1, R1, R6"),
            instruction(12, "@!P0 FADD R8, R5, -R2"),
        ];
        let code = [sass::Function { name: "k".to_owned(), instructions }];
        let followed = follow(&Artifact::new(Stage::Ptx, PTX.as_bytes()), "k", &code).expect("PTX");
        assert_eq!((followed.candidates, followed.contracted, followed.unknown), (3, 2, 0));
        let lines: Vec<&str> = followed.text.lines().collect();
        assert_eq!(lines[7], "{ fma.rn.f32 %f4, %f1, %f2, %f1; }");
        assert_eq!(lines[10], "{ fma.rn.f32 %f7, %f1, %f1, %f6; }");
        assert_eq!(lines[11], "sub.f32 %f8, %f5, %f2;");
    }

    #[test]
    fn what_ptxas_computed_itself_is_followed() {
        let ptx = PTX.replace("mul.f32 %f3, %f1, %f2;", "div.full.f32 %f3, %f1, 0f40400000;");
        let follow_with = |line: u32, text: &str| {
            let code = [sass::Function { name: "k".to_owned(), instructions: vec![instruction(line, text)] }];
            follow(&Artifact::new(Stage::Ptx, ptx.as_bytes()), "k", &code).expect("PTX")
        };
        let folded = follow_with(7, "FMUL R3, R1, 0.3333333432674407959");
        assert_eq!(folded.folded, 1);
        assert!(folded.text.contains("rcp.rn.f32"), "{}", folded.text);
        let kept = follow_with(7, "@!P0 MUFU.RCP R4, R2");
        assert_eq!((kept.folded, kept.text.contains("rcp.rn.f32")), (0, false));
    }

    #[test]
    fn an_addition_by_way_of_one_is_none() {
        let code =
            [sass::Function { name: "k".to_owned(), instructions: vec![instruction(8, "HFMA2.MMA R4, R3, 1, 1, R1")] }];
        let followed = follow(&Artifact::new(Stage::Ptx, PTX.as_bytes()), "k", &code).expect("PTX");
        assert_eq!((followed.contracted, followed.unknown), (0, 2));
    }
}
