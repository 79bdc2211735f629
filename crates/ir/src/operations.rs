//! The operation that a line of each stage holds: for counting and for highlighting.

use std::collections::BTreeMap;
use std::ops::Range;

/// Bytes of the operation's name in a line of TTIR or TTGIR: `tt.load`, `scf.for`.
pub fn in_mlir(line: &str) -> Option<Range<usize>> {
    let start = line.len() - line.trim_start().len();
    let body = &line[start..];
    let at = if body.starts_with('%') { start + body.find(" = ")? + 3 } else { start };
    let rest = &line[at..];
    let quoted = usize::from(rest.starts_with('"'));
    let name = &rest[quoted..];
    let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).unwrap_or(name.len());
    let name = &name[..end];
    (name.starts_with(|c: char| c.is_ascii_lowercase()) && name.contains('.')).then_some(at + quoted..at + quoted + end)
}

/// Bytes of the opcode in a line of LLVM IR: `add`, `call`, and for a call the name of what is called.
pub fn in_llvm(line: &str) -> Option<Range<usize>> {
    let body = line.strip_prefix("  ")?;
    let start = 2 + (body.len() - body.trim_start().len());
    let at = if line[start..].starts_with('%') { start + line[start..].find(" = ")? + 3 } else { start };
    let rest = &line[at..];
    let rest_at = rest.strip_prefix("tail ").or_else(|| rest.strip_prefix("musttail ")).unwrap_or(rest);
    let at = at + (rest.len() - rest_at.len());
    let end = rest_at.find(|c: char| !(c.is_ascii_lowercase() || c == '_')).unwrap_or(rest_at.len());
    if &rest_at[..end] == "call"
        && let Some(name) = rest_at.find('@')
    {
        let length = rest_at[name + 1..].find('(')?;
        return Some(at + name + 1..at + name + 1 + length);
    }
    (end > 1).then_some(at..at + end)
}

/// How often each name comes, most frequent first, names in order among equals.
pub fn count(names: impl Iterator<Item = String>) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_found() {
        let mlir = |line: &'static str| in_mlir(line).map(|span| &line[span]);
        assert_eq!(mlir("    %30:3 = scf.for %a = %b"), Some("scf.for"));
        assert_eq!(mlir("    tt.store %1, %2"), Some("tt.store"));
        assert_eq!(mlir("    %1 = \"tt.reduce\"(%0) <{axis = 0 : i32}> ({"), Some("tt.reduce"));
        assert_eq!((mlir("  }"), mlir("#blocked = #ttg.blocked<{}>"), mlir("module {")), (None, None, None));
        let llvm = |line: &'static str| in_llvm(line).map(|span| &line[span]);
        assert_eq!(llvm("  %9 = add i32 %4, 127"), Some("add"));
        assert_eq!(llvm("  %8 = tail call i32 @llvm.nvvm.x(), !dbg !8"), Some("llvm.nvvm.x"));
        assert_eq!(llvm("  %8 = tail call i32 asm \"mma\", \"r\"(i32 1)"), Some("call"));
        assert_eq!(count(["b", "a", "b", "c"].map(str::to_owned).into_iter())[0], ("b".to_owned(), 2));
    }
}
