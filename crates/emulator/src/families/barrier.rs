//! `bar` and `barrier`: threads of a block meet at one of its 16 barriers. PTX ISA 9.7.13.1.

use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::instrument::{BarrierMisuse, Instrument, Misuse, Object};
use crate::program::{BarrierReduction, Op, Slot};
use crate::state::access::Issuer;
use crate::state::block::{Block, Waiting};
use crate::state::paths::Wait;
use crate::state::warp::{State, Warp};
use warpbook_diagnostic::Result;
use warpbook_ptx::Operand;
use warpbook_ptx::isa::Modifier;

/// An arrival of lanes of a warp at a barrier.
pub(crate) struct Arrival {
    /// Number of the barrier, from 0 to 15.
    pub barrier: u32,
    /// The number that the instruction names, which may be none of a barrier.
    pub number: u32,
    /// Threads that complete it; `None` for all of the block.
    pub threads: Option<u32>,
    /// Lanes that arrive, a bit for each.
    pub mask: u32,
    /// Index of the instruction that arrived.
    pub pc: u32,
    /// True if they wait until the barrier is complete.
    pub waits: bool,
    /// Kind of the reduction, the slot of its result, and the lanes whose predicate holds.
    pub reduction: Option<(BarrierReduction, Slot, u32)>,
}

impl Arrival {
    /// What the lanes of a warp bring to a barrier; the first of them says which barrier it is. The last argument has
    /// the lanes and the index of the instruction.
    #[inline(always)]
    pub fn new(
        warp: &Warp,
        (id, threads): (Slot, Option<Slot>),
        waits: bool,
        reduction: Option<(BarrierReduction, Slot, Slot)>,
        (mask, pc): (u32, u32),
    ) -> Self {
        let lane = mask.trailing_zeros() as usize;
        let number = warp.words[id as usize][lane];
        Self {
            barrier: number & 15,
            number,
            threads: threads.map(|slot| warp.words[slot as usize][lane]),
            mask,
            pc,
            waits,
            reduction: reduction.map(|(kind, d, p)| (kind, d, warp.predicates[p as usize])),
        }
    }

    /// What is wrong with it; `earlier` is the number of threads that those who are there wait for, where there are any.
    fn misuse(&self, earlier: Option<Option<u32>>, block: u32) -> Option<BarrierMisuse> {
        Some(match (self.threads, earlier) {
            _ if self.number > 15 => BarrierMisuse::Number(self.number),
            (Some(threads), _) if threads == 0 || !threads.is_multiple_of(32) => BarrierMisuse::NoWarps(threads),
            (Some(threads), _) if threads > block.next_multiple_of(32) => BarrierMisuse::TooMany { threads, block },
            (threads, Some(earlier)) if threads.unwrap_or(block) != earlier.unwrap_or(block) => {
                BarrierMisuse::Disagree { threads: threads.unwrap_or(block), earlier: earlier.unwrap_or(block) }
            }
            _ => return None,
        })
    }
}

impl<I: Instrument> Block<I> {
    /// A warp comes to a barrier.
    pub fn arrive(&mut self, index: usize, arrival: &Arrival) {
        let Some(barrier) = self.barriers.get_mut(arrival.barrier as usize) else { return };
        let earlier = (barrier.arrived > 0).then_some(barrier.wanted);
        if let Some(misuse) = arrival.misuse(earlier, self.shape.threads()) {
            let issuer = Issuer { warp: index as u32, lane: arrival.mask.trailing_zeros(), pc: arrival.pc };
            self.state.instrument.misused(issuer, Misuse::Barrier(misuse));
        }
        self.state.instrument.released(index as u32, Object::Barrier(arrival.barrier));
        if barrier.arrived == 0 {
            (barrier.and, barrier.or, barrier.count) = (true, false, 0);
        }
        barrier.arrived += arrival.mask.count_ones();
        barrier.wanted = arrival.threads;
        if let Some((_, _, holds)) = arrival.reduction {
            barrier.and &= holds & arrival.mask == arrival.mask;
            barrier.or |= holds & arrival.mask != 0;
            barrier.count += (holds & arrival.mask).count_ones();
        }
        if arrival.waits {
            let reduction = arrival.reduction.map(|(kind, slot, _)| (kind, slot));
            barrier.waiting.push(Waiting { warp: index, mask: arrival.mask, reduction });
        }
        let all = self.live_threads();
        if self.barriers[arrival.barrier as usize].arrived >= arrival.threads.unwrap_or(all).min(self.shape.threads()) {
            self.release(arrival.barrier as usize);
        }
    }

