//! How undefined values go through instructions, and where they may not go.

use super::finding::{Reach, Rule};
use super::undefined::{Bytes, DEFINED, Origin, Value, undefined_lanes, whole_register};
use super::{Checks, Sanitizer};
use crate::instrument::Execution;
use crate::program::{AddressOperand, Base, Data, File, Logic, MemorySpace, Op, Shuffle as ShuffleMode, Slot, Use};
use crate::state::access::{Access, Place};
use crate::state::tensor_memory::{Cells, TOGETHER};
use crate::state::warp::lanes_of;
use warpbook_ptx::isa::Flow;

/// The register of an operand.
fn register(data: Data) -> Option<(File, Slot)> {
    match data {
        Data::Sink => None,
        Data::Word(slot) => Some((File::Word, slot)),
        Data::Long(slot) => Some((File::Long, slot)),
    }
}

/// A bit for each byte that is undefined in a lane.
fn bits_of(value: &Value, lane: usize, size: u32) -> u64 {
    let bytes = value.bytes.iter().take(size as usize).enumerate();
    bytes.fold(0, |bits, (index, lanes)| bits | u64::from(lanes >> lane & 1) << index)
}

/// Follows undefined values through one operation.
pub(super) struct Follower<'s, 'a> {
    pub sanitizer: &'s mut Sanitizer<'a>,
    pub at: &'s Execution<'s>,
}

impl Follower<'_, '_> {
    /// Follows undefined values through the instruction that comes next. `mask` are the lanes that come to it, of which
    /// the guard lets `self.at.active` through.
    pub fn follow_undefined(&mut self, op: &Op) {
        let (program, mask) = (self.at.environment.program, self.at.present);
        let guard =
            program.code.get(self.at.pc as usize).and_then(|instruction| instruction.guard).map(|(slot, _)| slot);
        let unsure = guard.map_or(Value::default(), |slot| self.undefined(File::Predicate, slot));
        let unsure_lanes = undefined_lanes(&unsure.bytes) & mask;
        if unsure_lanes != 0 {
            if guarded_by_name(op) {
                self.reached(Reach::Branch, unsure.origin, unsure_lanes, String::new);
                // Once is enough.
                if let Some(slot) = guard {
                    self.define(File::Predicate, slot, mask);
                }
            } else {
                let value = Value { bytes: whole_register(unsure_lanes), origin: unsure.origin };
                self.each_written(op, |step, file, slot| step.set_undefined(file, slot, &value, unsure_lanes));
            }
        }
        // What a guard keeps a load from reading stays as it was.
        let kept = mask & !self.at.active;
        if kept != 0
            && let Op::Load { d, .. } = op
        {
            let (warp, pc) = (self.at.warp.index, self.at.pc);
            for (file, slot) in d.iter().copied().filter_map(register) {
                self.sanitizer.undefined.left(warp, file, slot, kept, pc);
            }
        }
        if self.at.active != 0 {
            self.follow(op);
        }
    }

    fn undefined(&self, file: File, slot: Slot) -> Value {
        self.sanitizer.undefined.get(self.at.warp.index, file, slot)
    }

    fn undefined_data(&self, data: Data) -> Value {
        self.sanitizer.undefined_data(self.at.warp.index, data)
    }

    fn set_undefined(&mut self, file: File, slot: Slot, value: &Value, lanes: u32) {
        let warp = self.at.warp.index;
        self.sanitizer.undefined.set(warp, file, slot, value, lanes);
    }

    fn define(&mut self, file: File, slot: Slot, lanes: u32) {
        self.set_undefined(file, slot, &Value::default(), lanes);
    }

    fn each_written(&mut self, op: &Op, mut each: impl FnMut(&mut Self, File, Slot)) {
        let checks = self.sanitizer.checks;
        let uses = checks.uses.get(self.at.pc as usize).map(Vec::as_slice).unwrap_or_default();
        if matches!(op, Op::Wgmma(_)) {
            return;
        }
        for &(file, how, slot) in uses {
            if how == Use::Write {
                each(self, file, slot);
            }
        }
    }

