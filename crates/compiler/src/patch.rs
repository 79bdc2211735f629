//! A few lines that change a stage's text: a unified diff, or `old → new` pairs.
//!
//! A diff needs no `@@` headers: its lines are looked for, first as they are, then with any white space between words;
//! without headers an empty line ends a hunk. In a pair, `old` has to be in the text exactly once, at the borders of
//! words. Everything is matched against the original text, so that no change meets another one's result.

use std::collections::HashMap;
use std::ops::Range;

use warpbook_diagnostic::{Diagnostic, Result, nearest};

/// The text with the patch applied. Spans of errors are bytes of the patch.
pub fn apply_patch(original: &str, patch: &str) -> Result<String> {
    let lines = lines(patch);
    let content: Vec<&Line<'_>> = lines.iter().filter(|line| !line.text.trim().is_empty()).collect();
    let every = |arrow: &str| content.iter().all(|line| line.text.contains(arrow));
    let is_diff = || content.iter().any(|line| line.text.starts_with(['+', '-']) || line.text.starts_with("@@"));
    match content.as_slice() {
        [] => Err(Diagnostic::error("patch-syntax", "the patch is empty").help(FORMS)),
        _ if every("→") => apply_pairs(original, &content, "→"),
        _ if is_diff() => apply_diff(original, &lines),
        _ if every(" -> ") => apply_pairs(original, &content, " -> "),
        [first, ..] => {
            let odd = content.iter().find(|line| !line.text.contains('→') && !line.text.contains(" -> "));
            let error = Diagnostic::error("patch-syntax", "this is neither a diff nor a list of `old → new` pairs");
            Err(error.at(odd.unwrap_or(first).span.clone(), "").help(FORMS))
        }
    }
}

const FORMS: &str = "write `old → new` (or `old -> new`), one pair per line, or the lines of a diff with `-` and `+`";

/// A line of a text, without its newline.
struct Line<'a> {
    text: &'a str,
    span: Range<usize>,
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut start = 0;
    text.split_inclusive('\n')
        .map(|line| {
            let content = line.trim_end_matches(['\n', '\r']);
            let span = start..start + content.len();
            start += line.len();
            Line { text: content, span }
        })
        .collect()
}

// Pairs

fn apply_pairs(original: &str, pairs: &[&Line<'_>], arrow: &str) -> Result<String> {
    let mut changes: Vec<(Range<usize>, String, Range<usize>)> = Vec::new();
    for pair in pairs {
        let parts: Vec<&str> = pair.text.split(arrow).collect();
        let [old, new] = parts.as_slice() else {
            let error = Diagnostic::error("patch-syntax", format!("there is more than one `{}`", arrow.trim()));
            let error = error.at(pair.span.clone(), "");
            return Err(error.help("a text with `->` in it: put `→` between old and new, or write a diff"));
        };
        let (old, new) = (old.trim(), new.trim());
        if old.is_empty() {
            let error =
                Diagnostic::error("patch-syntax", "there is nothing before the arrow").at(pair.span.clone(), "");
            return Err(error.help("to add lines, write a diff: a line that is there, then `+` lines"));
        }
        let place = match occurrences(original, old).as_slice() {
            [place] => place.clone(),
            [] => return Err(no_match(original, old, pair.span.clone())),
            several => {
                let numbers = several.iter().map(|place| line_number(original, place.start));
                return Err(ambiguous(numbers.collect(), pair.span.clone()));
            }
        };
        changes.push((place, new.to_owned(), pair.span.clone()));
    }
    changes.sort_by_key(|(place, ..)| place.start);
    for (first, second) in changes.iter().zip(changes.iter().skip(1)) {
        if first.0.end > second.0.start {
            return Err(overlap(first.2.clone(), second.2.clone()));
        }
    }
    let mut text = String::with_capacity(original.len());
    let mut at = 0;
    for (place, new, _) in changes {
        text.push_str(&original[at..place.start]);
        text.push_str(&new);
        at = place.end;
    }
    text.push_str(&original[at..]);
    Ok(text)
}

/// Spans of `old` in a text, as whole words. If there is none, white space between its words may differ.
fn occurrences(text: &str, old: &str) -> Vec<Range<usize>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (starts_word, ends_word) = (old.starts_with(is_word), old.ends_with(is_word));
    let whole = |place: &Range<usize>| {
        !(starts_word && text[..place.start].ends_with(is_word) || ends_word && text[place.end..].starts_with(is_word))
    };
    let exact: Vec<_> = text.match_indices(old).map(|(at, old)| at..at + old.len()).filter(whole).collect();
    if !exact.is_empty() {
        return exact;
    }
    let words: Vec<&str> = old.split_whitespace().collect();
    let Some((first, rest)) = words.split_first() else { return Vec::new() };
    let spaced = |at: usize| {
        let mut end = at + first.len();
        for word in rest {
            let after = &text[end..];
            let gap = after.len() - after.trim_start_matches([' ', '\t']).len();
            if gap == 0 || !after[gap..].starts_with(word) {
                return None;
            }
            end += gap + word.len();
        }
        Some(at..end)
    };
    text.match_indices(first).filter_map(|(at, _)| spaced(at)).filter(whole).collect()
}

