//! Why a file cannot be read or written, and which of its arrays is meant.

use warpbook_process::memory::Shortage;
use warpbook_process::work::Stopped;

/// Why a file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system's own words.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The file is not what its name says, or holds what no buffer can.
    #[error("{0}")]
    Malformed(String),
    /// Reading or writing was interrupted, or there is no memory for the array.
    #[error("{}", match .0 { Stopped::Interrupted => "interrupted".to_owned(), Stopped::Memory(shortage) => shortage.to_string() })]
    Stopped(Stopped),
    /// The file holds several arrays, and none was requested, or an unknown one.
    #[error("{}", match requested { Some(name) => format!("it has no array `{name}`"), None => "it holds several arrays".to_owned() })]
    WhichArray {
        /// Name of the array that was requested, if one was.
        requested: Option<String>,
        /// Names of the arrays in the file.
        names: Vec<String>,
    },
    /// The name ends on none of the known formats.
    #[error("its name does not say its format")]
    UnknownFormat,
    /// The format holds one array only.
    #[error("a .npy file holds one array")]
    OneArray,
}

impl From<Stopped> for FileError {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl From<Shortage> for FileError {
    fn from(shortage: Shortage) -> Self {
        Self::Stopped(shortage.into())
    }
}

/// The result of reading or writing a file.
pub type Result<T> = std::result::Result<T, FileError>;

/// Returns the requested name, or the only one there is.
pub fn choose<'a>(names: &'a [String], requested: Option<&str>) -> Result<&'a String> {
    let found = match (requested, names) {
        (None, [only]) => Some(only),
        (None, _) => None,
        (Some(requested), _) => names.iter().find(|name| *name == requested),
    };
    found.ok_or_else(|| FileError::WhichArray { requested: requested.map(str::to_owned), names: names.to_vec() })
}

/// Most dimensions of an array, as many as numpy's have.
const MOST_DIMENSIONS: usize = 64;

/// Refuses a shape of more dimensions than any array has.
pub fn check_dimensions(count: usize) -> Result<()> {
    if count <= MOST_DIMENSIONS {
        return Ok(());
    }
    Err(FileError::Malformed(format!("{count} dimensions are more than {MOST_DIMENSIONS}")))
}
