//! From an operation to what carries it out.

use super::copy_async::commit_copies;
use super::predicate::execute::combine_masks;
use super::step::{LaneFailure, Step};

use crate::fault::Fault;
use crate::instrument::{Instrument, Object};
use crate::program::Op;

impl<I: Instrument> Step<'_, '_, I> {
    pub(crate) fn execute(&mut self, op: &Op) -> Result<(), LaneFailure> {
        match op {
            Op::Unary32(f, d, a) => {
                let mut value = [0; 32];
                f(&mut value, self.word(*a));
                self.set_word(*d, &value);
            }
            Op::Binary32(f, d, [a, b]) => {
                let mut value = [0; 32];
                f(&mut value, self.word(*a), self.word(*b));
                self.set_word(*d, &value);
            }
            Op::Ternary32(f, d, [a, b, c]) => {
                let mut value = [0; 32];
                f(&mut value, self.word(*a), self.word(*b), self.word(*c));
                self.set_word(*d, &value);
            }
            Op::Unary64(f, d, a) => {
                let mut value = [0; 32];
                f(&mut value, self.long(*a));
                self.set_long(*d, &value);
            }
            Op::Binary64(f, d, [a, b]) => {
                let mut value = [0; 32];
                f(&mut value, self.long(*a), self.long(*b));
                self.set_long(*d, &value);
            }
            Op::Ternary64(f, d, [a, b, c]) => {
                let mut value = [0; 32];
                f(&mut value, self.long(*a), self.long(*b), self.long(*c));
                self.set_long(*d, &value);
            }
            Op::WidenTo64(f, d, a) => {
                let mut value = [0; 32];
                f(&mut value, self.word(*a));
                self.set_long(*d, &value);
            }
            Op::NarrowTo32(f, d, a) => {
                let mut value = [0; 32];
                f(&mut value, self.long(*a));
                self.set_word(*d, &value);
            }
            Op::WideMultiply(f, d, [a, b]) => {
                let mut value = [0; 32];
                f(&mut value, self.word(*a), self.word(*b));
                self.set_long(*d, &value);
            }
            Op::WideMultiplyAdd(f, d, [a, b, c]) => {
                let mut value = [0; 32];
                f(&mut value, self.word(*a), self.word(*b), self.long(*c));
                self.set_long(*d, &value);
            }
            Op::Shift64(f, d, [a, b]) => {
                let mut value = [0; 32];
                f(&mut value, self.long(*a), self.word(*b));
                self.set_long(*d, &value);
            }
            Op::Convert { conversion, d, a } => self.convert(conversion, *d, *a),
            Op::ConvertPair { conversion, width, d, a, b } => self.convert_pair(conversion, *width, *d, [*a, *b]),
            Op::UnpackPair { conversion, d, a } => self.unpack_pair(conversion, *d, *a),
            Op::Fma { format, rounding, packed, flags, d, a, b, c } => {
                self.fma((*format, *rounding, *flags), *packed, *d, [*a, *b, *c]);
            }
            Op::ExtractField64 { signed, d, a, position, length } => {
                self.extract_field64(*signed, *d, *a, [*position, *length]);
            }
            Op::InsertField64 { d, field, base, position, length } => {
                self.insert_field64(*d, *field, *base, [*position, *length]);
            }
            Op::InsertField32 { d, field, base, position, length } => {
                self.insert_field32(*d, *field, *base, [*position, *length]);
            }
            Op::Logic3 { d, a, b, c, table } => self.logic3(*d, [*a, *b, *c], *table),
            Op::Compare32 { f, d, complement, a, b, combine } => {
                let mask = f(self.word(*a), self.word(*b));
                self.compare(mask, *d, *complement, *combine);
            }
            Op::Compare64 { f, d, complement, a, b, combine } => {
                let mask = f(self.long(*a), self.long(*b));
                self.compare(mask, *d, *complement, *combine);
            }
            Op::SetByComparison { f, d, a, b, ones } => self.set_by_comparison(*f, *d, [*a, *b], *ones),
            Op::Test { f, d, a } => {
                let mask = f(self.word(*a));
                self.set_predicate(*d, mask);
            }
            Op::Select32 { d, a, b, p } => self.select32(*d, [*a, *b], *p),
            Op::Select64 { d, a, b, p } => self.select64(*d, [*a, *b], *p),
            Op::PredicateLogic { logic, d, a, b } => {
                let (a, b) = (self.warp.predicates[*a as usize], self.warp.predicates[*b as usize]);
                self.set_predicate(*d, combine_masks(*logic, a, b));
            }
            Op::PredicateNot { d, a } => self.set_predicate(*d, !self.warp.predicates[*a as usize]),
            Op::PredicateMove { d, a } => self.set_predicate(*d, self.warp.predicates[*a as usize]),
            Op::PackWords { d, low, high } => self.pack_words(*d, [*low, *high]),
            Op::UnpackLong { low, high, a } => self.unpack_long([*low, *high], *a),
            Op::PackHalves { d, low, high } => self.pack_halves(*d, [*low, *high]),
            Op::UnpackHalves { low, high, a } => self.unpack_halves([*low, *high], *a),
            Op::PackBytes { d, bytes } => self.pack_bytes(*d, *bytes),
            Op::UnpackBytes { d, a } => self.unpack_bytes(d, *a),
            Op::PackQuarters { d, parts } => self.pack_quarters(*d, *parts),
            Op::UnpackQuarters { d, a } => self.unpack_quarters(d, *a),
            Op::Load { space, size, signed, d, address } => return self.load(*space, *size, *signed, d, address),
            Op::Store { space, size, a, address } => return self.store(*space, *size, a, address),
            Op::Atomic { space, op, ty, d, address, a, b } => {
                return self.atomic((*space, *op, *ty), d, address, a, *b);
            }
            Op::CopyAsync { size, shared, global, source_size, ignore } => {
                self.issue_copies(*size, [shared, global], *source_size, *ignore);
            }
            Op::ProxyFence => {
                self.block.instrument.released(self.warp.index, Object::AsyncProxy);
            }
            Op::MapFence { acquire } => self.fence_maps(acquire.as_ref()),
            Op::WgmmaFence => {
                self.block.instrument.released(self.warp.index, Object::WgmmaRegisters);
            }
            Op::WarpSync => {
                self.block.instrument.released(self.warp.index, Object::Warp);
            }
            Op::CopyCommit => commit_copies(self.warp, self.active),
            Op::CopyArrive { address, counts } => return self.issue_copy_arrival(address, *counts),
            Op::CopyWait { pending } => return self.wait_for_copies(*pending),
            Op::LoadMatrix { count, transpose, d, address } => return self.load_matrix(*count, *transpose, d, address),
            Op::StoreMatrix { transpose, a, address } => return self.store_matrix(*transpose, a, address),
            Op::Mma { mma, d, a, b, c } => self.mma(mma, d, [a, b, c]),
            Op::Wgmma(wgmma) => self.issue_wgmma(wgmma),
            Op::TensorAllocate { address, columns } => return self.allocate_tensor(address, *columns),
            Op::TensorRelease { address, columns } => return self.release_tensor(*address, *columns),
            Op::TensorPermit => self.relinquish_tensor(),
            Op::TensorLoad(access) => return self.issue_tensor_load(access),
            Op::TensorStore(access) => return self.issue_tensor_store(access),
            Op::TensorWaitLoads => self.wait_for_tensor_loads(),
            Op::TensorWaitStores => return self.wait_for_tensor_stores(),
            Op::TensorFence { before } => {
                if *before {
                    self.block.instrument.released(self.warp.index, Object::TensorMemory);
                } else {
                    self.block.instrument.acquired(self.warp.index, Object::TensorMemory);
                }
            }
            Op::TensorMma(mma) => self.issue_tensor_mma(mma),
            Op::TensorCopy(copy) => self.issue_tensor_copy(copy),
            Op::TensorCommit(commit) => self.issue_tensor_commit(commit),
            // `Warp::run` does it.
            Op::MbarrierWait { .. } => {}
            Op::WgmmaCommit => self.commit_wgmmas(),
            Op::WgmmaWait { pending, .. } => return self.wait_for_wgmmas(*pending),
            Op::MbarrierInit { address, count } => return self.mbarrier_init(address, *count),
            Op::MbarrierInvalidate { address } => return self.mbarrier_invalidate(address),
            Op::MbarrierArrive { arrival, d } => return self.mbarrier_arrive(arrival, *d),
            Op::BulkLoad { shared, source, mbarrier, multicast, reduce, pair } => {
                return self.issue_load((shared, source, mbarrier), *multicast, *reduce, *pair);
            }
            Op::BulkStore { shared, target, reduce } => return self.issue_store(shared, target, *reduce),
            Op::BulkCommit => self.commit_stores(),
            Op::BulkWait { pending } => return self.wait_for_stores(Some(*pending)),
            Op::TensorMapReplace { field, index, address, space, value } => {
                return self.replace_in_map(*field, *index, (*space, address), *value);
            }
            Op::TensorMapCopy { global, shared } => return self.copy_map(global, shared),
            Op::SmallMma(mma) => self.small_mma(mma),
            Op::MmaF64 { d, a, b, c } => self.mma_f64(*d, *a, *b, *c),
            Op::Shuffle { mode, d, in_range, a, b, c } => self.shuffle(*mode, *d, *in_range, *a, *b, *c),
            Op::VoteAll { d, p } => self.vote_all(*d, *p),
            Op::VoteAny { d, p } => self.vote_any(*d, *p),
            Op::VoteUniform { d, p } => self.vote_uniform(*d, *p),
            Op::Ballot { d, p } => self.ballot(*d, *p),
            Op::ActiveMask { d } => self.set_word(*d, &[self.active; 32]),
            Op::MatchAny { d, a } => self.match_any(*d, *a),
            Op::MatchAll { d, p, a } => self.match_all(*d, *p, *a),
            Op::Reduce { op, d, a } => self.reduce(*op, *d, *a),
            Op::Elect { d, p } => self.elect(*d, *p),
            Op::ToGeneric { space, d, a } => self.enter_window(*space, *d, *a),
            Op::FromGeneric { space, d, a } => self.leave_window(*space, *d, *a),
            Op::IsSpace { space, d, a } => self.is_space(*space, *d, *a),
            Op::MapAddress { d, a, rank } => self.map_address(*d, *a, *rank),
            Op::RankOf { d, a } => self.rank_of(*d, *a),
            Op::Clock { d } => self.clock(*d),
            Op::Trap => return Err((Fault::Trap.into(), self.active.trailing_zeros())),
            Op::Print { d, format, arguments } => return self.print(*d, *format, *arguments),
            Op::Malloc { size, d } => self.allocate_in_heap(*size, *d),
            Op::Free { address } => return self.free_in_heap(*address),
            Op::Assert { parameters } => return self.assert(*parameters),
            Op::FirstFrame { d } => self.first_frame(*d),
            Op::StackRoom { stack, bytes } => return self.check_stack(*stack, *bytes),
            Op::EnterFrame { base, stack, next, bytes } => return self.enter_frame(*base, [*stack, *next], *bytes),
            Op::Call { site, saved } => self.keep_for_call(*site, saved),
            Op::Returned { saved } => self.restore_after_call(saved),
            Op::ReturnSite { d } => self.return_site(*d),
            Op::Nothing | Op::Branch { .. } | Op::Exit | Op::Barrier { .. } | Op::ClusterArrive | Op::ClusterWait => {}
        }
        Ok(())
    }
}
