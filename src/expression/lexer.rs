//! Text to tokens.

use std::ops::Range;

use warpbook_diagnostic::{Diagnostic, Result};

/// A token of the expression language.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Int(i64),
    Float(f64),
    Str(String),
    /// An operator or a bracket.
    Symbol(&'static str),
    End,
}

/// A token and its bytes of the whole text.
#[derive(Clone, Debug)]
pub(super) struct Spanned {
    pub token: Token,
    pub span: Range<usize>,
}

/// Operators and brackets; the longest first, so that `**` is not read as two `*`.
const SYMBOLS: [&str; 33] = [
    "**", "//", "<<", ">>", "<=", ">=", "==", "!=", "->", "→", "+", "-", "*", "/", "%", "@", "&", "|", "^", "~", "<",
    ">", "=", "(", ")", "[", "]", "{", "}", ",", ":", ".", ";",
];

/// Tokens of a part of `text`, with a final [`Token::End`].
pub(super) fn tokenize(text: &str, range: Range<usize>) -> Result<Vec<Spanned>> {
    let mut tokens = Vec::new();
    let mut position = range.start;
    while position < range.end {
        let rest = &text[position..range.end];
        let Some(first) = rest.chars().next() else { break };
        if first.is_whitespace() {
            position += first.len_utf8();
            continue;
        }
        // A comment inside a header of several lines.
        if first == '#' {
            position += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        let (token, length) = if first.is_alphabetic() || first == '_' {
            let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            (Token::Name(rest[..length].to_owned()), length)
        } else if first.is_ascii_digit() || first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
            number(rest).map_err(|(message, length)| error(message, position..position + length))?
        } else if first == '"' || first == '\'' {
            string(rest, first).map_err(|(message, length)| error(message, position..position + length))?
        } else if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            (Token::Symbol(symbol), symbol.len())
        } else {
            return Err(error("this character means nothing here", position..position + first.len_utf8()));
        };
        tokens.push(Spanned { token, span: position..position + length });
        position += length;
    }
    tokens.push(Spanned { token: Token::End, span: range.end..range.end });
    Ok(tokens)
}

fn number(text: &str) -> Result<(Token, usize), (&'static str, usize)> {
    let radix = match text.get(..2) {
        Some("0x" | "0X") => Some(16),
        Some("0b" | "0B") => Some(2),
        Some("0o" | "0O") => Some(8),
        _ => None,
    };
    if let Some(radix) = radix {
        let length = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
        let digits = text[2..length].replace('_', "");
        let value =
            i64::from_str_radix(&digits, radix).map_err(|_| ("this number is malformed or too large", length))?;
        return Ok((Token::Int(value), length));
    }
    let bytes = text.as_bytes();
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(|b| b.is_ascii_digit() || *b == b'_') {
            at += 1;
        }
        at
    };
    let mut length = digits(0);
    let mut is_float = false;
    if bytes.get(length) == Some(&b'.')
        && !bytes.get(length + 1).is_some_and(|b| b.is_ascii_alphabetic() && !matches!(b, b'e' | b'E'))
    {
        is_float = true;
        length = digits(length + 1);
    }
    if bytes.get(length).is_some_and(|b| matches!(b, b'e' | b'E')) {
        let sign = usize::from(bytes.get(length + 1).is_some_and(|b| matches!(b, b'+' | b'-')));
        let end = digits(length + 1 + sign);
        if end > length + 1 + sign {
            is_float = true;
            length = end;
        }
    }
    if bytes.get(length).is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_') {
        return Err(("this is neither a number nor a name", length + 1));
    }
    let plain = text[..length].replace('_', "");
    let token = if is_float { plain.parse().map(Token::Float).ok() } else { plain.parse().map(Token::Int).ok() };
    token.map(|token| (token, length)).ok_or(("this number does not fit 64 bits", length))
}

fn string(text: &str, quote: char) -> Result<(Token, usize), (&'static str, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((Token::Str(value), index + 1)),
            '\n' => break,
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, other)) => value.push(other),
                None => break,
            },
            c => value.push(c),
        }
    }
    Err(("this string has no end", 1))
}

pub(super) fn error(message: &str, span: Range<usize>) -> Diagnostic {
    Diagnostic::error("syntax", message).at(span, "")
}
