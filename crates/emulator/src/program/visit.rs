//! Which slots an operation reads and writes: one list, for liveness and for renaming.

use super::{Base, Data, File, Gather, Instruction, Op, Slot, Use};

use File::{Long, Predicate, Word};
use Use::{Read, Write};

impl Instruction {
    /// Calls `visit` with every slot, reads before writes.
    pub fn visit(&mut self, visit: &mut impl FnMut(File, Use, &mut Slot)) {
        if let Some((slot, _)) = &mut self.guard {
            visit(Predicate, Read, slot);
        }
        if let Gather::Members(slot) = &mut self.gather {
            visit(Word, Read, slot);
        }
        self.op.visit(visit);
    }
}

fn data(data: &mut Data, how: Use, visit: &mut impl FnMut(File, Use, &mut Slot)) {
    match data {
        Data::Sink => {}
        Data::Word(slot) => visit(Word, how, slot),
        Data::Long(slot) => visit(Long, how, slot),
    }
}

fn bulk(side: &mut crate::program::BulkSource, visit: &mut impl FnMut(File, Use, &mut Slot)) {
    use crate::program::BulkSource::{Plain, Shared, Tensor};
    match side {
        Plain { address, bytes } | Shared { address, bytes } => {
            base(&mut address.base, visit);
            visit(Word, Read, bytes);
        }
        Tensor { map, coordinates, .. } => {
            base(&mut map.base, visit);
            for slot in coordinates.iter_mut() {
                visit(Word, Read, slot);
            }
        }
    }
}

fn visit_elements(elements: &mut [Data], how: Use, visit: &mut impl FnMut(File, Use, &mut Slot)) {
    for element in elements {
        data(element, how, visit);
    }
}

fn base(base: &mut Base, visit: &mut impl FnMut(File, Use, &mut Slot)) {
    match base {
        Base::None => {}
        Base::Word(slot) => visit(Word, Read, slot),
        Base::Long(slot) => visit(Long, Read, slot),
    }
}