    /// An undefined value has come to where it decides something.
    fn reached(&mut self, reach: Reach, origin: Origin, lanes: u32, place: impl FnOnce() -> String) {
        let issuer = self.at.issuer(lanes.trailing_zeros() as usize & 31);
        self.sanitizer.report(Rule::Undefined { reach, origin }, issuer, None, place);
    }

    /// An address has to be defined in all active lanes.
    fn check_address(&mut self, address: &AddressOperand) {
        let (file, slot) = match address.base {
            Base::None => return,
            Base::Word(slot) => (File::Word, slot),
            Base::Long(slot) => (File::Long, slot),
        };
        let value = self.undefined(file, slot);
        let lanes = undefined_lanes(&value.bytes) & self.at.active;
        if lanes != 0 {
            self.reached(Reach::Address, value.origin, lanes, String::new);
            self.define(file, slot, self.at.active);
        }
    }

    fn follow(&mut self, op: &Op) {
        self.check_addresses(op);
        let checks = self.sanitizer.checks;
        let active = self.at.active;
        match op {
            Op::Load { .. } | Op::Store { .. } | Op::Atomic { .. } | Op::CopyAsync { .. } => {
                self.follow_access(op, checks);
            }
            Op::Print { d: Some(d), .. } => self.define_local(*d, 4),
            Op::Malloc { d: Some(d), .. } => self.define_local(*d, 8),
            Op::LoadMatrix { d, address, transpose, .. } => self.follow_load_matrix(d, address, *transpose),
            Op::StoreMatrix { a, address, transpose } => self.follow_store_matrix(a, address, *transpose),
            Op::Mma { d, a, b, c, .. } => self.follow_mma(d, a, b, c),
            Op::Shuffle { mode, d, in_range, a, b, c } => self.follow_shuffle(*mode, (*d, *in_range), *a, *b, *c),
            Op::Select32 { d, a, b, p } => self.follow_select(File::Word, *d, *a, *b, *p),
            Op::Select64 { d, a, b, p } => self.follow_select(File::Long, *d, *a, *b, *p),
            Op::PredicateLogic { logic, d, a, b } => {
                let (x, y) = (self.undefined(File::Predicate, *a), self.undefined(File::Predicate, *b));
                let (p, q) = (self.at.warp.predicates[*a as usize], self.at.warp.predicates[*b as usize]);
                let value = logical(*logic, (&x, p), (&y, q));
                self.set_undefined(File::Predicate, *d, &value, active);
            }
            Op::Compare32 { d, complement, a, b, combine, .. } => {
                self.follow_compare(self.either(File::Word, *a, *b), *d, *complement, *combine);
            }
            Op::Compare64 { d, complement, a, b, combine, .. } => {
                self.follow_compare(self.either(File::Long, *a, *b), *d, *complement, *combine);
            }
            Op::PackWords { d, low, high } => self.pack(File::Long, *d, &[*low, *high], 4),
            Op::PackHalves { d, low, high } => self.pack(File::Word, *d, &[*low, *high], 2),
            Op::PackBytes { d, bytes } => self.pack(File::Word, *d, bytes, 1),
            Op::PackQuarters { d, parts } => self.pack(File::Long, *d, parts, 2),
            Op::UnpackLong { low, high, a } => self.unpack(File::Long, *a, &[*low, *high], 4),
            Op::UnpackHalves { low, high, a } => self.unpack(File::Word, *a, &[*low, *high], 2),
            Op::UnpackBytes { d, a } => self.unpack(File::Word, *a, d, 1),
            Op::UnpackQuarters { d, a } => self.unpack(File::Long, *a, d, 2),
            Op::ConvertPair { width, d, a, b, .. } => self.follow_convert_pair(*width as usize / 8, *d, [*a, *b]),
            Op::Convert { conversion, d, a } => {
                let value = self.undefined_data(*a).part(0, conversion.from.size() as usize, 0).smeared();
                if let Some((file, slot)) = register(*d) {
                    self.set_undefined(file, slot, &value, active);
                }
            }
            // All lanes see what each holds.
            Op::VoteAll { .. }
            | Op::VoteAny { .. }
            | Op::VoteUniform { .. }
            | Op::Ballot { .. }
            | Op::MatchAny { .. }
            | Op::MatchAll { .. }
            | Op::Reduce { .. } => {
                let mut value = self.sources(checks);
                let lanes = undefined_lanes(&value.bytes) & active;
                value.bytes = whole_register(if lanes == 0 { 0 } else { u32::MAX });
                self.each_written(op, |step, file, slot| step.set_undefined(file, slot, &value, active));
            }
            // Carried out when it is waited for.
            Op::Wgmma(_) | Op::WgmmaWait { .. } | Op::TensorWaitLoads => {}
            // What they give is defined, whatever they take.
            Op::ActiveMask { .. }
            | Op::Elect { .. }
            | Op::Clock { .. }
            | Op::TensorLoad(_)
            | Op::TensorStore(_)
            | Op::MbarrierInit { .. }
            | Op::MbarrierInvalidate { .. }
            | Op::MbarrierWait { .. }
            | Op::MbarrierArrive { .. }
            | Op::CopyArrive { .. }
            | Op::TensorMapReplace { .. }
            | Op::BulkLoad { .. }
            | Op::BulkStore { .. } => {
                self.each_written(op, |step, file, slot| step.define(file, slot, active));
            }
            _ => self.follow_flow(op, checks),
        }
    }

