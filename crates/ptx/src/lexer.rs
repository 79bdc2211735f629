//! PTX text to tokens.

use std::ops::Range;

use warpbook_diagnostic::{Diagnostic, Result, interrupt};

/// A token; words borrow from the text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// An identifier, directive, opcode with its modifiers, register or label: `ld.global.v4.b32`, `%r1`, `$L__BB0_1`.
    Word(&'a str),
    /// An integer literal, as its 64 bits.
    Integer(u64),
    /// `0f3F800000`
    Float32(u32),
    /// `0d3FF0000000000000`, or a decimal literal with a point or an exponent.
    Float64(u64),
    /// The text between double quotes.
    String(&'a str),
    /// One of `{ } [ ] ( ) < > , ; : + - ! | = @ * &`.
    Symbol(char),
}

/// A token and its bytes.
#[derive(Clone, Debug)]
pub(super) struct Spanned<'a> {
    pub token: Token<'a>,
    pub span: Range<usize>,
}

/// Bytes of a text between two looks at the interrupt.
const WATCHED: usize = 1 << 16;

/// All tokens of a text, comments dropped.
pub(super) fn tokenize(text: &str) -> Result<Vec<Spanned<'_>>> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::with_capacity(text.len() / 4);
    let mut position = 0;
    let mut looked = 0;
    while let Some(&byte) = bytes.get(position) {
        if position - looked >= WATCHED {
            looked = position;
            interrupt::check()?;
        }
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | 0 => position += 1,
            b'/' if bytes.get(position + 1) == Some(&b'/') => {
                position = text[position..].find('\n').map_or(text.len(), |length| position + length);
            }
            b'/' if bytes.get(position + 1) == Some(&b'*') => {
                position = text[position + 2..].find("*/").map_or(text.len(), |length| position + length + 4);
            }
            b'"' => {
                let Some(length) = text[position + 1..].find('"') else {
                    return Err(error("this string has no end", position..position + 1));
                };
                let span = position..position + length + 2;
                tokens.push(Spanned { token: Token::String(&text[position + 1..span.end - 1]), span: span.clone() });
                position = span.end;
            }
            b'0'..=b'9' => {
                let (token, end) = number(text, position)?;
                tokens.push(Spanned { token, span: position..end });
                position = end;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | b'%' | b'.' => {
                let end = word_end(bytes, position);
                tokens.push(Spanned { token: Token::Word(&text[position..end]), span: position..end });
                position = end;
            }
            b'{' | b'}' | b'[' | b']' | b'(' | b')' | b'<' | b'>' | b',' | b';' | b':' | b'+' | b'-' | b'!' | b'|'
            | b'=' | b'@' | b'*' | b'&' => {
                tokens.push(Spanned { token: Token::Symbol(byte as char), span: position..position + 1 });
                position += 1;
            }
            _ => {
                let length = text[position..].chars().next().map_or(1, char::len_utf8);
                return Err(error("PTX has no such character", position..position + length));
            }
        }
    }
    Ok(tokens)
}

/// Words hold dots, and `::` where a name follows (`shared::cta`). A word that begins with a dot is a directive, a state
/// space or a type, and ends at the next dot: `.reg.b16` is two words.
fn word_end(bytes: &[u8], start: usize) -> usize {
    let holds_dots = bytes.get(start) != Some(&b'.');
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || matches!(b, b'$' | b'%' | b'.') && holds_dots;
    let mut end = start + 1;
    loop {
        match bytes.get(end) {
            Some(b) if is_word(b) => end += 1,
            Some(b':')
                if bytes.get(end + 1) == Some(&b':') && bytes.get(end + 2).is_some_and(u8::is_ascii_alphanumeric) =>
            {
                end += 2;
            }
            _ => return end,
        }
    }
}

