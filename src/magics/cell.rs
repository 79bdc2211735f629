//! The grammar of a cell: a cell magic, line magics among Rust, or Rust.
//!
//! Line magics count in cells whose first code line is a magic; any other cell is Rust, whatever it contains
//! (`a\n  % b`). An indented line is a magic only if it bears the name of one. A magic's arguments go on over lines until
//! their brackets balance.

use std::ops::Range;

use super::Kind;

/// A part of a cell, as byte spans of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// One use of a magic, with the bytes of its parts in the cell.
    Magic {
        /// Line magic or cell magic.
        kind: Kind,
        /// The name with its percent signs.
        name: Range<usize>,
        /// The text after the name, without blanks around it.
        arguments: Range<usize>,
        /// The body of a cell magic; empty for a line magic.
        body: Range<usize>,
        /// True if the arguments' brackets balance.
        closed: bool,
    },
    /// Lines of Rust between the magics.
    Rust(Range<usize>),
}

/// Takes a cell apart. A cell with nothing in it but comments and blank lines has no parts, unless it is Rust's.
pub fn parts(text: &str, is_known: &dyn Fn(&str, Kind) -> bool) -> Vec<Part> {
    let magic_at = |text: &str, line: &Range<usize>| magic_at(text, line, is_known);
    let lines: Vec<Range<usize>> = lines(text).collect();
    let first = lines.iter().position(|line| is_code(&text[line.clone()]));
    let Some(first) = first.filter(|&at| magic_at(text, &lines[at]).is_some()) else {
        return if text.trim().is_empty() { Vec::new() } else { vec![Part::Rust(0..text.len())] };
    };
    let mut parts = Vec::new();
    let mut at = first;
    while let Some(line) = lines.get(at) {
        match magic_at(text, line) {
            Some((kind, name)) => {
                let (last, closed) = end_of_arguments(text, &lines, at, name.end);
                let end = lines[last].end;
                let arguments = trimmed(text, name.end..without_comment(text, lines[last].start.max(name.end), end));
                at = last + 1;
                if kind == Kind::Cell {
                    let body = lines.get(at).map_or(text.len(), |next| next.start)..text.len();
                    parts.push(Part::Magic { kind, name, arguments, body, closed });
                    return parts;
                }
                parts.push(Part::Magic { kind, name, arguments, body: end..end, closed });
            }
            None => {
                let start = line.start;
                while lines.get(at).is_some_and(|line| magic_at(text, line).is_none()) {
                    at += 1;
                }
                let end = lines.get(at).map_or(text.len(), |next| next.start);
                if text[start..end].lines().any(is_code) {
                    parts.push(Part::Rust(start..end));
                }
            }
        }
    }
    parts
}

/// The magic that a line begins with; behind blanks only a name that `is_known`. A cell magic may come after line magics; it takes the rest of the cell.
fn magic_at(text: &str, line: &Range<usize>, is_known: &dyn Fn(&str, Kind) -> bool) -> Option<(Kind, Range<usize>)> {
    let content = text[line.clone()].trim_start_matches([' ', '\t']);
    let start = line.end - content.len();
    let (kind, signs) = match content.strip_prefix("%%") {
        Some(_) => (Kind::Cell, 2),
        None => (Kind::Line, content.starts_with('%').then_some(1)?),
    };
    let word: usize = content[signs..]
        .chars()
        .enumerate()
        .take_while(|&(at, c)| c == '_' || c.is_ascii_alphabetic() || at > 0 && c.is_ascii_digit())
        .count();
    let name = &content[signs..signs + word];
    let is_magic = word > 0 && (start == line.start || is_known(name, kind));
    is_magic.then(|| (kind, start..start + signs + word))
}

/// The line on which the arguments that start at `from` end, and whether their brackets balance there.
fn end_of_arguments(text: &str, lines: &[Range<usize>], first: usize, from: usize) -> (usize, bool) {
    let mut depth = 0_usize;
    for (at, line) in lines.iter().enumerate().skip(first) {
        let mut quote = None;
        let start = if at == first { from } else { line.start };
        for c in text[start..line.end].chars() {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => quote = Some(c),
                (None, '#') => break,
                (None, '(' | '[' | '{') => depth += 1,
                (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
                (None, _) => {}
            }
        }
        if depth == 0 {
            return (at, true);
        }
    }
    // Never closed: the mistake is on the magic's own line, not on all that follow.
    (first, false)
}

