//! A small static evaluation of PTX: what the first thread of a block has in its registers when it comes to an
//! instruction for the first time, as far as that depends on nothing but the text.
//!
//! Instructions are taken in the order of the text and no branch is followed: a loop is seen in its first pass. What
//! depends on parameters or memory is unknown. Shared memory begins at zero.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::ast::{Function, Immediate, Instruction, Operand, Statement, Variable};
use super::isa::{Comparison, Mnemonic, Modifier, Opcode};
use super::types::{PtxType, Space};

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
    /// The value of an operand; for an address, the address itself and not what is stored there.
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
        let opcode = &*instruction.opcode;
        let result = match opcode.mnemonic() {
            // What PTX does not know may write its first operand.
            None => instruction.operands.first(),
            Some(_) => instruction.result(),
        };
        let Some(target) = result else { return };
        let sources = instruction.operands.get(1..).unwrap_or_default();
        if opcode.mnemonic() == Some(Mnemonic::Elect) {
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
        let value = if is_sure { self.compute(opcode, sources) } else { None };
        self.set(target, value);
    }

    /// The result of an instruction of integers; `None` where it, or an operand, is not known.
    fn compute(&self, opcode: &Opcode, sources: &[Operand]) -> Option<u64> {
        let ty = opcode.ty()?;
        let is_signed = ty.is_signed();
        let width = width(ty);
        let cut = |value: u64| if width >= 64 { value } else { value & ((1 << width) - 1) };
        let signed = |value: u64| {
            let shift = 64 - width.clamp(1, 64);
            (value << shift) as i64 >> shift
        };
        let at = |index: usize| sources.get(index).and_then(|source| self.value(source));
        let two = || Some((at(0)?, at(1)?));
        let mnemonic = opcode.mnemonic()?;
        if ty.is_float() && !matches!(mnemonic, Mnemonic::Mov | Mnemonic::Selp | Mnemonic::Shfl) {
            return None;
        }
        Some(match mnemonic {
            Mnemonic::Mov => cut(at(0)?),
            Mnemonic::Cvta => at(0)?,
            Mnemonic::Cvt => {
                let (to, from) = (opcode.types().rev().nth(1)?, ty);
                if to.is_float() {
                    return None;
                }
                let value = if from.is_signed() { signed(at(0)?) as u64 } else { at(0)? };
                if to.size() >= 8 { value } else { value & ((1 << self::width(to)) - 1) }
            }
            Mnemonic::Add => two().map(|(a, b)| cut(a.wrapping_add(b)))?,
            Mnemonic::Sub => two().map(|(a, b)| cut(a.wrapping_sub(b)))?,
            Mnemonic::Mul | Mnemonic::Mad => {
                let (a, b) = two()?;
                if opcode.has(Modifier::Hi) {
                    return None;
                }
                let product = if is_signed { (signed(a).wrapping_mul(signed(b))) as u64 } else { a.wrapping_mul(b) };
                let sum = if mnemonic == Mnemonic::Mad { product.wrapping_add(at(2)?) } else { product };
                match opcode.has(Modifier::Wide) {
                    true if width < 32 => sum & 0xffff_ffff,
                    true => sum,
                    false => cut(sum),
                }
            }
            Mnemonic::And => match (at(0), at(1)) {
                (Some(0), _) | (_, Some(0)) => 0,
                (Some(a), Some(b)) => cut(a & b),
                _ => return None,
            },
            Mnemonic::Or => two().map(|(a, b)| cut(a | b))?,
            Mnemonic::Xor => two().map(|(a, b)| cut(a ^ b))?,
            Mnemonic::Not => cut(!at(0)?),
            Mnemonic::Neg => cut(at(0)?.wrapping_neg()),
            Mnemonic::Shl => two().map(|(a, b)| if b >= u64::from(width) { 0 } else { cut(a << b) })?,
            Mnemonic::Shr => {
                let (a, b) = two()?;
                if is_signed {
                    cut((signed(a) >> b.min(63)) as u64)
                } else if b >= u64::from(width) {
                    0
                } else {
                    cut(a) >> b
                }
            }
            Mnemonic::Bfe => {
                let (value, low) = two()?;
                let length = at(2)?.min(63);
                if is_signed {
                    return None;
                }
                value >> low.min(63) & ((1 << length) - 1)
            }
            Mnemonic::Bfi => {
                let (field, into) = two()?;
                let (low, length) = (at(2)?.min(63), at(3)?.min(63));
                let mask = ((1_u64 << length) - 1) << low;
                cut(into & !mask | field << low & mask)
            }
            Mnemonic::Shfl => at(0)?,
            Mnemonic::Min | Mnemonic::Max => {
                let (a, b) = two()?;
                let a_first = if is_signed { signed(a) <= signed(b) } else { a <= b };
                if a_first == (mnemonic == Mnemonic::Min) { a } else { b }
            }
            Mnemonic::Selp => {
                let chosen = if at(2)? != 0 { at(0) } else { at(1) };
                chosen?
            }
            Mnemonic::Setp => {
                let (a, b) = two()?;
                // A third operand is a predicate that the result is combined with.
                if sources.len() > 2 {
                    return None;
                }
                let order = if is_signed { signed(a).cmp(&signed(b)) } else { a.cmp(&b) };
                u64::from(holds(opcode.modifiers().find_map(Comparison::from_modifier)?, order)?)
            }
            _ => return None,
        })
    }
}

/// True if a comparison holds of two integers in this order; `None` for a comparison of floating-point values.
fn holds(comparison: Comparison, order: Ordering) -> Option<bool> {
    Some(match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
        _ => return None,
    })
}

/// Bits of a value of an integer type; a predicate has one.
fn width(ty: PtxType) -> u32 {
    if ty == PtxType::Pred { 1 } else { 8 * ty.size() }
}

#[cfg(test)]
mod tests {
    use crate::isa::Mnemonic;

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
            if instruction.opcode.mnemonic() == Some(Mnemonic::Exit) {
                let name = |name: &str| known.value(&crate::Operand::Name(name.to_owned()));
                seen = vec![name("%rd3"), name("%rd4"), name("%r8"), name("%tid.x")];
            }
        });
        assert_eq!(seen, [Some(4611686293305294850 + (49152 >> 4)), None, None, Some(0)]);
    }
}
