//! Which lines of a text use what another line defines, by the names of values: MLIR, LLVM IR, and PTX.
//!
//! Optimisations drop the place of an operation that several places share (a constant) or that they move into another
//! block (LLVM's sinking and hoisting). What uses its result still says what it is for.

use std::collections::HashMap;

use warpbook_ptx::lines;

/// The notation of values in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// MLIR, in which TTIR and TTGIR are written.
    Mlir,
    /// LLVM IR: `%1` are the values.
    Llvm,
    /// PTX: registers such as `%r1` are the values.
    Ptx,
}

/// For each line the lines that use what it defines, both from 0.
pub fn users(text: &str, notation: Notation) -> Vec<Vec<usize>> {
    let lines: Vec<(&str, &str)> = text.lines().map(|line| split(line, notation)).collect();
    let mut defined: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, (defines, _)) in lines.iter().enumerate() {
        names(defines).for_each(|name| defined.entry(name).or_default().push(at));
    }
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); lines.len()];
    for (at, (_, uses)) in lines.iter().enumerate() {
        for name in names(uses) {
            let all = defined.get(name).map_or(&[][..], Vec::as_slice);
            let before = all.partition_point(|&own| own < at);
            let meant = match notation {
                // A register is written before a loop and at its end.
                Notation::Ptx => all,
                // Functions and regions have names in common: the last one before it, or of a later block.
                _ if before > 0 => &all[before - 1..before],
                _ => &all[..all.len().min(1)],
            };
            for &own in meant {
                if users[own].last() != Some(&at) {
                    users[own].push(at);
                }
            }
        }
    }
    users
}

/// What a line defines, and what it uses.
fn split(line: &str, notation: Notation) -> (&str, &str) {
    let code = line.split("//").next().unwrap_or(line);
    match notation {
        Notation::Mlir | Notation::Llvm => match code.split_once(" = ") {
            Some((left, right)) if left.trim_start().starts_with('%') => (left, right),
            _ => ("", code),
        },
        Notation::Ptx => lines::split_result(code),
    }
}

/// Gives each line of `wanted` that has no keys those of the lines that use what it defines; returns which ones got
/// some. A line that is used widely gets the first `most` keys.
pub fn inherit(keys: &mut [Vec<u32>], users: &[Vec<usize>], wanted: impl Fn(usize) -> bool, most: usize) -> Vec<usize> {
    let mut filled = Vec::new();
    // What uses a line comes after it, but for loops, which the second round is for.
    for at in (0..keys.len()).rev().chain((0..keys.len()).rev()) {
        if !keys[at].is_empty() || !wanted(at) {
            continue;
        }
        let mut found: Vec<u32> = Vec::new();
        for key in users.get(at).into_iter().flatten().filter_map(|&user| keys.get(user)).flatten() {
            if found.len() < most && !found.contains(key) {
                found.push(*key);
            }
        }
        if !found.is_empty() {
            keys[at] = found;
            filled.push(at);
        }
    }
    filled
}

/// The names of values in a part of a line: `%27` of `%27#1` and `%27:2`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('%').map(|(at, _)| {
        let rest = &text[at..];
        let end = rest[1..].find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$' | '-')));
        &rest[..end.map_or(rest.len(), |end| end + 1)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_of_mlir() {
        let text = "%cst = arith.constant 1\n%0:2 = scf.for %a = %cst\n  %3 = x.y %cst, %a // %0\nx.z %0#1, %3";
        assert_eq!(users(text, Notation::Mlir), [vec![1, 2], vec![3], vec![3], vec![]]);
    }

    #[test]
    fn users_of_ptx() {
        let text = "ld.param.b64 %rd1, [k_param_0];\nmov.b32 %r1, 0;\n@%p1 ld.global.v2.b32 {%r2, %r3}, [%rd1];\n\
                    setp.eq.s32 %p1, %r2, %r1;\nst.global.b32 [%rd1], %r3;\n@%p1 bra $L;";
        assert_eq!(users(text, Notation::Ptx), [vec![2, 4], vec![3], vec![3, 4], vec![5], vec![], vec![]]);
    }

    #[test]
    fn users_in_loops() {
        let text = "mov.b32 %r1, 0;\n$L:\nadd.s32 %r2, %r1, 1;\nmov.b32 %r1, %r2;\n@%p1 bra $L;";
        assert_eq!(users(text, Notation::Ptx), [vec![2], vec![], vec![3], vec![2], vec![]]);
        let text = "  %1 = phi i32 [ 0, %a ], [ %2, %b ]\n  %2 = add i32 %1, 1\n}\n  %2 = add i32 1, 1\n  ret i32 %2";
        assert_eq!(users(text, Notation::Llvm), [vec![1], vec![0], vec![], vec![4], vec![]]);
    }

    #[test]
    fn lines_without_keys_take_those_of_their_users() {
        let text = "%0 = a.a\n%1 = a.b %0\n%2 = a.c %1\na.d %2, %0\na.e";
        let mut keys = vec![vec![], vec![], vec![7], vec![8, 9], vec![]];
        let filled = inherit(&mut keys, &users(text, Notation::Mlir), |at| at != 4, 2);
        assert_eq!(keys, [vec![7, 8], vec![7], vec![7], vec![8, 9], vec![]]);
        assert_eq!(filled, [1, 0]);
    }

    #[test]
    fn broken_text_is_no_panic() {
        for text in ["%", "%é = %", "@%p", "mov.b32 %r1", "{ %", "= %0"] {
            for notation in [Notation::Mlir, Notation::Llvm, Notation::Ptx] {
                users(text, notation);
            }
        }
    }
}
