//! The interpreter: one operation at a time, over the lanes of a warp.

// Lanes and rows are indices into several arrays at once.
#![allow(clippy::needless_range_loop)]

use super::block::{Arrival, BlockMemory, BlockShape, Environment, Stop};
use super::cluster::{Cluster, RANK_SHIFT, named_block};
use super::copy_async::commit_copies;
use super::fault::{Fault, FaultKind, Thread};
use super::launch::Arithmetic;
use super::memory_access::{Access, LOCAL_WINDOW, PARAM_WINDOW, Place, SHARED_WINDOW, resolve_generic};
use super::print;
use super::program::{
    AddressOperand, BarrierReduction, Base, Data, Logic, Long, MemorySpace, Op, Reduction, Shuffle, Slot, Word,
};
use super::sanitizer::{self, Who};
use super::visit::{File, Use};
use super::warp::Warp;
use super::wgmma::PendingWgmma;
use crate::emulator::arithmetic::convert::Conversion;
use crate::emulator::arithmetic::float;
use crate::emulator::arithmetic::formats::Format;
use crate::emulator::arithmetic::integer;

/// A fault of one lane, before its place is known.
pub(super) type LaneFault = (FaultKind, u32);

impl Warp {
    /// Runs until the turn is over, a barrier, the end or a fault.
    pub(super) fn run(
        &mut self,
        environment: &Environment<'_>,
        shape: &BlockShape,
        memory: &mut BlockMemory,
        cluster: &mut Cluster,
        turn: u32,
    ) -> Result<Stop, Box<Fault>> {
        for _ in 0..turn {
            let Some((pc, mask)) = self.current() else { return Ok(Stop::Exit) };
            let Some(instruction) = environment.program.code.get(pc as usize) else { return Ok(Stop::Exit) };
            self.executed += 1;
            let active = match instruction.guard {
                None => mask,
                Some((slot, negated)) => {
                    let holds = self.predicates[slot as usize];
                    mask & if negated { !holds } else { holds }
                }
            };
            if memory.sanitizer.is_some() {
                self.check_registers(environment, memory, pc, active);
            }
            if memory.observer.is_some() {
                Step { warp: self, environment, memory, cluster, active, pc }.observe(&instruction.op, mask);
            }
            match &instruction.op {
                Op::Branch { target, reconverge } => self.branch(*target, *reconverge, active),
                Op::Exit => {
                    self.advance();
                    self.exit(active);
                }
                _ if active == 0 => self.advance(),
                Op::Barrier { id, threads, arrive, reduction } => {
                    let lane = active.trailing_zeros() as usize;
                    if let Some(sanitizer) = &mut memory.sanitizer
                        && active != self.live()
                    {
                        sanitizer.divergent(Who { warp: self.index, lane: lane as u32, pc });
                    }
                    let arrival = Arrival {
                        barrier: self.words[*id as usize][lane] & 15,
                        threads: threads.map(|slot| self.words[slot as usize][lane]),
                        mask: active,
                        waits: !arrive,
                        reduction: reduction
                            .map(|(kind, d, p): (BarrierReduction, Slot, Slot)| (kind, d, self.predicates[p as usize])),
                    };
                    self.advance();
                    return Ok(Stop::Barrier(arrival));
                }
                Op::ClusterArrive => {
                    self.advance();
                    return Ok(Stop::ClusterArrive(active.count_ones()));
                }
                Op::ClusterWait => {
                    self.advance();
                    return Ok(Stop::ClusterWait);
                }
                Op::MbarrierWait { d, address, phase } => {
                    let mut step = Step { warp: self, environment, memory, cluster, active, pc };
                    match step.mbarrier_wait(*d, address, *phase) {
                        Ok(ended) => {
                            if let Some(observer) = &mut memory.observer {
                                observer.tested(self.index, pc, ended);
                            }
                            self.advance();
                            if ended {
                                self.waited();
                            } else {
                                self.poll(pc);
                                return Ok(Stop::Poll);
                            }
                        }
                        Err((kind, lane)) => return Err(self.fault(environment, shape, kind, lane, pc)),
                    }
                }
                op => {
                    let mut step = Step { warp: self, environment, memory, cluster, active, pc };
                    if let Err((kind, lane)) = step.execute(op) {
                        let pc = step.pc;
                        return Err(self.fault(environment, shape, kind, lane, pc));
                    }
                    self.advance();
                    // Long texts take their time; cancellation is seen between turns.
                    if matches!(op, Op::Print { .. }) {
                        return Ok(Stop::Turn);
                    }
                }
            }
        }
        Ok(Stop::Turn)
    }

    /// What bulk stores are left when the warp ends.
    pub(super) fn finish_stores(
        &mut self,
        environment: &Environment<'_>,
        shape: &BlockShape,
        memory: &mut BlockMemory,
        cluster: &mut Cluster,
    ) -> Result<(), Box<Fault>> {
        if let Some(sanitizer) = &mut memory.sanitizer {
            for store in &self.stores {
                sanitizer.unwaited(Who { warp: self.index, lane: store.lane, pc: store.pc });
            }
        }
        let mut step = Step { warp: self, environment, memory, cluster, active: u32::MAX, pc: 0 };
        match step.wait_for_stores(None) {
            Ok(()) => Ok(()),
            Err((kind, lane)) => {
                let pc = step.pc;
                Err(self.fault(environment, shape, kind, lane, pc))
            }
        }
    }

