//! Operands, addresses and literals.

use super::Parser;
use crate::ast::{Address, Immediate, Operand};
use crate::lexer::Token;
use crate::types::PtxType;
use warpbook_diagnostic::Result;

impl Parser<'_> {
    pub(super) fn operand(&mut self) -> Result<Operand> {
        self.enter()?;
        let operand = self.simple_operand()?;
        self.depth -= 1;
        if self.accept('|') {
            let second = self.simple_operand()?;
            return Ok(Operand::Pair(Box::new(operand), Box::new(second)));
        }
        Ok(operand)
    }

    pub(super) fn simple_operand(&mut self) -> Result<Operand> {
        match self.peek() {
            Some(Token::Symbol('{')) => {
                self.next();
                Ok(Operand::Vector(self.operands_until('}')?))
            }
            Some(Token::Symbol('(')) => {
                self.next();
                Ok(Operand::List(self.operands_until(')')?))
            }
            Some(Token::Symbol('[')) => {
                self.next();
                self.address().map(Operand::Address)
            }
            Some(Token::Symbol('!')) => {
                self.next();
                Ok(Operand::Not(self.word("a predicate")?.to_owned()))
            }
            Some(Token::Word("_")) => {
                self.next();
                Ok(Operand::Sink)
            }
            Some(Token::Word(name)) => {
                self.next();
                match self.addend()? {
                    0 => Ok(Operand::Name(name.to_owned())),
                    addend => Ok(Operand::NameOffset(name.to_owned(), addend)),
                }
            }
            _ => self.immediate().map(Operand::Immediate),
        }
    }

    pub(super) fn operands_until(&mut self, close: char) -> Result<Vec<Operand>> {
        let mut operands = Vec::new();
        while !self.at(close) {
            operands.push(self.operand()?);
            if !self.accept(',') {
                break;
            }
        }
        self.expect(close)?;
        Ok(operands)
    }

    pub(super) fn address(&mut self) -> Result<Address> {
        let mut address = Address { base: None, offset: 0, coordinates: Vec::new() };
        if let Some(Token::Word(name)) = self.peek() {
            self.next();
            address.base = Some(name.to_owned());
            address.offset = self.addend()?;
        } else {
            match self.immediate()? {
                Immediate::Integer(value) => address.offset = value as i64,
                _ => return Err(self.error_before("an address is an integer")),
            }
        }
        if self.accept(',') {
            self.expect('{')?;
            address.coordinates = self.operands_until('}')?;
        }
        self.expect(']')?;
        Ok(address)
    }

    /// `+4`, `+-4`, `-4` or nothing.
    pub(super) fn addend(&mut self) -> Result<i64> {
        let plus = self.accept('+');
        let minus = self.accept('-');
        if !plus && !minus {
            return Ok(0);
        }
        let value = self.integer("an offset")? as i64;
        Ok(if minus { value.wrapping_neg() } else { value })
    }

    pub(super) fn immediate(&mut self) -> Result<Immediate> {
        let negative = self.accept('-');
        let immediate = match self.peek() {
            Some(Token::Integer(value)) => Immediate::Integer(if negative { value.wrapping_neg() } else { value }),
            Some(Token::Float32(bits)) => Immediate::F32(if negative { bits ^ 1 << 31 } else { bits }),
            Some(Token::Float64(bits)) => Immediate::F64(if negative { bits ^ 1 << 63 } else { bits }),
            _ => return Err(self.unexpected("an operand")),
        };
        self.next();
        Ok(immediate)
    }
}

/// A literal in the representation of a type.
pub(super) fn immediate_bits(immediate: Immediate, ty: PtxType) -> u64 {
    match (immediate, ty) {
        (Immediate::Integer(value), _) => value,
        (Immediate::F32(bits), PtxType::F64) => f64::from(f32::from_bits(bits)).to_bits(),
        (Immediate::F32(bits), _) => bits.into(),
        (Immediate::F64(bits), PtxType::F32) => (f64::from_bits(bits) as f32).to_bits().into(),
        (Immediate::F64(bits), _) => bits,
    }
}
