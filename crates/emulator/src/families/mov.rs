//! `mov`: between registers, and packing and unpacking of several into one.

use super::step::Step;
use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::instrument::Instrument;
use crate::lanes::lanes;
use crate::program::{Data, File, Long, Op, Slot, Special, Word};
use crate::state::warp::lanes_of;
use warpbook_diagnostic::Result;
use warpbook_ptx::{Operand, PtxType};

/// Shared memory is given to a block in units of this many bytes (CUDA Occupancy Calculator).
const SHARED_UNIT: u32 = 128;
/// Bytes of shared memory that the system takes of each block.
const RESERVED_SHARED: u32 = 1 << 10;

impl Decoder<'_> {
    pub(crate) fn mov(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.take_type(m)?;
        if ty == PtxType::Pred {
            let a = self.predicate(o, 1)?;
            let d = self.predicate_out(o, 0)?;
            self.emit(Op::PredicateMove { d, a });
            return Ok(());
        }
        match (self.operand(o, 0)?, self.operand(o, 1)?) {
            (Operand::Vector(parts), source) => return self.unpack(ty, parts, source),
            (_, Operand::Vector(parts)) => return self.pack(ty, o, parts),
            _ => {}
        }
        if let Operand::Name(name) = self.operand(o, 1)?
            && self.move_special(ty, name, o)?
        {
            return Ok(());
        }
        match ty.size() {
            8 => {
                let a = self.long(o, 1)?;
                let d = self.long_out(o, 0)?;
                self.emit(Op::Unary64(lanes!(Long; |a: Long| a), d, a));
            }
            16 => return Err(self.unsupported("128-bit registers")),
            _ => {
                let a = self.word(o, 1)?;
                let d = self.word_out(o, 0)?;
                self.emit(Op::Unary32(lanes!(Word; |a: Word| a), d, a));
            }
        }
        Ok(())
    }

    /// `mov` of a special register that is no register of the block's start; false for any other name.
    fn move_special(&mut self, ty: PtxType, name: &str, o: &[Operand]) -> Result<bool> {
        let is_long = ty.size() == 8;
        match name {
            "%clock" | "%clock64" | "%globaltimer" | "%globaltimer_lo" => {
                let d = if is_long { Data::Long(self.long_out(o, 0)?) } else { Data::Word(self.word_out(o, 0)?) };
                self.emit(Op::Clock { d });
            }
            "%clock_hi" | "%globaltimer_hi" => {
                let (now, d) = (self.fresh(File::Long), self.word_out(o, 0)?);
                self.emit(Op::Clock { d: Data::Long(now) });
                self.emit(Op::NarrowTo32(lanes!(Word; |a: Long| (a >> 32) as u32), d, now));
            }
            "%total_smem_size" | "%aggr_smem_size" => {
                let reserved = if name == "%aggr_smem_size" { RESERVED_SHARED } else { 0 };
                let before = self.word_constant(self.static_shared_bytes() + reserved);
                let (dynamic, d) = (self.special(Special::DynamicSharedSize), self.word_out(o, 0)?);
                let sum = lanes!(Word; |a: Word, b: Word| a.wrapping_add(b).next_multiple_of(SHARED_UNIT));
                self.emit(Op::Binary32(sum, d, [before, dynamic]));
            }
            // A number that tells grids apart, and what a driver may set for its own use.
            "%gridid" => self.move_constant(is_long, 1, o)?,
            _ if name.strip_prefix("%envreg").is_some_and(|number| number.parse::<u32>().is_ok_and(|n| n < 32)) => {
                self.move_constant(is_long, 0, o)?;
            }
            _ => match Self::special_by_name(name).filter(|_| is_long) {
                Some(special) => {
                    let (a, d) = (self.special(special), self.long_out(o, 0)?);
                    self.emit(Op::WidenTo64(lanes!(Long; |a: Word| u64::from(a)), d, a));
                }
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    fn move_constant(&mut self, is_long: bool, value: u32, o: &[Operand]) -> Result<()> {
        if is_long {
            let (a, d) = (self.long_constant(value.into()), self.long_out(o, 0)?);
            self.emit(Op::Unary64(lanes!(Long; |a: Long| a), d, a));
        } else {
            let (a, d) = (self.word_constant(value), self.word_out(o, 0)?);
            self.emit(Op::Unary32(lanes!(Word; |a: Word| a), d, a));
        }
        Ok(())
    }

    fn optional_words(&mut self, parts: &[Operand]) -> Result<Vec<Option<Slot>>> {
        (0..parts.len())
            .map(|index| match &parts[index] {
                Operand::Sink => Ok(None),
                _ => self.word_out(parts, index).map(Some),
            })
            .collect()
    }

    fn unpack(&mut self, ty: PtxType, parts: &[Operand], source: &Operand) -> Result<()> {
        match (ty.size(), parts.len()) {
            (8, 2) => {
                let a = self.long_of(source)?;
                let d = self.optional_words(parts)?;
                self.emit(Op::UnpackLong { low: d[0], high: d[1], a });
            }
            (4, 2) => {
                let a = self.word_of(source)?;
                let d = self.optional_words(parts)?;
                self.emit(Op::UnpackHalves { low: d[0], high: d[1], a });
            }
            (4, 4) => {
                let a = self.word_of(source)?;
                let d = self.optional_words(parts)?;
                self.emit(Op::UnpackBytes { d: [d[0], d[1], d[2], d[3]], a });
            }
            (8, 4) => {
                let a = self.long_of(source)?;
                let d = self.optional_words(parts)?;
                self.emit(Op::UnpackQuarters { d: [d[0], d[1], d[2], d[3]], a });
            }
            (2, 2) => {
                let a = self.word_of(source)?;
                let d = self.optional_words(parts)?;
                self.emit(Op::UnpackBytes { d: [d[0], d[1], None, None], a });
            }
            (size, count) => return Err(self.unsupported(format!("a move of {size} bytes to {count} registers"))),
        }
        Ok(())
    }

    fn pack(&mut self, ty: PtxType, o: &[Operand], parts: &[Operand]) -> Result<()> {
        let mut slots = Vec::with_capacity(parts.len());
        for part in parts {
            slots.push(self.word_of(part)?);
        }
        match (ty.size(), slots[..].try_into().ok(), <[Slot; 2]>::try_from(&slots[..]).ok()) {
            (8, _, Some([low, high])) => {
                let d = self.long_out(o, 0)?;
                self.emit(Op::PackWords { d, low, high });
            }
            (4, _, Some([low, high])) => {
                let d = self.word_out(o, 0)?;
                self.emit(Op::PackHalves { d, low, high });
            }
            (2, _, Some([low, high])) => {
                let d = self.word_out(o, 0)?;
                let zero = self.word_constant(0);
                self.emit(Op::PackBytes { d, bytes: [low, high, zero, zero] });
            }
            (4, Some(bytes), _) => {
                let d = self.word_out(o, 0)?;
                self.emit(Op::PackBytes { d, bytes });
            }
            (8, Some(parts), _) => {
                let d = self.long_out(o, 0)?;
                self.emit(Op::PackQuarters { d, parts });
            }
            (size, ..) => {
                return Err(self.unsupported(format!("a move of {} registers to {size} bytes", slots.len())));
            }
        }
        Ok(())
    }
}

impl<I: Instrument> Step<'_, '_, I> {
    /// Two words to a long.
    #[inline(always)]
    pub(super) fn pack_words(&mut self, d: Slot, [low, high]: [Slot; 2]) {
        let (low, high) = (self.word(low), self.word(high));
        let value = std::array::from_fn(|lane| u64::from(high[lane]) << 32 | u64::from(low[lane]));
        self.set_long(d, &value);
    }

    /// A long to two words.
    #[inline(always)]
    pub(super) fn unpack_long(&mut self, [low, high]: [Option<Slot>; 2], a: Slot) {
        let a = *self.long(a);
        if let Some(low) = low {
            self.set_word(low, &a.map(|value| value as u32));
        }
        if let Some(high) = high {
            self.set_word(high, &a.map(|value| (value >> 32) as u32));
        }
    }

    /// Two values of 16 bits to a word.
    #[inline(always)]
    pub(super) fn pack_halves(&mut self, d: Slot, [low, high]: [Slot; 2]) {
        let (low, high) = (self.word(low), self.word(high));
        let value = std::array::from_fn(|lane| high[lane] << 16 | low[lane] & 0xffff);
        self.set_word(d, &value);
    }

    /// A word to two values of 16 bits.
    #[inline(always)]
    pub(super) fn unpack_halves(&mut self, [low, high]: [Option<Slot>; 2], a: Slot) {
        let a = *self.word(a);
        if let Some(low) = low {
            self.set_word(low, &a.map(|value| value & 0xffff));
        }
        if let Some(high) = high {
            self.set_word(high, &a.map(|value| value >> 16));
        }
    }

    /// Four bytes to a word.
    #[inline(always)]
    pub(super) fn pack_bytes(&mut self, d: Slot, bytes: [Slot; 4]) {
        let parts = bytes.map(|slot| self.word(slot));
        let value = std::array::from_fn(|lane| {
            (0..4).fold(0, |value, index| value | (parts[index][lane] & 0xff) << (8 * index))
        });
        self.set_word(d, &value);
    }

    /// A word to four bytes.
    #[inline(always)]
    pub(super) fn unpack_bytes(&mut self, d: &[Option<Slot>; 4], a: Slot) {
        let a = *self.word(a);
        for (index, slot) in d.iter().enumerate() {
            if let Some(slot) = slot {
                self.set_word(*slot, &a.map(|value| value >> (8 * index) & 0xff));
            }
        }
    }

    /// Four values of 16 bits to a long.
    #[inline(always)]
    pub(super) fn pack_quarters(&mut self, d: Slot, parts: [Slot; 4]) {
        let parts = parts.map(|slot| self.word(slot));
        let value = std::array::from_fn(|lane| {
            (0..4).fold(0, |value, index| value | u64::from(parts[index][lane] & 0xffff) << (16 * index))
        });
        self.set_long(d, &value);
    }

    /// A long to four values of 16 bits.
    #[inline(always)]
    pub(super) fn unpack_quarters(&mut self, d: &[Option<Slot>; 4], a: Slot) {
        let a = *self.long(a);
        for (index, slot) in d.iter().enumerate() {
            if let Some(slot) = slot {
                self.set_word(*slot, &a.map(|value| (value >> (16 * index)) as u32 & 0xffff));
            }
        }
    }

    /// A clock that only counts this warp's instructions: the same from run to run.
    pub(super) fn clock(&mut self, d: Data) {
        let now = self.warp.executed;
        for lane in lanes_of(self.active) {
            self.set_lane(d, lane, now);
        }
    }
}