fn line_number(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

// Diffs

/// A run of lines of a diff.
#[derive(Default)]
struct Hunk<'a> {
    lines: Vec<(Kind, &'a str)>,
    /// The line of the original that an `@@` header names, from 0.
    hint: Option<usize>,
    span: Option<Range<usize>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Same,
    Removed,
    Added,
}

impl<'a> Hunk<'a> {
    fn push(&mut self, kind: Kind, text: &'a str, line: &Line<'_>) {
        let start = self.span.as_ref().map_or(line.span.start, |span| span.start);
        self.span = Some(start..line.span.end);
        self.lines.push((kind, text));
    }

    fn changes(&self) -> bool {
        self.lines.iter().any(|(kind, _)| *kind != Kind::Same)
    }

    fn old(&self) -> Vec<&'a str> {
        self.lines.iter().filter(|(kind, _)| *kind != Kind::Added).map(|(_, text)| *text).collect()
    }

    fn span(&self) -> Range<usize> {
        self.span.clone().unwrap_or(0..0)
    }
}

fn apply_diff(original: &str, patch: &[Line<'_>]) -> Result<String> {
    let text: Vec<&str> = original.split('\n').collect();
    let mut placed: Vec<(usize, Hunk<'_>)> = Vec::new();
    for hunk in hunks(patch) {
        placed.push((place(&text, &hunk)?, hunk));
    }
    if placed.is_empty() {
        let error = Diagnostic::error("patch-syntax", "this diff changes nothing");
        return Err(error.help("lines to take out begin with `-`, lines to put in with `+`"));
    }
    placed.sort_by_key(|(at, _)| *at);
    for ((at, first), (next, second)) in placed.iter().zip(placed.iter().skip(1)) {
        if at + first.old().len() > *next {
            return Err(overlap(first.span(), second.span()));
        }
    }
    let mut out: Vec<&str> = Vec::with_capacity(text.len());
    let mut at = 0;
    for (start, hunk) in placed {
        out.extend(text.get(at..start).unwrap_or_default());
        at = start;
        for (kind, content) in hunk.lines {
            match kind {
                Kind::Added => out.push(content),
                // The original's own white space is kept.
                Kind::Same => out.extend(text.get(at)),
                Kind::Removed => {}
            }
            at += usize::from(kind != Kind::Added);
        }
    }
    out.extend(text.get(at..).unwrap_or_default());
    Ok(out.join("\n"))
}

/// The hunks that change something.
fn hunks<'a>(patch: &[Line<'a>]) -> Vec<Hunk<'a>> {
    let has_headers = patch.iter().any(|line| line.text.starts_with("@@"));
    let mut hunks: Vec<Hunk<'a>> = vec![Hunk::default()];
    for (index, line) in patch.iter().enumerate() {
        let Some(current) = hunks.last_mut() else { break };
        let is_file_header = |line: &Line<'_>, next: Option<&Line<'_>>| {
            line.text.starts_with("--- ") && next.is_some_and(|next| next.text.starts_with("+++ "))
        };
        let before = index.checked_sub(1).and_then(|before| patch.get(before));
        if line.text.starts_with("@@") {
            hunks.push(Hunk { hint: hint(line.text), ..Hunk::default() });
        } else if is_file_header(line, patch.get(index + 1))
            || before.is_some_and(|before| is_file_header(before, Some(line)))
            || line.text.starts_with("\\ No newline")
            || !current.changes() && ["diff --git ", "index "].iter().any(|word| line.text.starts_with(word))
        {
        } else if let Some(added) = line.text.strip_prefix('+') {
            current.push(Kind::Added, added, line);
        } else if let Some(removed) = line.text.strip_prefix('-') {
            current.push(Kind::Removed, removed, line);
        } else if line.text.trim().is_empty() && !has_headers {
            hunks.push(Hunk::default());
        } else if !line.text.is_empty() || !current.lines.is_empty() {
            current.push(Kind::Same, line.text.strip_prefix(' ').unwrap_or(line.text), line);
        }
    }
    // A cell's last empty lines are no part of its last hunk.
    for hunk in &mut hunks {
        while hunk.lines.last().is_some_and(|(kind, text)| *kind == Kind::Same && text.is_empty()) {
            hunk.lines.pop();
        }
    }
    hunks.retain(Hunk::changes);
    hunks
}