    /// In a checked launch: whether an instruction touches what a `wgmma` is still working on, and whether a
    /// `wgmma.fence` stands between a register's write and a `wgmma` that takes it.
    fn check_registers(&self, environment: &Environment<'_>, memory: &mut BlockMemory, pc: u32, active: u32) {
        let Some((sanitizer, checks)) = memory.sanitizer.as_mut().zip(environment.checks) else { return };
        if checks.wgmma_words.is_empty() || active == 0 {
            return;
        }
        let who = Who { warp: self.index, lane: active.trailing_zeros(), pc };
        let code = &environment.program.code;
        match code.get(pc as usize).map(|instruction| &instruction.op) {
            Some(Op::Wgmma(wgmma)) => return sanitizer.wgmma_takes(who, wgmma.words()),
            Some(Op::WgmmaWait { .. }) | None => return,
            _ => {}
        }
        let uses = checks.uses.get(pc as usize).map(Vec::as_slice).unwrap_or_default();
        let words = uses.iter().filter(|(file, _, slot)| *file == File::Word && checks.wgmma_words.contains(slot));
        for &(_, how, slot) in words {
            let holds = |pending: &&PendingWgmma| match code.get(pending.pc as usize).map(|i| &i.op) {
                Some(Op::Wgmma(wgmma)) => wgmma.holds(slot),
                _ => false,
            };
            if let Some(pending) = self.wgmmas.iter().find(holds) {
                return sanitizer.wgmma_register(who, pending.pc);
            }
            if how == Use::Write {
                sanitizer.register_written(who, slot);
            }
        }
    }

    pub(super) fn fault(
        &self,
        environment: &Environment<'_>,
        shape: &BlockShape,
        kind: FaultKind,
        lane: u32,
        pc: u32,
    ) -> Box<Fault> {
        let thread = Thread { block: shape.index, thread: shape.thread(self.index, lane) };
        let span = environment.program.spans.get(pc as usize).cloned().unwrap_or(0..0);
        let line = environment.program.lines.get(pc as usize).copied().flatten();
        let source = line.map(|line| (line.file.to_string(), line.line, line.column));
        Box::new(Fault { kind, thread: Some(thread), span, source, before: Vec::new() })
    }
}

pub(super) struct Step<'s, 'e> {
    pub warp: &'s mut Warp,
    pub environment: &'s Environment<'e>,
    pub memory: &'s mut BlockMemory,
    /// The block's peers.
    pub cluster: &'s mut Cluster,
    /// The lanes that take part.
    pub active: u32,
    pub pc: u32,
}

pub(super) fn lanes_of(mask: u32) -> impl Iterator<Item = usize> {
    let mut rest = mask;
    std::iter::from_fn(move || {
        if rest == 0 {
            return None;
        }
        let lane = rest.trailing_zeros() as usize;
        rest &= rest - 1;
        Some(lane)
    })
}

impl Step<'_, '_> {
    #[inline(always)]
    pub(super) fn word(&self, slot: Slot) -> &Word {
        &self.warp.words[slot as usize]
    }

    #[inline(always)]
    fn long(&self, slot: Slot) -> &Long {
        &self.warp.longs[slot as usize]
    }

    #[inline(always)]
    fn set_word(&mut self, slot: Slot, value: &Word) {
        self.warp.write_word(slot, value, self.active);
    }

    #[inline(always)]
    fn set_long(&mut self, slot: Slot, value: &Long) {
        self.warp.write_long(slot, value, self.active);
    }

    fn set_predicate(&mut self, slot: Slot, value: u32) {
        self.warp.write_predicate(slot, value, self.active);
    }

    pub(super) fn value(&self, data: Data, lane: usize) -> u64 {
        match data {
            Data::Sink => 0,
            Data::Word(slot) => self.word(slot)[lane].into(),
            Data::Long(slot) => self.long(slot)[lane],
        }
    }

    pub(super) fn set_lane(&mut self, data: Data, lane: usize, value: u64) {
        match data {
            Data::Sink => {}
            Data::Word(slot) => self.warp.words[slot as usize][lane] = value as u32,
            Data::Long(slot) => self.warp.longs[slot as usize][lane] = value,
        }
    }

    pub(super) fn addresses(&self, operand: &AddressOperand) -> Long {
        match operand.base {
            Base::None => [operand.offset as u64; 32],
            Base::Word(slot) => {
                let (base, offset) = (self.word(slot), operand.offset as u32);
                std::array::from_fn(|lane| base[lane].wrapping_add(offset).into())
            }
            Base::Long(slot) => {
                let (base, offset) = (self.long(slot), operand.offset as u64);
                std::array::from_fn(|lane| base[lane].wrapping_add(offset))
            }
        }
    }

    pub(super) fn thread(&self, lane: usize) -> u32 {
        self.warp.index * 32 + lane as u32
    }

    pub(super) fn who(&self, lane: usize) -> Who {
        Who { warp: self.warp.index, lane: lane as u32, pc: self.pc }
    }

    /// In a checked launch: a lane reads.
    #[cold]
    fn check_read(&mut self, place: &Place<'_>, size: u32, lane: usize) {
        let (who, environment) = (self.who(lane), self.environment);
        let Some((sanitizer, checks)) = self.memory.sanitizer.as_mut().zip(environment.checks) else { return };
        match place {
            Place::Shared(at) => sanitizer.read(who, *at, size as usize),
            Place::Global(allocation, offset) => {
                let address = allocation.address + offset;
                let label = || sanitizer::place_in_global(environment, address);
                sanitizer.global_read(checks, who, address, size, label);
            }
            Place::Local(_) | Place::Param(_) => {}
        }
    }

