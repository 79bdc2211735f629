//! Claims about a text, one a line, as LLVM's FileCheck has them: `CHECK`, `CHECK-NEXT`, `CHECK-SAME`, `CHECK-NOT`,
//! `CHECK-DAG`, `CHECK-COUNT-n`, `CHECK-LABEL`. Runs of blanks match runs of blanks; `{{…}}` is a regular expression, `[[NAME:…]]`
//! names what one matches, `[[NAME]]` has to match the same text again.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use regex::Regex;

/// The kind of a claim, by its directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `CHECK`: matches anywhere after the previous match.
    Check,
    /// `CHECK-NEXT`: matches on the line after the previous match.
    Next,
    /// `CHECK-SAME`: matches on the same line, after the previous match.
    Same,
    /// Nowhere between the ones before and after.
    Not,
    /// Somewhere after the one before, in any order with its neighbours of this kind.
    Dag,
    /// `CHECK-COUNT-n`: matches this many times, one after another.
    Count(usize),
}

/// One claim about a text, as LLVM's FileCheck writes it: `CHECK-NEXT: mma.sync`.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The directive: where the pattern has to stand.
    pub kind: Kind,
    /// The text to find.
    pattern: String,
    /// Bytes of the pattern in the claims' text.
    pub span: Range<usize>,
}

/// A claim whose directive or pattern is malformed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is malformed about it.
    pub message: String,
    /// Bytes of the claims' text that are wrong.
    pub span: Range<usize>,
}

/// Reads claims. A line without a directive is a comment, and begins with `//` or `#`.
pub fn parse(text: &str) -> Result<Vec<Claim>, Malformed> {
    let mut claims = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let at = start;
        start += line.len();
        let body = line.trim();
        if body.is_empty() {
            continue;
        }
        let begin = at + (line.len() - line.trim_start().len());
        let whole = begin..begin + body.len();
        let directive = body.trim_start_matches(['/', '#', ';', ' ']);
        let Some((name, pattern)) = directive.split_once(':').filter(|(name, _)| name.starts_with("CHECK")) else {
            if body.starts_with("//") || body.starts_with('#') {
                continue;
            }
            let message = "a claim begins with `CHECK:`, a comment with `//`".to_owned();
            return Err(Malformed { message, span: whole });
        };
        let kind = match name {
            "CHECK" | "CHECK-LABEL" => Kind::Check,
            "CHECK-NEXT" => Kind::Next,
            "CHECK-SAME" => Kind::Same,
            "CHECK-NOT" => Kind::Not,
            "CHECK-DAG" => Kind::Dag,
            other => match other.strip_prefix("CHECK-COUNT-").and_then(|count| count.parse().ok()) {
                Some(count) if count > 0 => Kind::Count(count),
                _ => {
                    let message = format!("`{name}` is not understood");
                    return Err(Malformed {
                        message,
                        span: whole.end - directive.len()..whole.end - pattern.len() - 1,
                    });
                }
            },
        };
        let trimmed = pattern.trim();
        let span = whole.end - trimmed.len()..whole.end;
        if trimmed.is_empty() {
            return Err(Malformed { message: "nothing to look for".to_owned(), span: whole });
        }
        if matches!(kind, Kind::Next | Kind::Same) && claims.is_empty() {
            return Err(Malformed { message: format!("`{name}` needs a claim before it"), span: whole });
        }
        claims.push(Claim { kind, pattern: trimmed.to_owned(), span });
    }
    Ok(claims)
}

/// The lines that a claim matched, from 1; empty for `CHECK-NOT`.
pub type MatchedLines = Vec<usize>;

/// A claim that the text does not satisfy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Index of the claim in the list.
    pub claim: usize,
    /// One sentence on why it does not hold.
    pub why: String,
    /// The line of the text that was reached, from 1.
    pub line: usize,
    /// The line from there on that is most like what was looked for, from 1.
    pub nearest: Option<usize>,
}

