//! Elements of a tensor as numpy prints them: aligned, in brackets, the middle of a large one left out.

use maud::{Markup, html};

/// Elements of a tensor, ready to be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    text: String,
    /// What the HTML has in the place of the text: a vector or a matrix with its indices.
    indexed: Option<Indexed>,
}

/// A vector or a matrix: columns by their indices, and rows with theirs. What is left out is `…`.
#[derive(Clone, Debug, PartialEq)]
struct Indexed {
    is_matrix: bool,
    columns: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

/// One element of an array, before it is written as text.
#[derive(Clone, Debug, PartialEq)]
pub enum Element {
    /// A floating-point number; all that are shown get the same format.
    Float(f64),
    /// Any other element, already written as text.
    Text(String),
}

/// The elements to show.
pub struct Cells<'a> {
    /// Extents, outermost first.
    pub shape: &'a [usize],
    /// The element at a row-major index.
    pub element: &'a dyn Fn(usize) -> Element,
    /// True if nothing is left out.
    pub is_full: bool,
}

/// A tensor of more elements is cut, unless it is shown in full.
const CUT_ABOVE: usize = 256;
/// What stays of a dimension that is cut, at each end.
const EDGE: usize = 3;
/// What stays of the last one, at each end.
const INNER_EDGE: usize = 4;

/// Characters of a line of text.
const LINE: usize = 100;

impl Cells<'_> {
    /// The indices of a dimension that are shown; `None` where some are left out.
    fn indices(&self, dimension: usize) -> Vec<Option<usize>> {
        let extent = self.shape.get(dimension).copied().unwrap_or(1);
        let count = self.shape.iter().fold(1usize, |all, &one| all.saturating_mul(one));
        let edge = if dimension + 1 == self.shape.len() { INNER_EDGE } else { EDGE };
        if self.is_full || count <= CUT_ABOVE || extent <= 2 * edge + 1 {
            return (0..extent).map(Some).collect();
        }
        (0..edge).map(Some).chain([None]).chain((extent - edge..extent).map(Some)).collect()
    }

    /// What is shown, innermost dimension in rows: (indices of the outer dimensions, elements of the row).
    fn rows(&self, dimension: usize, base: usize, visit: &mut dyn FnMut(Row)) {
        let inner: usize = self.shape.iter().skip(dimension + 1).product();
        if dimension + 1 >= self.shape.len() {
            let cells =
                self.indices(dimension).into_iter().map(|index| index.map(|index| (self.element)(base + index)));
            visit(Row::Elements(cells.collect()));
            return;
        }
        let indices = self.indices(dimension);
        let last = indices.len().saturating_sub(1);
        visit(Row::Open);
        for (at, index) in indices.into_iter().enumerate() {
            match index {
                Some(index) => self.rows(dimension + 1, base + index * inner, visit),
                None => visit(Row::LeftOut),
            }
            if at < last {
                visit(Row::Next);
            }
        }
        visit(Row::Close);
    }
}

enum Row {
    Open,
    Elements(Vec<Option<Element>>),
    LeftOut,
    Next,
    Close,
}

impl Array {
    /// The elements that are shown, written alike.
    pub fn new(cells: &Cells<'_>) -> Self {
        if cells.shape.contains(&0) {
            return Self { text: "[]".to_owned(), indexed: None };
        }
        let mut rows = Vec::new();
        cells.rows(0, 0, &mut |row| rows.push(row));
        let elements = || {
            rows.iter().flat_map(|row| match row {
                Row::Elements(elements) => elements.as_slice(),
                _ => &[],
            })
        };
        let floats = elements().flatten().filter_map(|element| match element {
            Element::Float(value) => Some(*value),
            Element::Text(_) => None,
        });
        let format = FloatFormat::for_values(floats);
        let show = |element: &Option<Element>| match element {
            // A single one in full.
            Some(Element::Float(value)) if cells.shape.is_empty() && value.is_finite() => format!("{value:?}"),
            Some(Element::Float(value)) => format.show(*value),
            Some(Element::Text(text)) => text.clone(),
            None => "...".to_owned(),
        };
        let width = elements().map(|element| show(element).len()).max().unwrap_or(0);
        let text = text(&rows, cells.shape.is_empty(), &|element| format!("{:>width$}", show(element)));
        let is_indexed = matches!(cells.shape.len(), 1 | 2);
        Self { text, indexed: is_indexed.then(|| Indexed::new(&rows, cells, &show)) }
    }