    /// In a checked launch: a lane is about to write an element.
    #[cold]
    fn check_write(&mut self, place: &Place<'_>, offset: usize, size: u32, value: u64, lane: usize) {
        let (who, environment) = (self.who(lane), self.environment);
        let unused = 64 - 8 * size;
        let same = self.memory.read(environment, place, offset, size) << unused == value << unused;
        let Some((sanitizer, checks)) = self.memory.sanitizer.as_mut().zip(environment.checks) else { return };
        match place {
            Place::Shared(at) => sanitizer.write(who, at + offset, size as usize, same),
            Place::Global(allocation, at) => {
                let address = allocation.address + at + offset as u64;
                let label = || sanitizer::place_in_global(environment, address);
                sanitizer.global_write(checks, who, (address, size), same, label);
            }
            Place::Local(_) | Place::Param(_) => {}
        }
    }

    fn execute(&mut self, op: &Op) -> Result<(), LaneFault> {
        match op {
            Op::W1(f, d, a) => {
                let mut value = [0; 32];
                f(&mut value, self.word(*a));
                self.set_word(*d, &value);
            }
            Op::W2(f, d, [a, b]) => {
                let mut value = [0; 32];
                f(&mut value, self.word(*a), self.word(*b));
                self.set_word(*d, &value);
            }
            Op::W3(f, d, [a, b, c]) => {
                let mut value = [0; 32];
                f(&mut value, self.word(*a), self.word(*b), self.word(*c));
                self.set_word(*d, &value);
            }
            Op::L1(f, d, a) => {
                let mut value = [0; 32];
                f(&mut value, self.long(*a));
                self.set_long(*d, &value);
            }
            Op::L2(f, d, [a, b]) => {
                let mut value = [0; 32];
                f(&mut value, self.long(*a), self.long(*b));
                self.set_long(*d, &value);
            }
            Op::L3(f, d, [a, b, c]) => {
                let mut value = [0; 32];
                f(&mut value, self.long(*a), self.long(*b), self.long(*c));
                self.set_long(*d, &value);
            }
            Op::LfromW(f, d, a) => {
                let mut value = [0; 32];
                f(&mut value, self.word(*a));
                self.set_long(*d, &value);
            }
            Op::WfromL(f, d, a) => {
                let mut value = [0; 32];
                f(&mut value, self.long(*a));
                self.set_word(*d, &value);
            }
            Op::LfromWW(f, d, [a, b]) => {
                let mut value = [0; 32];
                f(&mut value, self.word(*a), self.word(*b));
                self.set_long(*d, &value);
            }
            Op::LfromWWL(f, d, [a, b, c]) => {
                let mut value = [0; 32];
                f(&mut value, self.word(*a), self.word(*b), self.long(*c));
                self.set_long(*d, &value);
            }
            Op::LfromLW(f, d, [a, b]) => {
                let mut value = [0; 32];
                f(&mut value, self.long(*a), self.word(*b));
                self.set_long(*d, &value);
            }
            Op::Convert { conversion, d, a } => self.convert(conversion, *d, *a),
            Op::ConvertPair { conversion, width, d, a, b } => {
                let (upper, lower) = (self.word(*a), self.word(*b));
                let value = std::array::from_fn(|lane| {
                    (conversion.apply(upper[lane].into()) << width | conversion.apply(lower[lane].into())) as u32
                });
                self.set_word(*d, &value);
            }
            Op::UnpackPair { conversion, d, a } => {
                let (from, to) = (conversion.from.size() * 8, conversion.to.size() * 8);
                let pairs = self.word(*a);
                let value = std::array::from_fn(|lane| {
                    let pair = u64::from(pairs[lane]);
                    let low = conversion.apply(pair & ((1 << from) - 1));
                    (conversion.apply(pair >> from & ((1 << from) - 1)) << to | low) as u32
                });
                self.set_word(*d, &value);
            }
            Op::Fma { format, rounding, packed, flags, d, a, b, c } => {
                for lane in lanes_of(self.active) {
                    let (x, y, z) = (self.value(*a, lane), self.value(*b, lane), self.value(*c, lane));
                    let one = |x, y, z| fused(*format, *rounding, *flags, x, y, z);
                    let value = if *packed {
                        let low = one(x & 0xffff, y & 0xffff, z & 0xffff);
                        one(x >> 16 & 0xffff, y >> 16 & 0xffff, z >> 16 & 0xffff) << 16 | low
                    } else {
                        one(x, y, z)
                    };
                    self.set_lane(*d, lane, value);
                }
            }
            Op::ExtractL { signed, d, a, position, length } => {
                let (a, p, n) = (self.long(*a), self.word(*position), self.word(*length));
                let extract = if *signed { integer::extract_signed } else { integer::extract_unsigned };
                let value = std::array::from_fn(|lane| extract(a[lane], p[lane], n[lane], 64));
                self.set_long(*d, &value);
            }
            Op::InsertL { d, field, base, position, length } => {
                let (f, b, p, n) = (self.long(*field), self.long(*base), self.word(*position), self.word(*length));
                let value = std::array::from_fn(|lane| integer::insert(f[lane], b[lane], p[lane], n[lane], 64));
                self.set_long(*d, &value);
            }
            Op::InsertW { d, field, base, position, length } => {
                let (f, b, p, n) = (self.word(*field), self.word(*base), self.word(*position), self.word(*length));
                let value = std::array::from_fn(|lane| {
                    integer::insert(f[lane].into(), b[lane].into(), p[lane], n[lane], 32) as u32
                });
                self.set_word(*d, &value);
            }
            Op::Logic3 { d, a, b, c, table } => {
                let (a, b, c) = (self.word(*a), self.word(*b), self.word(*c));
                let value = std::array::from_fn(|lane| integer::logic3(a[lane], b[lane], c[lane], *table));
                self.set_word(*d, &value);
            }
            Op::CompareW { f, d, complement, a, b, combine } => {
                let mask = f(self.word(*a), self.word(*b));
                self.compare(mask, *d, *complement, *combine);
            }
            Op::CompareL { f, d, complement, a, b, combine } => {
                let mask = f(self.long(*a), self.long(*b));
                self.compare(mask, *d, *complement, *combine);
            }
            Op::SetW { f, d, a, b, ones } => {
                let mask = f(self.word(*a), self.word(*b));
                let value = std::array::from_fn(|lane| if mask >> lane & 1 != 0 { *ones } else { 0 });
                self.set_word(*d, &value);
            }
            Op::TestW { f, d, a } => {
                let mask = f(self.word(*a));
                self.set_predicate(*d, mask);
            }
            Op::SelectW { d, a, b, p } => {
                let (a, b, p) = (self.word(*a), self.word(*b), self.warp.predicates[*p as usize]);
                let value = std::array::from_fn(|lane| if p >> lane & 1 != 0 { a[lane] } else { b[lane] });
                self.set_word(*d, &value);
            }
            Op::SelectL { d, a, b, p } => {
                let (a, b, p) = (self.long(*a), self.long(*b), self.warp.predicates[*p as usize]);
                let value = std::array::from_fn(|lane| if p >> lane & 1 != 0 { a[lane] } else { b[lane] });
                self.set_long(*d, &value);
            }
            Op::PredicateLogic { logic, d, a, b } => {
                let (a, b) = (self.warp.predicates[*a as usize], self.warp.predicates[*b as usize]);
                self.set_predicate(*d, combine_masks(*logic, a, b));
            }
            Op::PredicateNot { d, a } => self.set_predicate(*d, !self.warp.predicates[*a as usize]),
            Op::PredicateMove { d, a } => self.set_predicate(*d, self.warp.predicates[*a as usize]),
            Op::PackWords { d, low, high } => {
                let (low, high) = (self.word(*low), self.word(*high));
                let value = std::array::from_fn(|lane| u64::from(high[lane]) << 32 | u64::from(low[lane]));
                self.set_long(*d, &value);
            }
            Op::UnpackLong { low, high, a } => {
                let a = *self.long(*a);
                if let Some(low) = low {
                    self.set_word(*low, &a.map(|value| value as u32));
                }
                if let Some(high) = high {
                    self.set_word(*high, &a.map(|value| (value >> 32) as u32));
                }
            }
            Op::PackHalves { d, low, high } => {
                let (low, high) = (self.word(*low), self.word(*high));
                let value = std::array::from_fn(|lane| high[lane] << 16 | low[lane] & 0xffff);
                self.set_word(*d, &value);
            }
            Op::UnpackHalves { low, high, a } => {
                let a = *self.word(*a);
                if let Some(low) = low {
                    self.set_word(*low, &a.map(|value| value & 0xffff));
                }
                if let Some(high) = high {
                    self.set_word(*high, &a.map(|value| value >> 16));
                }
            }
            Op::PackBytes { d, bytes } => {
                let parts = bytes.map(|slot| self.word(slot));
                let value = std::array::from_fn(|lane| {
                    (0..4).fold(0, |value, index| value | (parts[index][lane] & 0xff) << (8 * index))
                });
                self.set_word(*d, &value);
            }
            Op::UnpackBytes { d, a } => {
                let a = *self.word(*a);
                for (index, slot) in d.iter().enumerate() {
                    if let Some(slot) = slot {
                        self.set_word(*slot, &a.map(|value| value >> (8 * index) & 0xff));
                    }
                }
            }
            Op::PackQuarters { d, parts } => {
                let parts = parts.map(|slot| self.word(slot));
                let value = std::array::from_fn(|lane| {
                    (0..4).fold(0, |value, index| value | u64::from(parts[index][lane] & 0xffff) << (16 * index))
                });
                self.set_long(*d, &value);
            }
            Op::UnpackQuarters { d, a } => {
                let a = *self.long(*a);
                for (index, slot) in d.iter().enumerate() {
                    if let Some(slot) = slot {
                        self.set_word(*slot, &a.map(|value| (value >> (16 * index)) as u32 & 0xffff));
                    }
                }
            }
            Op::Load { space, size, signed, d, address } => return self.load(*space, *size, *signed, d, address),
            Op::Store { space, size, a, address } => return self.store(*space, *size, a, address),
            Op::Atomic { space, op, ty, d, address, a, b } => {
                let addresses = self.addresses(address);
                let size = ty.size();
                let access = Access { space: *space, name: "atomic access", size: size * a.len() as u32 };
                for lane in lanes_of(self.active) {
                    if self.is_peer(*space, addresses[lane]) {
                        let operation = (*op, *ty, &a[..], *b);
                        self.atomic_of_peer(access, addresses[lane], d, operation, lane)
                            .map_err(|kind| (kind, lane as u32))?;
                        continue;
                    }
                    let thread = self.thread(lane);
                    let place = self
                        .memory
                        .place(self.environment, access, addresses[lane], thread)
                        .map_err(|kind| (kind, lane as u32))?;
                    let who = self.who(lane);
                    if let Some((sanitizer, checks)) = self.memory.sanitizer.as_mut().zip(self.environment.checks) {
                        match &place {
                            Place::Shared(at) => {
                                sanitizer.atomic(checks, who, true, *at as u64, access.size as usize);
                            }
                            Place::Global(allocation, at) => {
                                sanitizer.atomic(checks, who, false, allocation.address + at, access.size as usize);
                            }
                            Place::Local(_) | Place::Param(_) => {}
                        }
                    }
                    for (index, &element) in a.iter().enumerate() {
                        let (x, y) = (self.value(element, lane), b.map_or(0, |b| self.value(b, lane)));
                        let update = |old| ty.apply(*op, old, x, y);
                        let old = self.memory.atomic(self.environment, &place, index * size as usize, *ty, update);
                        if let Some(&d) = d.get(index) {
                            self.set_lane(d, lane, old);
                        }
                    }
                }
            }
            Op::CopyAsync { size, shared, global, source_size, ignore } => {
                self.issue_copies(*size, [shared, global], *source_size, *ignore);
            }
            Op::ProxyFence => {
                if let Some(sanitizer) = &mut self.memory.sanitizer {
                    sanitizer.proxy_fence(self.warp.index);
                }
            }
            Op::WgmmaFence => {
                if let Some(sanitizer) = &mut self.memory.sanitizer {
                    sanitizer.wgmma_fence(self.warp.index);
                }
            }
            Op::WarpSync => {
                if let Some(sanitizer) = &mut self.memory.sanitizer {
                    sanitizer.warp_sync(self.warp.index);
                }
            }
            Op::CopyCommit => commit_copies(self.warp, self.active),
            Op::CopyWait { pending } => return self.wait_for_copies(*pending),
            Op::LoadMatrix { count, transpose, d, address } => return self.load_matrix(*count, *transpose, d, address),
            Op::StoreMatrix { transpose, a, address } => return self.store_matrix(*transpose, a, address),
            Op::Mma { mma, d, a, b, c } => {
                let none = [0; 32];
                let words = &self.warp.words;
                let plane =
                    |element: &Data| if let Data::Word(slot) = element { &words[*slot as usize] } else { &none };
                let [mut a_planes, mut b_planes, mut c_planes] = [[&none; 4]; 3];
                for (planes, elements) in [(&mut a_planes, a), (&mut b_planes, b), (&mut c_planes, c)] {
                    for (to, element) in planes.iter_mut().zip(elements) {
                        *to = plane(element);
                    }
                }
                let fast = self.environment.arithmetic == Arithmetic::Fast;
                let planes = [&a_planes[..a.len()], &b_planes[..b.len()], &c_planes[..c.len()]];
                let mut result = [none; 4];
                mma.execute(self.environment.architecture, fast, &mut self.memory.operands, planes, &mut result);
                for (element, plane) in d.iter().zip(&result) {
                    if let Data::Word(slot) = element {
                        self.set_word(*slot, plane);
                    }
                }
            }
            Op::Wgmma(wgmma) => self.issue_wgmma(wgmma),
            // `Warp::run` does it.
            Op::MbarrierWait { .. } => {}
            Op::WgmmaCommit => self.commit_wgmmas(),
            Op::WgmmaWait { pending, .. } => return self.wait_for_wgmmas(*pending),
            Op::MbarrierInit { address, count } => return self.mbarrier_init(address, *count),
            Op::MbarrierInvalidate { address } => return self.mbarrier_invalidate(address),
            Op::MbarrierArrive { arrival, d } => return self.mbarrier_arrive(arrival, *d),
            Op::BulkLoad { shared, source, mbarrier, multicast } => {
                return self.issue_load(shared, source, mbarrier, *multicast);
            }
            Op::BulkStore { shared, target, reduce } => return self.issue_store(shared, target, *reduce),
            Op::BulkCommit => self.commit_stores(),
            Op::BulkWait { pending } => return self.wait_for_stores(Some(*pending)),
            Op::TensorMapReplace { field, index, address, space, value } => {
                return self.replace_in_map(*field, *index, (*space, address), *value);
            }
            Op::TensorMapCopy { global, shared } => return self.copy_map(global, shared),
            Op::MmaF64 { d, a, b, c } => {
                let (a, b) = (*self.long(*a), *self.long(*b));
                let c = c.map(|slot| *self.long(slot));
                for (column, &slot) in d.iter().enumerate() {
                    let value = std::array::from_fn(|lane| {
                        let (row, n) = (lane / 4, lane % 4 * 2 + column);
                        let sum = (0..4).fold(f64::from_bits(c[column][lane]), |sum, k| {
                            f64::from_bits(a[row * 4 + k]).mul_add(f64::from_bits(b[n * 4 + k]), sum)
                        });
                        float::result64(sum, [])
                    });
                    self.set_long(slot, &value);
                }
            }
            Op::Shuffle { mode, d, in_range, a, b, c } => self.shuffle(*mode, *d, *in_range, *a, *b, *c),
            Op::VoteAll { d, p } => {
                let holds = self.warp.predicates[*p as usize] & self.active == self.active;
                self.set_predicate(*d, all_or_none(holds));
            }
            Op::VoteAny { d, p } => {
                let holds = self.warp.predicates[*p as usize] & self.active != 0;
                self.set_predicate(*d, all_or_none(holds));
            }
            Op::VoteUniform { d, p } => {
                let holds = self.warp.predicates[*p as usize] & self.active;
                self.set_predicate(*d, all_or_none(holds == 0 || holds == self.active));
            }
            Op::Ballot { d, p } => {
                let ballot = self.warp.predicates[*p as usize] & self.active;
                self.set_word(*d, &[ballot; 32]);
            }
            Op::ActiveMask { d } => self.set_word(*d, &[self.active; 32]),
            Op::MatchAny { d, a } => {
                let values: Long = std::array::from_fn(|lane| self.value(*a, lane));
                let value = std::array::from_fn(|lane| {
                    lanes_of(self.active)
                        .filter(|&other| values[other] == values[lane])
                        .fold(0, |mask, other| mask | 1 << other)
                });
                self.set_word(*d, &value);
            }
            Op::MatchAll { d, p, a } => {
                let first = self.active.trailing_zeros() as usize;
                let expected = self.value(*a, first);
                let same = lanes_of(self.active).all(|lane| self.value(*a, lane) == expected);
                self.set_word(*d, &[if same { self.active } else { 0 }; 32]);
                if let Some(p) = p {
                    self.set_predicate(*p, all_or_none(same));
                }
            }
            Op::Reduce { op, d, a } => {
                let a = self.word(*a);
                let result = lanes_of(self.active).map(|lane| a[lane]).reduce(|x, y| reduce(*op, x, y)).unwrap_or(0);
                self.set_word(*d, &[result; 32]);
            }
            Op::Elect { d, p } => {
                let leader = self.active.trailing_zeros();
                if let Some(d) = d {
                    self.set_word(*d, &[leader; 32]);
                }
                self.set_predicate(*p, 1 << leader);
            }
            Op::ToGeneric { space, d, a } => {
                let window = window(*space);
                let value = self.long(*a).map(|address| address.wrapping_add(window));
                self.set_long(*d, &value);
            }
            Op::FromGeneric { space, d, a } => {
                let window = window(*space);
                let value = self.long(*a).map(|address| address.wrapping_sub(window));
                self.set_long(*d, &value);
            }
            Op::IsSpace { space, d, a } => {
                let a = self.long(*a);
                let own = self.memory.rank + 1;
                let is = |address: u64| match (resolve_generic(address).0, space) {
                    (MemorySpace::Shared, MemorySpace::Cluster) => true,
                    (MemorySpace::Shared, MemorySpace::Shared) => {
                        let named = named_block(MemorySpace::Generic, address);
                        named == 0 || named == own
                    }
                    (found, space) => found == *space,
                };
                let mask = (0..32).fold(0, |mask, lane| mask | u32::from(is(a[lane])) << lane);
                self.set_predicate(*d, mask);
            }
            Op::MapAddress { d, a, rank } => {
                for lane in lanes_of(self.active) {
                    let rank = u64::from(self.word(*rank)[lane]).wrapping_add(1) & 0xff;
                    let address = self.value(*a, lane) & !(0xff << RANK_SHIFT) | rank << RANK_SHIFT;
                    self.set_lane(*d, lane, address);
                }
            }
            Op::RankOf { d, a } => {
                let own = self.memory.rank;
                let value = std::array::from_fn(|lane| match self.value(*a, lane) >> RANK_SHIFT & 0xff {
                    0 => own,
                    named => named as u32 - 1,
                });
                self.set_word(*d, &value);
            }
            // A clock that only counts this warp's instructions: the same from run to run.
            Op::Clock { d } => {
                let now = self.warp.executed;
                for lane in lanes_of(self.active) {
                    self.set_lane(*d, lane, now);
                }
            }
            Op::Trap => return Err((FaultKind::Trap, self.active.trailing_zeros())),
            Op::Print { d, format, arguments } => return self.print(*d, *format, *arguments),
            Op::Assert { parameters } => return self.assert(*parameters),
            Op::Nothing | Op::Branch { .. } | Op::Exit | Op::Barrier { .. } | Op::ClusterArrive | Op::ClusterWait => {}
        }
        Ok(())
    }