    /// The addresses that an operation takes have to be defined.
    fn check_addresses(&mut self, op: &Op) {
        match op {
            Op::Load { address, .. }
            | Op::Store { address, .. }
            | Op::Atomic { address, .. }
            | Op::MbarrierInit { address, .. }
            | Op::MbarrierInvalidate { address }
            | Op::CopyArrive { address, .. }
            | Op::MbarrierWait { address, .. }
            | Op::TensorMapReplace { address, .. } => self.check_address(address),
            Op::MbarrierArrive { arrival, .. } => self.check_address(&arrival.address),
            Op::TensorLoad(access) | Op::TensorStore(access) => self.check_address(&access.address),
            Op::CopyAsync { shared, global, .. } => {
                self.check_address(shared);
                self.check_address(global);
            }
            Op::BulkLoad { shared, mbarrier, .. } => {
                self.check_address(shared);
                self.check_address(mbarrier);
            }
            Op::BulkStore { shared, .. } => self.check_address(shared),
            _ => {}
        }
    }

    /// Loads, stores, atomics, and `cp.async`.
    fn follow_access(&mut self, op: &Op, checks: &Checks<'_>) {
        let active = self.at.active;
        match op {
            Op::Load { space, size, d, address, .. } => self.follow_load(*space, *size, d, address, checks),
            Op::Store { space, size, a, address } => self.follow_store(*space, *size, a, address, checks),
            Op::Atomic { space, ty, d, address, a, b, .. } => {
                let operands: Vec<Data> = a.iter().copied().chain(*b).collect();
                self.follow_atomic(*space, ty.size() * a.len() as u32, &operands, address, checks);
                for (file, slot) in d.iter().copied().filter_map(register) {
                    self.define(file, slot, active);
                }
            }
            Op::CopyAsync { size, shared, global, source_size, ignore } => {
                let ignored = ignore.map_or(0, |slot| self.at.warp.predicates[slot as usize]);
                let taken = std::array::from_fn(|lane| match source_size {
                    _ if ignored >> lane & 1 != 0 => 0,
                    Some(slot) => self.at.word(*slot)[lane].min(*size),
                    None => *size,
                });
                self.follow_copy(*size, &taken, (shared, global), checks);
            }
            _ => {}
        }
    }

    /// Bytes of each thread's local memory are written.
    fn define_local(&mut self, offset: u32, bytes: usize) {
        let each = self.at.environment.program.local_bytes as usize;
        for lane in lanes_of(self.at.active) {
            let at = self.at.warp.thread(lane) as usize * each + offset as usize;
            self.sanitizer.undefined.set_local(at, bytes, 0, None);
        }
    }

    /// Undefined where either of two registers is.
    fn either(&self, file: File, a: Slot, b: Slot) -> Value {
        let mut value = self.undefined(file, a);
        value.join(&self.undefined(file, b));
        value
    }

    /// Two values to the halves of a register, of so many bytes each; the first is the upper one.
    fn follow_convert_pair(&mut self, bytes: usize, d: Slot, [a, b]: [Slot; 2]) {
        let (upper, lower) = (self.undefined(File::Word, a).smeared(), self.undefined(File::Word, b).smeared());
        let mut value = lower.part(0, bytes, 0);
        value.join(&upper.part(0, bytes, bytes));
        self.set_undefined(File::Word, d, &value, self.at.active);
    }

