//! Judges by brackets, strings and comments alone if a Rust cell can run as it is.

use std::iter::Peekable;
use std::str::Chars;

/// True if a cell can run as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// It can, as far as brackets tell.
    Complete,
    /// Something is still open; the number of open brackets.
    Incomplete(usize),
    /// A bracket closes what was never opened.
    Invalid,
}

/// Decides if a cell of Rust is complete, incomplete or invalid.
pub fn completeness(code: &str) -> Completeness {
    let mut chars = code.chars().peekable();
    let mut open = Vec::new();
    let mut last = ' ';
    let mut before_last = ' ';
    while let Some(c) = chars.next() {
        let closed = match c {
            '/' if chars.peek() == Some(&'/') => {
                chars.by_ref().find(|&c| c == '\n');
                continue;
            }
            '/' if chars.peek() == Some(&'*') => match block_comment(&mut chars) {
                true => continue,
                false => false,
            },
            '"' => string(&mut chars),
            'r' if !is_word(last) || matches!(last, 'b' | 'c') => raw_string(&mut chars),
            '\'' => {
                character(&mut chars);
                true
            }
            '(' | '[' | '{' => {
                open.push(c);
                true
            }
            ')' | ']' | '}' => match (open.pop(), c) {
                (Some('('), ')') | (Some('['), ']') | (Some('{'), '}') => true,
                _ => return Completeness::Invalid,
            },
            _ => true,
        };
        if !closed {
            return Completeness::Incomplete(open.len());
        }
        if !c.is_whitespace() {
            before_last = last;
            last = c;
        }
    }
    let goes_on =
        matches!((before_last, last), (_, '=' | '+' | '.' | ',') | ('&', '&') | (':', ':') | ('-' | '=', '>'));
    // `0..` and `a + ..` are whole.
    let range = (before_last, last) == ('.', '.');
    if open.is_empty() && (!goes_on || range) { Completeness::Complete } else { Completeness::Incomplete(open.len()) }
}

/// True if a cell has no code: blanks and comments only.
pub fn is_blank(code: &str) -> bool {
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '/' if chars.peek() == Some(&'/') => {
                chars.by_ref().find(|&c| c == '\n');
            }
            '/' if chars.peek() == Some(&'*') => {
                // An open comment is an error, which the compiler reports.
                if !block_comment(&mut chars) {
                    return false;
                }
            }
            c if c.is_whitespace() => {}
            _ => return false,
        }
    }
    true
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// After `/`, before `*`; whether it ends.
fn block_comment(chars: &mut Peekable<Chars<'_>>) -> bool {
    chars.next();
    let mut depth = 1;
    while depth > 0 {
        match chars.next() {
            Some('/') if chars.next_if_eq(&'*').is_some() => depth += 1,
            Some('*') if chars.next_if_eq(&'/').is_some() => depth -= 1,
            Some(_) => {}
            None => return false,
        }
    }
    true
}

/// After the opening quote; whether it ends.
fn string(chars: &mut Peekable<Chars<'_>>) -> bool {
    while let Some(c) = chars.next() {
        match c {
            '"' => return true,
            '\\' => {
                chars.next();
            }
            _ => {}
        }
    }
    false
}

/// After an `r` that begins a word: a raw string, a raw identifier, or just a word.
fn raw_string(chars: &mut Peekable<Chars<'_>>) -> bool {
    let mut ahead = chars.clone();
    let mut hashes = 0;
    while ahead.next_if_eq(&'#').is_some() {
        hashes += 1;
    }
    if ahead.next() != Some('"') {
        return true;
    }
    *chars = ahead;
    loop {
        match chars.next() {
            Some('"') => {
                let found = (0..hashes).take_while(|_| chars.next_if_eq(&'#').is_some()).count();
                if found == hashes {
                    return true;
                }
            }
            Some(_) => {}
            None => return false,
        }
    }
}

/// After a single quote: a character or a lifetime.
fn character(chars: &mut Peekable<Chars<'_>>) {
    let mut ahead = chars.clone();
    match (ahead.next(), ahead.next()) {
        (Some('\\'), Some(_)) => {
            chars.nth(1);
            // `'\u{1F600}'`, `'\x41'`
            chars.find(|&c| c == '\'' || c == '\n');
        }
        (Some(_), Some('\'')) => {
            chars.nth(1);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::Completeness::{Complete, Incomplete, Invalid};
    use super::{completeness, is_blank};

    #[test]
    fn comments_are_no_code() {
        for code in ["", " \n\t", "// x", "// x\n", "/* a /* b */ c */ // d\n\n"] {
            assert!(is_blank(code), "{code}");
        }
        for code in ["1", "// x\n1", "/* a", "/", "/* a */ b", ":vars"] {
            assert!(!is_blank(code), "{code}");
        }
    }

    #[test]
    fn whole_cells_are_complete() {
        for code in [
            "",
            "1 + 1",
            "let x = \"}{\\\"\";",
            "fn f<'a>(x: &'a str) -> char { '}' }",
            r##"let x = r#"a " { "#;"##,
            "let c = '\\''; let d = '\\u{7d}';",
            "// {\n/* { /* [ */ ( */ 1",
            ":dep rand = \"0.8\"",
            "let r = br\"\\\";",
            "5..",
        ] {
            assert_eq!(completeness(code), Complete, "{code}");
        }
    }

    #[test]
    fn open_ends_are_incomplete() {
        for (code, depth) in [
            ("fn f() {", 1),
            ("let x = vec![(1,", 2),
            ("let x = \"abc", 0),
            ("/* /* */", 0),
            ("let x =", 0),
            ("a &&", 0),
        ] {
            assert_eq!(completeness(code), Incomplete(depth), "{code}");
        }
    }

    #[test]
    fn wrong_brackets_are_invalid() {
        assert_eq!(completeness("fn f() }"), Invalid);
        assert_eq!(completeness("(]"), Invalid);
    }
}