    fn convert(&mut self, conversion: &Conversion, d: Data, a: Data) {
        for lane in lanes_of(self.active) {
            let mut value = conversion.apply(self.value(a, lane));
            if conversion.to.is_signed() {
                // A register wider than the type holds it sign-extended; decoding narrows 16-bit registers.
                let unused = 64 - 8 * conversion.to.size();
                value = ((value << unused) as i64 >> unused) as u64;
            }
            self.set_lane(d, lane, value);
        }
    }

    fn compare(&mut self, mask: u32, d: Slot, complement: Option<Slot>, combine: Option<(Logic, Slot, bool)>) {
        let with = |mask: u32, warp: &Warp| match combine {
            Some((logic, p, negated)) => {
                let p = warp.predicates[p as usize];
                combine_masks(logic, mask, if negated { !p } else { p })
            }
            None => mask,
        };
        let (yes, no) = (with(mask, self.warp), with(!mask, self.warp));
        self.set_predicate(d, yes);
        if let Some(complement) = complement {
            self.set_predicate(complement, no);
        }
    }

    fn load(
        &mut self,
        space: MemorySpace,
        size: u32,
        signed: bool,
        d: &[Data],
        address: &AddressOperand,
    ) -> Result<(), LaneFault> {
        if space == MemorySpace::Param && matches!(address.base, Base::None) {
            return self.load_parameter(size, signed, d, address.offset);
        }
        let addresses = self.addresses(address);
        let access = Access { space, name: "read", size: size * d.len() as u32 };
        let unused = 64 - 8 * size;
        for lane in lanes_of(self.active) {
            if self.is_peer(space, addresses[lane]) {
                self.load_from_peer(access, addresses[lane], d, signed, lane).map_err(|kind| (kind, lane as u32))?;
                continue;
            }
            let thread = self.thread(lane);
            let place = self
                .memory
                .place(self.environment, access, addresses[lane], thread)
                .map_err(|kind| (kind, lane as u32))?;
            if self.memory.sanitizer.is_some() {
                self.check_read(&place, access.size, lane);
            }
            for (index, &element) in d.iter().enumerate() {
                let mut value = self.memory.read(self.environment, &place, index * size as usize, size);
                if signed {
                    value = ((value << unused) as i64 >> unused) as u64;
                }
                match element {
                    Data::Sink => {}
                    Data::Word(slot) => self.warp.words[slot as usize][lane] = value as u32,
                    Data::Long(slot) => self.warp.longs[slot as usize][lane] = value,
                }
            }
        }
        Ok(())
    }

