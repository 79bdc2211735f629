//! Numbers in little-endian bytes.

/// The unsigned number in at most 8 little-endian bytes. Of a longer slice the first 8 bytes count.
#[inline(always)]
pub fn u64_from_le(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_is_the_lowest() {
        assert_eq!(u64_from_le(&[]), 0);
        assert_eq!(u64_from_le(&[0x34, 0x12]), 0x1234);
        assert_eq!(u64_from_le(&[0xff; 8]), u64::MAX);
        assert_eq!(u64_from_le(&[1, 0, 0, 0, 0, 0, 0, 0, 7]), 1);
    }
}