    /// As the table of instructions says: how each byte of the result depends on the operands.
    fn follow_flow(&mut self, op: &Op, checks: &Checks<'_>) {
        let value = match checks.flows.get(self.at.pc as usize) {
            Some(Flow::Bytewise) => self.sources(checks),
            Some(Flow::Halfwise) => self.sources(checks).in_halves(),
            Some(Flow::Masked) => self.follow_and(checks),
            Some(Flow::ShiftedUp) => self.follow_shift(checks, true),
            Some(Flow::ShiftedDown) => self.follow_shift(checks, false),
            Some(Flow::Permuted) => self.follow_permute(checks),
            _ => self.sources(checks).smeared(),
        };
        self.each_written(op, |step, file, slot| step.set_undefined(file, slot, &value, step.at.active));
    }

    /// The slots that the instruction reads, without its guard.
    fn read<'c>(&self, checks: &'c Checks<'_>) -> impl Iterator<Item = (File, Slot)> + use<'c> {
        let guard = self.at.environment.program.code.get(self.at.pc as usize).and_then(|instruction| instruction.guard);
        let uses = checks.uses.get(self.at.pc as usize).map(Vec::as_slice).unwrap_or_default();
        let reads = uses.iter().filter(|(_, how, _)| *how == Use::Read);
        reads.skip(usize::from(guard.is_some())).map(|&(file, _, slot)| (file, slot))
    }

    fn sources(&self, checks: &Checks<'_>) -> Value {
        let mut value = Value::default();
        for (file, slot) in self.read(checks) {
            value.join(&self.undefined(file, slot));
        }
        value
    }

    /// The value of a slot that all active lanes agree on.
    fn uniform(&self, (file, slot): (File, Slot)) -> Option<u64> {
        let first = self.at.active.trailing_zeros() as usize & 31;
        let value = |lane: usize| match file {
            File::Word => self.at.warp.words.get(slot as usize).map(|word| u64::from(word[lane])),
            File::Long => self.at.warp.longs.get(slot as usize).map(|long| long[lane]),
            File::Predicate => None,
        };
        lanes_of(self.at.active).all(|lane| value(lane) == value(first)).then(|| value(first)).flatten()
    }

    fn follow_and(&self, checks: &Checks<'_>) -> Value {
        let mut value = self.sources(checks);
        if value.is_defined() {
            return value;
        }
        let operands: Vec<(File, Slot)> = self.read(checks).collect();
        for &operand in &operands {
            let defined = self.undefined(operand.0, operand.1).is_defined();
            if let Some(mask) = self.uniform(operand).filter(|_| defined) {
                for (byte, lanes) in value.bytes.iter_mut().enumerate() {
                    if mask >> (8 * byte) & 0xff == 0 {
                        *lanes = 0;
                    }
                }
            }
        }
        value
    }

    fn follow_shift(&self, checks: &Checks<'_>, left: bool) -> Value {
        let mut operands = self.read(checks);
        let (Some(shifted), Some(by)) = (operands.next(), operands.next()) else { return Value::default() };
        let value = self.undefined(shifted.0, shifted.1);
        let amount = self.undefined(by.0, by.1);
        if value.is_defined() || !amount.is_defined() {
            let mut both = value;
            both.join(&amount);
            return both.smeared();
        }
        let width = if shifted.0 == File::Long { 8 } else { 4 };
        match self.uniform(by) {
            Some(bits) if bits.is_multiple_of(8) && bits < 8 * width as u64 => {
                let bytes = bits as usize / 8;
                if left { value.part(0, width - bytes, bytes) } else { value.part(bytes, width - bytes, 0) }
            }
            _ => value.smeared(),
        }
    }

    fn follow_permute(&self, checks: &Checks<'_>) -> Value {
        let operands: Vec<(File, Slot)> = self.read(checks).collect();
        let all_of = || self.sources(checks).smeared();
        let [a, b, selector] = operands[..] else { return all_of() };
        let (low, high) = (self.undefined(a.0, a.1), self.undefined(b.0, b.1));
        let Some(selector) = self.uniform(selector).filter(|_| self.undefined(selector.0, selector.1).is_defined())
        else {
            return all_of();
        };
        let mut value = Value::default();
        for to in 0..4 {
            let from = (selector >> (4 * to) & 7) as usize;
            let source = if from < 4 { &low } else { &high };
            value.join(&source.part(from % 4, 1, to));
        }
        value
    }