    fn load_parameter(&mut self, size: u32, signed: bool, d: &[Data], offset: i64) -> Result<(), LaneFault> {
        for (index, &element) in d.iter().enumerate() {
            let at = usize::try_from(offset).unwrap_or(usize::MAX).saturating_add(index * size as usize);
            let bytes = self.environment.parameters.get(at..at.saturating_add(size as usize)).unwrap_or_default();
            let mut value = bytes.iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
            if signed {
                let unused = 64 - 8 * size;
                value = ((value << unused) as i64 >> unused) as u64;
            }
            match element {
                Data::Sink => {}
                Data::Word(slot) => self.set_word(slot, &[value as u32; 32]),
                Data::Long(slot) => self.set_long(slot, &[value; 32]),
            }
        }
        Ok(())
    }

    fn store(&mut self, space: MemorySpace, size: u32, a: &[Data], address: &AddressOperand) -> Result<(), LaneFault> {
        let addresses = self.addresses(address);
        let access = Access { space, name: "write", size: size * a.len() as u32 };
        for lane in lanes_of(self.active) {
            if self.is_peer(space, addresses[lane]) {
                self.store_to_peer(access, addresses[lane], a, lane).map_err(|kind| (kind, lane as u32))?;
                continue;
            }
            let thread = self.thread(lane);
            let place = self
                .memory
                .place(self.environment, access, addresses[lane], thread)
                .map_err(|kind| (kind, lane as u32))?;
            for (index, &element) in a.iter().enumerate() {
                let value = self.value(element, lane);
                if self.memory.sanitizer.is_some() {
                    self.check_write(&place, index * size as usize, size, value, lane);
                }
                self.memory.write(&place, index * size as usize, size, value);
            }
        }
        Ok(())
    }

