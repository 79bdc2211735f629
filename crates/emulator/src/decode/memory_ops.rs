//! Loads, stores, atomics, asynchronous copies and address conversions.

use super::Decoder;
use super::modifiers::Modifiers;
use super::place::Place;
use super::scope::file_of;
use crate::program::File;
use crate::program::{AddressOperand, AtomicOp, AtomicType, Base, Data, Elements, MemorySpace, Op};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::{Mnemonic, Modifier};
use warpbook_ptx::{Address, Immediate, Operand, PtxType};

/// How a load or a store uses the caches: memory here is coherent and has none.
const CACHE_OPERATORS: [Modifier; 7] =
    [Modifier::Ca, Modifier::Cg, Modifier::Cs, Modifier::Lu, Modifier::Cv, Modifier::Wb, Modifier::Wt];
/// Words of a load or a store that change nothing here: accesses are in order, and all threads see them at once.
const ORDERS_AND_SCOPES: [Modifier; 14] = [
    Modifier::Nc,
    Modifier::Volatile,
    Modifier::Cta,
    Modifier::Cluster,
    Modifier::Gpu,
    Modifier::Sys,
    Modifier::Gl,
    Modifier::Weak,
    Modifier::Relaxed,
    Modifier::Acquire,
    Modifier::Release,
    Modifier::AcqRel,
    Modifier::Sc,
    Modifier::Mmio,
];

/// The memory that a state space means.
fn memory_space(modifier: Modifier) -> Option<MemorySpace> {
    Some(match modifier {
        Modifier::Global | Modifier::Const => MemorySpace::Global,
        Modifier::SharedCluster => MemorySpace::Cluster,
        Modifier::Shared | Modifier::SharedCta => MemorySpace::Shared,
        Modifier::Local => MemorySpace::Local,
        Modifier::Param | Modifier::ParamEntry | Modifier::ParamFunc => MemorySpace::Param,
        _ => return None,
    })
}