    fn follow_compare(
        &mut self,
        value: Value,
        d: Slot,
        complement: Option<Slot>,
        combine: Option<(Logic, Slot, bool)>,
    ) {
        let compared = value.smeared();
        let value = match combine {
            None => compared,
            Some((logic, p, negated)) => {
                let (other, holds) = (self.undefined(File::Predicate, p), self.at.warp.predicates[p as usize]);
                // Of the comparison itself no value is known here: it is taken for one that decides nothing.
                let undecided = if logic == Logic::And { u32::MAX } else { 0 };
                logical(logic, (&compared, undecided), (&other, if negated { !holds } else { holds }))
            }
        };
        for slot in [Some(d), complement].into_iter().flatten() {
            self.set_undefined(File::Predicate, slot, &value, self.at.active);
        }
    }

    fn follow_select(&mut self, file: File, d: Slot, a: Slot, b: Slot, p: Slot) {
        let (x, y, unsure) = (self.undefined(file, a), self.undefined(file, b), self.undefined(File::Predicate, p));
        let holds = self.at.warp.predicates[p as usize];
        let mut bytes: Bytes = std::array::from_fn(|byte| x.bytes[byte] & holds | y.bytes[byte] & !holds);
        let open = undefined_lanes(&unsure.bytes);
        bytes.iter_mut().for_each(|lanes| *lanes |= open);
        let chosen = undefined_lanes(&x.bytes) & holds & self.at.active != 0;
        let origin = if open & self.at.active != 0 {
            unsure.origin
        } else if chosen {
            x.origin
        } else {
            y.origin
        };
        self.set_undefined(file, d, &Value { bytes, origin }, self.at.active);
    }

    fn pack(&mut self, file: File, d: Slot, parts: &[Slot], size: usize) {
        let mut value = Value::default();
        for (index, &slot) in parts.iter().enumerate() {
            value.join(&self.undefined(File::Word, slot).part(0, size, index * size));
        }
        self.set_undefined(file, d, &value, self.at.active);
    }

    fn unpack(&mut self, file: File, a: Slot, parts: &[Option<Slot>], size: usize) {
        let whole = self.undefined(file, a);
        for (index, slot) in parts.iter().enumerate() {
            if let Some(slot) = slot {
                self.set_undefined(File::Word, *slot, &whole.part(index * size, size, 0), self.at.active);
            }
        }
    }

    fn follow_shuffle(&mut self, mode: ShuffleMode, d: (Slot, Option<Slot>), a: Slot, b: Slot, c: Slot) {
        let (value, offsets, clamps) =
            (self.undefined(File::Word, a), self.undefined(File::Word, b), self.undefined(File::Word, c));
        let (by, bounds) = (self.at.warp.words[b as usize], self.at.warp.words[c as usize]);
        let mut result = Value { bytes: DEFINED, origin: value.origin };
        for lane in 0..32 {
            let source = mode.partner(lane, by[lane as usize], bounds[lane as usize]).unwrap_or(lane) & 31;
            for (to, from) in result.bytes.iter_mut().zip(value.bytes) {
                *to |= (from >> source & 1) << lane;
            }
        }
        result.join(&offsets.smeared());
        result.join(&clamps.smeared());
        self.set_undefined(File::Word, d.0, &result, self.at.active);
        if let Some(p) = d.1 {
            self.define(File::Predicate, p, self.at.active);
        }
    }

