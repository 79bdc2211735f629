//! Arithmetic on numbers of several registers: `add.cc addc sub.cc subc mad.cc madc`. PTX ISA 9.7.2.
//!
//! The condition code is a register that has no name: 1 in each lane where a carry, or a borrow, came out.

use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::lanes::{self, lanes};
use crate::program::{File, Op, Word};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::{Mnemonic, Modifier};
use warpbook_ptx::{Operand, PtxType};

/// An instruction that reads or writes the condition code.
#[derive(Clone, Copy)]
pub(crate) struct Carry {
    operation: Operation,
    /// True if the code is an operand (`addc`).
    takes: bool,
    /// True if the code is a result (`.cc`).
    gives: bool,
}

/// What is done with the operands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Add,
    Subtract,
    MultiplyAdd,
}

impl Carry {
    /// Takes `.cc`; `None` for an instruction that has nothing to do with the condition code.
    pub(crate) fn take(mnemonic: Mnemonic, m: &mut Modifiers<'_>) -> Option<Self> {
        let (operation, takes) = match mnemonic {
            Mnemonic::Add => (Operation::Add, false),
            Mnemonic::AddC => (Operation::Add, true),
            Mnemonic::Sub => (Operation::Subtract, false),
            Mnemonic::SubC => (Operation::Subtract, true),
            Mnemonic::Mad => (Operation::MultiplyAdd, false),
            Mnemonic::MadC => (Operation::MultiplyAdd, true),
            _ => return None,
        };
        let gives = m.take(Modifier::CarryOut);
        (takes || gives).then_some(Self { operation, takes, gives })
    }
}

impl Decoder<'_> {
    /// The instruction, of 32 bits.
    pub(crate) fn with_carry(&mut self, carry: Carry, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let high = m.take(Modifier::Hi);
        if !high {
            m.take(Modifier::Lo);
        }
        let ty = self.take_type(m)?;
        if !matches!(ty, PtxType::U32 | PtxType::S32 | PtxType::B32) {
            return Err(self.unsupported_form());
        }
        let (a, b) = match carry.operation {
            Operation::MultiplyAdd => {
                let product = self.fresh(File::Word);
                let factors = [self.word(o, 1)?, self.word(o, 2)?];
                let f: lanes::WordBinary = match (high, ty) {
                    (false, _) => lanes!(Word; |a: Word, b: Word| a.wrapping_mul(b)),
                    (true, PtxType::S32) => {
                        lanes!(Word; |a: Word, b: Word| ((i64::from(a as i32) * i64::from(b as i32)) >> 32) as u32)
                    }
                    (true, _) => lanes!(Word; |a: Word, b: Word| ((u64::from(a) * u64::from(b)) >> 32) as u32),
                };
                self.emit(Op::Binary32(f, product, factors));
                (product, self.word(o, 3)?)
            }
            Operation::Add | Operation::Subtract => (self.word(o, 1)?, self.word(o, 2)?),
        };
        let d = self.word_out(o, 0)?;
        let code = self.condition_code();
        let before = if carry.takes { code } else { self.word_constant(0) };
        let subtracts = carry.operation == Operation::Subtract;
        let sum: lanes::WordTernary = if subtracts {
            lanes!(Word; |a: Word, b: Word, c: Word| a.wrapping_sub(b).wrapping_sub(c))
        } else {
            lanes!(Word; |a: Word, b: Word, c: Word| a.wrapping_add(b).wrapping_add(c))
        };
        let out: lanes::WordTernary = if subtracts {
            lanes!(Word; |a: Word, b: Word, c: Word| u32::from(u64::from(a) < u64::from(b) + u64::from(c)))
        } else {
            lanes!(Word; |a: Word, b: Word, c: Word| ((u64::from(a) + u64::from(b) + u64::from(c)) >> 32) as u32)
        };
        // The destination may be one of the operands, and the code is one itself: the new code comes last.
        let after = self.fresh(File::Word);
        if carry.gives {
            self.emit(Op::Ternary32(out, after, [a, b, before]));
        }
        self.emit(Op::Ternary32(sum, d, [a, b, before]));
        if carry.gives {
            self.emit(Op::Unary32(lanes!(Word; |a: Word| a), code, after));
        }
        Ok(())
    }
}
