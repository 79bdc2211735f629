//! Operands to slots of the register file: constants, special registers, addresses of variables.

use super::Decoder;
use super::modifiers::Modifiers;
use super::place::{Place, function_address};
use super::scope::file_of;
use crate::lanes::lanes;
use crate::program::File;
use crate::program::{Data, Long, Op, Slot, Special, Word};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::{MatrixShape, Modifier};
use warpbook_ptx::{Immediate, Operand, PtxType};

impl Decoder<'_> {
    /// An operand by its index, from 0; an error if the instruction has fewer.
    pub(crate) fn operand<'o>(&self, operands: &'o [Operand], index: usize) -> Result<&'o Operand> {
        operands.get(index).ok_or_else(|| self.malformed(format!("operand {} is missing", index + 1)))
    }

    /// An operand that has to be an integer constant.
    pub(crate) fn constant_u32(&self, operands: &[Operand], index: usize) -> Result<u32> {
        match self.operand(operands, index)? {
            Operand::Immediate(Immediate::Integer(value)) => Ok(*value as u32),
            _ => Err(self.malformed(format!("operand {} has to be an integer constant", index + 1))),
        }
    }

    /// The slot of a 32-bit source.
    pub(crate) fn word(&mut self, operands: &[Operand], index: usize) -> Result<Slot> {
        let operand = self.operand(operands, index)?;
        self.word_of(operand)
    }

    /// The slot of a 32-bit source that is not an operand by itself, but a part of one.
    pub(crate) fn word_of(&mut self, operand: &Operand) -> Result<Slot> {
        match operand {
            Operand::Immediate(Immediate::Integer(value)) => Ok(self.word_constant(*value as u32)),
            Operand::Immediate(Immediate::F32(bits)) => Ok(self.word_constant(*bits)),
            Operand::Immediate(Immediate::F64(bits)) => {
                Ok(self.word_constant((f64::from_bits(*bits) as f32).to_bits()))
            }
            Operand::Name(name) => {
                if let Some(special) = Self::special_by_name(name) {
                    return Ok(self.special(special));
                }
                if let Some(Place::Shared(offset) | Place::Local(offset) | Place::Param(offset)) =
                    self.symbols.variable(name)
                {
                    return Ok(self.word_constant(offset));
                }
                if let Some(Place::Frame(offset)) = self.symbols.variable(name) {
                    return Ok(self.address_in_frame(offset));
                }
                match self.lookup(name) {
                    Some((ty, slot)) if file_of(ty) == Some(File::Word) => Ok(slot),
                    // A wider register where a narrower one is meant gives its low bits.
                    Some((_, slot)) if self.lookup(name).and_then(|(ty, _)| file_of(ty)) == Some(File::Long) => {
                        let d = self.fresh(File::Word);
                        self.emit(Op::NarrowTo32(lanes!(Word; |a: Long| a as u32), d, slot));
                        Ok(d)
                    }
                    _ => self.register(name, File::Word),
                }
            }
            Operand::NameOffset(name, addend) => match self.symbols.variable(name) {
                Some(Place::Shared(offset) | Place::Local(offset)) => {
                    Ok(self.word_constant(offset.wrapping_add(*addend as u32)))
                }
                Some(Place::Frame(offset)) => Ok(self.address_in_frame(offset.wrapping_add(*addend as u32))),
                _ => Err(self.malformed(format!("`{name}` has no 32-bit address"))),
            },
            _ => Err(self.malformed("expected a 32-bit register or a constant")),
        }
    }

    /// The slot of a 64-bit source.
    pub(crate) fn long(&mut self, operands: &[Operand], index: usize) -> Result<Slot> {
        let operand = self.operand(operands, index)?;
        self.long_of(operand)
    }

    /// The slot of a 64-bit source that is not an operand by itself, but a part of one.
    pub(crate) fn long_of(&mut self, operand: &Operand) -> Result<Slot> {
        match operand {
            Operand::Immediate(Immediate::Integer(value)) => Ok(self.long_constant(*value)),
            Operand::Immediate(Immediate::F64(bits)) => Ok(self.long_constant(*bits)),
            Operand::Immediate(Immediate::F32(bits)) => {
                Ok(self.long_constant(f64::from(f32::from_bits(*bits)).to_bits()))
            }
            Operand::Name(name) => match self.symbols.variable(name) {
                Some(place) => self.address_constant(place, 0),
                None if self.lookup(name).is_none() && function_address(self.module, name).is_some() => {
                    Ok(self.long_constant(function_address(self.module, name).unwrap_or_default()))
                }
                None => self.register(name, File::Long),
            },
            Operand::NameOffset(name, addend) => match self.symbols.variable(name) {
                Some(place) => self.address_constant(place, *addend),
                None => Err(self.malformed(format!("`{name}` is no variable"))),
            },
            _ => Err(self.malformed("expected a 64-bit register or a constant")),
        }
    }

    /// The address in local memory of a place in the frame.
    fn address_in_frame(&mut self, offset: u32) -> Slot {
        let (base, offset) = self.place_in_local(Place::Frame(offset));
        let (offset, d) = (self.word_constant(offset), self.fresh(File::Word));
        self.emit(Op::Binary32(lanes!(Word; |a: Word, b: Word| a.wrapping_add(b)), d, [base, offset]));
        d
    }

    pub(super) fn address_constant(&mut self, place: Place, addend: i64) -> Result<Slot> {
        match place {
            Place::Shared(offset) | Place::Local(offset) | Place::Param(offset) => {
                Ok(self.long_constant(u64::from(offset).wrapping_add(addend as u64)))
            }
            Place::Frame(offset) => {
                let (address, d) = (self.address_in_frame(offset.wrapping_add(addend as u32)), self.fresh(File::Long));
                self.emit(Op::WidenTo64(lanes!(Long; |a: Word| u64::from(a)), d, address));
                Ok(d)
            }
            Place::Global(index) => {
                if let Some(&slot) = self.constants.globals.get(&(index, addend)) {
                    return Ok(slot);
                }
                let slot = self.fresh(File::Long);
                self.constants.globals.insert((index, addend), slot);
                Ok(slot)
            }
        }
    }

    /// The slot of a predicate source, negated where it is written so.
    pub(crate) fn predicate(&mut self, operands: &[Operand], index: usize) -> Result<Slot> {
        match self.operand(operands, index)? {
            Operand::Name(name) if name == "%is_explicit_cluster" => {
                let (a, d) = (self.special(Special::HasClusters), self.fresh(File::Predicate));
                let f: fn(&Word) -> u32 = |a| a.iter().enumerate().fold(0, |mask, (lane, &bit)| mask | bit << lane);
                self.emit(Op::Test { f, d, a });
                Ok(d)
            }
            Operand::Name(name) => self.register(name, File::Predicate),
            Operand::Not(name) => {
                let a = self.register(name, File::Predicate)?;
                let d = self.fresh(File::Predicate);
                self.emit(Op::PredicateNot { d, a });
                Ok(d)
            }
            Operand::Immediate(Immediate::Integer(value)) => {
                let truth = self.truth();
                if *value != 0 {
                    return Ok(truth);
                }
                let d = self.fresh(File::Predicate);
                self.emit(Op::PredicateNot { d, a: truth });
                Ok(d)
            }
            _ => Err(self.malformed("expected a predicate")),
        }
    }

    /// The slot of a 32-bit destination; `_` is a register that nothing reads.
    pub(crate) fn word_out(&mut self, operands: &[Operand], index: usize) -> Result<Slot> {
        self.out(operands, index, File::Word)
    }

    /// The slot of a 64-bit destination; `_` is a register that nothing reads.
    pub(crate) fn long_out(&mut self, operands: &[Operand], index: usize) -> Result<Slot> {
        self.out(operands, index, File::Long)
    }

    /// The slot of a predicate that gets a result; `_` is a register that nothing reads.
    pub(crate) fn predicate_out(&mut self, operands: &[Operand], index: usize) -> Result<Slot> {
        self.out(operands, index, File::Predicate)
    }

    fn out(&mut self, operands: &[Operand], index: usize, file: File) -> Result<Slot> {
        match self.operand(operands, index)? {
            Operand::Sink => Ok(self.fresh(file)),
            Operand::Name(name) => self.register(name, file),
            _ => Err(self.malformed(format!("operand {} has to be a register", index + 1))),
        }
    }

    /// A source of either width, by the register's own type.
    pub(crate) fn data(&mut self, operand: &Operand, size: u32) -> Result<Data> {
        if size == 8 { Ok(Data::Long(self.long_of(operand)?)) } else { Ok(Data::Word(self.word_of(operand)?)) }
    }

    /// Takes the shape of a matrix product.
    pub(crate) fn take_shape(&self, m: &mut Modifiers<'_>) -> Result<MatrixShape> {
        let shape = |own| if let Modifier::Shape(shape) = own { Some(shape) } else { None };
        m.take_map(shape).ok_or_else(|| self.malformed("the opcode has no shape"))
    }

    /// Takes the first type of the opcode; an error if there is none.
    pub(crate) fn take_type(&self, m: &mut Modifiers<'_>) -> Result<PtxType> {
        m.take_type().ok_or_else(|| self.malformed("the opcode has no type"))
    }
}
