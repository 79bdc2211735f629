//! A TTGIR text as the view looks at it: aliases, operations, the types of values.

use std::collections::HashMap;

use warpbook_ir::layout::{Rule, aliases};
use warpbook_ir::shaped::{self, Operation, Shaped};

/// A TTGIR text, split into its aliases and operations.
pub struct Source<'a> {
    text: &'a str,
    /// Attributes by their aliases: `#mma` to `#ttg.nvidia_mma<{…}>`.
    pub aliases: HashMap<&'a str, &'a str>,
    /// All operations in the order of the text.
    pub operations: Vec<Operation>,
    /// Rules for layout attributes in the version of Triton that compiles this text.
    pub rule: Rule,
}

/// What an alias or a value stands for.
pub struct Resolved<'a> {
    /// A type with the layout; for an alias, the first type that uses it.
    pub used: Option<Shaped>,
    /// The operation that defines the value; `None` for an alias.
    pub operation: Option<&'a Operation>,
}

impl<'a> Source<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, aliases: aliases(text), operations: shaped::operations(text), rule: Rule::default() }
    }

    /// A layout by its alias, or a value: a result, one of several (`%5#1`), a value that a loop carries, an argument.
    pub fn find(&self, name: &str) -> Option<Resolved<'_>> {
        if name.starts_with('#') {
            self.aliases.get(name)?;
            let used = self.uses().into_iter().find(|used| used.encoding == name);
            return Some(Resolved { used, operation: None });
        }
        let (value, number) = match name.split_once('#') {
            Some((value, number)) => (value, number.parse::<usize>().ok()?),
            None => (name, 0),
        };
        // MLIR gives a name again in another region: the one that has a layout is meant, or else the first.
        let named = self.operations.iter().filter(|known| known.result.as_deref() == Some(value));
        let named = named.filter_map(|operation| {
            let line = self.text.lines().nth(operation.line as usize - 1)?;
            let results = types(results_of(line));
            let used = match results.get(number).copied() {
                Some(ty) => shaped::parse_types(&with_name(ty, operation)).pop(),
                None if number == 0 => operation.result_type().cloned(),
                None => return None,
            };
            Some(Resolved { used, operation: Some(operation) })
        });
        let named: Vec<Resolved<'_>> = named.collect();
        let laid_out = named.iter().position(|found| found.used.is_some()).unwrap_or_default();
        if let Some(found) = named.into_iter().nth(laid_out) {
            return Some(found);
        }
        // `scf.for … iter_args(%a = %b, …) -> (…)`
        for line in self.text.lines() {
            let Some((_, rest)) = line.split_once("iter_args(") else { continue };
            let Some((carried, rest)) = rest.split_once(')') else { continue };
            let names = carried.split(',').map(|pair| pair.split('=').next().unwrap_or_default().trim());
            let Some(at) = names.into_iter().position(|known| known == value) else { continue };
            let listed = types(rest.split_once("->").map_or("", |(_, types)| types));
            return Some(Resolved {
                used: listed.get(at).and_then(|ty| shaped::parse_types(ty).pop()),
                operation: None,
            });
        }
        let argument = self.text.lines().find(|line| line.contains(&format!("{value}: ")));
        let argument = argument.and_then(|line| line.split_once(&format!("{value}: ")));
        argument.map(|(_, rest)| Resolved {
            used: shaped::parse_types(types(rest).first().unwrap_or(&"")).pop(),
            operation: None,
        })
    }

    /// The compute capability that it was compiled for, times ten; 0 where it does not say.
    pub fn capability(&self) -> u32 {
        let digits = self.text.split_once("\"cuda:").and_then(|(_, rest)| rest.split('"').next());
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// All names that [`Self::find`] knows, nearly.
    pub fn names(&self, of_layouts: bool) -> Vec<String> {
        if of_layouts {
            return self.aliases.keys().map(|name| (*name).to_owned()).collect();
        }
        self.operations.iter().filter_map(|operation| operation.result.clone()).collect()
    }

    /// Every type with a layout, in order.
    pub fn uses(&self) -> Vec<Shaped> {
        self.operations.iter().flat_map(|operation| operation.types.iter().cloned()).collect()
    }
}

