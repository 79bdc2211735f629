//! Warpbook's emulator as the Python extension module `warpbook._engine`.
//!
//! What Python needs and nothing more: a device that runs PTX on the memory of the Python process where it lies, tensor
//! maps, and errors with their parts. What is done with it (Triton's driver, tests, capturing) is Python: `python/warpbook`.

mod device;
mod error;
mod lent;

use pyo3::prelude::*;

/// The module as Python imports it.
#[pymodule]
fn _engine(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<device::Device>()?;
    module.add_class::<device::Report>()?;
    module.add("EngineError", module.py().get_type::<error::EngineError>())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