    /// A register of A holds 8 rows in the lanes' quads, and every second one the rows from 8 on; a register of B holds
    /// 8 columns; one of C and D 8 rows and, in each lane, two columns. PTX ISA 9.7.14, "Matrix fragments".
    fn follow_mma(&mut self, d: &[Data], a: &[Data], b: &[Data], c: &[Data]) {
        let mut origin = None;
        let (mut rows, mut columns) = ([0u32; 2], 0);
        for (index, &data) in a.iter().enumerate() {
            let value = self.undefined_data(data);
            if !value.is_defined() {
                origin = origin.or(value.origin);
                rows[index & 1] |= quads(undefined_lanes(&value.bytes));
            }
        }
        for &data in b {
            let value = self.undefined_data(data);
            if !value.is_defined() {
                origin = origin.or(value.origin);
                columns |= quads(undefined_lanes(&value.bytes));
            }
        }
        let values: Vec<Value> = c.iter().map(|&data| self.undefined_data(data)).collect();
        self.sanitizer.set_product(self.at.warp.index, d, &values, (rows, columns), origin, self.at.active);
    }

    /// The undefined bytes of a place, a bit for each.
    fn undefined_at(&self, place: &Place<'_>, offset: usize, size: u32, checks: &Checks<'_>) -> (u64, Origin) {
        match place {
            Place::Shared(at) => self.sanitizer.undefined.shared(at + offset, size as usize),
            Place::Local(at) => self.sanitizer.undefined.local(at + offset, size as usize, self.at.pc),
            Place::Global(allocation, at) => (
                checks.unwritten(|unwritten| unwritten.bytes(allocation.address + at + offset as u64, size)),
                Some(self.at.pc),
            ),
            Place::Param(_) => (0, None),
        }
    }

    fn follow_load(
        &mut self,
        space: MemorySpace,
        size: u32,
        d: &[Data],
        address: &AddressOperand,
        checks: &Checks<'_>,
    ) {
        let active = self.at.active;
        let addresses = self.at.addresses(address);
        let access = Access { space, name: "read", size: size * d.len() as u32 };
        let mut values = vec![Value { bytes: DEFINED, origin: None }; d.len()];
        if space != MemorySpace::Param {
            for lane in lanes_of(active) {
                for (index, value) in values.iter_mut().enumerate() {
                    let environment = self.at.environment;
                    if self.at.memory.is_peer(space, addresses[lane]) {
                        continue;
                    }
                    let thread = self.at.warp.thread(lane);
                    let Some(place) = self.at.memory.find_place(environment, access, addresses[lane], thread) else {
                        return;
                    };
                    let (bits, origin) = self.undefined_at(&place, index * size as usize, size, checks);
                    if bits != 0 {
                        if value.is_defined() {
                            value.origin = origin;
                        }
                        for (byte, lanes) in value.bytes.iter_mut().enumerate() {
                            *lanes |= ((bits >> byte & 1) as u32) << lane;
                        }
                    }
                }
            }
        }
        for (&data, value) in d.iter().zip(&values) {
            if let Some((file, slot)) = register(data) {
                self.set_undefined(file, slot, value, active);
            }
        }
    }

    fn follow_store(
        &mut self,
        space: MemorySpace,
        size: u32,
        a: &[Data],
        address: &AddressOperand,
        checks: &Checks<'_>,
    ) {
        let addresses = self.at.addresses(address);
        let access = Access { space, name: "write", size: size * a.len() as u32 };
        let values: Vec<Value> = a.iter().map(|&data| self.undefined_data(data)).collect();
        let environment = self.at.environment;
        for lane in lanes_of(self.at.active) {
            if self.at.memory.is_peer(space, addresses[lane]) {
                continue;
            }
            let thread = self.at.warp.thread(lane);
            let Some(place) = self.at.memory.find_place(environment, access, addresses[lane], thread) else { return };
            for (index, value) in values.iter().enumerate() {
                let (bits, offset) = (bits_of(value, lane, size), index * size as usize);
                match &place {
                    Place::Global(allocation, at) => {
                        let address = allocation.address + at + offset as u64;
                        if bits != 0 {
                            let place = || environment.memory.describe(address);
                            self.reached(Reach::Global, value.origin, 1 << lane, place);
                        }
                        checks.unwritten(|unwritten| unwritten.written(address, size.into()));
                    }
                    Place::Shared(at) => self.set_shared(at + offset, size as usize, bits, value.origin),
                    Place::Local(at) => {
                        self.sanitizer.undefined.set_local(at + offset, size as usize, bits, value.origin);
                    }
                    Place::Param(_) => {}
                }
            }
        }
    }

    fn set_shared(&mut self, at: usize, size: usize, bits: u64, origin: Origin) {
        self.sanitizer.undefined.set_shared(at, size, bits, origin);
    }