/// Why claims were not all found to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// One claim is not satisfied.
    Failed(Failed),
    /// One claim is malformed.
    Malformed(Malformed),
}

/// Checks all claims against a text; where each one holds.
pub fn check(claims: &[Claim], text: &str) -> Result<Vec<MatchedLines>, Problem> {
    let mut names: HashMap<String, String> = HashMap::new();
    let mut found: Vec<MatchedLines> = Vec::new();
    let mut at = 0;
    // `CHECK-NOT`s that wait for the claim that ends their part of the text.
    let mut pending: Vec<(usize, usize)> = Vec::new();
    // Where the claims in any order begin, and what those before this one took.
    let mut unordered: Option<(usize, Vec<Range<usize>>)> = None;
    let line_of = |at: usize| text[..at].matches('\n').count() + 1;
    let absent = |pending: &mut Vec<(usize, usize)>, end: usize, names: &HashMap<String, String>| {
        for (index, from) in pending.drain(..) {
            let (regex, _) = compile(&claims[index], names).map_err(Problem::Malformed)?;
            if let Some(hit) = regex.find(&text[from.min(end)..end]) {
                let line = line_of(from + hit.start());
                let why = format!("it is in line {line}: {}", text.lines().nth(line - 1).unwrap_or("").trim());
                return Err(Problem::Failed(Failed { claim: index, why, line, nearest: None }));
            }
        }
        Ok(())
    };
    for (index, claim) in claims.iter().enumerate() {
        let mut lines = Vec::new();
        if claim.kind == Kind::Not {
            pending.push((index, at));
            found.push(lines);
            continue;
        }
        let (regex, captures) = compile(claim, &names).map_err(Problem::Malformed)?;
        if claim.kind == Kind::Dag {
            let (from, taken) = unordered.get_or_insert_with(|| (at, Vec::new()));
            let mut all = regex.captures_iter(&text[*from..]);
            let free = |span: &Range<usize>| !taken.iter().any(|own| own.start < span.end && span.start < own.end);
            let hit = all.find_map(|hit| {
                let whole = hit.get(0)?.range();
                let whole = *from + whole.start..*from + whole.end;
                free(&whole).then_some((hit, whole))
            });
            let Some((hit, whole)) = hit else {
                let line = line_of(*from);
                let why = format!("not found from line {line} on, in any order");
                let nearest = nearest(&claim.pattern, text, *from);
                return Err(Problem::Failed(Failed { claim: index, why, line, nearest }));
            };
            absent(&mut pending, whole.start, &names)?;
            for (name, group) in &captures {
                if let Some(value) = hit.name(group) {
                    names.insert(name.clone(), value.as_str().to_owned());
                }
            }
            found.push(vec![line_of(whole.start)]);
            at = at.max(whole.end);
            taken.push(whole);
            continue;
        }
        unordered = None;
        let count = if let Kind::Count(count) = claim.kind { count } else { 1 };
        let began = at;
        for done in 0..count {
            let end_of_line = |from: usize| text[from..].find('\n').map_or(text.len(), |end| from + end);
            let window = match claim.kind {
                Kind::Next => {
                    let start = (end_of_line(at) + 1).min(text.len());
                    start..end_of_line(start)
                }
                Kind::Same => at..end_of_line(at),
                _ => at..text.len(),
            };
            let Some(hit) = regex.captures(&text[window.clone()]) else {
                let line = line_of(window.start);
                let here = text.lines().nth(line - 1).unwrap_or("").trim();
                let why = match claim.kind {
                    Kind::Next | Kind::Same => format!("line {line} is: {here}"),
                    Kind::Count(_) => format!("found {done} times, not {count}, from line {} on", line_of(began)),
                    _ => format!("not found from line {line} on"),
                };
                // What was found before it needs no likeness.
                let nearest = if done == 0 { nearest(&claim.pattern, text, window.start) } else { None };
                return Err(Problem::Failed(Failed { claim: index, why, line, nearest }));
            };
            let whole = hit.get(0).map_or(0..0, |all| all.range());
            if done == 0 {
                absent(&mut pending, window.start + whole.start, &names)?;
            }
            for (name, group) in &captures {
                if let Some(value) = hit.name(group) {
                    names.insert(name.clone(), value.as_str().to_owned());
                }
            }
            lines.push(line_of(window.start + whole.start));
            at = window.start + whole.end;
        }
        found.push(lines);
    }
    absent(&mut pending, text.len(), &names)?;
    Ok(found)
}