/// The old line number of `@@ -12,3 +12,4 @@`, from 0.
fn hint(header: &str) -> Option<usize> {
    let digits = header.split('-').nth(1)?.split([',', ' ']).next()?;
    digits.parse::<usize>().ok()?.checked_sub(1)
}

/// The line, from 0, at which the hunk's old lines stand.
fn place(text: &[&str], hunk: &Hunk<'_>) -> Result<usize> {
    let old = hunk.old();
    if old.is_empty() {
        return hunk.hint.filter(|&at| at <= text.len()).ok_or_else(|| {
            let error = Diagnostic::error("patch-syntax", "it is not clear where these lines go").at(hunk.span(), "");
            error.help("put a line of the text before or after them, with a space in its first column")
        });
    }
    let matches = |same: &dyn Fn(&str, &str) -> bool| -> Vec<usize> {
        let fits = |at: &usize| old.iter().zip(&text[*at..]).all(|(old, line)| same(old, line));
        (0..(text.len() + 1).saturating_sub(old.len())).filter(fits).collect()
    };
    let mut found = matches(&|old, line| old.trim_end() == line.trim_end());
    if found.is_empty() {
        found = matches(&|old, line| old.split_whitespace().eq(line.split_whitespace()));
    }
    match (found.as_slice(), hunk.hint) {
        ([place], _) => Ok(*place),
        ([], _) => Err(no_hunk(text, &old, hunk)),
        (several, Some(hint)) => Ok(several.iter().copied().min_by_key(|place| place.abs_diff(hint)).unwrap_or(hint)),
        (several, None) => Err(ambiguous(several.iter().map(|place| place + 1).collect(), hunk.span())),
    }
}