    /// As aligned text in brackets.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The array as HTML: a table for one or two dimensions, the text for more.
    pub fn html(&self) -> Markup {
        let Some(Indexed { is_matrix, columns, rows }) = &self.indexed else {
            return html! { pre.wb-array-text { (self.text) } };
        };
        html! {
            table.wb-array {
                thead {
                    tr.wb-array-row {
                        @if *is_matrix { th.wb-array-index {} }
                        @for column in columns { th.wb-array-index scope="col" { (column) } }
                    }
                }
                tbody {
                    @for (label, elements) in rows {
                        tr.wb-array-row {
                            @if *is_matrix { th.wb-array-index scope="row" { (label) } }
                            @for element in elements { td.wb-array-element { (element) } }
                        }
                    }
                }
            }
        }
    }
}

impl Indexed {
    fn new(rows: &[Row], cells: &Cells<'_>, show: &dyn Fn(&Option<Element>) -> String) -> Self {
        let index_text = |index: Option<usize>| index.map_or_else(|| "…".to_owned(), |index| index.to_string());
        let is_matrix = cells.shape.len() == 2;
        let mut labels = if is_matrix { cells.indices(0) } else { Vec::new() }.into_iter();
        let shown = |element: &Option<Element>| match element {
            Some(_) => show(element).trim().to_owned(),
            None => "…".to_owned(),
        };
        let mut indexed = Vec::new();
        for row in rows {
            let elements = match row {
                Row::Elements(elements) => elements.as_slice(),
                Row::LeftOut => &[],
                _ => continue,
            };
            indexed.push((index_text(labels.next().flatten()), elements.iter().map(shown).collect()));
        }
        let columns = cells.indices(cells.shape.len() - 1).into_iter().map(index_text).collect();
        Self { is_matrix, columns, rows: indexed }
    }
}

fn text(rows: &[Row], is_single: bool, show: &dyn Fn(&Option<Element>) -> String) -> String {
    let mut text = String::new();
    let mut depth = 0usize;
    for row in rows {
        match row {
            Row::Open => {
                text.push('[');
                depth += 1;
            }
            Row::Elements(elements) => {
                let line = elements.iter().map(|element| match element {
                    Some(_) => show(element),
                    None => "...".to_owned(),
                });
                let line = line.collect::<Vec<_>>();
                // A long row goes on in the next line, under its first element.
                let width = line.iter().map(|cell| cell.chars().count() + 2).max().unwrap_or(2);
                let lines = line.chunks((LINE / width).max(1)).map(|part| part.join("  "));
                let line = lines.collect::<Vec<_>>().join(&format!("\n{}", " ".repeat(depth + 1)));
                text.push_str(&if is_single { line } else { format!("[{line}]") });
            }
            Row::LeftOut => text.push_str("..."),
            Row::Next => {
                // A blank line between matrices, as numpy has.
                let closes = text.chars().rev().take_while(|&c| c == ']').count();
                text.push('\n');
                text.push_str(&"\n".repeat(closes.saturating_sub(1)));
                text.push_str(&" ".repeat(depth));
            }
            Row::Close => {
                text.push(']');
                depth = depth.saturating_sub(1);
            }
        }
    }
    text
}

/// How all floats of a tensor are written.
#[derive(Clone, Copy)]
struct FloatFormat {
    is_scientific: bool,
    decimals: usize,
}

