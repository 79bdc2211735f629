//! Values that nothing has written: which bytes of registers, of shared and of local memory hold one, and where it came
//! from. As in Valgrind's memcheck, moving one about is no fault; using it for an address, a branch or a result is.

use std::collections::HashMap;

use crate::program::{File, Program, Slot};

/// For each byte of a register, the lanes in which it is undefined.
pub(crate) type Bytes = [u32; 8];

/// A register that is defined in all bytes of all lanes.
pub(super) const DEFINED: Bytes = [0; 8];

/// The lanes in which any byte of a register is undefined.
pub(super) fn undefined_lanes(bytes: &Bytes) -> u32 {
    bytes.iter().fold(0, |lanes, byte| lanes | byte)
}

/// All bytes of a register, in these lanes.
pub(super) fn whole_register(lanes: u32) -> Bytes {
    [lanes; 8]
}

/// A value of a register, as far as it is known to be none: the bytes, and where the first of them came from.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Value {
    pub bytes: Bytes,
    pub origin: Origin,
}

/// Where an undefined value came from: an instruction that read it or left it as it was; `None` for a register that no
/// instruction has written.
pub(crate) type Origin = Option<u32>;

impl Value {
    /// True if all of it is defined.
    pub fn is_defined(&self) -> bool {
        undefined_lanes(&self.bytes) == 0
    }

    /// Any undefined byte of either.
    pub fn join(&mut self, other: &Self) {
        if self.is_defined() {
            self.origin = other.origin;
        }
        self.bytes.iter_mut().zip(other.bytes).for_each(|(own, theirs)| *own |= theirs);
    }

    /// An operation whose every byte depends on every byte.
    pub fn smeared(self) -> Self {
        Self { bytes: whole_register(undefined_lanes(&self.bytes)), ..self }
    }

    /// An operation on 16-bit halves.
    pub fn in_halves(self) -> Self {
        let b = self.bytes;
        let half = |at: usize| b[at] | b[at + 1];
        Self { bytes: std::array::from_fn(|byte| half(byte & !1)), ..self }
    }

    /// `count` bytes from `from` on, at `to` of a value that is defined elsewhere.
    pub fn part(&self, from: usize, count: usize, to: usize) -> Self {
        let mut bytes = DEFINED;
        for index in 0..count {
            if let (Some(own), Some(new)) = (self.bytes.get(from + index), bytes.get_mut(to + index)) {
                *new = *own;
            }
        }
        Self { bytes, ..*self }
    }
}

/// The registers of a warp.
struct Registers {
    files: [Vec<Value>; 3],
}

/// The records of one block.
pub(super) struct Undefined {
    warps: Vec<Registers>,
    /// Bytes of shared memory that hold an undefined value. What nothing has written is reported when it is read.
    shared: HashMap<usize, Origin>,
    /// Bytes of local memory that something has written, and those of them that hold an undefined value.
    local: HashMap<usize, Option<Origin>>,
}

impl Undefined {
    /// Nothing but constants and special registers is defined.
    pub fn new(program: &Program, warps: usize) -> Self {
        let unknown = Value { bytes: whole_register(u32::MAX), origin: None };
        let counts = [program.words, program.longs, program.predicates];
        let mut registers = Registers { files: counts.map(|count| vec![unknown; count as usize]) };
        let mut define = |file: File, slot: Slot| {
            if let Some(value) = registers.files[file as usize].get_mut(slot as usize) {
                *value = Value::default();
            }
        };
        program.word_constants.iter().for_each(|&(slot, _)| define(File::Word, slot));
        program.specials.iter().for_each(|&(slot, _)| define(File::Word, slot));
        program.long_constants.iter().for_each(|&(slot, _)| define(File::Long, slot));
        program.global_symbols.iter().for_each(|&(slot, ..)| define(File::Long, slot));
        program.true_predicates.iter().for_each(|&slot| define(File::Predicate, slot));
        let warps = (0..warps).map(|_| Registers { files: registers.files.clone() }).collect();
        Self { warps, shared: HashMap::new(), local: HashMap::new() }
    }

    /// What a register holds.
    pub fn get(&self, warp: u32, file: File, slot: Slot) -> Value {
        let registers = self.warps.get(warp as usize).and_then(|warp| warp.files[file as usize].get(slot as usize));
        registers.copied().unwrap_or_default()
    }

    /// These lanes of a register are written.
    pub fn set(&mut self, warp: u32, file: File, slot: Slot, value: &Value, lanes: u32) {
        let Some(warp) = self.warps.get_mut(warp as usize) else { return };
        let Some(register) = warp.files[file as usize].get_mut(slot as usize) else { return };
        for (own, new) in register.bytes.iter_mut().zip(value.bytes) {
            *own = *own & !lanes | new & lanes;
        }
        if undefined_lanes(&value.bytes) & lanes != 0 {
            register.origin = value.origin;
        }
    }

