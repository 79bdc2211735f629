//! `vprintf`: C's format strings over an argument buffer (CUDA's layout: each argument aligned to its own size).

/// One conversion of a format string.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// Text as it is.
    Text(String),
    /// A conversion and where its argument lies in the buffer.
    Conversion(Conversion),
}

/// `%-8.3lf` taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Conversion {
    flags: String,
    width: usize,
    precision: Option<usize>,
    /// The final letter.
    pub letter: char,
    /// Byte offset of the argument.
    pub offset: u64,
    /// Bytes of the argument.
    pub size: u32,
}

/// Takes a format string apart.
pub(super) fn parse(format: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut offset = 0u64;
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        if chars.peek() == Some(&'%') {
            chars.next();
            text.push('%');
            continue;
        }
        let mut flags = String::new();
        while let Some(&c) = chars.peek().filter(|c| matches!(c, '-' | '+' | ' ' | '#' | '0')) {
            flags.push(c);
            chars.next();
        }
        let number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            let mut value = 0usize;
            while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                value = (value * 10 + digit as usize).min(4096);
                chars.next();
            }
            value
        };
        let width = number(&mut chars);
        let precision = if chars.peek() == Some(&'.') {
            chars.next();
            Some(number(&mut chars))
        } else {
            None
        };
        let mut long = false;
        while let Some(&c) = chars.peek().filter(|c| matches!(c, 'l' | 'h' | 'z' | 'j' | 't')) {
            long |= matches!(c, 'l' | 'z' | 'j' | 't');
            chars.next();
        }
        let Some(letter) = chars.next() else { break };
        let size = match letter {
            'f' | 'F' | 'e' | 'E' | 'g' | 'G' | 'a' | 'p' | 's' => 8,
            _ if long => 8,
            _ => 4,
        };
        offset = offset.next_multiple_of(size.into());
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(Piece::Conversion(Conversion { flags, width, precision, letter, offset, size }));
        offset += u64::from(size);
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

impl Conversion {
    /// The argument's bits as text; for `%s` the string itself is given.
    pub fn render(&self, bits: u64, string: &str) -> String {
        let signed = if self.size == 8 { bits as i64 } else { i64::from(bits as u32 as i32) };
        let unsigned = if self.size == 8 { bits } else { bits & 0xffff_ffff };
        let sign = |negative: bool| match () {
            () if negative => "-",
            () if self.flags.contains('+') => "+",
            () if self.flags.contains(' ') => " ",
            () => "",
        };
        let (prefix, body) = match self.letter {
            'd' | 'i' => (sign(signed < 0).to_owned(), signed.unsigned_abs().to_string()),
            'u' => (String::new(), unsigned.to_string()),
            'x' => (if self.flags.contains('#') { "0x" } else { "" }.to_owned(), format!("{unsigned:x}")),
            'X' => (if self.flags.contains('#') { "0X" } else { "" }.to_owned(), format!("{unsigned:X}")),
            'o' => (String::new(), format!("{unsigned:o}")),
            'p' => ("0x".to_owned(), format!("{bits:x}")),
            'c' => (String::new(), char::from(bits as u8).to_string()),
            's' => (String::new(), string.chars().take(self.precision.unwrap_or(usize::MAX)).collect()),
            _ => {
                let value = f64::from_bits(bits);
                (sign(value.is_sign_negative() && !value.is_nan()).to_owned(), self.float(value.abs()))
            }
        };
        let missing = self.width.saturating_sub(prefix.chars().count() + body.chars().count());
        if self.flags.contains('-') {
            format!("{prefix}{body}{}", " ".repeat(missing))
        } else if self.flags.contains('0') && !matches!(self.letter, 's' | 'c') {
            format!("{prefix}{}{body}", "0".repeat(missing))
        } else {
            format!("{}{prefix}{body}", " ".repeat(missing))
        }
    }

    fn float(&self, value: f64) -> String {
        if value.is_nan() {
            return "nan".into();
        }
        if value.is_infinite() {
            return "inf".into();
        }
        let precision = self.precision.unwrap_or(6);
        match self.letter {
            'e' | 'E' => scientific(value, precision),
            'g' | 'G' => {
                let precision = precision.max(1);
                let exponent = if value == 0.0 { 0 } else { exponent_of(value, precision - 1) };
                let text = if exponent < -4 || exponent >= precision as i32 {
                    scientific(value, precision - 1)
                } else {
                    format!("{value:.*}", (precision as i32 - 1 - exponent).max(0) as usize)
                };
                match text.split_once('e') {
                    Some((mantissa, exponent)) if mantissa.contains('.') => {
                        format!("{}e{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.'))
                    }
                    None if text.contains('.') => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                    _ => text,
                }
            }
            _ => format!("{value:.precision$}"),
        }
    }
}

fn exponent_of(value: f64, digits: usize) -> i32 {
    let text = format!("{value:.digits$e}");
    text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0)
}

fn scientific(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(format: &str, arguments: &[u64]) -> String {
        let mut arguments = arguments.iter();
        parse(format)
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Conversion(conversion) => conversion.render(*arguments.next().expect("an argument"), "str"),
            })
            .collect()
    }

    #[test]
    fn conversions_of_c() {
        let x = 3.25f64.to_bits();
        assert_eq!(
            print("pid (%u, %d) %%: %f|%8.2f|%-6d|%06d|\n", &[7, u64::MAX, x, x, 5, 42]),
            "pid (7, -1) %: 3.250000|    3.25|5     |000042|\n"
        );
        assert_eq!(
            print("%x %#x %llx %p %c %s", &[255, 255, u64::MAX, 16, 65, 0]),
            "ff 0xff ffffffffffffffff 0x10 A str"
        );
        assert_eq!(
            print("%e %g %g %g", &[x, 1e-7f64.to_bits(), 100000f64.to_bits(), 1e20f64.to_bits()]),
            "3.250000e+00 1e-07 100000 1e+20"
        );
    }

    #[test]
    fn arguments_are_aligned_to_their_size() {
        let offsets: Vec<u64> = parse("%d %f %d %d %lld")
            .iter()
            .filter_map(|piece| if let Piece::Conversion(c) = piece { Some(c.offset) } else { None })
            .collect();
        assert_eq!(offsets, [0, 8, 16, 20, 24]);
    }
}
