//! What the registers of a PTX text hold, by the instructions that use them: most are declared as bits only.

use std::collections::HashMap;

use crate::ast::{Instruction, Operand};
use crate::isa::{Mnemonic, Role};
use crate::types::PtxType;

/// The kind of number that a register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Holds {
    F32,
    F64,
    F16,
    Bf16,
    F16x2,
    Bf16x2,
    Signed,
    Unsigned,
    Predicate,
    /// No instruction says more than how many bits there are.
    Bits,
}

impl Holds {
    /// Every name that a reader may choose: `f16x2`.
    pub const NAMES: [(&'static str, Self); 9] = [
        (PtxType::F32.name(), Self::F32),
        (PtxType::F64.name(), Self::F64),
        (PtxType::F16.name(), Self::F16),
        (PtxType::Bf16.name(), Self::Bf16),
        (PtxType::F16x2.name(), Self::F16x2),
        (PtxType::Bf16x2.name(), Self::Bf16x2),
        (PtxType::S32.name(), Self::Signed),
        (PtxType::U32.name(), Self::Unsigned),
        ("hex", Self::Bits),
    ];

    /// The name that a reader sees: `f16x2`.
    pub fn name(self) -> &'static str {
        let known = Self::NAMES.iter().find(|(_, holds)| *holds == self);
        known.map_or("pred", |(name, _)| name)
    }

    fn from_type(ty: PtxType) -> Option<Self> {
        use PtxType as T;
        Some(match ty {
            T::F32 | T::Tf32 => Self::F32,
            T::F64 => Self::F64,
            T::F16 => Self::F16,
            T::Bf16 => Self::Bf16,
            T::F16x2 => Self::F16x2,
            T::Bf16x2 => Self::Bf16x2,
            T::S8 | T::S16 | T::S32 | T::S64 => Self::Signed,
            T::U8 | T::U16 | T::U32 | T::U64 => Self::Unsigned,
            T::B8 | T::B16 | T::B32 | T::B64 | T::E4m3 | T::E5m2 | T::E4m3x2 | T::E5m2x2 => Self::Bits,
            T::Pred => Self::Predicate,
            T::B128 | T::F32x2 => return None,
        })
    }

    fn packed(self) -> Self {
        match self {
            Self::F16 => Self::F16x2,
            Self::Bf16 => Self::Bf16x2,
            other => other,
        }
    }

    fn unpacked(self) -> Self {
        match self {
            Self::F16x2 => Self::F16,
            Self::Bf16x2 => Self::Bf16,
            other => other,
        }
    }
}

/// How often knowledge goes from one register of a move to the other.
const ROUNDS: usize = 4;

/// What each register of a module holds, as far as its text says; nothing of a text that is no PTX.
pub fn infer(text: &str) -> HashMap<String, Holds> {
    let Ok(module) = crate::parse(text) else { return HashMap::new() };
    let mut uses = Uses::default();
    module.instructions().for_each(|instruction| uses.add(instruction));
    uses.spread();
    uses.known.into_iter().map(|(name, holds)| (name.to_owned(), holds)).collect()
}

/// What the instructions of a function show about its registers.
#[derive(Default)]
struct Uses<'a> {
    known: HashMap<&'a str, Holds>,
    /// Pairs of registers that hold the same kind of number.
    same: Vec<(&'a str, &'a str)>,
    /// A register and one that is half of it.
    halves: Vec<(&'a str, &'a str)>,
}

impl<'a> Uses<'a> {
    fn add(&mut self, instruction: &'a Instruction) {
        for (index, (operand, role)) in instruction.roles().enumerate() {
            let mut names = Vec::new();
            match operand {
                // The second destination is a predicate: `shfl.sync.idx.b32 d|p`.
                Operand::Pair(first, second) => {
                    registers(first, &mut names);
                    let mut predicates = Vec::new();
                    registers(second, &mut predicates);
                    predicates.into_iter().for_each(|name| self.learn(name, Some(Holds::Predicate)));
                }
                operand => registers(operand, &mut names),
            }
            let holds = operand_holds(instruction, index, role);
            names.into_iter().for_each(|name| self.learn(name, holds));
        }
        self.add_move(instruction);
    }

    fn learn(&mut self, name: &'a str, holds: Option<Holds>) {
        let own = self.known.entry(name).or_insert(Holds::Bits);
        if let (Holds::Bits, Some(holds)) = (*own, holds) {
            *own = holds;
        }
    }

    /// Notes what moves a value from one register to another.
    fn add_move(&mut self, instruction: &'a Instruction) {
        let operands = &instruction.operands[..];
        match (instruction.opcode.mnemonic(), operands) {
            (Some(Mnemonic::Mov), [d, a]) => match (d, a) {
                (Operand::Name(d), Operand::Name(a)) => self.same.push((d, a)),
                (Operand::Name(whole), Operand::Vector(parts)) | (Operand::Vector(parts), Operand::Name(whole)) => {
                    let mut names = Vec::new();
                    parts.iter().for_each(|part| registers(part, &mut names));
                    self.halves.extend(names.into_iter().map(|half| (whole.as_str(), half)));
                }
                _ => {}
            },
            (Some(Mnemonic::Shfl | Mnemonic::Selp), [d, Operand::Name(a), ..]) => {
                let d = if let Operand::Pair(first, _) = d { first } else { d };
                if let Operand::Name(d) = d {
                    self.same.push((d, a));
                }
            }
            _ => {}
        }
    }

