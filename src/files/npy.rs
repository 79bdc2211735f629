//! numpy's format for one array (NEP 1).

use std::io::{Read, Write};

use npyz::{DType, Endianness, NpyHeader, Order, TypeChar, WriterBuilder};

use super::bytes::take;
use super::error::{FileError, Result, check_dimensions};
use warpbook_device::{Contents, Dtype};
use warpbook_process::work::Work;

/// Most bytes of a header: numpy itself refuses more than 10 000 characters unless it is told to trust the file.
const LONGEST_HEADER: usize = 1 << 16;
/// How deep brackets of a header may be nested: the parser calls itself for each.
const DEEPEST_HEADER: usize = 32;

/// Reads an array.
pub fn read(source: &mut impl Read, work: Work<'_>) -> Result<Contents> {
    let header = header(source, work)?;
    let header = NpyHeader::from_reader(&mut header.as_slice()).map_err(malformed)?;
    check_dimensions(header.shape().len())?;
    let DType::Plain(ty) = header.dtype() else {
        return Err(FileError::Malformed(format!("its elements are records ({})", header.dtype().descr())));
    };
    let dtype = match (ty.type_char(), ty.size_field()) {
        (TypeChar::Bool, 1) => Dtype::I1,
        (TypeChar::Int, 1) => Dtype::I8,
        (TypeChar::Int, 2) => Dtype::I16,
        (TypeChar::Int, 4) => Dtype::I32,
        (TypeChar::Int, 8) => Dtype::I64,
        (TypeChar::Uint, 1) => Dtype::U8,
        (TypeChar::Uint, 2) => Dtype::U16,
        (TypeChar::Uint, 4) => Dtype::U32,
        (TypeChar::Uint, 8) => Dtype::U64,
        (TypeChar::Float, 2) => Dtype::F16,
        (TypeChar::Float, 4) => Dtype::F32,
        (TypeChar::Float, 8) => Dtype::F64,
        // How ml_dtypes writes bfloat16.
        (TypeChar::RawData, 2) => Dtype::Bf16,
        _ => return Err(FileError::Malformed(format!("no buffer holds elements of type {}", header.dtype().descr()))),
    };
    let shape: Option<Vec<usize>> = header.shape().iter().map(|&extent| usize::try_from(extent).ok()).collect();
    let size = shape.as_ref().and_then(|shape| shape.iter().try_fold(dtype.size(), |size, n| size.checked_mul(*n)));
    let (Some(shape), Some(size)) = (shape, size) else {
        return Err(FileError::Malformed("its shape is too large".into()));
    };
    let mut data = take(source, size, "data", work)?;
    if ty.endianness() == Endianness::Big {
        for part in data.chunks_mut(dtype.size() << 16) {
            work.check()?;
            part.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
        }
    }
    if header.order() == Order::Fortran && shape.len() > 1 {
        data = row_major(&data, &shape, dtype.size(), work)?;
    }
    Ok(Contents { dtype, shape, bytes: data })
}

/// The bytes of a file up to its data. Refuses a header that is long or deeply nested, or whose extents' product
/// overflows: the parser takes room for it, calls itself and multiplies before anyone can look.
fn header(source: &mut impl Read, work: Work<'_>) -> Result<Vec<u8>> {
    let early = || FileError::Malformed("it ends within its header".to_owned());
    let mut header = vec![0; 10];
    source.read_exact(&mut header).map_err(|_| early())?;
    if !header.starts_with(b"\x93NUMPY") {
        return Err(FileError::Malformed("it does not begin as a .npy file does".to_owned()));
    }
    let length = if header[6] == 1 {
        usize::from(u16::from_le_bytes([header[8], header[9]]))
    } else {
        let mut high = [0; 2];
        source.read_exact(&mut high).map_err(|_| early())?;
        header.extend(high);
        u32::from_le_bytes([header[8], header[9], high[0], high[1]]) as usize
    };
    if length > LONGEST_HEADER {
        let message = format!("its header of {length} bytes is longer than any that describes an array");
        return Err(FileError::Malformed(message));
    }
    let start = header.len();
    header.extend(take(source, length, "its header", work)?);
    let text = String::from_utf8_lossy(&header[start..]);
    let mut depth = 0usize;
    for character in text.chars() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST_HEADER {
            return Err(FileError::Malformed("the brackets of its header are nested too deeply".to_owned()));
        }
    }
    let shape = text.split_once("'shape'").and_then(|(_, rest)| rest.split_once('(')?.1.split_once(')'));
    let extents = shape.map_or("", |(extents, _)| extents).split(',').map(str::trim).filter(|text| !text.is_empty());
    // 16 bytes are more than any element that a buffer can hold.
    let product = extents
        .map(|text| text.trim_end_matches('L').parse::<u64>().ok())
        .try_fold(16u64, |product, extent| product.checked_mul(extent?.max(1)));
    match product {
        Some(_) => Ok(header),
        None => Err(FileError::Malformed("its shape is too large".to_owned())),
    }
}

fn malformed(error: std::io::Error) -> FileError {
    FileError::Malformed(error.to_string())
}

/// Elements in column-major order, put into row-major order.
fn row_major(data: &[u8], shape: &[usize], size: usize, work: Work<'_>) -> Result<Vec<u8>> {
    let mut out = work.room(data.len())?;
    let mut index = vec![0usize; shape.len()];
    for element in 0..data.len() / size {
        if element.is_multiple_of(1 << 16) {
            work.check()?;
        }
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
    Ok(out)
}

/// Writes a file with one array.
pub fn write(contents: &Contents, target: &mut dyn Write) -> Result<()> {
    macro_rules! typed {
        ($ty:ty, |$chunk:ident| $convert:expr) => {{
            let shape: Vec<u64> = contents.shape.iter().map(|&extent| extent as u64).collect();
            let options = npyz::WriteOptions::<$ty>::new().default_dtype().shape(&shape);
            let mut writer = options.writer(&mut *target).begin_nd()?;
            for $chunk in contents.bytes.chunks_exact(contents.dtype.size()) {
                writer.push(&$convert)?;
            }
            Ok(writer.finish()?)
        }};
    }
    fn array<const N: usize>(chunk: &[u8]) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(chunk);
        bytes
    }
    match contents.dtype {
        Dtype::I1 => typed!(bool, |c| c[0] != 0),
        Dtype::I8 => typed!(i8, |c| c[0] as i8),
        Dtype::U8 | Dtype::F8E4m3 | Dtype::F8E5m2 => typed!(u8, |c| c[0]),
        Dtype::I16 => typed!(i16, |c| i16::from_le_bytes(array(c))),
        Dtype::U16 | Dtype::Bf16 => typed!(u16, |c| u16::from_le_bytes(array(c))),
        Dtype::F16 => typed!(half::f16, |c| half::f16::from_le_bytes(array(c))),
        Dtype::I32 => typed!(i32, |c| i32::from_le_bytes(array(c))),
        Dtype::U32 => typed!(u32, |c| u32::from_le_bytes(array(c))),
        Dtype::F32 => typed!(f32, |c| f32::from_le_bytes(array(c))),
        Dtype::I64 => typed!(i64, |c| i64::from_le_bytes(array(c))),
        Dtype::U64 => typed!(u64, |c| u64::from_le_bytes(array(c))),
        Dtype::F64 => typed!(f64, |c| f64::from_le_bytes(array(c))),
    }
}
