//! Atomics: `atom` and `red`, and what they make of two values.

use super::step::{LaneFailure, Step, at_lane};
use crate::arithmetic::float;
use crate::arithmetic::formats::{BF16, F16, Format, Rounding};
use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::instrument::Instrument;
use crate::program::{AddressOperand, AtomicOp, AtomicType, Data, Elements, MemorySpace, Op};
use crate::state::access::{Access, Area, Place};
use crate::state::warp::lanes_of;
use warpbook_diagnostic::Result as Decoded;
use warpbook_ptx::isa::{Mnemonic, Modifier};
use warpbook_ptx::{Operand, PtxType};

impl<I: Instrument> Step<'_, '_, I> {
    pub(super) fn atomic(
        &mut self,
        (space, op, ty): (MemorySpace, AtomicOp, AtomicType),
        d: &[Data],
        address: &AddressOperand,
        a: &[Data],
        b: Option<Data>,
    ) -> Result<(), LaneFailure> {
        let addresses = self.addresses(address);
        let size = ty.size();
        let access = Access { space, name: "atomic access", size: size * a.len() as u32 };
        for lane in lanes_of(self.active) {
            if self.is_peer(space, addresses[lane]) {
                let operation = (op, ty, a, b);
                self.atomic_of_peer(access, addresses[lane], d, operation, lane).map_err(at_lane(lane))?;
                continue;
            }
            let place = self.place(access, addresses[lane], lane)?;
            let issuer = self.issuer(lane);
            if self.is_watched()
                && let Some(area) = Area::from_place(&place, 0, access.size)
            {
                self.block.instrument.changed(issuer, area);
            }
            for (index, &element) in a.iter().enumerate() {
                let (x, y) = (self.value(element, lane), b.map_or(0, |b| self.value(b, lane)));
                let in_global = matches!(place, Place::Global(..));
                let update = |old| if in_global { ty.apply_in_global(op, old, x, y) } else { ty.apply(op, old, x, y) };
                let old = self.block.memory.atomic(self.environment, &place, index * size as usize, ty, update);
                if let Some(&d) = d.get(index) {
                    self.set_lane(d, lane, old);
                }
            }
        }
        Ok(())
    }
}

impl AtomicType {
    /// As [`AtomicType::apply`], as the L2 cache does it: an f32 addition flushes subnormals, one of f64 leaves a NaN
    /// as it is. (Found on an H100.)
    pub fn apply_in_global(self, op: AtomicOp, old: u64, a: u64, b: u64) -> u64 {
        match (op, self) {
            (AtomicOp::Add, Self::F32) => {
                let [x, y] = [old, a].map(|bits| float::flush(f32::from_bits(bits as u32)));
                float::bits32(float::flush(x + y)).into()
            }
            (AtomicOp::Add, Self::F64) if float::is_nan64(a) => a,
            (AtomicOp::Add, Self::F64) if float::is_nan64(old) => old,
            _ => self.apply(op, old, a, b),
        }
    }

    /// The new value of an element.
    pub fn apply(self, op: AtomicOp, old: u64, a: u64, b: u64) -> u64 {
        match op {
            AtomicOp::Exchange => a,
            AtomicOp::CompareAndSwap => {
                let mask = if self.size() == 8 { u64::MAX } else { (1 << (8 * self.size())) - 1 };
                if old & mask == a & mask { b } else { old }
            }
            AtomicOp::And => old & a,
            AtomicOp::Or => old | a,
            AtomicOp::Xor => old ^ a,
            AtomicOp::Increment => {
                if old as u32 >= a as u32 {
                    0
                } else {
                    old + 1
                }
            }
            AtomicOp::Decrement => {
                if old as u32 == 0 || old as u32 > a as u32 {
                    a
                } else {
                    old - 1
                }
            }
            AtomicOp::Add => self.add(old, a),
            AtomicOp::Min | AtomicOp::Max => self.order(op == AtomicOp::Max, old, a),
        }
    }

    fn add(self, old: u64, a: u64) -> u64 {
        let half = |format: Format, x: u64, y: u64| {
            float::fused_multiply_add(format, x & 0xffff, format.from_f64(1.0), y & 0xffff, Rounding::NearestEven)
        };
        let pair = |format, x: u64, y: u64| half(format, x, y) | half(format, x >> 16, y >> 16) << 16;
        match self {
            Self::F32 => float::bits32(f32::from_bits(old as u32) + f32::from_bits(a as u32)).into(),
            Self::F64 => float::result64(f64::from_bits(old) + f64::from_bits(a), [old, a]),
            Self::F16 => half(F16, old, a),
            Self::Bf16 => half(BF16, old, a),
            Self::F16x2 => pair(F16, old, a),
            Self::Bf16x2 => pair(BF16, old, a),
            Self::U32 | Self::S32 | Self::B16 => (old as u32).wrapping_add(a as u32).into(),
            Self::U64 | Self::S64 => old.wrapping_add(a),
        }
    }

    fn order(self, want_max: bool, old: u64, a: u64) -> u64 {
        let half = |format, x: u64, y: u64| float::minimum_maximum(format, x & 0xffff, y & 0xffff, want_max, false);
        let pair = |format, x: u64, y: u64| half(format, x, y) | half(format, x >> 16, y >> 16) << 16;
        let less = match self {
            Self::F16 => return half(F16, old, a),
            Self::Bf16 => return half(BF16, old, a),
            Self::F16x2 => return pair(F16, old, a),
            Self::Bf16x2 => return pair(BF16, old, a),
            Self::S32 => (old as i32) < a as i32,
            Self::S64 => (old as i64) < a as i64,
            Self::U64 => old < a,
            _ => (old as u32) < a as u32,
        };
        if less == want_max { a } else { old }
    }
}

impl Decoder<'_> {
    /// Decodes the instructions `atom` and `red`.
    pub(crate) fn atomic(&mut self, mnemonic: Mnemonic, m: &mut Modifiers<'_>, o: &[Operand]) -> Decoded<()> {
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