/// The error about a hunk that is nowhere: how far it fits at best, or the nearest line.
fn no_hunk(text: &[&str], old: &[&str], hunk: &Hunk<'_>) -> Diagnostic {
    let same = |old: &str, line: &str| old.split_whitespace().eq(line.split_whitespace());
    let fit = |at: usize| old.iter().zip(&text[at..]).take_while(|(old, line)| same(old, line)).count();
    let best = (0..text.len()).map(|at| (fit(at), at)).max_by_key(|&(count, at)| (count, usize::MAX - at));
    match best {
        Some((count @ 1.., at)) if count < old.len() => {
            let message = format!("after {count} of {} lines this differs from the text", old.len());
            let error = Diagnostic::error("patch-no-match", message).at(hunk.span(), "");
            let error = error.note(format!("the patch has `{}`", old[count].trim()));
            match text.get(at + count) {
                Some(line) => error.note(format!("line {} of the text is `{}`", at + count + 1, line.trim())),
                None => error.note("the text ends there"),
            }
        }
        _ => no_match(&text.join("\n"), old.first().copied().unwrap_or_default(), hunk.span()),
    }
}

// Errors

fn no_match(text: &str, wanted: &str, span: Range<usize>) -> Diagnostic {
    let error = Diagnostic::error("patch-no-match", "this is not in the text").at(span, "");
    let scored = text.lines().enumerate().map(|(index, line)| (likeness(wanted, line), index, line));
    // Of equals the first one.
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
    match best {
        Some((score, index, line)) if score > 0.3 => {
            error.note(format!("the nearest is line {}: `{}`", index + 1, line.trim()))
        }
        _ => {
            let words = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '(' | ')' | '[' | ']'));
            match nearest(wanted.trim(), words.filter(|word| !word.is_empty())) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.note(format!("looked for `{}`", wanted.trim())),
            }
        }
    }
}

/// The share of words that two lines have in common, from 0 to 1.
fn likeness(a: &str, b: &str) -> f64 {
    fn words(line: &str) -> impl Iterator<Item = &str> {
        line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
    }
    let mut counts: HashMap<&str, usize> = HashMap::new();
    words(a).for_each(|word| *counts.entry(word).or_default() += 1);
    let total = words(a).count() + words(b).count();
    let common = words(b).filter(|word| counts.get_mut(word).is_some_and(take_one)).count();
    if total == 0 { 0.0 } else { 2.0 * common as f64 / total as f64 }
}

fn take_one(left: &mut usize) -> bool {
    let had = *left > 0;
    *left = left.saturating_sub(1);
    had
}

fn ambiguous(lines: Vec<usize>, span: Range<usize>) -> Diagnostic {
    const MOST_SHOWN: usize = 12;
    let more =
        if lines.len() > MOST_SHOWN { format!(", and {} more", lines.len() - MOST_SHOWN) } else { String::new() };
    let shown: Vec<String> = lines.iter().take(MOST_SHOWN).map(usize::to_string).collect();
    let message = format!("this is in the text {} times", lines.len());
    let error = Diagnostic::error("patch-ambiguous", message).at(span, "");
    error
        .note(format!("lines {}{more}", shown.join(", ")))
        .help("take more of the line, or write a diff with the lines around it")
}