    fn follow_atomic(
        &mut self,
        space: MemorySpace,
        size: u32,
        operands: &[Data],
        address: &AddressOperand,
        checks: &Checks<'_>,
    ) {
        let addresses = self.at.addresses(address);
        let access = Access { space, name: "atomic access", size };
        let mut value = Value::default();
        for &data in operands {
            value.join(&self.undefined_data(data));
        }
        let environment = self.at.environment;
        for lane in lanes_of(self.at.active) {
            if self.at.memory.is_peer(space, addresses[lane]) {
                continue;
            }
            let thread = self.at.warp.thread(lane);
            let Some(place) = self.at.memory.find_place(environment, access, addresses[lane], thread) else { return };
            let Place::Global(allocation, at) = &place else { continue };
            let address = allocation.address + at;
            let label = || environment.memory.describe(address);
            if undefined_lanes(&value.bytes) >> lane & 1 != 0 {
                self.reached(Reach::Global, value.origin, 1 << lane, label);
            } else if self.undefined_at(&place, 0, size, checks).0 != 0 {
                self.reached(Reach::Atomic, None, 1 << lane, label);
            }
            checks.unwritten(|unwritten| unwritten.written(address, size.into()));
        }
    }

    /// `taken` bytes are read by each lane, the others of `size` become zero.
    fn follow_copy(
        &mut self,
        size: u32,
        taken: &[u32; 32],
        (shared, global): (&AddressOperand, &AddressOperand),
        checks: &Checks<'_>,
    ) {
        let (to, from) = (self.at.addresses(shared), self.at.addresses(global));
        for lane in lanes_of(self.at.active) {
            let bits = checks.unwritten(|unwritten| unwritten.bytes(from[lane], taken[lane]));
            let pc = self.at.pc;
            self.set_shared(to[lane] as usize, size as usize, bits, Some(pc));
        }
    }

    fn follow_load_matrix(&mut self, d: &[Data], address: &AddressOperand, transpose: bool) {
        let addresses = self.at.addresses(address);
        for (matrix, &data) in d.iter().enumerate() {
            let Some((file, slot)) = register(data) else { continue };
            let mut value = Value::default();
            for row in 0..8usize {
                let at = addresses[(8 * matrix + row) & 31] as usize;
                let (bits, origin) = self.sanitizer.undefined.shared(at, 16);
                if bits == 0 {
                    continue;
                }
                if value.is_defined() {
                    value.origin = origin;
                }
                for byte in (0..16usize).filter(|byte| bits >> byte & 1 != 0) {
                    let element = byte / 2;
                    let (lane, half) =
                        if transpose { (4 * element + row / 2, row % 2) } else { (4 * row + element / 2, element % 2) };
                    value.bytes[2 * half + byte % 2] |= 1 << lane;
                }
            }
            self.set_undefined(file, slot, &value, self.at.active);
        }
    }

    fn follow_store_matrix(&mut self, a: &[Data], address: &AddressOperand, transpose: bool) {
        let addresses = self.at.addresses(address);
        for (matrix, &data) in a.iter().enumerate() {
            let value = self.undefined_data(data);
            for row in 0..8usize {
                let mut bits = 0;
                for column in 0..8usize {
                    let (i, j) = if transpose { (column, row) } else { (row, column) };
                    let pair = bits_of(&value, 4 * i + j / 2, 4) >> (2 * (j % 2)) & 3;
                    bits |= pair << (2 * column);
                }
                self.set_shared(addresses[(8 * matrix + row) & 31] as usize, 16, bits, value.origin);
            }
        }
    }
}

