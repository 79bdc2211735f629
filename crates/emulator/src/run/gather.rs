//! Lanes of a warp that wait for each other at an instruction: `.aligned` ones want all of the warp at this very place,
//! `.sync` ones with a mask the lanes in it, wherever these execute an instruction of the same kind. PTX ISA 9.7.9.6.

use crate::families::step::Step;
use crate::fault::{Failure, Fault};
use crate::instrument::{Execution, Instrument, Misuse};
use crate::program::{File, Gather, Instruction, Op, Slot, Use};
use crate::state::access::Issuer;
use crate::state::block::BlockState;
use crate::state::cluster::Cluster;
use crate::state::environment::Environment;
use crate::state::paths::{Path, Wait};
use crate::state::shape::BlockShape;
use crate::state::warp::{Warp, lanes_of};

/// A row of a register file.
#[derive(Clone)]
enum Row {
    Word([u32; 32]),
    Long([u64; 32]),
    Predicate(u32),
}

impl Row {
    /// What a register holds in all lanes.
    fn read(warp: &Warp, (file, slot): (File, Slot)) -> Self {
        let slot = slot as usize;
        match file {
            File::Word => Self::Word(warp.words[slot]),
            File::Long => Self::Long(warp.longs[slot]),
            File::Predicate => Self::Predicate(warp.predicates[slot]),
        }
    }

    /// Puts its values of some lanes into a register.
    fn put(&self, warp: &mut Warp, slot: Slot, lanes: u32) {
        match self {
            Self::Word(values) => warp.write_word(slot, values, lanes),
            Self::Long(values) => warp.write_long(slot, values, lanes),
            Self::Predicate(values) => warp.write_predicate(slot, *values, lanes),
        }
    }
}

impl Warp {
    /// True if every lane is there that the instruction waits for.
    #[inline(always)]
    pub(super) fn is_gathered(&self, gather: Gather, active: u32) -> bool {
        match gather {
            Gather::None => true,
            Gather::Warp | Gather::Everyone => active == self.paths.live(),
            Gather::Members(slot) => {
                let masks = &self.words[slot as usize];
                let first = masks[active.trailing_zeros() as usize & 31];
                let same = masks.iter().enumerate().all(|(lane, &mask)| mask == first || active >> lane & 1 == 0);
                same && first & self.paths.live() == active
            }
        }
    }

    /// Lanes have come to an instruction that waits for others. True if they execute it now nevertheless, alone; else they
    /// wait, or were the last and have executed it with the others.
    #[cold]
    pub(super) fn gather<I: Instrument>(
        &mut self,
        environment: &Environment<'_>,
        shape: &BlockShape,
        block: &mut BlockState<I>,
        cluster: &mut Cluster<I>,
        (gather, active, pc): (Gather, u32, u32),
    ) -> Result<bool, Box<Failure>> {
        let Some(path) = self.paths.top_mut() else { return Ok(false) };
        let (mask, alone) = (path.mask, std::mem::take(&mut path.alone));
        if alone {
            let issuer = Issuer { warp: self.index, lane: active.trailing_zeros(), pc };
            block.instrument.misused(issuer, Misuse::PartOfWarp);
            return Ok(true);
        }
        if active != mask {
            let names = |lane: usize| match gather {
                Gather::Members(slot) => self.words[slot as usize][lane] & mask & !active != 0,
                Gather::Warp | Gather::Everyone | Gather::None => true,
            };
            // Its own guard keeps lanes from it that it wants.
            if lanes_of(active).any(names) {
                block
                    .instrument
                    .misused(Issuer { warp: self.index, lane: active.trailing_zeros(), pc }, Misuse::PartOfWarp);
            }
            self.paths.split(active);
        }
        match gather {
            Gather::None => return Ok(true),
            Gather::Warp => self.paths.park(active, Wait::Warp),
            Gather::Everyone => self.paths.park(active, Wait::Members(u32::MAX)),
            Gather::Members(slot) => {
                let masks = self.words[slot as usize];
                let mut rest = active;
                while rest != 0 {
                    let members = masks[rest.trailing_zeros() as usize & 31];
                    let lanes =
                        lanes_of(rest).filter(|&lane| masks[lane] == members).fold(0, |all, lane| all | 1 << lane);
                    if lanes & !members != 0 {
                        let lane = (lanes & !members).trailing_zeros();
                        return Err(self.fault(environment, shape, Fault::NotNamed { members, lane }, lane, pc));
                    }
                    self.paths.park(lanes, Wait::Members(members));
                    rest &= !lanes;
                }
            }
        }
        self.release_gathered(environment, shape, block, cluster)?;
        Ok(false)
    }