    /// After an exit, barriers of all threads may be complete.
    pub fn release_barriers(&mut self) {
        let all = self.live_threads();
        for number in 0..self.barriers.len() {
            let barrier = &self.barriers[number];
            if !barrier.waiting.is_empty() && barrier.arrived >= all {
                self.release(number);
            }
        }
    }

    fn release(&mut self, number: usize) {
        let barrier = std::mem::take(&mut self.barriers[number]);
        let object = Object::Barrier(number as u32);
        self.state.instrument.completed(object);
        for Waiting { warp, mask, reduction } in barrier.waiting {
            let warp = &mut self.warps[warp];
            warp.paths.wake(mask, |wait| wait == Wait::Barrier(number as u32));
            warp.state = State::Ready;
            self.state.instrument.acquired(warp.index, object);
            let all = |holds: bool| if holds { u32::MAX } else { 0 };
            match reduction {
                Some((BarrierReduction::And, slot)) => warp.write_predicate(slot, all(barrier.and), mask),
                Some((BarrierReduction::Or, slot)) => warp.write_predicate(slot, all(barrier.or), mask),
                Some((BarrierReduction::Count, slot)) => warp.write_word(slot, &[barrier.count; 32], mask),
                None => {}
            }
        }
    }
}

impl Decoder<'_> {
    /// `bar.sync`, `bar.arrive` and their like of `barrier`.
    pub(crate) fn barrier(&mut self, arrive: bool, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Aligned);
        let id = self.word(o, 0)?;
        let threads = if o.len() > 1 { Some(self.word(o, 1)?) } else { None };
        self.emit(Op::Barrier { id, threads, arrive, reduction: None });
        Ok(())
    }

    /// Decodes the instructions `bar.red` and `barrier.red`.
    pub(crate) fn reducing_barrier(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Aligned);
        m.take_type();
        let (kind, d) = match m.take_any(&[Modifier::And, Modifier::Or, Modifier::Popc]) {
            Some(Modifier::And) => (BarrierReduction::And, self.predicate_out(o, 0)?),
            Some(Modifier::Or) => (BarrierReduction::Or, self.predicate_out(o, 0)?),
            Some(_) => (BarrierReduction::Count, self.word_out(o, 0)?),
            None => return Err(self.malformed("the reduction of a barrier has no operation")),
        };
        let id = self.word(o, 1)?;
        let threads = if o.len() > 3 { Some(self.word(o, 2)?) } else { None };
        let p = self.predicate(o, o.len() - 1)?;
        self.emit(Op::Barrier { id, threads, arrive: false, reduction: Some((kind, d, p)) });
        Ok(())
    }

    /// Decodes the instruction `bar.warp.sync`.
    pub(crate) fn warp_barrier(&mut self, m: &mut Modifiers<'_>) {
        m.take(Modifier::Sync);
        self.emit(Op::WarpSync);
    }

    /// Decodes the instruction `barrier.cluster.arrive`.
    pub(crate) fn cluster_arrive(&mut self, m: &mut Modifiers<'_>) {
        m.take(Modifier::Aligned);
        m.take_any(&[Modifier::Release, Modifier::Relaxed]);
        self.emit(Op::ClusterArrive);
    }

    /// Decodes the instruction `barrier.cluster.wait`.
    pub(crate) fn cluster_wait(&mut self, m: &mut Modifiers<'_>) {
        m.take(Modifier::Aligned);
        m.take(Modifier::Acquire);
        self.emit(Op::ClusterWait);
    }
}