fn overlap(first: Range<usize>, second: Range<usize>) -> Diagnostic {
    let error = Diagnostic::error("patch-overlap", "two changes meet the same text");
    error.at(second, "").because(first, "the other one")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
module {
  %c32_i32 = arith.constant 32 : i32
  %0 = tt.load %a : f16 -> f32
\tld.global.b32 \t%r1, [%rd1];
\tld.global.b32 \t%r12, [%rd2];
  tt.return
}
";

    fn patched(patch: &str) -> String {
        apply_patch(TEXT, patch).unwrap_or_else(|error| panic!("{error}"))
    }

    fn refused(patch: &str) -> Diagnostic {
        apply_patch(TEXT, patch).expect_err(patch)
    }

    #[test]
    fn pairs_change_what_is_there_once() {
        assert_eq!(patched("constant 32 → constant 64\n"), TEXT.replace("constant 32", "constant 64"));
        assert_eq!(patched("constant 32 -> constant 64"), TEXT.replace("constant 32", "constant 64"));
        assert_eq!(patched("%r1 → %r9"), TEXT.replace("%r1,", "%r9,"), "%r12 is another word");
        assert_eq!(patched("ld.global.b32 %r1, → ld.global.nc.b32 %r1,"), TEXT.replace("b32 \t%r1,", "nc.b32 %r1,"));
        assert_eq!(patched("f16 -> f32 → f32 -> f32"), TEXT.replace("f16 -> f32", "f32 -> f32"));
        assert_eq!(patched("\n  tt.return →\n"), TEXT.replace("tt.return", ""));
        // Both are matched against the original.
        assert_eq!(
            patched("%rd1 → %rd2\n%rd2 → %rd1\n"),
            TEXT.replace("rd1", "x").replace("rd2", "rd1").replace('x', "rd2")
        );
    }

    #[test]
    fn pairs_that_fit_nowhere_or_often_are_refused() {
        let error = refused("constant 33 : i32 → constant 64 : i32");
        assert_eq!(error.code, "patch-no-match");
        assert_eq!(error.notes, ["the nearest is line 2: `%c32_i32 = arith.constant 32 : i32`"]);
        let error = refused("a → b\nld.global → ld.shared");
        assert_eq!((error.code, error.labels[0].span.clone()), ("patch-ambiguous", 8..31));
        assert_eq!(error.notes, ["lines 4, 5"]);
        assert_eq!(refused("f16 -> f32 -> f64").code, "patch-syntax");
        assert_eq!(refused("→ x").code, "patch-syntax");
        assert_eq!(refused("constant 32 → x\n32 : i32 → y").code, "patch-overlap");
        assert_eq!(refused("what is this").code, "patch-syntax");
        assert_eq!(refused("\n\n").code, "patch-syntax");
    }

    #[test]
    fn diffs_apply_with_and_without_headers() {
        let expected = TEXT.replace("constant 32", "constant 64");
        let lines = "-  %c32_i32 = arith.constant 32 : i32\n+  %c32_i32 = arith.constant 64 : i32\n";
        assert_eq!(patched(lines), expected);
        assert_eq!(
            patched(&format!(
                "--- a/k.ttgir\n+++ b/k.ttgir\n@@ -2,2 +2,2 @@\n{lines}   %0 = tt.load %a : f16 -> f32\n"
            )),
            expected
        );
        // Another line number, other white space.
        assert_eq!(patched(&format!("@@ -40 +40 @@\n module {{\n{}", lines.replace("- ", "-"))), expected);
    }

    #[test]
    fn several_hunks_and_added_lines() {
        let patch = "\
   tt.return
+  // done

-\tld.global.b32 %r12, [%rd2];
";
        let expected =
            TEXT.replace("\tld.global.b32 \t%r12, [%rd2];\n", "").replace("tt.return\n", "tt.return\n  // done\n");
        assert_eq!(patched(patch), expected);
        assert_eq!(patched("@@ -1,0 +1 @@\n+// first\n"), format!("// first\n{TEXT}"));
    }

    #[test]
    fn diffs_that_do_not_fit_say_where() {
        let error = refused(" module {\n-  %c32_i32 = arith.constant 16 : i32\n+  x\n");
        assert_eq!(error.notes[1], "line 2 of the text is `%c32_i32 = arith.constant 32 : i32`");
        assert_eq!(refused("+  alone\n").code, "patch-syntax");
        assert_eq!(refused("-  tt.retrn\n+x\n").code, "patch-no-match");
        assert_eq!(apply_patch("a\nb\na\n", "-a\n+c\n").expect_err("twice").notes, ["lines 1, 3"]);
        assert_eq!(apply_patch("a\nb\na\n", "@@ -3 +3 @@\n-a\n+c\n"), Ok("a\nb\nc\n".to_owned()));
        assert_eq!(refused("-tt.return\n\n-tt.return\n").code, "patch-overlap");
        assert_eq!(refused("@@ -1 +1 @@\n module {\n").code, "patch-syntax");
    }
}
