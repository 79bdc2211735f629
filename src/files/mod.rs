//! Arrays in files: `.npy`, `.npz` and `.safetensors`. Written beside their place and moved there.

mod error;
mod npy;
mod npz;
mod safetensors;

use std::io::Write;
use std::path::{Path, PathBuf};

pub use error::{FileError, Result};
use warpbook_device::Contents;

/// A path and the array in that file: `file.npz[entry]`.
pub fn split_entry(text: &str) -> (PathBuf, Option<String>) {
    match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        Some((path, entry)) => (path.into(), Some(entry.to_owned())),
        None => (text.into(), None),
    }
}

/// Reads an array: the only one, or the one of that name.
pub fn read(path: &Path, name: Option<&str>) -> Result<Contents> {
    match extension(path) {
        "npy" => npy::read(&std::fs::read(path)?),
        "npz" => npz::read(path, name),
        "safetensors" => safetensors::read(&std::fs::read(path)?, name),
        _ => Err(FileError::UnknownFormat),
    }
}

/// Writes arrays under their names; `.npy` takes one.
pub fn write(path: &Path, arrays: &[(String, Contents)]) -> Result<()> {
    let bytes = match (extension(path), arrays) {
        ("npy", [(_, contents)]) => npy::write(contents)?,
        ("npy", _) => return Err(FileError::OneArray),
        ("npz", _) => npz::write(arrays)?,
        ("safetensors", _) => safetensors::write(arrays)?,
        _ => return Err(FileError::UnknownFormat),
    };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What the umask allows, as for any other file of the reader's.
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(directory)?;
    file.write_all(&bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use warpbook_device::Dtype;

    fn contents(dtype: Dtype) -> Contents {
        let bytes = (0..6 * dtype.size()).map(|byte| if dtype == Dtype::I1 { byte as u8 & 1 } else { byte as u8 });
        Contents { dtype, shape: vec![2, 3], bytes: bytes.collect() }
    }

    #[test]
    fn every_type_comes_back() {
        let directory = tempfile::tempdir().expect("a directory");
        for dtype in Dtype::ALL {
            let array = contents(dtype);
            for (format, exact) in [("npy", false), ("npz", false), ("safetensors", true)] {
                let path = directory.path().join(format!("{dtype}.{format}"));
                write(&path, &[("x".into(), array.clone())]).expect("written");
                let back = read(&path, None).unwrap_or_else(|error| panic!("{dtype} {format}: {error}"));
                assert_eq!((&back.shape, &back.bytes), (&array.shape, &array.bytes), "{dtype} {format}");
                // numpy has no bf16 and no fp8: their bits are kept as unsigned integers.
                let kept = match dtype {
                    Dtype::Bf16 if !exact => Dtype::U16,
                    Dtype::F8E4m3 | Dtype::F8E5m2 if !exact => Dtype::U8,
                    other => other,
                };
                assert_eq!(back.dtype, kept, "{format}");
            }
        }
    }

    #[test]
    fn several_arrays_are_told_apart_by_name() {
        let directory = tempfile::tempdir().expect("a directory");
        for format in ["npz", "safetensors"] {
            let path = directory.path().join(format!("two.{format}"));
            let arrays = [("a".to_owned(), contents(Dtype::F32)), ("b".to_owned(), contents(Dtype::I64))];
            write(&path, &arrays).expect("written");
            assert_eq!(read(&path, Some("b")).expect("read"), arrays[1].1);
            for requested in [None, Some("c")] {
                match read(&path, requested) {
                    Err(FileError::WhichArray { names, .. }) => assert_eq!(names, ["a", "b"]),
                    other => panic!("{other:?}"),
                }
            }
        }
        let path = directory.path().join("two.npy");
        let two = [("a".to_owned(), contents(Dtype::F32)), ("b".to_owned(), contents(Dtype::F32))];
        assert!(matches!(write(&path, &two), Err(FileError::OneArray)));
        assert!(matches!(read(&directory.path().join("x.txt"), None), Err(FileError::UnknownFormat)));
    }

    #[test]
    fn damaged_files_are_errors() {
        let directory = tempfile::tempdir().expect("a directory");
        for format in ["npy", "npz", "safetensors"] {
            let path = directory.path().join(format!("x.{format}"));
            write(&path, &[("x".into(), contents(Dtype::F32))]).expect("written");
            let good = std::fs::read(&path).expect("read");
            for cut in 0..good.len() {
                std::fs::write(&path, &good[..cut]).expect("written");
                assert!(read(&path, Some("x")).is_err(), "{format} cut at {cut} of {}", good.len());
            }
            for at in 0..good.len().min(200) {
                let mut bad = good.clone();
                bad[at] ^= 0xff;
                std::fs::write(&path, bad).expect("written");
                // An error or other contents, but no panic and no endless allocation.
                let _ = read(&path, Some("x"));
            }
        }
    }

    #[test]
    fn headers_that_lie_are_errors() {
        for shape in ["(0, 4611686018427387904, 8)", "(4611686018427387904, 8, 0)", "(4611686018427387904, 64)"] {
            let mut bytes = b"\x93NUMPY\x01\x00v\x00".to_vec();
            bytes.extend(format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}").bytes());
            bytes.resize(127, b' ');
            bytes.push(b'\n');
            assert!(npy::read(&bytes).is_err(), "{shape}");
        }
        let long = b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec();
        assert!(npy::read(&long).is_err());
    }

    #[test]
    fn fortran_order_and_big_endian_are_understood() {
        let mut bytes = b"\x93NUMPY\x01\x00v\x00{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }".to_vec();
        bytes.resize(127, b' ');
        bytes.push(b'\n');
        for value in [1i16, 4, 2, 5, 3, 6] {
            bytes.extend(value.to_be_bytes());
        }
        let contents = npy::read(&bytes).expect("read");
        assert_eq!(contents.dtype, Dtype::I16);
        assert_eq!(contents.bytes, (1..=6i16).flat_map(i16::to_le_bytes).collect::<Vec<_>>());
        let huge = String::from_utf8_lossy(&bytes).replace("(2, 3)", "(9999999999, 9999999999)");
        assert!(npy::read(huge.as_bytes()).is_err());
    }
}
