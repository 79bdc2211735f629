//! Generic addresses, and those of the blocks of a cluster.

use super::step::Step;
use crate::decode::Decoder;
use crate::decode::memory_operands::memory_space;
use crate::decode::modifiers::Modifiers;
use crate::instrument::Instrument;
use crate::program::{Data, MemorySpace, Op, Slot};
use crate::state::address::{LOCAL_WINDOW, PARAM_WINDOW, RANK_SHIFT, SHARED_WINDOW, named_block, resolve_generic};
use crate::state::warp::lanes_of;
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::Modifier;
use warpbook_ptx::{Operand, PtxType};

impl<I: Instrument> Step<'_, '_, I> {
    pub(super) fn enter_window(&mut self, space: MemorySpace, d: Slot, a: Slot) {
        let window = window(space);
        let value = self.long(a).map(|address| address.wrapping_add(window));
        self.set_long(d, &value);
    }

    pub(super) fn leave_window(&mut self, space: MemorySpace, d: Slot, a: Slot) {
        let window = window(space);
        let value = self.long(a).map(|address| address.wrapping_sub(window));
        self.set_long(d, &value);
    }

    pub(super) fn is_space(&mut self, space: MemorySpace, d: Slot, a: Slot) {
        let a = self.long(a);
        let own = self.block.memory.rank + 1;
        let is = |address: u64| match (resolve_generic(address).0, space) {
            (MemorySpace::Shared, MemorySpace::Cluster) => true,
            (MemorySpace::Shared, MemorySpace::Shared) => {
                let named = named_block(MemorySpace::Generic, address);
                named == 0 || named == own
            }
            (found, space) => found == space,
        };
        let mask = (0..32).fold(0, |mask, lane| mask | u32::from(is(a[lane])) << lane);
        self.set_predicate(d, mask);
    }

    pub(super) fn map_address(&mut self, d: Data, a: Data, rank: Slot) {
        for lane in lanes_of(self.active) {
            let rank = u64::from(self.word(rank)[lane]).wrapping_add(1) & 0xff;
            let address = self.value(a, lane) & !(0xff << RANK_SHIFT) | rank << RANK_SHIFT;
            self.set_lane(d, lane, address);
        }
    }

    pub(super) fn rank_of(&mut self, d: Slot, a: Data) {
        let own = self.block.memory.rank;
        let value = std::array::from_fn(|lane| match self.value(a, lane) >> RANK_SHIFT & 0xff {
            0 => own,
            named => named as u32 - 1,
        });
        self.set_word(d, &value);
    }
}

impl Decoder<'_> {
    fn take_window(&self, m: &mut Modifiers<'_>) -> Result<MemorySpace> {
        m.take_map(memory_space).ok_or_else(|| self.malformed("the opcode has no state space"))
    }

    /// Decodes the instruction `cvta`.
    pub(crate) fn convert_address(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take_type();
        let from_generic = m.take(Modifier::To);
        let space = self.take_window(m)?;
        let a = self.long(o, 1)?;
        let d = self.long_out(o, 0)?;
        self.emit(if from_generic { Op::FromGeneric { space, d, a } } else { Op::ToGeneric { space, d, a } });
        Ok(())
    }

    /// `mapa`: of an address in shared memory, or of a generic one. PTX ISA 9.7.9.23.
    pub(crate) fn map_address(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let in_shared = m.take(Modifier::SharedCluster);
        let size = match m.take_type() {
            Some(ty @ (PtxType::U32 | PtxType::U64)) if in_shared || ty == PtxType::U64 => ty.size(),
            _ => return Err(self.malformed("`mapa` is of .u32 or .u64, of generic addresses of .u64")),
        };
        let a = self.data(self.operand(o, 1)?, size)?;
        let rank = self.word(o, 2)?;
        let d = if size == 8 { Data::Long(self.long_out(o, 0)?) } else { Data::Word(self.word_out(o, 0)?) };
        self.emit(Op::MapAddress { d, a, rank });
        Ok(())
    }

    /// `getctarank`. PTX ISA 9.7.9.24.
    pub(crate) fn rank_of(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::SharedCluster);
        let Some(ty @ (PtxType::U32 | PtxType::U64)) = m.take_type() else {
            return Err(self.malformed("`getctarank` is of .u32 or .u64"));
        };
        let a = self.data(self.operand(o, 1)?, ty.size())?;
        let d = self.word_out(o, 0)?;
        self.emit(Op::RankOf { d, a });
        Ok(())
    }

    /// Decodes the instruction `isspacep`.
    pub(crate) fn is_space(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let space = self.take_window(m)?;
        let a = self.long(o, 1)?;
        let d = self.predicate_out(o, 0)?;
        self.emit(Op::IsSpace { space, d, a });
        Ok(())
    }
}

fn window(space: MemorySpace) -> u64 {
    match space {
        MemorySpace::Shared | MemorySpace::Cluster => SHARED_WINDOW,
        MemorySpace::Local => LOCAL_WINDOW,
        MemorySpace::Param => PARAM_WINDOW,
        _ => 0,
    }
}