    /// Lanes that wait go on where all are there now. To be called when lanes have come, or have ended.
    pub(super) fn release_gathered<I: Instrument>(
        &mut self,
        environment: &Environment<'_>,
        shape: &BlockShape,
        block: &mut BlockState<I>,
        cluster: &mut Cluster<I>,
    ) -> Result<(), Box<Failure>> {
        let live = self.paths.live();
        let code = &environment.program.code;
        let waiting: Vec<Path> = self.paths.leaves().filter(|path| path.mask != 0).cloned().collect();
        for path in &waiting {
            match path.wait {
                Wait::Warp if self.paths.gathered_at(path.pc) == live => {
                    self.report_overtaken(block, waiting.iter().filter(|other| other.pc == path.pc));
                    self.paths.release(|other| other.wait == Wait::Warp && other.pc == path.pc, false);
                    return Ok(());
                }
                Wait::Members(members) => {
                    let Some(own) = code.get(path.pc as usize) else { continue };
                    let is_partner = |other: &&Path| {
                        let there = code.get(other.pc as usize);
                        other.wait == path.wait && there.is_some_and(|there| is_same_kind(&own.op, &there.op))
                    };
                    let partners: Vec<Path> = waiting.iter().filter(is_partner).cloned().collect();
                    let lanes = partners.iter().fold(0, |lanes, partner| lanes | partner.mask);
                    // The first of them looks after all of them.
                    if lanes != members & live || partners[0].mask != path.mask {
                        continue;
                    }
                    self.report_overtaken(block, partners.iter());
                    self.execute_together(environment, shape, block, cluster, &partners)?;
                    self.paths.release(|other| lanes & other.mask == other.mask && other.wait == path.wait, true);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Lanes go on that waited for others, of which some had come past them: these should have come to them.
    fn report_overtaken<'p, I: Instrument>(&self, block: &mut BlockState<I>, waited: impl Iterator<Item = &'p Path>) {
        for path in waited.filter(|path| path.overtaken) {
            let issuer = Issuer { warp: self.index, lane: path.mask.trailing_zeros(), pc: path.pc };
            block.instrument.misused(issuer, Misuse::PartOfWarp);
        }
    }

    /// Executes an instruction for lanes at several places, each with its own registers and the values of all.
    fn execute_together<I: Instrument>(
        &mut self,
        environment: &Environment<'_>,
        shape: &BlockShape,
        block: &mut BlockState<I>,
        cluster: &mut Cluster<I>,
        partners: &[Path],
    ) -> Result<(), Box<Failure>> {
        let code = &environment.program.code;
        let lanes = partners.iter().fold(0, |lanes, partner| lanes | partner.mask);
        // Each one's operands before any of them writes.
        let operands: Vec<Vec<Row>> = partners
            .iter()
            .map(|partner| {
                slots(&code[partner.pc as usize], Use::Read).into_iter().map(|slot| Row::read(self, slot)).collect()
            })
            .collect();
        for partner in partners {
            let (pc, mask) = (partner.pc, partner.mask);
            let instruction = &code[pc as usize];
            self.count_execution();
            let (reads, writes) = (slots(instruction, Use::Read), slots(instruction, Use::Write));
            let before: Vec<((File, Slot), Row)> =
                reads.iter().chain(&writes).map(|&slot| (slot, Row::read(self, slot))).collect();
            for (other, values) in partners.iter().zip(&operands) {
                reads.iter().zip(values).for_each(|(&(_, slot), row)| row.put(self, slot, other.mask));
            }
            let BlockState { memory, instrument } = &mut *block;
            let execution = Execution { environment, memory, warp: self, pc, present: mask, active: mask };
            instrument.executing(&execution, &instruction.op);
            let mut step = Step { warp: self, environment, block, cluster, active: lanes, pc };
            if let Err((kind, lane)) = step.execute(&instruction.op) {
                return Err(self.fault(environment, shape, kind, lane, pc));
            }
            for ((_, slot), row) in &before {
                row.put(self, *slot, !mask);
            }
        }
        Ok(())
    }
}

/// True if lanes that execute one instruction meet those that execute the other.
fn is_same_kind(a: &Op, b: &Op) -> bool {
    match (a, b) {
        (Op::Shuffle { mode: a, .. }, Op::Shuffle { mode: b, .. }) => a == b,
        (Op::Reduce { op: a, .. }, Op::Reduce { op: b, .. }) => a == b,
        _ => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

/// The registers that an operation reads or writes, in the order of its operands.
fn slots(instruction: &Instruction, wanted: Use) -> Vec<(File, Slot)> {
    let mut found = Vec::new();
    let mut operation = Instruction { guard: None, gather: Gather::None, op: instruction.op.clone() };
    operation.visit(&mut |file, how, slot| {
        if how == wanted {
            found.push((file, *slot));
        }
    });
    found
}