impl Op {
    fn visit(&mut self, visit: &mut impl FnMut(File, Use, &mut Slot)) {
        macro_rules! slots {
            ($($file:ident $how:ident $slot:expr),* $(,)?) => {{ $(visit($file, $how, $slot);)* }};
        }
        match self {
            Op::Unary32(_, d, a) => slots!(Word Read a, Word Write d),
            Op::Binary32(_, d, [a, b]) => slots!(Word Read a, Word Read b, Word Write d),
            Op::Ternary32(_, d, [a, b, c]) => slots!(Word Read a, Word Read b, Word Read c, Word Write d),
            Op::Unary64(_, d, a) => slots!(Long Read a, Long Write d),
            Op::Binary64(_, d, [a, b]) => slots!(Long Read a, Long Read b, Long Write d),
            Op::Ternary64(_, d, [a, b, c]) => slots!(Long Read a, Long Read b, Long Read c, Long Write d),
            Op::WidenTo64(_, d, a) => slots!(Word Read a, Long Write d),
            Op::NarrowTo32(_, d, a) => slots!(Long Read a, Word Write d),
            Op::WideMultiply(_, d, [a, b]) => slots!(Word Read a, Word Read b, Long Write d),
            Op::WideMultiplyAdd(_, d, [a, b, c]) => slots!(Word Read a, Word Read b, Long Read c, Long Write d),
            Op::Shift64(_, d, [a, b]) => slots!(Long Read a, Word Read b, Long Write d),
            Op::Convert { d, a, .. } => {
                data(a, Read, visit);
                data(d, Write, visit);
            }
            Op::ConvertPair { d, a, b, .. } => slots!(Word Read a, Word Read b, Word Write d),
            Op::UnpackPair { d, a, .. } => slots!(Word Read a, Word Write d),
            Op::Fma { d, a, b, c, .. } => {
                data(a, Read, visit);
                data(b, Read, visit);
                data(c, Read, visit);
                data(d, Write, visit);
            }
            Op::ExtractField64 { d, a, position, length, .. } => {
                slots!(Long Read a, Word Read position, Word Read length, Long Write d);
            }
            Op::InsertField64 { d, field, base, position, length } => {
                slots!(Long Read field, Long Read base, Word Read position, Word Read length, Long Write d);
            }
            Op::InsertField32 { d, field, base, position, length } => {
                slots!(Word Read field, Word Read base, Word Read position, Word Read length, Word Write d);
            }
            Op::Logic3 { d, a, b, c, .. } => slots!(Word Read a, Word Read b, Word Read c, Word Write d),
            Op::Compare32 { d, complement, a, b, combine, .. } => {
                slots!(Word Read a, Word Read b);
                if let Some((_, p, _)) = combine {
                    visit(Predicate, Read, p);
                }
                visit(Predicate, Write, d);
                if let Some(complement) = complement {
                    visit(Predicate, Write, complement);
                }
            }
            Op::Compare64 { d, complement, a, b, combine, .. } => {
                slots!(Long Read a, Long Read b);
                if let Some((_, p, _)) = combine {
                    visit(Predicate, Read, p);
                }
                visit(Predicate, Write, d);
                if let Some(complement) = complement {
                    visit(Predicate, Write, complement);
                }
            }
            Op::SetByComparison { d, a, b, .. } => slots!(Word Read a, Word Read b, Word Write d),
            Op::Test { d, a, .. } => slots!(Word Read a, Predicate Write d),
            Op::Select32 { d, a, b, p } => slots!(Word Read a, Word Read b, Predicate Read p, Word Write d),
            Op::Select64 { d, a, b, p } => slots!(Long Read a, Long Read b, Predicate Read p, Long Write d),
            Op::PredicateLogic { d, a, b, .. } => slots!(Predicate Read a, Predicate Read b, Predicate Write d),
            Op::PredicateNot { d, a } | Op::PredicateMove { d, a } => slots!(Predicate Read a, Predicate Write d),
            Op::PackWords { d, low, high } => slots!(Word Read low, Word Read high, Long Write d),
            Op::UnpackLong { low, high, a } => {
                visit(Long, Read, a);
                for slot in [low, high].into_iter().flatten() {
                    visit(Word, Write, slot);
                }
            }
            Op::PackHalves { d, low, high } => slots!(Word Read low, Word Read high, Word Write d),
            Op::UnpackHalves { low, high, a } => {
                visit(Word, Read, a);
                for slot in [low, high].into_iter().flatten() {
                    visit(Word, Write, slot);
                }
            }
            Op::PackBytes { d, bytes: parts } => {
                for slot in parts {
                    visit(Word, Read, slot);
                }
                visit(Word, Write, d);
            }
            Op::PackQuarters { d, parts } => {
                for slot in parts {
                    visit(Word, Read, slot);
                }
                visit(Long, Write, d);
            }
            Op::UnpackBytes { d, a } => {
                visit(Word, Read, a);
                for slot in d.iter_mut().flatten() {
                    visit(Word, Write, slot);
                }
            }
            Op::UnpackQuarters { d, a } => {
                visit(Long, Read, a);
                for slot in d.iter_mut().flatten() {
                    visit(Word, Write, slot);
                }
            }
            Op::Load { d, address, .. } => {
                base(&mut address.base, visit);
                visit_elements(d, Write, visit);
            }
            Op::Store { a, address, .. } => {
                base(&mut address.base, visit);
                visit_elements(a, Read, visit);
            }
            Op::Atomic { d, address, a, b, .. } => {
                base(&mut address.base, visit);
                visit_elements(a, Read, visit);
                if let Some(b) = b {
                    data(b, Read, visit);
                }
                visit_elements(d, Write, visit);
            }
            Op::CopyAsync { shared, global, source_size, ignore, .. } => {
                base(&mut shared.base, visit);
                base(&mut global.base, visit);
                if let Some(slot) = source_size {
                    visit(Word, Read, slot);
                }
                if let Some(slot) = ignore {
                    visit(Predicate, Read, slot);
                }
            }
            Op::CopyArrive { address, .. } => base(&mut address.base, visit),
            Op::LoadMatrix { d, address, .. } => {
                base(&mut address.base, visit);
                visit_elements(d, Write, visit);
            }
            Op::StoreMatrix { a, address, .. } => {
                base(&mut address.base, visit);
                visit_elements(a, Read, visit);
            }
            Op::Mma { d, a, b, c, .. } => {
                visit_elements(a, Read, visit);
                visit_elements(b, Read, visit);
                visit_elements(c, Read, visit);
                visit_elements(d, Write, visit);
            }
            Op::SmallMma(mma) => {
                visit_elements(&mut mma.a, Read, visit);
                visit_elements(&mut mma.b, Read, visit);
                visit_elements(&mut mma.c, Read, visit);
                for (slot, _, _) in &mut mma.scales {
                    visit(Word, Read, slot);
                }
                visit_elements(&mut mma.d, Write, visit);
            }
            Op::MmaF64 { d, a, b, c } => {
                slots!(Long Read a, Long Read b);
                for slot in c {
                    visit(Long, Read, slot);
                }
                for slot in d {
                    visit(Long, Write, slot);
                }
            }
            Op::Shuffle { d, in_range, a, b, c, .. } => {
                slots!(Word Read a, Word Read b, Word Read c, Word Write d);
                if let Some(p) = in_range {
                    visit(Predicate, Write, p);
                }
            }
            Op::VoteAll { d, p } | Op::VoteAny { d, p } | Op::VoteUniform { d, p } => {
                slots!(Predicate Read p, Predicate Write d);
            }
            Op::Ballot { d, p } => slots!(Predicate Read p, Word Write d),
            Op::ActiveMask { d } => visit(Word, Write, d),
            Op::MatchAny { d, a } => {
                data(a, Read, visit);
                visit(Word, Write, d);
            }
            Op::MatchAll { d, p, a } => {
                data(a, Read, visit);
                visit(Word, Write, d);
                if let Some(p) = p {
                    visit(Predicate, Write, p);
                }
            }
            Op::Reduce { d, a, .. } => slots!(Word Read a, Word Write d),
            Op::Elect { d, p } => {
                if let Some(d) = d {
                    visit(Word, Write, d);
                }
                visit(Predicate, Write, p);
            }
            Op::ToGeneric { d, a, .. } | Op::FromGeneric { d, a, .. } => slots!(Long Read a, Long Write d),
            Op::IsSpace { d, a, .. } => slots!(Long Read a, Predicate Write d),
            Op::MapAddress { d, a, rank } => {
                data(a, Read, visit);
                visit(Word, Read, rank);
                data(d, Write, visit);
            }
            Op::RankOf { d, a } => {
                data(a, Read, visit);
                visit(Word, Write, d);
            }
            Op::Clock { d } => data(d, Write, visit),
            Op::Barrier { id, threads, reduction, .. } => {
                visit(Word, Read, id);
                if let Some(threads) = threads {
                    visit(Word, Read, threads);
                }
                if let Some((kind, d, p)) = reduction {
                    visit(Predicate, Read, p);
                    let file = if *kind == crate::program::BarrierReduction::Count { Word } else { Predicate };
                    visit(file, Write, d);
                }
            }
            Op::Wgmma(wgmma) => {
                match &mut wgmma.a {
                    crate::program::WgmmaSource::Registers(a) => visit_elements(a, Read, visit),
                    crate::program::WgmmaSource::Shared(slot, _) => visit(Long, Read, slot),
                }
                visit(Long, Read, &mut wgmma.b.0);
                if let Some(add) = &mut wgmma.add {
                    visit(Predicate, Read, add);
                }
                visit_elements(&mut wgmma.c, Read, visit);
                visit_elements(&mut wgmma.d, Write, visit);
            }
            Op::WgmmaWait { registers, .. } => visit_elements(registers, Read, visit),
            Op::TensorAllocate { address, columns } => {
                base(&mut address.base, visit);
                visit(Word, Read, columns);
            }
            Op::TensorRelease { address, columns } => slots!(Word Read address, Word Read columns),
            Op::TensorLoad(access) => {
                base(&mut access.address.base, visit);
                visit_elements(&mut access.registers, Write, visit);
            }
            Op::TensorStore(access) => {
                base(&mut access.address.base, visit);
                visit_elements(&mut access.registers, Read, visit);
            }
            Op::TensorMma(mma) => {
                base(&mut mma.d.base, visit);
                match &mut mma.a {
                    crate::program::TensorSource::Shared(slot) => visit(Long, Read, slot),
                    crate::program::TensorSource::Tensor(address) => base(&mut address.base, visit),
                }
                slots!(Long Read &mut mma.b, Word Read &mut mma.description);
                for scale in mma.scales.iter_mut().flatten() {
                    base(&mut scale.base, visit);
                }
                if let Some(add) = &mut mma.add {
                    visit(Predicate, Read, add);
                }
            }
            Op::TensorCopy(copy) => {
                base(&mut copy.address.base, visit);
                visit(Long, Read, &mut copy.descriptor);
            }
            Op::TensorCommit(commit) => {
                base(&mut commit.address.base, visit);
                if let Some(mask) = &mut commit.multicast {
                    visit(Word, Read, mask);
                }
            }
            Op::MbarrierInit { address, count } => {
                base(&mut address.base, visit);
                visit(Word, Read, count);
            }
            Op::MbarrierInvalidate { address } => base(&mut address.base, visit),
            Op::MbarrierArrive { arrival, d } => {
                base(&mut arrival.address.base, visit);
                for slot in [&mut arrival.arrivals, &mut arrival.bytes].into_iter().flatten() {
                    visit(Word, Read, slot);
                }
                if let Some(d) = d {
                    visit(Long, Write, d);
                }
            }
            Op::MbarrierWait { d, address, phase } => {
                base(&mut address.base, visit);
                data(phase, Read, visit);
                visit(Predicate, Write, d);
            }
            Op::BulkLoad { shared, source, mbarrier, multicast, .. } => {
                base(&mut shared.base, visit);
                base(&mut mbarrier.base, visit);
                bulk(source, visit);
                if let Some(mask) = multicast {
                    visit(Word, Read, mask);
                }
            }
            Op::BulkStore { shared, target, .. } => {
                base(&mut shared.base, visit);
                bulk(target, visit);
            }
            Op::TensorMapReplace { address, value, .. } => {
                base(&mut address.base, visit);
                data(value, Read, visit);
            }
            Op::MapFence { acquire } => {
                if let Some(address) = acquire {
                    base(&mut address.base, visit);
                }
            }
            Op::TensorMapCopy { global, shared } => {
                base(&mut global.base, visit);
                base(&mut shared.base, visit);
            }
            Op::FirstFrame { d } | Op::ReturnSite { d } => visit(Word, Write, d),
            Op::StackRoom { stack, .. } => visit(Word, Read, stack),
            Op::EnterFrame { base, stack, next, .. } => {
                visit(Word, Read, stack);
                visit(Word, Write, base);
                visit(Word, Write, next);
            }
            Op::Call { saved, .. } => saved.iter_mut().for_each(|(file, slot)| visit(*file, Read, slot)),
            Op::Returned { saved } => saved.iter_mut().for_each(|(file, slot)| visit(*file, Write, slot)),
            Op::CopyCommit
            | Op::ProxyFence
            | Op::WgmmaFence
            | Op::ClusterArrive
            | Op::ClusterWait
            | Op::WarpSync
            | Op::WgmmaCommit
            | Op::TensorPermit
            | Op::TensorWaitLoads
            | Op::TensorWaitStores
            | Op::TensorFence { .. }
            | Op::BulkCommit
            | Op::BulkWait { .. }
            | Op::CopyWait { .. }
            | Op::Malloc { .. }
            | Op::Free { .. }
            | Op::Branch { .. }
            | Op::Nothing
            | Op::Exit
            | Op::Trap
            | Op::Print { .. }
            | Op::Assert { .. } => {}
        }
    }
}
