//! Control flow: basic blocks, and where diverged lanes meet again (the immediate post-dominator of a branch).

use crate::program::{Instruction, Op};
use warpbook_diagnostic::{Result, interrupt};

/// A straight run of instructions: `start..end`, and the blocks that can follow.
#[derive(Debug)]
pub(super) struct Block {
    pub start: usize,
    pub end: usize,
    pub successors: Vec<usize>,
}

/// Cuts code into blocks. Branch targets are instruction indices within the code.
pub(super) fn blocks(code: &[Instruction]) -> Vec<Block> {
    let mut leader = vec![false; code.len() + 1];
    leader[0] = true;
    for (index, instruction) in code.iter().enumerate() {
        match instruction.op {
            Op::Branch { target, .. } => {
                leader[target as usize] = true;
                leader[index + 1] = true;
            }
            Op::Exit | Op::Trap => leader[index + 1] = true,
            _ => {}
        }
    }
    let starts: Vec<usize> = (0..code.len()).filter(|&index| leader[index]).collect();
    let block_of = |index: usize| starts.partition_point(|&start| start <= index) - 1;
    starts
        .iter()
        .enumerate()
        .map(|(number, &start)| {
            let end = starts.get(number + 1).copied().unwrap_or(code.len());
            let last = &code[end - 1];
            let mut successors = Vec::new();
            let falls_through = match last.op {
                Op::Branch { target, .. } => {
                    successors.push(block_of(target as usize));
                    last.guard.is_some()
                }
                Op::Exit | Op::Trap => last.guard.is_some(),
                _ => true,
            };
            if falls_through && end < code.len() {
                successors.push(number + 1);
            }
            Block { start, end, successors }
        })
        .collect()
}

/// For each block its immediate post-dominator; `None` where lanes only meet at the end. Where a program has several
/// ends, a branch of some lanes to an end of their own (a failed assertion, an early `ret`) does not keep the others from
/// meeting: of each block only those ways count that lead to the end that most blocks lead to.
pub(super) fn post_dominators(blocks: &[Block], code: &[Instruction]) -> Result<Vec<Option<usize>>> {
    // Cooper, Harvey and Kennedy's algorithm on the reversed graph, with a virtual exit numbered `exit`.
    let exit = blocks.len();
    let ends = nearest_ends(blocks, code)?;
    let counts = |number: usize, successor: usize| ends[number].is_some() && ends[number] == ends[successor];
    let mut predecessors = vec![Vec::new(); exit + 1];
    for (number, block) in blocks.iter().enumerate() {
        for &successor in block.successors.iter().filter(|&&successor| counts(number, successor)) {
            predecessors[successor].push(number);
        }
        if block.successors.is_empty() {
            predecessors[exit].push(number);
        }
    }
    // Reverse post-order of the reversed graph, from the exit.
    let mut order = Vec::with_capacity(exit + 1);
    let mut seen = vec![false; exit + 1];
    let mut stack = vec![(exit, 0)];
    seen[exit] = true;
    while let Some((node, next)) = stack.pop() {
        match predecessors[node].get(next) {
            Some(&predecessor) => {
                stack.push((node, next + 1));
                if !seen[predecessor] {
                    seen[predecessor] = true;
                    stack.push((predecessor, 0));
                }
            }
            None => order.push(node),
        }
    }
    let mut rank = vec![usize::MAX; exit + 1];
    for (position, &node) in order.iter().enumerate() {
        rank[node] = position;
    }
    let mut dominator = vec![None; exit + 1];
    dominator[exit] = Some(exit);
    let mut changed = true;
    while changed {
        changed = false;
        for (step, &node) in order.iter().rev().enumerate().filter(|&(_, &node)| node != exit) {
            interrupt::check_at(step)?;
            let block: &Block = &blocks[node];
            let at_end = block.successors.is_empty().then_some(exit);
            let mut new: Option<usize> = None;
            for successor in block.successors.iter().copied().chain(at_end) {
                if dominator[successor].is_none() || successor != exit && !counts(node, successor) {
                    continue;
                }
                new = Some(match new {
                    None => successor,
                    Some(other) => meet(other, successor, &rank, &dominator),
                });
            }
            if new.is_some() && dominator[node] != new {
                dominator[node] = new;
                changed = true;
            }
        }
    }
    Ok((0..exit).map(|node| dominator[node].filter(|&d| d != exit)).collect())
}

/// Ends of a program that are compared by how many blocks lead to them; of more, the last in the text counts most.
const COMPARED_ENDS: usize = 64;

