//! numpy's format for one array (NEP 1): a magic string, a version, a header that is a Python dictionary, the elements.

use super::error::{FileError, Result};
use warpbook_device::{Contents, Dtype};

/// The file's first bytes; version, length of the header and the header follow.
const MAGIC: &[u8] = b"\x93NUMPY";
/// The elements begin at a multiple of this many bytes.
const ALIGNMENT: usize = 64;

/// The array in the bytes of a file.
pub fn read(bytes: &[u8]) -> Result<Contents> {
    let (text, rest) = split(bytes)?;
    let header = Header::parse(text)?;
    let dtype = header.dtype()?;
    // An extent of 0 does not make the others smaller: indexes are computed from all of them.
    let extents = header.shape.iter().map(|&extent| extent.max(1));
    let fits = extents.fold(Some(dtype.size()), |size, extent| size?.checked_mul(extent)).is_some();
    if !fits {
        return Err(malformed("its shape is too large"));
    }
    let size = header.shape.iter().product::<usize>() * dtype.size();
    let Some(elements) = rest.get(..size) else {
        return Err(malformed(format!("it ends early: {} of {size} bytes of data are there", rest.len())));
    };
    let mut data = elements.to_vec();
    if header.descr.starts_with('>') {
        data.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
    }
    if header.fortran_order && header.shape.len() > 1 {
        data = row_major(&data, &header.shape, dtype.size());
    }
    Ok(Contents { dtype, shape: header.shape, bytes: data })
}

/// The text of the header, and what follows it.
fn split(bytes: &[u8]) -> Result<(&str, &[u8])> {
    let early = || malformed("it ends within its header");
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| malformed("it does not begin as numpy's files do"))?;
    let ([version, _minor], rest) = rest.split_first_chunk().ok_or_else(early)?;
    let (length, rest) = match version {
        1 => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(early)?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(early)?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
        _ => return Err(malformed(format!("version {version} of numpy's format is not known"))),
    };
    let (header, rest) = rest.split_at_checked(length).ok_or_else(early)?;
    let header = std::str::from_utf8(header).map_err(|error| malformed(format!("its header: {error}")))?;
    Ok((header, rest))
}

fn malformed(message: impl Into<String>) -> FileError {
    FileError::Malformed(message.into())
}

/// What the header says of the array.
struct Header {
    /// The type of an element as numpy writes it, such as `<f4`.
    descr: String,
    /// True if the first index varies fastest.
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Header {
    fn parse(text: &str) -> Result<Self> {
        let mut parser = Parser { rest: text };
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        parser.expect('{')?;
        while !parser.take('}') {
            let key = parser.string()?;
            parser.expect(':')?;
            match key {
                "descr" if matches!(parser.peek(), Some('[')) => {
                    let fields = parser.rest.rsplit_once(']').map_or(parser.rest, |(fields, _)| fields);
                    return Err(malformed(format!("its elements are records ({fields}])")));
                }
                "descr" => descr = Some(parser.string()?.to_owned()),
                "fortran_order" => fortran_order = Some(parser.boolean()?),
                "shape" => shape = Some(parser.extents()?),
                other => return Err(malformed(format!("its header has an unknown entry `{other}`"))),
            }
            if !parser.take(',') {
                parser.expect('}')?;
                break;
            }
        }
        match (descr, fortran_order, shape) {
            (Some(descr), Some(fortran_order), Some(shape)) => Ok(Self { descr, fortran_order, shape }),
            _ => Err(malformed("its header lacks one of `descr`, `fortran_order` and `shape`")),
        }
    }

    fn dtype(&self) -> Result<Dtype> {
        Ok(match self.descr.trim_start_matches(['<', '>', '|', '=']) {
            "b1" => Dtype::I1,
            "i1" => Dtype::I8,
            "i2" => Dtype::I16,
            "i4" => Dtype::I32,
            "i8" => Dtype::I64,
            "u1" => Dtype::U8,
            "u2" => Dtype::U16,
            "u4" => Dtype::U32,
            "u8" => Dtype::U64,
            "f2" => Dtype::F16,
            "f4" => Dtype::F32,
            "f8" => Dtype::F64,
            // How ml_dtypes writes bfloat16.
            "V2" => Dtype::Bf16,
            _ => return Err(malformed(format!("no buffer holds elements of type '{}'", self.descr))),
        })
    }
}

/// Reads the Python literals of a header.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    /// The next character that is not blank.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    /// Takes `wanted` if it comes next.
    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<()> {
        if self.take(wanted) { Ok(()) } else { Err(malformed(format!("its header lacks a `{wanted}`"))) }
    }

