//! numpy's format for several arrays: a ZIP archive of `.npy` files.

use std::io::{Read, Seek, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use super::bytes;
use super::error::{FileError, Result, choose};
use super::npy;
use warpbook_device::Contents;
use warpbook_process::work::Work;

/// The array of that name, or the only one. No more of it is inflated than the array's own header says.
pub fn read(path: &Path, name: Option<&str>, work: Work<'_>) -> Result<Contents> {
    let (file, _) = bytes::open(path)?;
    let mut archive = ZipArchive::new(file).map_err(malformed)?;
    let names: Vec<String> =
        archive.file_names().map(|name| name.strip_suffix(".npy").unwrap_or(name).to_owned()).collect();
    let chosen = choose(&names, name)?;
    let index = names.iter().position(|name| name == chosen).unwrap_or_default();
    let mut entry = archive.by_index(index).map_err(malformed)?;
    let contents = npy::read(&mut entry, work)?;
    // The checksum is compared where the entry ends, which is behind the array.
    entry.read(&mut [0]).map_err(|error| FileError::Malformed(error.to_string()))?;
    Ok(contents)
}

/// Writes an archive.
pub fn write(arrays: &[(String, Contents)], target: &mut (impl Write + Seek)) -> Result<()> {
    let mut archive = ZipWriter::new(target);
    let written = arrays.iter().try_for_each(|(name, contents)| {
        let options = SimpleFileOptions::default().large_file(true);
        archive.start_file(format!("{name}.npy"), options).map_err(malformed)?;
        npy::write(contents, &mut archive)
    });
    match written {
        Ok(()) => archive.finish().map(drop).map_err(malformed),
        Err(error) => Err(error),
    }
}

fn malformed(error: zip::result::ZipError) -> FileError {
    FileError::Malformed(error.to_string())
}
