//! The text of a PTX module, parsed.

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use warpbook_diagnostic::Source;
use warpbook_ptx::Function;
use warpbook_ptx::isa::forms::Architecture;

use crate::error::exception;

/// A PTX module: what its text says of its kernels.
#[pyclass(frozen, module = "warpbook._engine")]
pub struct Module {
    /// The text, named as reports name it.
    pub source: Source,
    /// The syntax tree of the text.
    pub syntax: warpbook_ptx::Module,
}

#[pymethods]
impl Module {
    /// Parses a text. Raises `EngineError` where it is no PTX.
    #[new]
    fn new(py: Python<'_>, ptx: String) -> PyResult<Self> {
        let source = Source::new("ptx", ptx);
        let parsed = py.detach(|| warpbook_ptx::parse(&source.text));
        match parsed {
            Ok(syntax) => Ok(Self { source, syntax }),
            Err(error) => Err(exception(py, &error.in_source(&source))),
        }
    }

    /// The compute capability that `.target` names: 90 for `sm_90a`; None without one.
    #[getter]
    fn capability(&self) -> Option<u32> {
        Architecture::parse(&self.syntax.target).map(|target| target.number)
    }

    /// Names of the kernels (`.entry`), in the order of the text.
    #[getter]
    fn kernels(&self) -> Vec<&str> {
        self.syntax.entries().map(|function| function.name.as_str()).collect()
    }

    /// (name, bytes) of each parameter of a kernel, in order.
    fn parameters(&self, kernel: &str) -> PyResult<Vec<(&str, u32)>> {
        let declaration = self.declaration(kernel)?;
        Ok(declaration.params.iter().map(|param| (param.name.as_str(), param.size())).collect())
    }

    /// Threads of a block, [x, y, z], where a kernel says them (`.reqntid`).
    fn required_block(&self, kernel: &str) -> PyResult<Option<[u32; 3]>> {
        Ok(self.declaration(kernel)?.reqntid)
    }
}

impl Module {
    fn declaration(&self, kernel: &str) -> PyResult<&Function> {
        let found = self.syntax.entries().find(|function| function.name == kernel);
        found.ok_or_else(|| PyKeyError::new_err(format!("the PTX has no kernel `{kernel}`")))
    }
}