fn number(text: &str, start: usize) -> Result<(Token<'_>, usize)> {
    let rest = &text[start..];
    let digits_end = |from: usize, accept: fn(&u8) -> bool| {
        from + rest.as_bytes()[from..].iter().take_while(|byte| accept(byte)).count()
    };
    let bad = |end: usize| error("this number is malformed", start..start + end);
    let prefix = rest.get(..2).unwrap_or_default();
    if matches!(prefix, "0f" | "0F" | "0d" | "0D") {
        let end = digits_end(2, u8::is_ascii_hexdigit);
        let wanted = if prefix.ends_with(['f', 'F']) { 8 } else { 16 };
        let bits = u64::from_str_radix(&rest[2..end], 16).map_err(|_| bad(end))?;
        if end - 2 != wanted {
            return Err(bad(end));
        }
        let token = if wanted == 8 { Token::Float32(bits as u32) } else { Token::Float64(bits) };
        return Ok((token, start + end));
    }
    let (radix, from) = match prefix {
        "0x" | "0X" => (16, 2),
        "0b" | "0B" => (2, 2),
        _ => (10, 0),
    };
    let mut end = digits_end(from, if radix == 16 { u8::is_ascii_hexdigit } else { u8::is_ascii_digit });
    if radix == 10 && rest.as_bytes().get(end).is_some_and(|b| matches!(b, b'.' | b'e' | b'E')) {
        end = digits_end(end, |b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E'));
        if rest[..end].ends_with(['e', 'E']) && rest.as_bytes().get(end).is_some_and(|b| matches!(b, b'+' | b'-')) {
            end = digits_end(end + 1, u8::is_ascii_digit);
        }
        let value: f64 = rest[..end].parse().map_err(|_| bad(end))?;
        return Ok((Token::Float64(value.to_bits()), start + end));
    }
    let digits = &rest[from..end];
    let radix = if radix == 10 && digits.len() > 1 && digits.starts_with('0') { 8 } else { radix };
    let value = u64::from_str_radix(digits, radix).map_err(|_| bad(end.max(from + 1).min(rest.len())))?;
    let end = digits_end(end, |b| *b == b'U');
    Ok((Token::Integer(value), start + end))
}

pub(super) fn error(message: &str, span: Range<usize>) -> Diagnostic {
    Diagnostic::error("ptx-syntax", message).at(span, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token<'_>> {
        tokenize(text).expect("tokens").into_iter().map(|token| token.token).collect()
    }

    #[test]
    fn words_hold_modifiers_and_numbers_their_bits() {
        assert_eq!(
            tokens("cp.async.cg.shared::cta.L2::128B [%r1+-16], 0f3F800000, 0x10U; // x\n$L__BB0_1: 1.5 07"),
            [
                Token::Word("cp.async.cg.shared::cta.L2::128B"),
                Token::Symbol('['),
                Token::Word("%r1"),
                Token::Symbol('+'),
                Token::Symbol('-'),
                Token::Integer(16),
                Token::Symbol(']'),
                Token::Symbol(','),
                Token::Float32(0x3f80_0000),
                Token::Symbol(','),
                Token::Integer(16),
                Token::Symbol(';'),
                Token::Word("$L__BB0_1"),
                Token::Symbol(':'),
                Token::Float64(1.5f64.to_bits()),
                Token::Integer(7),
            ]
        );
    }

    #[test]
    fn directives_need_no_blank_between_them() {
        let expected = [".reg", ".b16", "a", ".shared::cta", ".align", "x.y"].map(Token::Word);
        assert_eq!(tokens(".reg.b16 a .shared::cta.align x.y"), expected);
    }

    #[test]
    fn bad_text_is_an_error_with_its_place() {
        for (text, span) in [("\"open", 0..1), ("a ü", 2..4), ("0f12", 0..4), ("99999999999999999999", 0..20)] {
            let error = tokenize(text).expect_err(text);
            assert_eq!(error.labels[0].span, span, "{text}");
        }
    }
}