    /// Row `lane` (or column, transposed) of matrix `m` comes from the address of lane 8·m + row.
    fn load_matrix(
        &mut self,
        count: u32,
        transpose: bool,
        d: &[Data],
        address: &AddressOperand,
    ) -> Result<(), LaneFault> {
        let addresses = self.addresses(address);
        let access = Access { space: MemorySpace::Shared, name: "read", size: 16 };
        for (matrix, element) in d.iter().enumerate().take(count as usize) {
            let mut rows = [[0u32; 4]; 8];
            for (row, words) in rows.iter_mut().enumerate() {
                let lane = 8 * matrix + row;
                let address = addresses[lane];
                let at = if address.is_multiple_of(16) {
                    self.memory.shared(access, address)
                } else {
                    Err(FaultKind::Misaligned { address, size: 16 })
                };
                let at = at.map_err(|kind| (kind, lane as u32))?;
                if self.memory.sanitizer.is_some() {
                    self.check_read(&Place::Shared(at), 16, lane);
                }
                for (word, bytes) in words.iter_mut().zip(self.memory.shared[at..at + 16].as_chunks().0) {
                    *word = u32::from_le_bytes(*bytes);
                }
            }
            let Data::Word(slot) = element else { continue };
            let mut value = [0; 32];
            for row in 0..8 {
                for pair in 0..4 {
                    if transpose {
                        // Rows 2·pair and 2·pair + 1 are the halves of a lane's word; here of two lanes, two columns.
                        let (column, odd) = (row / 2, row % 2);
                        let (low, high) = (rows[2 * pair][column], rows[2 * pair + 1][column]);
                        value[4 * row + pair] =
                            if odd == 0 { low & 0xffff | high << 16 } else { low >> 16 | high & 0xffff_0000 };
                    } else {
                        value[4 * row + pair] = rows[row][pair];
                    }
                }
            }
            self.set_word(*slot, &value);
        }
        Ok(())
    }

