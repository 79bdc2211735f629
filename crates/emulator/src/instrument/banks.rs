//! What the memory system makes of the addresses of a warp: sectors of global memory, wavefronts of shared memory.
//!
//! Shared memory has 32 banks of 4 bytes; a wavefront takes one word of each. Lanes that read one word share it. An
//! access of 8 bytes a lane goes by half-warps, one of 16 bytes by quarter-warps ("CUDA C++ Programming Guide", shared
//! memory; Nsight Compute counts wavefronts beyond those as bank conflicts).

use crate::program::Long;
use crate::state::warp::lanes_of;

const BANKS: usize = 32;
/// Bytes of a sector.
pub const SECTOR: u64 = 32;

/// (sectors that an access of global memory touches, sectors that its bytes would fill at least)
pub fn sectors(addresses: &Long, lanes: u32, size: u32) -> (u32, u32) {
    let (mut starts, mut count, mut ascending) = ([0; 32], 0, true);
    for lane in lanes_of(lanes) {
        let start = addresses[lane];
        ascending &= count == 0 || starts[count - 1] <= start;
        starts[count] = start;
        count += 1;
    }
    let starts = &mut starts[..count];
    if !ascending {
        starts.sort_unstable();
    }
    // Accesses are aligned to their size, so that only those wider than a sector have more than one.
    let each = u64::from(size).div_ceil(SECTOR);
    let (mut distinct, mut touched, mut last) = (0, 0, None);
    // The first sector that no lane has touched.
    let mut untouched = 0;
    for &start in &*starts {
        distinct += u64::from(last != Some(start));
        last = Some(start);
        let sector = start / SECTOR;
        touched += (sector + each).saturating_sub(untouched.max(sector));
        untouched = untouched.max(sector + each);
    }
    (touched as u32, (distinct * u64::from(size)).div_ceil(SECTOR) as u32)
}

/// What an access of shared memory takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wavefronts {
    /// Number of wavefronts that the access takes.
    pub taken: u32,
    /// Number of wavefronts that it would take without bank conflicts.
    pub least: u32,
    /// The most words of one bank that one part of the warp wants: 1 for no conflict.
    pub ways: u32,
    /// The bank with the most words, from 0 to 31.
    pub bank: u32,
    /// The lanes that want those words of the bank, a bit for each.
    pub lanes: u32,
    /// Addresses of the first two of those words; the same for atomics that take turns.
    pub words: [u64; 2],
}

impl Wavefronts {
    /// For loads and stores of `size` bytes a lane. Bank, lanes and words are given where `ways` is more than `known`.
    pub fn for_accesses(addresses: &Long, lanes: u32, size: u32, known: u32) -> Self {
        let together = match size {
            0..=4 => 32,
            8 => 16,
            _ => 8,
        };
        if known > 0
            && let Some(parts) = without_conflicts(addresses, lanes, size, together)
        {
            return Self { taken: parts, least: parts, ways: 1, ..Self::default() };
        }
        Self::in_parts(addresses, lanes, size, together, true)
    }

    /// For atomics: lanes at one address take turns.
    pub fn for_atomics(addresses: &Long, lanes: u32, size: u32) -> Self {
        Self::in_parts(addresses, lanes, size, if size > 4 { 16 } else { 32 }, false)
    }

    fn in_parts(addresses: &Long, lanes: u32, size: u32, together: u32, shared: bool) -> Self {
        let mut all = Self::default();
        let mut wanted: Vec<(u64, usize)> = Vec::with_capacity(BANKS);
        for part in 0..32 / together {
            let mask = if together == 32 { u32::MAX } else { ((1 << together) - 1) << (part * together) };
            wanted.clear();
            for lane in lanes_of(lanes & mask) {
                let words = u64::from(size.div_ceil(4));
                wanted.extend((0..words).map(|word| (addresses[lane] / 4 + word, lane)));
            }
            let mut ways = [0u32; BANKS];
            let mut holders = [0u32; BANKS];
            wanted.sort_unstable();
            let mut last = None;
            for &(word, lane) in &wanted {
                let bank = word as usize % BANKS;
                if !shared || last != Some(word) {
                    ways[bank] += 1;
                    holders[bank] |= 1 << lane;
                }
                last = Some(word);
            }
            let (bank, most) = ways
                .iter()
                .copied()
                .enumerate()
                .fold((0, 0), |best, (bank, ways)| if ways > best.1 { (bank, ways) } else { best });
            all.taken += most;
            all.least += u32::from(most > 0);
            if most > all.ways {
                (all.ways, all.bank, all.lanes) = (most, bank as u32, holders[bank]);
                let mut own =
                    wanted.iter().filter(|(word, _)| *word as usize % BANKS == bank).map(|(word, _)| 4 * word);
                let first = own.next().unwrap_or_default();
                all.words = [first, own.find(|word| !shared || *word != first).unwrap_or(first)];
            }
        }
        all
    }
}

