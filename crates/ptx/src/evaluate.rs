//! A small static evaluation of PTX: what the first thread of a block has in its registers when it comes to an
//! instruction for the first time, as far as that depends on nothing but the text.
//!
//! Instructions are taken in the order of the text and no branch is followed: a loop is seen in its first pass. What
//! depends on parameters or memory is unknown. Shared memory begins at zero.

use std::collections::HashMap;

use super::ast::{Function, Immediate, Instruction, Operand, Space, Statement, Variable};

/// The registers whose values are known.
#[derive(Clone, Debug, Default)]
pub struct Known {
    values: HashMap<String, u64>,
    shared: Vec<String>,
}

/// Shows every instruction of a function with what is known before it.
pub fn walk(function: &Function, globals: &[Variable], visit: &mut dyn FnMut(&Instruction, &Known)) {
    let is_shared = |variable: &&Variable| variable.space == Space::Shared;
    let shared = globals.iter().filter(is_shared).map(|variable| variable.name.clone()).collect();
    let mut known = Known { values: HashMap::new(), shared };
    if let Some(body) = &function.body {
        statements(body, &mut known, visit);
    }
}

fn statements(body: &[Statement], known: &mut Known, visit: &mut dyn FnMut(&Instruction, &Known)) {
    for statement in body {
        match statement {
            Statement::Instruction(instruction) => {
                visit(instruction, known);
                known.step(instruction);
            }
            Statement::Block(inside) => statements(inside, known, visit),
            Statement::Variable(variable) if variable.space == Space::Shared => {
                known.shared.push(variable.name.clone())
            }
            _ => {}
        }
    }
}

impl Known {
    /// The value of an operand; an address has that of the place it names.
    pub fn value(&self, operand: &Operand) -> Option<u64> {
        match operand {
            Operand::Immediate(Immediate::Integer(value)) => Some(*value),
            Operand::Name(name) => self.name(name),
            Operand::NameOffset(name, offset) => Some(self.name(name)?.wrapping_add_signed(*offset)),
            Operand::Not(name) => Some(u64::from(self.name(name)? == 0)),
            Operand::Address(address) => {
                let base = match &address.base {
                    Some(name) => self.name(name)?,
                    None => 0,
                };
                Some(base.wrapping_add_signed(address.offset))
            }
            _ => None,
        }
    }

    fn name(&self, name: &str) -> Option<u64> {
        // The first thread of the first warp, and the dynamic shared memory, of which there is one.
        if name.starts_with("%tid")
            || name == "%laneid"
            || name == "%warpid"
            || self.shared.iter().any(|own| own == name)
        {
            return Some(0);
        }
        self.values.get(name).copied()
    }

    fn set(&mut self, target: &Operand, value: Option<u64>) {
        match target {
            Operand::Name(name) => {
                match value {
                    Some(value) => self.values.insert(name.clone(), value),
                    None => self.values.remove(name),
                };
            }
            Operand::Pair(first, second) => {
                self.set(first, value);
                self.set(second, None);
            }
            Operand::Vector(parts) => parts.iter().for_each(|part| self.set(part, None)),
            _ => {}
        }
    }

    fn step(&mut self, instruction: &Instruction) {
        let [target, sources @ ..] = instruction.operands.as_slice() else { return };
        let mut parts = instruction.opcode.split('.');
        let name = parts.next().unwrap_or_default();
        if ["st", "red", "bar", "barrier", "bra", "ret", "cp", "mbarrier", "wgmma", "tcgen05"].contains(&name)
            && !instruction.opcode.starts_with("tcgen05.ld")
        {
            return;
        }
        if name == "elect" {
            // The lowest lane is chosen.
            if let Operand::Pair(lane, predicate) = target {
                self.set(lane, Some(0));
                self.set(predicate, Some(1));
            }
            return;
        }
        // An instruction that may not be carried out leaves two values.
        let is_sure = match &instruction.guard {
            None => true,
            Some((guard, negated)) => match self.name(guard) {
                Some(value) if (value == 0) == *negated => true,
                Some(_) => return,
                None => false,
            },
        };
        let value = if is_sure { self.result(name, &instruction.opcode, sources) } else { None };
        self.set(target, value);
    }