    /// A register that keeps an undefined value in these lanes has it from this instruction: a load whose guard is off.
    pub fn left(&mut self, warp: u32, file: File, slot: Slot, lanes: u32, pc: u32) {
        let Some(warp) = self.warps.get_mut(warp as usize) else { return };
        let Some(register) = warp.files[file as usize].get_mut(slot as usize) else { return };
        if undefined_lanes(&register.bytes) & lanes != 0 && register.origin.is_none() {
            register.origin = Some(pc);
        }
    }

    /// The undefined bytes among `size` of shared memory, a bit for each, and where the first came from.
    pub fn shared(&self, at: usize, size: usize) -> (u64, Origin) {
        if self.shared.is_empty() {
            return (0, None);
        }
        let found = (0..size.min(64)).filter_map(|index| Some((index, *self.shared.get(&(at + index))?)));
        found.fold((0, None), |(bits, first), (index, origin)| {
            (bits | 1 << index, if bits == 0 { origin } else { first })
        })
    }

    /// Shared memory is written; `undefined` has a bit for each byte.
    pub fn set_shared(&mut self, at: usize, size: usize, undefined: u64, origin: Origin) {
        if undefined == 0 && self.shared.is_empty() {
            return;
        }
        for index in 0..size {
            if undefined.checked_shr(index as u32).unwrap_or(0) & 1 != 0 {
                self.shared.insert(at + index, origin);
            } else {
                self.shared.remove(&(at + index));
            }
        }
    }

    /// Bytes of local memory that nothing has written, a bit for each of up to 64, and where the first comes from: the
    /// load at `pc` itself where nothing is known of it.
    pub fn local(&self, at: usize, size: usize, pc: u32) -> (u64, Origin) {
        let mut found = (0, None);
        for index in 0..size.min(64) {
            let origin = match self.local.get(&(at + index)) {
                Some(None) => continue,
                Some(Some(origin)) => *origin,
                None => Some(pc),
            };
            found = (found.0 | 1 << index, if found.0 == 0 { origin } else { found.1 });
        }
        found
    }

    /// Local memory is written; `undefined` has a bit for each byte.
    pub fn set_local(&mut self, at: usize, size: usize, undefined: u64, origin: Origin) {
        for index in 0..size.min(64) {
            self.local.insert(at + index, (undefined >> index & 1 != 0).then_some(origin));
        }
    }
}

/// Global memory that nothing has written: ranges that the session says, less what the launch has stored.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    /// First address, and a flag for each byte.
    ranges: Vec<(u64, Vec<bool>)>,
}

impl Unwritten {
    /// Ranges of address and length.
    pub fn new(ranges: &[(u64, u64)]) -> Self {
        let range = |&(address, length): &(u64, u64)| (address, vec![true; length as usize]);
        Self { ranges: ranges.iter().map(range).collect() }
    }

    /// The bytes among `size` that nothing has written, a bit for each.
    pub fn bytes(&self, address: u64, size: u32) -> u64 {
        for (first, bytes) in &self.ranges {
            let offset = address.wrapping_sub(*first) as usize;
            if offset < bytes.len() {
                let bytes = bytes.iter().skip(offset).take(size.min(64) as usize).enumerate();
                return bytes.fold(0, |bits, (index, &unwritten)| bits | u64::from(unwritten) << index);
            }
        }
        0
    }

    /// Bytes are written.
    pub fn written(&mut self, address: u64, size: u64) {
        for (first, bytes) in &mut self.ranges {
            let offset = address.wrapping_sub(*first) as usize;
            if offset < bytes.len() {
                bytes.iter_mut().skip(offset).take(size as usize).for_each(|byte| *byte = false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_stay_apart_and_other_operations_smear() {
        let mut bytes = DEFINED;
        bytes[2] = 0b10;
        let value = Value { bytes, origin: Some(7) };
        assert_eq!(value.in_halves().bytes, [0, 0, 0b10, 0b10, 0, 0, 0, 0]);
        assert_eq!(value.smeared().bytes, [0b10; 8]);
        assert!(value.part(0, 2, 0).is_defined());
        assert_eq!(value.part(2, 2, 0).bytes[0], 0b10);
    }

    #[test]
    fn what_is_stored_is_written() {
        let mut unwritten = Unwritten::new(&[(256, 16)]);
        assert_eq!((unwritten.bytes(252, 4), unwritten.bytes(256, 4), unwritten.bytes(270, 4)), (0, 0b1111, 0b11));
        unwritten.written(257, 2);
        assert_eq!(unwritten.bytes(256, 4), 0b1001);
    }
}