/// In how many parts of a warp lanes take part, if no two words of a part are in one bank.
fn without_conflicts(addresses: &Long, lanes: u32, size: u32, together: u32) -> Option<u32> {
    let words = u64::from(size.div_ceil(4));
    let mut parts = 0;
    for part in 0..32 / together {
        let mask = if together == 32 { u32::MAX } else { ((1 << together) - 1) << (part * together) } & lanes;
        let (mut taken, mut held) = (0u32, [0; BANKS]);
        for lane in lanes_of(mask) {
            let first = addresses[lane] / 4;
            for word in first..first + words {
                let bank = word as usize % BANKS;
                if taken & 1 << bank != 0 && held[bank] != word {
                    return None;
                }
                taken |= 1 << bank;
                held[bank] = word;
            }
        }
        parts += u32::from(mask != 0);
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strided(stride: u64) -> Long {
        std::array::from_fn(|lane| lane as u64 * stride)
    }

    #[test]
    fn sectors_are_counted_once() {
        assert_eq!(sectors(&strided(4), u32::MAX, 4), (4, 4));
        assert_eq!(sectors(&strided(128), u32::MAX, 4), (32, 4));
        assert_eq!(sectors(&strided(16), u32::MAX, 16), (16, 16));
        assert_eq!(sectors(&strided(0), u32::MAX, 4), (1, 1));
        // Off by one word: a fifth sector.
        assert_eq!(sectors(&strided(4).map(|address| address + 4), u32::MAX, 4), (5, 4));
        assert_eq!(sectors(&strided(2), 0xffff, 2), (1, 1));
    }

    #[test]
    fn words_of_one_bank_conflict() {
        let of = |stride, size| {
            let found = Wavefronts::for_accesses(&strided(stride), u32::MAX, size, 0);
            let again = Wavefronts::for_accesses(&strided(stride), u32::MAX, size, 1);
            assert_eq!((again.taken, again.least, again.ways), (found.taken, found.least, found.ways));
            (found.taken, found.least, found.ways)
        };
        assert_eq!(of(4, 4), (1, 1, 1));
        assert_eq!(of(8, 4), (2, 1, 2));
        assert_eq!(of(128, 4), (32, 1, 32));
        // One word for all, and an odd stride.
        assert_eq!((of(0, 4), of(132, 4)), ((1, 1, 1), (1, 1, 1)));
        // Two halves of a word.
        assert_eq!(of(2, 2), (1, 1, 1));
        // Half-warps and quarter-warps.
        assert_eq!(of(8, 8), (2, 2, 1));
        assert_eq!(of(16, 16), (4, 4, 1));
        assert_eq!(of(16, 8), (4, 2, 2));
        assert_eq!(of(128, 16), (32, 4, 8));
        let worst = Wavefronts::for_accesses(&strided(128), 0b101, 4, 0);
        assert_eq!((worst.taken - worst.least, worst.bank, worst.lanes), (1, 0, 0b101));
        assert_eq!(worst.words, [0, 256]);
    }

    #[test]
    fn atomics_at_one_address_take_turns() {
        assert_eq!(Wavefronts::for_atomics(&strided(0), u32::MAX, 4).taken, 32);
        assert_eq!(Wavefronts::for_atomics(&strided(4), u32::MAX, 4).taken, 1);
    }
}
