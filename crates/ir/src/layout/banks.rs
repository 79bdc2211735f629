//! The banks of shared memory, and how many rounds an access takes.

/// Banks of shared memory, four bytes wide each.
pub const BANKS: u32 = 32;

/// The bank of a byte.
pub fn bank(byte: u32) -> u32 {
    byte / 4 % BANKS
}

/// How many rounds an access of these bytes takes: the most different four-byte words in one bank.
pub fn ways(bytes: impl Iterator<Item = u32>) -> u32 {
    let mut words: Vec<u32> = bytes.map(|byte| byte / 4).collect();
    words.sort_unstable();
    words.dedup();
    let mut each = [0_u32; BANKS as usize];
    for word in words {
        each[(word % BANKS) as usize] += 1;
    }
    each.into_iter().max().unwrap_or(0)
}