    fn store_matrix(&mut self, transpose: bool, a: &[Data], address: &AddressOperand) -> Result<(), LaneFault> {
        let addresses = self.addresses(address);
        let access = Access { space: MemorySpace::Shared, name: "write", size: 16 };
        for (matrix, &element) in a.iter().enumerate() {
            let Data::Word(slot) = element else { continue };
            let fragment = *self.word(slot);
            for row in 0..8 {
                let lane = 8 * matrix + row;
                let thread = self.thread(lane);
                let place = self
                    .memory
                    .place(self.environment, access, addresses[lane], thread)
                    .map_err(|kind| (kind, lane as u32))?;
                for column in 0..8 {
                    let (i, j) = if transpose { (column, row) } else { (row, column) };
                    let value = fragment[4 * i + j / 2] >> (16 * (j % 2)) & 0xffff;
                    if self.memory.sanitizer.is_some() {
                        self.check_write(&place, 2 * column, 2, value.into(), lane);
                    }
                    self.memory.write(&place, 2 * column, 2, value.into());
                }
            }
        }
        Ok(())
    }

    /// PTX ISA 9.7.9.6: `c` holds the segment mask and the clamp.
    fn shuffle(&mut self, mode: Shuffle, d: Slot, in_range: Option<Slot>, a: Slot, b: Slot, c: Slot) {
        let (a, b, c) = (self.word(a), self.word(b), self.word(c));
        let mut value = [0; 32];
        let mut valid = 0;
        for lane in 0..32u32 {
            let (offset, clamp) = (b[lane as usize] & 31, c[lane as usize] & 31);
            let segment = c[lane as usize] >> 8 & 31;
            let (low, high) = (lane & segment, lane & segment | clamp & !segment);
            let (source, ok) = match mode {
                Shuffle::Up => (lane.wrapping_sub(offset), lane as i32 - offset as i32 >= high as i32),
                Shuffle::Down => (lane + offset, lane + offset <= high),
                Shuffle::Butterfly => (lane ^ offset, lane ^ offset <= high),
                Shuffle::Index => (low | offset & !segment, low | offset & !segment <= high),
            };
            let source = if ok { source } else { lane };
            valid |= u32::from(ok) << lane;
            value[lane as usize] = a[source as usize & 31];
        }
        self.set_word(d, &value);
        if let Some(p) = in_range {
            self.set_predicate(p, valid);
        }
    }

