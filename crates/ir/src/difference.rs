//! How two texts of a stage differ, apart from names that only shifted (`%27` became `%28`).
//!
//! Lines are matched without their names; then a matched pair is the same if its names map one to one, and
//! consistently with all matched pairs before.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use similar::{Algorithm, ChangeTag, DiffOp, TextDiff, capture_diff_slices_deadline};

/// One line of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line of both texts; it holds the second text's line.
    Same(&'a str),
    /// In the first text only, with the bytes that its counterpart does not have.
    Removed(&'a str, Vec<Range<usize>>),
    /// In the second text only, with the bytes that its counterpart does not have.
    Added(&'a str, Vec<Range<usize>>),
}

/// Lines of both texts up to which a comparison takes the time that it needs, so that its result is always the same.
const EXACT_LINES: usize = 20_000;

/// How long a longer comparison may take; after it, it is coarser.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bytes of a line above which changes in it are not looked for word by word.
const LONGEST_LINE: usize = 2000;

/// Compares two texts line by line.
pub fn compare<'a>(old: &'a str, new: &'a str) -> Vec<Line<'a>> {
    let (old_lines, new_lines): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut known = HashMap::new();
    let mut nameless = |lines: &[&str]| -> Vec<usize> {
        let number = |line: &&str| {
            let next = known.len();
            *known.entry(without_names(line)).or_insert(next)
        };
        lines.iter().map(number).collect()
    };
    let (a, b) = (nameless(&old_lines), nameless(&new_lines));
    let deadline = (a.len() + b.len() > EXACT_LINES).then(|| std::time::Instant::now() + PATIENCE);
    let operations = capture_diff_slices_deadline(Algorithm::Myers, &a, &b, deadline);
    let mut renamed = Renaming::default();
    let mut found = Vec::new();
    for operation in operations {
        match operation {
            DiffOp::Equal { old_index, new_index, len } => {
                for offset in 0..len {
                    let (old, new) = (old_lines[old_index + offset], new_lines[new_index + offset]);
                    if renamed.agrees(old, new) {
                        found.push(Line::Same(new));
                    } else {
                        changed(&[old], &[new], &mut found);
                    }
                }
            }
            other => changed(&old_lines[other.old_range()], &new_lines[other.new_range()], &mut found),
        }
    }
    found
}

/// Number of differing lines: (removed, added).
pub fn counts(lines: &[Line<'_>]) -> (usize, usize) {
    let count = |is: fn(&Line<'_>) -> bool| lines.iter().filter(|line| is(line)).count();
    (count(|line| matches!(line, Line::Removed(..))), count(|line| matches!(line, Line::Added(..))))
}

/// Removed and added lines that stand at one place; where they are as many, word by word.
fn changed<'a>(old: &[&'a str], new: &[&'a str], found: &mut Vec<Line<'a>>) {
    let mut marks = (vec![Vec::new(); old.len()], vec![Vec::new(); new.len()]);
    if old.len() == new.len() {
        for (at, (old, new)) in old.iter().zip(new).enumerate() {
            let (mut before, mut after) = (0, 0);
            let mut own = (Vec::new(), Vec::new());
            if old.len() + new.len() > LONGEST_LINE {
                continue;
            }
            let diff = TextDiff::configure().diff_words(*old, *new);
            for change in diff.iter_all_changes() {
                let length = change.value().len();
                match change.tag() {
                    ChangeTag::Equal => (before, after) = (before + length, after + length),
                    ChangeTag::Delete => {
                        own.0.push(before..before + length);
                        before += length;
                    }
                    ChangeTag::Insert => {
                        own.1.push(after..after + length);
                        after += length;
                    }
                }
            }
            // Lines that share little are better read whole.
            let marked: usize = own.0.iter().map(Range::len).sum();
            if marked * 3 < old.trim().len() * 2 {
                (marks.0[at], marks.1[at]) = own;
            }
        }
    }
    found.extend(old.iter().zip(marks.0).map(|(line, marks)| Line::Removed(line, marks)));
    found.extend(new.iter().zip(marks.1).map(|(line, marks)| Line::Added(line, marks)));
}

/// Which name of the first text is which of the second.
#[derive(Default)]
struct Renaming<'a> {
    forth: HashMap<&'a str, &'a str>,
    back: HashMap<&'a str, &'a str>,
}

impl<'a> Renaming<'a> {
    /// True if two lines that are equal without names are also equal with them; their pairs of names are then kept.
    fn agrees(&mut self, old: &'a str, new: &'a str) -> bool {
        let mut learned = Vec::new();
        for (a, b) in names(old).map(|span| &old[span]).zip(names(new).map(|span| &new[span])) {
            match (self.forth.get(a), self.back.get(b)) {
                (None, None) => {
                    self.forth.insert(a, b);
                    self.back.insert(b, a);
                    learned.push((a, b));
                }
                (Some(known), _) if *known == b => {}
                _ => {
                    for (a, b) in learned {
                        self.forth.remove(a);
                        self.back.remove(b);
                    }
                    return false;
                }
            }
        }
        true
    }
}

/// A line with every name replaced by its sigil.
fn without_names(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut at = 0;
    for span in names(line) {
        text.push_str(&line[at..=span.start]);
        at = span.end;
    }
    text.push_str(&line[at..]);
    // Blanks are no change.
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Bytes of the names in a line: `%27`, `%r12`, `^bb1`, `$L__BB0_2`, and aliases of attributes (`#blocked1`, but not
/// `#ttg.blocked`).
fn names(line: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let bytes = line.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let start = at;
            let byte = bytes[at];
            at += 1;
            if byte == b'"' {
                at += line[at..].find('"').map_or(0, |end| end + 1);
            } else if matches!(byte, b'%' | b'^' | b'$' | b'#') {
                let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                let length = bytes[at..].iter().take_while(|byte| is_name(byte)).count();
                at += length;
                let is_alias = byte != b'#'
                    || bytes.get(start + 1).is_some_and(u8::is_ascii_alphabetic) && bytes.get(at) != Some(&b'.');
                if length > 0 && is_alias {
                    return Some(start..at);
                }
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(old: &str, new: &str) -> String {
        let mark = |line: &str, marks: &[Range<usize>]| {
            marks.iter().rev().fold(line.to_owned(), |text, mark| {
                format!("{}[{}]{}", &text[..mark.start], &text[mark.clone()], &text[mark.end..])
            })
        };
        let show = |line: &Line<'_>| match line {
            Line::Same(_) => String::new(),
            Line::Removed(line, marks) => format!("-{}\n", mark(line, marks)),
            Line::Added(line, marks) => format!("+{}\n", mark(line, marks)),
        };
        compare(old, new).iter().map(show).collect()
    }

    #[test]
    fn shifted_names_are_no_change() {
        let old = "%1 = a.x : i32\n%2 = a.y %1 : tensor<4xi32, #blocked>\na.z %2, %1";
        let new = "%1 = b.new : i8\n%2 = a.x : i32\n%3 = a.y %2 : tensor<4xi32, #blocked1>\na.z %3, %2";
        assert_eq!(shown(old, new), "+%1 = b.new : i8\n");
        assert_eq!(shown(old, old), "");
    }

    #[test]
    fn other_operands_are_a_change() {
        let old = "%1 = a.x : i32\n%2 = a.y : i32\na.add %1, %2, %1";
        let new = "%1 = a.x : i32\n%2 = a.y : i32\na.add %1, %2, %2";
        assert_eq!(shown(old, new), "-a.add %1, %2, [%1]\n+a.add %1, %2, [%2]\n");
    }

    #[test]
    fn changes_are_marked_word_by_word() {
        let marked = shown("x %0 {order = [1, 0]} : tensor<4xf32>", "x %0 {order = [0, 1]} : tensor<4xf32>");
        assert_eq!(marked, "-x %0 {order = [[1,] [0]}] : tensor<4xf32>\n+x %0 {order = [[0,] [1]}] : tensor<4xf32>\n");
        assert_eq!(shown("é #", "é # %"), "-é #\n+é #[ ][%]\n");
    }

    #[test]
    fn dialect_attributes_are_no_names() {
        assert_eq!(
            without_names("#blocked1 = #ttg.blocked<{}> \"%a\" %r12, $L1, ^bb2"),
            "# = #ttg.blocked<{}> \"%a\" %, $, ^"
        );
    }
}