    fn result(&self, name: &str, opcode: &str, sources: &[Operand]) -> Option<u64> {
        let ty = opcode.rsplit('.').next().unwrap_or_default();
        let is_signed = ty.starts_with('s');
        let width: u32 = ty.trim_start_matches(|c: char| c.is_ascii_alphabetic()).parse().unwrap_or(1);
        let cut = |value: u64| if width >= 64 { value } else { value & ((1 << width) - 1) };
        let signed = |value: u64| {
            let shift = 64 - width.clamp(1, 64);
            (value << shift) as i64 >> shift
        };
        let at = |index: usize| sources.get(index).and_then(|source| self.value(source));
        let two = || Some((at(0)?, at(1)?));
        Some(match name {
            "mov" => cut(at(0)?),
            "cvta" => at(0)?,
            "cvt" => {
                let from = opcode.split('.').rev().nth(0)?;
                let from_width: u32 = from.trim_start_matches(|c: char| c.is_ascii_alphabetic()).parse().ok()?;
                let to = opcode.split('.').rev().nth(1)?;
                let to_width: u32 = to.trim_start_matches(|c: char| c.is_ascii_alphabetic()).parse().ok()?;
                if !from.starts_with(['u', 's', 'b']) || !to.starts_with(['u', 's', 'b']) {
                    return None;
                }
                let value = if from.starts_with('s') && from_width < 64 {
                    let shift = 64 - from_width;
                    ((at(0)? << shift) as i64 >> shift) as u64
                } else {
                    at(0)?
                };
                if to_width >= 64 { value } else { value & ((1 << to_width) - 1) }
            }
            "add" => two().map(|(a, b)| cut(a.wrapping_add(b)))?,
            "sub" => two().map(|(a, b)| cut(a.wrapping_sub(b)))?,
            "mul" | "mad" => {
                let (a, b) = two()?;
                let is_wide = opcode.contains(".wide");
                if opcode.contains(".hi") || ty.starts_with('f') {
                    return None;
                }
                let product = if is_signed { (signed(a).wrapping_mul(signed(b))) as u64 } else { a.wrapping_mul(b) };
                let sum = if name == "mad" { product.wrapping_add(at(2)?) } else { product };
                if is_wide { if width >= 32 { sum } else { sum & 0xffff_ffff } } else { cut(sum) }
            }
            "and" => match (at(0), at(1)) {
                (Some(0), _) | (_, Some(0)) => 0,
                (Some(a), Some(b)) => cut(a & b),
                _ => return None,
            },
            "or" => two().map(|(a, b)| cut(a | b))?,
            "xor" => two().map(|(a, b)| cut(a ^ b))?,
            "not" => cut(!at(0)?),
            "neg" => cut(at(0)?.wrapping_neg()),
            "shl" => two().map(|(a, b)| if b >= u64::from(width) { 0 } else { cut(a << b) })?,
            "shr" => {
                let (a, b) = two()?;
                if is_signed {
                    cut((signed(a) >> b.min(63)) as u64)
                } else if b >= u64::from(width) {
                    0
                } else {
                    cut(a) >> b
                }
            }
            "bfe" => {
                let (value, low) = two()?;
                let length = at(2)?.min(63);
                if is_signed {
                    return None;
                }
                value >> low.min(63) & ((1 << length) - 1)
            }
            "bfi" => {
                let (field, into) = two()?;
                let (low, length) = (at(2)?.min(63), at(3)?.min(63));
                let mask = ((1_u64 << length) - 1) << low;
                cut(into & !mask | field << low & mask)
            }
            "shfl" => at(0)?,
            "min" | "max" if !ty.starts_with('f') => {
                let (a, b) = two()?;
                let a_first = if is_signed { signed(a) <= signed(b) } else { a <= b };
                if a_first == (name == "min") { a } else { b }
            }
            "selp" => {
                let chosen = if at(2)? != 0 { at(0) } else { at(1) };
                chosen?
            }
            "setp" => {
                let (a, b) = two()?;
                let compare = opcode.split('.').nth(1)?;
                if ty.starts_with('f') || sources.len() > 2 {
                    return None;
                }
                let order = if is_signed { signed(a).cmp(&signed(b)) } else { a.cmp(&b) };
                u64::from(match compare {
                    "eq" => order.is_eq(),
                    "ne" => order.is_ne(),
                    "lt" | "lo" => order.is_lt(),
                    "le" | "ls" => order.is_le(),
                    "gt" | "hi" => order.is_gt(),
                    "ge" | "hs" => order.is_ge(),
                    _ => return None,
                })
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn descriptors_are_computed_from_the_text() {
        let text = ".version 8.0
.target sm_90a
.address_size 64
.extern .shared .align 16 .b8 global_smem[];
.visible .entry k(.param .u64 p)
{
  .reg .pred %p<4>;
  .reg .b32 %r<20>;
  .reg .b64 %rd<20>;
  ld.param.u64 %rd1, [p];
  mov.b32 %r1, global_smem;
  mov.b32 %r2, -1;
  add.s32 %r3, %r2, 1;
  setp.gt.s32 %p1, %r3, 2;
  selp.b32 %r2, 0, %r3, %p1;
  shl.b32 %r4, %r2, 14;
  add.s32 %r5, %r1, %r4;
  add.s32 %r6, %r5, 49152;
  bfe.u32 %r7, %r6, 4, 14;
  cvt.u64.u32 %rd2, %r7;
  add.s64 %rd3, %rd2, 4611686293305294850;
  add.s64 %rd4, %rd1, 1;
  @%p1 mov.b32 %r8, 1;
  exit;
}";
        let module = crate::parse(text).expect("parsed");
        let mut seen = Vec::new();
        let function = module.entries().next().expect("an entry");
        super::walk(function, &module.variables, &mut |instruction, known| {
            if instruction.opcode == "exit" {
                let name = |name: &str| known.value(&crate::Operand::Name(name.to_owned()));
                seen = vec![name("%rd3"), name("%rd4"), name("%r8"), name("%tid.x")];
            }
        });
        assert_eq!(seen, [Some(4611686293305294850 + (49152 >> 4)), None, None, Some(0)]);
    }
}
