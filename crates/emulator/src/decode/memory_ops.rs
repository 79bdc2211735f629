//! Loads, stores, atomics, asynchronous copies and address conversions.

use super::Decoder;
use super::modifiers::Modifiers;
use super::place::Place;
use super::scope::file_of;
use crate::program::File;
use crate::program::{AddressOperand, AtomicOp, AtomicType, Base, Data, Elements, MemorySpace, Op};
use warpbook_diagnostic::Result;
use warpbook_ptx::{Address, Immediate, Operand, PtxType};

/// Hints that do not change what a load or store means on coherent memory without caches.
const CACHE_HINTS: [&str; 9] = ["ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc", "volatile"];
const SCOPES: [&str; 5] = ["cta", "cluster", "gpu", "sys", "gl"];
const ORDERINGS: [&str; 7] = ["weak", "relaxed", "acquire", "release", "acq_rel", "sc", "mmio"];

impl Decoder<'_> {
    /// Takes the state space, cache hints, ordering and scope; generic where no space is written.
    fn take_memory(&mut self, m: &mut Modifiers<'_>) -> Result<MemorySpace> {
        let mut operator = None;
        loop {
            match m.take_any(&CACHE_HINTS) {
                Some("nc" | "volatile") => {}
                Some(found) => operator = Some(found),
                None if m.take_any(&SCOPES).is_some() || m.take_any(&ORDERINGS).is_some() => {}
                None => break,
            }
        }
        while let Some(hint) = m.take_prefixed("L1::").or_else(|| m.take_prefixed("L2::")) {
            if let Some(operator) = operator.filter(|_| hint.starts_with("L1::evict")) {
                // ptxas refuses it too.
                return Err(self.malformed(format!("the cache operator `.{operator}` does not go with `.{hint}`")));
            }
        }
        if m.take("shared::cluster") {
            return Ok(MemorySpace::Cluster);
        }
        let space =
            m.take_any(&["global", "shared::cta", "shared", "local", "param::entry", "param::func", "param", "const"]);
        Ok(match space {
            Some("global" | "const") => MemorySpace::Global,
            Some("shared" | "shared::cta") => MemorySpace::Shared,
            Some("local") => MemorySpace::Local,
            Some(_) => MemorySpace::Param,
            None => MemorySpace::Generic,
        })
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
        let written = m.take_any(&["v2", "v4", "v8"]).map_or(1, |v| match v {
            "v2" => 2,
            "v4" => 4,
            _ => 8,
        });
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

    pub(super) fn atomic(&mut self, name: &str, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take("noftz");
        m.take("async");
        let ty = self.memory_type(m)?;
        let op = match m.take_any(&["exch", "cas"]) {
            Some("exch") => Some(AtomicOp::Exchange),
            Some(_) => Some(AtomicOp::CompareAndSwap),
            None => take_reduction(m),
        };
        let op = op.ok_or_else(|| self.malformed(format!("`{name}` has no operation")))?;
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
            _ => return Err(self.unsupported(format!("`{name}` of .{ty}"))),
        };
        let float = ty.is_float();
        let allowed = match op {
            AtomicOp::Add => true,
            AtomicOp::Min | AtomicOp::Max => !matches!(element, AtomicType::F32 | AtomicType::F64),
            AtomicOp::Increment | AtomicOp::Decrement => element == AtomicType::U32,
            _ => exact && !float,
        };
        if !allowed {
            return Err(self.unsupported(format!("`{name}` with this operation on .{ty}")));
        }
        let space = self.take_memory(m)?;
        let first = usize::from(name == "atom");
        let sources = if op == AtomicOp::CompareAndSwap { 2 } else { 1 };
        let o = self.arguments(o, first + 1 + sources)?;
        let d: Elements = if name == "atom" { self.elements_out(&o[0], ty.size())? } else { Box::new([]) };
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
        if m.has("bulk") {
            return self.bulk_copy(m, o);
        }
        if !m.take("async") || m.has("mbarrier") || m.has("reduce") {
            return Err(self.unsupported("`cp.async.mbarrier`"));
        }
        if m.take("commit_group") {
            self.emit(Op::CopyCommit);
            return Ok(());
        }
        if m.take("wait_group") {
            let pending = self.constant_u32(o, 0)?;
            self.emit(Op::CopyWait { pending });
            return Ok(());
        }
        if m.take("wait_all") {
            self.emit(Op::CopyCommit);
            self.emit(Op::CopyWait { pending: 0 });
            return Ok(());
        }
        let ignores = m.take("ignore-src");
        while m.take_any(&["ca", "cg", "shared", "shared::cta", "global"]).is_some() {}
        while m.take_prefixed("L1::").is_some() || m.take_prefixed("L2::").is_some() {}
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
            Some(_) if ignores => ignore = Some(self.predicate(o, 3)?),
            Some(_) => return Err(self.malformed("operand 4 is the number of bytes to copy")),
        }
        self.emit(Op::CopyAsync { size, shared, global, source_size, ignore });
        Ok(())
    }

    fn take_window(&self, m: &mut Modifiers<'_>) -> Result<MemorySpace> {
        match m.take_any(&["global", "const", "shared::cluster", "shared::cta", "shared", "local", "param"]) {
            Some("global" | "const") => Ok(MemorySpace::Global),
            Some("shared::cluster") => Ok(MemorySpace::Cluster),
            Some("shared" | "shared::cta") => Ok(MemorySpace::Shared),
            Some("local") => Ok(MemorySpace::Local),
            Some(_) => Ok(MemorySpace::Param),
            None => Err(self.malformed("the opcode has no state space")),
        }
    }

    pub(super) fn convert_address(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take_type();
        let from_generic = m.take("to");
        let space = self.take_window(m)?;
        let a = self.long(o, 1)?;
        let d = self.long_out(o, 0)?;
        self.emit(if from_generic { Op::FromGeneric { space, d, a } } else { Op::ToGeneric { space, d, a } });
        Ok(())
    }

    /// `mapa`: of an address in shared memory, or of a generic one. PTX ISA 9.7.9.23.
    pub(super) fn map_address(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let in_shared = m.take("shared::cluster");
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
        m.take("shared::cluster");
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

/// The operation of a reduction in memory: those of `atom` that take one value.
pub(super) fn take_reduction(m: &mut Modifiers<'_>) -> Option<AtomicOp> {
    let name = m.take_any(&["add", "min", "max", "and", "or", "xor", "inc", "dec"])?;
    Some(match name {
        "add" => AtomicOp::Add,
        "min" => AtomicOp::Min,
        "max" => AtomicOp::Max,
        "and" => AtomicOp::And,
        "or" => AtomicOp::Or,
        "xor" => AtomicOp::Xor,
        "inc" => AtomicOp::Increment,
        _ => AtomicOp::Decrement,
    })
}