    /// A string without escapes: numpy's keys and types have none.
    fn string(&mut self) -> Result<&'a str> {
        let quote = self.peek().filter(|c| matches!(c, '\'' | '"'));
        let quoted = quote.and_then(|quote| self.rest[1..].split_once(quote));
        let (text, rest) = quoted.ok_or_else(|| malformed("its header lacks a string"))?;
        self.rest = rest;
        Ok(text)
    }

    fn boolean(&mut self) -> Result<bool> {
        match self.word() {
            "True" => Ok(true),
            "False" => Ok(false),
            other => Err(malformed(format!("its header has `{other}` in the place of True or False"))),
        }
    }

    /// A tuple of numbers.
    fn extents(&mut self) -> Result<Vec<usize>> {
        let mut extents = Vec::new();
        self.expect('(')?;
        while !self.take(')') {
            // Python 2 wrote long numbers with an `L`.
            let extent = self.word().trim_end_matches('L');
            extents.push(extent.parse().map_err(|_| malformed(format!("its shape has the extent `{extent}`")))?);
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(extents)
    }

    /// The letters and digits that come next.
    fn word(&mut self) -> &'a str {
        self.peek();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }
}

/// Elements in column-major order, put into row-major order.
fn row_major(data: &[u8], shape: &[usize], size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut index = vec![0usize; shape.len()];
    for _ in 0..data.len() / size {
        let mut at = 0;
        for (&i, &extent) in index.iter().zip(shape).rev() {
            at = at * extent + i;
        }
        out.extend_from_slice(&data[at * size..(at + 1) * size]);
        for (i, &extent) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < extent {
                break;
            }
            *i = 0;
        }
    }
    out
}

/// The bytes of a file with one array. numpy has no bf16 and no fp8: their bits are written as unsigned integers.
pub fn write(contents: &Contents) -> Result<Vec<u8>> {
    let descr = match contents.dtype {
        Dtype::I1 => "|b1",
        Dtype::I8 => "|i1",
        Dtype::U8 | Dtype::F8E4m3 | Dtype::F8E5m2 => "|u1",
        Dtype::I16 => "<i2",
        Dtype::U16 | Dtype::Bf16 => "<u2",
        Dtype::F16 => "<f2",
        Dtype::I32 => "<i4",
        Dtype::U32 => "<u4",
        Dtype::F32 => "<f4",
        Dtype::I64 => "<i8",
        Dtype::U64 => "<u8",
        Dtype::F64 => "<f8",
    };
    let shape: String = contents.shape.iter().map(|extent| format!("{extent}, ")).collect();
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    // Before the header: the magic string, two bytes of version, two of length. Behind it: a newline.
    let before = MAGIC.len() + 4;
    let length = (before + header.len() + 1).next_multiple_of(ALIGNMENT) - before;
    header.extend(std::iter::repeat_n(' ', length - 1 - header.len()));
    header.push('\n');
    let length = u16::try_from(length).map_err(|_| malformed("its shape has too many extents"))?;

    let mut file = Vec::with_capacity(before + header.len() + contents.bytes.len());
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&[1, 0]);
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(header.as_bytes());
    if contents.dtype == Dtype::I1 {
        file.extend(contents.bytes.iter().map(|&byte| u8::from(byte != 0)));
    } else {
        file.extend_from_slice(&contents.bytes);
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_as_numpy_reads_it() {
        let contents = Contents { dtype: Dtype::I16, shape: vec![2], bytes: vec![1, 0, 2, 0] };
        let file = write(&contents).expect("written");
        let mut expected = b"\x93NUMPY\x01\x00v\x00{'descr': '<i2', 'fortran_order': False, 'shape': (2, ), }".to_vec();
        expected.resize(127, b' ');
        expected.extend(b"\n\x01\x00\x02\x00");
        assert_eq!(file, expected);
        assert_eq!(read(&file).expect("read"), contents);
    }

    #[test]
    fn headers_are_python() {
        let header = |text: &str| Header::parse(text).map(|header| (header.descr, header.fortran_order, header.shape));
        let expected = |shape: &[usize]| ("<f4".to_owned(), false, shape.to_vec());
        for (text, shape) in [
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }   \n", [3].as_slice()),
            ("{\"shape\":(),\"descr\":\"<f4\",\"fortran_order\":False}", &[]),
            ("{'shape': (2L, 3L), 'descr': '<f4', 'fortran_order': False}", &[2, 3]),
        ] {
            assert_eq!(header(text).expect(text), expected(shape));
        }
        for (text, message) in [
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "records"),
            ("{'descr': '<f4', 'fortran_order': False}", "lacks one of"),
            ("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "`0`"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "extent"),
            ("{'descr': '<f4' 'fortran_order'", "lacks a `}`"),
            ("[]", "lacks a `{`"),
        ] {
            let error = header(text).expect_err(text).to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
        let complex = Header { descr: "<c8".into(), fortran_order: false, shape: vec![] };
        assert!(complex.dtype().expect_err("refused").to_string().contains("'<c8'"));
    }
}
