//! Tensor memory: 128 lanes of 512 columns of 32 bits, which a block allocates by columns. PTX ISA 9.7.16.1.

use crate::fault::Fault;
use crate::program::TensorAccess;

pub(crate) const LANES: u32 = 128;
pub(crate) const COLUMNS: u32 = 512;
/// The fewest columns of an allocation.
pub(crate) const FEWEST: u32 = 32;
/// What is there before anything was written: a NaN as f32, as f16 and as bf16.
pub(crate) const UNTOUCHED: u32 = u32::MAX;

/// The tensor memory of a block.
pub(crate) struct TensorMemory {
    cells: Vec<u32>,
    /// First column and number of columns of each allocation, by the first column.
    allocations: Vec<(u32, u32)>,
    /// Allocations that were given back: first column and number of columns.
    released: Vec<(u32, u32)>,
    /// True if the block has given up its permission to allocate.
    pub relinquished: bool,
    /// True in a checked launch, where an access of columns that were given back is a finding, not a fault.
    is_checked: bool,
}

impl TensorMemory {
    /// Nothing is allocated yet. `is_checked` is true in a checked launch.
    pub fn new(is_checked: bool) -> Self {
        let cells = vec![UNTOUCHED; (LANES * COLUMNS) as usize];
        Self { cells, allocations: Vec::new(), released: Vec::new(), relinquished: false, is_checked }
    }

    /// Allocates columns at the first place where they fit, and returns the first one. An error says why they cannot be
    /// allocated.
    pub fn allocate(&mut self, columns: u32) -> Result<u32, Fault> {
        if !columns.is_power_of_two() || !(FEWEST..=COLUMNS).contains(&columns) {
            let message =
                format!("{columns} columns of tensor memory cannot be allocated: 32, 64, 128, 256 or 512 can");
            return Err(Fault::TensorMemory(message));
        }
        if self.relinquished {
            let message = "the block has given up its permission to allocate tensor memory".to_owned();
            return Err(Fault::TensorMemory(message));
        }
        let mut first = 0;
        for (index, &(start, length)) in self.allocations.iter().enumerate() {
            if start - first >= columns {
                self.allocations.insert(index, (first, columns));
                return Ok(first);
            }
            first = start + length;
        }
        if COLUMNS - first < columns {
            let taken: u32 = self.allocations.iter().map(|(_, length)| length).sum();
            let message =
                format!("there are no {columns} columns of tensor memory left: {taken} of {COLUMNS} are allocated");
            return Err(Fault::TensorMemory(message));
        }
        self.allocations.push((first, columns));
        Ok(first)
    }

    pub fn release(&mut self, first: u32, columns: u32) -> Result<(), Fault> {
        match self.allocations.iter().position(|&allocation| allocation == (first, columns)) {
            Some(index) => {
                let released = self.allocations.remove(index);
                if !self.released.contains(&released) {
                    self.released.push(released);
                }
                Ok(())
            }
            None => Err(Fault::TensorMemory(format!(
                "tensor memory address {first:#x} with {columns} columns is not what was allocated"
            ))),
        }
    }

    /// Checks that all these columns from an address on are allocated.
    pub fn check(&self, access: &'static str, address: u32, columns: u32) -> Result<(), Fault> {
        let (lane, column) = (address >> 16, address & 0xffff);
        let holds = |&&(first, length): &&(u32, u32)| {
            column >= first && u64::from(column) + u64::from(columns) <= u64::from(first + length)
        };
        if lane < LANES && self.allocations.iter().any(|own| holds(&own)) {
            return Ok(());
        }
        if lane < LANES && self.released.iter().any(|own| holds(&own)) {
            if self.is_checked {
                return Ok(());
            }
            let last = u64::from(column) + u64::from(columns) - 1;
            let which = if columns == 1 { format!("column {column}") } else { format!("columns {column} to {last}") };
            let message = format!("{access} of {which} of tensor memory, which `tcgen05.dealloc` has given back");
            return Err(Fault::TensorMemory(message));
        }
        let size = 4 * columns;
        Err(Fault::OutOfBounds { access, space: "tensor memory", address: address.into(), size, near: None })
    }

    /// A cell; one that is outside is as if untouched.
    #[inline(always)]
    pub fn cell(&self, lane: u32, column: u32) -> u32 {
        self.cells.get((lane * COLUMNS + column) as usize).copied().unwrap_or(UNTOUCHED)
    }

    /// Writes a cell.
    #[inline(always)]
    pub fn put(&mut self, lane: u32, column: u32, value: u32) {
        if let Some(cell) = self.cells.get_mut((lane * COLUMNS + column) as usize) {
            *cell = value;
        }
    }
}

/// There is none before it is allocated.
pub(crate) fn not_allocated() -> Fault {
    Fault::TensorMemory("no tensor memory is allocated".to_owned())
}

/// Lanes that every access takes or leaves together.
pub(crate) const TOGETHER: u32 = 16;

/// Sixteen lanes of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cells {
    pub column: u32,
    /// First lane over sixteen.
    pub group: u32,
}

impl Cells {
    /// The cells of an address in tensor memory.
    pub fn from_address(address: u32) -> Self {
        Self { column: address & 0xffff, group: (address >> 16) / TOGETHER }
    }
}

/// How cells are accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TensorUse {
    /// `tcgen05.ld`
    Load,
    /// `tcgen05.st`
    Store,
    /// What a `tcgen05.mma` multiplies or scales with.
    Operand,
    /// The accumulator, which is added to or not.
    Sum { add: bool },
    /// `tcgen05.cp`
    Copy,
    /// `tcgen05.dealloc`
    Release,
}

impl TensorUse {
    pub fn is_of_the_core(self) -> bool {
        matches!(self, Self::Operand | Self::Sum { .. } | Self::Copy)
    }

    pub fn reads(self) -> bool {
        matches!(self, Self::Load | Self::Operand | Self::Sum { add: true })
    }

    pub fn writes(self) -> bool {
        !matches!(self, Self::Load | Self::Operand)
    }
}

/// All cells of some columns.
pub(crate) fn columns(first: u32, count: u32) -> impl Iterator<Item = Cells> {
    (first..first.saturating_add(count).min(COLUMNS))
        .flat_map(|column| (0..LANES / TOGETHER).map(move |group| Cells { column, group }))
}

impl TensorAccess {
    /// The cells that it touches, each once.
    pub fn all_cells(&self, address: u32) -> Vec<Cells> {
        let mut cells: Vec<Cells> = Vec::new();
        for register in 0..self.registers.len() {
            let own = self.cells(address, register).into_iter();
            cells.extend(
                own.flat_map(|cell| (0..=u32::from(self.packed)).map(move |second| Cells::from_address(cell + second))),
            );
        }
        cells.sort_unstable();
        cells.dedup();
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_allocated_by_first_fit() {
        let mut tensor = TensorMemory::new(false);
        let mut allocate = |columns| tensor.allocate(columns);
        assert_eq!((allocate(128), allocate(256), allocate(64)), (Ok(0), Ok(128), Ok(384)));
        assert!(allocate(128).is_err() && allocate(48).is_err() && allocate(16).is_err());
        assert_eq!(tensor.release(0, 128), Ok(()));
        assert!(tensor.release(0, 128).is_err());
        assert_eq!((tensor.allocate(64), tensor.allocate(64)), (Ok(0), Ok(64)));
        tensor.relinquished = true;
        assert!(tensor.allocate(32).is_err());
    }
}
