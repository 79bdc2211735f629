//! What the registers of a PTX hold, by the instructions that use them: most are declared as bits only.

use std::collections::HashMap;

/// What a register holds.
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
    /// Nothing tells more than its bits.
    Bits,
}

impl Holds {
    /// Every name that a reader may choose: `f16x2`.
    pub const NAMES: [(&'static str, Self); 9] = [
        ("f32", Self::F32),
        ("f64", Self::F64),
        ("f16", Self::F16),
        ("bf16", Self::Bf16),
        ("f16x2", Self::F16x2),
        ("bf16x2", Self::Bf16x2),
        ("s32", Self::Signed),
        ("u32", Self::Unsigned),
        ("hex", Self::Bits),
    ];

    /// `f16x2`
    pub fn name(self) -> &'static str {
        let known = Self::NAMES.iter().find(|(_, holds)| *holds == self);
        known.map_or("pred", |(name, _)| name)
    }

    fn of_suffix(suffix: &str) -> Option<Self> {
        Some(match suffix {
            "f32" | "tf32" => Self::F32,
            "f64" => Self::F64,
            "f16" => Self::F16,
            "bf16" => Self::Bf16,
            "f16x2" => Self::F16x2,
            "bf16x2" => Self::Bf16x2,
            "s8" | "s16" | "s32" | "s64" => Self::Signed,
            "u8" | "u16" | "u32" | "u64" => Self::Unsigned,
            "b8" | "b16" | "b32" | "b64" => Self::Bits,
            "pred" => Self::Predicate,
            "e4m3x2" | "e5m2x2" | "e4m3" | "e5m2" => Self::Bits,
            _ => return None,
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

/// What each register of a PTX holds, as far as its text tells.
pub fn of_ptx(text: &str) -> HashMap<&str, Holds> {
    let mut known: HashMap<&str, Holds> = HashMap::new();
    // Registers that hold the same, and halves of one: (whole, half).
    let mut same: Vec<(&str, &str)> = Vec::new();
    let mut halves: Vec<(&str, &str)> = Vec::new();
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or(line);
        // Triton writes some instructions as inline assembly, several in a line.
        for statement in line.split(';') {
            let statement = statement.trim().trim_start_matches('{').trim();
            if let Some(instruction) = Instruction::of(statement) {
                instruction.tell(&mut known, &mut same, &mut halves);
            }
        }
    }
    for _ in 0..ROUNDS {
        let learn = |to: &'_ str, what: Option<Holds>, all: &mut HashMap<&str, Holds>| match what {
            Some(what) if what != Holds::Bits => {
                if let Some(own) = all.get_mut(to).filter(|own| **own == Holds::Bits) {
                    *own = what;
                }
            }
            _ => {}
        };
        for &(a, b) in &same {
            let (of_a, of_b) = (known.get(a).copied(), known.get(b).copied());
            learn(a, of_b, &mut known);
            learn(b, of_a, &mut known);
        }
        for &(whole, half) in &halves {
            let (of_whole, of_half) = (known.get(whole).copied(), known.get(half).copied());
            learn(whole, of_half.map(Holds::packed), &mut known);
            learn(half, of_whole.map(Holds::unpacked), &mut known);
        }
    }
    known
}

struct Instruction<'a> {
    opcode: &'a str,
    /// The registers of each operand, addresses left out.
    operands: Vec<Vec<&'a str>>,
}

impl<'a> Instruction<'a> {
    fn of(statement: &'a str) -> Option<Self> {
        let mut rest = statement;
        if rest.starts_with('@') {
            rest = rest.split_once(char::is_whitespace)?.1.trim();
        }
        let (opcode, operands) = rest.split_once(char::is_whitespace)?;
        if opcode.starts_with('.') || opcode.ends_with(':') {
            return None;
        }
        let (mut depth, mut all, mut from) = (0i32, Vec::new(), 0);
        for (at, c) in operands.char_indices() {
            match c {
                '{' | '[' | '(' => depth += 1,
                '}' | ']' | ')' => depth -= 1,
                ',' if depth == 0 => {
                    all.push(&operands[from..at]);
                    from = at + 1;
                }
                _ => {}
            }
        }
        all.push(&operands[from..]);
        let registers = |operand: &'a str| {
            let names = operand.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '%' | '$')));
            if operand.trim_start().starts_with('[') {
                Vec::new()
            } else {
                names.filter(|name| is_register(name)).collect()
            }
        };
        // `d|p` are two.
        let operands = all.into_iter().flat_map(|operand| operand.split('|')).map(registers).collect();
        Some(Self { opcode, operands })
    }

    fn tell(
        &self,
        known: &mut HashMap<&'a str, Holds>,
        same: &mut Vec<(&'a str, &'a str)>,
        halves: &mut Vec<(&'a str, &'a str)>,
    ) {
        let mut parts = self.opcode.split('.');
        let base = parts.next().unwrap_or_default();
        let types: Vec<Holds> = parts.filter_map(Holds::of_suffix).collect();
        let (first, last) = (types.first().copied(), types.last().copied());
        for (index, registers) in self.operands.iter().enumerate() {
            let what = match base {
                // `mov.u32` is how Triton writes a move of any 32 bits.
                "mov" if !matches!(last, Some(Holds::F32 | Holds::F64 | Holds::Predicate)) => Some(Holds::Bits),
                "cvt" if index == 0 => first,
                "cvt" => last,
                "setp" if index == 0 => Some(Holds::Predicate),
                "mma" | "wgmma" => types.get(index).copied().map(|what| {
                    if index == 0 || index == 3 {
                        if what == Holds::F16 { Holds::F16x2 } else { what }
                    } else {
                        what.packed()
                    }
                }),
                "selp" if index == 3 => Some(Holds::Predicate),
                "shl" | "shr" if index == 2 => Some(Holds::Unsigned),
                "mul" | "mad" if self.opcode.contains(".wide.") && (index == 0 || index == 3) => last,
                _ => last,
            };
            for name in registers {
                let own = known.entry(name).or_insert(Holds::Bits);
                if *own == Holds::Bits
                    && let Some(what) = what
                {
                    *own = what;
                }
            }
        }
        match (base, self.operands.as_slice()) {
            ("mov", [d, a]) => match (d.as_slice(), a.as_slice()) {
                ([d], [a]) => same.push((d, a)),
                ([whole], parts) | (parts, [whole]) => halves.extend(parts.iter().map(|half| (*whole, *half))),
                _ => {}
            },
            ("shfl", [d, .., a, _, _, _]) | ("selp", [d, a, _, _]) => {
                if let ([d], [a]) = (d.as_slice(), a.as_slice()) {
                    same.push((d, a));
                }
            }
            _ => {}
        }
    }
}

