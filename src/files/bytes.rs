//! Bytes on their way from and to a file, in parts between which an interrupt is seen.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::error::{FileError, Result};
use warpbook_process::cancel::Cancel;
use warpbook_process::work::{Stopped, Work};

/// Most bytes of one read or write.
const PART: usize = 1 << 20;

/// Opens a regular file: a pipe or a device may have no end. Returns its length too.
pub fn open(path: &Path) -> Result<(File, u64)> {
    // A pipe that nobody writes to would block the opening itself.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(FileError::Malformed("it is not a regular file".to_owned()));
    }
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

/// Reads exactly so many bytes; `what` names them in the error for a source that ends before.
pub fn take(source: &mut impl Read, count: usize, what: &str, work: Work<'_>) -> Result<Vec<u8>> {
    let mut bytes: Vec<u8> = work.room(count)?;
    while bytes.len() < count {
        work.check()?;
        let part = (count - bytes.len()).min(PART);
        if source.by_ref().take(part as u64).read_to_end(&mut bytes)? == 0 {
            return Err(FileError::Malformed(format!(
                "it ends early: {} of {count} bytes of {what} are there",
                bytes.len()
            )));
        }
    }
    Ok(bytes)
}

/// A file that refuses to be written further once the cell is interrupted.
pub struct Interruptible<'a, W> {
    target: W,
    cancel: &'a Cancel,
}

impl<'a, W: Write> Interruptible<'a, W> {
    /// A writer to `target` that work may interrupt.
    pub fn new(target: W, work: Work<'a>) -> Self {
        Self { target, cancel: work.cancel() }
    }
}

impl<W: Write> Write for Interruptible<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // No `ErrorKind::Interrupted`, which is tried again.
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("interrupted"));
        }
        self.target.write(&bytes[..bytes.len().min(PART)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

impl<W: Seek> Seek for Interruptible<'_, W> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.target.seek(position)
    }
}

/// The error of work that failed, or the interrupt that made it fail.
pub fn interrupted_or<T>(result: Result<T>, work: Work<'_>) -> Result<T> {
    match result {
        Err(FileError::Stopped(stopped)) => Err(FileError::Stopped(stopped)),
        Err(_) if work.check().is_err() => Err(Stopped::Interrupted.into()),
        other => other,
    }
}