/// Where the comment on a line begins (a `#` between blanks, outside of quotes; `#mma` is a name), or else the line's
/// end.
fn without_comment(text: &str, start: usize, end: usize) -> usize {
    let is_name = |c: char| c.is_ascii_alphabetic();
    let (mut quote, mut before) = (None, ' ');
    for (at, c) in text[start..end].char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '#') if before.is_whitespace() && !text[start + at + 1..end].starts_with(is_name) => {
                return start + at;
            }
            _ => {}
        }
        before = c;
    }
    end
}

/// Bytes of each line, without the newline.
fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.split_inclusive('\n').scan(0, |start, line| {
        let span = *start..*start + line.trim_end_matches(['\n', '\r']).len();
        *start += line.len();
        Some(span)
    })
}

fn is_code(line: &str) -> bool {
    let line = line.trim();
    !(line.is_empty() || line.starts_with("//") || line == "#" || line.starts_with("# "))
}

fn trimmed(text: &str, span: Range<usize>) -> Range<usize> {
    let content = &text[span.clone()];
    let start = span.start + (content.len() - content.trim_start().len());
    start..(start + content.trim().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each part as `[name|arguments|body]` or `{rust}`.
    fn show(text: &str) -> String {
        let show = |part: Part| match part {
            Part::Magic { name, arguments, body, closed, .. } => {
                let open = if closed { "" } else { " open" };
                format!("[{}|{}|{}{open}]", &text[name], &text[arguments], &text[body])
            }
            Part::Rust(span) => format!("{{{}}}", &text[span]),
        };
        let is_known = |name: &str, _| matches!(name, "let" | "show" | "ptx");
        parts(text, &is_known).into_iter().map(show).collect()
    }

    #[test]
    fn a_cell_magic_takes_the_rest() {
        assert_eq!(show("%%ptx k[1](a)\nbody\n%let a = 1\n"), "[%%ptx|k[1](a)|body\n%let a = 1\n]");
        assert_eq!(show("// why\n\n%%triton k[\n  2](a,\n b)\nbody"), "[%%triton|k[\n  2](a,\n b)|body]");
        assert_eq!(show("%%ttgir"), "[%%ttgir||]");
    }

    #[test]
    fn line_magics_and_rust_take_turns() {
        assert_eq!(show("%let a = 1\n\n%show a\r\n1 + 1\n"), "[%let|a = 1|][%show|a|]{1 + 1\n}");
        assert_eq!(show("%buf a = zeros(\n  2, # two)\n  3)\n%bufs"), "[%buf|a = zeros(\n  2, # two)\n  3)|][%bufs||]");
        assert_eq!(show("%target sm_90 # Hopper\n%load a 'x #1' # y"), "[%target|sm_90|][%load|a 'x #1'|]");
        assert_eq!(show("%layout k #mma # drawn"), "[%layout|k #mma|]");
        assert_eq!(show("%load a 'x(y.npy'\n%bufs"), "[%load|a 'x(y.npy'|][%bufs||]");
    }

    #[test]
    fn whatever_does_not_begin_with_a_magic_is_rust() {
        for text in ["a\n  % b", "let a = 1;\n%let b = 2", "  %lex a = 1", "% 3", "#[derive(Debug)]\nstruct A;", "// x"]
        {
            assert_eq!(show(text), format!("{{{text}}}"));
        }
        assert_eq!(show(" \n\n"), "");
    }

    #[test]
    fn an_indented_line_is_a_magic_if_it_names_one() {
        assert_eq!(show("  %let a = 1\n\t%show a"), "[%let|a = 1|][%show|a|]");
        assert_eq!(show("%let a = 1\nlet x = a\n    %b;"), "[%let|a = 1|]{let x = a\n    %b;}");
        assert_eq!(show(" %%ptx k\nbody"), "[%%ptx|k|body]");
    }

    #[test]
    fn an_open_bracket_takes_its_own_line_only() {
        assert_eq!(show("%buf a = zeros(2\n%bufs"), "[%buf|a = zeros(2| open][%bufs||]");
    }
}
