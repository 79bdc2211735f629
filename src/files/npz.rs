//! numpy's format for several arrays: a ZIP archive of `.npy` files.

use std::io::{self, Read, Seek, SeekFrom, Write};
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
    let mut archive = ZipWriter::new(Target { inner: target, has_failed: false, position: 0 });
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

/// A target that takes everything once it has failed. An archive that is dropped writes its end, and complains on the
/// standard error where it cannot; but what failed is reported already, and the file is thrown away.
struct Target<'a, W> {
    inner: &'a mut W,
    has_failed: bool,
    /// Offset of the next byte, had nothing failed.
    position: u64,
}

impl<W> Target<'_, W> {
    /// What became of an attempt; where it has failed, all that follow succeed.
    fn note<T>(&mut self, outcome: io::Result<T>) -> io::Result<T> {
        self.has_failed = outcome.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted);
        outcome
    }
}

impl<W: Write> Write for Target<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = Ok(bytes.len());
        if !self.has_failed {
            written = self.inner.write(bytes);
            written = self.note(written);
        }
        self.position += written.as_ref().map_or(0, |&count| count as u64);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.has_failed {
            return Ok(());
        }
        let flushed = self.inner.flush();
        self.note(flushed)
    }
}

impl<W: Seek> Seek for Target<'_, W> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.position = match position {
            _ if !self.has_failed => {
                let sought = self.inner.seek(position);
                self.note(sought)?
            }
            SeekFrom::Start(offset) => offset,
            SeekFrom::Current(distance) | SeekFrom::End(distance) => self.position.saturating_add_signed(distance),
        };
        Ok(self.position)
    }
}

fn malformed(error: zip::result::ZipError) -> FileError {
    FileError::Malformed(error.to_string())
}
