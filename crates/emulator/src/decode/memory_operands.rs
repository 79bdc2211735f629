//! Addresses, state spaces, and registers in braces: the operands and modifiers that accesses of memory have in common.

use super::Decoder;
use super::modifiers::Modifiers;
use super::place::Place;
use super::scope::file_of;
use crate::program::{AddressOperand, Base, Data, Elements, File, MemorySpace};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::Modifier;
use warpbook_ptx::{Address, Operand, PtxType};

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
pub(crate) fn memory_space(modifier: Modifier) -> Option<MemorySpace> {
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
    pub(crate) fn take_memory(&mut self, m: &mut Modifiers<'_>) -> Result<MemorySpace> {
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
    pub(crate) fn address(
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
            Some(Place::Frame(at)) => {
                let (base, at) = self.place_in_local(Place::Frame(at));
                let offset = i64::from(at).wrapping_add(*offset);
                Ok((MemorySpace::Local, AddressOperand { base: Base::Word(base), offset }))
            }
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

    /// The registers that a load of `size` bytes to each writes: one, or several in braces; `_` takes none.
    pub(crate) fn elements_out(&mut self, operand: &Operand, size: u32) -> Result<Elements> {
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

    /// The registers or constants that a store of `size` bytes from each reads: one, or several in braces.
    pub(crate) fn elements_in(&mut self, operand: &Operand, size: u32) -> Result<Elements> {
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

    /// Takes `.v2`, `.v4` or `.v8`, and refuses it if there are not as many registers.
    pub(crate) fn take_vector(&self, m: &mut Modifiers<'_>, found: usize) -> Result<()> {
        let written = m.take_map(Modifier::vector_length).unwrap_or(1);
        if written == found {
            Ok(())
        } else {
            Err(self.malformed(format!("expected {written} elements, found {found}")))
        }
    }

    /// Takes the type of the elements in memory.
    pub(crate) fn memory_type(&self, m: &mut Modifiers<'_>) -> Result<PtxType> {
        match m.take_type() {
            Some(PtxType::B128) => Err(self.unsupported("128-bit elements")),
            Some(PtxType::Pred) | None => Err(self.malformed("the opcode has no memory type")),
            Some(ty) => Ok(ty),
        }
    }

    /// The operands of an access, of which there have to be `count`, and a cache policy at most.
    pub(crate) fn arguments<'o>(&self, o: &'o [Operand], count: usize) -> Result<&'o [Operand]> {
        // A trailing cache policy is a hint.
        if o.len() == count || o.len() == count + 1 {
            Ok(o)
        } else {
            Err(self.malformed(format!("expected {count} operands")))
        }
    }

    /// The registers of 32 bits that get a result, of which there have to be `count`.
    pub(crate) fn words_out(&mut self, operand: &Operand, count: usize) -> Result<Elements> {
        let parts = match operand {
            Operand::Vector(parts) => &parts[..],
            single => std::slice::from_ref(single),
        };
        if parts.len() != count {
            return Err(self.malformed(format!("expected {count} destination registers, found {}", parts.len())));
        }
        (0..count).map(|index| self.word_out(parts, index).map(Data::Word)).collect()
    }

    /// An address in the block's own shared memory.
    pub(crate) fn shared_address(&mut self, operand: Option<&Operand>) -> Result<AddressOperand> {
        self.address(operand, MemorySpace::Shared).map(|(_, address)| address)
    }
}
