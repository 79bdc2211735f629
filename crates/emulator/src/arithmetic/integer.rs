//! Integer instructions that are more than one Rust operator (PTX ISA 9.7.1, 9.7.8, 9.7.9).

/// `prmt.b32` in its default mode: each nibble of `selector` picks a byte of `b:a`, or replicates its sign.
pub fn permute_bytes(a: u32, b: u32, selector: u32) -> u32 {
    let bytes = u64::from(b) << 32 | u64::from(a);
    (0..4).fold(0, |result, index| {
        let nibble = selector >> (4 * index) & 0xf;
        let byte = (bytes >> (8 * (nibble & 7)) & 0xff) as u32;
        let byte = if nibble & 8 != 0 { if byte & 0x80 != 0 { 0xff } else { 0 } } else { byte };
        result | byte << (8 * index)
    })
}

/// `bfe.u64` and `bfe.s64` as ptxas writes them: positions and lengths of more than 8 bits are not cut off.
pub fn extract_long(value: u64, position: u32, length: u32, signed: bool) -> u64 {
    let shift = position.min(63);
    let shifted = match (signed, position) {
        (true, _) => (value as i64 >> shift) as u64,
        (false, 64..) => 0,
        (false, _) => value >> shift,
    };
    let mask = if length >= 64 { u64::MAX } else { (1 << length) - 1 };
    let field = shifted & mask;
    let negative = signed && (1..=64).contains(&length) && field >> (length - 1) != 0;
    if negative { field | !mask } else { field }
}

/// `bfi.b64` as ptxas writes it, likewise.
pub fn insert_long(field: u64, base: u64, position: u32, length: u32) -> u64 {
    if position >= 64 {
        return base;
    }
    let mask = if length >= 64 { u64::MAX } else { (1 << length) - 1 };
    base & !(mask << position) | (field & mask) << position
}

/// `bfe.u32`: `length` bits from `position`.
pub fn extract_unsigned(value: u64, position: u32, length: u32, width: u32) -> u64 {
    let (position, length) = (position & 0xff, length & 0xff);
    if length == 0 || position >= width {
        return 0;
    }
    let shifted = value >> position;
    if length >= 64 { shifted } else { shifted & ((1 << length) - 1) }
}

/// `bfe.s32`: as [`extract_unsigned`], the top bit of the field (or of the value) extended.
pub fn extract_signed(value: u64, position: u32, length: u32, width: u32) -> u64 {
    let (position, length) = (position & 0xff, length & 0xff);
    if length == 0 {
        return 0;
    }
    let top = (position + length - 1).min(width - 1);
    let sign = value >> top & 1 == 1;
    let field = extract_unsigned(value, position, length, width);
    let kept = if position >= width { 0 } else { length.min(width - position) };
    if !sign || kept >= 64 { field } else { field | u64::MAX << kept }
}

/// `bfi.b32`: the low `length` bits of `field` into `base` at `position`.
pub fn insert(field: u64, base: u64, position: u32, length: u32, width: u32) -> u64 {
    let (position, length) = (position & 0xff, length & 0xff);
    if length == 0 || position >= width {
        return base;
    }
    let ones = if length >= 64 { u64::MAX } else { (1 << length) - 1 };
    let mask = ones << position;
    base & !mask | field << position & mask
}

/// `lop3.b32`: any function of three bits, by its truth table.
pub fn logic3(a: u32, b: u32, c: u32, table: u32) -> u32 {
    (0..8).fold(0, |result, row| {
        if table >> row & 1 == 0 {
            return result;
        }
        let pick = |value: u32, bit: u32| if row & bit != 0 { value } else { !value };
        result | pick(a, 4) & pick(b, 2) & pick(c, 1)
    })
}

/// `bfind.u32`/`.u64` on the value widened: the position of the top one, or all ones.
pub fn find_top(value: u64) -> u32 {
    if value == 0 { u32::MAX } else { 63 - value.leading_zeros() }
}

/// The bits of a signed value that differ from its sign.
pub fn magnitude_bits(value: i64) -> u64 {
    (if value < 0 { !value } else { value }) as u64
}

/// `bfind.shiftamt`: how far the top one is from the top of `width` bits, or all ones.
pub fn shift_to_top(value: u64, width: u32) -> u32 {
    if value == 0 { u32::MAX } else { width - 1 - find_top(value) }
}

/// Modes of `prmt.b32` that choose the four bytes by two bits of the third operand. PTX ISA 9.7.9.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PermuteMode {
    /// `.f4e`: four bytes from there on, upwards.
    Forward,
    /// `.b4e`: four bytes from there on, downwards.
    Backward,
    /// `.rc8`: one byte four times.
    ReplicateByte,
    /// `.ecl`: bytes below it are replaced by it.
    ClampLeft,
    /// `.ecr`: bytes above it are replaced by it.
    ClampRight,
    /// `.rc16`: one half twice.
    ReplicateHalf,
}

