//! An emulated GPU whose global memory is that of the Python process.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use warpbook_device::Device as _;
use warpbook_device::{Code, Emulated, FunctionId, Launch, LaunchReport, TensorMap};
use warpbook_diagnostic::Source;
use warpbook_gpu::GpuLimits;
use warpbook_process::cancel::Cancel;

use crate::error::{exception, finding};
use crate::lent::{Lent, Range};
use crate::module::Module;

/// How often a launch that runs lets Python look for signals, and passes on what the kernel has printed.
const LOOK: Duration = Duration::from_millis(50);

/// An emulated GPU of one compute capability. One launch runs at a time; launches of other threads wait.
#[pyclass(frozen, module = "warpbook._engine")]
pub struct Device {
    emulated: Mutex<Emulated>,
    /// The emulated compute capability: 90 for `sm_90`.
    #[pyo3(get)]
    capability: u32,
}

/// A kernel that a device has loaded.
#[pyclass(frozen, module = "warpbook._engine")]
pub struct Kernel {
    device: Py<Device>,
    function: FunctionId,
    source: Source,
}

/// What a launch did.
#[pyclass(frozen, get_all, module = "warpbook._engine")]
pub struct Report {
    /// Wall time of the emulation in seconds.
    seconds: f64,
    /// Instructions executed, counted once per warp.
    warp_instructions: u64,
    /// One past the highest byte of dynamic shared memory that was touched.
    shared_touched: u32,
    /// Things the reader should know, one sentence each.
    warnings: Vec<String>,
    /// What the checks have found: a list of dictionaries; empty without checks.
    findings: Py<PyList>,
}

#[pymethods]
impl Device {
    /// `capability` is the compute capability: 90 for `sm_90`. With `fast` tensor cores compute in the host's own f32
    /// arithmetic, which is quicker and has other bits.
    #[new]
    #[pyo3(signature = (capability, *, fast=false))]
    fn new(capability: u32, fast: bool) -> Self {
        let emulated = Emulated::beside_the_host(capability).with_fast_arithmetic(fast);
        Self { emulated: Mutex::new(emulated), capability }
    }

    /// Bytes of shared memory that a block may have.
    #[getter]
    fn shared_limit(&self) -> u32 {
        GpuLimits::for_capability(self.capability).shared_per_block
    }

    /// Number of multiprocessors of a GPU of this compute capability.
    #[getter]
    fn multiprocessors(&self) -> u32 {
        GpuLimits::for_capability(self.capability).multiprocessors
    }

    /// The kernel of a module, loaded. Raises `EngineError` where no GPU would take the text, where the emulated one does not
    /// run it, or where there is no such kernel.
    fn load(slf: &Bound<'_, Self>, module: &Module, kernel: &str) -> PyResult<Kernel> {
        let (py, device) = (slf.py(), slf.get());
        let loaded = py.detach(|| {
            let code = Code::ParsedPtx { text: &module.source.text, syntax: &module.syntax };
            device.lock().load(code, kernel).map_err(|error| error.in_source(&module.source))
        });
        let function = loaded.map_err(|error| exception(py, &error))?;
        Ok(Kernel { device: slf.clone().unbind(), function, source: module.source.clone() })
    }

    /// The 128 bytes of a tensor map. `description` is JSON with the fields of the emulator's `TensorMap`.
    fn tensor_map(&self, description: &str) -> PyResult<Vec<u8>> {
        let invalid = |message: String| PyValueError::new_err(message);
        let map: TensorMap = serde_json::from_str(description).map_err(|error| invalid(error.to_string()))?;
        match map.broken().into_iter().next() {
            None => Ok(map.encode().to_vec()),
            Some(broken) => Err(invalid(format!("{}: {}; expected {}", broken.field, broken.problem, broken.expected))),
        }
    }
}

#[pymethods]
impl Kernel {
    /// Runs a launch on memory of this process, which the caller keeps alive and leaves alone until it ends.
    ///
    /// `memory` is a list of (name, address, bytes, unwritten): a kernel reaches these ranges, at these addresses, and
    /// nothing else. `arguments` are the parameters, as wide as the kernel declares them. `printed` is called with text that
    /// the kernel prints. An interrupt (Control-C) ends the launch.
    #[pyo3(signature = (*, grid, block, cluster=[1, 1, 1], shared=0, arguments, memory, cooperative=false,
        check=false, seed=0, printed=None))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn launch(
        &self,
        py: Python<'_>,
        grid: [u32; 3],
        block: [u32; 3],
        cluster: [u32; 3],
        shared: u32,
        arguments: Vec<Vec<u8>>,
        memory: Vec<Range>,
        cooperative: bool,
        check: bool,
        seed: u64,
        printed: Option<Py<PyAny>>,
    ) -> PyResult<Report> {
        let cancel = Cancel::new();
        let (text, texts) = unbounded::<String>();
        let outcome = std::thread::scope(|scope| {
            let running = scope.spawn({
                let cancel = &cancel;
                move || {
                    let mut device = self.device.get().lock();
                    let launch = Launch {
                        function: self.function,
                        grid,
                        block,
                        cluster,
                        shared,
                        extra_shared: 0,
                        args: arguments,
                        cooperative,
                        dependent: false,
                        seed,
                        observe: None,
                        check,
                    };
                    let mut lent = Lent::new(&mut device, &memory)?;
                    let print = |part: &str| drop(text.send(part.to_owned()));
                    lent.device().launch(&launch, cancel, &print).map_err(|error| error.in_source(&self.source))
                }
            });
            let stopped = attend(py, &texts, printed.as_ref(), &cancel);
            let outcome = py.detach(|| running.join());
            stopped.map(|()| outcome)
        })?;
        match outcome {
            Ok(Ok(report)) => Report::new(py, report, &self.source),
            Ok(Err(error)) => Err(exception(py, &error)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Device {
    fn lock(&self) -> MutexGuard<'_, Emulated> {
        self.emulated.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until the launch has ended: hands on what it prints, and lets Python handle signals. A signal handler or `printed` that
/// raises stops the launch.
fn attend(py: Python<'_>, texts: &Receiver<String>, printed: Option<&Py<PyAny>>, cancel: &Cancel) -> PyResult<()> {
    let mut failed = None;
    // The channel closes when the launch ends.
    loop {
        let next = py.detach(|| texts.recv_timeout(LOOK));
        let outcome = match (next, printed) {
            (Err(RecvTimeoutError::Disconnected), _) => return failed.map_or(Ok(()), Err),
            (Ok(text), Some(printed)) => printed.call1(py, (text,)).map(drop),
            (Ok(_), None) => Ok(()),
            (Err(RecvTimeoutError::Timeout), _) => py.check_signals(),
        };
        if let Err(error) = outcome
            && failed.is_none()
        {
            cancel.cancel();
            failed = Some(error);
        }
    }
}

impl Report {
    fn new(py: Python<'_>, report: LaunchReport, source: &Source) -> PyResult<Self> {
        let found = report.checked.map(|checked| checked.findings).unwrap_or_default();
        let found: Vec<Bound<'_, PyDict>> =
            found.into_iter().map(|each| finding(py, &each.in_source(source))).collect::<PyResult<_>>()?;
        Ok(Self {
            seconds: report.elapsed.as_secs_f64(),
            warp_instructions: report.warp_instructions.unwrap_or_default(),
            shared_touched: report.shared_touched.unwrap_or_default(),
            warnings: report.warnings,
            findings: PyList::new(py, found)?.unbind(),
        })
    }
}