impl FloatFormat {
    /// numpy's rule: exponents where the range needs them; at most four decimals, and no more than any needs.
    fn for_values(values: impl Iterator<Item = f64> + Clone) -> Self {
        let magnitudes = || values.clone().filter(|value| value.is_finite() && *value != 0.0).map(f64::abs);
        let (least, largest) = magnitudes().fold((f64::INFINITY, 0.0), |(a, b), value| (value.min(a), value.max(b)));
        let is_scientific = largest >= 1e8 || largest > 0.0 && (least < 1e-4 || largest / least > 1e6);
        let needed = |value: f64| {
            let text = if is_scientific {
                format!("{value:.4e}").split('e').next().unwrap_or_default().to_owned()
            } else {
                format!("{value:.4}")
            };
            text.trim_end_matches('0').split('.').nth(1).map_or(0, str::len)
        };
        Self { is_scientific, decimals: magnitudes().map(needed).max().unwrap_or(0).max(1) }
    }

    fn show(self, value: f64) -> String {
        match value {
            value if value.is_nan() => "nan".to_owned(),
            value if value.is_infinite() => if value > 0.0 { "inf" } else { "-inf" }.to_owned(),
            value if self.is_scientific => exponent(&format!("{value:.*e}", self.decimals)),
            value => format!("{value:.*}", self.decimals),
        }
    }
}

/// `1.5e-7` as `1.5e-07`.
fn exponent(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// A number in few digits: `0.0049`, `3.2e-07`.
pub fn short(value: f64) -> String {
    let magnitude = value.abs();
    if value.is_nan() || value.is_infinite() || value == 0.0 {
        return FloatFormat { is_scientific: false, decimals: 0 }.show(value);
    }
    if (1e-4..1e7).contains(&magnitude) {
        // Four digits that count.
        let before = magnitude.log10().floor() as i32;
        let text = format!("{value:.*}", (3 - before).max(0) as usize);
        return if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    }
    exponent(&format!("{value:.3e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(shape: &[usize], values: &[f64], is_full: bool) -> String {
        Array::new(&Cells { shape, element: &|index| Element::Float(values[index]), is_full }).text
    }

    #[test]
    fn text_is_numpy_s() {
        assert_eq!(shown(&[], &[1.5], false), "1.5");
        assert_eq!(shown(&[], &[268321234.375], false), "268321234.375");
        assert_eq!(shown(&[2, 2], &[1.0, -2.5, 0.125, f64::NAN], false), "[[ 1.000  -2.500]\n [ 0.125     nan]]");
        assert_eq!(shown(&[2, 1, 2], &[1.0, 2.0, 3.0, 4.0], false), "[[[1.0  2.0]]\n\n [[3.0  4.0]]]");
        assert_eq!(shown(&[2], &[1e-9, 1.0], false), "[1.0e-09  1.0e+00]");
        assert_eq!(shown(&[0, 4], &[], false), "[]");
        assert_eq!(shown(&[1, 40], &[1.0; 40], false), format!("[[{0}\n  {0}]]", ["1.0"; 20].join("  ")));
    }

    #[test]
    fn the_middle_of_a_large_one_is_left_out() {
        let values: Vec<f64> = (0..900).map(f64::from).collect();
        let text = shown(&[30, 30], &values, false);
        assert!(text.starts_with("[[  0.0    1.0    2.0    3.0  ...   26.0   27.0   28.0   29.0]\n"), "{text}");
        assert!(text.contains("\n ...\n [810.0"), "{text}");
        assert_eq!(text.lines().count(), 7);
        assert_eq!(shown(&[30, 30], &values, true).lines().count(), 90);
        let cells = Cells { shape: &[30, 30], element: &|i| Element::Float(values[i]), is_full: false };
        let html = Array::new(&cells).html().into_string();
        assert!(html.contains(">29</th>") && html.contains(">899.0</td>") && !html.contains(">100.0<"), "{html}");
    }

    #[test]
    fn few_digits() {
        for (value, text) in
            [(0.0048828125, "0.004883"), (3.2e-7, "3.200e-07"), (12345.678, "12346"), (0.0, "0"), (1.0, "1")]
        {
            assert_eq!(short(value), text);
        }
    }
}