/// For each block, of the ends that it leads to the one that most blocks lead to: its number; `None` if it leads to no
/// end. Where a program traps is an end only for what leads to no other.
fn nearest_ends(blocks: &[Block], code: &[Instruction]) -> Result<Vec<Option<usize>>> {
    let mut predecessors = vec![Vec::new(); blocks.len()];
    for (number, block) in blocks.iter().enumerate() {
        block.successors.iter().for_each(|&successor| predecessors[successor].push(number));
    }
    // Marks what leads to an end, without what is marked already.
    let mark = |end: usize, ends: &mut [Option<usize>]| {
        let mut stack = vec![end];
        let mut marked = 0;
        while let Some(block) = stack.pop() {
            if ends[block].is_none() {
                ends[block] = Some(end);
                marked += 1;
                stack.extend(&predecessors[block]);
            }
        }
        marked
    };
    let traps = |&end: &usize| matches!(code[blocks[end].end - 1].op, Op::Trap);
    let all = (0..blocks.len()).rev().filter(|&number| blocks[number].successors.is_empty());
    let (trapping, mut ordinary): (Vec<usize>, Vec<usize>) = all.partition(traps);
    if ordinary.len() > 1 && ordinary.len() <= COMPARED_ENDS {
        let lead_to = |&end: &usize| mark(end, &mut vec![None; blocks.len()]);
        let mut counted = Vec::new();
        for end in ordinary {
            interrupt::check()?;
            counted.push((std::cmp::Reverse(lead_to(&end)), end));
        }
        counted.sort_by_key(|(count, _)| *count);
        ordinary = counted.into_iter().map(|(_, end)| end).collect();
    }
    let mut ends = vec![None; blocks.len()];
    for (step, end) in ordinary.into_iter().chain(trapping).enumerate() {
        interrupt::check_at(step)?;
        mark(end, &mut ends);
    }
    Ok(ends)
}

fn meet(mut a: usize, mut b: usize, rank: &[usize], dominator: &[Option<usize>]) -> usize {
    while a != b {
        while rank[a] < rank[b] {
            match dominator[a] {
                Some(next) => a = next,
                None => return b,
            }
        }
        while rank[b] < rank[a] {
            match dominator[b] {
                Some(next) => b = next,
                None => return a,
            }
        }
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Gather;

    fn dominators(blocks: &[Block], code: &[Instruction]) -> Vec<Option<usize>> {
        post_dominators(blocks, code).expect("nothing interrupts")
    }

    fn branch(target: u32, guarded: bool) -> Instruction {
        Instruction {
            guard: guarded.then_some((0, false)),
            gather: Gather::None,
            op: Op::Branch { target, reconverge: u32::MAX },
        }
    }

    fn plain(op: Op) -> Instruction {
        Instruction { guard: None, gather: Gather::None, op }
    }

    #[test]
    fn a_diamond_meets_at_its_end_and_a_loop_after_itself() {
        let code = [
            branch(3, true),    // 0: if
            plain(Op::Nothing), // 1: then
            branch(4, false),   // 2
            plain(Op::Nothing), // 3: else
            plain(Op::Nothing), // 4: join, loop head
            branch(4, true),    // 5
            plain(Op::Exit),    // 6
        ];
        let blocks = blocks(&code);
        let starts: Vec<usize> = blocks.iter().map(|block| block.start).collect();
        assert_eq!(starts, [0, 1, 3, 4, 6]);
        assert_eq!(dominators(&blocks, &code), [Some(3), Some(3), Some(3), Some(4), None]);
    }

    #[test]
    fn an_endless_loop_has_no_meeting_place() {
        let code = [plain(Op::Nothing), branch(0, false)];
        assert_eq!(dominators(&blocks(&code), &code), [None]);
    }

    #[test]
    fn a_way_to_a_trap_or_an_early_end_does_not_keep_the_others_from_meeting() {
        let code = [
            branch(3, true),    // 0: if
            branch(6, true),    // 1: if not asserted
            plain(Op::Trap),    // 2
            plain(Op::Nothing), // 3: else
            branch(6, true),    // 4
            plain(Op::Exit),    // 5: an early end
            plain(Op::Nothing), // 6: join
            plain(Op::Exit),    // 7
        ];
        let blocks = blocks(&code);
        let starts: Vec<usize> = blocks.iter().map(|block| block.start).collect();
        assert_eq!(starts, [0, 1, 2, 3, 5, 6]);
        assert_eq!(dominators(&blocks, &code), [Some(5), Some(5), None, Some(5), None, None]);
    }
}