impl Sanitizer<'_> {
    fn undefined_data(&self, warp: u32, data: Data) -> Value {
        register(data).map_or(Value::default(), |(file, slot)| self.undefined.get(warp, file, slot))
    }

    /// D of a matrix product: what C held, and the rows of A and the columns of B that held an undefined value.
    pub(super) fn set_product(
        &mut self,
        warp: u32,
        d: &[Data],
        values: &[Value],
        (rows, columns): ([u32; 2], u32),
        origin: Origin,
        lanes: u32,
    ) {
        // Two registers hold two columns each as halves; four hold one each.
        let in_halves = d.len() == 2;
        for (index, &data) in d.iter().enumerate() {
            let Some((file, slot)) = register(data) else { continue };
            let mut value = values.get(index).copied().unwrap_or_default();
            value = if in_halves { value.in_halves() } else { value.smeared() };
            let upper = if in_halves { index & 1 } else { index >> 1 & 1 };
            let mut product = Value { bytes: DEFINED, origin };
            for lane in 0..32usize {
                let row = rows[upper] >> (lane / 4) & 1;
                for byte in 0..4 {
                    let second = if in_halves { byte / 2 } else { index & 1 };
                    let column = columns >> (lane % 4 * 2 + second) & 1;
                    product.bytes[byte] |= (row | column) << lane;
                }
            }
            value.join(&product);
            self.undefined.set(warp, file, slot, &value, lanes);
        }
    }

    /// What the accumulators of a matrix product hold.
    pub(super) fn undefined_values(&self, warp: u32, registers: &[Data]) -> Vec<Value> {
        registers.iter().map(|&data| self.undefined_data(warp, data)).collect()
    }

    /// The rows of A, in registers, that hold an undefined value: of the lower and of the upper eight.
    pub(super) fn undefined_rows(&self, warp: u32, a: &[Data]) -> [u32; 2] {
        let mut rows = [0; 2];
        for (index, &data) in a.iter().enumerate() {
            rows[index & 1] |= quads(undefined_lanes(&self.undefined_data(warp, data).bytes));
        }
        rows
    }

    /// A register goes to a cell of tensor memory in each lane.
    pub(super) fn undefined_to_tensor(&mut self, warp: u32, slot: Slot, cells: &[u32; 32]) {
        let value = self.undefined.get(warp, File::Word, slot);
        for lane in lanes_of(undefined_lanes(&value.bytes)) {
            self.tensor_stores_undefined(Cells::from_address(cells[lane]), cells[lane] >> 16, value.origin);
        }
    }

    /// A register comes from a cell of tensor memory in each lane; `pc` is the load.
    pub(super) fn undefined_from_tensor(&mut self, warp: u32, slot: Slot, cells: &[u32; 32], pc: u32) {
        let (mut lanes, mut origin) = (0, Some(pc));
        for (lane, &cell) in cells.iter().enumerate() {
            let (undefined, from) = self.tensor_undefined(Cells::from_address(cell));
            let bit = u32::from(undefined >> (cell >> 16 & (TOGETHER - 1)) & 1);
            lanes |= bit << lane;
            origin = if bit != 0 { from.or(origin) } else { origin };
        }
        self.undefined.set(warp, File::Word, slot, &Value { bytes: whole_register(lanes), origin }, u32::MAX);
    }
}

/// Groups of four lanes that any of these lanes belongs to.
fn quads(lanes: u32) -> u32 {
    (0..8).fold(0, |rows, quad| rows | u32::from(lanes >> (4 * quad) & 15 != 0) << quad)
}

/// True if an instruction under an undefined guard is a fault by itself: it goes elsewhere, or touches memory.
fn guarded_by_name(op: &Op) -> bool {
    matches!(
        op,
        Op::Branch { .. }
            | Op::Exit
            | Op::Trap
            | Op::Barrier { .. }
            | Op::Load { .. }
            | Op::Store { .. }
            | Op::Atomic { .. }
            | Op::CopyAsync { .. }
            | Op::BulkLoad { .. }
            | Op::BulkStore { .. }
            | Op::MbarrierInit { .. }
            | Op::MbarrierArrive { .. }
            | Op::MbarrierWait { .. }
    )
}

/// Two predicates: one that decides alone makes the other's value no matter.
fn logical(logic: Logic, (a, p): (&Value, u32), (b, q): (&Value, u32)) -> Value {
    let (x, y) = (undefined_lanes(&a.bytes), undefined_lanes(&b.bytes));
    let decided = match logic {
        Logic::And => !x & !p | !y & !q,
        Logic::Or => !x & p | !y & q,
        Logic::Xor => 0,
    };
    let mut value = *a;
    value.join(b);
    let lanes = undefined_lanes(&value.bytes) & !decided;
    Value { bytes: whole_register(lanes), origin: value.origin }
}
