//! What a launch did to a buffer, in one line.

use warpbook_device::{Buffer, Dtype, Number};

/// What is different in a buffer, and what it holds now; `None` if nothing is different. The same bytes written again
/// are no difference.
pub fn changes(before: &[u8], after: &[u8], buffer: &Buffer) -> Option<String> {
    let size = buffer.dtype.size();
    let (old, new) = (before.chunks_exact(size), after.chunks_exact(size));
    let changed: Vec<usize> = old.zip(new).enumerate().filter(|(_, (a, b))| a != b).map(|(index, _)| index).collect();
    let &first = changed.first()?;
    let count = after.len() / size;
    let which = match changed.len() {
        all if all == count => format!("all {count} elements changed"),
        some => format!("{some} of {count} elements changed, the first at {:?}", index_of(first, &buffer.shape)),
    };
    Some(format!("{}  {} {:?}  {which} · {}", buffer.name, buffer.dtype, buffer.shape, summary(buffer.dtype, after)))
}

/// The index along each dimension of an element in row-major order.
pub fn index_of(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (slot, &extent) in index.iter_mut().zip(shape).rev() {
        *slot = flat % extent.max(1);
        flat /= extent.max(1);
    }
    index
}

/// Least, largest and mean value, NaN left out, and how many NaN and infinities there are.
fn summary(dtype: Dtype, bytes: &[u8]) -> String {
    let numbers = bytes.chunks_exact(dtype.size()).map(|element| dtype.decode(element));
    if !dtype.is_float() {
        let (mut low, mut high) = (i128::MAX, i128::MIN);
        for number in numbers {
            if let Number::Int(value) = number {
                (low, high) = (low.min(value), high.max(value));
            }
        }
        return format!("min {low}, max {high}");
    }
    let (mut low, mut high, mut sum) = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
    let (mut finite, mut nans, mut infinities) = (0usize, 0usize, 0usize);
    for value in numbers.map(Number::to_f64) {
        if value.is_nan() {
            nans += 1;
        } else if value.is_infinite() {
            infinities += 1;
        } else {
            (low, high, sum, finite) = (low.min(value), high.max(value), sum + value, finite + 1);
        }
    }
    let mut text = match finite {
        0 => "no finite value".to_owned(),
        _ => format!("min {}, max {}, mean {}", short(low), short(high), short(sum / finite as f64)),
    };
    text.push_str(&if nans == 0 { " · no NaN".to_owned() } else { format!(" · {nans} NaN") });
    if infinities > 0 {
        text.push_str(&format!(" · {infinities} infinite"));
    }
    text
}

/// Four significant digits.
fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let exponent = value.abs().log10().floor() as i32;
    if (-4..6).contains(&exponent) {
        let text = format!("{value:.*}", usize::try_from(3 - exponent).unwrap_or(0));
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        return text.to_owned();
    }
    format!("{value:.3e}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use warpbook_device::Recipe;

    fn buffer(dtype: Dtype, shape: Vec<usize>) -> Buffer {
        let bytes = (shape.iter().product::<usize>() * dtype.size()) as u64;
        let strides = warpbook_device::contiguous_strides(&shape);
        Buffer {
            name: "c".into(),
            dtype,
            shape,
            strides,
            place: Default::default(),
            address: 0,
            bytes,
            recipe: Recipe::Initialiser(String::new()),
        }
    }

    #[test]
    fn the_line_says_how_much_and_what() {
        let before = [0u8; 24];
        let mut after = before;
        let c = buffer(Dtype::F32, vec![2, 3]);
        assert_eq!(changes(&before, &after, &c), None);
        after[16..20].copy_from_slice(&(-93.0625f32).to_le_bytes());
        assert_eq!(
            changes(&before, &after, &c).expect("changed"),
            "c  f32 [2, 3]  1 of 6 elements changed, the first at [1, 1] · min -93.06, max 0, mean -15.51 · no NaN"
        );
        let after: Vec<u8> =
            [1.0f32, f32::NAN, f32::INFINITY, 1e9, 2.0, 3.0].into_iter().flat_map(f32::to_le_bytes).collect();
        assert_eq!(
            changes(&before, &after, &c).expect("changed"),
            "c  f32 [2, 3]  all 6 elements changed · min 1, max 1.000e9, mean 2.500e8 · 1 NaN · 1 infinite"
        );
        let counts = buffer(Dtype::U8, vec![24]);
        assert_eq!(
            changes(&before, &[7; 24], &counts).expect("changed"),
            "c  u8 [24]  all 24 elements changed · min 7, max 7"
        );
    }
}
