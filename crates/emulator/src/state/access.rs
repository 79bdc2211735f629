//! One lane's access to a state space: where it goes, whether it may.

use crate::arithmetic::float;
use crate::arithmetic::formats::{BF16, F16, Format, Rounding};
use crate::fault::FaultKind;
use crate::program::{AtomicOp, AtomicType, MemorySpace};
use crate::run::block::{BlockMemory, Environment};
use crate::run::cluster::RANK_SHIFT;
use crate::state::memory::Allocation;

/// Generic addresses of shared memory begin here.
pub(crate) const SHARED_WINDOW: u64 = 1 << 56;
/// Generic addresses of local memory begin here.
pub(crate) const LOCAL_WINDOW: u64 = 2 << 56;
/// Generic addresses of the kernel's parameters begin here.
pub(crate) const PARAM_WINDOW: u64 = 3 << 56;
const WINDOW_SIZE: u64 = 1 << 32;

/// The space of a generic address, and the address in it.
pub(crate) fn resolve_generic(address: u64) -> (MemorySpace, u64) {
    if address.wrapping_sub(SHARED_WINDOW) < WINDOW_SIZE {
        (MemorySpace::Shared, address - SHARED_WINDOW)
    } else if address.wrapping_sub(LOCAL_WINDOW) < WINDOW_SIZE {
        (MemorySpace::Local, address - LOCAL_WINDOW)
    } else if address.wrapping_sub(PARAM_WINDOW) < WINDOW_SIZE {
        (MemorySpace::Param, address - PARAM_WINDOW)
    } else {
        (MemorySpace::Global, address)
    }
}

/// Where an access ends up.
pub(crate) enum Place<'a> {
    /// An allocation and a byte offset in it.
    Global(&'a Allocation, u64),
    /// A byte offset in the block's shared memory.
    Shared(usize),
    /// A byte offset in the local memory of all threads.
    Local(usize),
    /// A byte offset in the parameter block.
    Param(usize),
}

/// One access, for its reports.
#[derive(Clone, Copy)]
pub(crate) struct Access {
    pub space: MemorySpace,
    pub name: &'static str,
    /// Bytes of the whole vector.
    pub size: u32,
}