/// How much of what is looked for a line has to share to be called near.
const NEAR: f64 = 0.4;

/// The line from `from` on that has most of the three-letter pieces of a pattern, from 1.
fn nearest(pattern: &str, text: &str, from: usize) -> Option<usize> {
    let pieces = |text: &str| -> HashSet<[char; 3]> {
        let letters: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
        letters.windows(3).filter_map(|piece| piece.try_into().ok()).collect()
    };
    let wanted = pieces(pattern);
    let (before, rest) = text.split_at_checked(from)?;
    let first = before.matches('\n').count() + 1;
    let mut best: Option<(usize, usize)> = None;
    for (number, line) in (first..).zip(rest.lines()) {
        let shared = pieces(line).intersection(&wanted).count();
        if best.is_none_or(|(_, most)| shared > most) {
            best = Some((number, shared));
        }
    }
    best.filter(|(_, shared)| *shared as f64 >= NEAR * wanted.len().max(1) as f64).map(|(line, _)| line)
}

/// The regular expression of a claim, and (name, group) of what it names.
fn compile(claim: &Claim, names: &HashMap<String, String>) -> Result<(Regex, Vec<(String, String)>), Malformed> {
    let malformed = |message: String| Malformed { message, span: claim.span.clone() };
    let (mut regex, mut captures, mut rest) = (String::from("(?m)"), Vec::new(), claim.pattern.as_str());
    while !rest.is_empty() {
        let next = rest.find("{{").into_iter().chain(rest.find("[[")).min().unwrap_or(rest.len());
        let literal: Vec<String> = rest[..next].split_whitespace().map(regex::escape).collect();
        if rest[..next].starts_with(char::is_whitespace) {
            regex.push_str("[ \\t]+");
        }
        regex.push_str(&literal.join("[ \\t]+"));
        if rest[..next].ends_with(char::is_whitespace) && !literal.is_empty() {
            regex.push_str("[ \\t]+");
        }
        rest = &rest[next..];
        let Some(inside) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("[[")) else { break };
        let is_expression = rest.starts_with("{{");
        let close = if is_expression { "}}" } else { "]]" };
        let Some(end) = inside.find(close) else { return Err(malformed(format!("`{close}` is missing"))) };
        let content = &inside[..end];
        rest = &inside[end + 2..];
        if is_expression {
            regex.push_str(&format!("(?:{content})"));
            continue;
        }
        let (name, expression) = content.split_once(':').map_or((content, None), |(name, e)| (name, Some(e)));
        match (expression, names.get(name), captures.iter().find(|(known, _): &&(String, String)| known == name)) {
            (Some(expression), ..) => {
                let group = format!("v{}", captures.len());
                regex.push_str(&format!("(?P<{group}>{expression})"));
                captures.push((name.to_owned(), group));
            }
            (None, Some(value), _) => regex.push_str(&regex::escape(value)),
            (None, None, _) => return Err(malformed(format!("`{name}` was not named before"))),
        }
    }
    let compiled = Regex::new(&regex).map_err(|error| malformed(error.to_string()))?;
    Ok((compiled, captures))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "start:\n  mma.sync a, b;\n  mma.sync   c, d;\n  add.f32 %r1, %r2;\n  mul.f32 %r1, %r1;\n  bra start;\n";

    fn outcome(claims: &str) -> String {
        let parsed = match parse(claims) {
            Ok(parsed) => parsed,
            Err(error) => return format!("malformed: {} at `{}`", error.message, &claims[error.span]),
        };
        match check(&parsed, TEXT) {
            Ok(found) => format!("{found:?}"),
            Err(Problem::Failed(failed)) => format!("claim {}: {}", failed.claim, failed.why),
            Err(Problem::Malformed(error)) => format!("malformed: {}", error.message),
        }
    }

    #[test]
    fn claims_hold() {
        assert_eq!(
            outcome("// prose\nCHECK: start\nCHECK-COUNT-2: mma.sync\nCHECK-NOT: mma\nCHECK: bra"),
            "[[1], [2, 3], [], [6]]"
        );
        assert_eq!(
            outcome("CHECK: mma.sync c, d\nCHECK-NEXT: add.f32 [[R:%r\\d+]],\nCHECK-NEXT: mul.f32 [[R]], [[R]]"),
            "[[3], [4], [5]]"
        );
        assert_eq!(outcome("CHECK: add\nCHECK-SAME: %r{{[0-9]}}, %r2"), "[[4], [4]]");
    }

    #[test]
    fn claims_fail_where_they_fail() {
        assert_eq!(outcome("CHECK-COUNT-3: mma.sync"), "claim 0: found 2 times, not 3, from line 1 on");
        assert_eq!(outcome("CHECK: add\nCHECK: mma"), "claim 1: not found from line 4 on");
        assert_eq!(outcome("CHECK: start\nCHECK-NEXT: add"), "claim 1: line 2 is: mma.sync a, b;");
        assert_eq!(outcome("CHECK-NOT: mul"), "claim 0: it is in line 5: mul.f32 %r1, %r1;");
        assert_eq!(outcome("CHECK: add\nCHECK-NOT: bra"), "claim 1: it is in line 6: bra start;");
    }

    #[test]
    fn claims_in_any_order() {
        assert_eq!(
            outcome("CHECK: start\nCHECK-DAG: add.f32\nCHECK-DAG: mma.sync c\nCHECK-DAG: mma.sync\nCHECK: mul"),
            "[[1], [4], [3], [2], [5]]"
        );
        assert_eq!(
            outcome("CHECK-DAG: mma.sync\nCHECK-DAG: mma.sync\nCHECK-NOT: bra\nCHECK: mul"),
            "[[2], [3], [], [5]]"
        );
        let failed = "claim 2: not found from line 1 on, in any order";
        assert_eq!(outcome("CHECK-DAG: mma.sync\nCHECK-DAG: mma.sync\nCHECK-DAG: mma.sync"), failed);
    }

    #[test]
    fn the_nearest_line_is_known() {
        let near = |claims: &str| match check(&parse(claims).expect("claims"), TEXT) {
            Err(Problem::Failed(failed)) => failed.nearest,
            other => panic!("{other:?}"),
        };
        assert_eq!(near("CHECK: mma.snyc c, d"), Some(3));
        assert_eq!(near("CHECK: add\nCHECK: mul.f32 %r2"), Some(5));
        assert_eq!(near("CHECK: wholly other"), None);
    }

    #[test]
    fn what_is_no_claim_is_refused() {
        assert_eq!(outcome("mma.sync"), "malformed: a claim begins with `CHECK:`, a comment with `//` at `mma.sync`");
        assert_eq!(outcome("CHECK-DOG: x"), "malformed: `CHECK-DOG` is not understood at `CHECK-DOG`");
        assert_eq!(outcome("CHECK: [[X]]"), "malformed: `X` was not named before");
        assert_eq!(outcome("CHECK: {{("), "malformed: `}}` is missing");
        assert!(outcome("CHECK: {{(}}").starts_with("malformed: regex parse error"));
        assert_eq!(outcome("CHECK:"), "malformed: nothing to look for at `CHECK:`");
        assert!(outcome("CHECK-NEXT: a").starts_with("malformed: `CHECK-NEXT` needs"));
    }
}