    fn local(&self, lane: usize, offset: u32, size: u32) -> u64 {
        let at = self.thread(lane) as usize * self.environment.program.local_bytes as usize + offset as usize;
        let bytes = self.memory.local.get(at..at + size as usize).unwrap_or_default();
        bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
    }

    fn read_generic(&mut self, lane: usize, address: u64, size: u32) -> Result<u64, LaneFault> {
        let access = Access { space: MemorySpace::Generic, name: "read", size };
        let thread = self.thread(lane);
        let place = self.memory.place(self.environment, access, address, thread).map_err(|kind| (kind, lane as u32))?;
        Ok(self.memory.read(self.environment, &place, 0, size))
    }

    fn string(&mut self, lane: usize, mut address: u64) -> Result<String, LaneFault> {
        let mut bytes = Vec::new();
        while bytes.len() < 1 << 16 {
            match self.read_generic(lane, address, 1)? as u8 {
                0 => break,
                byte => bytes.push(byte),
            }
            address += 1;
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn print(&mut self, d: Option<u32>, format: u32, arguments: u32) -> Result<(), LaneFault> {
        for lane in lanes_of(self.active) {
            let (format, buffer) = (self.local(lane, format, 8), self.local(lane, arguments, 8));
            let format = self.string(lane, format)?;
            for piece in print::parse(&format) {
                let text = match piece {
                    print::Piece::Text(text) => text,
                    print::Piece::Conversion(conversion) => {
                        let bits = self.read_generic(lane, buffer.wrapping_add(conversion.offset), conversion.size)?;
                        let string = if conversion.letter == 's' { self.string(lane, bits)? } else { String::new() };
                        conversion.render(bits, &string)
                    }
                };
                self.memory.printed.push_str(&text);
            }
            if let Some(d) = d {
                let at = self.thread(lane) as usize * self.environment.program.local_bytes as usize + d as usize;
                if let Some(bytes) = self.memory.local.get_mut(at..at + 4) {
                    bytes.copy_from_slice(&1u32.to_le_bytes());
                }
            }
        }
        Ok(())
    }

    fn assert(&mut self, parameters: [u32; 4]) -> Result<(), LaneFault> {
        let lane = self.active.trailing_zeros() as usize;
        let [message, file, line, function] = parameters;
        let [message, file, function] = [message, file, function].map(|offset| self.local(lane, offset, 8));
        let (message, file, function) =
            (self.string(lane, message)?, self.string(lane, file)?, self.string(lane, function)?);
        let line = self.local(lane, line, 4) as u32;
        Err((FaultKind::Assert { message, file, line, function }, lane as u32))
    }
}

fn fused(
    format: Format,
    rounding: crate::emulator::arithmetic::formats::Rounding,
    flags: u8,
    a: u64,
    b: u64,
    c: u64,
) -> u64 {
    let is_f32 = format == crate::emulator::arithmetic::formats::F32;
    let flush = |bits: u64| if flags & 1 != 0 && is_f32 && bits & 0x7f80_0000 == 0 { bits & 0x8000_0000 } else { bits };
    let sign = 1u64 << (format.exponent_bits + format.mantissa_bits);
    let mut result = flush(float::fused_multiply_add(format, flush(a), flush(b), flush(c), rounding));
    if format == crate::emulator::arithmetic::formats::F64 {
        result = float::result64(f64::from_bits(result), [b, c, a]);
    }
    if flags & 2 != 0 {
        let value = format.to_f64(result);
        result = format.from_f64(if value > 0.0 { value.min(1.0) } else { 0.0 });
    }
    if flags & 4 != 0 && result & sign != 0 {
        result = 0;
    }
    result
}

fn combine_masks(logic: Logic, a: u32, b: u32) -> u32 {
    match logic {
        Logic::And => a & b,
        Logic::Or => a | b,
        Logic::Xor => a ^ b,
    }
}

fn all_or_none(holds: bool) -> u32 {
    if holds { u32::MAX } else { 0 }
}

fn window(space: MemorySpace) -> u64 {
    match space {
        MemorySpace::Shared | MemorySpace::Cluster => SHARED_WINDOW,
        MemorySpace::Local => LOCAL_WINDOW,
        MemorySpace::Param => PARAM_WINDOW,
        _ => 0,
    }
}

fn reduce(op: Reduction, a: u32, b: u32) -> u32 {
    match op {
        Reduction::Add => a.wrapping_add(b),
        Reduction::MinSigned => (a as i32).min(b as i32) as u32,
        Reduction::MaxSigned => (a as i32).max(b as i32) as u32,
        Reduction::MinUnsigned => a.min(b),
        Reduction::MaxUnsigned => a.max(b),
        Reduction::And => a & b,
        Reduction::Or => a | b,
        Reduction::Xor => a ^ b,
    }
}
