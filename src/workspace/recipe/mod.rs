//! Recipes: the contents that an expression gives to a buffer, and the same contents once more.

pub mod expressions;
mod initialise;
mod random;

pub use initialise::{INITIALISERS, initialise, reserve};

use crate::expression::parse;
use crate::expression::tensor::Value;
use crate::files;
use crate::workspace::{Workspace, resolve_view, tensors};
use warpbook_device::{Buffer, Recipe};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_process::cancel::Cancel;
use warpbook_process::work::Work;

/// The bytes that a buffer's recipe makes of what the workspace holds. Whether they are what the buffer held is for
/// the caller to find out.
pub fn remake(buffer: &Buffer, workspace: &Workspace, cancel: &Cancel) -> Result<Vec<u8>> {
    let work = Work::new(cancel);
    let cannot = |why: &str| Diagnostic::error("recipe", why);
    let text = match &buffer.recipe {
        Recipe::File(path) => {
            let (path, entry) = files::split_entry(path);
            let read = files::read(&path, entry.as_deref(), work);
            return read.map(|contents| contents.bytes).map_err(|error| cannot(&format!("its file: {error}")));
        }
        Recipe::Dump(_) => return Err(cannot("it came out of the middle of a kernel")),
        Recipe::Initialiser(text) | Recipe::Expression(text) | Recipe::Copy(text) => text,
    };
    let expression = parse(text, 0..text.len())?;
    if let Some(contents) = initialise(&expression, workspace, work)? {
        return Ok(contents.bytes);
    }
    if let Ok(Some(view)) = resolve_view(&expression, workspace) {
        return workspace.read(&view);
    }
    match expressions::value(&expression, workspace, cancel)? {
        Value::Tensor(tensor) => Ok(tensors::contents(&tensor, buffer.dtype, work)?.bytes),
        Value::Scalar(_) => Err(cannot("its recipe makes a number now")),
    }
}