impl Decoder<'_> {
    /// Takes the state space, cache hints, ordering and scope; generic where no space is written.
    fn take_memory(&mut self, m: &mut Modifiers<'_>) -> Result<MemorySpace> {
        m.take_all(&ORDERS_AND_SCOPES);
        if let Some(operator) = m.take_any(&CACHE_OPERATORS) {
            // ptxas refuses it too.
            if let Some(hint) = m.take_map(|own| own.is_l1_eviction().then_some(own)) {
                return Err(self.malformed(format!("the cache operator `.{operator}` does not go with `.{hint}`")));
            }
            m.take_all(&CACHE_OPERATORS);
        }
        m.take_cache_level_hints();
        Ok(m.take_map(memory_space).unwrap_or(MemorySpace::Generic))
    }

    /// An address and the space that it really is in (a parameter variable of a call lives in local memory).
    pub(super) fn address(
        &mut self,
        operand: Option<&Operand>,
        space: MemorySpace,
    ) -> Result<(MemorySpace, AddressOperand)> {
        let Some(Operand::Address(Address { base, offset, coordinates })) = operand else {
            return Err(self.malformed("expected an address in brackets"));
        };
        if !coordinates.is_empty() {
            return Err(self.unsupported("tensor coordinates"));
        }
        let absolute = |offset: i64| AddressOperand { base: Base::None, offset };
        let Some(name) = base else { return Ok((space, absolute(*offset))) };
        match self.symbols.variable(name) {
            Some(Place::Param(at)) => Ok((MemorySpace::Param, absolute(i64::from(at).wrapping_add(*offset)))),
            Some(Place::Local(at)) => Ok((MemorySpace::Local, absolute(i64::from(at).wrapping_add(*offset)))),
            Some(Place::Shared(at)) => Ok((MemorySpace::Shared, absolute(i64::from(at).wrapping_add(*offset)))),
            Some(Place::Global(_)) => {
                let slot = self.long_of(&Operand::Name(name.clone()))?;
                Ok((MemorySpace::Global, AddressOperand { base: Base::Long(slot), offset: *offset }))
            }
            None => match self.lookup(name) {
                Some((ty, slot)) => match file_of(ty) {
                    Some(File::Long) => Ok((space, AddressOperand { base: Base::Long(slot), offset: *offset })),
                    Some(File::Word) => Ok((space, AddressOperand { base: Base::Word(slot), offset: *offset })),
                    _ => Err(self.malformed(format!("`{name}` cannot be an address"))),
                },
                None => Err(self.malformed(format!("`{name}` is not declared"))),
            },
        }
    }

    fn elements_out(&mut self, operand: &Operand, size: u32) -> Result<Elements> {
        let parts = match operand {
            Operand::Vector(parts) => &parts[..],
            single => std::slice::from_ref(single),
        };
        parts
            .iter()
            .map(|part| match part {
                Operand::Sink => Ok(Data::Sink),
                Operand::Name(name) => match self.lookup(name) {
                    Some((ty, slot)) => match file_of(ty) {
                        Some(File::Long) => Ok(Data::Long(slot)),
                        Some(File::Word) if size <= 4 => Ok(Data::Word(slot)),
                        _ => Err(self.malformed(format!("`{name}` is too narrow for {size} bytes"))),
                    },
                    None => Err(self.malformed(format!("`{name}` is not declared"))),
                },
                _ => Err(self.malformed("expected a register")),
            })
            .collect()
    }

    pub(super) fn elements_in(&mut self, operand: &Operand, size: u32) -> Result<Elements> {
        let parts = match operand {
            Operand::Vector(parts) => &parts[..],
            single => std::slice::from_ref(single),
        };
        let mut elements = Vec::with_capacity(parts.len());
        for part in parts {
            elements.push(match part {
                Operand::Name(name) => match self.lookup(name).map(|(ty, slot)| (file_of(ty), slot)) {
                    // A narrow store takes the low bits of a wide register.
                    Some((Some(File::Long), slot)) => Data::Long(slot),
                    _ => self.data(part, size)?,
                },
                _ => self.data(part, size)?,
            });
        }
        Ok(elements.into())
    }

    fn take_vector(&self, m: &mut Modifiers<'_>, found: usize) -> Result<()> {
        let written = m.take_map(Modifier::vector_length).unwrap_or(1);
        if written == found {
            Ok(())
        } else {
            Err(self.malformed(format!("expected {written} elements, found {found}")))
        }
    }

    fn memory_type(&self, m: &mut Modifiers<'_>) -> Result<PtxType> {
        match m.take_type() {
            Some(PtxType::B128) => Err(self.unsupported("128-bit elements")),
            Some(PtxType::Pred) | None => Err(self.malformed("the opcode has no memory type")),
            Some(ty) => Ok(ty),
        }
    }

    fn arguments<'o>(&self, o: &'o [Operand], count: usize) -> Result<&'o [Operand]> {
        // A trailing cache policy is a hint.
        if o.len() == count || o.len() == count + 1 {
            Ok(o)
        } else {
            Err(self.malformed(format!("expected {count} operands")))
        }
    }

    pub(super) fn load(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.memory_type(m)?;
        let space = self.take_memory(m)?;
        let o = self.arguments(o, 2)?;
        let d = self.elements_out(&o[0], ty.size())?;
        self.take_vector(m, d.len())?;
        let (space, address) = self.address(o.get(1), space)?;
        self.emit(Op::Load { space, size: ty.size(), signed: ty.is_signed(), d, address });
        Ok(())
    }

    pub(super) fn store(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.memory_type(m)?;
        let space = self.take_memory(m)?;
        let o = self.arguments(o, 2)?;
        let a = self.elements_in(&o[1], ty.size())?;
        self.take_vector(m, a.len())?;
        let (space, address) = self.address(o.first(), space)?;
        if space == MemorySpace::Param {
            return Err(self.malformed("kernel parameters cannot be written"));
        }
        self.emit(Op::Store { space, size: ty.size(), a, address });
        Ok(())
    }

    pub(super) fn atomic(&mut self, mnemonic: Mnemonic, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::NoFtz);
        let ty = self.memory_type(m)?;
        let op = m.take_map(|own| match own {
            Modifier::Exch => Some(AtomicOp::Exchange),
            Modifier::Cas => Some(AtomicOp::CompareAndSwap),
            other => reduction(other),
        });
        let op = op.ok_or_else(|| self.malformed(format!("`{mnemonic}` has no operation")))?;
        let exact =
            matches!(op, AtomicOp::Exchange | AtomicOp::CompareAndSwap | AtomicOp::And | AtomicOp::Or | AtomicOp::Xor);
        let element = match ty {
            PtxType::S32 => AtomicType::S32,
            PtxType::S64 => AtomicType::S64,
            PtxType::F32 => AtomicType::F32,
            PtxType::F64 => AtomicType::F64,
            PtxType::F16 => AtomicType::F16,
            PtxType::Bf16 => AtomicType::Bf16,
            PtxType::F16x2 => AtomicType::F16x2,
            PtxType::Bf16x2 => AtomicType::Bf16x2,
            PtxType::B16 if op == AtomicOp::CompareAndSwap => AtomicType::B16,
            _ if ty.size() == 8 => AtomicType::U64,
            _ if ty.size() == 4 => AtomicType::U32,
            _ => return Err(self.unsupported_form()),
        };
        let float = ty.is_float();
        let allowed = match op {
            AtomicOp::Add => true,
            AtomicOp::Min | AtomicOp::Max => !matches!(element, AtomicType::F32 | AtomicType::F64),
            AtomicOp::Increment | AtomicOp::Decrement => element == AtomicType::U32,
            _ => exact && !float,
        };
        if !allowed {
            return Err(self.unsupported_form());
        }
        let space = self.take_memory(m)?;
        let returns = mnemonic == Mnemonic::Atom;
        let first = usize::from(returns);
        let sources = if op == AtomicOp::CompareAndSwap { 2 } else { 1 };
        let o = self.arguments(o, first + 1 + sources)?;
        let d: Elements = if returns { self.elements_out(&o[0], ty.size())? } else { Box::new([]) };
        let (space, address) = self.address(o.get(first), space)?;
        let a = self.elements_in(&o[first + 1], ty.size())?;
        self.take_vector(m, a.len())?;
        if !d.is_empty() && d.len() != a.len() || a.len() > 8 {
            return Err(self.malformed("destination and source have different lengths"));
        }
        let b = match o.get(first + 2) {
            Some(operand) if sources == 2 => Some(self.data(operand, ty.size())?),
            _ => None,
        };
        self.emit(Op::Atomic { space, op, ty: element, d, address, a, b });
        Ok(())
    }

    pub(super) fn copy_async(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take_all(&[Modifier::Ca, Modifier::Cg, Modifier::Shared, Modifier::SharedCta, Modifier::Global]);
        m.take_cache_level_hints();
        let (_, shared) = self.address(o.first(), MemorySpace::Shared)?;
        let (_, global) = self.address(o.get(1), MemorySpace::Global)?;
        let size = self.constant_u32(o, 2)?;
        if !matches!(size, 4 | 8 | 16) {
            return Err(self.malformed("`cp.async` copies 4, 8 or 16 bytes"));
        }
        let (mut source_size, mut ignore) = (None, None);
        match o.get(3) {
            None => {}
            Some(Operand::Immediate(Immediate::Integer(_))) => source_size = Some(self.word(o, 3)?),
            Some(Operand::Name(name)) => match self.lookup(name).map(|(ty, _)| file_of(ty)) {
                Some(Some(File::Predicate)) => ignore = Some(self.predicate(o, 3)?),
                _ => source_size = Some(self.word(o, 3)?),
            },
            Some(Operand::Not(_)) => ignore = Some(self.predicate(o, 3)?),
            Some(_) => return Err(self.malformed("operand 4 is the number of bytes to copy")),
        }
        self.emit(Op::CopyAsync { size, shared, global, source_size, ignore });
        Ok(())
    }

    fn take_window(&self, m: &mut Modifiers<'_>) -> Result<MemorySpace> {
        m.take_map(memory_space).ok_or_else(|| self.malformed("the opcode has no state space"))
    }

    pub(super) fn convert_address(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take_type();
        let from_generic = m.take(Modifier::To);
        let space = self.take_window(m)?;
        let a = self.long(o, 1)?;
        let d = self.long_out(o, 0)?;
        self.emit(if from_generic { Op::FromGeneric { space, d, a } } else { Op::ToGeneric { space, d, a } });
        Ok(())
    }

    /// `mapa`: of an address in shared memory, or of a generic one. PTX ISA 9.7.9.23.
    pub(super) fn map_address(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
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
    pub(super) fn rank_of(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::SharedCluster);
        let Some(ty @ (PtxType::U32 | PtxType::U64)) = m.take_type() else {
            return Err(self.malformed("`getctarank` is of .u32 or .u64"));
        };
        let a = self.data(self.operand(o, 1)?, ty.size())?;
        let d = self.word_out(o, 0)?;
        self.emit(Op::RankOf { d, a });
        Ok(())
    }

    pub(super) fn is_space(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let space = self.take_window(m)?;
        let a = self.long(o, 1)?;
        let d = self.predicate_out(o, 0)?;
        self.emit(Op::IsSpace { space, d, a });
        Ok(())
    }
}

/// The operation of a reduction in memory: one of those of `atom` that take one value.
pub(super) fn reduction(modifier: Modifier) -> Option<AtomicOp> {
    Some(match modifier {
        Modifier::Add => AtomicOp::Add,
        Modifier::Min => AtomicOp::Min,
        Modifier::Max => AtomicOp::Max,
        Modifier::And => AtomicOp::And,
        Modifier::Or => AtomicOp::Or,
        Modifier::Xor => AtomicOp::Xor,
        Modifier::Inc => AtomicOp::Increment,
        Modifier::Dec => AtomicOp::Decrement,
        _ => return None,
    })
}
