//! One lane's access to a state space: where it goes, whether it may.

use super::address::{OFFSET_MASK, RANK_SHIFT, resolve_generic};
use super::block_memory::BlockMemory;
use super::environment::Environment;
use super::memory::Allocation;
use crate::fault::Fault;
use crate::program::{AtomicType, MemorySpace};

/// The bytes that an access reaches.
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
    /// The state space that it names.
    pub space: MemorySpace,
    /// What it does, for reports: `read`, `write`, `atomic access`.
    pub name: &'static str,
    /// Number of bytes of the whole vector.
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
    ) -> Result<Place<'a>, Fault> {
        let size = access.size;
        if address & u64::from(size - 1) != 0 {
            return Err(Fault::Misaligned { address, size });
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
                Err(Fault::OutOfBounds { access: access.name, space: "local", address, size, near })
            }
            MemorySpace::Param => {
                if address < end && end <= environment.parameters.len() as u64 {
                    return Ok(Place::Param(address as usize));
                }
                let near =
                    Some(("the kernel's parameters".to_owned(), environment.parameters.len() as u64, address as i64));
                Err(Fault::OutOfBounds { access: access.name, space: "param", address, size, near })
            }
        }
    }

    /// Where one lane's access will go, for who only looks; `None` where it will fault.
    pub fn find_place<'a>(
        &self,
        environment: &Environment<'a>,
        access: Access,
        address: u64,
        thread: u32,
    ) -> Option<Place<'a>> {
        let size = access.size;
        if address & u64::from(size - 1) != 0 {
            return None;
        }
        let (space, address) = match access.space {
            MemorySpace::Generic => resolve_generic(address),
            space => (space, address),
        };
        let inside = |address: u64, length: u64| {
            let end = address.wrapping_add(size.into());
            address < end && end <= length
        };
        match space {
            MemorySpace::Global | MemorySpace::Generic => {
                let allocation = environment.memory.find(address, size.into())?;
                Some(Place::Global(allocation, address - allocation.address))
            }
            MemorySpace::Shared | MemorySpace::Cluster => {
                // An address of the cluster's window may be the block's own.
                let own = address < 1 << 32 && address >> RANK_SHIFT == u64::from(self.rank) + 1;
                let length = self.shared.len() as u64;
                let address = if own && !inside(address, length) { address & OFFSET_MASK } else { address };
                inside(address, length).then_some(Place::Shared(address as usize))
            }
            MemorySpace::Local => {
                let each = u64::from(environment.program.local_bytes);
                inside(address, each).then(|| Place::Local((u64::from(thread) * each + address) as usize))
            }
            MemorySpace::Param => {
                inside(address, environment.parameters.len() as u64).then_some(Place::Param(address as usize))
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
    ) -> Result<(&'a Allocation, u64), Fault> {
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
    ) -> Result<(&'a Allocation, u64), Fault> {
        let allocations = environment.memory.allocations();
        // The heap never becomes `last_allocation`, so that each access to it comes here.
        if environment.heap.holds(address) {
            environment.check_heap(access, address)?;
            if let Some(allocation) = environment.memory.find(address, access.size.into()) {
                return Ok((allocation, address - allocation.address));
            }
        }
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
    pub fn shared(&mut self, access: Access, address: u64) -> Result<usize, Fault> {
        let end = address.wrapping_add(access.size.into());
        if address < end && end <= self.shared.len() as u64 {
            self.shared_touched = self.shared_touched.max(end);
            return Ok(address as usize);
        }
        self.outside_shared(access, address)
    }

    #[cold]
    fn outside_shared(&mut self, access: Access, address: u64) -> Result<usize, Fault> {
        // An address of the cluster's window that is the block's own.
        if address < 1 << 32 && address >> RANK_SHIFT == u64::from(self.rank) + 1 {
            return self.shared(access, address & ((1 << RANK_SHIFT) - 1));
        }
        let near = Some(("shared memory".to_owned(), self.shared.len() as u64, address as i64));
        Err(Fault::OutOfBounds { access: access.name, space: "shared", address, size: access.size, near })
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

impl Environment<'_> {
    /// A fault where the access lies in the heap of `malloc`, and not in a piece of it that is in use.
    pub fn check_heap(&self, access: Access, address: u64) -> Result<(), Fault> {
        let Access { name, size, .. } = access;
        if !self.heap.holds(address) {
            return Ok(());
        }
        self.heap.check(address, size.into()).map_err(|piece| Fault::Heap { access: name, address, size, piece })
    }
}

pub(crate) fn out_of_bounds(environment: &Environment<'_>, access: Access, address: u64) -> Fault {
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
    Fault::OutOfBounds { access: access.name, space: "global", address, size: access.size, near }
}

/// The lane and the instruction that an access or an operation comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Issuer {
    pub warp: u32,
    pub lane: u32,
    pub pc: u32,
}

/// Bytes of the block's shared memory, or of global memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    /// True if `address` is one of shared memory.
    pub shared: bool,
    pub address: u64,
    pub size: u32,
}

impl Area {
    /// `size` bytes of the block's shared memory.
    pub fn shared(at: usize, size: u32) -> Self {
        Self { shared: true, address: at as u64, size }
    }

    /// `size` bytes of global memory.
    pub fn global(address: u64, size: u32) -> Self {
        Self { shared: false, address, size }
    }

    /// `size` bytes from an offset on; `None` where they are a thread's own.
    pub fn from_place(place: &Place<'_>, offset: usize, size: u32) -> Option<Self> {
        match place {
            Place::Shared(at) => Some(Self { shared: true, address: (at + offset) as u64, size }),
            Place::Global(allocation, at) => {
                Some(Self { shared: false, address: allocation.address + at + offset as u64, size })
            }
            Place::Local(_) | Place::Param(_) => None,
        }
    }
}
