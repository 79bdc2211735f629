//! numpy's format for several arrays: a ZIP archive of `.npy` files.

use std::io::{Cursor, Read, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use super::error::{FileError, Result, choose};
use super::npy;
use warpbook_device::Contents;

/// Half of the machine's memory: an array that inflates to more is no array for a buffer.
fn largest() -> u64 {
    let info = rustix::system::sysinfo();
    u64::from(info.mem_unit.max(1)).saturating_mul(info.totalram) / 2
}

/// The array of that name, or the only one.
pub fn read(path: &Path, name: Option<&str>) -> Result<Contents> {
    let mut archive = ZipArchive::new(std::fs::File::open(path)?).map_err(malformed)?;
    let names: Vec<String> =
        archive.file_names().map(|name| name.strip_suffix(".npy").unwrap_or(name).to_owned()).collect();
    let chosen = choose(&names, name)?;
    let index = names.iter().position(|name| name == chosen).unwrap_or_default();
    let entry = archive.by_index(index).map_err(malformed)?;
    let (mut bytes, limit) = (Vec::new(), largest());
    entry.take(limit).read_to_end(&mut bytes).map_err(|error| FileError::Malformed(error.to_string()))?;
    if bytes.len() as u64 == limit {
        return Err(FileError::Malformed("the array does not fit this machine's memory".to_owned()));
    }
    npy::read(&bytes)
}

/// The bytes of an archive.
pub fn write(arrays: &[(String, Contents)]) -> Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, contents) in arrays {
        archive.start_file(format!("{name}.npy"), SimpleFileOptions::default().large_file(true)).map_err(malformed)?;
        archive.write_all(&npy::write(contents)?)?;
    }
    Ok(archive.finish().map_err(malformed)?.into_inner())
}

fn malformed(error: zip::result::ZipError) -> FileError {
    FileError::Malformed(error.to_string())
}
