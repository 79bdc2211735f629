//! Tensor memory: 128 lanes of 512 columns of 32 bits, which a block allocates by columns. PTX ISA 9.7.16.1.

use crate::fault::FaultKind;

pub(crate) const LANES: u32 = 128;
pub(crate) const COLUMNS: u32 = 512;
/// The fewest columns of an allocation.
pub(crate) const FEWEST: u32 = 32;
/// What is there before anything was written: a NaN as f32, as f16 and as bf16.
pub(crate) const UNTOUCHED: u32 = u32::MAX;

/// That of a block.
pub(crate) struct TensorMemory {
    cells: Vec<u32>,
    /// First column and number of columns, by the first.
    allocations: Vec<(u32, u32)>,
    /// What was allocated before, and given back.
    released: Vec<(u32, u32)>,
    /// Whether the block has said that it allocates no more.
    pub relinquished: bool,
}

impl TensorMemory {
    pub fn new() -> Self {
        let cells = vec![UNTOUCHED; (LANES * COLUMNS) as usize];
        Self { cells, allocations: Vec::new(), released: Vec::new(), relinquished: false }
    }

    /// First fit.
    pub fn allocate(&mut self, columns: u32) -> Result<u32, FaultKind> {
        if !columns.is_power_of_two() || !(FEWEST..=COLUMNS).contains(&columns) {
            let message =
                format!("{columns} columns of tensor memory cannot be allocated: 32, 64, 128, 256 or 512 can");
            return Err(FaultKind::TensorMemory(message));
        }
        if self.relinquished {
            let message = "the block has given up its permission to allocate tensor memory".to_owned();
            return Err(FaultKind::TensorMemory(message));
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
            return Err(FaultKind::TensorMemory(message));
        }
        self.allocations.push((first, columns));
        Ok(first)
    }

    pub fn release(&mut self, first: u32, columns: u32) -> Result<(), FaultKind> {
        match self.allocations.iter().position(|&allocation| allocation == (first, columns)) {
            Some(index) => {
                let released = self.allocations.remove(index);
                if !self.released.contains(&released) {
                    self.released.push(released);
                }
                Ok(())
            }
            None => Err(FaultKind::TensorMemory(format!(
                "tensor memory address {first:#x} with {columns} columns is not what was allocated"
            ))),
        }
    }

    /// Whether there are so many columns from an address on.
    pub fn check(&self, access: &'static str, address: u32, columns: u32) -> Result<(), FaultKind> {
        let (lane, column) = (address >> 16, address & 0xffff);
        let holds = |&&(first, length): &&(u32, u32)| {
            column >= first && u64::from(column) + u64::from(columns) <= u64::from(first + length)
        };
        if lane < LANES && self.allocations.iter().any(|own| holds(&own)) {
            return Ok(());
        }
        if lane < LANES && self.released.iter().any(|own| holds(&own)) {
            let last = u64::from(column) + u64::from(columns) - 1;
            let which = if columns == 1 { format!("column {column}") } else { format!("columns {column} to {last}") };
            let message = format!("{access} of {which} of tensor memory, which `tcgen05.dealloc` has given back");
            return Err(FaultKind::TensorMemory(message));
        }
        let size = 4 * columns;
        Err(FaultKind::OutOfBounds { access, space: "tensor memory", address: address.into(), size, near: None })
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
pub(crate) fn not_allocated() -> FaultKind {
    FaultKind::TensorMemory("no tensor memory is allocated".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_allocated_by_first_fit() {
        let mut tensor = TensorMemory::new();
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