    /// Carries what is known of one register to those that hold the same.
    fn spread(&mut self) {
        for _ in 0..ROUNDS {
            for (a, b) in self.same.clone() {
                let (of_a, of_b) = (self.known.get(a).copied(), self.known.get(b).copied());
                self.spread_to(a, of_b);
                self.spread_to(b, of_a);
            }
            for (whole, half) in self.halves.clone() {
                let (of_whole, of_half) = (self.known.get(whole).copied(), self.known.get(half).copied());
                self.spread_to(whole, of_half.map(Holds::packed));
                self.spread_to(half, of_whole.map(Holds::unpacked));
            }
        }
    }

    fn spread_to(&mut self, name: &'a str, holds: Option<Holds>) {
        if let (Some(own @ Holds::Bits), Some(holds)) = (self.known.get_mut(name), holds) {
            *own = holds;
        }
    }
}

/// What an instruction says of its operand at an index.
fn operand_holds(instruction: &Instruction, index: usize, role: Option<Role>) -> Option<Holds> {
    let opcode = &instruction.opcode;
    let types: Vec<Holds> = opcode.types().filter_map(Holds::from_type).collect();
    let (first, last) = (types.first().copied(), types.last().copied());
    match opcode.mnemonic() {
        // `mov.u32` is how Triton writes a move of any 32 bits.
        Some(Mnemonic::Mov) if !matches!(last, Some(Holds::F32 | Holds::F64 | Holds::Predicate)) => Some(Holds::Bits),
        Some(Mnemonic::Cvt) if index == 0 => first,
        Some(Mnemonic::Setp) if index == 0 => Some(Holds::Predicate),
        // The types are those of D, A, B and C.
        Some(Mnemonic::Mma | Mnemonic::WgmmaMmaAsync) => types.get(index).map(|&holds| match (index, holds) {
            (0 | 3, Holds::F16) => Holds::F16x2,
            (0 | 3, holds) => holds,
            (_, holds) => holds.packed(),
        }),
        Some(Mnemonic::Selp) if role == Some(Role::Predicate) => Some(Holds::Predicate),
        Some(Mnemonic::Shl | Mnemonic::Shr) if index == 2 => Some(Holds::Unsigned),
        _ => last,
    }
}

/// The names in an operand, but for those in an address.
fn registers<'a>(operand: &'a Operand, names: &mut Vec<&'a str>) {
    match operand {
        Operand::Name(name) | Operand::NameOffset(name, _) | Operand::Not(name) => names.push(name),
        Operand::Vector(parts) | Operand::List(parts) => parts.iter().for_each(|part| registers(part, names)),
        Operand::Pair(first, second) => {
            registers(first, names);
            registers(second, names);
        }
        Operand::Immediate(_) | Operand::Address(_) | Operand::Sink => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_say_what_a_register_holds() {
        let text = ".visible .entry k() {\n\
                    \tld.global.b32 { %r1 }, [ %rd1 + 0 ];\n\
                    \tadd.f32 %r2, %r1, 0f3F800000; // a comment\n\
                    \tmov.b32 {%rs1, %rs2}, %r3;\n\
                    \tfma.rn.f16 %rs4, %rs1, %rs1, %rs1;\n\
                    \t@%p1 setp.lt.s32 %p2, %r5, %r6;\n\
                    \tcvt.rn.bf16x2.f32 %r7, %r8, %r9;\n\
                    \tmma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%r10}, {%r11}, {%r12}, {%r10};\n\
                    \tmov.b32 %r13, %r10;\n\
                    \tshfl.sync.bfly.b32 %r14|%p3, %r13, 1, 31, -1;\n\
                    \tst.global.b32 [%rd2], %r15;\n\tmov.u32 %r16, 0x0;\n}";
        let known = infer(text);
        let expected = [
            ("%r1", Holds::F32),
            ("%r2", Holds::F32),
            ("%r3", Holds::F16x2),
            ("%rs2", Holds::F16),
            ("%p2", Holds::Predicate),
            ("%p3", Holds::Predicate),
            ("%r5", Holds::Signed),
            ("%r7", Holds::Bf16x2),
            ("%r8", Holds::F32),
            ("%r10", Holds::F32),
            ("%r11", Holds::F16x2),
            ("%r13", Holds::F32),
            ("%r14", Holds::F32),
            ("%r15", Holds::Bits),
            ("%r16", Holds::Bits),
        ];
        for (name, holds) in expected {
            assert_eq!(known.get(name), Some(&holds), "{name}");
        }
    }
}
