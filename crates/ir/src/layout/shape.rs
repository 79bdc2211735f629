//! Shapes of tensors that a layout can have.

use super::unsupported::Unsupported;

pub(super) fn check_shape(shape: &[u32]) -> Result<(), Unsupported> {
    if shape.is_empty() || shape.iter().any(|extent| !extent.is_power_of_two()) {
        return Err(Unsupported(format!("extents that are not powers of two: {shape:?}")));
    }
    let elements: u64 = shape.iter().map(|&extent| u64::from(extent)).fold(1, u64::saturating_mul);
    if elements > 1 << 28 { Err(Unsupported(format!("{elements} elements"))) } else { Ok(()) }
}

pub(super) fn check_rank(has: usize, rank: usize) -> Result<(), Unsupported> {
    if has == rank { Ok(()) } else { Err(Unsupported(format!("{has} dimensions, not {rank}"))) }
}
