//! Registers whose values come late: accumulators of `wgmma`, and what `tcgen05.ld` loads.

use std::collections::{BTreeSet, HashSet};

use crate::program::{Data, File, Instruction, Op, Slot};
use warpbook_diagnostic::{Result, interrupt};

/// Gives each wait the accumulators that may be in flight there, so that their registers are not used for anything
/// else before.
pub(super) fn hold_accumulators(code: &mut [Instruction]) {
    let mut registers: Vec<Data> = Vec::new();
    for instruction in code.iter() {
        if let Op::Wgmma(wgmma) = &instruction.op {
            for &element in &wgmma.d {
                let is_it = |known: &Data| matches!((known, element), (Data::Word(a), Data::Word(b)) if *a == b);
                if !registers.iter().any(is_it) {
                    registers.push(element);
                }
            }
        }
    }
    for instruction in code {
        if let Op::WgmmaWait { registers: held, .. } = &mut instruction.op {
            *held = registers.clone().into();
        }
    }
}

/// The accumulators of a kernel that never waits: no wait says how long their registers are not to be used for anything else.
pub(super) fn unwaited_accumulators(code: &[Instruction]) -> BTreeSet<Slot> {
    if code.iter().any(|instruction| matches!(instruction.op, Op::WgmmaWait { .. })) {
        return BTreeSet::new();
    }
    let accumulators = code.iter().filter_map(|instruction| match &instruction.op {
        Op::Wgmma(wgmma) => Some(wgmma.d.iter().filter_map(Data::word)),
        _ => None,
    });
    accumulators.flatten().collect()
}

/// For each instruction but waits: which slots of accumulators it reads or writes; of a `wgmma`, those that are its A.
pub(super) fn accumulator_slots(code: &mut [Instruction]) -> Result<Vec<Box<[Slot]>>> {
    let slots_of =
        |op: &Op| if let Op::Wgmma(wgmma) = op { wgmma.d.iter().filter_map(Data::word).collect() } else { vec![] };
    slots_within(code, slots_of, |instruction, take| match &instruction.op {
        // Its own accumulator goes on from one to the next.
        Op::Wgmma(wgmma) => wgmma.a_words().for_each(take),
        Op::WgmmaWait { .. } => {}
        _ => words_of(instruction, take),
    })
}

/// For each instruction: the registers of some `tcgen05.ld` that it reads or writes.
pub(super) fn tensor_load_slots(code: &mut [Instruction]) -> Result<Vec<Box<[Slot]>>> {
    let slots_of = |op: &Op| match op {
        Op::TensorLoad(access) => access.registers.iter().filter_map(Data::word).collect(),
        _ => Vec::new(),
    };
    slots_within(code, slots_of, words_of)
}

/// The registers of 32 bits that an instruction reads or writes.
fn words_of(instruction: &mut Instruction, take: &mut dyn FnMut(Slot)) {
    instruction.visit(&mut |file, _, slot| {
        if file == File::Word {
            take(*slot);
        }
    });
}

/// For each instruction: which of the slots it uses are slots of some operation, by `slots_of`. Empty where no operation has any.
fn slots_within(
    code: &mut [Instruction],
    slots_of: impl Fn(&Op) -> Vec<Slot>,
    used: impl Fn(&mut Instruction, &mut dyn FnMut(Slot)),
) -> Result<Vec<Box<[Slot]>>> {
    let all: HashSet<Slot> = code.iter().flat_map(|instruction| slots_of(&instruction.op)).collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let within = |(step, instruction): (usize, &mut Instruction)| {
        interrupt::check_at(step)?;
        let mut found = Vec::new();
        used(instruction, &mut |slot| found.extend(all.contains(&slot).then_some(slot)));
        Ok(found.into_boxed_slice())
    };
    code.iter_mut().enumerate().map(within).collect()
}