/// What stands after the last arrow, or after the last colon.
fn results_of(line: &str) -> &str {
    match line.rfind("->").or_else(|| line.rfind(" to tensor").map(|at| at + 1)) {
        Some(at) => line[at + 2..].trim().trim_end_matches('{').trim(),
        None => line.rsplit_once(" : ").map_or("", |(_, types)| types),
    }
}

/// `<64x64xf16, …>` after an arrow has lost its name.
fn with_name(ty: &str, operation: &Operation) -> String {
    let named = operation.types.last().is_some_and(|last| last.kind == shaped::Kind::Tensor);
    match (ty.starts_with('<'), named) {
        (true, true) => format!("tensor{ty}"),
        (true, false) => format!("!ttg.memdesc{ty}"),
        _ => ty.to_owned(),
    }
}

/// `(tensor<…>, i32)` as its parts.
fn types(text: &str) -> Vec<&str> {
    let text = text.trim();
    let inside = text.strip_prefix('(').map_or(text, |text| text.split_once(") :").map_or(text, |(inside, _)| inside));
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (at, c) in inside.char_indices() {
        match c {
            '<' | '{' | '[' | '(' => depth += 1,
            ')' if depth == 0 => {
                parts.push(inside[start..at].trim());
                return parts;
            }
            '>' | '}' | ']' | ')' if !inside[..at].ends_with('-') => depth -= 1,
            ',' if depth == 0 => {
                parts.push(inside[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(inside[start..].trim());
    parts
}

/// `64×64`
pub fn by_x(shape: &[u32]) -> String {
    shape.iter().map(u32::to_string).collect::<Vec<_>>().join("×")
}

/// The last dimensions: those before them count buffers.
pub fn tail(shape: &[u32], rank: usize) -> &[u32] {
    &shape[shape.len().saturating_sub(rank)..]
}

/// Powers of two: what counts buffers need not be one, and older Tritons do not keep it apart.
pub fn rounded(shape: &[u32]) -> Vec<u32> {
    shape.iter().map(|extent| extent.next_power_of_two()).collect()
}

/// `[3, 5]`
pub fn bracketed(at: &[u32]) -> String {
    format!("[{}]", at.iter().map(u32::to_string).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_wherever_they_are_defined() {
        let text = "#mma = #ttg.nvidia_mma<{versionMajor = 2}>
module {
  tt.func public @k(%arg0: !tt.ptr<f16>, %x: tensor<8xf32, #mma>) {
    %1:2 = scf.for %i = %c0 to %c4 step %c1 iter_args(%acc = %cst, %n = %c0) -> (tensor<16x8xf32, #mma>, i32)  : i32 {
    }
    %3 = ttg.memdesc_index %2[%c0] : !ttg.memdesc<2x8x8xf16, #s, #smem> -> !ttg.memdesc<8x8xf16, #s, #smem>
    %4 = arith.truncf %1#0 : tensor<16x8xf32, #mma> to tensor<16x8xf16, #mma>
  }
}";
        let source = Source::new(text);
        let shape = |name| source.find(name).and_then(|found| found.used).map(|used| used.describe());
        assert_eq!(shape("%acc").as_deref(), Some("16×8×f32"));
        assert_eq!(shape("%1#0").as_deref(), Some("16×8×f32"));
        assert_eq!((shape("%1#1"), shape("%n"), shape("%arg0")), (None, None, None));
        assert_eq!(shape("%3").as_deref(), Some("8×8×f16"));
        assert_eq!(shape("%4").as_deref(), Some("16×8×f16"));
        assert_eq!((shape("%x").as_deref(), shape("#mma").as_deref()), (Some("8×f32"), Some("16×8×f32")));
        assert!(source.find("%9").is_none() && source.find("#s").is_none() && source.find("%1#7").is_none());
        assert_eq!((tail(&[2, 8, 4], 2), bracketed(&[3, 5])), (&[8, 4][..], "[3,5]".to_owned()));
    }
}
