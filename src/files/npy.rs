//! numpy's format for one array (NEP 1).

use std::io::{Read, Write};

use npyz::{DType, Endianness, NpyHeader, Order, TypeChar, WriterBuilder};

use super::error::{FileError, Result};
use warpbook_device::{Contents, Dtype};

/// The array in the bytes of a file.
pub fn read(bytes: &[u8]) -> Result<Contents> {
    check_extents(bytes)?;
    let mut rest = bytes;
    let header = NpyHeader::from_reader(&mut rest).map_err(malformed)?;
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
    if rest.len() < size {
        return Err(FileError::Malformed(format!("it ends early: {} of {size} bytes of data are there", rest.len())));
    }
    let mut data = Vec::with_capacity(size);
    rest.take(size as u64).read_to_end(&mut data)?;
    if ty.endianness() == Endianness::Big {
        data.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
    }
    if header.order() == Order::Fortran && shape.len() > 1 {
        data = row_major(&data, &shape, dtype.size());
    }
    Ok(Contents { dtype, shape, bytes: data })
}

/// Refuses a header that is longer than the file, or whose extents' product overflows: the parser multiplies them, and
/// takes room for the header, before anyone can look.
fn check_extents(bytes: &[u8]) -> Result<()> {
    let early = || FileError::Malformed("it ends within its header".to_owned());
    let version = *bytes.get(6).ok_or_else(early)?;
    let (start, length) = match version {
        1 => (10, bytes.get(8..10).map(|two| usize::from(u16::from_le_bytes([two[0], two[1]])))),
        _ => (12, bytes.get(8..12).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]) as usize)),
    };
    let header = length.and_then(|length| bytes.get(start..start + length)).ok_or_else(early)?;
    let text = String::from_utf8_lossy(header);
    let shape = text.split_once("'shape'").and_then(|(_, rest)| rest.split_once('(')?.1.split_once(')'));
    let extents = shape.map_or("", |(extents, _)| extents).split(',').map(str::trim).filter(|text| !text.is_empty());
    // 16 bytes are more than any element that a buffer can hold.
    let product = extents
        .map(|text| text.trim_end_matches('L').parse::<u64>().ok())
        .try_fold(16u64, |product, extent| product.checked_mul(extent?.max(1)));
    match product {
        Some(_) => Ok(()),
        None => Err(FileError::Malformed("its shape is too large".to_owned())),
    }
}

fn malformed(error: std::io::Error) -> FileError {
    FileError::Malformed(error.to_string())
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

/// The bytes of a file with one array.
pub fn write(contents: &Contents) -> Result<Vec<u8>> {
    macro_rules! typed {
        ($ty:ty, |$chunk:ident| $convert:expr) => {{
            let mut out = std::io::Cursor::new(Vec::new());
            let shape: Vec<u64> = contents.shape.iter().map(|&extent| extent as u64).collect();
            let options = npyz::WriteOptions::<$ty>::new().default_dtype().shape(&shape);
            let mut writer = options.writer(&mut out).begin_nd()?;
            for $chunk in contents.bytes.chunks_exact(contents.dtype.size()) {
                writer.push(&$convert)?;
            }
            writer.finish()?;
            out.flush()?;
            Ok(out.into_inner())
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
