//! `vprintf` and `__assertfail`.

use super::print;
use super::step::{LaneFailure, Step};
use crate::fault::Fault;
use crate::instrument::Instrument;
use crate::program::MemorySpace;
use crate::state::access::Access;
use crate::state::warp::lanes_of;
use warpbook_gpu::u64_from_le;

impl<I: Instrument> Step<'_, '_, I> {
    pub(super) fn local(&self, lane: usize, offset: u32, size: u32) -> u64 {
        let at = self.thread(lane) as usize * self.environment.program.local_bytes as usize + offset as usize;
        let bytes = self.block.memory.local.get(at..at + size as usize).unwrap_or_default();
        u64_from_le(bytes)
    }

    /// Writes bytes of a lane's local memory.
    pub(super) fn set_local(&mut self, lane: usize, offset: u32, bytes: &[u8]) {
        let at = self.thread(lane) as usize * self.environment.program.local_bytes as usize + offset as usize;
        if let Some(own) = self.block.memory.local.get_mut(at..at + bytes.len()) {
            own.copy_from_slice(bytes);
        }
    }

    fn read_generic(&mut self, lane: usize, address: u64, size: u32) -> Result<u64, LaneFailure> {
        let access = Access { space: MemorySpace::Generic, name: "read", size };
        let place = self.place(access, address, lane)?;
        Ok(self.block.memory.read(self.environment, &place, 0, size))
    }

    fn string(&mut self, lane: usize, mut address: u64) -> Result<String, LaneFailure> {
        let mut bytes = Vec::new();
        while bytes.len() < 1 << 16 {
            match self.read_generic(lane, address, 1)? as u8 {
                0 => break,
                byte => bytes.push(byte),
            }
            address += 1;
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(super) fn print(&mut self, d: Option<u32>, format: u32, arguments: u32) -> Result<(), LaneFailure> {
        for lane in lanes_of(self.active) {
            let (format, buffer) = (self.local(lane, format, 8), self.local(lane, arguments, 8));
            let format = self.string(lane, format)?;
            for piece in print::parse(&format) {
                let text = match piece {
                    print::Piece::Text(text) => text,
                    print::Piece::Conversion(conversion) => {
                        let bits = self.read_generic(lane, buffer.wrapping_add(conversion.offset), conversion.size)?;
                        let string = if conversion.letter == 's' { self.string(lane, bits)? } else { String::new() };
                        conversion.render(bits, &string)
                    }
                };
                self.block.memory.printed.push(&text);
            }
            if let Some(d) = d {
                self.set_local(lane, d, &1u32.to_le_bytes());
            }
        }
        Ok(())
    }

    pub(super) fn assert(&mut self, parameters: [u32; 4]) -> Result<(), LaneFailure> {
        let lane = self.active.trailing_zeros() as usize;
        let [message, file, line, function] = parameters;
        let [message, file, function] = [message, file, function].map(|offset| self.local(lane, offset, 8));
        let (message, file, function) =
            (self.string(lane, message)?, self.string(lane, file)?, self.string(lane, function)?);
        let line = self.local(lane, line, 4) as u32;
        Err((Fault::Assert { message, file, line, function }.into(), lane as u32))
    }
}
