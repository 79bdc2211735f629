//! Warpbook's emulator as the Python extension module `warpbook._engine`.
//!
//! What Python needs and nothing more: modules of PTX, a device that runs their kernels on the memory of the Python process
//! where it lies, tensor maps, and errors with their parts. What is done with it (Triton's driver, tests, capturing) is Python:
//! `python/warpbook`.

mod device;
mod error;
mod lent;
mod module;

use pyo3::prelude::*;

/// The module as Python imports it.
#[pymodule]
fn _engine(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<device::Device>()?;
    module.add_class::<device::Kernel>()?;
    module.add_class::<device::Report>()?;
    module.add_class::<module::Module>()?;
    module.add("EngineError", module.py().get_type::<error::EngineError>())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
