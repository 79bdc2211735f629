//! The safetensors format.

use safetensors::tensor::TensorView;
use safetensors::{Dtype as Name, SafeTensors};

use super::error::{FileError, Result, choose};
use warpbook_device::{Contents, Dtype};

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

/// The tensor of that name, or the only one, in the bytes of a file.
pub fn read(bytes: &[u8], name: Option<&str>) -> Result<Contents> {
    let file = SafeTensors::deserialize(bytes).map_err(malformed)?;
    let mut names: Vec<String> = file.names().into_iter().map(ToString::to_string).collect();
    names.sort();
    let tensor = file.tensor(choose(&names, name)?).map_err(malformed)?;
    let Some((dtype, _)) = TYPES.into_iter().find(|(_, name)| *name == tensor.dtype()) else {
        return Err(FileError::Malformed(format!("no buffer holds elements of type {:?}", tensor.dtype())));
    };
    Ok(Contents { dtype, shape: tensor.shape().to_vec(), bytes: tensor.data().to_vec() })
}

/// The bytes of a file.
pub fn write(arrays: &[(String, Contents)]) -> Result<Vec<u8>> {
    let mut views = Vec::with_capacity(arrays.len());
    for (name, contents) in arrays {
        let found = TYPES.into_iter().find(|(dtype, _)| *dtype == contents.dtype);
        let Some((_, dtype)) = found else {
            return Err(FileError::Malformed(format!("safetensors has no name for {}", contents.dtype)));
        };
        views.push((name, TensorView::new(dtype, contents.shape.clone(), &contents.bytes).map_err(malformed)?));
    }
    safetensors::serialize(views, None).map_err(malformed)
}

fn malformed(error: safetensors::SafeTensorError) -> FileError {
    FileError::Malformed(error.to_string())
}
