//! Which element of a buffer a report's byte belongs to.

use regex::{Captures, Regex};

use super::changes::index_of;
use crate::workspace::Buffers;
use warpbook_diagnostic::Diagnostic;

/// Names the element beside each `byte 16 of x`, where `x` is a buffer that has it.
pub fn with_elements(mut error: Diagnostic, buffers: &Buffers) -> Diagnostic {
    // Once is enough: an error may come by twice.
    let is_named = |text: &String| text.contains("(element [");
    if is_named(&error.message) || error.notes.iter().any(is_named) {
        return error;
    }
    let Ok(pattern) = Regex::new(r"byte (\d+) of (\w+)") else { return error };
    let named = |found: &Captures<'_>| {
        let element = || {
            let buffer = buffers.get(found.get(2)?.as_str())?;
            let byte: usize = found.get(1)?.as_str().parse().ok()?;
            let flat = byte / buffer.dtype.size();
            (flat < buffer.numel()).then(|| format!(" (element {:?})", index_of(flat, &buffer.shape)))
        };
        format!("{}{}", &found[0], element().unwrap_or_default())
    };
    error.message = pattern.replace_all(&error.message, named).into_owned();
    for note in &mut error.notes {
        *note = pattern.replace_all(note, named).into_owned();
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;
    use crate::workspace::fixture::put_zeros;
    use warpbook_device::Dtype;

    #[test]
    fn a_byte_has_its_element() {
        let mut workspace = Workspace::default();
        put_zeros(&mut workspace, "x", Dtype::F16, &[2, 3]);
        let error =
            Diagnostic::error("race", "byte 12 of x, which has 12 bytes").note("at byte 8 of x, and byte 8 of y");
        let error = with_elements(error, &workspace.buffers);
        assert_eq!(with_elements(error.clone(), &workspace.buffers), error);
        assert_eq!(error.message, "byte 12 of x, which has 12 bytes");
        assert_eq!(error.notes, ["at byte 8 of x (element [1, 1]), and byte 8 of y"]);
    }
}
