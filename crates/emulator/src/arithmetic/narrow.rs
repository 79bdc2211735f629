//! Between f32 and the 16-bit formats, without branches, so that 32 lanes are converted by vector instructions.

/// f32 to f16, to nearest even; NaN becomes 0x7fff.
#[inline(always)]
pub fn f16_from_f32(bits: u32) -> u32 {
    let (sign, magnitude) = (bits >> 16 & 0x8000, bits & 0x7fff_ffff);
    let normal = (magnitude.wrapping_add(0xfff + (magnitude >> 13 & 1)) >> 13).wrapping_sub(112 << 10);
    // The last bit of 0.5 is that of a subnormal f16: the addition rounds.
    let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    let finite = if magnitude < 0x3880_0000 { subnormal } else { normal };
    let value = if magnitude >= 0x477f_f000 { 0x7c00 } else { finite };
    if magnitude > 0x7f80_0000 { 0x7fff } else { sign | value }
}

/// f32 to bf16, to nearest even; NaN becomes 0x7fff.
#[inline(always)]
pub fn bf16_from_f32(bits: u32) -> u32 {
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    if bits & 0x7fff_ffff > 0x7f80_0000 { 0x7fff } else { rounded }
}

/// The f16 in the low half, as f32; NaN becomes 0x7fffffff.
#[inline(always)]
pub fn f32_from_f16(bits: u32) -> u32 {
    let (sign, magnitude) = ((bits & 0x8000) << 16, bits & 0x7fff);
    // Multiplying by 2^112 normalises a subnormal.
    let finite = (f32::from_bits(magnitude << 13) * f32::from_bits((127 + 112) << 23)).to_bits();
    let value = if magnitude >= 0x7c00 { 0x7f80_0000 } else { finite };
    if magnitude > 0x7c00 { 0x7fff_ffff } else { sign | value }
}

/// The e4m3 in the low byte, as f16; NaN becomes 0x7fff.
#[inline(always)]
pub fn f16_from_e4m3(bits: u32) -> u32 {
    let (sign, magnitude) = ((bits & 0x80) << 8, bits & 0x7f);
    // Multiplying by 2^120 normalises a subnormal; every value but NaN is a normal f16 or 0.
    let single = f32::from_bits(magnitude << 20) * f32::from_bits((127 + 120) << 23);
    let value = if magnitude == 0 { 0 } else { (single.to_bits() >> 13).wrapping_sub(112 << 10) };
    if magnitude == 0x7f { 0x7fff } else { sign | value }
}

#[cfg(test)]
mod tests {
    use super::super::formats::{BF16, E4M3, F16, F32, Rounding};
    use super::*;

    #[test]
    fn f32_narrows_as_the_formats_say() {
        // Every exponent and sign, with fractions around every place where rounding changes.
        let mut fractions = vec![0, 1, 0x2a_aaaa, 0x55_5555, 0x7f_ffff, 0x7f_fffe];
        for place in 0..23 {
            for step in [-1, 0, 1] {
                fractions.push((1u32 << place).wrapping_add_signed(step));
                fractions.push((0x7f_ffffu32 << place).wrapping_add_signed(step));
                fractions.push((3u32 << place).wrapping_add_signed(step));
            }
        }
        for high in 0..512u32 {
            for &fraction in &fractions {
                let bits = high << 23 | fraction & 0x7f_ffff;
                let expected = |format: super::super::formats::Format| {
                    format.convert_from(F32, bits.into(), Rounding::NearestEven, false) as u32
                };
                assert_eq!(f16_from_f32(bits), expected(F16), "{bits:x}");
                assert_eq!(bf16_from_f32(bits), expected(BF16), "{bits:x}");
            }
        }
    }

    #[test]
    fn every_e4m3_widens() {
        for bits in 0..=0xff {
            let expected = F16.convert_from(E4M3, bits.into(), Rounding::NearestEven, false) as u32;
            assert_eq!(f16_from_e4m3(bits), expected, "{bits:x}");
        }
    }

    #[test]
    fn every_f16_widens() {
        for bits in 0..=0xffff {
            let expected = F32.convert_from(F16, bits.into(), Rounding::NearestEven, false) as u32;
            assert_eq!(f32_from_f16(bits), expected, "{bits:x}");
        }
    }
}
