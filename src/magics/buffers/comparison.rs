//! Two tensors element by element, with tolerances.

use std::fmt;

use crate::expression::tensor::{Elements, Tensor};
use warpbook_process::work::{Result as Step, Work};

/// When two numbers agree: |found − expected| ≤ atol + rtol · |expected|.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Relative tolerance: a factor of |expected|.
    pub rtol: f64,
    /// Absolute tolerance, in the unit of the elements.
    pub atol: f64,
    /// True if a NaN agrees with a NaN.
    pub equal_nan: bool,
}

impl Tolerance {
    /// True if both tolerances are 0: only equal numbers agree.
    pub fn is_exact(&self) -> bool {
        self.rtol == 0.0 && self.atol == 0.0
    }

    /// Largest |found − expected| that is accepted for this expected value.
    fn allowed(&self, expected: f64) -> f64 {
        if expected.is_finite() { self.atol + self.rtol * expected.abs() } else { 0.0 }
    }

    /// True if two numbers agree within the tolerance.
    pub fn agree(&self, found: f64, expected: f64) -> bool {
        found == expected
            || self.equal_nan && found.is_nan() && expected.is_nan()
            || (found - expected).abs() <= self.allowed(expected)
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |value: f64| if value == 0.0 { "0".to_owned() } else { format!("{value:e}") };
        write!(f, "rtol {}, atol {}", number(self.rtol), number(self.atol))
    }
}

/// One element of both tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Indices of the element, outermost first.
    pub index: Vec<usize>,
    /// The found value as text, with as many digits as show that it differs from `expected`.
    pub found: String,
    /// The expected value as text, with as many digits as `found` has.
    pub expected: String,
    /// |found − expected|; infinite where one of them is NaN or infinite.
    pub off: f64,
    /// Largest |found − expected| that the tolerance accepts here.
    pub allowed: f64,
}

/// The result of comparing two tensors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Number of elements that were compared.
    pub count: usize,
    /// Number of elements that do not agree.
    pub differing: usize,
    /// The largest difference: among those that differ, or among all where none does; `None` where all are equal.
    pub worst: Option<Pair>,
    /// The first element that differs, in row-major order.
    pub first: Option<Pair>,
    /// Number of elements that are NaN on both sides and agree.
    pub nans: usize,
    /// Number of NaN in each tensor: found, expected.
    pub nan_counts: [usize; 2],
    /// Number of infinities in each tensor: found, expected.
    pub infinities: [usize; 2],
    /// First and last index of those that differ, along each dimension.
    bounds: Vec<(usize, usize)>,
}

/// Compares two tensors of one shape, or a tensor with a single expected element.
pub fn compare(actual: &Tensor, expected: &Tensor, tolerance: &Tolerance, work: Work<'_>) -> Step<Comparison> {
    let (found, wanted) = (actual.data.floats(work)?, expected.data.floats(work)?);
    // Doubles cannot tell large integers apart.
    let are_exact = tolerance.is_exact() && actual.data.are_exact() && expected.data.are_exact();
    let exact = if are_exact { actual.data.ints(work)?.zip(expected.data.ints(work)?) } else { None };
    let mut comparison = Comparison { count: found.len(), ..Comparison::default() };
    let count_of = |values: &[f64], is: fn(f64) -> bool| work.watched(values).filter(|&&value| is(value)).count();
    comparison.nan_counts = [count_of(&found, f64::is_nan), count_of(&wanted, f64::is_nan)];
    comparison.infinities = [count_of(&found, f64::is_infinite), count_of(&wanted, f64::is_infinite)];
    let at = |index: usize| if expected.shape.is_empty() { 0 } else { index };
    // (index, difference), of those that differ and of those that agree.
    let mut worst: [Option<(usize, f64)>; 2] = [None; 2];
    let mut first = None;
    for (index, &value) in work.watched(&found).enumerate() {
        let Some(&reference) = wanted.get(at(index)) else { break };
        let (agrees, off) = match &exact {
            Some((a, b)) => (a[index] == b[at(index)], a[index].abs_diff(b[at(index)]) as f64),
            None if value == reference => (true, 0.0),
            None if value.is_nan() && reference.is_nan() && tolerance.equal_nan => {
                comparison.nans += 1;
                continue;
            }
            None => {
                let off = (value - reference).abs();
                (tolerance.agree(value, reference), if off.is_nan() { f64::INFINITY } else { off })
            }
        };
        if off > 0.0 {
            let slot = &mut worst[usize::from(agrees)];
            if slot.is_none_or(|(_, largest)| off > largest) {
                *slot = Some((index, off));
            }
        }
        if !agrees {
            comparison.differing += 1;
            first.get_or_insert((index, off));
            comparison.extend(&index_of(index, &actual.shape));
        }
    }
    work.check()?;
    let pair = |(index, off): (usize, f64)| {
        let (found, expected) = texts(&actual.data, index, &expected.data, at(index));
        let allowed = tolerance.allowed(wanted[at(index)]);
        Pair { index: index_of(index, &actual.shape), found, expected, off, allowed }
    };
    comparison.worst = worst[0].or(worst[1]).map(pair);
    comparison.first = first.map(pair);
    Ok(comparison)
}

impl Comparison {
    fn extend(&mut self, index: &[usize]) {
        if self.bounds.is_empty() {
            self.bounds = index.iter().map(|&at| (at, at)).collect();
        }
        for ((low, high), &at) in self.bounds.iter_mut().zip(index) {
            (*low, *high) = (at.min(*low), at.max(*high));
        }
    }

