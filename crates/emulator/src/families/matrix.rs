//! `ldmatrix` and `stmatrix`: matrices of 8 by 8 between shared memory and the registers of a warp. PTX ISA 9.7.14.5.15.

// Lanes and rows are indices into several arrays at once.
#![allow(clippy::needless_range_loop)]

use super::step::{LaneFailure, Step, at_lane};
use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::fault::Fault;
use crate::instrument::Instrument;
use crate::program::{AddressOperand, Data, MemorySpace, Op};
use crate::state::access::{Access, Place};
use warpbook_diagnostic::Result as Decoded;
use warpbook_ptx::isa::{MatrixShape, Modifier};
use warpbook_ptx::{Operand, PtxType};

impl<I: Instrument> Step<'_, '_, I> {
    /// Row `lane` (or column, transposed) of matrix `m` comes from the address of lane 8·m + row.
    pub(super) fn load_matrix(
        &mut self,
        count: u32,
        transpose: bool,
        d: &[Data],
        address: &AddressOperand,
    ) -> Result<(), LaneFailure> {
        let addresses = self.addresses(address);
        let access = Access { space: MemorySpace::Shared, name: "read", size: 16 };
        for (matrix, element) in d.iter().enumerate().take(count as usize) {
            let mut rows = [[0u32; 4]; 8];
            for (row, words) in rows.iter_mut().enumerate() {
                let lane = 8 * matrix + row;
                let address = addresses[lane];
                let at = if address.is_multiple_of(16) {
                    self.block.memory.shared(access, address)
                } else {
                    Err(Fault::Misaligned { address, size: 16 })
                };
                let at = at.map_err(at_lane(lane))?;
                if self.is_watched() {
                    self.note_read(&Place::Shared(at), 16, lane);
                }
                for (word, bytes) in words.iter_mut().zip(self.block.memory.shared[at..at + 16].as_chunks().0) {
                    *word = u32::from_le_bytes(*bytes);
                }
            }
            let Data::Word(slot) = element else { continue };
            let mut value = [0; 32];
            for row in 0..8 {
                for pair in 0..4 {
                    if transpose {
                        // Rows 2·pair and 2·pair + 1 are the halves of a lane's word; here of two lanes, two columns.
                        let (column, odd) = (row / 2, row % 2);
                        let (low, high) = (rows[2 * pair][column], rows[2 * pair + 1][column]);
                        value[4 * row + pair] =
                            if odd == 0 { low & 0xffff | high << 16 } else { low >> 16 | high & 0xffff_0000 };
                    } else {
                        value[4 * row + pair] = rows[row][pair];
                    }
                }
            }
            self.set_word(*slot, &value);
        }
        Ok(())
    }

    pub(super) fn store_matrix(
        &mut self,
        transpose: bool,
        a: &[Data],
        address: &AddressOperand,
    ) -> Result<(), LaneFailure> {
        let addresses = self.addresses(address);
        let access = Access { space: MemorySpace::Shared, name: "write", size: 16 };
        for (matrix, &element) in a.iter().enumerate() {
            let Data::Word(slot) = element else { continue };
            let fragment = *self.word(slot);
            for row in 0..8 {
                let lane = 8 * matrix + row;
                let place = self.place(access, addresses[lane], lane)?;
                for column in 0..8 {
                    let (i, j) = if transpose { (column, row) } else { (row, column) };
                    let value = fragment[4 * i + j / 2] >> (16 * (j % 2)) & 0xffff;
                    if self.is_watched() {
                        self.note_write(&place, 2 * column, 2, value.into(), lane);
                    }
                    self.block.memory.write(&place, 2 * column, 2, value.into());
                }
            }
        }
        Ok(())
    }
}

impl Decoder<'_> {
    /// Decodes the instruction `ldmatrix`.
    pub(crate) fn load_matrix(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Decoded<()> {
        let (count, transpose) = self.take_matrices(m)?;
        let (_, address) = self.address(o.get(1), MemorySpace::Shared)?;
        let d = self.words_out(o.first().unwrap_or(&Operand::Sink), count)?;
        self.emit(Op::LoadMatrix { count: count as u32, transpose, d, address });
        Ok(())
    }

    /// Decodes the instruction `stmatrix`.
    pub(crate) fn store_matrix(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Decoded<()> {
        let (count, transpose) = self.take_matrices(m)?;
        let (_, address) = self.address(o.first(), MemorySpace::Shared)?;
        let a = self.elements_in(o.get(1).unwrap_or(&Operand::Sink), 4)?;
        if a.len() != count || a.iter().any(|data| !matches!(data, Data::Word(_))) {
            return Err(self.malformed(format!("expected {count} 32-bit registers")));
        }
        self.emit(Op::StoreMatrix { transpose, a, address });
        Ok(())
    }

    /// Takes the modifiers of `ldmatrix` and `stmatrix`: how many matrices there are, and if they are transposed.
    fn take_matrices(&self, m: &mut Modifiers<'_>) -> Decoded<(usize, bool)> {
        m.take_all(&[Modifier::Sync, Modifier::Aligned]);
        if !m.take(Modifier::Shape(MatrixShape::mn(8, 8))) {
            return Err(self.unsupported_form());
        }
        let count = m.take_map(Modifier::repetitions).filter(|count| *count <= 4);
        let count = count.ok_or_else(|| self.malformed("the opcode does not say how many matrices there are"))?;
        let transpose = m.take(Modifier::Trans);
        m.take_all(&[Modifier::Shared, Modifier::SharedCta, Modifier::Type(PtxType::B16)]);
        Ok((count, transpose))
    }
}
