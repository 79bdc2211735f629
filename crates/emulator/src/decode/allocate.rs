//! From virtual registers to slots: a register's slot is free again after its last use, so that a warp's register
//! file stays in the CPU's cache.

use std::collections::{BTreeSet, HashMap};

use super::flow::Block;
use crate::program::{File, Use};
use crate::program::{Instruction, Slot};
use warpbook_diagnostic::{Result, interrupt};

/// How many slots each file needs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FileSizes {
    pub words: u32,
    pub longs: u32,
    pub predicates: u32,
}

/// What became of a register's virtual number: its slot, and its first and last position.
pub(super) type Placed = HashMap<(File, Slot), (Slot, (u32, u32))>;
/// Words of a table of registers by blocks; beyond it, registers keep a slot each.
const MAX_LIVENESS: usize = 1 << 23;

/// Renames the slots of `code` from virtual numbers to physical ones. `fixed` are registers that are live from start
/// to end (constants, special registers); their new slots come back in the same order, and then all of them.
pub(super) fn allocate(
    code: &mut [Instruction],
    blocks: &[Block],
    fixed: &[(File, Slot)],
) -> Result<(FileSizes, Vec<Slot>, Placed)> {
    let mut numbers: HashMap<(File, Slot), usize> = HashMap::new();
    for (index, register) in fixed.iter().enumerate() {
        numbers.insert(*register, index);
    }
    for (step, instruction) in code.iter_mut().enumerate() {
        interrupt::check_at(step)?;
        instruction.visit(&mut |file, _, slot| {
            let next = numbers.len();
            numbers.entry((file, *slot)).or_insert(next);
        });
    }
    let count = numbers.len();
    let intervals = if blocks.len().saturating_mul(count.div_ceil(64)) > MAX_LIVENESS {
        vec![(0, u32::MAX); count]
    } else {
        let live_out = liveness(code, blocks, &numbers, count)?;
        intervals(code, blocks, &numbers, &live_out, count)?
    };

    let mut order: Vec<(&(File, Slot), usize)> = numbers.iter().map(|(register, &number)| (register, number)).collect();
    order.sort_by_key(|&(_, number)| (number >= fixed.len(), intervals[number].0, number));
    let mut pools = [Pool::default(), Pool::default(), Pool::default()];
    let mut slots = vec![0; count];
    for ((file, _), number) in order {
        let (start, end) = if number < fixed.len() { (0, u32::MAX) } else { intervals[number] };
        slots[number] = pools[*file as usize].take(start, end);
    }
    for (step, instruction) in code.iter_mut().enumerate() {
        interrupt::check_at(step)?;
        instruction.visit(&mut |file, _, slot| {
            if let Some(&number) = numbers.get(&(file, *slot)) {
                *slot = slots[number];
            }
        });
    }
    let sizes = FileSizes { words: pools[0].count, longs: pools[1].count, predicates: pools[2].count };
    let placed = numbers.iter().map(|(&register, &number)| (register, (slots[number], intervals[number]))).collect();
    Ok((sizes, slots[..fixed.len()].to_vec(), placed))
}

#[derive(Default)]
struct Pool {
    free: BTreeSet<Slot>,
    /// (last position, slot) of the registers that live now.
    active: BTreeSet<(u32, Slot)>,
    count: u32,
}

impl Pool {
    fn take(&mut self, start: u32, end: u32) -> Slot {
        while let Some(&(last, slot)) = self.active.first() {
            if last >= start {
                break;
            }
            self.active.remove(&(last, slot));
            self.free.insert(slot);
        }
        let slot = self.free.pop_first().unwrap_or_else(|| {
            self.count += 1;
            self.count - 1
        });
        self.active.insert((end, slot));
        slot
    }
}

type Bits = Vec<u64>;

fn set(bits: &mut Bits, index: usize) {
    bits[index / 64] |= 1 << (index % 64);
}

fn clear(bits: &mut Bits, index: usize) {
    bits[index / 64] &= !(1 << (index % 64));
}

fn liveness(
    code: &mut [Instruction],
    blocks: &[Block],
    numbers: &HashMap<(File, Slot), usize>,
    count: usize,
) -> Result<Vec<Bits>> {
    let words = count.div_ceil(64);
    let mut gen_kill: Vec<(Bits, Bits)> = Vec::with_capacity(blocks.len());
    for block in blocks {
        let (mut generated, mut killed) = (vec![0; words], vec![0; words]);
        for (step, instruction) in code[block.start..block.end].iter_mut().rev().enumerate() {
            interrupt::check_at(step)?;
            let guarded = instruction.guard.is_some();
            let mut reads = Vec::new();
            instruction.visit(&mut |file, how, slot| {
                let number = numbers[&(file, *slot)];
                match how {
                    Use::Read => reads.push(number),
                    // A guarded write leaves the other lanes' value: the register stays live above it.
                    Use::Write if guarded => reads.push(number),
                    Use::Write => {
                        clear(&mut generated, number);
                        set(&mut killed, number);
                    }
                }
            });
            for number in reads {
                set(&mut generated, number);
                clear(&mut killed, number);
            }
        }
        gen_kill.push((generated, killed));
    }
    let mut live_in = vec![vec![0u64; words]; blocks.len()];
    let mut live_out = vec![vec![0u64; words]; blocks.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for number in (0..blocks.len()).rev() {
            interrupt::check_at(number)?;
            for &successor in &blocks[number].successors {
                for word in 0..words {
                    live_out[number][word] |= live_in[successor][word];
                }
            }
            let (generated, killed) = &gen_kill[number];
            for word in 0..words {
                let new = generated[word] | live_out[number][word] & !killed[word];
                changed |= new != live_in[number][word];
                live_in[number][word] = new;
            }
        }
    }
    // `intervals` asks who lives at either end of a block.
    for (out, into) in live_out.iter_mut().zip(&live_in) {
        for (a, b) in out.iter_mut().zip(into) {
            *a |= b;
        }
    }
    Ok(live_out)
}

/// First and last position of each register; reads are at 2·index, writes at 2·index + 1.
fn intervals(
    code: &mut [Instruction],
    blocks: &[Block],
    numbers: &HashMap<(File, Slot), usize>,
    live: &[Bits],
    count: usize,
) -> Result<Vec<(u32, u32)>> {
    let mut intervals = vec![(u32::MAX, 0); count];
    let mut extend = |number: usize, position: u32| {
        let interval: &mut (u32, u32) = &mut intervals[number];
        *interval = (interval.0.min(position), interval.1.max(position));
    };
    for (block, live) in blocks.iter().zip(live) {
        for (word, &bits) in live.iter().enumerate() {
            let mut rest = bits;
            while rest != 0 {
                let number = word * 64 + rest.trailing_zeros() as usize;
                rest &= rest - 1;
                // Live in or out: the whole block, which is more than needed and never less.
                extend(number, 2 * block.start as u32);
                extend(number, 2 * block.end as u32 - 1);
            }
        }
        for (index, instruction) in code.iter_mut().enumerate().take(block.end).skip(block.start) {
            interrupt::check_at(index)?;
            instruction.visit(&mut |file, how, slot| {
                extend(numbers[&(file, *slot)], 2 * index as u32 + u32::from(how == Use::Write));
            });
        }
    }
    Ok(intervals)
}