/// The selector of a mode of `prmt.b32` for the low bits of its third operand.
pub fn permute_selector(mode: PermuteMode, control: u32) -> u32 {
    let control = control & 3;
    let nibbles: [u32; 4] = std::array::from_fn(|byte| {
        let byte = byte as u32;
        match mode {
            PermuteMode::Forward => control + byte,
            PermuteMode::Backward => (control + 8 - byte) & 7,
            PermuteMode::ReplicateByte => control,
            PermuteMode::ClampLeft => byte.max(control),
            PermuteMode::ClampRight => byte.min(control),
            PermuteMode::ReplicateHalf => (control & 1) * 2 + (byte & 1),
        }
    });
    nibbles.iter().rev().fold(0, |selector, nibble| selector << 4 | nibble)
}

/// Signed division as the hardware does it: by zero gives all ones, the overflowing case wraps.
pub fn divide_signed(a: i64, b: i64) -> i64 {
    if b == 0 { -1 } else { a.wrapping_div(b) }
}

/// Signed remainder: by zero gives the dividend.
pub fn remainder_signed(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { a.wrapping_rem(b) }
}

/// Unsigned division; by zero gives all ones.
pub fn divide_unsigned(a: u64, b: u64) -> u64 {
    a.checked_div(b).unwrap_or(u64::MAX)
}

/// Unsigned remainder; by zero gives the dividend.
pub fn remainder_unsigned(a: u64, b: u64) -> u64 {
    a.checked_rem(b).unwrap_or(a)
}

/// `dp4a` with each operand's signedness.
pub fn dot4(a: u32, b: u32, c: u32, a_signed: bool, b_signed: bool) -> u32 {
    (0..4).fold(c, |sum, index| {
        let byte = |value: u32, signed: bool| {
            let byte = (value >> (8 * index)) as u8;
            if signed { i32::from(byte as i8) } else { i32::from(byte) }
        };
        sum.wrapping_add((byte(a, a_signed) * byte(b, b_signed)) as u32)
    })
}

/// `dp2a`: the two halves of `a` times two bytes of `b`, the upper ones where `high`.
pub fn dot2(a: u32, b: u32, c: u32, high: bool, a_signed: bool, b_signed: bool) -> u32 {
    let b = if high { b >> 16 } else { b };
    (0..2).fold(c, |sum, index| {
        let (half, byte) = ((a >> (16 * index)) as u16, (b >> (8 * index)) as u8);
        let half = if a_signed { i32::from(half as i16) } else { half.into() };
        let byte = if b_signed { i32::from(byte as i8) } else { byte.into() };
        sum.wrapping_add((half * byte) as u32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permute_picks_bytes_and_signs() {
        assert_eq!(permute_bytes(0x8844_2211, 0x7766_5544, 0x7530), 0x7755_8811);
        assert_eq!(permute_bytes(0x0000_0080, 0, 0x8888), 0xffff_ffff);
        assert_eq!(permute_bytes(0x1111_2222, 0x3333_4444, 0x5410), 0x4444_2222);
    }

    #[test]
    fn fields() {
        assert_eq!(extract_unsigned(0xabcd, 4, 8, 32), 0xbc);
        assert_eq!(extract_signed(0xabcd, 4, 8, 32) as i32, 0xbcu8 as i8 as i32);
        assert_eq!(extract_signed(0x8000_0000, 31, 8, 32) as i32, -1);
        assert_eq!(extract_unsigned(0xffff_ffff, 40, 8, 32), 0);
        assert_eq!(insert(0xff, 0, 4, 4, 32), 0xf0);
        assert_eq!(insert(0xff, 0x1234, 40, 4, 32), 0x1234);
    }

    #[test]
    fn logic_tables() {
        let (a, b, c) = (0xf0f0_f0f0, 0xcccc_cccc, 0xaaaa_aaaa);
        assert_eq!(logic3(a, b, c, 0x80), a & b & c);
        assert_eq!(logic3(a, b, c, 0x96), a ^ b ^ c);
        assert_eq!(logic3(a, b, c, 0xea), a & b | c);
    }

    #[test]
    fn division_by_zero_does_not_trap() {
        assert_eq!((divide_signed(5, 0), remainder_signed(5, 0)), (-1, 5));
        assert_eq!(divide_signed(i64::MIN, -1), i64::MIN);
        assert_eq!((divide_unsigned(5, 0), remainder_unsigned(5, 0)), (u64::MAX, 5));
    }
}
