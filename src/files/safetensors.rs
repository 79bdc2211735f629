//! The safetensors format.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use safetensors::Dtype as Name;
use safetensors::tensor::{Metadata, TensorInfo};

use super::bytes;
use super::error::{FileError, Result, check_dimensions, choose};
use warpbook_device::{Contents, Dtype};
use warpbook_process::work::Work;

/// Our types and the format's names for them.
const TYPES: [(Dtype, Name); 15] = [
    (Dtype::I1, Name::BOOL),
    (Dtype::I8, Name::I8),
    (Dtype::I16, Name::I16),
    (Dtype::I32, Name::I32),
    (Dtype::I64, Name::I64),
    (Dtype::U8, Name::U8),
    (Dtype::U16, Name::U16),
    (Dtype::U32, Name::U32),
    (Dtype::U64, Name::U64),
    (Dtype::F16, Name::F16),
    (Dtype::Bf16, Name::BF16),
    (Dtype::F32, Name::F32),
    (Dtype::F64, Name::F64),
    (Dtype::F8E4m3, Name::F8_E4M3),
    (Dtype::F8E5m2, Name::F8_E5M2),
];

/// Most bytes of a header: those of models with tens of thousands of tensors have a few megabytes.
const LONGEST_HEADER: u64 = 16 << 20;
/// Bytes in front of the header, with its length.
const LENGTH: usize = 8;

/// The tensor of that name, or the only one.
pub fn read(path: &Path, name: Option<&str>, work: Work<'_>) -> Result<Contents> {
    let (mut file, length) = bytes::open(path)?;
    let size = bytes::take(&mut file, LENGTH, "the header's length", work)?;
    let header_bytes = size.iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
    if header_bytes > LONGEST_HEADER {
        let message = format!("its header of {header_bytes} bytes is longer than {LONGEST_HEADER}");
        return Err(FileError::Malformed(message));
    }
    let header = bytes::take(&mut file, header_bytes as usize, "its header", work)?;
    // `Metadata` checks that the tensors cover the data without gaps, so its end is the end of the last.
    let metadata: Metadata =
        serde_json::from_slice(&header).map_err(|error| FileError::Malformed(format!("its header: {error}")))?;
    let data = metadata.data_len() as u64;
    if length != LENGTH as u64 + header_bytes + data {
        return Err(FileError::Malformed(format!("it has {length} bytes, and its header describes {data} of data")));
    }
    let mut names = metadata.offset_keys();
    names.sort();
    let name = choose(&names, name)?;
    let Some(tensor) = metadata.info(name) else {
        return Err(FileError::Malformed(format!("it does not describe `{name}`")));
    };
    let Some((dtype, _)) = TYPES.into_iter().find(|(_, name)| *name == tensor.dtype) else {
        return Err(FileError::Malformed(format!("no buffer holds elements of type {:?}", tensor.dtype)));
    };
    check_dimensions(tensor.shape.len())?;
    let (start, end) = tensor.data_offsets;
    file.seek(SeekFrom::Current(start as i64))?;
    let bytes = bytes::take(&mut file, end - start, "data", work)?;
    Ok(Contents { dtype, shape: tensor.shape.clone(), bytes })
}

/// Writes a file. As the format asks, the header is padded to whole words, and larger types come first, so that each
/// tensor is aligned.
pub fn write(arrays: &[(String, Contents)], target: &mut impl Write) -> Result<()> {
    let mut arrays: Vec<_> = arrays.iter().collect();
    arrays.sort_by(|(a, first), (b, second)| second.dtype.size().cmp(&first.dtype.size()).then(a.cmp(b)));
    let mut tensors = Vec::with_capacity(arrays.len());
    let mut end = 0;
    for (name, contents) in &arrays {
        let found = TYPES.into_iter().find(|(dtype, _)| *dtype == contents.dtype);
        let Some((_, dtype)) = found else {
            return Err(FileError::Malformed(format!("safetensors has no name for {}", contents.dtype)));
        };
        let start = end;
        end += contents.bytes.len();
        let info = TensorInfo { dtype, shape: contents.shape.clone(), data_offsets: (start, end) };
        tensors.push((name.clone(), info));
    }
    let metadata = Metadata::new(None, tensors).map_err(malformed)?;
    let mut header = serde_json::to_vec(&metadata).map_err(|error| FileError::Malformed(error.to_string()))?;
    header.resize(header.len().next_multiple_of(LENGTH), b' ');
    target.write_all(&(header.len() as u64).to_le_bytes())?;
    target.write_all(&header)?;
    for (_, contents) in arrays {
        target.write_all(&contents.bytes)?;
    }
    Ok(())
}

fn malformed(error: safetensors::SafeTensorError) -> FileError {
    FileError::Malformed(error.to_string())
}
