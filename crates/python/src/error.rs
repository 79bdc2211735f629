//! Diagnostics as Python exceptions.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use warpbook_diagnostic::Diagnostic;

pyo3::create_exception!(
    _engine,
    EngineError,
    PyRuntimeError,
    "The emulator refused or stopped a launch. `code` names the kind of error, `message` is its sentence, `notes` and `help` \
     say more, `place` is (file, line, column) in the text that the PTX was made from, or None; str() has all of it."
);

/// The exception for a diagnostic.
pub fn exception(py: Python<'_>, diagnostic: &Diagnostic) -> PyErr {
    let error = EngineError::new_err(diagnostic.to_plain());
    match set_parts(error.value(py), diagnostic) {
        Ok(()) => error,
        Err(failed) => failed,
    }
}

fn set_parts(error: &Bound<'_, PyAny>, diagnostic: &Diagnostic) -> PyResult<()> {
    error.setattr("code", diagnostic.code)?;
    error.setattr("message", &diagnostic.message)?;
    error.setattr("notes", &diagnostic.notes)?;
    error.setattr("help", &diagnostic.help)?;
    error.setattr("place", place(diagnostic))
}

fn place(diagnostic: &Diagnostic) -> Option<(&str, u32, u32)> {
    diagnostic.origin.as_ref().map(|place| (place.path.as_str(), place.line, place.column))
}

/// A finding of the checks as a dictionary, with the parts of an [`EngineError`] and its whole `text`.
pub fn finding<'py>(py: Python<'py>, diagnostic: &Diagnostic) -> PyResult<Bound<'py, PyDict>> {
    let parts = PyDict::new(py);
    parts.set_item("code", diagnostic.code)?;
    parts.set_item("message", &diagnostic.message)?;
    parts.set_item("notes", &diagnostic.notes)?;
    parts.set_item("help", &diagnostic.help)?;
    parts.set_item("place", place(diagnostic))?;
    parts.set_item("text", diagnostic.to_plain())?;
    Ok(parts)
}
