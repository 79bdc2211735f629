//! How a GPU is started: in a process of its own.

use std::path::Path;

use warpbook_device::Device;
use warpbook_device::cuda::Hosted;
use warpbook_diagnostic::Result;

/// Starts a GPU by its name, `cuda:0`.
pub type Starter = Box<dyn Fn(&str) -> Result<Box<dyn Device>> + Send>;

/// Names the device that stands in for each GPU, such as `emu:sm_80`, so that the campaign's scripts run without a GPU.
const STAND_IN: &str = "WARPBOOK_GPU_STAND_IN";

/// Each GPU in a process of its own.
pub(super) fn start_hosted() -> Starter {
    Box::new(|name| {
        Ok(Box::new(match std::env::var(STAND_IN) {
            Ok(backend) => Hosted::start_behind(name, &backend, Path::new("/proc/self/exe"))?,
            Err(_) => Hosted::start(name)?,
        }))
    })
}
