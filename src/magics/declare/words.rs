//! The words of a magic's arguments: what stands between blanks, outside quotes and brackets.

use std::ops::Range;

use warpbook_diagnostic::{Diagnostic, Result};

/// One word of the arguments' text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word without its quotes.
    pub text: String,
    /// Bytes of the cell, quotes included.
    pub span: Range<usize>,
}

impl Word {
    /// True if the word is an option: it begins with two dashes and a name.
    pub fn is_option(&self) -> bool {
        self.text.strip_prefix("--").is_some_and(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
    }
}

/// Takes a part of a cell apart into words. Blanks inside quotes or brackets belong to a word (`'my file.npy'`,
/// `c[3, 5]`), and an option may follow a closing bracket at once (`k[1](a)--bench`).
///
/// # Errors
/// A quote that is opened and not closed.
pub fn words(cell: &str, range: Range<usize>) -> Result<Vec<Word>> {
    let (words, open) = scan(cell, range);
    match open {
        Some(at) => Err(Diagnostic::error("syntax", "this string has no end").at(at..at + 1, "")),
        None => Ok(words),
    }
}

/// As [`words`], for a text that is still being typed: an open quote ends where the text does.
pub fn words_so_far(cell: &str, range: Range<usize>) -> Vec<Word> {
    scan(cell, range).0
}

/// The words, and where a quote is opened that nothing closes.
fn scan(cell: &str, range: Range<usize>) -> (Vec<Word>, Option<usize>) {
    let text = &cell[range.clone()];
    let mut words: Vec<Word> = Vec::new();
    let mut quote: Option<(char, usize)> = None;
    let (mut depth, mut in_word, mut previous) = (0_usize, false, ' ');
    for (offset, c) in text.char_indices() {
        let at = range.start + offset;
        if quote.is_none() && depth == 0 {
            let after_bracket = matches!(previous, ')' | ']') && text[offset..].starts_with("--");
            if c.is_whitespace() || after_bracket {
                in_word = false;
            }
            if !c.is_whitespace() && !in_word {
                in_word = true;
                words.push(Word { text: String::new(), span: at..at });
            }
        }
        previous = c;
        let Some(word) = words.last_mut().filter(|_| in_word) else { continue };
        word.span.end = at + c.len_utf8();
        let mut is_text = true;
        match (quote, c) {
            (Some((open, _)), c) if c == open => (quote, is_text) = (None, depth > 0),
            (None, '"' | '\'') => (quote, is_text) = (Some((c, at)), depth > 0),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if is_text {
            word.text.push(c);
        }
    }
    (words, quote.map(|(_, at)| at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(cell: &str) -> Vec<(String, &str)> {
        let words = words(cell, 0..cell.len()).expect("closed");
        words.into_iter().map(|word| (word.text, &cell[word.span])).collect()
    }

    #[test]
    fn blanks_part_words_outside_quotes_and_brackets() {
        let words = texts("k c[3, 5]  'my file.npy'[x] --at=(1, 2)");
        let spans: Vec<&str> = words.iter().map(|(_, span)| *span).collect();
        assert_eq!(spans, ["k", "c[3, 5]", "'my file.npy'[x]", "--at=(1, 2)"]);
        assert_eq!(words[2].0, "my file.npy[x]");
        assert_eq!(texts("f('a b')")[0].0, "f('a b')");
    }

    #[test]
    fn an_option_may_follow_a_bracket() {
        let spans: Vec<&str> = texts("k[1](a)--bench 3").into_iter().map(|(_, span)| span).collect();
        assert_eq!(spans, ["k[1](a)", "--bench", "3"]);
        assert_eq!(texts("a--b").len(), 1);
    }

    #[test]
    fn an_open_quote_is_refused_where_it_opens() {
        let error = words("a 'b c", 0..6).expect_err("open");
        assert_eq!((error.code, error.labels[0].span.clone()), ("syntax", 2..3));
        assert_eq!(words_so_far("a 'b c", 0..6).len(), 2);
    }
}