impl BlockMemory {
    /// Checks alignment and bounds of one lane's access. `thread` is its number in the block.
    #[inline]
    pub fn place<'a>(
        &mut self,
        environment: &Environment<'a>,
        access: Access,
        address: u64,
        thread: u32,
    ) -> Result<Place<'a>, FaultKind> {
        let size = access.size;
        if address & u64::from(size - 1) != 0 {
            return Err(FaultKind::Misaligned { address, size });
        }
        let (space, address) = match access.space {
            MemorySpace::Generic => resolve_generic(address),
            space => (space, address),
        };
        let end = address.wrapping_add(size.into());
        match space {
            MemorySpace::Global | MemorySpace::Generic => {
                self.global(environment, access, address).map(|(allocation, offset)| Place::Global(allocation, offset))
            }
            MemorySpace::Shared | MemorySpace::Cluster => self.shared(access, address).map(Place::Shared),
            MemorySpace::Local => {
                let each = u64::from(environment.program.local_bytes);
                if address < end && end <= each {
                    return Ok(Place::Local((u64::from(thread) * each + address) as usize));
                }
                let near = Some(("the thread's local memory".to_owned(), each, address as i64));
                Err(FaultKind::OutOfBounds { access: access.name, space: "local", address, size, near })
            }
            MemorySpace::Param => {
                if address < end && end <= environment.parameters.len() as u64 {
                    return Ok(Place::Param(address as usize));
                }
                let near =
                    Some(("the kernel's parameters".to_owned(), environment.parameters.len() as u64, address as i64));
                Err(FaultKind::OutOfBounds { access: access.name, space: "param", address, size, near })
            }
        }
    }

    /// The allocation that holds an access, and the offset in it. The alignment has been checked.
    #[inline(always)]
    pub fn global<'a>(
        &mut self,
        environment: &Environment<'a>,
        access: Access,
        address: u64,
    ) -> Result<(&'a Allocation, u64), FaultKind> {
        if let Some(allocation) = environment.memory.allocations().get(self.last_allocation)
            && allocation.contains(address, access.size.into())
        {
            return Ok((allocation, address - allocation.address));
        }
        self.another_allocation(environment, access, address)
    }

    #[cold]
    fn another_allocation<'a>(
        &mut self,
        environment: &Environment<'a>,
        access: Access,
        address: u64,
    ) -> Result<(&'a Allocation, u64), FaultKind> {
        let allocations = environment.memory.allocations();
        if let Some(index) = environment.memory.nearest(address)
            && allocations[index].contains(address, access.size.into())
        {
            self.last_allocation = index;
            return Ok((&allocations[index], address - allocations[index].address));
        }
        Err(out_of_bounds(environment, access, address))
    }

    /// The byte offset in shared memory of an access. The alignment has been checked.
    #[inline(always)]
    pub fn shared(&mut self, access: Access, address: u64) -> Result<usize, FaultKind> {
        let end = address.wrapping_add(access.size.into());
        if address < end && end <= self.shared.len() as u64 {
            self.shared_touched = self.shared_touched.max(end);
            return Ok(address as usize);
        }
        self.outside_shared(access, address)
    }

    #[cold]
    fn outside_shared(&mut self, access: Access, address: u64) -> Result<usize, FaultKind> {
        // An address of the cluster's window that is the block's own.
        if address < 1 << 32 && address >> RANK_SHIFT == u64::from(self.rank) + 1 {
            return self.shared(access, address & ((1 << RANK_SHIFT) - 1));
        }
        let near = Some(("shared memory".to_owned(), self.shared.len() as u64, address as i64));
        Err(FaultKind::OutOfBounds { access: access.name, space: "shared", address, size: access.size, near })
    }

    /// Reads an element of `size` bytes, zero-extended. The place has been checked for the whole vector.
    #[inline]
    pub fn read(&self, environment: &Environment<'_>, place: &Place<'_>, offset: usize, size: u32) -> u64 {
        let bytes = match place {
            Place::Global(allocation, at) => {
                let at = at + offset as u64;
                return match size {
                    1 => allocation.load8(at).into(),
                    2 => allocation.load16(at).into(),
                    4 => allocation.load32(at).into(),
                    _ => allocation.load64(at),
                };
            }
            Place::Shared(at) => &self.shared[at + offset..],
            Place::Local(at) => &self.local[at + offset..],
            Place::Param(at) => &environment.parameters[at + offset..],
        };
        match (size, bytes) {
            (4, [a, b, c, d, ..]) => u32::from_le_bytes([*a, *b, *c, *d]).into(),
            (8, [a, b, c, d, e, f, g, h, ..]) => u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
            (2, [a, b, ..]) => u16::from_le_bytes([*a, *b]).into(),
            _ => bytes.first().copied().unwrap_or_default().into(),
        }
    }

    /// Writes the low `size` bytes of a value.
    #[inline]
    pub fn write(&mut self, place: &Place<'_>, offset: usize, size: u32, value: u64) {
        let bytes = match place {
            Place::Global(allocation, at) => {
                self.spin.changed();
                let at = at + offset as u64;
                return match size {
                    1 => allocation.store8(at, value as u8),
                    2 => allocation.store16(at, value as u16),
                    4 => allocation.store32(at, value as u32),
                    _ => allocation.store64(at, value),
                };
            }
            Place::Shared(at) => &mut self.shared[at + offset..],
            Place::Local(at) => &mut self.local[at + offset..],
            // Decoding refuses stores to parameters.
            Place::Param(_) => return,
        };
        let count = (size as usize).min(bytes.len());
        bytes[..count].copy_from_slice(&value.to_le_bytes()[..count]);
    }

    /// A read-modify-write of one element; returns the old value.
    pub fn atomic(
        &mut self,
        environment: &Environment<'_>,
        place: &Place<'_>,
        offset: usize,
        ty: AtomicType,
        update: impl Fn(u64) -> u64,
    ) -> u64 {
        use std::sync::atomic::Ordering::AcqRel;
        use std::sync::atomic::Ordering::Acquire;
        let size = ty.size();
        if let Place::Global(allocation, at) = place {
            let at = at + offset as u64;
            // The closures always give a value, so that the update cannot fail.
            let old = match size {
                2 => allocation
                    .cell16(at)
                    .fetch_update(AcqRel, Acquire, |old| Some(update(old.into()) as u16))
                    .map_or(0, u64::from),
                4 => allocation
                    .cell32(at)
                    .fetch_update(AcqRel, Acquire, |old| Some(update(old.into()) as u32))
                    .map_or(0, u64::from),
                _ => allocation.cell64(at).fetch_update(AcqRel, Acquire, |old| Some(update(old))).unwrap_or(0),
            };
            if (update(old) ^ old) << (64 - 8 * size) == 0 {
                self.spin.left_as_it_was(allocation.address + at);
            } else {
                self.spin.changed();
            }
            return old;
        }
        let old = self.read(environment, place, offset, size);
        let new = update(old);
        self.write(place, offset, size, new);
        if (new ^ old) << (64 - 8 * size) != 0 {
            self.spin.changed_shared();
        }
        old
    }
}

pub(crate) fn out_of_bounds(environment: &Environment<'_>, access: Access, address: u64) -> FaultKind {
    let allocations = environment.memory.allocations();
    let below = environment.memory.nearest(address).map(|index| &allocations[index]);
    let above = allocations.get(environment.memory.nearest(address).map_or(0, |index| index + 1));
    let describe = |allocation: &Allocation| {
        (allocation.label.clone(), allocation.length, address.wrapping_sub(allocation.address) as i64)
    };
    // The nearer neighbour, within reach of a plausible index.
    let after = below.map(|a| address - a.address - a.length.min(address - a.address));
    let before = above.map(|a| a.address - address);
    let near = match (after, before) {
        (Some(after), Some(before)) if before < after => above,
        (None, Some(_)) => above,
        (Some(_), _) => below,
        (None, None) => None,
    };
    let near = near.map(describe).filter(|(_, _, offset)| offset.unsigned_abs() < 1 << 40);
    FaultKind::OutOfBounds { access: access.name, space: "global", address, size: access.size, near }
}

impl AtomicType {
    /// Bytes of one element.
    pub fn size(self) -> u32 {
        match self {
            Self::F16 | Self::Bf16 | Self::B16 => 2,
            Self::U64 | Self::S64 | Self::F64 => 8,
            _ => 4,
        }
    }

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