    /// The smallest box around those that differ, as a subscript; `None` where that is everything or one element.
    pub fn region(&self, shape: &[usize]) -> Option<String> {
        let is_all = self.bounds.iter().zip(shape).all(|(&(low, high), &extent)| high - low + 1 == extent);
        if is_all || self.differing < 2 {
            return None;
        }
        let slice = |(&(low, high), &extent): (&(usize, usize), &usize)| match high + 1 - low {
            1 => low.to_string(),
            length if length == extent => ":".to_owned(),
            _ => format!("{low}:{}", high + 1),
        };
        Some(format!("[{}]", self.bounds.iter().zip(shape).map(slice).collect::<Vec<_>>().join(", ")))
    }
}

/// The index of an element along each dimension.
pub fn index_of(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (at, &extent) in index.iter_mut().zip(shape).rev() {
        *at = flat % extent.max(1);
        flat /= extent.max(1);
    }
    index
}

/// Both elements in the fewest digits, six or more, that tell them apart.
fn texts(found: &Elements, index: usize, expected: &Elements, expected_index: usize) -> (String, String) {
    let text = |elements: &Elements, index: usize, digits: usize| match elements {
        Elements::Float(values) => values.get(index).map_or_else(String::new, |&value| number(value, digits)),
        other => other.get(index).map_or_else(String::new, |scalar| scalar.to_string()),
    };
    let both = |digits| (text(found, index, digits), text(expected, expected_index, digits));
    let told_apart = [6, 9, 12].into_iter().map(both).find(|(found, expected)| found != expected);
    told_apart.unwrap_or_else(|| both(17))
}

/// A number with the given count of significant digits, without trailing zeros.
fn number(value: f64, digits: usize) -> String {
    let magnitude = value.abs();
    if !value.is_finite() {
        return if value.is_nan() { "nan".to_owned() } else { format!("{value}") };
    }
    if value != 0.0 && !(1e-4..1e9).contains(&magnitude) {
        return format!("{value:.*e}", digits - 1);
    }
    let before = if value == 0.0 { 0 } else { magnitude.log10().floor() as i32 };
    let text = format!("{value:.*}", usize::try_from(digits as i32 - 1 - before).unwrap_or(0));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warpbook_process::cancel::Cancel;

    fn compare(actual: &Tensor, expected: &Tensor, tolerance: &Tolerance) -> Comparison {
        super::compare(actual, expected, tolerance, Work::new(&Cancel::new())).expect("memory")
    }

    fn row(values: &[f64]) -> Tensor {
        Tensor::new(vec![values.len()], Elements::Float(values.to_vec()))
    }

    #[test]
    fn the_worst_and_the_first_are_found() {
        let tolerance = Tolerance { rtol: 0.0, atol: 0.1, equal_nan: false };
        let found = compare(&row(&[1.0, 2.5, 3.05, 7.0]), &row(&[1.0, 2.0, 3.0, 4.0]), &tolerance);
        assert_eq!((found.count, found.differing), (4, 2));
        let worst = found.worst.as_ref().expect("a worst one");
        assert_eq!((worst.index.as_slice(), worst.found.as_str(), worst.off), ([3].as_slice(), "7", 3.0));
        assert_eq!(found.first.as_ref().map(|first| first.index.clone()), Some(vec![1]));
        assert_eq!(found.region(&[4]).as_deref(), Some("[1:4]"));
        let passing = compare(&row(&[1.0, 3.05]), &row(&[1.0, 3.0]), &tolerance);
        assert_eq!((passing.differing, passing.worst.map(|worst| worst.index)), (0, Some(vec![1])));
    }

    #[test]
    fn nan_and_infinity_agree_with_themselves_only() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let mut tolerance = Tolerance { rtol: 1.0, atol: 1.0, equal_nan: false };
        let (a, b) = (row(&[inf, inf, nan, nan, 1.0]), row(&[inf, -inf, nan, 1.0, inf]));
        let found = compare(&a, &b, &tolerance);
        assert_eq!((found.differing, found.nan_counts, found.infinities), (4, [2, 1], [2, 3]));
        tolerance.equal_nan = true;
        assert_eq!(compare(&a, &b, &tolerance).differing, 3);
    }

    #[test]
    fn large_integers_are_told_apart() {
        let of = |value: i64| Tensor::new(vec![1], Elements::Int(vec![value]));
        let exact = Tolerance { rtol: 0.0, atol: 0.0, equal_nan: false };
        let found = compare(&of(i64::MAX), &of(i64::MAX - 1), &exact);
        assert_eq!((found.differing, found.worst.map(|worst| worst.off)), (1, Some(1.0)));
    }

    #[test]
    fn numbers_are_told_apart() {
        let texts = |a: f64, b: f64| texts(&Elements::Float(vec![a]), 0, &Elements::Float(vec![b]), 0);
        assert_eq!(texts(1.0, 1.5), ("1".into(), "1.5".into()));
        assert_eq!(texts(1.0, 1.0 + 1e-8), ("1".into(), "1.00000001".into()));
        assert_eq!(texts(0.1, 0.1 + 1e-17).0, texts(0.1, 0.1).0);
        assert_eq!(texts(1e-10, f64::NEG_INFINITY), ("1.00000e-10".into(), "-inf".into()));
        assert_eq!(texts(123456789.0, 0.0), ("123456789".into(), "0".into()));
    }
}
