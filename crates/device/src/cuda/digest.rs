//! True if device memory still holds what the host remembers of it, without copying it: a digest of each span, at the
//! bandwidth of the memory. 64 bits against accident, not against an adversary.

/// The kernel `digest`, for every GPU from sm_70 on.
pub const PTX: &str = include_str!("digest.ptx");

/// Threads per block of the kernel.
pub const THREADS: u32 = 256;

/// Bytes whose digest the kernel makes; the rest of a span, at most 7 bytes, is [`tail`]'s.
pub fn whole_words(bytes: u64) -> u64 {
    bytes / 8
}

fn mix(word: u64, index: u64) -> u64 {
    let mut value = word ^ index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    value ^= value >> 32;
    value = value.wrapping_mul(0xd6e8_feb8_6659_fd93);
    value ^ value >> 29
}

/// The share of a span's digest that the bytes after its last whole word have; `words` is the number of words before
/// them.
pub fn tail(bytes: &[u8], words: u64) -> u64 {
    if bytes.is_empty() {
        return 0;
    }
    let mut word = [0; 8];
    let length = bytes.len().min(8);
    word[..length].copy_from_slice(&bytes[..length]);
    mix(u64::from_le_bytes(word), words)
}

/// The digest of bytes on the host.
pub fn digest(bytes: &[u8]) -> u64 {
    digest_from(bytes, 0)
}

/// The share of a span's digest that a piece of it has; `before` is the number of 8-byte words before the piece.
pub fn digest_from(bytes: &[u8], before: u64) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words
        .iter()
        .zip(before..)
        .fold(0u64, |sum, (word, index)| sum.wrapping_add(mix(u64::from_le_bytes(*word), index)));
    sum.wrapping_add(tail(rest, before + words.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, Device, Emulated, Launch};
    use warpbook_process::cancel::Cancel;

    #[test]
    fn the_kernel_and_the_host_agree() {
        let mut device = Emulated::new(90);
        let bytes: Vec<u8> = (0..5003u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let address = device.allocate("bytes", bytes.len() as u64).expect("memory");
        let sum = device.allocate("sum", 8).expect("memory");
        device.write(address, &bytes).expect("written");
        device.write(sum, &[0; 8]).expect("written");
        let words = whole_words(bytes.len() as u64);
        let function = device.load(Code::Ptx(PTX), "digest").expect("loaded");
        let launch = Launch {
            function,
            grid: [2, 1, 1],
            block: [THREADS, 1, 1],
            cluster: [1; 3],
            shared: 0,
            extra_shared: 0,
            args: [address, words, sum].iter().map(|value| value.to_le_bytes().to_vec()).collect(),
            cooperative: false,
            dependent: false,
            seed: 0,
            observe: None,
            check: false,
        };
        device.launch(&launch, &Cancel::new(), &|_| {}).expect("launched");
        let mut found = [0; 8];
        device.read(sum, &mut found).expect("read");
        let rest = &bytes[words as usize * 8..];
        assert_eq!(u64::from_le_bytes(found).wrapping_add(tail(rest, words)), digest(&bytes));
    }

    #[test]
    fn each_byte_counts() {
        let bytes = vec![7u8; 27];
        let own = digest(&bytes);
        for index in 0..bytes.len() {
            let mut other = bytes.clone();
            other[index] ^= 0x80;
            assert_ne!(digest(&other), own);
        }
        assert_ne!(digest(&[0; 8]), digest(&[0; 9]));
        assert_eq!(digest(&bytes), digest(&bytes[..16]).wrapping_add(digest_from(&bytes[16..], 2)));
    }
}