fn is_register(name: &str) -> bool {
    let starts = name.starts_with('%') && name.len() > 1;
    starts || matches!(name.as_bytes(), [b'a'..=b'z' | b'A'..=b'Z' | b'_', ..] if name.len() < 24 && name != "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_tell_what_a_register_holds() {
        let text = "\tld.global.b32 { %r1 }, [ %rd1 + 0 ];\n\
                    \tadd.f32 %r2, %r1, 0f3F800000; // a comment\n\
                    \tmov.b32 {%rs1, %rs2}, %r3;\n\
                    \tfma.rn.f16 %rs4, %rs1, %rs1, %rs1;\n\
                    \t@%p1 setp.lt.s32 %p2, %r5, %r6;\n\
                    \tcvt.rn.bf16x2.f32 %r7, %r8, %r9;\n\
                    \tmma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%r10}, {%r11}, {%r12}, {%r10};\n\
                    \tmov.b32 %r13, %r10;\n\
                    \tshfl.sync.bfly.b32 %r14|%p3, %r13, 1, 31, -1;\n\
                    \tst.global.b32 [%rd2], %r15;\n\tmov.u32 %r16, 0x0;\n";
        let known = of_ptx(text);
        let expected = [
            ("%r1", Holds::F32),
            ("%r2", Holds::F32),
            ("%r3", Holds::F16x2),
            ("%rs2", Holds::F16),
            ("%p2", Holds::Predicate),
            ("%r5", Holds::Signed),
            ("%r7", Holds::Bf16x2),
            ("%r8", Holds::F32),
            ("%r10", Holds::F32),
            ("%r11", Holds::F16x2),
            ("%r13", Holds::F32),
            ("%r15", Holds::Bits),
            ("%r16", Holds::Bits),
        ];
        for (name, holds) in expected {
            assert_eq!(known.get(name), Some(&holds), "{name}");
        }
    }
}
